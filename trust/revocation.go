package trust

import (
	"slices"

	"github.com/tocsin-exchange/tocsin/protocol"
)

// MaxRevocations is how many different revocations of one node key by one
// organisation are told apart. Of a key with more nothing counts any more, so
// that nobody fills others' memory with them.
const MaxRevocations = 16

// A NodeKey is a node's key in the name of one organisation.
type NodeKey struct {
	Org  protocol.Org
	Node protocol.Node
}

// Revocations are the node keys that organisations ended, and the last good
// headers each revocation names. They count by the organisation's signature
// alone, whoever published them and whatever became of the bulletin that
// carried them. An organisation speaks only of what was said in its own name:
// nobody ends another's node.
//
// Several revocations of one key stand together: a header counts when each of
// them has it among its last good headers or before one of those. So the order
// in which they come makes no difference, and another revocation can take back
// more, never less: one that was stolen, or made by mistake, brings nothing back.
type Revocations map[NodeKey][][]protocol.ID

// Add takes a revocation whose signature was checked. It returns which headers
// to take as the last good ones, and whether that is news.
func (r Revocations) Add(s *protocol.Revocation) (last []protocol.ID, news bool) {
	key := NodeKey{s.Org, s.Node}
	lists := r[key]
	switch {
	case slices.ContainsFunc(lists, func(l []protocol.ID) bool { return slices.Equal(l, s.Last) }) || len(lists) > MaxRevocations:
		return nil, false
	case len(lists) < MaxRevocations:
		last = s.Last
	}
	r[key] = append(slices.Clip(lists), last)
	return last, true
}

// Revoked reports whether a node's key was ended by the organisation that the
// node belongs to.
func (v *View) Revoked(node protocol.Node) bool {
	c, known := v.Nodes[node]
	return known && v.RevokedFor(c.Org, node)
}

// RevokedFor reports whether an organisation has ended a node's key: whatever
// certificate of that organisation the node shows, now or later.
func (v *View) RevokedFor(org protocol.Org, node protocol.Node) bool {
	_, revoked := v.Revocations[NodeKey{org, node}]
	return revoked
}

// Disowned is what becomes of a bulletin of a revoked key that is not among its
// good headers.
func Disowned() Admission {
	return Admission{Refuse, "node-revoked", "its organisation has revoked the node's key, and this is not among what it left standing"}
}
