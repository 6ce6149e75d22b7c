package node_test

import (
	"crypto/ed25519"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tocsin-exchange/tocsin/node"
	"github.com/tocsin-exchange/tocsin/node/nodetest"
	"github.com/tocsin-exchange/tocsin/protocol"
)

// TestSecondNode: another node of a member comes in by itself, with a
// certificate nobody has seen, holds what was said before, and is heard.
func TestSecondNode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fed := nodetest.New(t, "bank -- hospital\nbank -- vendor\nbank2 -- bank\nbank2 -- vendor\nnode bank2 of bank")
		before := fed.Submit("hospital", "before.example", protocol.Green)
		fed.Settle()
		fed.Enter("bank2")
		time.Sleep(2 * time.Minute)
		if left := fed.Node("bank2").Entering(); len(left) > 0 {
			t.Fatalf("not in after two minutes: %v", left)
		}
		fed.HeldBy(before, "bank", "bank2", "hospital", "vendor")
		said := fed.Submit("bank2", "second.example", protocol.Green)
		fed.Settle()
		fed.HeldBy(said, "bank", "bank2", "hospital", "vendor")
		if a, b := fed.Node("bank").Org(), fed.Node("bank2").Org(); a != b {
			t.Errorf("two organisations: %s and %s", a, b)
		}
		fed.Stop("bank")
		down := fed.Submit("vendor", "while-down.example", protocol.Green)
		fed.Settle()
		fed.HeldBy(down, "bank2", "vendor")
		fed.Stop("bank2")
		fed.Restart("bank2") // what it was told is done: nothing is asked again
		time.Sleep(time.Minute)
		if left := fed.Node("bank2").Entering(); len(left) > 0 {
			t.Errorf("after a restart: %v", left)
		}
		fed.HeldBy(down, "bank2", "vendor")
	})
}

// TestSecondNodeWaits: nobody of its organisation can be reached at first, also
// over a restart; it says so, and comes in when one can.
func TestSecondNodeWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fed := nodetest.New(t, "bank -- hospital\nnode bank2 of bank")
		fed.Enter("bank2")
		time.Sleep(time.Minute)
		left := fed.Node("bank2").Entering()
		if len(left) != 1 || left[0].Community != fed.Community() || !strings.Contains(left[0].Problem, "cannot reach") {
			t.Fatalf("left to do: %+v", left)
		}
		fed.Stop("bank2")
		fed.Restart("bank2")
		time.Sleep(time.Minute)
		if left := fed.Node("bank2").Entering(); len(left) != 1 {
			t.Fatalf("after a restart: %+v", left)
		}
		fed.Heal("bank", "bank2")
		time.Sleep(10 * time.Minute)
		if left := fed.Node("bank2").Entering(); len(left) != 0 {
			t.Fatalf("left to do: %+v", left)
		}
		said := fed.Submit("bank", "in.example", protocol.Green)
		fed.Settle()
		fed.HeldBy(said, "bank", "bank2", "hospital")
	})
}

// TestLedAstray: the list of addresses was altered on the way. A node that is
// not of our organisation leads us into no community.
func TestLedAstray(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fed := nodetest.New(t, "bank -- hospital\nbank2 -- hospital\nnode bank2 of bank")
		_, key, cert := fed.Keys("bank2")
		fed.Equip("bank2", key, cert, &node.Entry{Communities: []protocol.ID{fed.Community()}, Peers: fed.Node("hospital").Identity().Addrs})
		fed.Restart("bank2")
		time.Sleep(time.Minute)
		left := fed.Node("bank2").Entering()
		if len(left) != 1 || !strings.Contains(left[0].Problem, "no node of our organisation") {
			t.Errorf("left to do: %+v", left)
		}
		if c := fed.Node("bank2").Communities(); len(c) != 0 {
			t.Errorf("it is in %v", c)
		}
	})
}

// TestLoadedCertificate: the first node is told of the second before that comes;
// then all members know it, and it needs nobody's leave.
func TestLoadedCertificate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fed := nodetest.New(t, "bank -- hospital\nbank2 -- hospital\nnode bank2 of bank")
		org, _, cert := fed.Keys("bank2")
		if err := fed.Node("bank").Load(t.Context(), cert, node.Entry{}); err != nil {
			t.Fatal(err)
		}
		fed.Settle()
		known := func(org string) (list []protocol.Node) {
			for _, p := range fed.Node(org).Peers() {
				list = append(list, p.Node)
			}
			return list
		}
		for _, who := range []string{"bank", "hospital"} {
			found := false
			for _, n := range known(who) {
				found = found || n == cert.Node
			}
			if !found {
				t.Errorf("%s does not know the second node: %v", who, known(who))
			}
		}
		fed.Stop("bank")
		fed.Restart("bank")
		found := false
		for _, n := range known("bank") {
			found = found || n == cert.Node
		}
		if !found {
			t.Error("forgotten over a restart")
		}
		stranger := fed.Raw()
		foreign := protocol.Certify(stranger.Org, cert.Node, time.Now().Add(-time.Hour), time.Now().Add(time.Hour))
		ended := protocol.Certify(org, cert.Node, time.Now().Add(-2*time.Hour), time.Now().Add(-time.Hour))
		for _, c := range []struct {
			cert protocol.Certificate
			want string
		}{{foreign, "another organisation"}, {ended, "is valid from"}, {protocol.Certificate{}, "wrong usage"}} {
			if err := fed.Node("bank").Load(t.Context(), c.cert, node.Entry{}); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want %q", err, c.want)
			}
		}
	})
}

