package storage

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tocsin-exchange/tocsin/protocol"
	"github.com/tocsin-exchange/tocsin/protocol/stix"
)

// TestVirtualTime runs a store on disk in a bubble: waiting ends when something
// arrives, or when its time is up.
func TestVirtualTime(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		s, err := Open(dir, Options{Small: true})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		ctx, stop := context.WithTimeout(t.Context(), time.Hour)
		defer stop()
		if err := s.Wait(ctx, 0); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("wait: %v", err)
		}
		a := newAuthor("bank")
		got := make(chan error)
		go func() { got <- s.Wait(context.Background(), 0) }()
		synctest.Wait()
		keep(t, s, Entry{Bulletin: a.issue(t, green(0), indicator(t, "203.0.113.7")).HeaderOnly()})
		synctest.Wait()
		select {
		case <-got:
			t.Fatal("a header alone is no arrival")
		default:
		}
		keep(t, s, whole(a.issue(t, green(0), indicator(t, "203.0.113.8"))))
		if err := <-got; err != nil || s.Position() == 0 {
			t.Fatalf("wait: %v at %d", err, s.Position())
		}
	})
}

// TestEverythingAtOnce has writers, readers, a sweeper and a rebuild share a
// store; a reader never misses what it was told about. It is for -race.
func TestEverythingAtOnce(t *testing.T) {
	s := openTest(t, t.TempDir())
	ctx, stop := context.WithCancel(t.Context())
	var readers, writers sync.WaitGroup
	for range 2 {
		readers.Go(func() {
			for after := uint64(0); s.Wait(ctx, after) == nil; after = s.Position() {
				for c, err := range s.Changes(after, Query{Now: start}) {
					if err != nil {
						t.Error(err)
						return
					}
					if claims, err := s.Lookup(c.Claim.Observable, Query{Now: start}); err != nil || len(claims) == 0 {
						t.Errorf("%s arrived and is not answered: %v", c.Claim.Observable, err)
					}
				}
				s.Summaries(nil)
				s.Stats()
			}
		})
	}
	for _, name := range []string{"bank", "hospital", "vendor"} {
		a := newAuthor(name)
		writers.Go(func() {
			for range 8 {
				b := a.issue(t, green(0), indicator(t, "203.0.113.7"), indicator(t, name+".example"))
				if _, err := s.Put(ctx, whole(b), whole(b)); err != nil {
					t.Error(err)
				}
				short := a.issue(t, green(0), indicator(t, "198.51.100.7", until(-time.Minute), func(i *stix.Indicator) { i.ValidFrom = start.Add(-time.Hour) }))
				if _, err := s.Put(ctx, whole(short)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	writers.Go(func() {
		for range 3 {
			if _, err := s.Sweep(ctx, start); err != nil {
				t.Error(err)
			}
			if err := s.Rebuild(ctx, nil); err != nil {
				t.Error(err)
			}
		}
	})
	writers.Wait()
	stop()
	readers.Wait()
	if st := s.Stats(); st.Headers != 48 || st.Claims < 6 {
		t.Fatalf("stats: %+v", st)
	}
}

// TestPublishedObjects keeps every object of published bundles and finds each
// again by its id and by every value it claims.
func TestPublishedObjects(t *testing.T) {
	dir := os.Getenv("TOCSIN_TESTDATA")
	if dir == "" {
		t.Skip("TOCSIN_TESTDATA is not set")
	}
	files, err := filepath.Glob(filepath.Join(dir, "stix21", "*.json"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no bundles in %s: %v", dir, err)
	}
	s := openTest(t, t.TempDir())
	a := newAuthor("bank")
	kept := 0
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		objects := bundleObjects(raw)
		for len(objects) > 0 {
			n, size := 0, 0
			for n < min(len(objects), 500) && size+len(objects[n]) < 600<<10 {
				size += len(objects[n])
				n++
			}
			if n == 0 {
				break
			}
			b := a.issue(t, green(0), objects[:n]...)
			keep(t, s, whole(b))
			checkObjects(t, s, b)
			objects, kept = objects[n:], kept+n
		}
	}
	t.Logf("%d objects of %d files: %+v", kept, len(files), s.Stats())
	if kept == 0 {
		t.Fatal("no object was kept")
	}
}

// bundleObjects returns the objects of a bundle that can be kept.
func bundleObjects(raw []byte) (objects [][]byte) {
	var bundle struct {
		Objects []json.RawMessage `json:"objects"`
	}
	if err := json.Unmarshal(raw, &bundle); err != nil {
		return nil
	}
	for _, o := range bundle.Objects {
		if _, err := stix.Parse(o); err == nil {
			objects = append(objects, o)
		}
	}
	return objects
}

func checkObjects(t *testing.T, s *Store, b *protocol.Bulletin) {
	t.Helper()
	for _, raw := range b.Objects() {
		o, err := stix.Parse(raw)
		if err != nil {
			t.Fatal(err)
		}
		if o.Revoked || !o.ValidUntil.IsZero() && !start.Before(o.ValidUntil) {
			continue
		}
		found, err := s.Object(o.ID, Query{Now: start})
		if err != nil || len(found) == 0 {
			t.Errorf("%s is not found: %v", o.ID, err)
		}
		for _, claim := range o.Claims {
			if claims, err := s.Lookup(claim, Query{Now: start}); err != nil || len(claims) == 0 || !strings.Contains(string(claims[0].Relation), "exact") {
				t.Errorf("%s is not answered: %v", claim, err)
			}
		}
	}
}
