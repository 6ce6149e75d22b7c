package node_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tocsin-exchange/tocsin/node"
	"github.com/tocsin-exchange/tocsin/node/api"
	"github.com/tocsin-exchange/tocsin/node/nodetest"
	"github.com/tocsin-exchange/tocsin/protocol"
	"github.com/tocsin-exchange/tocsin/storage"
)

// A thief has the key of the bank's second node, which was honest until it was
// stolen. All it says goes by one log, at places of its own choice.
type thief struct {
	liar
	t *testing.T
}

func newThief(t *testing.T, fed *nodetest.Federation, reaches ...string) *thief {
	t.Helper()
	raw := fed.Stolen("bank", slices.Clone(reaches)...)
	th := &thief{liar{raw, fed, raw.Listen(protocol.TopicOf(fed.Community()), ours...)}, t}
	for _, org := range reaches {
		raw.Connect(org) // as a guest, who shows a certificate under the bank's key
		answer, err := raw.Join(org, protocol.JoinRequest{Community: fed.Community(), Certificate: raw.Cert, Name: "bank"})
		if err != nil || answer.Refused != "" {
			t.Fatal(answer.Refused, err)
		}
	}
	fed.Settle()
	th.reconnect(reaches...)
	return th
}

// reconnect has subscriptions announced anew.
func (th *thief) reconnect(orgs ...string) {
	for _, c := range th.Host.Network().Conns() {
		c.Close()
	}
	time.Sleep(time.Second)
	for _, org := range orgs {
		th.Connect(org)
	}
	time.Sleep(2 * time.Minute) // where a router lost sight of the other, it is mended
}

// claim says a value at a place, behind another bulletin.
func (th *thief) claim(value string, epoch, seq uint64, prev *protocol.Bulletin, issued time.Time) (*protocol.Bulletin, node.Receipt) {
	th.t.Helper()
	h := protocol.Header{Epoch: epoch, Seq: seq, Issued: protocol.Millis(issued)}
	if prev != nil {
		h.Prev = prev.ID()
	}
	b, r := th.say(th.t, h, value)
	th.gossip(th.t, b)
	return b, r
}

func (th *thief) statement(epoch, seq uint64, prev *protocol.Bulletin, s protocol.Statement) *protocol.Bulletin {
	th.t.Helper()
	h := protocol.Header{Kind: protocol.Statements, Community: th.fed.Community(), TLP: protocol.Green, Epoch: epoch, Seq: seq}
	if prev != nil {
		h.Prev = prev.ID()
	}
	b := th.Bulletin(h, string(s.Encode()))
	th.gossip(th.t, b)
	return b
}

// wantEqual checks that all hold the same logs, but for what nobody counts.
func wantEqual(t *testing.T, fed *nodetest.Federation, orgs ...string) {
	t.Helper()
	want := fed.Node(orgs[0]).Store().Summaries(nil)
	for _, org := range orgs[1:] {
		if diff := cmp.Diff(want, fed.Node(org).Store().Summaries(nil)); diff != "" {
			t.Errorf("%s and %s hold different logs:\n%s", orgs[0], org, diff)
		}
	}
	before := fed.Node(orgs[0]).Counts()
	time.Sleep(10 * time.Minute)
	after := fed.Node(orgs[0]).Counts()
	if sessions, equal := after["sync_sessions"]-before["sync_sessions"], after["sync_equal"]-before["sync_equal"]; sessions == 0 || equal != sessions {
		t.Errorf("%d sessions of %s, %d of them ended with equal digests", sessions, orgs[0], equal)
	}
}

// wantConnected checks which organisations keep a connection with the thief.
func (th *thief) wantConnected(want ...string) {
	th.t.Helper()
	var got []string
	for _, org := range th.fed.Orgs() {
		if th.Connected(org) {
			got = append(got, org)
		}
	}
	if !slices.Equal(got, want) {
		th.t.Errorf("the thief is connected with %v, want %v", got, want)
	}
}