// TestVouchedForAnothersNode: a member certifies somebody else's node, which
// lasts longer than its own, and a node of it says so. The node's own word
// counts, whichever came first.
func TestVouchedForAnothersNode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fed := nodetest.New(t, "bank -- hospital\nbank -- vendor")
		org, _, _ := fed.Keys("vendor")
		victim := fed.Node("hospital").Identity()
		forged := protocol.Certify(org, victim.NodeKey, time.Now().Add(-time.Hour), time.Now().Add(1000*24*time.Hour))
		if err := fed.Node("vendor").Load(t.Context(), forged, node.Entry{}); err != nil {
			t.Fatal(err)
		}
		fed.Settle()
		for _, restart := range []bool{false, true} {
			if restart {
				fed.Stop("bank")
				fed.Restart("bank")
				time.Sleep(time.Minute)
			}
			for _, p := range fed.Node("bank").Peers() {
				if p.Node == victim.NodeKey && p.Org != victim.OrgKey {
					t.Errorf("hospital's node is taken for one of %s", p.Name)
				}
			}
		}
		said := fed.Submit("hospital", "still.example", protocol.Green)
		fed.Settle()
		fed.HeldBy(said, "bank", "hospital", "vendor")
	})
}

// TestSiblingRenews: a node's certificate that another node of its organisation
// tells takes the place of the one it showed itself.
func TestSiblingRenews(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		short := func(org string, c *node.Config) {
			if org == "bank2" {
				c.Org, c.Certificate = nil, protocol.Certify(c.Org, c.Certificate.Node, time.Now().Add(-time.Hour), time.Now().Add(time.Hour))
			}
		}
		fed := nodetest.New(t, "bank -- hospital\nbank2 -- hospital\nbank2 -- bank\nnode bank2 of bank", short)
		org, _, cert := fed.Keys("bank2")
		fed.Enter("bank2")
		time.Sleep(2 * time.Minute)
		if !linkedTo(fed, "hospital", cert.Node) {
			t.Fatal("not connected while the certificate is valid")
		}
		next := protocol.Certify(org, cert.Node, time.Now().Add(-time.Hour), time.Now().Add(24*time.Hour))
		if err := fed.Node("bank").Load(t.Context(), next, node.Entry{}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Hour)
		if !linkedTo(fed, "hospital", cert.Node) {
			t.Error("not connected any more, although the organisation has certified the node anew")
		}
	})
}

func linkedTo(fed *nodetest.Federation, at string, who protocol.Node) bool {
	for _, p := range fed.Node(at).Peers() {
		if p.Node == who {
			return p.Connected
		}
	}
	return false
}

// TestNewKey: a node that was given a new key while it was down comes in again,
// says on under it what it said before, and its former key is revoked.
func TestNewKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fed := nodetest.New(t, "bank -- hospital\nhospital -- vendor")
		old := fed.Submit("hospital", "203.0.113.7", protocol.Green)
		fed.Settle()
		fed.Stop("hospital")
		org, key, former := fed.Keys("hospital")
		_, fresh, err := ed25519.GenerateKey(nil)
		if err != nil {
			t.Fatal(err)
		}
		cert := node.Renewed(org, protocol.Certificate{Node: protocol.NodeOf(fresh), NotBefore: former.NotBefore, NotAfter: former.NotAfter}, time.Now())
		fed.Equip("hospital", fresh, cert, &node.Entry{Former: protocol.NodeOf(key)})
		fed.Restart("hospital")
		time.Sleep(10 * time.Minute)
		if left := fed.Node("hospital").Entering(); len(left) > 0 {
			t.Fatalf("left to do: %+v", left)
		}
		fed.HeldBy(old, "bank", "hospital", "vendor")
		said := fed.Submit("hospital", "198.51.100.7", protocol.Green)
		again := fed.Submit("hospital", "203.0.113.7", protocol.Green)
		fed.Settle()
		for _, r := range []node.Receipt{said, again} {
			fed.HeldBy(r, "bank", "hospital", "vendor")
		}
		fed.HeldBy(old) // superseded, across keys
		if !linkedTo(fed, "bank", cert.Node) || !linkedTo(fed, "vendor", cert.Node) {
			t.Error("not connected under the new key")
		}
		for _, p := range fed.Node("bank").Peers() {
			if p.Node == former.Node && (p.Connected || !strings.Contains(p.Problem, "revoked")) {
				t.Errorf("the former key: connected %v, %s", p.Connected, p.Problem)
			}
		}
	})
}
