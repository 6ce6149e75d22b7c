package storage

import (
	"testing"
	"time"

	"github.com/tocsin-exchange/tocsin/protocol"
)

// TestPrune: what was said too long ago under its label goes, the oldest first,
// and stays gone; what was taken back never stands again by it.
func TestPrune(t *testing.T) {
	dir := t.TempDir()
	s := openTest(t, dir)
	a := newAuthor("bank")
	long := until(400 * days)
	first := whole(a.issue(t, green(0), indicator(t, "203.0.113.7", long)))
	taken := whole(a.issue(t, green(time.Hour), revoked(indicator(t, "203.0.113.7", until(300*days)))))
	late := whole(a.issue(t, green(20*days), indicator(t, "203.0.113.8", long)))
	strict := a.issue(t, amber(0, protocol.ID{7}, 1), indicator(t, "203.0.113.9", long))
	keep(t, s, first, taken, late, whole(strict))
	greens := func(after time.Duration) func(protocol.TLP) time.Time {
		return func(label protocol.TLP) (at time.Time) {
			if label == protocol.Green {
				at = start.Add(after)
			}
			return at
		}
	}
	check := func(when string, want map[string]int) {
		t.Helper()
		for value, n := range want {
			if got := len(lookup(t, s, value, start.Add(30*days))); got != n {
				t.Errorf("%s: %s has %d answers, want %d", when, value, got, n)
			}
		}
	}
	for _, row := range []struct {
		after time.Duration
		went  int
		want  map[string]int
	}{
		{0, 0, map[string]int{"203.0.113.7": 0, "203.0.113.8": 1, "203.0.113.9": 1}},
		{time.Minute, 1, map[string]int{"203.0.113.7": 0, "203.0.113.8": 1, "203.0.113.9": 1}},
		{10 * days, 1, map[string]int{"203.0.113.7": 0, "203.0.113.8": 1, "203.0.113.9": 1}},
		{30 * days, 1, map[string]int{"203.0.113.7": 0, "203.0.113.8": 0, "203.0.113.9": 1}},
		{30 * days, 0, map[string]int{"203.0.113.9": 1}},
	} {
		if n, err := s.Prune(t.Context(), greens(row.after)); n != row.went || err != nil {
			t.Errorf("after %s %d went, want %d: %v", row.after, n, row.went, err)
		}
		check(row.after.String(), row.want)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = openTest(t, dir)
	check("after a restart", map[string]int{"203.0.113.7": 0, "203.0.113.8": 0, "203.0.113.9": 1})
	for _, e := range []Entry{first, taken, late} {
		if _, state := s.Has(e.Bulletin.ID()); state != Pruned {
			t.Errorf("a body is %s", state)
		}
	}
	keep(t, s, late) // somebody brings it again
	check("brought again", map[string]int{"203.0.113.8": 0})
	if wanted := s.Wanted(10); len(wanted) != 0 {
		t.Errorf("wanted again: %v", wanted)
	}
}
