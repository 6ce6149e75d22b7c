package node

import (
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/tocsin-exchange/tocsin/protocol"
	"github.com/tocsin-exchange/tocsin/storage"
	"github.com/tocsin-exchange/tocsin/trust"
)

// This file, the router's guards in gossip.go and the archives of archive.go
// are the only ways out. Gossip carries CLEAR and GREEN to the members of one
// community, a medium goes to the organisations it names; everything else is
// sent to one peer at a time. Trust is asked of each bulletin at that moment.

// A guard is one of the things that keep content from those who may not have
// it. Each is tested with the others switched off, since any of them would hide
// that another is missing.
type guard uint8

const (
	guardDoor         guard = 1 << iota // who may stay connected
	guardSubscription                   // whose subscriptions the router takes
	guardMesh                           // whom it lets into the mesh, and answers
	guardInspector                      // whose messages it looks at
	guardStream                         // whose sync streams are answered
	guardRelease                        // trust, asked at the moment of sending
)

// announce gossips one of our own bulletins, whole when it is small, else its
// header: whoever wants the body asks us for it. It is a hint: what gossip
// loses, sync brings.
func (n *Node) announce(b *protocol.Bulletin) {
	if trust.Named(b.Header.TLP) || erases(b) {
		signal(n.outbox.news)
	}
	if trust.Named(b.Header.TLP) {
		return
	}
	n.mu.Lock()
	s := n.topics[b.Header.Community]
	n.mu.Unlock()
	if s == nil {
		return
	}
	if !n.counters.pace.take([32]byte{}, announceBudget, time.Now()) {
		n.counters.unannounced.Add(1)
		n.syncAllSoon()
		return
	}
	wire := b.Wire()
	if len(wire) > protocol.MaxWhole {
		wire = b.HeaderOnly().Wire()
	}
	n.noteAnnounced(b)
	if err := s.topic.Publish(n.ctx, wire); err != nil && n.ctx.Err() == nil {
		n.counters.unannounced.Add(1)
		n.log.Warn("gossip", "id", b.ID(), "err", err)
		n.syncAllSoon()
	}
}

// release returns a bulletin for one peer as a sync stream carries it, or
// nothing when the peer may not have it, or when a body is wanted that is not
// here. Above GREEN it is sealed on this road as well.
func (n *Node) release(id protocol.ID, to peer.ID, body bool) (f protocol.SyncFrame, size int) {
	b, state, err := n.held(id, body)
	if err != nil || body && state != storage.Held || !n.mayRelease(b, to) {
		return f, 0
	}
	if !trust.Named(b.Header.TLP) {
		f.Bulletin = b.Wire()
		return f, len(f.Bulletin)
	}
	node, _ := NodeID(to)
	key, known := n.look().sealing[node]
	if !known {
		return f, 0
	}
	if f.Sealed, err = protocol.Seal(key.key, b); err != nil {
		n.log.Warn("seal", "peer", to, "err", err)
		return f, 0
	}
	return f, len(f.Sealed.Text)
}

// mayRelease asks trust whether a peer may have a bulletin now.
func (n *Node) mayRelease(b *protocol.Bulletin, to peer.ID) bool {
	node, ok := NodeID(to)
	if !ok {
		return false
	}
	v := n.look().MayReceive(&b.Header, node, time.Now())
	if !v.Allowed && n.off&guardRelease == 0 {
		n.counters.count(&n.counters.withheld, &b.Header)
		n.log.Debug("withheld", "id", b.ID(), "peer", to, "rule", v.Rule)
		return false
	}
	return true
}

func (n *Node) held(id protocol.ID, body bool) (*protocol.Bulletin, storage.BodyState, error) {
	if body {
		return n.store.Bulletin(id)
	}
	return n.store.Header(id)
}
