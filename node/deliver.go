package node

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/tocsin-exchange/tocsin/protocol"
	"github.com/tocsin-exchange/tocsin/storage"
	"github.com/tocsin-exchange/tocsin/trust"
)

const (
	deliverBatch = 2 << 20 // bytes of bulletins that are opened before they are admitted
	maxReceipts  = 4096    // of one bulletin
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

// keepReceipts makes receipts durable, together.
func (n *Node) keepReceipts(receipts []*protocol.Receipt) error {
	errs := make([]error, len(receipts))
	var wg sync.WaitGroup
	for i, r := range receipts {
		wg.Go(func() {
			errs[i] = n.store.Table(tableReceipts).Set(n.ctx, receiptKey(r.Bulletin, r.Certificate.Node), r.Encode())
			if author := n.authorOf(r.Bulletin); errs[i] == nil && author != n.cert.Org {
				n.outbox.relay(relay{author, r})
			}
		})
	}
	wg.Wait()
	if len(receipts) > 0 {
		signal(n.outbox.news)
	}
	return errors.Join(errs...)
}

func receiptKey(id protocol.ID, node protocol.Node) []byte { return append(id[:], node[:]...) }

// sendRelays brings an author the receipts of our clients.
func (n *Node) sendRelays(c *conversation, org protocol.Org) error {
	list := n.outbox.takeRelays(org)
	for i, r := range list {
		if err := c.writeDelivery(protocol.DeliverFrame{Receipt: r.receipt}); err != nil {
			for _, left := range list[i:] {
				n.outbox.relay(left)
			}
			return err
		}
	}
	return nil
}

// serveDeliver takes what is brought to us.
func (n *Node) serveDeliver(s network.Stream) {
	n.converse(s, func(c *conversation) (err error) {
		for err == nil {
			var f protocol.DeliverFrame
			if f, err = c.readDelivery(); err != nil {
				return err
			}
			switch {
			case len(f.Offer) > 0:
				err = n.takeOffer(c, f.Offer)
			case f.Receipt != nil:
				err = n.takeRelayed(c.peer, f.Receipt)
			default:
				err = fmt.Errorf("%w deliver: an offer was due", protocol.ErrInvalid)
			}
		}
		return err
	})
}

// takeOffer signs for what is settled here, asks for the rest, and signs for that.
func (n *Node) takeOffer(c *conversation, ids []protocol.ID) error {
	want := &protocol.Wanted{}
	for i, r := range n.receiptsFor(ids, c.peer) {
		if r == nil {
			want.IDs = append(want.IDs, ids[i])
		} else if err := c.writeDelivery(protocol.DeliverFrame{Receipt: r}); err != nil {
			return err
		}
	}
	if err := c.writeDelivery(protocol.DeliverFrame{Want: want}); err != nil || len(want.IDs) == 0 {
		return err
	}
	reasons, err := n.takeSealed(c, want.IDs)
	if err != nil {
		return err
	}
	for i, r := range n.receiptsFor(want.IDs, c.peer) {
		answer := protocol.DeliverFrame{Receipt: r}
		if r == nil {
			answer = protocol.DeliverFrame{Refused: cmp.Or(reasons[want.IDs[i]], "it was not sent")}
		}
		if err := c.writeDelivery(answer); err != nil {
			return err
		}
	}
	return c.writeDelivery(protocol.DeliverFrame{Want: &protocol.Wanted{}})
}

// takeSealed opens and admits the wanted bulletins, and says why some were not taken.
func (n *Node) takeSealed(c *conversation, wanted []protocol.ID) (reasons map[protocol.ID]string, err error) {
	reasons = map[protocol.ID]string{}
	var batch []arrival
	size := 0
	flush := func() error {
		_, err := n.receive(n.ctx, batch)
		batch, size = nil, 0
		return err
	}
	for range len(wanted) + 1 {
		f, err := c.readDelivery()
		switch {
		case err != nil:
			return nil, errors.Join(err, flush())
		case f.Want != nil && len(f.Want.IDs) == 0:
			return reasons, flush()
		case f.Sealed == nil || !slices.Contains(wanted, f.Sealed.Bulletin):
			return nil, fmt.Errorf("%w deliver: a wanted bulletin was due", protocol.ErrInvalid)
		}
		b, err := n.unseal(f.Sealed)
		if errors.Is(err, protocol.ErrUnsupported) {
			reasons[f.Sealed.Bulletin] = "this node cannot read it: its version, or its key, is another"
			continue
		}
		if err != nil {
			return nil, err
		}
		a := arrival{bulletin: b, from: c.peer, forward: f.Forward}
		if reason := n.wouldRefuse(a); reason != "" {
			reasons[b.ID()] = reason
			continue
		}
		if batch, size = append(batch, a), size+len(f.Sealed.Text); size > deliverBatch {
			if err := flush(); err != nil {
				return nil, err
			}
		}
	}
	return nil, fmt.Errorf("%w deliver: more bulletins than were wanted", protocol.ErrInvalid)
}

// wouldRefuse is the reason given to whoever brings what is not let in: the rule
// only, which says nothing that it does not know.
func (n *Node) wouldRefuse(a arrival) string {
	switch v := n.mayTake(a, time.Now()); v.Outcome {
	case trust.Refuse, trust.Unknown:
		return v.Rule
	}
	return ""
}

// unseal opens what was sealed for us.
func (n *Node) unseal(s *protocol.Sealed) (*protocol.Bulletin, error) {
	if n.seal == nil {
		return nil, fmt.Errorf("no key to open it: %w", protocol.ErrUnsupported)
	}
	b, err := n.seal.Open(n.cert.Node, s)
	if err != nil {
		n.counters.unopened.Add(1)
	}
	return b, err
}

// receiptsFor signs what has become of bulletins here, for their author or whoever
// passed them on to us; nil where one is still wanted, or none of the peer's
// business. Nobody is told of an erasure before all it asks for is destroyed.
func (n *Node) receiptsFor(ids []protocol.ID, to peer.ID) []*protocol.Receipt {
	receipts, states, erasing := make([]*protocol.Receipt, len(ids)), make([]protocol.ReceiptState, len(ids)), make([]bool, len(ids))
	for i, id := range ids {
		states[i], erasing[i] = n.settled(id, to)
	}
	carried := slices.Contains(erasing, true) && n.carriedOut()
	for i, id := range ids {
		if states[i] != 0 && (carried || !erasing[i]) {
			receipts[i] = protocol.SignReceipt(n.key, n.certificate(), id, states[i], protocol.Millis(time.Now()))
		}
	}
	return receipts
}

// settled is what a receipt would say of a bulletin, 0: nothing, and whether it
// asks for something to be erased.
func (n *Node) settled(id protocol.ID, to peer.ID) (state protocol.ReceiptState, erasing bool) {
	b, body, err := n.store.Bulletin(id)
	switch {
	case err != nil || body == storage.Absent || !n.mayAcknowledge(b, to):
		return 0, false
	case body == storage.Declined:
		return protocol.ReceiptDeclined, false
	case erases(b):
		return protocol.ReceiptErased, true
	case body == storage.Erased:
		return protocol.ReceiptErased, false
	}
	return protocol.ReceiptHeld, false
}

// mayAcknowledge reports whether a peer may know that we hold a bulletin.
func (n *Node) mayAcknowledge(b *protocol.Bulletin, to peer.ID) bool {
	node, _ := NodeID(to)
	o := n.look()
	if o.MayReceive(&b.Header, node, time.Now()).Allowed {
		return true
	}
	r, err := n.store.Receipt(b.ID())
	return err == nil && r.Aside && r.Via == o.Nodes[node].Org
}

// takeRelayed keeps a receipt for one of ours that its forwarder brings: of a
// client that it alone knows, so only so many of each.
func (n *Node) takeRelayed(from peer.ID, r *protocol.Receipt) error {
	b, _, err := n.store.Header(r.Bulletin)
	if err != nil || b.Header.Org() != n.cert.Org || b.Header.TLP != protocol.Amber {
		return nil // nothing to us
	}
	if node, _ := NodeID(from); !n.look().MayReceive(&b.Header, node, time.Now()).Allowed {
		return nil
	}
	if n.receiptsOf(r.Bulletin) >= maxReceipts {
		return nil
	}
	return n.keepReceipts([]*protocol.Receipt{r})
}

// receiptsOf counts who has signed for a bulletin.
func (n *Node) receiptsOf(id protocol.ID) (count int) {
	for range n.receipts(id) {
		count++
	}
	return count
}

// receipts yields the receipts of a bulletin, by node.
func (n *Node) receipts(id protocol.ID) iter.Seq[*protocol.Receipt] {
	return func(yield func(*protocol.Receipt) bool) {
		for _, value := range n.store.Table(tableReceipts).Prefix(id[:]) {
			if r, err := protocol.DecodeReceipt(value); err == nil && !yield(r) {
				return
			}
		}
	}
}

func (c *conversation) writeDelivery(f protocol.DeliverFrame) error {
	c.idle.Reset(syncIdle)
	return protocol.WriteFrame(c, f)
}

func (c *conversation) readDelivery() (protocol.DeliverFrame, error) {
	c.idle.Reset(syncIdle)
	return protocol.ReadFrame[protocol.DeliverFrame](c.in, protocol.MaxFrame)
}
