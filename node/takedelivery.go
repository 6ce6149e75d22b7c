package node

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/libp2p/go-libp2p/core/network"

	"github.com/tocsin-exchange/tocsin/protocol"
	"github.com/tocsin-exchange/tocsin/trust"
)

// deliverBatch is how many bytes of bulletins are opened before they are admitted.
const deliverBatch = 2 << 20

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
	want, taken := &protocol.Wanted{}, 0
	defer func() { n.gate.vain(c.peer, costOffered*float64(len(ids)-taken)) }()
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
		} else {
			taken++
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
