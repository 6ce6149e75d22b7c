package node

import (
	"errors"
	"iter"
	"slices"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/tocsin-exchange/tocsin/protocol"
	"github.com/tocsin-exchange/tocsin/storage"
	"github.com/tocsin-exchange/tocsin/trust"
)

// maxReceipts is how many clients may sign for one bulletin.
const maxReceipts = 4096

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
// client that it alone knows, so only so many of each. A node's own takes the
// place of what it signed when it was brought the bulletin.
func (n *Node) takeRelayed(from peer.ID, r *protocol.Receipt) error {
	node, _ := NodeID(from)
	b, _, err := n.store.Header(r.Bulletin)
	if err != nil || b.Header.Org() != n.cert.Org || b.Header.TLP != protocol.Amber && (r.Certificate.Node != node || !trust.Named(b.Header.TLP)) {
		return nil // nothing to us
	}
	if !n.look().MayReceive(&b.Header, node, time.Now()).Allowed {
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

// keepReceipts makes receipts durable, together.
func (n *Node) keepReceipts(receipts []*protocol.Receipt) error {
	errs := make([]error, len(receipts))
	var wg sync.WaitGroup
	for i, r := range receipts {
		wg.Go(func() {
			errs[i] = n.store.Table(tableReceipts).Set(n.ctx, receiptKey(r.Bulletin, r.Certificate.Node), r.Encode())
			n.noteReceipt(r)
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
