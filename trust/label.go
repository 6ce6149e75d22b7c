package trust

import (
	"maps"
	"time"

	"github.com/tocsin-exchange/tocsin/protocol"
)

// This file has the roads of AMBER, AMBER+STRICT and RED. All three name their
// audience; nobody is in it by default.

// Named reports whether a label names its recipients: then nothing of it goes
// over gossip, and every copy is sealed to one node and signed for.
func Named(label protocol.TLP) bool { return label > protocol.Green }

// Counted reports whether what is under a label may move a figure that others
// than its recipients see. RED may not.
func Counted(label protocol.TLP) bool { return label != protocol.Red }

// Listed reports whether what is under a header may be in a list that machines
// act on: RED is for people's eyes, and an exercise is not meant.
func Listed(h *protocol.Header) bool { return h.TLP != protocol.Red && h.Drill == "" }

// ToldOn reports whether proof of a fault in what was said under a label is said
// to its audience. That of RED is few, who each find the fault for themselves.
func ToldOn(label protocol.TLP) bool { return label != protocol.Red }

// named says whether an audience names an organisation, itself or by a group.
func (v *View) named(audience []protocol.Recipient, org protocol.Org) Verdict {
	no := deny("not-named", "the audience does not name the organisation")
	for _, r := range audience {
		if r.Org == org && r.Person == "" {
			return allow("named", "named in the audience")
		}
		if r.Org == org {
			return allow("person-named", "a person of the organisation is named")
		}
		if r.Group.IsZero() {
			continue
		}
		in := deny("unknown-roster", "that sharing group is not known here")
		if g := v.Groups[r.Group]; g != nil {
			in = g.MayRead(r.Version, org)
		}
		if in.Allowed {
			return in
		}
		if no.Rule != "unknown-roster" { // that one may still become known
			no = in
		}
	}
	return no
}

// seeNamed is MaySee above GREEN: the organisations named, and the author's
// own. We pass it on as one of them; RED only as its author, and to the nodes
// of our own organisation or the author's.
func (v *View) seeNamed(s protocol.Stream, author protocol.Org, peer protocol.Node, now time.Time) Verdict {
	if may := v.MayConnect(peer, now); !may.Allowed {
		return may
	}
	if len(s.Audience) == 0 {
		return noAudience(s.TLP)
	}
	org, _ := v.OrgOf(peer, now)
	if author != v.Self && !v.named(s.Audience, v.Self).Allowed {
		return deny("not-ours", "it was not said to us, so we pass it on to nobody")
	}
	if s.Kind == protocol.Objects && author != v.Self && !v.isMember(author) {
		return deny("author-fallen", "its author is no longer a member")
	}
	switch {
	case org == v.Self:
		return allow("own-node", "a node of our own organisation")
	case org == author:
		return allow("author", "a node of its author")
	}
	in := v.named(s.Audience, org)
	if !in.Allowed {
		return in
	}
	if s.TLP == protocol.Red && author != v.Self {
		return deny("red-from-author", "TLP:RED goes from its author to each recipient, not between them")
	}
	return allow("tlp-"+s.TLP.String(), s.TLP.Label()+": "+in.Reason)
}

func noAudience(label protocol.TLP) Verdict {
	return deny("empty-audience", label.Label()+" names its recipients, and nobody is named")
}

// admitNamed is MayAdmit above GREEN.
func (v *View) admitNamed(h *protocol.Header, now time.Time) Admission {
	author := h.Org()
	if len(h.Audience) == 0 {
		no := noAudience(h.TLP)
		return Admission{Refuse, no.Rule, no.Reason}
	}
	if author != v.Self {
		if !v.isKnown(author) {
			return Admission{Unknown, "unknown-author", "nobody introduced its author"}
		}
		if in := v.named(h.Audience, v.Self); !in.Allowed {
			if in.Rule == "unknown-roster" {
				return Admission{Unknown, in.Rule, in.Reason}
			}
			return Admission{Refuse, in.Rule, in.Reason}
		}
		if v.outsideGroup(h) {
			return Admission{Refuse, "author-not-in-group", "its author is not in the version of the sharing group that it names"}
		}
		if h.Kind == protocol.Objects && !v.isMember(author) {
			return Admission{Refuse, "author-fallen", "its author is no longer a member"}
		}
	}
	if protocol.Time(h.Issued).After(now.Add(MaxAhead)) {
		return Admission{Later, "future", "it is dated in the future"}
	}
	if h.Kind == protocol.Objects && v.Blocked[author] {
		return Admission{Decline, "peer-blocked", "its author is blocked here"}
	}
	if h.Kind == protocol.Objects && v.leftGroup(h) {
		return Admission{Decline, "left-group", "its author had been left out of the sharing group"}
	}
	return Admission{Admit, "named", "we are in its audience"}
}

