package node

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"time"

	pubsub "github.com/libp2p/go-libp2p-pubsub"
	pb "github.com/libp2p/go-libp2p-pubsub/pb"
	"github.com/libp2p/go-libp2p-pubsub/timecache"
	"github.com/libp2p/go-libp2p/core/peer"
	libp2p "github.com/libp2p/go-libp2p/core/protocol"

	"github.com/tocsin-exchange/tocsin/protocol"
	"github.com/tocsin-exchange/tocsin/storage"
	"github.com/tocsin-exchange/tocsin/trust"
)

const (
	seenTTL     = 10 * time.Minute // of gossipsub's memory of message ids
	replayAfter = 10 * time.Minute // a bulletin we hold is passed on no longer than this
)

// A subscription is a joined topic and its reader.
type subscription struct {
	topic *pubsub.Topic
	sub   *pubsub.Subscription
}

// startGossip makes the gossipsub router with every guard that keeps content
// from those who may not have it: no protocol but our own (floodsub would send
// to anybody), a filter on the subscriptions of every peer, a filter on its
// place in the mesh, an inspector that drops what outsiders publish before it
// can enter the cache of seen ids, and a blacklist for those turned away.
func (n *Node) startGossip() error {
	params := pubsub.DefaultGossipSubParams()
	params.HistoryLength, params.HistoryGossip, params.MaxIHaveLength = 10, 5, 2000
	n.blacklist = &blacklist{barred: map[peer.ID]struct{}{}}
	ps, err := pubsub.NewGossipSub(n.ctx, pacedHost{n.host, n},
		pubsub.WithMessageSignaturePolicy(pubsub.StrictNoSign), pubsub.WithNoAuthor(),
		pubsub.WithMessageIdFn(messageID),
		pubsub.WithGossipSubProtocols([]libp2p.ID{protocol.GossipProtocol}, gossipFeature),
		pubsub.WithSubscriptionFilter(filter{n}),
		pubsub.WithPeerFilter(func(p peer.ID, topic string) bool { return n.off&guardMesh != 0 || n.look().inTopic(p, topic) }),
		pubsub.WithAppSpecificRpcInspector(n.inspect),
		pubsub.WithBlacklist(n.blacklist),
		pubsub.WithGossipSubParams(params),
		pubsub.WithFloodPublish(true),
		pubsub.WithPeerExchange(false),
		pubsub.WithMaxMessageSize(64<<10),
		pubsub.WithMaxControlMessageSize(64<<10),
		pubsub.WithPeerOutboundQueueSize(256),
		pubsub.WithValidateQueueSize(512),
		pubsub.WithValidateThrottle(512),
		pubsub.WithSeenMessagesTTL(seenTTL),
		pubsub.WithSeenMessagesStrategy(timecache.Strategy_LastSeen),
		pubsub.WithPeerScore(scoreParams(), scoreThresholds()),
		pubsub.WithRawTracer(&tracer{n: n}),
		pubsub.WithLogger(slog.New(slog.NewTextHandler(io.Discard, nil))),
		pubsub.WithRPCLogger(slog.New(slog.NewTextHandler(io.Discard, nil))),
	)
	if err != nil {
		return fmt.Errorf("gossipsub: %w", err)
	}
	n.pubsub = ps
	n.gate.mu.Lock()
	defer n.gate.mu.Unlock()
	n.gate.expel = func(p peer.ID) {
		if n.ctx.Err() == nil {
			n.expel(p, "it opens streams without end")
		}
	}
	return nil
}

// messageID binds the topic and every byte, so that no variant of a message
// counts as another, and none on another topic as this one.
func messageID(m *pb.Message) string {
	h := sha256.New()
	h.Write([]byte(m.GetTopic()))
	h.Write([]byte{0})
	h.Write(m.GetData())
	return string(h.Sum(nil)[:20])
}

// gossipFeature: our protocol id behaves like meshsub 1.2.
func gossipFeature(f pubsub.GossipSubFeature, _ libp2p.ID) bool {
	return f == pubsub.GossipSubFeatureMesh || f == pubsub.GossipSubFeaturePX || f == pubsub.GossipSubFeatureIdontwant
}

