package feed

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tocsin-exchange/tocsin/protocol"
	"github.com/tocsin-exchange/tocsin/protocol/stix"
	"github.com/tocsin-exchange/tocsin/storage"
	"github.com/tocsin-exchange/tocsin/trust/score"
)

// longColumn has more bytes than a list may have.
func longColumn() *column {
	n := news{}
	for i := range MaxBytes>>22 + 1 {
		n[fmt.Sprint(i, strings.Repeat("x", 1<<22))] = verdict{until: [3]int64{math.MaxInt64}}
	}
	return (&column{next: math.MaxInt64}).with(n, 0)
}

// TestTooLongIsNotCut: a list that is too long is an error and no list, the
// others are there, and after a while it is tried again.
func TestTooLongIsNotCut(t *testing.T) {
	d := newDesk(t)
	d.keep(newAuthor("bank"), saying{values: "203.0.113.7 2001:db8::7 evil.example"})
	d.want("203.0.113.7", "ipv4", storage.Query{})
	d.sets[0].columns[stix.IPv4Addr] = longColumn()
	clear(d.sets[0].shown)
	d.keep(newAuthor("hospital"), saying{values: "203.0.113.8"})
	for _, name := range []string{"ip", "ipv4"} {
		if l, err := d.List(t.Context(), name, score.Observe, storage.Query{Now: start}); !errors.Is(err, ErrTooLong) || l.Parts != nil {
			t.Errorf("%s: %d lines, %v", name, l.Lines, err)
		}
	}
	d.want("2001:db8::7", "ipv6", storage.Query{})
	d.want("203.0.113.7 203.0.113.8", "ipv4", storage.Query{Now: start.Add(longWait + time.Second)})
}

func TestTooManyLines(t *testing.T) {
	full := &column{ends: make([]uint32, MaxLines)}
	appendLine(full, "a", verdict{until: [3]int64{1}}, 0)
	if !full.long || len(full.ends) != MaxLines {
		t.Errorf("%d lines", len(full.ends))
	}
	half := &column{ends: make([]uint32, MaxLines/2+1)}
	if _, err := newList([]*column{half, half}); !errors.Is(err, ErrTooLong) {
		t.Errorf("two halves: %v", err)
	}
}

// TestStolenKey: what a disowned key said is gone from lists that held it, and
// what it took back is there again.
func TestStolenKey(t *testing.T) {
	d := newDesk(t)
	a := newAuthor("bank")
	good := a.sign(t, saying{values: "203.0.113.7 203.0.113.8"})
	if _, err := d.store.Put(t.Context(), storage.Entry{Bulletin: good, Body: storage.Held, Received: start}); err != nil {
		t.Fatal(err)
	}
	d.keep(a, saying{after: time.Minute, values: "203.0.113.9"})
	d.keep(a, saying{after: 2 * time.Minute, values: "203.0.113.7", revoked: true})
	d.want("203.0.113.8 203.0.113.9", "ip", storage.Query{})
	if _, err := d.store.Disown(t.Context(), a.cert.Org, a.cert.Node, []protocol.ID{good.ID()}); err != nil {
		t.Fatal(err)
	}
	d.want("203.0.113.7 203.0.113.8", "ip", storage.Query{})
}

// TestErased: what was destroyed is gone from lists that held it: some objects of
// a bulletin, then all of it.
func TestErased(t *testing.T) {
	d := newDesk(t)
	b := newAuthor("bank").sign(t, saying{values: "203.0.113.7 203.0.113.8 203.0.113.9"})
	if _, err := d.store.Put(t.Context(), storage.Entry{Bulletin: b, Body: storage.Held, Received: start}); err != nil {
		t.Fatal(err)
	}
	d.keep(newAuthor("hospital"), saying{values: "203.0.113.7"})
	erase := func(objects ...uint64) {
		t.Helper()
		if n, err := d.store.Erase(t.Context(), b.ID(), objects); err != nil || n != len(objects) {
			t.Fatalf("%d objects erased of %d, %v", n, len(objects), err)
		}
	}
	d.want("203.0.113.7 203.0.113.8 203.0.113.9", "ip", storage.Query{})
	erase(1)
	d.want("203.0.113.7 203.0.113.9", "ip", storage.Query{})
	erase(0, 2)
	d.want("203.0.113.7", "ip", storage.Query{}) // the hospital says so as well
}

// TestMuchAtOnce: more news than are looked up one by one.
func TestMuchAtOnce(t *testing.T) {
	d := newDesk(t)
	d.want("", "ip", storage.Query{})
	a, lines := newAuthor("bank"), 0
	for i := range 70 {
		var values []string
		for k := range 1000 {
			values = append(values, fmt.Sprintf("203.%d.%d.%d", i, k/250, k%250))
		}
		lines += len(values)
		d.keep(a, saying{after: time.Duration(i) * time.Second, values: strings.Join(values, " ")})
	}
	if l, err := d.List(t.Context(), "ip", score.Observe, storage.Query{Now: start}); err != nil || l.Lines != lines {
		t.Errorf("%d lines, want %d, %v", l.Lines, lines, err)
	}
}

// TestWaitingEnds: whoever waits for another to bring the lists up to date waits
// no longer than its context.
func TestWaitingEnds(t *testing.T) {
	d := newDesk(t)
	d.turn <- struct{}{}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := d.List(ctx, "ip", score.Observe, storage.Query{}); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func TestClosedStore(t *testing.T) {
	d := newDesk(t)
	d.keep(newAuthor("bank"), saying{values: "203.0.113.7"})
	d.store.Close()
	if _, err := d.List(t.Context(), "ip", score.Observe, storage.Query{Now: start}); !errors.Is(err, storage.ErrClosed) {
		t.Error(err)
	}
}

// TestManyAskers reads and writes at once; the race detector looks on.
func TestManyAskers(t *testing.T) {
	d := newDesk(t)
	a := newAuthor("bank")
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 20 {
				if l, err := d.List(t.Context(), "ip", score.Observe, storage.Query{Now: start}); err != nil || len(l.Parts) != 2 {
					t.Errorf("%+v %v", l, err)
				}
			}
		})
	}
	for i := range 20 {
		d.keep(a, saying{after: time.Duration(i) * time.Second, values: fmt.Sprintf("203.0.113.%d", i)})
	}
	wg.Wait()
	if l, err := d.List(t.Context(), "ip", score.Observe, storage.Query{Now: start}); err != nil || l.Lines != 20 {
		t.Errorf("%d lines, %v", l.Lines, err)
	}
}