// outsideGroup reports whether an author speaks to a version of a group in which
// it is not, as far as we know that version. Only the owner may.
func (v *View) outsideGroup(h *protocol.Header) bool {
	for _, r := range h.Audience {
		g := v.Groups[r.Group]
		if g == nil || g.Owner == h.Org() {
			continue
		}
		if said, held := g.Rosters[r.Version]; held && !said.has(h.Org()) {
			return true
		}
	}
	return false
}

// leftGroup reports whether an author speaks to groups alone, and had been left
// out of each.
func (v *View) leftGroup(h *protocol.Header) bool {
	for _, r := range h.Audience {
		if g := v.Groups[r.Group]; g == nil || !g.left(h.Org(), h.Issued) {
			return false
		}
	}
	return true
}

// AdmitRoster is MayAdmit for a bulletin of statements that is said to a version
// of a group by the very roster it carries: that roster, beside those held, says
// whom it is for.
func (v *View) AdmitRoster(b *protocol.Bulletin, now time.Time) Admission {
	with := *v
	with.Groups = map[protocol.ID]*Group{}
	maps.Copy(with.Groups, v.Groups)
	for _, object := range b.Objects() {
		s, err := protocol.DecodeStatement(object)
		if err != nil || s.Roster == nil {
			continue
		}
		g := &Group{ID: s.Roster.Group, Owner: s.Roster.Owner, Rosters: map[uint64]Roster{}}
		if held := with.Groups[g.ID]; held != nil {
			maps.Copy(g.Rosters, held.Rosters)
		}
		g.Add(b, s.Roster)
		with.Groups[g.ID] = g
	}
	return with.MayAdmit(&b.Header, now)
}

// MaySubmitTo says whether our own organisation may say something above GREEN
// to an audience. Whoever is named must be known here and not blocked; to a
// group it is said in the version that is in force.
func (v *View) MaySubmitTo(label protocol.TLP, audience []protocol.Recipient) Verdict {
	if label <= protocol.Green || !label.Valid() {
		return noLabel(label)
	}
	if len(audience) == 0 {
		return noAudience(label)
	}
	for _, r := range audience {
		if may := v.mayName(label, r); !may.Allowed {
			return may
		}
	}
	return allow("tlp-"+label.String(), label.Label()+": the recipients named")
}

func (v *View) mayName(label protocol.TLP, r protocol.Recipient) Verdict {
	switch {
	case (label == protocol.Red) != (r.Person != "") || r.Person != "" && !r.Group.IsZero():
		return deny("persons-for-red", "TLP:RED names persons at organisations, and no other label does")
	case !r.Group.IsZero():
		g := v.Groups[r.Group]
		if g == nil || g.Latest() == 0 {
			return deny("unknown-group", "no such sharing group is known here")
		}
		if r.Version != g.Latest() {
			return deny("old-roster", "the sharing group has a newer version")
		}
		return g.MayRead(r.Version, v.Self)
	case r.Org == v.Self:
		return allow("own-org", "our own organisation")
	case v.Blocked[r.Org]:
		return deny("peer-blocked", "a recipient is blocked here")
	case !v.isMember(r.Org):
		return deny("not-a-member", "a recipient is in no community of ours")
	}
	return allow("named", "a member")
}

