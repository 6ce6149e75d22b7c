package node

import (
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/libp2p/go-libp2p/core/control"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	ma "github.com/multiformats/go-multiaddr"

	"github.com/tocsin-exchange/tocsin/protocol"
)

const (
	guestSlots     = 2                // unknown peers at a time, to show a certificate
	guestSlotsOpen = 8                // while an invite is open
	guestStay      = 10 * time.Second // how long a guest may stay
)

// A Gate is a host's connection gater: members come in, a few guests for the
// join protocol, nobody else. It is made before the host and given to both the
// host and the node; until the node starts it lets nobody in.
type Gate struct {
	outlook  atomic.Pointer[outlook]
	mu       sync.Mutex
	expected map[peer.ID]int      // inviters we are dialling
	guests   map[peer.ID]struct{} // unknown peers that are in
	invites  bool                 // an invite is open
	slots    int                  // for guests, while none is
	wasted   budget               // work in vain, by peer
	opened   budget               // streams of any protocol, by peer
	frames   budget               // reads from its connections, by peer
	expel    func(peer.ID)        // cuts a peer off for a while; nil until the node starts

	kept atomic.Pointer[map[peer.ID]time.Time] // suspended, and until when; mu guards changes
}

// NewGate returns a gate that lets nobody in yet.
func NewGate() *Gate {
	return &Gate{expected: map[peer.ID]int{}, guests: map[peer.ID]struct{}{}, slots: guestSlots}
}

// member reports whether p may be connected as what it is.
func (g *Gate) member(p peer.ID) bool {
	o := g.outlook.Load()
	return o != nil && o.connect(p).Allowed && !g.suspended(p, time.Now())
}

// blocked reports whether p is known and was turned away: it is no guest either.
func (g *Gate) blocked(p peer.ID) bool {
	o := g.outlook.Load()
	return o == nil || o.connect(p).Rule == "peer-blocked" || o.connect(p).Rule == "node-revoked" || g.suspended(p, time.Now())
}

// dialling lets p be dialled although nobody introduced it; the caller ends it.
func (g *Gate) dialling(p peer.ID) (end func()) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.expected[p]++
	return func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		if g.expected[p]--; g.expected[p] <= 0 {
			delete(g.expected, p)
		}
	}
}

func (g *Gate) isExpected(p peer.ID) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.expected[p] > 0
}

// admitGuest takes one of the guest slots for p.
func (g *Gate) admitGuest(p peer.ID) bool {
	if g.blocked(p) {
		return false
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if _, in := g.guests[p]; in {
		return true
	}
	slots := g.slots
	if g.invites {
		slots = guestSlotsOpen
	}
	if len(g.guests) >= slots {
		return false
	}
	g.guests[p] = struct{}{}
	return true
}

func (g *Gate) guestLeft(p peer.ID) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.guests, p)
}

func (g *Gate) setInvites(open bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.invites = open
}

// InterceptPeerDial lets members be dialled, and whoever invited us.
func (g *Gate) InterceptPeerDial(p peer.ID) bool { return g.member(p) || g.isExpected(p) }

// InterceptAddrDial has no opinion on addresses.
func (g *Gate) InterceptAddrDial(peer.ID, ma.Multiaddr) bool { return true }

// InterceptAccept cannot know yet who comes.
func (g *Gate) InterceptAccept(network.ConnMultiaddrs) bool { return true }

// InterceptSecured is asked once the remote has proven its key.
func (g *Gate) InterceptSecured(_ network.Direction, p peer.ID, _ network.ConnMultiaddrs) bool {
	return g.member(p) || g.isExpected(p) || g.admitGuest(p)
}

// InterceptUpgraded has nothing to add.
func (g *Gate) InterceptUpgraded(network.Conn) (bool, control.DisconnectReason) { return true, 0 }

// ed25519Prefix begins every libp2p identity of an Ed25519 key: an identity
// multihash of the key in protobuf. It is written out because identities are
// looked at for every message.
const ed25519Prefix = "\x00\x24\x08\x01\x12\x20"

// PeerID returns the libp2p identity of a node.
func PeerID(n protocol.Node) peer.ID { return peer.ID(ed25519Prefix + string(n[:])) }

// NodeID returns the node a libp2p identity is, if it is one: an Ed25519 key
// that proves something.
func NodeID(p peer.ID) (protocol.Node, bool) {
	key, ok := strings.CutPrefix(string(p), ed25519Prefix)
	if !ok || len(key) != len(protocol.Node{}) {
		return protocol.Node{}, false
	}
	n := protocol.Node([]byte(key))
	return n, protocol.CheckKey(n) == nil
}
