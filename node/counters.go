package node

import (
	"sync/atomic"

	pubsub "github.com/libp2p/go-libp2p-pubsub"
	"github.com/libp2p/go-libp2p/core/peer"
	libp2p "github.com/libp2p/go-libp2p/core/protocol"

	"github.com/tocsin-exchange/tocsin/protocol"
	"github.com/tocsin-exchange/tocsin/trust"
)

// Counters count what happened since the start. Nothing is dropped uncounted.
type Counters struct {
	admitted, refused, withheld, equivocations                  atomic.Uint64
	gossipOverflow, overBudget, outsiders                       atomic.Uint64
	unannounced, fetchOverflow, syncOverflow                    atomic.Uint64
	gossipDelivered, gossipDuplicate, gossipBad                 atomic.Uint64
	gossipSendDrop, gossipReadDrop, gossipQueue                 atomic.Uint64
	syncSessions, syncFailures, syncEqual, joined               atomic.Uint64
	unstored                                                    atomic.Uint64
	syncSent, syncReceived, gaps                                atomic.Uint64
	gossipMetered, mended, dials                                atomic.Uint64
	datedAhead, laterOverflow, regained                         atomic.Uint64
	delivered, unopened, erased                                 atomic.Uint64
	broken, suspended, streamsRefused, streamPaced, gossipPaced atomic.Uint64
	strangersShare, overQuota, overHeaders                      atomic.Uint64
	budget                                                      budget // bulletins of others, by author
	meter, gossiped, repairs                                    budget // messages, their bytes, and syncs for lost ones, by the neighbour that hands them over
	opened, streamed, brokenBy                                  budget // streams, bytes on them, and what was broken, by peer
	pace                                                        budget // our own announcements
	served                                                      served // answers to wants, by peer
	history                                                     budget // those of the past
	load                                                        load   // useful work of late, by organisation
}

// count counts something about a bulletin. What is under RED moves no figure.
func (c *Counters) count(what *atomic.Uint64, h *protocol.Header) {
	if trust.Counted(h.TLP) {
		what.Add(1)
	}
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
		"delivered": &c.delivered, "sealed_unopened": &c.unopened, "objects_erased": &c.erased,
		"peer_broken_messages": &c.broken, "peers_suspended": &c.suspended, "streams_refused": &c.streamsRefused, "stream_waits": &c.streamPaced, "gossip_waits": &c.gossipPaced,
		"strangers_over_share": &c.strangersShare, "bodies_over_quota": &c.overQuota, "headers_over_quota": &c.overHeaders,
		"held_for_review": &n.desk.held, "review_turned_away": &n.desk.turnedAway, "bodies_declined_by_rule": &n.desk.declined,
	} {
		counts[name] = v.Load()
	}
	counts["outcomes_drawn"], counts["outcomes_dropped"], counts["outcomes_unread"] = n.reckon.drawn.Load(), n.reckon.dropped.Load(), n.reckon.unread.Load()
	return counts
}

// Queues returns how full the node's queues are.
func (n *Node) Queues() map[string]int {
	return map[string]int{"admit": len(n.arrived), "fetch": len(n.fetches), "sync": len(n.syncs), "author": len(n.author.jobs), "dated_ahead": n.later.count(), "outcomes": int(n.reckon.behind.Load())}
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
func (t *tracer) RejectMessage(m *pubsub.Message, reason string) {
	switch reason {
	case pubsub.RejectValidationQueueFull, pubsub.RejectValidationThrottled:
		t.n.counters.gossipQueue.Add(1)
		t.n.syncAllSoon()
	case pubsub.RejectValidationIgnored:
	default:
		t.n.counters.gossipBad.Add(1)
		t.n.broke(m.ReceivedFrom)
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
