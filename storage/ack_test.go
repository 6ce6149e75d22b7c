package storage

import (
	"fmt"
	"os"
	"testing"
	"time"
)

// TestAcknowledgedIsThere: at the moment Put returns, what it kept answers and
// is in the files, as a copy of them made right then shows.
func TestAcknowledgedIsThere(t *testing.T) {
	dir := t.TempDir()
	s := openTest(t, dir)
	a := newAuthor("bank")
	for i := range 50 {
		b := a.issue(t, green(time.Duration(i)*time.Second), indicator(t, fmt.Sprintf("203.0.113.%d", i)))
		if _, err := s.Put(t.Context(), Entry{Bulletin: b, Body: Held, Own: true}); err != nil {
			t.Fatal(err)
		}
		if held, state := s.Has(b.ID()); !held || state != Held {
			t.Errorf("bulletin %d: acknowledged, and not held", i)
		}
		if i%10 != 0 {
			continue
		}
		frozen := t.TempDir()
		if err := os.CopyFS(frozen, os.DirFS(dir)); err != nil {
			t.Fatal(err)
		}
		copied := openTest(t, frozen)
		if held, state := copied.Has(b.ID()); !held || state != Held {
			t.Errorf("bulletin %d: acknowledged, and not there", i)
		}
		if lost := copied.Stats().Lost; lost != 0 {
			t.Errorf("bulletin %d: %d are said to be lost", i, lost)
		}
		copied.Close()
	}
}
