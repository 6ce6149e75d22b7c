package node

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/libp2p/go-libp2p/core/network"

	"github.com/tocsin-exchange/tocsin/protocol"
	"github.com/tocsin-exchange/tocsin/storage"
)

// deliver brings a node what it is owed. A connection that goes away is no
// failure: the next one begins anew.
func (n *Node) deliver(node protocol.Node) {
	reason, err := n.deliverAll(n.ctx, node)
	if n.ctx.Err() != nil {
		return
	}
	if err != nil && reason == "" {
		reason = "the connection failed"
		n.log.Debug("deliver", "peer", PeerID(node), "err", err)
	}
	n.outbox.tried(node, reason)
}

// deliverAll holds one session, and says why something was not taken.
func (n *Node) deliverAll(ctx context.Context, node protocol.Node) (reason string, err error) {
	o := n.look()
	key, known := o.sealing[node]
	if !known {
		return "it has not said yet where to seal for it", nil
	}
	dial, cancel := context.WithTimeout(ctx, syncIdle)
	defer cancel()
	s, err := n.host.NewStream(network.WithNoDial(dial, "only dialNode dials"), PeerID(node), protocol.DeliverProtocol)
	if err != nil {
		return "", fmt.Errorf("deliver stream: %w", err)
	}
	c := n.newConversation(s)
	defer c.end(&err)
	for {
		o = n.look()
		ids := n.owed(o, n.namedStreams(), node, protocol.MaxOffer)
		if len(ids) == 0 {
			break
		}
		signed, refused, err := n.offer(c, node, key.key, ids)
		switch {
		case err != nil:
			return "", err
		case signed == 0:
			return cmp.Or(refused, "it answered nothing"), nil
		}
		reason = refused
	}
	return reason, n.sendRelays(c, o.Nodes[node].Org)
}

// offer offers bulletins, sends those that are wanted, sealed, and keeps the
// receipts. It returns how many were signed for, and why one was refused.
func (n *Node) offer(c *conversation, node protocol.Node, key *protocol.EncryptionKey, ids []protocol.ID) (signed int, refused string, err error) {
	if err := c.writeDelivery(protocol.DeliverFrame{Offer: ids}); err != nil {
		return 0, "", err
	}
	signed, _, wanted, err := n.readReceipts(c, node, ids)
	if err != nil || len(wanted) == 0 {
		return signed, "", err
	}
	for _, id := range wanted {
		if !slices.Contains(ids, id) {
			return signed, "", fmt.Errorf("%w deliver: it wants what was not offered", protocol.ErrInvalid)
		}
		f, err := n.sealFor(node, key, id)
		if err != nil || f == nil {
			continue // erased, or its recipient cut off, since it was offered
		}
		if err := c.writeDelivery(*f); err != nil {
			return signed, "", err
		}
	}
	if err := c.writeDelivery(protocol.DeliverFrame{Want: &protocol.Wanted{}}); err != nil {
		return signed, "", err
	}
	more, refused, _, err := n.readReceipts(c, node, wanted)
	return signed + more, refused, err
}

// sealFor seals a bulletin for a node, after trust was asked once more. What
// goes on to a client says so.
func (n *Node) sealFor(node protocol.Node, key *protocol.EncryptionKey, id protocol.ID) (*protocol.DeliverFrame, error) {
	b, state, err := n.store.Bulletin(id)
	if err != nil || state != storage.Held || !n.mayRelease(b, PeerID(node)) {
		return nil, err
	}
	sealed, err := protocol.Seal(key, b)
	if err != nil {
		return nil, err
	}
	n.counters.count(&n.counters.delivered, &b.Header)
	f := &protocol.DeliverFrame{Sealed: sealed}
	o := n.look()
	if s := b.Header.Stream(); s.Node != n.cert.Node && !o.MaySee(s, b.Header.Org(), node, time.Now()).Allowed {
		f.Forward = protocol.SignForward(n.key, n.certificate(), id, o.Nodes[node].Org)
	}
	n.noteSealed(b, node, f.Forward != nil)
	return f, nil
}

// readReceipts reads answers up to a want.
func (n *Node) readReceipts(c *conversation, node protocol.Node, about []protocol.ID) (signed int, refused string, wanted []protocol.ID, err error) {
	var receipts []*protocol.Receipt
	for range 2*len(about) + 1 {
		f, err := c.readDelivery()
		switch {
		case err != nil:
			return 0, "", nil, errors.Join(err, n.keepReceipts(receipts))
		case f.Want != nil:
			return len(receipts), refused, f.Want.IDs, n.keepReceipts(receipts)
		case f.Refused != "":
			refused = f.Refused
		case f.Receipt == nil || !slices.Contains(about, f.Receipt.Bulletin) || f.Receipt.Certificate.Node != node:
			return 0, "", nil, fmt.Errorf("%w deliver: a receipt of the node's for what was offered was due", protocol.ErrInvalid)
		default:
			receipts = append(receipts, f.Receipt)
		}
	}
	return 0, "", nil, fmt.Errorf("%w deliver: more answers than questions", protocol.ErrInvalid)
}

func (c *conversation) writeDelivery(f protocol.DeliverFrame) error {
	c.idle.Reset(syncIdle)
	return protocol.WriteFrame(c, f)
}

func (c *conversation) readDelivery() (protocol.DeliverFrame, error) {
	c.idle.Reset(syncIdle)
	return protocol.ReadFrame[protocol.DeliverFrame](c.in, protocol.MaxFrame)
}
