package node_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	pubsub "github.com/libp2p/go-libp2p-pubsub"
	libp2p "github.com/libp2p/go-libp2p/core/protocol"

	"github.com/tocsin-exchange/tocsin/node"
	"github.com/tocsin-exchange/tocsin/node/nodetest"
	"github.com/tocsin-exchange/tocsin/protocol"
)

// only starts every node with no guard but the given ones.
func only(keep int) nodetest.Option {
	return func(_ string, c *node.Config) {
		node.SwitchOff(c, node.AllGuards&^node.Guards(keep))
		if keep&noGuests != 0 {
			node.NoGuests(c)
		}
	}
}

const noGuests = 1 << 16 // no slots for unknown peers

const pair = "bank -- hospital"

var (
	ours  = []libp2p.ID{protocol.GossipProtocol}
	flood = []libp2p.ID{pubsub.FloodSubID, pubsub.GossipSubID_v11}
)

// say has bank publish ten bulletins and lets them travel.
func say(fed *nodetest.Federation) []node.Receipt {
	var said []node.Receipt
	for i := range 10 {
		said = append(said, fed.Submit("bank", fmt.Sprintf("203.0.113.%d", i+1), protocol.Green))
		time.Sleep(200 * time.Millisecond)
	}
	fed.Settle()
	return said
}

// TestStrangerHearsNothing: a stranger whose only link is to the publisher
// subscribes to the community's topic, whose name it has been told.
func TestStrangerHearsNothing(t *testing.T) {
	for _, c := range []struct {
		name      string
		keep      int
		protocols []libp2p.ID
		want      bool // it hears something: the guard left on is not meant for this
	}{
		{"no guard at all", 0, ours, true},
		{"the door alone lets guests in for a while", int(node.GuardDoor), ours, true},
		{"the door alone, without guests", int(node.GuardDoor) | noGuests, ours, false},
		{"subscription filter alone", int(node.GuardSubscription) | int(node.GuardMesh), ours, false},
		{"protocol list alone, floodsub", 0, flood, false},
		{"all guards", int(node.AllGuards), ours, false},
		{"all guards, floodsub", int(node.AllGuards), flood, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				fed := nodetest.New(t, pair, only(c.keep))
				raw := fed.Raw("bank")
				tap := raw.Listen(protocol.TopicOf(fed.Community()), c.protocols...)
				raw.Connect("bank")
				time.Sleep(2 * time.Second) // while a guest may stay
				said := say(fed)
				if heard := tap.Heard.Load() > 0; heard != c.want {
					t.Errorf("the stranger heard %d of 10", tap.Heard.Load())
				}
				for _, r := range said {
					fed.HeldBy(r, "bank", "hospital")
				}
			})
		})
	}
}

// TestBlockedPeerHearsNothingMore: a member in the mesh is blocked; from then
// on it hears nothing, although it keeps its subscription.
func TestBlockedPeerHearsNothingMore(t *testing.T) {
	for _, c := range []struct {
		name string
		keep int
		want bool
	}{
		{"filters alone leave it in the mesh", int(node.GuardSubscription) | int(node.GuardMesh), true},
		{"the door closes at once", int(node.GuardDoor), false},
		{"all guards", int(node.AllGuards), false},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				fed := nodetest.New(t, pair, only(c.keep))
				raw := fed.Raw("bank")
				enrol(t, fed, raw)
				tap := raw.Listen(protocol.TopicOf(fed.Community()), ours...)
				if err := raw.Connect("bank"); err != nil {
					t.Fatal(err)
				}
				fed.Settle()
				say(fed)
				if tap.Heard.Load() == 0 {
					t.Fatal("a member heard nothing")
				}
				if err := fed.Node("bank").Block(t.Context(), protocol.OrgOf(raw.Org), "test"); err != nil {
					t.Fatal(err)
				}
				before := tap.Heard.Load()
				say(fed)
				if heard := tap.Heard.Load() > before; heard != c.want {
					t.Errorf("the blocked peer heard %d more", tap.Heard.Load()-before)
				}
			})
		})
	}
}

