package node

import (
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	libp2p "github.com/libp2p/go-libp2p/core/protocol"
)

// Limits of what one peer may have us do, together at most 16 MiB of our
// memory; connections, streams and transport buffers are bounded in host.go.
const (
	joinStreams      = 2               // answered at a time for one peer
	joinStreamsAll   = 16              // and for all
	waitingBytes     = 4 << 20         // of one neighbour's gossip, waiting to be admitted
	shareOfStrangers = 64              // unknown authors one peer may have us remember
	suspension       = 5 * time.Minute // of a peer that hands over broken things
	maxSuspended     = 1024            // remembered at a time
)

// Budgets: a second, and at once.
var (
	authorBudget   = allowance{50, 500}            // bulletins of one author passed on
	announceBudget = allowance{50, 500}            // bulletins of our own announced
	neighbourMeter = allowance{1000, 5000}         // messages one neighbour hands us, each a signature to check
	gossipBytes    = allowance{8 << 20, 2 << 20}   // bytes one neighbour sends us as gossip, reads included; beyond it has to wait
	repairRate     = allowance{1, 1}               // syncs with a neighbour of whose gossip something was dropped
	streamRate     = allowance{20, 400}            // streams one peer opens
	streamBytes    = allowance{32 << 20, 32 << 20} // bytes one peer sends or is sent on streams; beyond it has to wait
	brokenRate     = allowance{20.0 / 60, 20}      // broken messages and frames, before the peer is suspended
	pullRate       = allowance{2000, 100_000}      // bulletins of one author asked for in sessions
	busyPulls      = allowance{300, 1000}          // of these while others have work for us
	busyHistory    = allowance{3 << 20, 48 << 20}  // bytes of the past one peer is sent meanwhile; beyond it has to wait
	frameRate      = allowance{10_000, 100_000}    // reads from one peer's connections, two a frame; beyond it has to wait
	openRate       = allowance{50, 1000}           // streams of any protocol one peer opens, before it is suspended
	vainWork       = allowance{0.04, 0.4}          // seconds of a processor that one peer may have us work in vain; beyond it has to wait
)

type allowance struct{ perSecond, burst float64 }

const budgetKeys = 4096 // remembered at a time

// A budget is a token bucket a key. Its zero value is full.
type budget struct {
	mu      sync.Mutex
	buckets map[[32]byte]bucket
}

type bucket struct {
	left float64
	at   time.Time
}

func (b *budget) take(key [32]byte, r allowance, now time.Time) bool { return b.spend(key, 1, r, now) }

// spend takes cost from a key's bucket when there is as much in it.
func (b *budget) spend(key [32]byte, cost float64, r allowance, now time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	k := b.filled(key, r, now)
	ok := k.left >= cost
	if ok {
		k.left -= cost
	}
	b.buckets[key] = k
	return ok
}

// has reports whether there is as much as cost in a key's bucket.
func (b *budget) has(key [32]byte, cost float64, r allowance, now time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.filled(key, r, now).left >= cost
}

// owe takes cost whatever is in the bucket, and returns how long it takes until
// the debt is paid off.
func (b *budget) owe(key [32]byte, cost float64, r allowance, now time.Time) time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	k := b.filled(key, r, now)
	k.left -= cost
	b.buckets[key] = k
	return time.Duration(max(0, -k.left) / r.perSecond * float64(time.Second))
}

// filled returns a key's bucket as it is now; b.mu is held.
func (b *budget) filled(key [32]byte, r allowance, now time.Time) bucket {
	if b.buckets == nil || len(b.buckets) > budgetKeys {
		b.buckets = map[[32]byte]bucket{}
	}
	k, known := b.buckets[key]
	if !known {
		k = bucket{r.burst, now}
	}
	k.left = min(r.burst, k.left+r.perSecond*now.Sub(k.at).Seconds())
	k.at = now
	return k
}

// readCosts is charged for every read of gossip, in bytes, however little came.
// A small message is read in three: some 1,000 a second, and at once fewer than
// the router's queue of messages to be validated, which all neighbours share.
const readCosts = 2560

