package node

import (
	"maps"
	"slices"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/tocsin-exchange/tocsin/protocol"
)

const (
	maxStrangers = 1024 // unknown authors remembered
	mendEvery    = 15 * time.Second
)

// notifiee watches connections come and go. The gate has judged them before,
// where the network has gates; here is the second look, for all networks.
func (n *Node) notifiee() network.Notifiee {
	return &network.NotifyBundle{
		ConnectedF: func(_ network.Network, c network.Conn) {
			p := c.RemotePeer()
			n.came(p)
			switch {
			case n.gate.member(p):
				signal(n.outbox.news)
				if c.Stat().Direction == network.DirOutbound {
					n.syncSoon(p, 100*time.Millisecond)
				}
			case n.gate.isExpected(p), n.off&guardDoor != 0:
			case n.gate.admitGuest(p):
				select {
				case n.guests <- p:
				default: // the door is busy: the guest goes at once
					n.wg.Go(func() { c.Close() })
				}
			default:
				n.wg.Go(func() { c.Close() })
			}
			signal(n.enforce)
		},
		DisconnectedF: func(net network.Network, c network.Conn) {
			if net.Connectedness(c.RemotePeer()) != network.Connected {
				n.gate.guestLeft(c.RemotePeer())
				n.left(c.RemotePeer())
			}
			signal(n.enforce)
		},
	}
}

// runDoor puts every new outlook in force on topics and connections, and shows
// guests out when their time is over.
func (n *Node) runDoor() {
	leave := map[peer.ID]time.Time{}
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	mend := time.NewTicker(mendEvery)
	defer mend.Stop()
	var silent map[peer.ID]bool
	for {
		select {
		case <-n.ctx.Done():
			return
		case p := <-n.guests:
			leave[p] = time.Now().Add(guestStay)
		case <-n.enforce:
			n.followTopics()
			n.judgePeers()
			signal(n.redial)
		case <-mend.C:
			silent = n.mendTopics(silent)
		case <-timer.C:
		}
		next := time.Hour
		for p, at := range leave {
			if n.gate.member(p) || n.host.Network().Connectedness(p) != network.Connected {
				delete(leave, p)
			} else if wait := time.Until(at); wait <= 0 {
				n.host.Network().ClosePeer(p)
				delete(leave, p)
			} else {
				next = min(next, wait)
			}
		}
		timer.Reset(next)
	}
}

// followTopics joins the topics of communities we have come into.
func (n *Node) followTopics() {
	for _, community := range n.look().topics {
		n.mu.Lock()
		joined := n.topics[community] != nil
		n.mu.Unlock()
		if joined {
			continue
		}
		if err := n.join(community); err != nil && n.ctx.Err() == nil {
			n.log.Error("topic", "err", err)
		}
	}
}

// judgePeers closes what may no longer be connected: policy first (the outlook
// is in force already), then the router's blacklist, then the connection. A
// peer that gained a community since it came is closed too: subscriptions are
// announced once a connection, so only a new one brings it into the topic.
func (n *Node) judgePeers() {
	o := n.look()
	for _, p := range n.host.Network().Peers() {
		now := communitiesOf(o, p)
		n.mu.Lock()
		was, seen := n.shared[p]
		busy := n.joining[p] > 0
		if !busy {
			n.shared[p] = now
		}
		n.mu.Unlock()
		if busy {
			continue
		}
		switch {
		case !n.gate.member(p):
			if (len(was) > 0 || n.gate.blocked(p)) && n.off&guardDoor == 0 {
				n.cut(p)
			}
		case seen && !slices.Equal(was, now):
			n.blacklist.unbar(p)
			n.host.Network().ClosePeer(p)
		default:
			n.blacklist.unbar(p)
		}
	}
}

