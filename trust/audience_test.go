package trust

import (
	"testing"

	"github.com/tocsin-exchange/tocsin/protocol"
)

// headersOfWorld is one header of every author, community or audience, kind and
// label.
func headersOfWorld() (all []protocol.Header) {
	for _, author := range []string{"bank", "hospital", "vendor", "blocked", "fallen", "shop", "stranger"} {
		for place, named := range map[string][]string{"isac": {"hospital"}, "other": {"bank", "hospital", "blocked", "fallen"}, "unheard": nil} {
			for _, kind := range []protocol.Kind{protocol.Objects, protocol.Statements} {
				for label := protocol.Unlabelled; label <= protocol.Red+1; label++ {
					h := protocol.Header{
						Kind: kind, Community: communityNamed(place), TLP: label, Issued: protocol.Millis(worldNow),
						Certificate: protocol.Certificate{Org: orgNamed(author), Node: nodeNamed(author)},
					}
					if label > protocol.Green {
						h.Community, h.Audience = protocol.ID{}, recipientsOf(label, named...)
					}
					all = append(all, h)
				}
			}
		}
	}
	return all
}

// recipientsOf names organisations as a label does.
func recipientsOf(label protocol.TLP, orgs ...string) (audience []protocol.Recipient) {
	for _, org := range orgs {
		r := protocol.Recipient{Org: orgNamed(org)}
		if label == protocol.Red {
			r.Person = "anna"
		}
		audience = append(audience, r)
	}
	return audience
}

// TestMediumAsConnection: a medium for one organisation carries what a
// connection to its node would, and one for several what all connections would.
// RED alone goes by medium from its author and nobody else, not even back.
func TestMediumAsConnection(t *testing.T) {
	v := world()
	orgs := []string{"bank", "hospital", "vendor", "blocked", "fallen", "shop", "stranger"}
	carried := 0
	for _, h := range headersOfWorld() {
		for _, a := range orgs {
			alone := v.MayCarry(&h, []protocol.Org{orgNamed(a)})
			byAuthor := h.TLP < protocol.Red || h.Org() == v.Self
			if sent := v.MaySee(h.Stream(), h.Org(), nodeNamed(a), worldNow); alone.Allowed != (sent.Allowed && byAuthor) {
				t.Errorf("to %s: %+v on a medium, %+v on a connection, of %s %s", a, alone, sent, h.Kind, h.TLP.Label())
			}
			if alone.Allowed {
				carried++
			}
			for _, b := range orgs {
				both := v.MayCarry(&h, []protocol.Org{orgNamed(a), orgNamed(b)})
				if other := v.MayCarry(&h, []protocol.Org{orgNamed(b)}); both.Allowed != (alone.Allowed && other.Allowed) {
					t.Errorf("for %s and %s: %+v, alone %+v and %+v", a, b, both, alone, other)
				}
			}
		}
		if v.MayCarry(&h, nil).Allowed {
			t.Error("a medium for nobody carries something")
		}
	}
	if carried == 0 {
		t.Error("nothing is carried to anybody")
	}
}

// TestUnpackingNeverJoins: an archive brings no more than a connection would,
// nothing of a community not joined, and to who is no member no objects.
func TestUnpackingNeverJoins(t *testing.T) {
	for _, self := range []string{"bank", "hospital", "fallen", "stranger"} {
		v := world()
		v.Self = orgNamed(self)
		for _, h := range headersOfWorld() {
			got, gossip := v.MayUnpack(&h, worldNow), v.MayAdmit(&h, worldNow)
			if got.Outcome > gossip.Outcome {
				t.Errorf("%s: %+v out of an archive, %+v elsewhere", self, got, gossip)
			}
			joined, member := joinedFor(v, &h)
			if (!joined || !member && h.Kind == protocol.Objects) && got.Outcome != Refuse && (h.TLP <= protocol.Green || got.Outcome != Unknown) {
				t.Errorf("%s, member %v: %+v for %s", self, member, got, h.Kind)
			}
			if member && got != gossip {
				t.Errorf("%s is a member: %+v out of an archive, %+v elsewhere", self, got, gossip)
			}
		}
	}
}

// joinedFor says whether a view has joined what a header is said to, and is a
// member there: a community, or above GREEN any.
func joinedFor(v *View, h *protocol.Header) (joined, member bool) {
	if h.TLP > protocol.Green {
		return len(v.Communities) > 0, v.isMember(v.Self)
	}
	c := v.Communities[h.Community]
	if c == nil {
		return false, false
	}
	_, member = c.Members[v.Self]
	return true, member
}
