package node

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/tocsin-exchange/tocsin/protocol"
	"github.com/tocsin-exchange/tocsin/trust"
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
	Community string        `json:"community,omitempty"`
	Audience  string        `json:"audience,omitempty"` // above GREEN
	Kind      string        `json:"kind"`
	TLP       protocol.TLP  `json:"tlp"`
	Issued    time.Time     `json:"issued"`
	Objects   uint64        `json:"objects"`
	Peers     []DeliveredTo `json:"peers"`              // every node that may have it, by name
	Receipts  *Receipts     `json:"receipts,omitempty"` // where nodes sign for it
}

// Receipts sums up who has signed: above GREEN for the bulletin itself, and for
// having carried out an erasure.
type Receipts struct {
	Signed  int   `json:"signed"`
	Of      int   `json:"of"`      // nodes that may have it, and clients that signed
	Offline int   `json:"offline"` // not connected, of those that have not signed
	Took    int64 `json:"took_ms"` // from its issue to the last receipt
}

// DeliveredTo is the state of a bulletin at one node.
type DeliveredTo struct {
	Org      string        `json:"org"`
	Node     protocol.Node `json:"node"`
	State    string        `json:"state"`
	Signed   *time.Time    `json:"signed,omitempty"`   // its receipt says so, then
	Client   bool          `json:"client,omitempty"`   // of one of the others, who passed it on
	Reason   string        `json:"reason,omitempty"`   // why it has not taken it so far
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
	d := Delivery{Bulletin: id, Kind: h.Kind.String(), TLP: h.TLP, Audience: n.AudienceText(h.Audience), Issued: protocol.Time(h.Issued), Objects: h.Count, Peers: []DeliveredTo{}}
	if c := o.Communities[h.Community]; c != nil {
		d.Community = c.Charter.Name
	}
	signs := n.signing(id, h)
	receipts := n.signedFor(id)
	for node, cert := range o.Nodes {
		if node == n.cert.Node || !o.MayReceive(h, node, time.Now()).Allowed {
			continue
		}
		to := DeliveredTo{Org: o.name(cert.Org), Node: node}
		if r := receipts[node]; r != nil {
			to.sign(r)
			delete(receipts, node)
		} else {
			n.lastSeen(&to, b, signs)
		}
		d.Peers = append(d.Peers, to)
	}
	for node, r := range receipts { // of clients, and of nodes that are gone since
		to := DeliveredTo{Org: o.name(r.Certificate.Org), Node: node, Client: h.TLP == protocol.Amber}
		to.sign(r)
		d.Peers = append(d.Peers, to)
	}
	slices.SortFunc(d.Peers, func(a, b DeliveredTo) int {
		return cmp.Or(cmp.Compare(a.Org, b.Org), cmp.Compare(a.Node.String(), b.Node.String()))
	})
	if signs {
		d.sumUp(n)
	}
	return d, nil
}

// signing reports whether nodes sign for a bulletin.
func (n *Node) signing(id protocol.ID, h *protocol.Header) bool {
	if trust.Named(h.TLP) {
		return true
	}
	b, _, err := n.store.Bulletin(id)
	return err == nil && erases(b)
}

// signedFor returns the receipts of a bulletin by node.
func (n *Node) signedFor(id protocol.ID) map[protocol.Node]*protocol.Receipt {
	by := map[protocol.Node]*protocol.Receipt{}
	for r := range n.receipts(id) {
		by[r.Certificate.Node] = r
	}
	return by
}

func (to *DeliveredTo) sign(r *protocol.Receipt) {
	at := protocol.Time(r.At)
	to.State, to.Signed = r.State.String(), &at
}

// lastSeen says what is known of a node that has not signed: where it does not
// sign, what it showed when we last compared.
func (n *Node) lastSeen(to *DeliveredTo, b *protocol.Bulletin, signs bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if signs {
		to.State, to.Reason = StateUnknown, n.outbox.reason(to.Node)
		if n.connected(to.Node) {
			to.State = StateOffered
		}
		return
	}
	to.State = n.delivered(b, to.Node)
	if c := n.comparisons[to.Node]; c != nil {
		to.Compared = &c.at
	}
}

func (d *Delivery) sumUp(n *Node) {
	d.Receipts = &Receipts{Of: len(d.Peers)}
	for _, p := range d.Peers {
		switch {
		case p.Signed != nil:
			d.Receipts.Signed++
			d.Receipts.Took = max(d.Receipts.Took, p.Signed.Sub(d.Issued).Milliseconds())
		case !n.connected(p.Node):
			d.Receipts.Offline++
		}
	}
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
