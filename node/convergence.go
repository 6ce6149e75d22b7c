package node

import (
	"cmp"
	"slices"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/tocsin-exchange/tocsin/protocol"
	"github.com/tocsin-exchange/tocsin/trust"
)

// A comparison is what another node held when we last compared: of everything
// how much it lacked and we lacked, and of our own organisation's word exactly
// what. It is kept in memory only: the next session says it again.
type comparison struct {
	at            time.Time
	behind, ahead int                                // headers it lacks of ours, and we of its
	own           map[protocol.ID][]protocol.Summary // of our organisation's streams: what covers it
	lacks         map[protocol.ID]protocol.LackWhy   // our bulletins it holds without body
}

// maxComparedLacks bounds what is remembered of one peer's lacks.
const maxComparedLacks = 4096

// compared notes what a session showed at its beginning.
func (n *Node) compared(p peer.ID, mine, theirs []protocol.Summary, lacks *protocol.Lacks) {
	node, ok := NodeID(p)
	if !ok {
		return
	}
	c := &comparison{at: time.Now(), own: map[protocol.ID][]protocol.Summary{}, lacks: map[protocol.ID]protocol.LackWhy{}}
	c.behind, c.ahead = n.distance(mine, theirs)
	n.keepOwn(c, theirs)
	n.mu.Lock()
	defer n.mu.Unlock()
	if lacks != nil {
		if old := n.comparisons[node]; old != nil && uint64(len(old.lacks)) <= lacks.Total {
			c.lacks = old.lacks
		}
		for _, l := range lacks.Sample {
			if len(c.lacks) < maxComparedLacks {
				c.lacks[l.ID] = l.Why
			}
		}
	}
	n.comparisons[node] = c
	if d := n.dials[node]; d != nil && d.failures >= longGone { // it is back for good
		d.failures = 0
		n.hurry()
	}
}

// tookAll notes that a peer asked for all it wanted of what we showed and that
// we answered: it is behind no more. It will say so itself the next time.
func (n *Node) tookAll(p peer.ID, mine []protocol.Summary) {
	node, ok := NodeID(p)
	if !ok {
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if c := n.comparisons[node]; c != nil {
		c.behind = 0
		n.keepOwn(c, mine)
	}
}

// gotAll notes that we asked a peer for all we lacked and got what it had.
func (n *Node) gotAll(p peer.ID) {
	node, ok := NodeID(p)
	if !ok {
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if c := n.comparisons[node]; c != nil {
		c.ahead = 0
	}
}

// keepOwn keeps what covers our organisation's streams.
func (n *Node) keepOwn(c *comparison, summaries []protocol.Summary) {
	nodes := n.look().Nodes
	for _, s := range summaries {
		if nodes[s.Stream.Node].Org == n.cert.Org {
			id := s.Stream.ID()
			c.own[id] = append(c.own[id], s)
		}
	}
}

// distance counts the headers that one side's summaries cover and the other's
// do not, as far as we can count them: what we hold above their newest, and by
// numbers what they hold above ours.
func (n *Node) distance(mine, theirs []protocol.Summary) (behind, ahead int) {
	shown := map[protocol.ID]protocol.Summary{}
	red := func(s protocol.Summary) bool { return !trust.Counted(s.Stream.TLP) } // is in no figure
	mine, theirs = slices.DeleteFunc(slices.Clone(mine), red), slices.DeleteFunc(slices.Clone(theirs), red)
	for _, s := range theirs {
		shown[s.Stream.ID()] = s
	}
	held := map[protocol.ID]protocol.Summary{}
	for _, s := range mine {
		id := s.Stream.ID()
		held[id] = s
		behind += n.store.Count(id, protocol.Range{From: shown[id].Newest(), To: s.Newest()})
		for _, gap := range shown[id].Gaps {
			behind += n.store.Count(id, gap)
		}
	}
	for _, s := range theirs {
		from, to := held[s.Stream.ID()].Newest(), s.Newest()
		switch {
		case to.Compare(from) <= 0:
		case to.Epoch == from.Epoch:
			ahead += int(min(to.Seq-from.Seq, 1<<30))
		default:
			ahead += int(min(to.Seq, 1<<30)) // and what is left of the epochs before
		}
	}
	return behind, ahead
}

// A Convergence is how one other node stands to this one.
type Convergence struct {
	Org      string        `json:"org"`
	Node     protocol.Node `json:"node"`
	Compared *time.Time    `json:"compared,omitempty"` // nil: not yet
	Behind   int           `json:"behind"`             // headers it lacked of ours when we last compared
	Ahead    int           `json:"ahead"`              // headers we lacked of its
}

// Same reports whether both held the same when they last compared.
func (c Convergence) Same() bool { return c.Compared != nil && c.Behind == 0 && c.Ahead == 0 }

// Convergence returns how every other member's node stands to this one, by name.
func (n *Node) Convergence() []Convergence {
	o, now := n.look(), time.Now()
	n.mu.Lock()
	defer n.mu.Unlock()
	var list []Convergence
	for node, cert := range o.Nodes {
		if node == n.cert.Node || !o.MayConnect(node, now).Allowed {
			continue
		}
		v := Convergence{Org: o.name(cert.Org), Node: node}
		if c := n.comparisons[node]; c != nil {
			v.Compared, v.Behind, v.Ahead = &c.at, c.behind, c.ahead
		}
		list = append(list, v)
	}
	slices.SortFunc(list, func(a, b Convergence) int {
		return cmp.Or(cmp.Compare(a.Org, b.Org), cmp.Compare(a.Node.String(), b.Node.String()))
	})
	return list
}
