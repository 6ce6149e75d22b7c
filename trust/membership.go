package trust

import (
	"cmp"
	"slices"
	"time"

	"github.com/tocsin-exchange/tocsin/protocol"
)

// An Introduction is one member's word that an organisation belongs.
type Introduction struct {
	Ref      protocol.ID // by which removals name it
	By, Of   protocol.Org
	Name     string // what By calls Of
	Issued   uint64 // Unix milliseconds
	Bulletin protocol.ID
	Index    int
}

// A Removal ends introductions or a founder's seat.
type Removal struct {
	Refs []protocol.ID
	Seat protocol.Org
	By   []protocol.Org // whose signatures it bears

	Bulletin protocol.ID
}

// A History is all that decides who the members of one community are.
type History struct {
	Charter       protocol.Charter
	Introductions []Introduction
	Removals      []Removal
}

// Add takes one statement of the community's, object i of a bulletin. It
// reports whether it bears on who the members are.
func (h *History) Add(community protocol.ID, b *protocol.Bulletin, i int, s protocol.Statement) bool {
	switch {
	case s.Introduction != nil:
		h.Introductions = append(h.Introductions, Introduction{
			Ref: b.Reference(i), By: b.Header.Org(), Of: s.Introduction.Certificate.Org, Name: s.Introduction.Name,
			Issued: b.Header.Issued, Bulletin: b.ID(), Index: i,
		})
	case s.Removal != nil && s.Removal.Community == community:
		r := Removal{Refs: s.Removal.Introductions, Seat: s.Removal.Seat, Bulletin: b.ID()}
		for _, by := range s.Removal.By {
			r.By = append(r.By, by.Org)
		}
		h.Removals = append(h.Removals, r)
	default:
		return false
	}
	return true
}

// A Member is why an organisation belongs.
type Member struct {
	Founder bool
	By      []Introduction // those that count, in order of (issued, bulletin, index)
}

// Members returns the organisations that belong: the least set that holds the
// founders still seated and whoever Charter.Needed different members introduced
// by introductions that stand.
func (h History) Members() map[protocol.Org]Member {
	ended := h.ended()
	members := map[protocol.Org]Member{}
	for _, f := range h.Charter.Founders {
		if !h.unseated(f) {
			members[f] = Member{Founder: true}
		}
	}
	standing := h.standing(ended)
	for grown := true; grown; {
		grown = false
		for of, intros := range standing {
			if _, is := members[of]; is {
				continue
			}
			if by := counting(intros, members); distinct(by) >= int(h.Charter.Needed) {
				members[of] = Member{By: by}
				grown = true
			}
		}
	}
	for of, m := range members { // a member may have been introduced again since
		if !m.Founder {
			members[of] = Member{By: counting(standing[of], members)}
		}
	}
	return members
}

// Known returns everybody whose statements are to be kept: whoever ever was a
// founder or was introduced by one of the known. It only ever grows, so that
// what counts does not depend on the order of arrival.
func (h History) Known() map[protocol.Org]bool {
	known := map[protocol.Org]bool{}
	for _, f := range h.Charter.Founders {
		known[f] = true
	}
	for grown := true; grown; {
		grown = false
		for _, i := range h.Introductions {
			if known[i.By] && !known[i.Of] {
				known[i.Of], grown = true, true
			}
		}
	}
	return known
}

// standing groups the introductions within their introducer's monthly limit
// that were not ended, by whom they introduce. What was ended still uses up
// its place, so that a removal never makes another introduction count.
func (h History) standing(ended map[protocol.ID]bool) map[protocol.Org][]Introduction {
	all := slices.Clone(h.Introductions)
	slices.SortFunc(all, func(a, b Introduction) int {
		return cmp.Or(cmp.Compare(a.Issued, b.Issued), a.Bulletin.Compare(b.Bulletin), cmp.Compare(a.Index, b.Index))
	})
	type quota struct {
		by    protocol.Org
		month string
	}
	used := map[quota]uint64{}
	standing := map[protocol.Org][]Introduction{}
	for _, i := range all {
		if !slices.Contains(h.Charter.Founders, i.By) {
			q := quota{i.By, protocol.Time(i.Issued).Format("2006-01")}
			if used[q]++; used[q] > h.Charter.Monthly {
				continue
			}
		}
		if !ended[i.Ref] {
			standing[i.Of] = append(standing[i.Of], i)
		}
	}
	return standing
}

// ended returns the introductions that removals with enough signatures name:
// of the organisation itself, of the introducer, or of over half of the
// charter's founders (whose signatures may stand on different removals).
func (h History) ended() map[protocol.ID]bool {
	signers := map[protocol.ID]map[protocol.Org]bool{}
	for _, r := range h.Removals {
		for _, ref := range r.Refs {
			if signers[ref] == nil {
				signers[ref] = map[protocol.Org]bool{}
			}
			for _, by := range r.By {
				signers[ref][by] = true
			}
		}
	}
	ended := map[protocol.ID]bool{}
	for _, i := range h.Introductions {
		if by := signers[i.Ref]; by[i.Of] || by[i.By] || h.quorum(by) {
			ended[i.Ref] = true
		}
	}
	return ended
}

func (h History) unseated(founder protocol.Org) bool {
	by := map[protocol.Org]bool{}
	for _, r := range h.Removals {
		if r.Seat == founder {
			for _, o := range r.By {
				by[o] = true
			}
		}
	}
	return by[founder] || h.quorum(by)
}

func (h History) quorum(by map[protocol.Org]bool) bool {
	n := 0
	for _, f := range h.Charter.Founders {
		if by[f] {
			n++
		}
	}
	return 2*n > len(h.Charter.Founders)
}

func counting(intros []Introduction, members map[protocol.Org]Member) []Introduction {
	var by []Introduction
	for _, i := range intros {
		if _, is := members[i.By]; is && i.By != i.Of {
			by = append(by, i)
		}
	}
	return by
}

func distinct(intros []Introduction) int {
	seen := map[protocol.Org]bool{}
	for _, i := range intros {
		seen[i.By] = true
	}
	return len(seen)
}

// MayIntroduce says whether org can bring in another organisation at this
// moment, by its limit for the calendar month (UTC).
func (h History) MayIntroduce(org protocol.Org, now time.Time) Verdict {
	if _, is := h.Members()[org]; !is {
		return deny("not-a-member", "only members introduce others")
	}
	if slices.Contains(h.Charter.Founders, org) {
		return allow("founder", "founders introduce without limit")
	}
	used, month := uint64(0), now.UTC().Format("2006-01")
	for _, i := range h.Introductions {
		if i.By == org && protocol.Time(i.Issued).Format("2006-01") == month {
			used++
		}
	}
	if used >= h.Charter.Monthly {
		return deny("introduction-limit", "this month's introductions are used up: a founder can introduce, or wait for the next month")
	}
	return allow("introduction-limit", "within this month's introductions")
}
