package source

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/tocsin-exchange/tocsin/storage"
)

// Said is what became of a file.
type Said struct {
	IDs                        []string // of the objects that were said
	Accepted, Skipped, Refused int      // rows
	Reasons                    map[string]int
}

// Services are what sources need of the node.
type Services struct {
	Store *storage.Store

	// Say says what a file of a source holds, under the source's label.
	Say func(ctx context.Context, c *Config, r io.Reader) (Said, error)
	// Withdraw takes back what a source gave, by ids, ours or the source's, where
	// it was said before a moment and nobody has said it since; it returns how much.
	Withdraw func(ctx context.Context, c *Config, ids []string, before time.Time) (int, error)
	// Dialer makes connections to the public, and to networks that are allowed;
	// to these alone where what is sent can be read on the way.
	Dialer func(allow []netip.Prefix, plain bool) func(ctx context.Context, network, address string) (net.Conn, error)
	// File reads a file of the operator's; a secret nobody else may read.
	File func(path string, secret bool) ([]byte, error)
	Log  *slog.Logger
}

// Sources are the sources of a node. They are pulled on their schedule while
// [Sources.Run] works, and whenever [Sources.Pull] asks.
type Sources struct {
	Services
	records records
	changed chan struct{}

	mu   sync.Mutex
	busy map[string]bool // by id: a pull is under way
}

// New returns the sources that a store remembers.
func New(s Services) *Sources {
	return &Sources{Services: s, records: records{s.Store}, changed: make(chan struct{}, 1), busy: map[string]bool{}}
}

// lookEvery is how often Run looks for what is due, beside when it knows.
const lookEvery = time.Minute

// Run pulls what is due until ctx ends, and returns when no pull is under way.
func (s *Sources) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	defer wg.Wait()
	for {
		list, err := s.records.all()
		if err != nil {
			return err
		}
		wait := lookEvery
		for _, rec := range list {
			left := time.Until(rec.Last.At.Add(time.Duration(rec.Every)))
			if left <= 0 {
				wg.Go(func() { s.pullNow(ctx, rec.Name) })
				left = time.Duration(rec.Every)
			}
			wait = min(wait, left)
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil
		case <-s.changed:
		case <-timer.C:
		}
		timer.Stop()
	}
}

// pullNow pulls as the schedule says. What goes wrong is in the report.
func (s *Sources) pullNow(ctx context.Context, name string) {
	if _, err := s.Pull(ctx, name); err != nil && ctx.Err() == nil && !errors.Is(err, ErrBusy) {
		s.Log.Warn("a source could not be pulled", "source", name, "err", err)
	}
}

// Add begins a source. Errors wrap [ErrInvalid] or [ErrExists].
func (s *Sources) Add(ctx context.Context, c Config) (Config, error) {
	if err := c.Check(); err != nil {
		return c, err
	}
	list, err := s.records.all()
	if err != nil {
		return c, err
	}
	if len(list) >= MaxSources {
		return c, fmt.Errorf("%w: there are %d already", ErrInvalid, len(list))
	}
	var id [8]byte
	rand.Read(id[:])
	err = s.records.create(ctx, record{Config: c, ID: hex.EncodeToString(id[:]), Created: time.Now().UTC().Truncate(time.Second)})
	select {
	case s.changed <- struct{}{}:
	default:
	}
	return c, err
}

// Remove ends a source. What it gave stands until it expires or is taken back.
// Errors wrap [ErrNotFound].
func (s *Sources) Remove(ctx context.Context, name string) error {
	rec, err := s.records.load(name)
	if err != nil {
		return err
	}
	return s.records.remove(ctx, &rec)
}

// A State is how a source is doing.
type State struct {
	Config
	Created time.Time `json:"created"`
	Last    Report    `json:"last,omitzero"` // of the last pull; zero: none yet
}

// List returns all sources, by name.
func (s *Sources) List() ([]State, error) {
	list, err := s.records.all()
	states := make([]State, 0, len(list))
	for _, rec := range list {
		states = append(states, State{rec.Config, rec.Created, rec.Last})
	}
	return states, err
}

// begin lets one pull of a source in at a time.
func (s *Sources) begin(id string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.busy[id] {
		return false
	}
	s.busy[id] = true
	return true
}

func (s *Sources) end(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.busy, id)
}

// Pull asks a source for what is new, now. Errors wrap [ErrNotFound], [ErrBusy],
// or [ErrAnswer] where the source gave nothing of use; the report is kept also then.
func (s *Sources) Pull(ctx context.Context, name string) (Report, error) {
	rec, err := s.records.load(name)
	if err != nil {
		return Report{}, err
	}
	if !s.begin(rec.ID) {
		return Report{}, fmt.Errorf("%w: %s", ErrBusy, name)
	}
	defer s.end(rec.ID)
	if rec, err = s.records.load(name); err != nil { // as the pull before has left it
		return Report{}, err
	}
	within, cancel := context.WithTimeout(ctx, MaxTime)
	defer cancel()
	p := &pull{s: s, rec: &rec, report: Report{At: time.Now().UTC().Truncate(time.Millisecond)}}
	err = p.run(within)
	if ctx.Err() != nil {
		return p.report, ctx.Err() // whoever asked went away, or the node ends: it is due again
	}
	if err != nil {
		p.report.Problem, p.report.Failures = err.Error(), rec.Last.Failures+1
	}
	rec.Last = p.report
	return p.report, cmp.Or(err, s.records.save(ctx, &rec))
}
