package trust

import (
	"testing"

	"github.com/tocsin-exchange/tocsin/protocol"
)

// headersOfWorld is one header of every author, community, kind and label.
func headersOfWorld() (all []protocol.Header) {
	for _, author := range []string{"bank", "hospital", "vendor", "blocked", "fallen", "shop", "stranger"} {
		for _, community := range []string{"isac", "other", "unheard"} {
			for _, kind := range []protocol.Kind{protocol.Objects, protocol.Statements} {
				for label := protocol.Unlabelled; label <= protocol.Red; label++ {
					all = append(all, protocol.Header{
						Kind: kind, Community: communityNamed(community), TLP: label, Issued: protocol.Millis(worldNow),
						Certificate: protocol.Certificate{Org: orgNamed(author), Node: nodeNamed(author)},
					})
				}
			}
		}
	}
	return all
}

// TestMediumAsConnection: a medium for one organisation carries what a
// connection to its node would, and one for several what all connections would.
func TestMediumAsConnection(t *testing.T) {
	v := world()
	orgs := []string{"bank", "hospital", "vendor", "blocked", "fallen", "shop", "stranger"}
	carried := 0
	for _, h := range headersOfWorld() {
		for _, a := range orgs {
			alone := v.MayCarry(&h, []protocol.Org{orgNamed(a)})
			if sent := v.MayReceive(&h, nodeNamed(a), worldNow); alone.Allowed != sent.Allowed {
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
			c := v.Communities[h.Community]
			member := false
			if c != nil {
				_, member = c.Members[v.Self]
			}
			if (c == nil || !member && h.Kind == protocol.Objects) && got.Outcome != Refuse {
				t.Errorf("%s, member %v: %+v for %s", self, member, got, h.Kind)
			}
			if member && got != gossip {
				t.Errorf("%s is a member: %+v out of an archive, %+v elsewhere", self, got, gossip)
			}
		}
	}
}
