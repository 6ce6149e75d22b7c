package node

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/tocsin-exchange/tocsin/protocol"
	"github.com/tocsin-exchange/tocsin/storage"
	"github.com/tocsin-exchange/tocsin/trust"
)

// This file ends node keys: ours, when our organisation's key is at hand, and
// those that others have ended. A revocation counts from the moment it is read:
// the connection goes, and of what the key ever signed only what its
// organisation left standing remains, in answers, streams and membership alike.

// maxLast is how many last good headers one revocation names.
const maxLast = 64

// A revocation is one that was read and is to be put in force.
type revocation struct {
	trust.NodeKey
	last []protocol.ID
}

// takeRevocation reads a revocation. It stands whatever becomes of the bulletin
// it came in: the organisation's key signed it.
func (k *knowledge) takeRevocation(r *protocol.Revocation) {
	if last, news := k.revocations.Add(r); news {
		k.pending = append(k.pending, revocation{trust.NodeKey{Org: r.Org, Node: r.Node}, last})
	}
}

// carry keeps what counts by its own signatures, and what nobody has said in a
// bulletin, when all else is read anew.
func (k *knowledge) carry(old *knowledge) {
	for _, c := range old.proven {
		learnCert(k.proven, c)
	}
	for _, c := range old.hearsay {
		learnCert(k.hearsay, c)
	}
	for id, l := range k.lore {
		if was := old.lore[id]; was != nil {
			l.history.Removals, l.community = was.history.Removals, nil
		}
	}
	k.revocations, k.pending, k.proofs = old.revocations, old.pending, old.proofs
	k.petnames, k.changes, k.disowned = old.petnames, old.changes, old.disowned
}

// load reads what is known from the store. What a revoked key said is found
// out only when all has been read once.
func (n *Node) load(ctx context.Context) error {
	if err := n.recollect(ctx, &n.known); err != nil {
		return err
	}
	pending := n.known.pending
	if n.known.pending = nil; len(pending) == 0 {
		return nil
	}
	for _, r := range pending {
		if _, err := n.store.Disown(ctx, r.Org, r.Node, r.last); err != nil {
			return fmt.Errorf("revocation of %s: %w", PeerID(r.Node), err)
		}
	}
	n.known.disowned = len(pending)
	fresh := newKnowledge()
	if err := n.recollect(ctx, &fresh); err != nil {
		return err
	}
	fresh.carry(&n.known)
	n.known = fresh
	return nil
}

// counts reports whether a header is held, and was not disowned.
func (n *Node) counts(id protocol.ID) bool { return n.holds(id) && !n.store.Disowned(id) }

// relearn reads all statements anew, after some of them ceased to count or
// began to. Whatever is learnt meanwhile is in the store before, so reading
// once more has it.
func (n *Node) relearn(ctx context.Context) error {
	for done := false; !done; {
		n.mu.Lock()
		began := n.known.changes
		n.mu.Unlock()
		fresh := newKnowledge()
		if err := n.recollect(ctx, &fresh); err != nil {
			return err
		}
		n.learn(func(k *knowledge) {
			if done = k.changes == began; done {
				fresh.carry(k)
				*k = fresh
			}
		})
	}
	return nil
}

// revoke puts the revocations in force that were read since the last time: the
// view is already, then the connections, then what the key said.
func (n *Node) revoke(ctx context.Context) error {
	n.mu.Lock()
	pending := n.known.pending
	n.known.pending = nil
	n.mu.Unlock()
	if len(pending) == 0 {
		return nil
	}
	for _, r := range pending {
		if n.look().Revoked(r.Node) && r.Node != n.cert.Node && n.off&guardDoor == 0 {
			n.cut(PeerID(r.Node))
		}
		gone, err := n.store.Disown(ctx, r.Org, r.Node, r.last)
		if err != nil {
			return fmt.Errorf("revocation of %s: %w", PeerID(r.Node), err)
		}
		n.Note(ctx, onKey(r.Org, r.Node, "revoked"))
		n.log.Warn("a node key was revoked", "peer", n.Name(r.Org), "node", PeerID(r.Node), "kept", len(r.last), "disowned", gone)
	}
	n.learn(func(k *knowledge) { k.disowned += len(pending) })
	if n.revoked() {
		n.log.Error("our own organisation has revoked this node's key: it says nothing any more", "node", n.host.ID())
	}
	return n.relearn(ctx)
}

// revoked reports whether our own key is.
func (n *Node) revoked() bool { return n.look().RevokedFor(n.cert.Org, n.cert.Node) }

// revokedText says what a node is to do whose key was revoked.
const revokedText = "our organisation has revoked this node's key: what it would sign counts nowhere; give the node a new key"

