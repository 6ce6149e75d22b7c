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

func TestWantedOrder(t *testing.T) {
	s := openTest(t, t.TempDir())
	a := newAuthor("bank")
	h := green(time.Hour)
	h.Kind = protocol.Statements
	old, young, statement := a.issue(t, green(0), indicator(t, "203.0.113.7")), a.issue(t, green(time.Minute), indicator(t, "203.0.113.8")), a.issue(t, h, []byte("s"))
	for _, b := range []*protocol.Bulletin{young, statement, old} {
		keep(t, s, Entry{Bulletin: b.HeaderOnly()})
	}
	want := []protocol.ID{statement.ID(), old.ID(), young.ID()}
	for n := range 4 {
		got := s.Wanted(n)
		if len(got) != min(n, 3) {
			t.Fatalf("%d wanted of %d", len(got), n)
		}
		for i := range got {
			if got[i] != want[i] {
				t.Fatalf("place %d is wrong", i)
			}
		}
	}
}
