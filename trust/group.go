package trust

import (
	"cmp"
	"math"
	"slices"

	"github.com/tocsin-exchange/tocsin/protocol"
)

// A Group is a sharing group as this node sees it: the versions of its roster
// that are held, by number.
type Group struct {
	ID      protocol.ID
	Owner   protocol.Org
	Rosters map[uint64]Roster
}

// A Roster is one version of who is in a group.
type Roster struct {
	Name    string
	Members []protocol.Org // sorted
	History uint64         // its members may read what was said to versions from this one on; 0: to its own only
	Issued  uint64         // Unix milliseconds
	Said    protocol.ID    // the bulletin that says it
}

func (r Roster) has(org protocol.Org) bool {
	_, is := slices.BinarySearchFunc(r.Members, org, protocol.Org.Compare)
	return is
}

// Add takes the version that a bulletin says. Only the owner's word counts, and
// of two rosters of one version the first by (issued, id), so that the order of
// arrival makes no difference.
func (g *Group) Add(b *protocol.Bulletin, r *protocol.Roster) {
	if b.Header.Org() != r.Owner || g.ID != r.Group {
		return
	}
	next := Roster{Name: r.Name, Members: r.Members, History: r.History, Issued: b.Header.Issued, Said: b.ID()}
	held, is := g.Rosters[r.Version]
	if !is || cmp.Or(cmp.Compare(next.Issued, held.Issued), next.Said.Compare(held.Said)) < 0 {
		g.Rosters[r.Version] = next
	}
}

// Latest returns the highest version held, 0 for none.
func (g *Group) Latest() (version uint64) {
	for v := range g.Rosters {
		version = max(version, v)
	}
	return version
}

// MayRead says whether an organisation may read what is said to a version of
// the group: it is in that version, or in a later one that grants its history,
// and it has not been left out since.
func (g *Group) MayRead(version uint64, org protocol.Org) Verdict {
	named, is := g.Rosters[version]
	if !is {
		return deny("unknown-roster", "that version of the sharing group is not known here")
	}
	latest := g.Rosters[g.Latest()]
	if !latest.has(org) {
		return deny("not-in-group", "the organisation is not in sharing group "+latest.Name)
	}
	if named.has(org) {
		return allow("in-group", "in sharing group "+named.Name)
	}
	for v, r := range g.Rosters {
		if v > version && r.History > 0 && r.History <= version && r.has(org) {
			return allow("group-history", "in sharing group "+r.Name+", which may read its history")
		}
	}
	return deny("not-in-version", "the organisation came into sharing group "+latest.Name+" later, without its history")
}

// leftOut reports whether an organisation was in the group and is no longer.
func (g *Group) leftOut(org protocol.Org) bool {
	if g.Rosters[g.Latest()].has(org) {
		return false
	}
	for _, r := range g.Rosters {
		if r.has(org) {
			return true
		}
	}
	return false
}

// left reports whether an organisation spoke to a version of a group after the
// owner had left it out: after the first version later than the last it was in,
// however many came since.
func (g *Group) left(author protocol.Org, issued uint64) bool {
	if author == g.Owner {
		return false
	}
	last, ended := uint64(0), uint64(math.MaxUint64)
	for v, r := range g.Rosters {
		if r.has(author) {
			last = max(last, v)
		}
	}
	for v, r := range g.Rosters {
		if v > last {
			ended = min(ended, r.Issued)
		}
	}
	return issued > ended
}
