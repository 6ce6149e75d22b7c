package sink

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/tocsin-exchange/tocsin/protocol"
	"github.com/tocsin-exchange/tocsin/protocol/stix"
	"github.com/tocsin-exchange/tocsin/storage"
)

// A desk is sinks over a real store, and a log of changes whose cursors are
// numbers.
type desk struct {
	t      testing.TB
	store  *storage.Store
	dialer func(allow []netip.Prefix, plain bool) func(ctx context.Context, network, address string) (net.Conn, error)
	file   func(string, bool) ([]byte, error)

	mu      sync.Mutex
	events  []Event
	gone    bool // cursors lead nowhere
	changed chan struct{}
	asked   []string // cursors that were read behind
}

func newDesk(t testing.TB) *desk {
	t.Helper()
	store, err := storage.Open(t.TempDir(), storage.Options{Small: true, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	d := &desk{t: t, store: store, changed: make(chan struct{})}
	d.dialer = func([]netip.Prefix, bool) func(context.Context, string, string) (net.Conn, error) {
		return new(net.Dialer).DialContext
	}
	return d
}

// say adds a change about a value.
func (d *desk) say(op, value string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	cursor := strconv.Itoa(len(d.events) + 1)
	d.events = append(d.events, Event{
		Op: op, Cursor: cursor, JSON: fmt.Appendf(nil, `{"op":%q,"cursor":%q,"value":%q}`, op, cursor, value), Object: "indicator--" + cursor,
		Values: []stix.Observable{{Type: stix.DomainName, Value: value}}, Org: "bank", TLP: protocol.Green, Confidence: 80,
		Issued: time.Unix(1_800_000_000, 0), Expires: time.Unix(1_800_086_400, 0), Description: "a = b | c\\d\nnext",
	})
	close(d.changed)
	d.changed = make(chan struct{})
}

// forget makes all cursors lead nowhere, once.
func (d *desk) forget() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.gone = true
	close(d.changed)
	d.changed = make(chan struct{})
}

func (d *desk) read(ctx context.Context, _ *Config, after string, wait time.Duration) (Page, error) {
	for timer := time.After(wait); ; {
		d.mu.Lock()
		d.asked = append(d.asked, after)
		changed := d.changed
		if d.gone && after != "" {
			d.gone = false
			d.mu.Unlock()
			return Page{Reset: true}, nil
		}
		from, _ := strconv.Atoi(after)
		page := Page{Cursor: after, Events: append([]Event(nil), d.events[from:min(len(d.events), from+MaxBatch)]...)}
		d.mu.Unlock()
		if n := len(page.Events); n > 0 {
			page.Cursor = page.Events[n-1].Cursor
			return page, nil
		}
		select {
		case <-changed:
		case <-timer:
			return page, nil
		case <-ctx.Done():
			return page, ctx.Err()
		}
	}
}

// sinks opens the sinks that the store remembers.
func (d *desk) sinks() *Sinks {
	return New(Services{Store: d.store, Host: "bank node", Read: d.read, Dialer: d.dialer, File: d.file, Log: slog.New(slog.DiscardHandler)})
}

// run runs them until what it returns is called.
func (d *desk) run(s *Sinks) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := s.Run(ctx); err != nil {
			d.t.Error(err)
		}
	}()
	return func() { cancel(); <-done }
}

func (d *desk) add(s *Sinks, c Config) string {
	d.t.Helper()
	_, secret, err := s.Add(d.t.Context(), c, "")
	if err != nil {
		d.t.Fatal(err)
	}
	return secret
}

// state returns a sink as List has it.
func (d *desk) state(s *Sinks, name string) State {
	d.t.Helper()
	list, err := s.List()
	if err != nil {
		d.t.Fatal(err)
	}
	for _, st := range list {
		if st.Name == name {
			return st
		}
	}
	d.t.Fatalf("no sink %s in %+v", name, list)
	return State{}
}

// eventually asks until the answer is yes.
func eventually(t testing.TB, what string, ask func() bool) {
	t.Helper()
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	late := time.After(20 * time.Second)
	for !ask() {
		select {
		case <-ticker.C:
		case <-late:
			t.Fatalf("not within 20 s: %s", what)
		}
	}
}