// join follows a community's topic.
func (n *Node) join(community protocol.ID) error {
	name := protocol.TopicOf(community)
	validate := func(ctx context.Context, from peer.ID, m *pubsub.Message) pubsub.ValidationResult {
		return n.validate(community, from, m)
	}
	if err := n.pubsub.RegisterTopicValidator(name, validate, pubsub.WithValidatorConcurrency(256), pubsub.WithValidatorTimeout(2*time.Second)); err != nil {
		return fmt.Errorf("topic validator: %w", err)
	}
	topic, err := n.pubsub.Join(name)
	if err != nil {
		return fmt.Errorf("join topic: %w", err)
	}
	if err := topic.SetScoreParams(topicScore()); err != nil {
		return fmt.Errorf("topic score: %w", err)
	}
	sub, err := topic.Subscribe(pubsub.WithBufferSize(1024))
	if err != nil {
		return fmt.Errorf("subscribe: %w", err)
	}
	n.mu.Lock()
	n.topics[community] = &subscription{topic, sub}
	n.mu.Unlock()
	n.wg.Go(func() { n.read(sub) })
	return nil
}

// read hands messages on and does nothing else, so that it is never behind.
func (n *Node) read(sub *pubsub.Subscription) {
	for {
		m, err := sub.Next(n.ctx)
		if err != nil {
			return
		}
		b, ok := m.ValidatorData.(*protocol.Bulletin)
		if !ok || m.ReceivedFrom == n.host.ID() || n.lose != nil && n.lose() {
			continue
		}
		if !n.waiting.add(m.ReceivedFrom, sizeOf(b), waitingBytes) {
			n.counters.gossipOverflow.Add(1)
			n.repair(m.ReceivedFrom)
			continue
		}
		select {
		case n.arrived <- arrival{bulletin: b, from: m.ReceivedFrom}:
		default:
			n.waiting.drop(m.ReceivedFrom, sizeOf(b))
			n.counters.gossipOverflow.Add(1)
			n.syncAllSoon()
		}
	}
}

// validate decides whether a message is passed on. It depends on topic, bytes,
// clock and statements only, never on who forwarded it, so that all honest
// nodes decide alike: they reject what is broken for everyone, and ignore what
// they merely cannot judge. Our own taste comes after delivery, in receive.
func (n *Node) validate(community protocol.ID, from peer.ID, m *pubsub.Message) pubsub.ValidationResult {
	if from != n.host.ID() && n.spent(m.GetData(), from) {
		return pubsub.ValidationIgnore
	}
	b, err := protocol.Open(m.GetData())
	switch {
	case errors.Is(err, protocol.ErrUnsupported):
		return pubsub.ValidationIgnore
	case err != nil || b.Header.Community != community:
		n.log.Debug("rejected", "peer", from, "err", err)
		return pubsub.ValidationReject
	}
	m.ValidatorData = b
	if from == n.host.ID() {
		return pubsub.ValidationAccept
	}
	return n.worthPassing(b, from)
}

// spent drops what claims an author whose budget is used up, before a signature
// is checked: no answer to that could bring it further. Sync repairs.
func (n *Node) spent(wire []byte, from peer.ID) bool {
	author, err := protocol.PeekAuthor(wire)
	if now := time.Now(); err != nil || n.counters.budget.has(author, 1, authorBudget, now) {
		return false
	}
	n.counters.overBudget.Add(1)
	n.gate.vain(from, costPeek)
	n.repair(from)
	return true
}

func (n *Node) worthPassing(b *protocol.Bulletin, from peer.ID) pubsub.ValidationResult {
	now := time.Now()
	if held, body := n.store.Has(b.ID()); held && body != storage.Absent {
		n.gate.vain(from, costCheck)
		if now.Sub(protocol.Time(b.Header.Issued)) > replayAfter {
			return pubsub.ValidationIgnore
		}
		return pubsub.ValidationAccept
	}
	switch n.unlessDisowned(n.look().MayAdmit(&b.Header, now), b).Outcome {
	case trust.Unknown:
		n.gate.vain(from, costCheck)
		n.remember(b.Header.Org(), from)
		return pubsub.ValidationIgnore
	case trust.Later, trust.Refuse:
		n.gate.vain(from, costCheck)
		return pubsub.ValidationIgnore
	}
	if !n.counters.budget.take(b.Header.Org(), authorBudget, now) {
		n.counters.overBudget.Add(1)
		n.repair(from)
		return pubsub.ValidationIgnore
	}
	return pubsub.ValidationAccept
}

