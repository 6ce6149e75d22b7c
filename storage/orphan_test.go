package storage

import (
	"testing"

	"github.com/tocsin-exchange/tocsin/protocol"
)

// TestOrphansAreNotShown: what speaks of erased objects alone answers nothing, also
// after a restart; what speaks of anything else, or under a label or level of which
// nothing was erased, answers as before.
func TestOrphansAreNotShown(t *testing.T) {
	dir := t.TempDir()
	s := openTest(t, dir)
	bank, vendor := newAuthor("bank"), newAuthor("vendor")
	seven, eight := idOf(t, "203.0.113.7"), idOf(t, "203.0.113.8")
	b := bank.issue(t, green(0), indicator(t, "203.0.113.7"), indicator(t, "203.0.113.8"))
	strict := green(0)
	strict.PAP = protocol.PAPRed
	keep(t, s, whole(b))
	keep(t, s, whole(vendor.issue(t, green(0), sighting("vendor", seven, 1, 0), opinion("vendor", "disagree", seven, eight), sighting("vendor", eight, 2, 0))))
	keep(t, s, whole(vendor.issue(t, strict, sighting("other", seven, 3, 0))))
	check := func(when, ofSeven, ofEight string) {
		t.Helper()
		for id, want := range map[string]string{seven: ofSeven, eight: ofEight} {
			if got := words(t, s, id, Query{Now: start}); got != want {
				t.Errorf("%s, of %s: %q, want %q", when, id, got, want)
			}
		}
	}
	check("before", "disagree, sighted 1, sighted 3", "disagree, sighted 2")
	mustErase(t, s, 1, Erasure{ID: b.ID(), Objects: []uint64{0}, Subjects: []string{seven}})
	withoutSeven := words(t, s, seven, Query{Now: start})
	if withoutSeven != "disagree, sighted 3" {
		t.Errorf("of what was erased: %q", withoutSeven)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = openTest(t, dir)
	check("after a restart", withoutSeven, "disagree, sighted 2")
	mustErase(t, s, 1, Erasure{ID: b.ID(), Objects: []uint64{1}, Subjects: []string{eight}})
	check("both erased", "sighted 3", "")
}