// mendTopics closes members that are connected and yet, twice in a row, either
// missing from a topic we share or without a stream of ours to gossip on. The
// router loses sight of a peer whose streams die under a connection that stands,
// or that comes and goes quickly; it has to forget the peer and see it come
// again. It returns who is out of touch now.
func (n *Node) mendTopics(before map[peer.ID]bool) map[peer.ID]bool {
	n.mu.Lock()
	topics := maps.Clone(n.topics)
	n.mu.Unlock()
	o, missing := n.look(), map[peer.ID]bool{}
	for community := range topics {
		topic := protocol.TopicOf(community)
		heard := n.pubsub.ListPeers(topic)
		for _, p := range n.host.Network().Peers() {
			if o.inTopic(p, topic) && (!slices.Contains(heard, p) || !n.gossipsTo(p)) {
				missing[p] = true
			}
		}
	}
	for p := range missing {
		if before[p] {
			n.counters.mended.Add(1)
			n.pubsub.BlacklistPeer(p) // that is, forget it: our blacklist bars nobody by this
			n.host.Network().ClosePeer(p)
			delete(missing, p)
		}
	}
	return missing
}

// gossipsTo reports whether we have a gossip stream to p.
func (n *Node) gossipsTo(p peer.ID) bool {
	for _, c := range n.host.Network().ConnsToPeer(p) {
		for _, s := range c.GetStreams() {
			if s.Protocol() == protocol.GossipProtocol && s.Stat().Direction == network.DirOutbound {
				return true
			}
		}
	}
	return false
}

// came notes what a peer shares with us at the moment it connects. A member is
// let into the router before the router hears of it.
func (n *Node) came(p peer.ID) {
	shared := communitiesOf(n.look(), p)
	if n.gate.member(p) {
		n.blacklist.unbar(p)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.shared[p] = shared
}

func (n *Node) left(p peer.ID) {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.shared, p)
	node, ok := NodeID(p)
	if !ok {
		return
	}
	if n.gate.member(p) {
		n.contacts[node] = time.Now()
	}
	if d := n.dials[node]; d != nil {
		d.hungUp()
	}
}

// cutOutsiders cuts those off who were members when they came and are none now.
// The door does the same a moment later, for all other reasons.
func (n *Node) cutOutsiders() {
	for _, p := range n.host.Network().Peers() {
		n.mu.Lock()
		was := len(n.shared[p]) > 0 && n.joining[p] == 0
		n.mu.Unlock()
		if was && !n.gate.member(p) && n.off&guardDoor == 0 {
			n.cut(p)
		}
	}
}

// cut ends a peer's access at once.
func (n *Node) cut(p peer.ID) {
	n.blacklist.bar(p)
	n.pubsub.BlacklistPeer(p)
	n.host.Network().ClosePeer(p)
}

func communitiesOf(o *outlook, p peer.ID) []protocol.ID {
	var ids []protocol.ID
	for topic, id := range o.topics {
		if o.inTopic(p, topic) {
			ids = append(ids, id)
		}
	}
	slices.SortFunc(ids, protocol.ID.Compare)
	return ids
}

// remember keeps who brought something by an unknown author, to ask again when
// an introduction makes the author known.
func (n *Node) remember(author protocol.Org, from peer.ID) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.strangers[author] == nil {
		if len(n.strangers) >= maxStrangers || n.strangersBy(from) >= shareOfStrangers {
			n.counters.strangersShare.Add(1)
			return
		}
		n.strangers[author] = map[peer.ID]bool{}
	}
	if len(n.strangers[author]) < 8 {
		n.strangers[author][from] = true
	}
}

// recall syncs with those who brought what we can now judge.
func (n *Node) recall() {
	o := n.look()
	n.mu.Lock()
	var ask []peer.ID
	for author, from := range n.strangers {
		for _, c := range o.Communities {
			if c.Known[author] {
				for p := range from {
					ask = append(ask, p)
				}
				delete(n.strangers, author)
				break
			}
		}
	}
	n.mu.Unlock()
	for _, p := range ask {
		n.syncSoon(p, 100*time.Millisecond)
	}
}
