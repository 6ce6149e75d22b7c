package storage

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/tocsin-exchange/tocsin/protocol"
)

// TestGaps is a table: which headers of a stream are held, and what is asked
// for. A header is epoch.seq, with the one it follows where that is not the
// one before it.
func TestGaps(t *testing.T) {
	for _, c := range []struct{ all, held, floor, want string }{
		{"1.1 1.2 1.3", "1.1 1.2 1.3", "", ""},
		{"1.1 1.2 1.3 1.4", "1.1 1.4", "", "1.1-1.3"},
		{"1.1 1.2 1.3 1.4 1.5", "1.3 1.5", "", "0.0-1.2 1.3-1.4"},
		{"1.1 1.2 2.1 2.2", "1.1 2.1", "", "0.0-1.0 1.1-2.0"},
		{"1.1 1.2 1.3 2.1<1.2 3.1<1.3", "1.1 1.2 2.1 3.1", "", "0.0-1.0 1.2-2.0 2.1-3.0"}, // from a backup
		{"1.1 1.2 1.3 1.4 1.5", "1.5", "1.3", "1.2-1.4"},
		{"1.1 1.2 1.3 1.4 1.5", "1.3 1.4 1.5", "1.3", ""},
		{"1.1 1.2 1.2'<1.1 1.3", "1.1 1.2' 1.3", "", "1.1-1.2"}, // the one held there is not the one named
	} {
		s := openTest(t, t.TempDir())
		held := strings.Fields(c.held)
		for name, b := range chain(t, c.all, c.floor) {
			for _, h := range held {
				if name == h {
					keep(t, s, Entry{Bulletin: b.HeaderOnly()})
				}
			}
		}
		var got []string
		for _, g := range s.Summaries(nil)[0].Gaps {
			got = append(got, fmt.Sprintf("%d.%d-%d.%d", g.From.Epoch, g.From.Seq, g.To.Epoch, g.To.Seq))
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("%s of %s: %v, want %s", c.held, c.all, got, c.want)
		}
	}
}

// chain signs the headers of a stream by name; the last carries the floor.
func chain(t *testing.T, all, floor string) map[string]*protocol.Bulletin {
	a := newAuthor("bank")
	made := map[string]*protocol.Bulletin{}
	names := strings.Fields(all)
	before := ""
	for i, name := range names {
		name, follows, ok := strings.Cut(name, "<")
		if !ok {
			follows = before
		}
		h := green(time.Duration(i) * time.Second)
		fmt.Sscanf(name, "%d.%d", &h.Epoch, &h.Seq)
		if follows != "" {
			h.Prev = made[follows].ID()
		}
		if floor != "" && i == len(names)-1 {
			h.Floor = &protocol.Position{}
			fmt.Sscanf(floor, "%d.%d", &h.Floor.Epoch, &h.Floor.Seq)
		}
		made[name] = a.issue(t, h, indicator(t, "203.0.113.7"))
		if !strings.HasSuffix(name, "'") {
			before = name
		}
	}
	return made
}

func TestWhatTheNextOwnHeaderNeeds(t *testing.T) {
	s := openTest(t, t.TempDir())
	list := chain(t, "1.1 1.2 2.1", "")
	for _, b := range list {
		keep(t, s, whole(b))
	}
	stream := list["1.1"].Header.Stream()
	head, issued, ok := s.Last(stream)
	if !ok || head.ID != list["2.1"].ID() || issued != list["2.1"].Header.Issued || s.MaxEpoch(stream.Node) != 2 {
		t.Fatalf("last %+v, %d, epoch %d", head, issued, s.MaxEpoch(stream.Node))
	}
	if _, _, ok := s.Last(protocol.Stream{TLP: protocol.Clear}); ok || s.MaxEpoch(protocol.Node{1}) != 0 {
		t.Fatal("an unknown stream has a header")
	}
}

func TestStatementsInOrderOfArrival(t *testing.T) {
	s := openTest(t, t.TempDir())
	a := newAuthor("bank")
	h := green(0)
	h.Kind = protocol.Statements
	one, two, three := a.issue(t, h, []byte("one")), a.issue(t, h, []byte("two")), a.issue(t, h, []byte("three"))
	h.Community = protocol.ID{2}
	other := a.issue(t, h, []byte("elsewhere"))
	keep(t, s, whole(a.issue(t, green(0), indicator(t, "203.0.113.7"))), Entry{Bulletin: two.HeaderOnly()})
	keep(t, s, whole(three))
	keep(t, s, whole(other))
	keep(t, s, whole(one))
	keep(t, s, whole(two))
	for community, want := range map[protocol.ID]string{isac: "three one two", {2}: "elsewhere", {}: "three elsewhere one two", {3}: ""} {
		var got []string
		for b, err := range s.Statements(community) {
			if err != nil {
				t.Fatal(err)
			}
			for raw := range objectsOf(b) {
				got = append(got, string(raw))
			}
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%v, want %s", got, want)
		}
	}
	for range s.Changes(s.Position()-4<<indexBits, Query{Now: start}) {
		t.Error("statements are no changes")
	}
}

