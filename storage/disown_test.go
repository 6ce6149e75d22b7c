package storage

import (
	"context"
	"crypto/ed25519"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/tocsin-exchange/tocsin/protocol"
	"pgregory.net/rapid"
)

func (a *author) node() protocol.Node { return a.cert.Node }
func (a *author) name() protocol.Org  { return protocol.OrgOf(a.org) }

func disown(t rapid.TB, s *Store, a *author, last ...protocol.ID) int {
	t.Helper()
	slices.SortFunc(last, protocol.ID.Compare)
	n, err := s.Disown(context.Background(), a.name(), a.node(), last)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// branch is a stream with a branch that leaves it after its second bulletin:
// one two three, and two bad worse, dated before three.
func branch(t *testing.T) (a *author, by map[string]*protocol.Bulletin) {
	a, by = newAuthor("bank"), map[string]*protocol.Bulletin{}
	say := func(name, prev string, seq uint64, after time.Duration) {
		h := green(after)
		h.Epoch, h.Seq = 1, seq
		if prev != "" {
			h.Prev = by[prev].ID()
		}
		by[name] = a.issue(t, h, indicator(t, name+".example"))
	}
	say("one", "", 1, 0)
	say("two", "one", 2, time.Second)
	say("three", "two", 3, 10*time.Second)
	say("bad", "two", 3, 2*time.Second)
	say("worse", "bad", 4, 3*time.Second)
	return a, by
}

func answering(t *testing.T, s *Store, by map[string]*protocol.Bulletin) string {
	t.Helper()
	var names []string
	for name := range by {
		if len(lookup(t, s, name+".example", start.Add(time.Minute))) > 0 {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return strings.Join(names, " ")
}

func TestDisownedBulletinsAreNowhere(t *testing.T) {
	dir := t.TempDir()
	s := openTest(t, dir)
	a, by := branch(t)
	for _, b := range by {
		keep(t, s, whole(b))
	}
	if got := answering(t, s, by); got != "bad one three two worse" {
		t.Fatalf("before: %s", got)
	}
	moved := s.Withdrawals()
	check := func(when string, s *Store) {
		t.Helper()
		if got := answering(t, s, by); got != "one three two" {
			t.Errorf("%s, these answer: %s", when, got)
		}
		sum := s.Summaries(nil)
		if len(sum) != 1 || len(sum[0].Heads) != 1 || sum[0].Heads[0].ID != by["three"].ID() || len(sum[0].Gaps) > 0 {
			t.Errorf("%s, the summary is %v", when, sum)
		}
		if last, _, ok := s.Last(by["one"].Header.Stream()); !ok || last.ID != by["three"].ID() {
			t.Errorf("%s, the last is %v", when, last)
		}
		if list := slices.Collect(maps.Keys(bodiesIn(t, s))); len(list) != 3 {
			t.Errorf("%s, changes has %d bulletins", when, len(list))
		}
		for name, b := range by {
			bad := name == "bad" || name == "worse"
			if s.Disowned(b.ID()) != bad || s.Disowns(b) != bad {
				t.Errorf("%s, %s: disowned %v, certainly %v", when, name, s.Disowned(b.ID()), s.Disowns(b))
			}
			if _, state, err := s.Bulletin(b.ID()); err != nil || bad == (state == Held) {
				t.Errorf("%s, the body of %s is %s: %v", when, name, state, err)
			}
			if claims, err := s.Object(objectID(t, b), Query{Now: start.Add(time.Minute)}); err != nil || bad == (len(claims) > 0) {
				t.Errorf("%s, %d claims of the object of %s: %v", when, len(claims), name, err)
			}
		}
		if wants := s.Wanted(10); len(wants) > 0 {
			t.Errorf("%s, wanted: %v", when, wants)
		}
		if st := s.Stats(); st.Live != 3 || st.Objects != 3 || st.Bodies != 3 {
			t.Errorf("%s, figures: %+v", when, st)
		}
	}
	if n := disown(t, s, a, by["three"].ID()); n != 2 {
		t.Errorf("%d headers went, want 2", n)
	}
	if s.Withdrawals() == moved {
		t.Error("nothing says that claims ceased to stand")
	}
	check("disowned", s)
	keep(t, s, whole(by["bad"]), whole(by["worse"]))
	check("brought again", s)
	if err := s.Rebuild(context.Background(), nil); err != nil {
		t.Fatal(err)
	}
	check("rebuilt", s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = openTest(t, dir)
	disown(t, s, a, by["three"].ID())
	check("opened again", s)
	if n := disown(t, s, a, by["worse"].ID()); n != 1 {
		t.Errorf("with another list %d headers went, want 1", n)
	}
	if got := answering(t, s, by); got != "one two" {
		t.Errorf("what is good by both lists: %s", got)
	}
	disown(t, s, a)
	if got := answering(t, s, by); got != "" || len(s.Summaries(nil)) != 0 || len(s.Streams()) != 0 || s.MaxEpoch(a.node()) != 0 {
		t.Errorf("nothing was kept, and this is left: %s %v", got, s.Streams())
	}
}

// bodiesIn counts the objects of each bulletin that Changes yields.
func bodiesIn(t *testing.T, s *Store) map[protocol.ID]int {
	t.Helper()
	list := map[protocol.ID]int{}
	for c, err := range s.Changes(0, Query{Now: start.Add(time.Minute)}) {
		if err != nil {
			t.Fatal(err)
		}
		list[c.Claim.Bulletin]++
	}
	return list
}

func objectID(t *testing.T, b *protocol.Bulletin) string {
	t.Helper()
	for _, object := range b.Objects() {
		_, rest, _ := strings.Cut(string(object), `"id":"`)
		if id, _, ok := strings.Cut(rest, `"`); ok {
			return id
		}
	}
	t.Fatalf("no id in %s", b.ID())
	return ""
}

// TestGoodHeadersComeBack: while a part of the good chain is missing, nothing
// can be told from the bad; what then turns out to be good counts, and a body
// that was left out meanwhile is wanted.
func TestGoodHeadersComeBack(t *testing.T) {
	s := openTest(t, t.TempDir())
	a, by := branch(t)
	keep(t, s, whole(by["one"]))
	disown(t, s, a, by["three"].ID())
	if got := answering(t, s, by); got != "" || s.Disowns(by["two"]) || s.Disowns(by["bad"]) {
		t.Fatalf("nothing shows what is good, and this answers: %s", got)
	}
	keep(t, s, whole(by["bad"]), whole(by["worse"]))
	keep(t, s, whole(by["three"]))
	if got := answering(t, s, by); got != "three" {
		t.Fatalf("of a chain with a gap this answers: %s", got)
	}
	if gaps := s.Summaries(nil)[0].Gaps; len(gaps) != 1 {
		t.Fatalf("its gaps: %v", gaps)
	}
	before := s.Position()
	keep(t, s, whole(by["two"]))
	if got := answering(t, s, by); got != "one three two" || len(s.Summaries(nil)[0].Gaps) > 0 || !s.Disowns(by["bad"]) {
		t.Fatalf("of a whole chain this answers: %s", got)
	}
	if s.Position() <= before {
		t.Error("what came has not arrived")
	}

	s = openTest(t, t.TempDir())
	disown(t, s, a, by["three"].ID())
	keep(t, s, whole(by["one"]))
	keep(t, s, whole(by["two"]))
	keep(t, s, whole(by["bad"]))
	keep(t, s, whole(by["three"]))
	wants := s.Wanted(10)
	if len(wants) != 2 || answering(t, s, by) != "three" {
		t.Fatalf("wanted: %v", wants)
	}
	keep(t, s, whole(by["one"]), whole(by["two"]))
	if got := answering(t, s, by); got != "one three two" || len(s.Wanted(10)) > 0 {
		t.Fatalf("with all bodies this answers: %s", got)
	}
}

// TestDisownedInOneNameOnly: an organisation takes back what was said in its
// own name. Whoever has the key and another organisation's certificate for it
// can neither bring it back nor take it away.
func TestDisownedInOneNameOnly(t *testing.T) {
	s := openTest(t, t.TempDir())
	bank, other := newAuthor("bank"), newAuthor("mallory")
	said := bank.issue(t, green(0), indicator(t, "one.example"))
	other.key = bank.key
	other.cert = protocol.Certify(other.org, protocol.NodeOf(bank.key), start.Add(-time.Hour), start.Add(time.Hour))
	h := green(time.Second)
	h.Epoch, h.Seq = 2, 1
	theirs := other.issue(t, h, indicator(t, "two.example"))
	keep(t, s, whole(said), whole(theirs))
	by := map[string]*protocol.Bulletin{"one": said, "two": theirs}
	if disown(t, s, other); answering(t, s, by) != "one" {
		t.Errorf("the other takes back: %s is left", answering(t, s, by))
	}
	if disown(t, s, bank); answering(t, s, by) != "" {
		t.Errorf("both take back: %s is left", answering(t, s, by))
	}
}

// A grove is a stream that branches at will, and what was taken back of it.
type grove struct {
	author *author
	all    []*protocol.Bulletin
	parent []int // index, -1: none
	lists  [][]protocol.ID
}

func growGrove(rt *rapid.T, t *testing.T) *grove {
	_, key, _ := ed25519.GenerateKey(nil)
	g := &grove{author: newAuthor("bank")}
	g.author.key = key
	g.author.cert = protocol.Certify(g.author.org, protocol.NodeOf(key), start.Add(-time.Hour), start.Add(time.Hour))
	for i := range rapid.IntRange(1, 12).Draw(rt, "headers") {
		parent, h := rapid.IntRange(-1, i-1).Draw(rt, "parent"), green(time.Duration(i)*time.Second)
		h.Epoch, h.Seq = uint64(i+1), 1
		if parent >= 0 {
			h.Prev = g.all[parent].ID()
		}
		g.parent, g.all = append(g.parent, parent), append(g.all, g.author.issue(t, h, indicator(t, fmt.Sprintf("v%d.example", i))))
	}
	for range rapid.IntRange(1, 3).Draw(rt, "lists") {
		var list []protocol.ID
		for _, b := range g.all {
			if rapid.IntRange(0, 3).Draw(rt, "last") == 0 {
				list = append(list, b.ID())
			}
		}
		g.lists = append(g.lists, list)
	}
	return g
}

// good says which headers count where only some are held, by the definition.
func (g *grove) good(held map[int]bool) map[int]bool {
	good := maps.Clone(held)
	for _, list := range g.lists {
		by := map[int]bool{}
		for i, b := range g.all {
			for at := i; slices.Contains(list, b.ID()) && at >= 0 && held[at]; at = g.parent[at] {
				by[at] = true
			}
		}
		maps.DeleteFunc(good, func(i int, _ bool) bool { return !by[i] })
	}
	return good
}

// TestDisownModel: whatever the order in which headers and lists come, what
// counts is what the definition says, and equal to a store that never met the
// rest.
func TestDisownModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		g := growGrove(rt, t)
		dir := t.TempDir()
		s, err := Open(dir, Options{Small: true})
		if err != nil {
			rt.Fatal(err)
		}
		defer s.Close()
		steps := make([]int, 0, len(g.all)+len(g.lists))
		for i := range len(g.all) + len(g.lists) {
			steps = append(steps, i)
		}
		held := map[int]bool{}
		for _, step := range rapid.Permutation(steps).Draw(rt, "order") {
			if step >= len(g.all) {
				disown(rt, s, g.author, g.lists[step-len(g.all)]...)
			} else if rapid.IntRange(0, 5).Draw(rt, "comes") > 0 {
				keep(t, s, whole(g.all[step]))
				held[step] = true
			}
		}
		good := g.good(held)
		var again, rest []Entry
		for i := range held {
			again = append(again, whole(g.all[i]))
			if good[i] {
				rest = append(rest, whole(g.all[i]))
			}
		}
		keep(t, s, again...) // for the bodies that were left out
		only, err := Open(t.TempDir(), Options{Small: true})
		if err != nil {
			rt.Fatal(err)
		}
		defer only.Close()
		for i := range g.all {
			if s.Disowned(g.all[i].ID()) != (held[i] && !good[i]) {
				rt.Errorf("header %d: disowned %v, held %v, good %v", i, s.Disowned(g.all[i].ID()), held[i], good[i])
			}
			if held[i] && s.Disowns(g.all[i]) && good[i] {
				rt.Errorf("header %d is good, and said to be certainly bad", i)
			}
		}
		keep(t, only, rest...)
		if diff := cmp.Diff(only.Summaries(nil), s.Summaries(nil)); diff != "" {
			rt.Errorf("summaries differ from those of a store with the good alone:\n%s", diff)
		}
		if want, got := only.Stats(), s.Stats(); want.Live != got.Live || want.Claims != got.Claims || want.Objects != got.Objects || want.Bodies != got.Bodies || got.Wanted != 0 {
			rt.Errorf("figures: %+v, want %+v", got, want)
		}
		for i := range g.all {
			answers := len(lookup(t, s, fmt.Sprintf("v%d.example", i), start.Add(time.Minute))) > 0
			if answers != good[i] {
				rt.Errorf("header %d is good: %v, and answers: %v", i, good[i], answers)
			}
		}
	})
}