// enrol makes a hostile host a member, by an invite of the bank's.
func enrol(t *testing.T, fed *nodetest.Federation, raw *nodetest.Raw) {
	t.Helper()
	token, err := fed.Node("bank").Invite(t.Context(), fed.Community(), "", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	invite, err := protocol.ParseInvite(token)
	if err != nil {
		t.Fatal(err)
	}
	raw.Connect("bank")
	answer, err := raw.Join("bank", protocol.JoinRequest{Community: fed.Community(), Secret: invite.Secret[:], Certificate: raw.Cert, Name: "raw"})
	if err != nil || answer.Refused != "" {
		t.Fatal(answer.Refused, err)
	}
	fed.Settle()
}

// TestOutsiderCannotPublish: what a stranger publishes is dropped before the
// router marks its id as seen, so that it cannot poison that cache.
func TestOutsiderCannotPublish(t *testing.T) {
	for _, c := range []struct {
		name string
		keep int
		want uint64
	}{
		{"inspector alone", int(node.GuardInspector), 1},
		{"without it", 0, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				fed := nodetest.New(t, pair, only(c.keep))
				raw := fed.Raw("bank")
				tap := raw.Listen(protocol.TopicOf(fed.Community()), ours...)
				raw.Connect("bank")
				fed.Settle()
				b := raw.Bulletin(protocol.Header{Community: fed.Community(), TLP: protocol.Green}, "{}")
				if err := tap.Say(t.Context(), b.Wire()); err != nil {
					t.Fatal(err)
				}
				fed.Settle()
				if got := fed.Node("bank").Counts()["gossip_outsider_messages"]; min(got, 1) != c.want {
					t.Errorf("%d messages of outsiders were dropped", got)
				}
			})
		})
	}
}

// TestSyncGivesStrangersNothing: a stranger opens sync streams and asks for
// everything, with digests, summaries, ranges and bodies.
func TestSyncGivesStrangersNothing(t *testing.T) {
	for _, c := range []struct {
		name string
		keep int
		want bool
	}{
		{"no guard at all", 0, true},
		{"stream guard alone", int(node.GuardStream), false},
		{"release alone", int(node.GuardRelease), false},
		{"all guards", int(node.AllGuards), false},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				fed := nodetest.New(t, pair, only(c.keep))
				said := fed.Submit("bank", "203.0.113.7", protocol.Green)
				raw := fed.Raw("bank")
				raw.Connect("bank")
				stream := streamOf(t, fed, "bank")
				everything := protocol.Range{To: protocol.Position{Epoch: 1<<63 - 1, Seq: 1}}
				got, _ := raw.Sync("bank",
					protocol.SyncFrame{Want: &protocol.Want{Bodies: []protocol.ID{said.Bulletin}}},
					protocol.SyncFrame{Want: &protocol.Want{Stream: stream, Ranges: []protocol.Range{everything}}},
					protocol.SyncFrame{End: &protocol.End{}},
				)
				if gave := bulletins(got) > 0; gave != c.want {
					t.Errorf("the stranger got %d bulletins", bulletins(got))
				}
			})
		})
	}
}

// TestDigestTellsStrangersNothing: with only the release rule in force, the
// summaries a stranger is shown are those of an empty store.
func TestSummariesOfStrangersAreEmpty(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fed := nodetest.New(t, pair, only(int(node.GuardRelease)))
		fed.Submit("bank", "203.0.113.7", protocol.Green)
		raw := fed.Raw("bank")
		raw.Connect("bank")
		other := protocol.ID{1}
		got, _ := raw.Sync("bank", protocol.SyncFrame{Digest: &other}, protocol.SyncFrame{End: &protocol.End{}}, protocol.SyncFrame{End: &protocol.End{}})
		for _, f := range got {
			if f.Summary != nil {
				t.Errorf("a stranger was shown a summary of %d heads", len(f.Summary.Heads))
			}
		}
		if len(got) == 0 || got[0].Digest == nil || *got[0].Digest != protocol.SummariesDigest(nil) {
			t.Errorf("a stranger was shown the digest of something: %+v", got)
		}
	})
}

