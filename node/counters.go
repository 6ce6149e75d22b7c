package node

import (
	"sync"
	"sync/atomic"
	"time"

	pubsub "github.com/libp2p/go-libp2p-pubsub"
	"github.com/libp2p/go-libp2p/core/peer"
	libp2p "github.com/libp2p/go-libp2p/core/protocol"
)

// Counters count what happened since the start. Nothing is dropped uncounted.
type Counters struct {
	admitted, refused, withheld, equivocations    atomic.Uint64
	gossipOverflow, overBudget, outsiders         atomic.Uint64
	unannounced, fetchOverflow, syncOverflow      atomic.Uint64
	gossipDelivered, gossipDuplicate, gossipBad   atomic.Uint64
	gossipSendDrop, gossipReadDrop, gossipQueue   atomic.Uint64
	syncSessions, syncFailures, syncEqual, joined atomic.Uint64
	unstored                                      atomic.Uint64
	syncSent, syncReceived, gaps                  atomic.Uint64
	gossipMetered, mended, dials                  atomic.Uint64
	datedAhead, laterOverflow, regained           atomic.Uint64
	budget                                        budget // bulletins of others, by author
	meter                                         budget // messages, by the neighbour that hands them over
	pace                                          budget // our own announcements
}

// Counts returns the counters under the names metrics carry.
func (n *Node) Counts() map[string]uint64 {
	c := &n.counters
	counts := map[string]uint64{}
	for name, v := range map[string]*atomic.Uint64{
		"bulletins_admitted": &c.admitted, "bulletins_refused": &c.refused, "bulletins_withheld": &c.withheld, "equivocations": &c.equivocations,
		"gossip_overflow": &c.gossipOverflow, "gossip_over_budget": &c.overBudget, "gossip_outsider_messages": &c.outsiders, "gossip_metered": &c.gossipMetered, "gossip_mended": &c.mended,
		"gossip_unannounced": &c.unannounced, "gossip_delivered": &c.gossipDelivered, "gossip_duplicates": &c.gossipDuplicate,
		"gossip_rejected": &c.gossipBad, "gossip_send_dropped": &c.gossipSendDrop, "gossip_read_dropped": &c.gossipReadDrop,
		"gossip_validation_dropped": &c.gossipQueue, "fetch_overflow": &c.fetchOverflow, "sync_overflow": &c.syncOverflow,
		"sync_sessions": &c.syncSessions, "sync_failures": &c.syncFailures, "sync_equal": &c.syncEqual, "joins": &c.joined, "sync_bytes_sent": &c.syncSent, "sync_bytes_received": &c.syncReceived, "gaps_seen": &c.gaps, "gossip_unstored_batches": &c.unstored, "dials": &c.dials,
		"dated_ahead": &c.datedAhead, "dated_ahead_overflow": &c.laterOverflow, "own_regained": &c.regained,
	} {
		counts[name] = v.Load()
	}
	return counts
}

// Queues returns how full the node's queues are.
func (n *Node) Queues() map[string]int {
	return map[string]int{"admit": len(n.arrived), "fetch": len(n.fetches), "sync": len(n.syncs), "author": len(n.author.jobs), "dated_ahead": n.later.count()}
}

// Budgets, in bulletins a second and at once: what one author may have passed
// on, what we announce ourselves, and what one neighbour may hand us.
var (
	authorBudget   = allowance{200, 2000}
	announceBudget = allowance{200, 2000}
	neighbourMeter = allowance{1000, 5000}
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

func (b *budget) take(key [32]byte, r allowance, now time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.buckets == nil || len(b.buckets) > budgetKeys {
		b.buckets = map[[32]byte]bucket{}
	}
	k, known := b.buckets[key]
	if !known {
		k = bucket{r.burst, now}
	}
	k.left = min(r.burst, k.left+r.perSecond*now.Sub(k.at).Seconds())
	k.at = now
	ok := k.left >= 1
	if ok {
		k.left--
	}
	b.buckets[key] = k
	return ok
}

// A tracer counts what the router does and asks for a sync wherever it lost
// something. It is called from the router's loop and must not wait.
type tracer struct{ n *Node }

// OnNewOutboundStream is of no interest.
func (t *tracer) OnNewOutboundStream(peer.ID, libp2p.ID) {}

// OnClosedOutboundStream is of no interest.
func (t *tracer) OnClosedOutboundStream(peer.ID) {}

// Join is of no interest.
func (t *tracer) Join(string) {}

// Leave is of no interest.
func (t *tracer) Leave(string) {}

// Graft is of no interest.
func (t *tracer) Graft(peer.ID, string) {}

// Prune is of no interest.
func (t *tracer) Prune(peer.ID, string) {}

// ValidateMessage is of no interest.
func (t *tracer) ValidateMessage(*pubsub.Message) {}

// DeliverMessage counts what arrived.
func (t *tracer) DeliverMessage(*pubsub.Message) { t.n.counters.gossipDelivered.Add(1) }

// RejectMessage tells messages that were wrong from messages we had no room for.
func (t *tracer) RejectMessage(_ *pubsub.Message, reason string) {
	switch reason {
	case pubsub.RejectValidationQueueFull, pubsub.RejectValidationThrottled:
		t.n.counters.gossipQueue.Add(1)
		t.n.syncAllSoon()
	case pubsub.RejectValidationIgnored:
	default:
		t.n.counters.gossipBad.Add(1)
	}
}

// DuplicateMessage counts what came twice.
func (t *tracer) DuplicateMessage(*pubsub.Message) { t.n.counters.gossipDuplicate.Add(1) }

// ThrottlePeer is of no interest.
func (t *tracer) ThrottlePeer(peer.ID) {}

// RecvRPC is of no interest.
func (t *tracer) RecvRPC(*pubsub.RPC) {}

// SendRPC is of no interest.
func (t *tracer) SendRPC(*pubsub.RPC, peer.ID) {}

// DropRPC: the peer's queue was full, so the peer lacks something.
func (t *tracer) DropRPC(_ *pubsub.RPC, p peer.ID) {
	t.n.counters.gossipSendDrop.Add(1)
	t.n.syncSoon(p, 0)
}

// UndeliverableMessage: our reader was too slow.
func (t *tracer) UndeliverableMessage(*pubsub.Message) {
	t.n.counters.gossipReadDrop.Add(1)
	t.n.syncAllSoon()
}
