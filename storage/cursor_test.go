package storage

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/tocsin-exchange/tocsin/protocol"
)

// TestCursor: whoever keeps up by the last arrival it saw sees everything once,
// whatever goes on meanwhile: writes, restarts, sweeps and a rebuilt index.
func TestCursor(t *testing.T) {
	const rounds, perRound, page = 6, 40, 7
	dir := t.TempDir()
	s := openTest(t, dir)
	authors := []*author{newAuthor("bank"), newAuthor("hospital"), newAuthor("vendor")}
	seen, after := map[string]int{}, uint64(0)
	read := func(limit int) (more bool) {
		for c, err := range s.Changes(after, Query{Now: start}) {
			if err != nil {
				t.Fatal(err)
			}
			if limit--; limit < 0 {
				return true
			}
			seen[c.Claim.Object.Claims[0].Value]++
			after = c.Arrival
		}
		return false
	}
	for round := range rounds {
		bulletins := make([]*protocol.Bulletin, perRound)
		for i := range bulletins {
			value := fmt.Sprintf("v%d-%d.example", round, i)
			life := 30 * 24 * time.Hour
			if i%10 == 9 { // swept below, seen or not
				value, life = "short-"+value, time.Hour
			}
			a := authors[i%len(authors)]
			bulletins[i] = a.issue(t, green(time.Duration(round*perRound+i)*time.Second), indicator(t, value, until(life)))
		}
		var wg sync.WaitGroup
		for w := range 4 {
			wg.Go(func() {
				for i := w; i < perRound; i += 4 {
					if _, err := s.Put(t.Context(), Entry{Bulletin: bulletins[i], Body: Held}); err != nil {
						t.Error(err)
					}
				}
			})
		}
		for range 10 {
			read(page)
		}
		wg.Wait()
		switch round % 3 {
		case 0:
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			s = openTest(t, dir)
		case 1:
			if _, err := s.Sweep(t.Context(), start.Add(2*time.Hour)); err != nil {
				t.Fatal(err)
			}
		case 2:
			if err := s.Rebuild(t.Context(), nil); err != nil {
				t.Fatal(err)
			}
		}
	}
	for read(page) {
	}
	for round := range rounds {
		for i := range perRound {
			value := fmt.Sprintf("v%d-%d.example", round, i)
			if n := seen[value]; i%10 != 9 && n != 1 {
				t.Errorf("%s was seen %d times", value, n)
			}
			if n := seen["short-"+value]; n > 1 {
				t.Errorf("short-%s was seen %d times", value, n)
			}
		}
	}
}

// TestArrived: where a body stood is known after it was swept, and after a
// restart; of one that never came nothing is.
func TestArrived(t *testing.T) {
	dir := t.TempDir()
	s := openTest(t, dir)
	bank := newAuthor("bank")
	short := bank.issue(t, green(0), indicator(t, "short.example", until(time.Hour)))
	long := bank.issue(t, green(time.Second), indicator(t, "long.example", until(48*time.Hour)))
	absent := bank.issue(t, green(2*time.Second), indicator(t, "absent.example", until(time.Hour)))
	results := keep(t, s, whole(short), whole(long), Entry{Bulletin: absent.HeaderOnly()})
	check := func() {
		t.Helper()
		for i, b := range []*protocol.Bulletin{short, long} {
			first, _, ok := s.Arrived(b.ID())
			if !ok || first != results[i].Arrival {
				t.Errorf("bulletin %d: arrival %d, %v, want %d", i, first, ok, results[i].Arrival)
			}
		}
		if _, _, ok := s.Arrived(absent.ID()); ok {
			t.Error("a body that never came has arrived")
		}
	}
	check()
	if n, err := s.Sweep(t.Context(), start.Add(2*time.Hour)); n != 1 || err != nil {
		t.Fatal(n, err)
	}
	check()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = openTest(t, dir)
	check()
}
