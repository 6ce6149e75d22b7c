package trust

import (
	"slices"

	"github.com/tocsin-exchange/tocsin/protocol"
)

// MayRemark says whether our organisation may say under the same label what it
// met, or thinks, of a claim, and to whom: never to anybody who may not see the
// claim. Up to GREEN that is its community. Above, it is the claim's author and
// the others named, who are still members; where it was passed on to us as a
// client, who did that (via) alone. Left are those named who are blocked here or
// no members any more.
//
// A group is named in its newest version where all in that may read what was said
// to the claim's version, else by those of its members who may.
func (v *View) MayRemark(claim *protocol.Header, via protocol.Org) (audience []protocol.Recipient, left []protocol.Org, may Verdict) {
	switch {
	case !claim.TLP.Valid():
		return nil, nil, noLabel(claim.TLP)
	case !v.MayAnswer(claim):
		return nil, nil, deny("author-fallen", "its author is blocked, quarantined, or no longer a member")
	case claim.TLP <= protocol.Green:
		return nil, nil, v.MaySubmit(claim.TLP, claim.Community)
	case claim.TLP == protocol.Red:
		return nil, nil, deny("red-in-person", "TLP:RED is between persons: tell its author yourself")
	}
	author := claim.Org()
	if author != v.Self && !v.named(claim.Audience, v.Self).Allowed {
		if audience, may = v.remarkToForwarder(claim, via); !may.Allowed {
			return nil, nil, may
		}
	} else {
		audience = v.remarkToNamed(claim, author)
	}
	audience = slices.DeleteFunc(audience, func(r protocol.Recipient) bool {
		gone := r.Group.IsZero() && r.Org != v.Self && (v.Blocked[r.Org] || !v.isMember(r.Org))
		if gone {
			left = append(left, r.Org)
		}
		return gone
	})
	switch {
	case len(audience) == 0:
		return nil, left, deny("not-a-member", "nobody of those who may see it is a member any more")
	case len(audience) > protocol.MaxAudience:
		return nil, left, deny("too-many", "the sharing group has changed since, and too many of its members would have to be named")
	}
	return audience, left, v.MaySubmitTo(claim.TLP, audience)
}

// remarkToForwarder answers what came to us as a client of who passed it on.
func (v *View) remarkToForwarder(claim *protocol.Header, via protocol.Org) ([]protocol.Recipient, Verdict) {
	if via.IsZero() || claim.TLP != protocol.Amber || !v.mayHaveBeenNamed(claim.Audience, via) {
		return nil, deny("not-ours", "it was not said to us, or we are in its sharing group no longer")
	}
	return []protocol.Recipient{{Org: via}}, allow("client", "who passed it on to us")
}

// remarkToNamed lists the claim's author and the others whom it names.
func (v *View) remarkToNamed(claim *protocol.Header, author protocol.Org) (audience []protocol.Recipient) {
	for _, r := range claim.Audience {
		if r.Group.IsZero() {
			audience = append(audience, r)
		} else if g := v.Groups[r.Group]; g != nil && g.MayRead(r.Version, v.Self).Allowed {
			audience = append(audience, g.readers(r.Version, author)...)
		} // else we are not in it any more, and cannot know who is
	}
	if !v.named(audience, author).Allowed {
		audience = append(audience, protocol.Recipient{Org: author})
	}
	protocol.SortAudience(audience)
	audience = slices.Compact(audience)
	if len(audience) > 1 { // what is said to ourselves alone is answered so
		audience = slices.DeleteFunc(audience, func(r protocol.Recipient) bool { return r.Org == v.Self })
	}
	return audience
}

// readers names those in the group's newest version who may read what was said
// to a version: by the group where that is all of them, its author included.
func (g *Group) readers(version uint64, author protocol.Org) (audience []protocol.Recipient) {
	newest := g.Latest()
	all := true
	for _, m := range g.Rosters[newest].Members {
		if g.MayRead(version, m).Allowed {
			audience = append(audience, protocol.Recipient{Org: m})
		} else {
			all = false
		}
	}
	if all && g.Rosters[newest].has(author) {
		return []protocol.Recipient{{Group: g.ID, Version: newest}}
	}
	return audience
}