// A pacedHost is the host the router is given: it takes gossip from each
// neighbour no faster than it may come. Whoever sends more finds its own queue
// full, and nobody else's; what it drops there sync brings.
type pacedHost struct {
	host.Host
	n *Node
}

// SetStreamHandler paces the streams that others open.
func (h pacedHost) SetStreamHandler(id libp2p.ID, serve network.StreamHandler) {
	h.Host.SetStreamHandler(id, func(s network.Stream) { serve(pacedStream{s, h.n}) })
}

type pacedStream struct {
	network.Stream
	n *Node
}

// Read waits after reading until the neighbour is within its allowances again.
func (s pacedStream) Read(b []byte) (int, error) {
	count, err := s.Stream.Read(b)
	p := s.Conn().RemotePeer()
	node, _ := NodeID(p)
	wait := s.n.counters.gossiped.owe(node, float64(max(count, readCosts)), gossipBytes, time.Now())
	if wait = max(wait, s.n.gate.vain(p, 0)); wait > 0 {
		s.n.counters.gossipPaced.Add(1)
		s.n.pause(wait)
	}
	return count, err
}

// pause waits, unless the node closes.
func (n *Node) pause(wait time.Duration) {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-n.ctx.Done():
	}
}

// A ledger counts what each peer has us hold at the moment. Its zero value is
// empty.
type ledger struct {
	mu   sync.Mutex
	held map[peer.ID]int
}

// add counts n more for p unless that is more than limit.
func (l *ledger) add(p peer.ID, n, limit int) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.held == nil {
		l.held = map[peer.ID]int{}
	}
	if l.held[p] > 0 && l.held[p]+n > limit {
		return false
	}
	l.held[p] += n
	return true
}

func (l *ledger) drop(p peer.ID, n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.held[p] -= n; l.held[p] <= 0 {
		delete(l.held, p)
	}
}

// A lane is where the streams of one protocol are counted for one peer.
type lane struct {
	peer     peer.ID
	protocol libp2p.ID
}

// broke counts something that no honest node hands over. A peer with too much
// of it is closed and kept out for a while: each cost us a signature to check.
// It is called from the router's loop and must not wait.
func (n *Node) broke(p peer.ID) {
	node, _ := NodeID(p)
	n.counters.broken.Add(1)
	if p == n.host.ID() || n.counters.brokenBy.take(node, brokenRate, time.Now()) || n.ctx.Err() != nil {
		return
	}
	n.expel(p, "it hands over broken things")
}

// expel closes a peer and keeps it out for a while. It must not wait.
func (n *Node) expel(p peer.ID, why string) {
	if n.gate.suspend(p, time.Now()) {
		n.counters.suspended.Add(1)
		n.log.Warn("suspended: "+why, "peer", p, "for", suspension)
		n.wg.Go(func() { n.cut(p) })
	}
}

// suspend keeps a peer out for a while, and reports whether it was not already.
func (g *Gate) suspend(p peer.ID, now time.Time) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.suspended(p, now) {
		return false
	}
	next := map[peer.ID]time.Time{p: now.Add(suspension)}
	for q, until := range g.suspensions() {
		if now.Before(until) && len(next) < maxSuspended {
			next[q] = until
		}
	}
	g.kept.Store(&next)
	return true
}

// suspended is asked for every message and takes no lock.
func (g *Gate) suspended(p peer.ID, now time.Time) bool {
	until, is := g.suspensions()[p]
	return is && now.Before(until)
}

func (g *Gate) suspensions() map[peer.ID]time.Time {
	if kept := g.kept.Load(); kept != nil {
		return *kept // never changed
	}
	return nil
}

// strangersBy counts the unknown authors that p had us remember; n.mu is held.
func (n *Node) strangersBy(p peer.ID) (count int) {
	for _, from := range n.strangers {
		if from[p] {
			count++
		}
	}
	return count
}
