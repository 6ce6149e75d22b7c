package node

import (
	"net"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	ma "github.com/multiformats/go-multiaddr"

	"github.com/tocsin-exchange/tocsin/protocol"
)

// Work in vain is what a peer has us do that brings us nothing, or brings it
// nothing: checks of what is dropped, sessions without news, answers it had
// before. All of one peer's is charged to one allowance, so that doing a little
// of everything costs no more than doing much of one thing; beyond it the peer
// waits, on every stream, and nobody else does.

// What work costs that may be in vain, in seconds of a processor. It is counted
// and not measured: under load a clock would count the work of others as well.
const (
	costPeek    = 80e-6  // a message of gossip that is dropped before its signature is checked
	costCheck   = 200e-6 // one whose two signatures are checked
	costSession = 2e-3   // a session that brings nothing, and a byte of its summaries
	costByte    = 150e-9
	costServed  = 25e-9  // a byte asked for more often than need be
	costOffered = 100e-6 // a bulletin offered that does not come, or has been signed for
)

const (
	servedFree = 8 << 20          // bytes that anybody may ask for, however little there is
	packed     = 4                // times that the disk holds in a byte, about
	wantBytes  = 4 << 10          // counted for each want
	turnedAway = time.Millisecond // until the next connection is looked at
)

// vain charges a peer for work that brought us nothing, and returns how long it
// has to wait for what it wants next.
func (g *Gate) vain(p peer.ID, seconds float64) time.Duration {
	node, _ := NodeID(p)
	return g.wasted.owe(node, seconds, vainWork, time.Now())
}

// A pacedNetwork is the resource manager of a host that bounds how often
// streams and connections come, not only how many there are.
type pacedNetwork struct {
	network.ResourceManager
	gate *Gate
}

// OpenStream refuses a peer that opens streams without end, whatever their
// protocol, and has it cut off: refusing costs something, too.
func (r pacedNetwork) OpenStream(p peer.ID, d network.Direction) (network.StreamManagementScope, error) {
	node, _ := NodeID(p)
	if d == network.DirInbound && !r.gate.opened.take(node, openRate, time.Now()) {
		r.gate.overrun(p)
		return nil, network.ErrResourceLimitExceeded
	}
	return r.ResourceManager.OpenStream(p, d)
}

// overrun tells the node of a peer that is to be cut off.
func (g *Gate) overrun(p peer.ID) {
	g.mu.Lock()
	expel := g.expel
	g.mu.Unlock()
	if expel != nil {
		expel(p)
	}
}

// OpenConnection takes a moment longer when it refuses: whoever comes too often
// leaves us time for what connections already stand.
func (r pacedNetwork) OpenConnection(d network.Direction, usefd bool, from ma.Multiaddr) (network.ConnManagementScope, error) {
	scope, err := r.ResourceManager.OpenConnection(d, usefd, from)
	if err != nil && d == network.DirInbound {
		time.Sleep(turnedAway)
	}
	return scope, err
}

// A pacedMuxer reads each peer's connections no faster than its frames may come,
// whatever they are: one of a byte is as dear as one of a thousand.
type pacedMuxer struct {
	network.Multiplexer
	gate *Gate
}

// NewConn makes streams out of a connection.
func (m pacedMuxer) NewConn(c net.Conn, server bool, scope network.PeerScope) (network.MuxedConn, error) {
	node, _ := NodeID(scope.Peer())
	return m.Multiplexer.NewConn(pacedConn{c, node, m.gate}, server, scope)
}

type pacedConn struct {
	net.Conn
	node protocol.Node
	gate *Gate
}

// Read reads, then waits where the peer sends too many frames.
func (c pacedConn) Read(b []byte) (int, error) {
	count, err := c.Conn.Read(b)
	if wait := c.gate.frames.owe(c.node, 1, frameRate, time.Now()); wait >= time.Millisecond {
		time.Sleep(wait)
	}
	return count, err
}

// served is what each peer was sent on request, against all that there is to send.
type served struct {
	mu   sync.Mutex
	kept float64 // bytes there are
	to   map[protocol.Node]*sent
}

type sent struct {
	from float64 // what was kept when the peer first asked
	all  float64
}

// keep adds to what there is to send.
func (s *served) keep(bytes int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.kept += float64(bytes)
}

// count adds to what a node was sent, and returns how much of it is of the past:
// more than what came since the node first asked; and how much is more than all
// there is, twice: it has had that before.
func (s *served) count(node protocol.Node, bytes int) (old, again float64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.to == nil || len(s.to) > budgetKeys {
		s.to = map[protocol.Node]*sent{}
	}
	to := s.to[node]
	if to == nil {
		to = &sent{from: s.kept}
		s.to[node] = to
	}
	to.all += float64(bytes)
	part := func(free float64) float64 { return min(float64(bytes), max(0, to.all-free)) }
	return part(s.kept - to.from), part(2*s.kept + servedFree)
}