// TestStolenNodeKey: a node key of the bank is stolen. The thief goes on with its
// log, branches off from it, and says something in an epoch long ago, all dated
// before the theft; and it lets somebody in. The bank, from its other node,
// leaves standing what was said before. Whoever learns of it has nothing of the
// rest any more, in whatever order it comes: the vendor, who was cut off and met
// the bad branch first; the hospital, over a restart; and a newcomer.
func TestStolenNodeKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fed := nodetest.New(t, "bank -- hospital\nhospital -- vendor\nbank -- vendor\nuniversity -- hospital\nstranger university")
		th := newThief(t, fed, "hospital", "vendor")
		th.wantConnected("hospital", "vendor")
		begun := time.Now()
		one, r1 := th.claim("one.example", 9, 1, nil, begun)
		two, r2 := th.claim("two.example", 9, 2, one, time.Now())
		present := th.statement(9, 1, nil, protocol.Statement{Presence: &protocol.Presence{Certificate: th.Cert}})
		time.Sleep(time.Hour)
		fed.HeldBy(r1, "bank", "hospital", "vendor")
		fed.HeldBy(r2, "bank", "hospital", "vendor")

		accomplice := fed.Raw().Cert
		after, r3 := th.claim("three.example", 9, 3, two, time.Now())
		fed.HeldBy(r3, "bank", "hospital", "vendor")
		th.statement(9, 2, present, protocol.Statement{Introduction: &protocol.Introduction{Name: "accomplice", Certificate: accomplice}})
		wantMember(t, fed, accomplice.Org, true, "bank", "hospital", "vendor")

		fed.Cut("bank", "vendor")
		fed.Cut("hospital", "vendor")
		branch, r4 := th.claim("four.example", 9, 2, one, begun.Add(time.Second))
		_, r5 := th.claim("five.example", 9, 3, branch, begun.Add(2*time.Second))
		_, r6 := th.claim("six.example", 3, 1, nil, begun.Add(-24*time.Hour))
		wantQuarantinedBy(t, fed, fed.Node("bank").Org(), "bank", "hospital", "vendor") // two things at one place

		th.Leave("vendor") // whom the thief's router would tell
		fed.Settle()
		kept, err := fed.Node("bank").RevokeNode(t.Context(), th.Cert.Node, []protocol.ID{two.ID(), present.ID()}, false)
		if err != nil || len(kept) != 2 {
			t.Fatal(kept, err)
		}
		fed.Settle()
		th.wantConnected()
		if answer, err := th.rejoin("hospital"); err == nil && answer.Refused == "" {
			t.Error("the thief was let in again")
		}
		wantStands := func(when string, at ...string) {
			t.Helper()
			for _, org := range at {
				for i, r := range []node.Receipt{r1, r2, r3, r4, r5, r6} {
					if answers(t, fed, org, r) != (i < 2) {
						t.Fatalf("%s, %s answers for %v: %v", when, org, r.Claims, i >= 2)
					}
				}
			}
		}
		wantMember(t, fed, accomplice.Org, false, "bank", "hospital")
		th.Reach("vendor")
		th.Connect("vendor") // which lets it in, unless a stream outlived the cut and told it
		fed.Settle()
		last, r7 := th.claim("seven.example", 9, 4, after, time.Now())
		wantStands("while the vendor is cut off", "bank", "hospital")

		fed.Stop("hospital")
		fed.Restart("hospital")
		fed.Heal("bank", "vendor")
		fed.Heal("hospital", "vendor")
		time.Sleep(5 * time.Minute)
		th.wantConnected()
		wantStands("when the vendor is back", "bank", "hospital", "vendor")
		fed.HeldBy(r7)
		wantQuarantinedBy(t, fed, fed.Node("bank").Org())
		wantMember(t, fed, accomplice.Org, false, "bank", "hospital", "vendor")

		token, err := fed.Node("hospital").Invite(t.Context(), fed.Community(), "university", time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := fed.Node("university").Join(t.Context(), token); err != nil {
			t.Fatal(err)
		}
		time.Sleep(5 * time.Minute)
		wantStands("at the newcomer", "bank", "hospital", "university", "vendor")
		for _, b := range []*protocol.Bulletin{after, branch, last} {
			if held, _ := fed.Node("university").Store().Has(b.ID()); held {
				t.Errorf("the newcomer was given %s", b.ID())
			}
		}
		wantMember(t, fed, accomplice.Org, false, "university")
		wantEqual(t, fed, "hospital", "bank", "vendor", "university")
	})
}

// answers reports whether an organisation's node answers for what was said.
func answers(t *testing.T, fed *nodetest.Federation, org string, r node.Receipt) bool {
	t.Helper()
	n := fed.Node(org)
	claims, err := n.Store().Lookup(r.Claims[0], n.Query())
	if err != nil {
		t.Fatal(err)
	}
	return slices.ContainsFunc(claims, func(c storage.Claim) bool { return c.Bulletin == r.Bulletin })
}

func (th *thief) rejoin(org string) (protocol.JoinAnswer, error) {
	th.Connect(org)
	return th.Join(org, protocol.JoinRequest{Community: th.fed.Community(), Certificate: th.Cert, Name: "bank"})
}

func wantMember(t *testing.T, fed *nodetest.Federation, org protocol.Org, want bool, at ...string) {
	t.Helper()
	for _, name := range at {
		is := false
		for _, p := range fed.Node(name).Peers() {
			is = is || p.Org == org && p.Member
		}
		if is != want {
			t.Errorf("at %s the accomplice is a member: %v", name, is)
		}
	}
}