// inspect sees every RPC before anything else does. It drops messages on topics
// their sender is not in, and what one neighbour hands over beyond its meter:
// before the router has seen their ids, so that others, or sync, can bring them.
func (n *Node) inspect(from peer.ID, rpc *pubsub.RPC) error {
	o, keep, now := n.look(), rpc.Publish[:0], time.Now()
	neighbour, _ := NodeID(from)
	for _, m := range rpc.Publish {
		switch {
		case n.off&guardInspector != 0:
			keep = append(keep, m)
		case !o.inTopic(from, m.GetTopic()):
			n.counters.outsiders.Add(1)
		case !n.counters.meter.take(neighbour, neighbourMeter, now):
			n.counters.gossipMetered.Add(1)
			n.repair(from)
		default:
			keep = append(keep, m)
		}
	}
	rpc.Publish = keep
	return nil
}

// repair asks a neighbour for what was dropped of its gossip: not for every
// message, or a flood would fill the queue that others' syncs wait in.
func (n *Node) repair(p peer.ID) {
	if neighbour, _ := NodeID(p); n.counters.repairs.take(neighbour, repairRate, time.Now()) {
		n.syncSoon(p, time.Second)
	}
}

// A filter lets a peer subscribe to the topics it is in, and to no other.
type filter struct{ n *Node }

// CanSubscribe is asked of our own subscriptions.
func (f filter) CanSubscribe(topic string) bool {
	_, ours := f.n.look().topics[topic]
	return ours
}

// FilterIncomingSubscriptions is asked of each peer's, at most 64 at a time.
func (f filter) FilterIncomingSubscriptions(from peer.ID, subs []*pb.RPC_SubOpts) ([]*pb.RPC_SubOpts, error) {
	if len(subs) > 64 {
		return nil, pubsub.ErrTooManySubscriptions
	}
	o := f.n.look()
	return pubsub.FilterSubscriptions(subs, func(topic string) bool { return f.n.off&guardSubscription != 0 || o.inTopic(from, topic) }), nil
}

// A blacklist can be undone, unlike the library's.
type blacklist struct {
	mu     sync.RWMutex
	barred map[peer.ID]struct{}
}

// Add does nothing: the router calls it for every peer it is told to forget,
// and it is for us to say which of them stay out (see bar).
func (b *blacklist) Add(peer.ID) bool { return true }

func (b *blacklist) bar(p peer.ID) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.barred[p] = struct{}{}
}

func (b *blacklist) unbar(p peer.ID) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.barred, p)
}

// Contains is asked from the router's event loop.
func (b *blacklist) Contains(p peer.ID) bool {
	b.mu.RLock()
	defer b.mu.RUnlock()
	_, is := b.barred[p]
	return is
}

// topicScore punishes invalid messages hard and rewards first deliveries a
// little. Mesh delivery is not scored: traffic is too low and the network too
// small for it to mean anything.
func topicScore() *pubsub.TopicScoreParams {
	return &pubsub.TopicScoreParams{
		TopicWeight:                    0.1,
		TimeInMeshWeight:               0.00027,
		TimeInMeshQuantum:              time.Second,
		TimeInMeshCap:                  3600,
		FirstMessageDeliveriesWeight:   0.5,
		FirstMessageDeliveriesDecay:    pubsub.ScoreParameterDecay(time.Hour),
		FirstMessageDeliveriesCap:      100,
		InvalidMessageDeliveriesWeight: -1000,
		InvalidMessageDeliveriesDecay:  pubsub.ScoreParameterDecay(time.Hour),
	}
}

func scoreParams() *pubsub.PeerScoreParams {
	return &pubsub.PeerScoreParams{
		Topics: map[string]*pubsub.TopicScoreParams{}, TopicScoreCap: 50,
		AppSpecificScore: func(peer.ID) float64 { return 0 }, AppSpecificWeight: 1,
		IPColocationFactorWeight: 0, // organisations share addresses behind NAT and VPN
		BehaviourPenaltyWeight:   -10, BehaviourPenaltyThreshold: 6, BehaviourPenaltyDecay: pubsub.ScoreParameterDecay(time.Hour),
		DecayInterval: pubsub.DefaultDecayInterval, DecayToZero: pubsub.DefaultDecayToZero,
		RetainScore: 6 * time.Hour, SeenMsgTTL: seenTTL,
	}
}

func scoreThresholds() *pubsub.PeerScoreThresholds {
	return &pubsub.PeerScoreThresholds{
		GossipThreshold: -500, PublishThreshold: -1000, GraylistThreshold: -2500,
		AcceptPXThreshold: 1000, OpportunisticGraftThreshold: 3.5,
	}
}
