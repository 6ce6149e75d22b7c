package node_test

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	libp2p "github.com/libp2p/go-libp2p/core/protocol"

	"github.com/tocsin-exchange/tocsin/node/api"
	"github.com/tocsin-exchange/tocsin/node/nodetest"
	"github.com/tocsin-exchange/tocsin/protocol"
)

// A way is how a host tries to hear what is not meant for it. They combine.
type way uint

const (
	byFloodsub way = 1 << iota // its router speaks floodsub, too
	byGossip                   // its router speaks our protocol, without a rule
	byGraft                    // it subscribes and grafts itself by hand, again and again
	byAsking                   // it opens streams and asks for all there is
	everyWay   = byFloodsub | byGossip | byGraft | byAsking
)

func (w way) String() string {
	var names string
	for i, name := range []string{"floodsub", "gossip", "graft", "asking"} {
		if w&(1<<i) != 0 {
			names += " " + name
		}
	}
	return names
}

// A fall is how a host comes to be none of those who may hear.
type fall struct {
	name   string
	member bool // it was one, and in the mesh
	cut    func(t *testing.T, fed *nodetest.Federation, raw *nodetest.Raw)
}

var falls = []fall{
	{"outsider", false, func(*testing.T, *nodetest.Federation, *nodetest.Raw) {}},
	{"blocked", true, func(t *testing.T, fed *nodetest.Federation, raw *nodetest.Raw) {
		for _, org := range []string{"bank", "hospital"} { // locally, by both
			if err := fed.Node(org).Block(t.Context(), raw.Cert.Org, "test"); err != nil {
				t.Fatal(err)
			}
		}
	}},
	{"removed", true, func(t *testing.T, fed *nodetest.Federation, raw *nodetest.Raw) {
		if ended, err := fed.Node("bank").Remove(t.Context(), fed.Community(), raw.Cert.Org, "test"); err != nil || !ended {
			t.Fatal(ended, err)
		}
	}},
	{"suspended", true, func(t *testing.T, fed *nodetest.Federation, raw *nodetest.Raw) {
		for range 50 {
			raw.Sync("bank", protocol.SyncFrame{Bulletin: []byte{1}})
		}
	}},
}

// TestLeakMatrix: every way to listen in, alone and together, by hosts that
// never were, are no more, or for now are not members. What is said before a
// member falls it hears, which shows that the taps work; what is said after
// reaches no sink of its in any form, from the next byte on.
func TestLeakMatrix(t *testing.T) {
	ways := []way{byFloodsub, byGossip, byGraft, byAsking, byFloodsub | byGraft, byGossip | byAsking, everyWay}
	if testing.Short() {
		ways = []way{everyWay}
	}
	for _, f := range falls {
		for _, w := range ways {
			t.Run(f.name+w.String(), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { listenIn(t, f, w) })
			})
		}
	}
}

func listenIn(t *testing.T, f fall, w way) {
	fed := nodetest.New(t, pair)
	raw := fed.Raw("bank")
	if f.member {
		enrol(t, fed, raw)
	}
	l := listener{fed, raw, w}
	l.start(t)
	raw.Connect("bank")
	time.Sleep(2 * time.Second) // into the mesh, or while a guest may stay
	before := fed.Canary()
	sing(t, fed, "bank", before)
	l.ask()
	fed.Settle()
	heard := slices.ContainsFunc(fed.Leaked(before, "bank", "hospital"), func(string) bool { return true })
	if may := f.member && w != byFloodsub; heard != may {
		t.Errorf("as a member: %v; it heard: %v", f.member, heard)
	}

	f.cut(t, fed, raw)
	after := []string{fed.Canary(), fed.Canary(), fed.Canary()}
	sing(t, fed, "bank", after[0]) // at once
	l.ask()
	raw.Connect("bank")
	sing(t, fed, "hospital", after[1]) // while it is perhaps a guest
	l.graft()
	l.ask()
	fed.Settle()
	raw.Connect("bank")
	sing(t, fed, "bank", after[2])
	l.ask()
	fed.Settle()
	for i, canary := range after {
		if seen := fed.Leaked(canary, "bank", "hospital"); len(seen) > 0 {
			t.Errorf("canary %d was seen: %v", i, seen)
		}
		if seen := fed.Leaked(canary); !slices.ContainsFunc(seen, func(s string) bool { return s == "hospital: store" }) {
			t.Errorf("canary %d is not where it should be: %v", i, seen)
		}
	}
}

