package node

import (
	"math"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/tocsin-exchange/tocsin/protocol"
)

// What is useful to one may still be in the way of others: all there is, for
// somebody new, or a log without end of somebody who has much to say. As long
// as nobody else has work for us, either gets all we have; else it gets a share,
// see busyPulls and busyHistory.

// What useful work costs, in seconds of a processor. Like work in vain it is
// counted and not measured.
const (
	costAdmitted = 250e-6 // a bulletin that is new here
	costObject   = 10e-6  // and each of its objects
	costSent     = 50e-9  // a byte sent on request
)

const (
	loadPast  = time.Second // back from now that counts
	loadGrain = 10 * time.Millisecond
	busyFrom  = 0.1 // of a processor: from here on others have work for us
)

// A load is the work of late, by the organisation it was done for or caused by.
// Its zero value is none.
type load struct {
	mu  sync.Mutex
	at  time.Time
	all float64 // seconds, fading
	of  map[protocol.Org]float64
}

func (l *load) add(org protocol.Org, seconds float64, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.fade(now)
	if l.of == nil || len(l.of) > budgetKeys {
		l.of, l.all = map[protocol.Org]float64{}, 0
	}
	l.of[org] += seconds
	l.all += seconds
}

// others reports whether anybody but an organisation had work for us of late.
func (l *load) others(org protocol.Org, now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.fade(now)
	return (l.all-l.of[org])/loadPast.Seconds() >= busyFrom
}

// fade lets what was done be forgotten; l.mu is held.
func (l *load) fade(now time.Time) {
	past := now.Sub(l.at)
	if past < loadGrain {
		return
	}
	l.at = now
	left := math.Exp(-past.Seconds() / loadPast.Seconds())
	if left < 1e-6 {
		l.all = 0
		clear(l.of)
		return
	}
	l.all *= left
	for org := range l.of {
		l.of[org] *= left
	}
}

// worked counts a bulletin that was taken in.
func (n *Node) worked(b *protocol.Bulletin) {
	n.counters.load.add(b.Header.Org(), costAdmitted+costObject*float64(b.Header.Count), time.Now())
}

// serves counts an answer to a want: as work for the peer, against its share of
// what others wait for where it is of the past, and as in vain where the peer had
// as much before.
func (n *Node) serves(p peer.ID, bytes int) {
	node, _ := NodeID(p)
	now := time.Now()
	bytes += wantBytes
	n.counters.load.add(n.orgOfNode(node, now), costSent*float64(bytes), now)
	old, again := n.counters.served.count(node, bytes)
	n.counters.history.owe(node, old, busyHistory, now)
	if again > 0 {
		n.gate.vain(p, costServed*again)
	}
}

// standBack waits while a peer has had more than its share of the past and others
// have work for us.
func (n *Node) standBack(p peer.ID) {
	node, _ := NodeID(p)
	for n.ctx.Err() == nil {
		now := time.Now()
		wait := n.counters.history.owe(node, 0, busyHistory, now)
		if wait <= 0 || !n.counters.load.others(n.orgOfNode(node, now), now) {
			return
		}
		n.counters.streamPaced.Add(1)
		n.pause(min(wait, loadPast/4))
	}
}

// orgOfNode is zero for a node of which nobody is known to be.
func (n *Node) orgOfNode(node protocol.Node, now time.Time) protocol.Org {
	org, _ := n.look().OrgOf(node, now)
	return org
}
