package storage

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tocsin-exchange/tocsin/protocol"
)

// moments lists the bodies after a moment, with their moments.
func moments(t *testing.T, s *Store, after Moment) (list []string) {
	t.Helper()
	for b, err := range s.Since(after, Query{}) {
		if err != nil {
			t.Fatal(err)
		}
		raw, err := b.Object(0)
		if err != nil || len(raw) == 0 {
			t.Fatalf("%s: %d bytes, %v", b.ID, len(raw), err)
		}
		list = append(list, fmt.Sprintf("%s %s", b.ID, b.Moment.Time().Format("15:04:05.000000")))
	}
	return list
}

// TestMoments: moments strictly increase in order of arrival whatever the clock
// does, stay over restarts and erasures, and are found from anywhere between.
func TestMoments(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir, a := t.TempDir(), newAuthor("bank")
		s := openTest(t, dir)
		var said []*protocol.Bulletin
		for i := range 6 {
			if i%2 == 0 {
				time.Sleep(time.Second)
			}
			b := a.issue(t, green(time.Duration(i)*time.Second), indicator(t, fmt.Sprintf("203.0.113.%d", i)), indicator(t, fmt.Sprintf("198.51.100.%d", i)))
			keep(t, s, whole(b))
			said = append(said, b)
		}
		before := moments(t, s, 0)
		var want []string
		for i, b := range said { // two of two objects each come at one moment of the clock
			want = append(want, fmt.Sprintf("%s 00:00:%02d.%06d", b.ID(), i/2+1, i%2*(2+Ahead)))
		}
		if fmt.Sprint(before) != fmt.Sprint(want) {
			t.Errorf("moments %q, want %q", before, want)
		}
		first := Moment(time.Now().UnixMicro()) // of the fifth
		for _, row := range []struct {
			after Moment
			left  int
		}{{first - 1, 2}, {first, 2}, {first + 1, 1}, {first + 1 + Ahead, 1}, {first + 2 + Ahead, 1}, {first + 3 + Ahead, 0}} {
			if got := moments(t, s, row.after); len(got) != row.left {
				t.Errorf("after %d: %q, want %d", row.after-first, got, row.left)
			}
		}
		if _, err := s.Erase(t.Context(), said[1].ID(), []uint64{1}); err != nil {
			t.Fatal(err)
		}
		s.Close()
		s = openTest(t, dir)
		if got := moments(t, s, 0); fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("after an erasure and a restart %q, want %q", got, want)
		}
		if !s.Begins(first) || s.Begins(first+1) {
			t.Errorf("a body begins at %d alone", first)
		}
		s.Close()
	})
}

// TestUndatedBodies: what an earlier release wrote has the moments of its receipts,
// in order of arrival, the same at every start.
func TestUndatedBodies(t *testing.T) {
	c := newCatalogue()
	a := newAuthor("bank")
	received := []uint64{5000, 4000, 9000}
	var old []undated
	for i := range received {
		b := a.issue(t, green(time.Duration(i)*time.Second), indicator(t, "203.0.113.1"), indicator(t, "203.0.113.2"))
		ref := c.addHeader(uint64(i+1), &record{state: Held, bulletin: b.HeaderOnly()})
		c.bulletins[ref].body.number = uint64(i + 1)
		old = append(old, undated{ref, received[i]})
	}
	behind := c.date(old)
	for i, want := range []Moment{5_000_000, 5_000_002 + Ahead, 9_000_000} {
		if got := c.bulletins[i].body.moment; got != want {
			t.Errorf("body %d arrived at %d, want %d", i, got, want)
		}
	}
	if behind != 9_000_002 || c.date(nil) != behind {
		t.Errorf("the next comes behind %d", behind)
	}
}

// TestOpenings: of every stream the first body, and of those known none.
func TestOpenings(t *testing.T) {
	s := openTest(t, t.TempDir())
	bank, hospital := newAuthor("bank"), newAuthor("hospital")
	first := bank.issue(t, green(0), indicator(t, "203.0.113.1"))
	other := hospital.issue(t, green(time.Second), indicator(t, "203.0.113.2"))
	keep(t, s, whole(first), whole(bank.issue(t, green(2*time.Second), indicator(t, "203.0.113.3"))), whole(other))
	opened := map[protocol.ID]struct{}{}
	for round, want := range []int{2, 0} {
		n := 0
		for b, err := range s.Openings(0, Query{}, opened) {
			if n++; err != nil || b.ID != first.ID() && b.ID != other.ID() {
				t.Errorf("%s opens a stream, %v", b.ID, err)
			}
		}
		if n != want {
			t.Errorf("round %d: %d streams, want %d", round, n, want)
		}
	}
}