// sing has an organisation say something with a canary in its description.
func sing(t *testing.T, fed *nodetest.Federation, org, canary string) {
	t.Helper()
	r := api.SubmitRequest{TLP: protocol.Green, Values: []string{fmt.Sprintf("%x.example", canary[:8])}, Description: canary}
	if _, err := fed.Client(org).Submit(t.Context(), r); err != nil {
		t.Fatal(err)
	}
}

// A listener is a hostile host at work.
type listener struct {
	fed  *nodetest.Federation
	raw  *nodetest.Raw
	ways way
}

func (l listener) start(t *testing.T) {
	var protocols []libp2p.ID
	if l.ways&byGossip != 0 {
		protocols = append(protocols, ours...)
	}
	if l.ways&byFloodsub != 0 {
		protocols = append(protocols, flood...)
	}
	if len(protocols) > 0 {
		l.raw.Listen(protocol.TopicOf(l.fed.Community()), protocols...)
	}
	if l.ways&byGossip == 0 {
		l.raw.Host.SetStreamHandler(protocol.GossipProtocol, swallow) // or nobody would gossip to it
	}
	l.raw.Host.SetStreamHandler(protocol.SyncProtocol, swallow)
	l.raw.Host.SetStreamHandler(protocol.DeliverProtocol, swallow)
	l.graft()
}

// swallow reads whatever comes.
func swallow(s network.Stream) {
	b := make([]byte, 4096)
	for {
		if _, err := s.Read(b); err != nil {
			s.Reset()
			return
		}
	}
}

// graft subscribes to the topic and grafts itself into its mesh, by hand.
func (l listener) graft() {
	if l.ways&byGraft == 0 {
		return
	}
	s, err := l.raw.Open("bank", protocol.GossipProtocol)
	if err != nil {
		return
	}
	topic := []byte(protocol.TopicOf(l.fed.Community()))
	for range 3 {
		writeRPC(s, field(1, []byte{1 << 3, 1}, field(2, topic)))
		writeRPC(s, field(3, field(3, field(1, topic))))
	}
}

// ask opens sync streams and asks for all there is, and a join stream.
func (l listener) ask() {
	if l.ways&byAsking == 0 {
		return
	}
	everything := protocol.Range{To: protocol.Position{Epoch: 1<<63 - 1, Seq: 1}}
	for _, org := range []string{"bank", "hospital"} {
		for _, s := range l.fed.Node(org).Store().Streams() {
			want := protocol.Want{Stream: s.ID, Ranges: []protocol.Range{everything}}
			for _, h := range s.Heads {
				want.Bodies = append(want.Bodies, h.ID)
			}
			l.raw.Sync("bank", protocol.SyncFrame{Want: &want}, protocol.SyncFrame{End: &protocol.End{}})
		}
	}
	l.raw.Sync("bank", protocol.SyncFrame{Digest: &protocol.ID{1}}, protocol.SyncFrame{End: &protocol.End{}}, protocol.SyncFrame{End: &protocol.End{}})
	l.raw.Join("bank", protocol.JoinRequest{Community: l.fed.Community(), Certificate: l.raw.Cert, Name: "raw"})
}

// TestTapsSeeLeaks: with all guards off every way works, and the taps say so;
// else the matrix above would prove nothing.
func TestTapsSeeLeaks(t *testing.T) {
	for _, w := range []way{byGossip, byGraft, byAsking} {
		t.Run(w.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				fed := nodetest.New(t, pair, only(0))
				raw := fed.Raw("bank")
				l := listener{fed, raw, w}
				l.start(t)
				raw.Connect("bank")
				l.graft()
				fed.Settle()
				canary := fed.Canary()
				sing(t, fed, "bank", canary)
				l.ask()
				fed.Settle()
				if len(fed.Leaked(canary, "bank", "hospital")) == 0 {
					t.Error("the taps saw nothing")
				}
			})
		})
	}
}
