package node

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/tocsin-exchange/tocsin/protocol"
)

// Delivery states of one of our bulletins at one other node.
const (
	StateHeld     = "held"     // header and body, as it said when we last compared
	StateOffered  = "offered"  // it was connected since we said it, or holds the header and still wants the body
	StateDeclined = "declined" // it holds the header and does not want the body
	StateExpired  = "expired"  // it dropped the body once nothing in it counted
	StatePruned   = "pruned"   // it dropped the body to make room
	StateErased   = "erased"   // it destroyed the body at our request
	StateUnknown  = "unknown"  // it was not connected since
)

// A Delivery is what became of one of our bulletins.
type Delivery struct {
	Bulletin  protocol.ID   `json:"bulletin"`
	Community string        `json:"community"`
	Kind      string        `json:"kind"`
	TLP       protocol.TLP  `json:"tlp"`
	Issued    time.Time     `json:"issued"`
	Objects   uint64        `json:"objects"`
	Peers     []DeliveredTo `json:"peers"` // every node that may have it, by name
}

// DeliveredTo is the state of a bulletin at one node.
type DeliveredTo struct {
	Org      string        `json:"org"`
	Node     protocol.Node `json:"node"`
	State    string        `json:"state"`
	Compared *time.Time    `json:"compared,omitempty"` // when it last told us; nil: not since our start
}

// Delivery returns what became of one of our organisation's bulletins, at every
// node that may have it now. Only the author is told this by the others.
func (n *Node) Delivery(id protocol.ID) (Delivery, error) {
	b, _, err := n.store.Header(id)
	if err != nil {
		return Delivery{}, fmt.Errorf("%w: no bulletin %s is held", ErrNotFound, id)
	}
	h, o := &b.Header, n.look()
	if h.Org() != n.cert.Org {
		return Delivery{}, fmt.Errorf("%w: bulletin %s is of %s: only its author is told where it is held", ErrRefused, id, o.name(h.Org()))
	}
	d := Delivery{Bulletin: id, Kind: h.Kind.String(), TLP: h.TLP, Issued: protocol.Time(h.Issued), Objects: h.Count, Peers: []DeliveredTo{}}
	if c := o.Communities[h.Community]; c != nil {
		d.Community = c.Charter.Name
	}
	now := time.Now()
	n.mu.Lock()
	defer n.mu.Unlock()
	for node, cert := range o.Nodes {
		if node == n.cert.Node || !o.MayReceive(h, node, now).Allowed {
			continue
		}
		to := DeliveredTo{Org: o.name(cert.Org), Node: node, State: n.delivered(b, node)}
		if c := n.comparisons[node]; c != nil {
			to.Compared = &c.at
		}
		d.Peers = append(d.Peers, to)
	}
	slices.SortFunc(d.Peers, func(a, b DeliveredTo) int {
		return cmp.Or(cmp.Compare(a.Org, b.Org), cmp.Compare(a.Node.String(), b.Node.String()))
	})
	return d, nil
}

// delivered is the state of a bulletin at one node; n.mu is held.
func (n *Node) delivered(b *protocol.Bulletin, node protocol.Node) string {
	c := n.comparisons[node]
	if c != nil && slices.ContainsFunc(c.own[b.Header.Stream().ID()], func(s protocol.Summary) bool { return s.Covers(b.Header.Position()) }) {
		switch c.lacks[b.ID()] {
		case protocol.LackWanted:
			return StateOffered
		case protocol.LackDeclined:
			return StateDeclined
		case protocol.LackExpired:
			return StateExpired
		case protocol.LackPruned:
			return StatePruned
		case protocol.LackErased:
			return StateErased
		}
		return StateHeld
	}
	if n.connected(node) || n.contacts[node].After(protocol.Time(b.Header.Issued)) {
		return StateOffered
	}
	return StateUnknown
}