// TestRevocationOutlivesItsCarrier: a revocation counts by the signature of the
// organisation. That the node that published it is revoked as well, with all it
// said, brings nothing back, here and over a restart.
func TestRevocationOutlivesItsCarrier(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fed := nodetest.New(t, "bank -- hospital")
		th := newThief(t, fed, "hospital")
		_, said := th.claim("one.example", 9, 1, nil, time.Now())
		fed.HeldBy(said, "bank", "hospital")
		r := &protocol.Revocation{Node: th.Cert.Node}
		r.Sign(th.Org)
		carrier := &thief{liar{Raw: fed.Stolen("hospital", "bank"), fed: fed}, t}
		carrier.tap = carrier.Listen(protocol.TopicOf(fed.Community()), ours...)
		if answer, err := carrier.rejoin("bank"); err != nil || answer.Refused != "" {
			t.Fatal(answer.Refused, err)
		}
		carrier.reconnect("bank")
		carried := carrier.statement(1, 1, nil, protocol.Statement{Revocation: r})
		fed.HeldBy(said)
		th.wantConnected()
		if _, err := fed.Node("hospital").RevokeNode(t.Context(), carrier.Cert.Node, nil, false); err != nil {
			t.Fatal(err)
		}
		fed.Settle()
		for _, org := range fed.Orgs() {
			if !fed.Node(org).Store().Disowned(carried.ID()) {
				t.Fatalf("%s counts the bulletin that carried the revocation", org)
			}
		}
		fed.HeldBy(said)
		fed.Stop("bank")
		fed.Restart("bank")
		fed.Settle()
		fed.HeldBy(said)
		if answer, err := th.rejoin("hospital"); err == nil && answer.Refused == "" {
			t.Error("the thief was let in again")
		}
	})
}

// TestRevokeNodeRefusals: who may end which key.
func TestRevokeNodeRefusals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fed := nodetest.New(t, "bank -- hospital\norg vendor\nstranger vendor")
		bank, raw := fed.Node("bank"), fed.Stolen("bank")
		node2 := raw.Cert.Node
		said := fed.Submit("bank", "203.0.113.7", protocol.Green)
		for _, c := range []struct {
			what string
			by   string
			of   protocol.Node
			keep []protocol.ID
			rest bool
			want error
		}{
			{"its own key", "bank", bank.Identity().NodeKey, nil, true, node.ErrRefused},
			{"another's node", "bank", fed.Node("hospital").Identity().NodeKey, nil, true, node.ErrRefused},
			{"a node nobody knows", "bank", node2, nil, true, node.ErrNotFound},
			{"a bulletin of another node", "bank", node2, []protocol.ID{said.Bulletin}, false, node.ErrNotFound},
			{"in no community", "vendor", node2, nil, false, node.ErrRefused},
			{"a node that never spoke", "bank", node2, nil, false, nil},
		} {
			if _, err := fed.Node(c.by).RevokeNode(t.Context(), c.of, c.keep, c.rest); !errors.Is(err, c.want) {
				t.Errorf("%s: %v, want %v", c.what, err, c.want)
			}
		}
		fed.Settle()
		for _, name := range []string{node.PeerID(node2).String(), node2.String()} {
			if got, err := node.ParseNode(name); err != nil || got != node2 {
				t.Errorf("%s is %v: %v", name, got, err)
			}
		}
		if _, err := node.ParseNode("hospital"); !errors.Is(err, node.ErrUsage) {
			t.Errorf("a name for a node: %v", err)
		}
	})
}

// TestOwnKeyRevoked: the organisation's other node ends this node's key. It
// stays up for reading, says so, and says nothing else any more.
func TestOwnKeyRevoked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fed := nodetest.New(t, "bank -- hospital")
		heard := fed.Submit("bank", "198.51.100.7", protocol.Green)
		said := fed.Submit("hospital", "203.0.113.7", protocol.Green)
		th := &thief{liar{Raw: fed.Stolen("hospital", "hospital"), fed: fed}, t}
		th.tap = th.Listen(protocol.TopicOf(fed.Community()), ours...)
		if answer, err := th.rejoin("hospital"); err != nil || answer.Refused != "" {
			t.Fatal(answer.Refused, err)
		}
		th.reconnect("hospital")
		r := &protocol.Revocation{Node: fed.Node("hospital").Identity().NodeKey}
		r.Sign(th.Org)
		th.statement(1, 1, nil, protocol.Statement{Revocation: r})
		for _, when := range []string{"told", "restarted"} {
			if alarm := fed.Node("hospital").Status().Alarm; !strings.Contains(alarm, "revoked") {
				t.Errorf("%s, it shows no alarm: %q", when, alarm)
			}
			_, err := fed.Client("hospital").Submit(t.Context(), api.SubmitRequest{TLP: protocol.Green, Values: []string{"203.0.113.8"}})
			if err == nil || !strings.Contains(err.Error(), "revoked this node's key") {
				t.Errorf("%s, it speaks on: %v", when, err)
			}
			fed.HeldBy(heard, "bank", "hospital")
			fed.HeldBy(said)
			fed.Stop("hospital")
			fed.Restart("hospital")
			fed.Settle()
		}
	})
}