// TestJoinGivesNothingWithoutAnInvite: bad requests on the join stream.
func TestJoinGivesNothingWithoutAnInvite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fed := nodetest.New(t, pair)
		bank := fed.Node("bank")
		token, err := bank.Invite(t.Context(), fed.Community(), "", time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		invite, err := protocol.ParseInvite(token)
		if err != nil {
			t.Fatal(err)
		}
		raw, other := fed.Raw("bank"), fed.Raw("bank")
		good := protocol.JoinRequest{Community: fed.Community(), Secret: invite.Secret[:], Certificate: raw.Cert, Name: "raw"}
		for name, change := range map[string]func(*protocol.JoinRequest){
			"wrong secret":              func(r *protocol.JoinRequest) { r.Secret = make([]byte, 16) },
			"no secret and no member":   func(r *protocol.JoinRequest) { r.Secret = nil },
			"another community":         func(r *protocol.JoinRequest) { r.Community = protocol.ID{1} },
			"somebody else's node":      func(r *protocol.JoinRequest) { r.Certificate = other.Cert },
			"a certificate for nothing": func(r *protocol.JoinRequest) { r.Certificate.NotAfter++ },
		} {
			request := good
			change(&request)
			raw.Connect("bank")
			answer, err := raw.Join("bank", request)
			if err == nil && answer.Refused == "" {
				t.Errorf("%s: let in", name)
			}
			if answer.Charter != nil || answer.Count != 0 {
				t.Errorf("%s: was told something", name)
			}
		}
		raw.Connect("bank")
		if answer, err := raw.Join("bank", good); err != nil || answer.Refused != "" {
			t.Fatalf("the right request: %v %v", answer.Refused, err)
		}
		stolen := good
		stolen.Certificate = other.Cert
		other.Connect("bank")
		if answer, err := other.Join("bank", stolen); err == nil && answer.Refused == "" {
			t.Error("a burnt invite let a second organisation in")
		}
		raw.Connect("bank")
		if answer, err := raw.Join("bank", good); err != nil || answer.Refused != "" {
			t.Errorf("the same organisation may come again: %v %v", answer.Refused, err)
		}
	})
}

// TestGuestsAreFewAndLeave: strangers may connect for the join protocol, a few
// at a time and not for long.
func TestGuestsAreFewAndLeave(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fed := nodetest.New(t, pair)
		var guests []*nodetest.Raw
		for range 10 {
			raw := fed.Raw("bank")
			raw.Connect("bank")
			guests = append(guests, raw)
		}
		time.Sleep(time.Second)
		if n := connected(guests); n > 2 {
			t.Errorf("%d strangers are connected, at most 2 may be", n)
		}
		time.Sleep(15 * time.Second)
		if n := connected(guests); n != 0 {
			t.Errorf("%d strangers are still connected", n)
		}
	})
}

func connected(raws []*nodetest.Raw) (n int) {
	for _, r := range raws {
		if r.Connected("bank") {
			n++
		}
	}
	return n
}

func bulletins(frames []protocol.SyncFrame) (n int) {
	for _, f := range frames {
		if f.Bulletin != nil {
			n++
		}
	}
	return n
}

// streamOf returns the id of an organisation's GREEN object stream.
func streamOf(t *testing.T, fed *nodetest.Federation, org string) protocol.ID {
	t.Helper()
	for _, s := range fed.Node(org).Store().Streams() {
		if s.Org == fed.Node(org).Org() && s.Stream.Kind == protocol.Objects {
			return s.Stream.ID()
		}
	}
	t.Fatal("no such stream")
	return protocol.ID{}
}
