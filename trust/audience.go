package trust

import (
	"time"

	"github.com/tocsin-exchange/tocsin/protocol"
)

// A medium that people carry has an audience of organisations, not nodes:
// whoever holds it reads all that lies on it in the clear, and nobody can take it
// back. Above GREEN each bulletin is sealed to each node, so it is asked of one
// organisation at a time.

// MayReadOf says whether an organisation may have what is said in a community,
// to whichever of its nodes it goes.
func (v *View) MayReadOf(community protocol.ID, org protocol.Org) Verdict {
	c := v.Communities[community]
	if c == nil {
		return deny("unknown-community", "we are not in that community")
	}
	if v.Blocked[org] {
		return deny("peer-blocked", "the organisation is blocked here")
	}
	if _, is := c.Members[org]; !is {
		return deny("not-a-member", "the organisation is not a member of "+c.Charter.Name)
	}
	return allow("member", "a member of "+c.Charter.Name)
}

// MayCarry says whether a medium for an audience may carry a bulletin with this
// header: each of the organisations may see it. It is asked for every bulletin
// at the moment of writing.
func (v *View) MayCarry(h *protocol.Header, audience []protocol.Org) Verdict {
	return v.MayCarryStream(h.Stream(), h.Org(), audience)
}

// MayCarryStream is MayCarry for a whole stream of author.
func (v *View) MayCarryStream(s protocol.Stream, author protocol.Org, audience []protocol.Org) Verdict {
	if !s.TLP.Valid() {
		return noLabel(s.TLP)
	}
	if s.TLP > protocol.Green {
		return v.carryNamed(s, author, audience)
	}
	may := deny("no-audience", "the medium is for nobody")
	for _, org := range audience {
		if may = v.MayReadOf(s.Community, org); !may.Allowed {
			return may
		}
	}
	if s.Kind == protocol.Objects && may.Allowed {
		if _, is := v.Communities[s.Community].Members[author]; !is {
			return deny("author-fallen", "its author is no longer a member")
		}
	}
	return may
}

// carryNamed is MayCarryStream above GREEN: every organisation of the medium is
// named, and nobody's RED but our own leaves us.
func (v *View) carryNamed(s protocol.Stream, author protocol.Org, audience []protocol.Org) Verdict {
	if len(s.Audience) == 0 {
		return noAudience(s.TLP)
	}
	if author != v.Self && (s.TLP == protocol.Red || !v.named(s.Audience, v.Self).Allowed) {
		return deny("not-ours", "it goes from its author to each recipient")
	}
	may := deny("no-audience", "the medium is for nobody")
	for _, org := range audience {
		if v.Blocked[org] || !v.isMember(org) {
			return deny("not-a-member", "the organisation is blocked, or in no community of ours")
		}
		may = allow("author", "the medium is for its author")
		if org != author {
			may = v.named(s.Audience, org)
		}
		if !may.Allowed {
			return may
		}
	}
	if s.Kind == protocol.Objects && author != v.Self && !v.isMember(author) {
		return deny("author-fallen", "its author is no longer a member")
	}
	return may
}

// MayUnpack is MayAdmit for what a medium brought. Nobody joins a community by
// an archive: of one that this node has not joined nothing is taken, and where
// our organisation is no member, only statements are, which may say that it is.
func (v *View) MayUnpack(h *protocol.Header, now time.Time) Admission {
	if h.TLP == protocol.Clear || h.TLP == protocol.Green {
		c := v.Communities[h.Community]
		if c == nil {
			return Admission{Refuse, "not-a-member", "we are not in its community"}
		}
		if _, is := c.Members[v.Self]; !is && h.Kind == protocol.Objects {
			return Admission{Refuse, "not-a-member", "our organisation is not a member of " + c.Charter.Name}
		}
	}
	if h.Kind == protocol.Objects && !v.isMember(v.Self) {
		return Admission{Refuse, "not-a-member", "our organisation is in no community of ours"}
	}
	return v.MayAdmit(h, now)
}
