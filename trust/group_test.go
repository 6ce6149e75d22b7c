package trust

import (
	"crypto/ed25519"
	"crypto/sha256"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/tocsin-exchange/tocsin/protocol"
)

// rosterSaid is a bulletin of an organisation at a moment; which one of several
// is told by its number.
func rosterSaid(t *testing.T, w *labelWorld, by string, issued time.Time, number int) *protocol.Bulletin {
	node := w.key("node of " + by)
	h := protocol.Header{
		Version: protocol.Version, Kind: protocol.Statements, TLP: protocol.AmberStrict, Epoch: 1, Seq: 1, Issued: protocol.Millis(issued),
		Audience: []protocol.Recipient{{Group: sha256.Sum256([]byte("any")), Version: 1}},
	}
	cert := protocol.Certify(w.key(by), protocol.NodeOf(node), worldNow.Add(-day), worldNow.Add(day))
	b, err := protocol.Sign(node, cert, h, [][]byte{fmt.Appendf(nil, "bulletin %d", number)})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestRostersInAnyOrder: of the rosters said of one version the first by date
// and id stands, whichever came first; nobody else's word and no other group's
// counts.
func TestRostersInAnyOrder(t *testing.T) {
	w := newLabelWorld(map[string]ed25519.PrivateKey{})
	type said struct {
		b *protocol.Bulletin
		r *protocol.Roster
	}
	group, other := protocol.ID(sha256.Sum256([]byte("group"))), protocol.ID(sha256.Sum256([]byte("other")))
	roster := func(id protocol.ID, owner, name string) *protocol.Roster {
		return &protocol.Roster{Group: id, Version: 1, Name: name, Owner: w.org(owner)}
	}
	all := []said{
		{rosterSaid(t, w, "bank", worldNow.Add(time.Minute), 0), roster(group, "bank", "late")},
		{rosterSaid(t, w, "bank", worldNow, 1), roster(group, "bank", "one")},
		{rosterSaid(t, w, "bank", worldNow, 2), roster(group, "bank", "two")},
		{rosterSaid(t, w, "bank", worldNow.Add(-time.Hour), 3), roster(other, "bank", "another group")},
		{rosterSaid(t, w, "hospital", worldNow.Add(-time.Hour), 4), roster(group, "bank", "not its owner's")},
	}
	want := all[1]
	if all[2].b.ID().Compare(want.b.ID()) < 0 {
		want = all[2]
	}
	for i := range all {
		for _, order := range [][]said{slices.Concat(all[i:], all[:i]), backwards(slices.Concat(all[i:], all[:i]))} {
			g := &Group{ID: group, Owner: w.org("bank"), Rosters: map[uint64]Roster{}}
			for _, s := range order {
				g.Add(s.b, s.r)
			}
			if got := g.Rosters[1]; len(g.Rosters) != 1 || got.Name != want.r.Name || got.Said != want.b.ID() {
				t.Errorf("%q stands, want %q, of %v", got.Name, want.r.Name, slices.Collect(maps.Keys(g.Rosters)))
			}
		}
	}
}

// TestRosterSaidTwice: of two rosters of one version in one bulletin the first
// stands.
func TestRosterSaidTwice(t *testing.T) {
	w := newLabelWorld(map[string]ed25519.PrivateKey{})
	b, id := rosterSaid(t, w, "bank", worldNow, 1), protocol.ID(sha256.Sum256([]byte("group")))
	g := &Group{ID: id, Owner: w.org("bank"), Rosters: map[uint64]Roster{}}
	for _, name := range []string{"first", "second"} {
		g.Add(b, &protocol.Roster{Group: id, Version: 1, Name: name, Owner: g.Owner})
	}
	if got := g.Rosters[1].Name; got != "first" {
		t.Errorf("the %s stands", got)
	}
}

// TestWhenLeftOut: from when on a word to a group comes from somebody who had
// been left out: after the first version later than the last it was in.
func TestWhenLeftOut(t *testing.T) {
	bank, lab := orgNamed("bank"), orgNamed("lab")
	for _, c := range []struct {
		name string
		in   []bool // by version, from 1 on, each issued at ten times its number
		last uint64 // the last moment at which its word is in time
	}{
		{"in the newest", []bool{false, true}, 1000},
		{"left out once", []bool{true, false, false}, 20},
		{"back, and left out again", []bool{true, false, true, false}, 40},
		{"in none", []bool{false}, 10},
	} {
		g := &Group{Owner: bank, Rosters: map[uint64]Roster{}}
		for i, in := range c.in {
			r := Roster{Issued: 10 * uint64(i+1)}
			if in {
				r.Members = []protocol.Org{lab}
			}
			g.Rosters[uint64(i+1)] = r
		}
		if g.left(lab, c.last) || c.last < 1000 && !g.left(lab, c.last+1) || g.left(bank, c.last+1) {
			t.Errorf("%s: not from %d on, or the owner too", c.name, c.last+1)
		}
	}
}

func backwards[T any](list []T) []T {
	slices.Reverse(list)
	return list
}

// TestOrgOf: a node speaks for an organisation while its certificate runs and
// its key stands.
func TestOrgOf(t *testing.T) {
	v := world()
	hospital := NodeKey{orgNamed("hospital"), nodeNamed("hospital")}
	if org, ok := v.OrgOf(hospital.Node, worldNow); !ok || org != hospital.Org {
		t.Error("a node of hospital is not known as such")
	}
	for _, node := range []string{"lapsed", "mallory"} {
		if _, ok := v.OrgOf(nodeNamed(node), worldNow); ok {
			t.Errorf("%s counts as a node", node)
		}
	}
	v.Revocations = Revocations{hospital: {nil}}
	if _, ok := v.OrgOf(hospital.Node, worldNow); ok {
		t.Error("a node counts whose key was revoked")
	}
}

func TestRoadsOfLabels(t *testing.T) {
	for label, want := range map[protocol.TLP][3]bool{ // named, counted, told on
		protocol.Clear:       {false, true, true},
		protocol.Green:       {false, true, true},
		protocol.Amber:       {true, true, true},
		protocol.AmberStrict: {true, true, true},
		protocol.Red:         {true, false, false},
	} {
		if got := [3]bool{Named(label), Counted(label), ToldOn(label)}; got != want {
			t.Errorf("%s: %v, want %v", label, got, want)
		}
		for drill, listed := range map[string]bool{"": label != protocol.Red, "autumn": false} {
			if got := Listed(&protocol.Header{TLP: label, Drill: drill}); got != listed {
				t.Errorf("%s, drill %q: in a list: %v, want %v", label, drill, got, listed)
			}
		}
	}
}