// unlessDisowned is trust's answer, but for what a revoked key has said that
// its organisation did not leave standing.
func (n *Node) unlessDisowned(v trust.Admission, b *protocol.Bulletin) trust.Admission {
	if v.Outcome != trust.Refuse && n.store.Disowns(b) {
		return trust.Disowned()
	}
	return v
}

// completes reports whether new headers may have shown that statements of a
// revoked key count after all, which were held before.
func (n *Node) completes(entries []storage.Entry, results []storage.Result) bool {
	o := n.look()
	for i, r := range results {
		h := &entries[i].Bulletin.Header
		if r.New && h.Kind == protocol.Statements && o.RevokedFor(h.Org(), h.Certificate.Node) && n.counts(entries[i].Bulletin.ID()) {
			return true
		}
	}
	return false
}

// ParseNode reads a node's peer id, or its key in hexadecimal.
func ParseNode(text string) (node protocol.Node, err error) {
	if node.UnmarshalText([]byte(text)) == nil {
		return node, nil
	}
	if id, err := peer.Decode(text); err == nil {
		if node, ok := NodeID(id); ok {
			return node, nil
		}
	}
	return node, fmt.Errorf("%w: node %q: a peer id, or a node key of 64 hexadecimal digits; see `tocsin peer list --json`", ErrUsage, text)
}

// RevokeNode ends the key of a node of our organisation, for good, in every
// community this node is in. Of what the key ever signed only the headers in
// keep and those before them count from now on; with rest, so do those held
// here of every stream of which keep names none. It returns the last good
// headers that were named, at most 64. Errors wrap [ErrRefused] without the
// organisation's key, for a node of others, for this node's own key and for too
// many headers, and [ErrNotFound] for a node or header that is not known; a
// node that never spoke is revoked without rest.
func (n *Node) RevokeNode(ctx context.Context, node protocol.Node, keep []protocol.ID, rest bool) ([]protocol.ID, error) {
	o := n.look()
	cert, known := o.Nodes[node]
	switch {
	case n.org == nil:
		return nil, fmt.Errorf("%w: a revocation is signed with the organisation's key, which is not on this node", ErrRefused)
	case node == n.cert.Node:
		return nil, fmt.Errorf("%w: that is the key this node speaks with: revoke it from another node of the organisation, or after this one has a new key", ErrRefused)
	case known && cert.Org != n.cert.Org:
		return nil, fmt.Errorf("%w: the node is of %s: only its own organisation revokes its key; `tocsin peer block` keeps it from here", ErrRefused, o.name(cert.Org))
	case !known && rest:
		return nil, fmt.Errorf("%w: no node %s of our organisation has spoken here: with nothing kept its key can be revoked all the same", ErrNotFound, PeerID(node))
	}
	last, err := n.lastGood(node, keep, rest)
	if err != nil {
		return nil, err
	}
	r := &protocol.Revocation{Node: node, Last: last}
	r.Sign(n.org)
	n.NoteDone(ctx, onKey(n.cert.Org, node, "revoke"))
	return last, n.publishRevocation(ctx, r)
}

func (n *Node) publishRevocation(ctx context.Context, r *protocol.Revocation) error {
	said := 0
	o := n.look()
	for _, community := range slices.SortedFunc(maps.Keys(o.Communities), protocol.ID.Compare) {
		if !o.MaySubmit(protocol.Green, community).Allowed {
			continue
		}
		if _, err := n.state(ctx, community, protocol.Statement{Revocation: r}); err != nil {
			return fmt.Errorf("revocation, said in %d communities: %w", said, err)
		}
		said++
	}
	if said == 0 {
		return fmt.Errorf("%w: this node is in no community, so there is nobody to tell", ErrRefused)
	}
	return nil
}

// lastGood lists the headers a revocation is to name.
func (n *Node) lastGood(node protocol.Node, keep []protocol.ID, rest bool) ([]protocol.ID, error) {
	last, named := slices.Clone(keep), map[protocol.ID]bool{}
	for _, id := range keep {
		b, _, err := n.store.Header(id)
		if err != nil || b.Header.Certificate.Node != node || b.Header.Org() != n.cert.Org {
			return nil, fmt.Errorf("%w: bulletin %s of that node is not held here", ErrNotFound, id)
		}
		named[b.Header.Stream().ID()] = true
	}
	for _, s := range n.store.Streams() {
		if s.Stream.Node != node || named[s.ID] || !rest {
			continue
		}
		for _, h := range s.Heads {
			last = append(last, h.ID)
		}
	}
	slices.SortFunc(last, protocol.ID.Compare)
	if last = slices.Compact(last); len(last) > maxLast {
		return nil, fmt.Errorf("%w: %d last headers, and a revocation names at most %d: keep nothing but the streams that matter (--none, and --keep for each)", ErrRefused, len(last), maxLast)
	}
	return last, nil
}