// TestWantedOrder: statements first, then every stream in turn, oldest first.
func TestWantedOrder(t *testing.T) {
	s := openTest(t, t.TempDir())
	bank, vendor := newAuthor("bank"), newAuthor("vendor")
	h := green(time.Hour)
	h.Kind = protocol.Statements
	old, young, statement := bank.issue(t, green(0), indicator(t, "203.0.113.7")), bank.issue(t, green(time.Minute), indicator(t, "203.0.113.8")), bank.issue(t, h, []byte("s"))
	trickle := vendor.issue(t, green(2*time.Minute), indicator(t, "203.0.113.9"))
	for _, b := range []*protocol.Bulletin{young, trickle, statement, old} {
		keep(t, s, Entry{Bulletin: b.HeaderOnly()})
	}
	want := []protocol.ID{statement.ID(), old.ID(), trickle.ID(), young.ID()}
	for n := range 5 {
		got := s.Wanted(n)
		if len(got) != min(n, 4) {
			t.Fatalf("%d wanted of %d", len(got), n)
		}
		for i := range got {
			if got[i].ID != want[i] {
				t.Fatalf("place %d is wrong", i)
			}
		}
	}
}

// TestGapsNearbyFirst: of a log with more epochs than gaps fit a summary, what
// is asked for is where something is missing, not all that lies before.
func TestGapsNearbyFirst(t *testing.T) {
	s := openTest(t, t.TempDir())
	a := newAuthor("bank")
	var list []*protocol.Bulletin
	var prev protocol.ID
	for epoch := range uint64(200) {
		for seq := range uint64(2) {
			h := green(time.Duration(epoch) * time.Minute)
			h.Epoch, h.Seq, h.Prev = epoch+1, seq+1, prev
			b := a.issue(t, h, []byte("o"))
			list, prev = append(list, b), b.ID()
		}
	}
	missing := map[int]bool{1: true, 151: true, 301: true, 397: true} // tails of epochs
	for i, b := range list {
		if !missing[i] {
			keep(t, s, Entry{Bulletin: b.HeaderOnly()})
		}
	}
	gaps := s.Summaries(nil)[0].Gaps
	if len(gaps) != 64 {
		t.Fatalf("%d gaps", len(gaps))
	}
	for round := 0; len(missing) > 0; round++ {
		if round == 4 {
			t.Fatalf("%v are still missing", missing)
		}
		mine := s.Summaries(nil)[0]
		asked := 0
		for i, b := range list {
			if mine.Covers(b.Header.Position()) {
				continue
			}
			asked++
			if missing[i] {
				keep(t, s, Entry{Bulletin: b.HeaderOnly()})
				delete(missing, i)
			}
		}
		if asked > 300 {
			t.Errorf("%d headers are asked for", asked)
		}
	}
	if gaps := s.Summaries(nil)[0].Gaps; len(gaps) != 0 {
		t.Errorf("gaps are left: %v", gaps)
	}
}

// TestLacking: an author is told what is held of it without body, all of it
// over time, and how much that is.
func TestLacking(t *testing.T) {
	s := openTest(t, t.TempDir())
	bank, vendor := newAuthor("bank"), newAuthor("vendor")
	kept, declined, wanted := bank.issue(t, green(0), indicator(t, "203.0.113.7")), bank.issue(t, green(time.Minute), indicator(t, "203.0.113.8")), bank.issue(t, green(time.Hour), indicator(t, "203.0.113.9"))
	keep(t, s, Entry{Bulletin: kept, Body: Held})
	keep(t, s, Entry{Bulletin: declined.HeaderOnly(), Body: Declined})
	keep(t, s, Entry{Bulletin: wanted.HeaderOnly()})
	keep(t, s, Entry{Bulletin: vendor.issue(t, green(0), indicator(t, "203.0.113.1")).HeaderOnly()})
	seen := map[protocol.ID]protocol.LackWhy{}
	for range 200 {
		total, some := s.Lacking(kept.Header.Org(), 1)
		if total != 2 || len(some) != 1 {
			t.Fatalf("%d lacking, %d named", total, len(some))
		}
		seen[some[0].ID] = some[0].Why
	}
	if len(seen) != 2 || seen[declined.ID()] != protocol.LackDeclined || seen[wanted.ID()] != protocol.LackWanted {
		t.Errorf("named %v", seen)
	}
	stream := kept.Header.Stream().ID()
	for _, c := range []struct {
		from, to protocol.Position
		want     int
	}{
		{protocol.Position{}, wanted.Header.Position(), 3},
		{kept.Header.Position(), wanted.Header.Position(), 2},
		{kept.Header.Position(), kept.Header.Position(), 0},
		{wanted.Header.Position(), kept.Header.Position(), 0},
	} {
		if got := s.Count(stream, protocol.Range{From: c.from, To: c.to}); got != c.want {
			t.Errorf("%d headers in %v to %v, want %d", got, c.from, c.to, c.want)
		}
	}
}