// MayForward says whether we may pass an AMBER stream on to a client of ours: it
// was said to us, the client was declared, and it is not in the audience
// itself. It goes no further from there.
func (v *View) MayForward(s protocol.Stream, author, client protocol.Org) Verdict {
	switch {
	case s.TLP != protocol.Amber:
		return deny("not-onward", s.TLP.Label()+" does not go on to clients")
	case !v.Clients[client]:
		return deny("not-a-client", "the organisation is no client of ours")
	case author == v.Self || !v.named(s.Audience, v.Self).Allowed:
		return deny("not-ours", "it was not said to us, so we pass it on to nobody")
	case s.Kind == protocol.Objects && !v.isMember(author):
		return deny("author-fallen", "its author is no longer a member")
	case client == author || v.named(s.Audience, client).Allowed:
		return deny("named-itself", "its author reaches the organisation itself")
	case v.leftOut(s.Audience, client):
		return deny("left-group", "the organisation was left out of the sharing group")
	case v.Blocked[client] || !v.isMember(client):
		return deny("not-a-member", "the organisation is blocked, or in no community of ours")
	}
	return allow("client", "TLP:AMBER: a client of ours, for its own protection only")
}

// AdmitForwarded says what becomes of a bulletin that one of its recipients
// passed on to us as its client. We hold it outside its author's stream.
func (v *View) AdmitForwarded(h *protocol.Header, f *protocol.Forward, now time.Time) Admission {
	by := f.Certificate.Org
	switch {
	case h.TLP != protocol.Amber:
		return Admission{Refuse, "not-onward", h.TLP.Label() + " does not go on to clients"}
	case f.To != v.Self || by == v.Self || by == h.Org() || h.Org() == v.Self || v.named(h.Audience, v.Self).Allowed:
		return Admission{Refuse, "not-forwarded", "it was passed on to somebody else, or need not have been"}
	case !v.isMember(by) || v.Blocked[by] || !f.Certificate.Covers(protocol.Millis(now)):
		return Admission{Refuse, "not-a-member", "whoever passed it on is blocked, or in no community of ours"}
	case v.RevokedFor(by, f.Certificate.Node):
		return Admission{Refuse, "node-revoked", "the key of the node that passed it on was revoked"}
	case !v.mayHaveBeenNamed(h.Audience, by):
		return Admission{Refuse, "not-named", "whoever passed it on is not in its audience"}
	case h.Kind == protocol.Objects && v.hasFallen(h.Org()):
		return Admission{Refuse, "author-fallen", "its author is no longer a member"}
	case protocol.Time(h.Issued).After(now.Add(MaxAhead)):
		return Admission{Later, "future", "it is dated in the future"}
	case h.Kind == protocol.Objects && v.Blocked[h.Org()]:
		return Admission{Decline, "peer-blocked", "its author is blocked here"}
	}
	return Admission{Admit, "client", "passed on to us as a client"}
}

// mayHaveBeenNamed: who is in a version of a group that we do not hold, we
// cannot know.
func (v *View) mayHaveBeenNamed(audience []protocol.Recipient, org protocol.Org) bool {
	in := v.named(audience, org)
	return in.Allowed || in.Rule == "unknown-roster"
}

// leftOut reports whether a group of an audience had an organisation in it and
// has it no longer: what its owner ended, nobody gives back by forwarding.
func (v *View) leftOut(audience []protocol.Recipient, org protocol.Org) bool {
	for _, r := range audience {
		if g := v.Groups[r.Group]; g != nil && g.leftOut(org) {
			return true
		}
	}
	return false
}

// isMember reports whether an organisation is a member of a community of ours.
func (v *View) isMember(org protocol.Org) bool {
	for _, c := range v.Communities {
		if _, is := c.Members[org]; is {
			return true
		}
	}
	return false
}

// hasFallen reports whether an organisation was introduced to us and is a member
// no longer. One we never heard of has not fallen.
func (v *View) hasFallen(org protocol.Org) bool { return v.isKnown(org) && !v.isMember(org) }

func (v *View) isKnown(org protocol.Org) bool {
	for _, c := range v.Communities {
		if c.Known[org] {
			return true
		}
	}
	return false
}
