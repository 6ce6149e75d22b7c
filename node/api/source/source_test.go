package source

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tocsin-exchange/tocsin/protocol"
	"github.com/tocsin-exchange/tocsin/storage"
)

// TestSchedule pulls as often as was asked, also a source that never answers, and
// stops at once.
func TestSchedule(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, err := storage.Open(t.TempDir(), storage.Options{Small: true, Log: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		defer store.Close()
		var dialled atomic.Int32
		s := New(Services{Store: store, Log: slog.New(slog.DiscardHandler),
			Dialer: func([]netip.Prefix, bool) func(context.Context, string, string) (net.Conn, error) {
				return func(context.Context, string, string) (net.Conn, error) {
					dialled.Add(1)
					return nil, errors.New("nobody answers")
				}
			}})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- s.Run(ctx) }()
		c, err := s.Add(ctx, Config{Name: "circl", Kind: MISP, URL: "https://misp.example/feed", TLP: protocol.Green, Every: Interval(10 * time.Minute)})
		if err != nil || c.Tag() != "source:circl" {
			t.Fatal(c, err)
		}
		time.Sleep(time.Hour + time.Minute)
		if n := dialled.Load(); n != 7 {
			t.Errorf("dialled %d times in an hour, want 7", n)
		}
		list, err := s.List()
		if err != nil || len(list) != 1 || list[0].Last.Failures != 7 || !strings.Contains(list[0].Last.Problem, "nobody answers") {
			t.Errorf("list %+v, %v", list, err)
		}
		if err := s.Remove(ctx, "circl"); err != nil {
			t.Error(err)
		}
		time.Sleep(time.Hour)
		if n := dialled.Load(); n != 7 {
			t.Errorf("dialled %d times after its end", n)
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// TestEventRows keeps what was said of large events, and forgets all of it.
func TestEventRows(t *testing.T) {
	store, err := storage.Open(t.TempDir(), storage.Options{Small: true, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	r, rec := records{store}, &record{ID: "0123456789abcdef"}
	const event = "11111111-1111-4111-8111-111111111111"
	for _, n := range []int{0, 1, idsInRow, 2*idsInRow + 1, 3} {
		h := held{timestamp: uint64(n + 1)}
		for i := range n {
			h.ids = append(h.ids, [idSize]byte{byte(i), byte(i >> 8)})
		}
		if err := r.setEvent(t.Context(), rec, event, h); err != nil {
			t.Fatal(err)
		}
		got := r.events(rec)[event]
		if got.timestamp != h.timestamp || !slices.Equal(got.ids, h.ids) || len(r.events(&record{ID: "another"})) != 0 {
			t.Errorf("%d ids: %d came back, timestamp %d", n, len(got.ids), got.timestamp)
		}
	}
	if err := r.setEvent(t.Context(), rec, event, held{}); err != nil || len(r.events(rec)) != 0 {
		t.Errorf("after it was forgotten: %v, %v", r.events(rec), err)
	}
}

// FuzzEnvelope reads any page without a fault of ours; what is revoked is in it.
func FuzzEnvelope(f *testing.F) {
	for _, seed := range []string{`{}`, `{"more":false}`, `{"more":true,"next":"x","objects":[{"id":"indicator--1","revoked":true},{"id":"a"},7,{"id":7}]}`,
		`{"objects":null}`, `{"objects":{}}`, `[]`, `{"more":1}`, `{"objects":[{"id":"a","id":"b"}]}`, "{\"next\":\"\xff\"}"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, page []byte) {
		e, ids, revoked, err := parseEnvelope(page)
		if err != nil {
			if !errors.Is(err, ErrAnswer) {
				t.Errorf("error %v", err)
			}
			return
		}
		if len(ids) > len(e.Objects) || len(e.Next) > maxCursor {
			t.Errorf("%d ids of %d objects, a next of %d bytes", len(ids), len(e.Objects), len(e.Next))
		}
		for _, id := range revoked {
			if !slices.Contains(ids, id) {
				t.Errorf("%q is revoked, and not there", id)
			}
		}
	})
}

// FuzzManifest takes no name but a UUID, which is then a path, and no timestamp
// but a number.
func FuzzManifest(f *testing.F) {
	for _, seed := range []string{`{}`, `{"11111111-1111-4111-8111-111111111111":{"timestamp":"1700000000"}}`, `{"11111111-1111-4111-8111-111111111111":{"timestamp":1700000000,"x":[]}}`,
		`{"../../etc/passwd":{"timestamp":"1"}}`, `{"11111111-1111-4111-8111-11111111111A":{"timestamp":"1"}}`, `{"11111111-1111-4111-8111-111111111111":{"timestamp":-1}}`, `[]`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		events, err := parseManifest(text)
		if err != nil {
			return
		}
		if !json.Valid(text) {
			t.Errorf("taken: %q", text)
		}
		for uuid, at := range events {
			id, ok := uuidBytes(uuid)
			if !ok || uuidText(id) != uuid || at == 0 || strings.ContainsAny(uuid, "/.") {
				t.Errorf("%q at %d", uuid, at)
			}
		}
	})
}
