package trust

import (
	"time"

	"github.com/tocsin-exchange/tocsin/protocol"
)

// MaxAhead is how far a bulletin's date may lie in the future: clocks differ.
const MaxAhead = 5 * time.Minute

// A Community is one community as this node sees it.
type Community struct {
	Charter protocol.Charter
	History History
	Members map[protocol.Org]Member
	Known   map[protocol.Org]bool
}

// NewCommunity computes a community's members.
func NewCommunity(h History) *Community {
	return &Community{Charter: h.Charter, History: h, Members: h.Members(), Known: h.Known()}
}

// A View is all that a judgement looks at, at one moment. It is never changed;
// whoever learns something makes another.
type View struct {
	Self        protocol.Org
	Communities map[protocol.ID]*Community
	Nodes       map[protocol.Node]protocol.Certificate // certificates seen and checked
	Blocked     map[protocol.Org]bool
	Quarantined map[protocol.Org]Proof // by proofs not released here; see [Quarantine]
	Revocations Revocations            // of node keys
	Groups      map[protocol.ID]*Group
	Clients     map[protocol.Org]bool // ours, whom AMBER may go on to
}

// OrgOf returns the organisation a node belongs to by a certificate that is
// valid now, unless its key was revoked.
func (v *View) OrgOf(node protocol.Node, now time.Time) (protocol.Org, bool) {
	c, ok := v.Nodes[node]
	return c.Org, ok && c.Covers(protocol.Millis(now)) && !v.RevokedFor(c.Org, node)
}

// MayConnect says whether a node may be connected: it belongs to a member of a
// community of ours and was not blocked.
func (v *View) MayConnect(node protocol.Node, now time.Time) Verdict {
	org, known := v.OrgOf(node, now)
	switch {
	case v.Revoked(node):
		return deny("node-revoked", "its organisation has revoked the node's key")
	case !known:
		return deny("unknown-node", "no valid certificate of a member names this node")
	case v.Blocked[org]:
		return deny("peer-blocked", "the organisation is blocked here")
	case org == v.Self:
		return allow("own-node", "a node of our own organisation")
	}
	for _, c := range v.Communities {
		if _, is := c.Members[org]; is {
			return allow("member", "a member of "+c.Charter.Name)
		}
	}
	return deny("not-a-member", "the organisation is in no community of ours")
}

// InCommunity says whether a node may take part in a community's gossip.
func (v *View) InCommunity(node protocol.Node, community protocol.ID, now time.Time) Verdict {
	c := v.Communities[community]
	if c == nil {
		return deny("unknown-community", "we are not in that community")
	}
	if v := v.MayConnect(node, now); !v.Allowed {
		return v
	}
	org, _ := v.OrgOf(node, now)
	if _, is := c.Members[org]; !is {
		return deny("not-a-member", "the organisation is not a member of "+c.Charter.Name)
	}
	return allow("member", "a member of "+c.Charter.Name)
}

// MayReceive says whether a node may be sent a bulletin with this header. It
// is asked at the moment of sending, whatever the road.
func (v *View) MayReceive(h *protocol.Header, peer protocol.Node, now time.Time) Verdict {
	may := v.MaySee(h.Stream(), h.Org(), peer, now)
	if may.Allowed || h.TLP != protocol.Amber {
		return may
	}
	if in := v.MayConnect(peer, now); !in.Allowed {
		return in
	}
	org, _ := v.OrgOf(peer, now)
	if onward := v.MayForward(h.Stream(), h.Org(), org); onward.Allowed {
		return onward
	}
	return may
}

// MaySee says whether a node may see a whole stream of author: whoever may see
// one of its headers may see them all.
func (v *View) MaySee(s protocol.Stream, author protocol.Org, peer protocol.Node, now time.Time) Verdict {
	if !s.TLP.Valid() {
		return noLabel(s.TLP)
	}
	if s.TLP > protocol.Green {
		return v.seeNamed(s, author, peer, now)
	}
	in := v.InCommunity(peer, s.Community, now)
	if !in.Allowed {
		return in
	}
	if s.Kind == protocol.Objects {
		if _, is := v.Communities[s.Community].Members[author]; !is {
			return deny("author-fallen", "its author is no longer a member")
		}
	}
	return allow("tlp-"+s.TLP.String(), s.TLP.Label()+": "+in.Reason)
}

// noLabel answers where a label is missing, or is not for this question.
func noLabel(label protocol.TLP) Verdict {
	if !label.Valid() {
		return deny("unlabelled", "no TLP label: nothing without one is shared")
	}
	if label <= protocol.Green {
		return deny("community-label", label.Label()+" goes to a community and names nobody")
	}
	return deny("named-label", label.Label()+" goes to the recipients it names: name them")
}

// MaySubmit says whether our own organisation may publish to a community under
// CLEAR or GREEN; see [View.MaySubmitTo] for what is above.
func (v *View) MaySubmit(label protocol.TLP, community protocol.ID) Verdict {
	if !label.Valid() || label > protocol.Green {
		return noLabel(label)
	}
	c := v.Communities[community]
	if c == nil {
		return deny("unknown-community", "this node is in no such community: create one or join one")
	}
	if _, is := c.Members[v.Self]; !is {
		return deny("not-a-member", "our organisation is not a member of "+c.Charter.Name)
	}
	return allow("tlp-"+label.String(), label.Label()+": the members of "+c.Charter.Name)
}

// MayAdmit says what becomes of a bulletin that arrived, whoever brought it.
func (v *View) MayAdmit(h *protocol.Header, now time.Time) Admission {
	if !h.TLP.Valid() {
		no := noLabel(h.TLP)
		return Admission{Refuse, no.Rule, no.Reason}
	}
	if h.TLP > protocol.Green {
		return v.admitNamed(h, now)
	}
	c, author := v.Communities[h.Community], h.Org()
	if c == nil {
		return Admission{Refuse, "unknown-community", "we are not in its community"}
	}
	if !c.Known[author] {
		return Admission{Unknown, "unknown-author", "nobody introduced its author"}
	}
	if _, is := c.Members[author]; !is && h.Kind == protocol.Objects {
		return Admission{Refuse, "author-fallen", "its author is no longer a member"}
	}
	if protocol.Time(h.Issued).After(now.Add(MaxAhead)) {
		return Admission{Later, "future", "it is dated in the future"}
	}
	if v.Blocked[author] && h.Kind == protocol.Objects {
		return Admission{Decline, "peer-blocked", "its author is blocked here"}
	}
	return Admission{Admit, "member", "its author is a member of " + c.Charter.Name}
}

// MayAnswer says whether claims under a header count in what this node answers.
// Those of a quarantined organisation do not, although it stays connected and
// its log is held and passed on: others must be able to see it. Our own word
// counts here all the same, since we know what we said.
func (v *View) MayAnswer(h *protocol.Header) bool {
	author := h.Org()
	_, bad := v.Quarantined[author]
	if !h.TLP.Valid() || v.Blocked[author] || bad && author != v.Self {
		return false
	}
	if h.TLP > protocol.Green {
		// An author we never heard of was passed on to us as a client: it was let in
		// for whoever passed it on.
		return author == v.Self || v.isMember(author) || !v.isKnown(author) && !v.named(h.Audience, v.Self).Allowed
	}
	c := v.Communities[h.Community]
	if c == nil {
		return false
	}
	_, is := c.Members[author]
	return is
}
