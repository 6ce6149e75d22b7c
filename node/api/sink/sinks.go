package sink

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/tocsin-exchange/tocsin/storage"
)

// Services are what sinks need of the node.
type Services struct {
	Store *storage.Store
	Host  string // as syslog messages name this node

	// Read returns what a sink gets of the changes behind a cursor, "" for all
	// there are; where there are none it waits a while for some.
	Read func(ctx context.Context, c *Config, after string, wait time.Duration) (Page, error)
	// Dialer makes connections to the public, and to networks that are allowed;
	// to these alone where what is sent can be read on the way.
	Dialer func(allow []netip.Prefix, plain bool) func(ctx context.Context, network, address string) (net.Conn, error)
	// File reads a file of the operator's; a secret nobody else may read.
	File func(path string, secret bool) ([]byte, error)
	Log  *slog.Logger
}

// Sinks are the sinks of a node. They work while [Sinks.Run] does.
type Sinks struct {
	Services
	records records
	changed chan struct{} // a sink was added or removed

	mu      sync.Mutex
	running map[string]*runner // by id
}

// New returns the sinks that a store remembers.
func New(s Services) *Sinks {
	return &Sinks{Services: s, records: records{s.Store}, changed: make(chan struct{}, 1), running: map[string]*runner{}}
}

// Run hands changes on until ctx ends, and returns when all sinks have stopped.
func (s *Sinks) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	defer wg.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	for {
		if err := s.reconcile(ctx, &wg); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-s.changed:
		}
	}
}

// reconcile starts what was added, and stops what was removed.
func (s *Sinks) reconcile(ctx context.Context, wg *sync.WaitGroup) error {
	list, err := s.records.all()
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	wanted := map[string]bool{}
	for _, rec := range list {
		if wanted[rec.ID] = true; s.running[rec.ID] == nil {
			own, stop := context.WithCancel(ctx)
			r := newRunner(s, rec, stop)
			s.running[rec.ID] = r
			wg.Go(func() { defer close(r.done); r.run(own) })
		}
	}
	for id, r := range s.running {
		if !wanted[id] {
			r.stop()
			delete(s.running, id)
		}
	}
	return nil
}

func (s *Sinks) wake() {
	select {
	case s.changed <- struct{}{}:
	default:
	}
}

// Add begins a sink, after a cursor; "" is the beginning. It returns a webhook's
// secret, which is never shown again. Errors wrap [ErrInvalid] or [ErrExists].
func (s *Sinks) Add(ctx context.Context, c Config, after string) (Config, string, error) {
	if err := c.Check(); err != nil {
		return c, "", err
	}
	list, err := s.records.all()
	if err != nil {
		return c, "", err
	}
	if len(list) >= MaxSinks {
		return c, "", fmt.Errorf("%w: there are %d already", ErrInvalid, len(list))
	}
	rec := record{Config: c, ID: randomID(), Created: time.Now().UTC().Truncate(time.Second), Cursor: after}
	shown := ""
	if c.Kind == Webhook {
		rec.Secret = make([]byte, 32)
		rand.Read(rec.Secret)
		shown = secretPrefix + base64.StdEncoding.EncodeToString(rec.Secret)
	}
	err = s.records.create(ctx, rec)
	s.wake()
	return c, shown, err
}

func randomID() string {
	var b [8]byte
	rand.Read(b[:])
	return hex.EncodeToString(b[:])
}

// Remove ends a sink, and forgets where it was: when it returns, nothing is sent
// there any more. Errors wrap [ErrNotFound].
func (s *Sinks) Remove(ctx context.Context, name string) error {
	rec, err := s.find(name)
	if err != nil {
		return err
	}
	defer s.wake()
	s.mu.Lock()
	r := s.running[rec.ID]
	s.mu.Unlock()
	err = s.records.remove(ctx, rec)
	if r != nil && err == nil {
		r.stop()
		<-r.done
	}
	return err
}

func (s *Sinks) find(name string) (record, error) {
	rec, ok, err := s.records.load(name)
	if err == nil && !ok {
		err = fmt.Errorf("%w: %s", ErrNotFound, name)
	}
	return rec, err
}

// A State is how a sink is doing.
type State struct {
	Config
	Created   time.Time `json:"created"`
	Delivered uint64    `json:"delivered"`         // events, since the node's start
	Failures  int       `json:"failures,omitzero"` // in a row, up to now
	Problem   string    `json:"problem,omitempty"` // the last of them
	Since     time.Time `json:"since,omitzero"`    // when the first of them was
	Dead      int       `json:"dead,omitzero"`     // letters
}

// List returns all sinks, by name.
func (s *Sinks) List() ([]State, error) {
	list, err := s.records.all()
	if err != nil {
		return nil, err
	}
	states := make([]State, 0, len(list))
	for _, rec := range list {
		st := State{Config: rec.Config, Created: rec.Created}
		letters, err := s.records.letters(&rec)
		if err != nil {
			return nil, err
		}
		st.Dead = len(letters)
		s.mu.Lock()
		r := s.running[rec.ID]
		s.mu.Unlock()
		if r != nil {
			r.report(&st)
		}
		states = append(states, st)
	}
	return states, nil
}

// Dead lists the dead letters of a sink, the oldest first.
func (s *Sinks) Dead(name string) ([]Letter, error) {
	rec, err := s.find(name)
	if err != nil {
		return nil, err
	}
	return s.records.letters(&rec)
}

// Retry has all dead letters of a sink tried again within [pollEvery], and
// returns how many there are.
func (s *Sinks) Retry(ctx context.Context, name string) (int, error) {
	return s.eachLetter(ctx, name, func(rec *record, l Letter) error {
		l.Due = true
		return s.records.putLetter(ctx, rec, l)
	})
}

// Drop forgets all dead letters of a sink, and returns how many there were.
func (s *Sinks) Drop(ctx context.Context, name string) (int, error) {
	return s.eachLetter(ctx, name, func(rec *record, l Letter) error { return s.records.dropLetter(ctx, rec, l.Number) })
}

func (s *Sinks) eachLetter(ctx context.Context, name string, do func(*record, Letter) error) (n int, err error) {
	rec, err := s.find(name)
	if err != nil {
		return 0, err
	}
	list, err := s.records.letters(&rec)
	for _, l := range list {
		if err = cmp.Or(err, ctx.Err(), do(&rec, l)); err != nil {
			return n, err
		}
		n++
	}
	return n, err
}
