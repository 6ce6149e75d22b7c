package node

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	ma "github.com/multiformats/go-multiaddr"

	"github.com/tocsin-exchange/tocsin/protocol"
	"github.com/tocsin-exchange/tocsin/storage"
)

// This file is how a node comes in whose organisation the others know, and whose
// key they do not: a second node, or one with a new key. It shows its
// certificate on the join stream, to everybody it can reach until one answers,
// and is handed the community's statements. What it has yet to do is in the
// store, so that it goes on after a restart.

// maxEntries bounds the communities and addresses of an [Entry].
const maxEntries = 64

const maxShown = 16 // nodes that are shown a new key, in each community

const (
	entryPause = 5 * time.Second // between two rounds, at first; it doubles
	entryLater = 5 * time.Minute // and no longer than this
)

// An Entry is what a node is told whose key the others do not know yet.
type Entry struct {
	Communities []protocol.ID // to come into, at most 64
	Peers       []string      // where nodes of our organisation listen: multiaddrs that end in /p2p/ID, at most 64
	Former      protocol.Node // the key this node had until now, to be revoked; zero: none
}

// An Entering is something of an [Entry] that is still to be done.
type Entering struct {
	Community protocol.ID   `json:"community,omitzero"` // to come into
	Former    protocol.Node `json:"former,omitzero"`    // to be revoked
	Problem   string        `json:"problem"`            // why it was not, the last time
}

// keepEntry notes durably what is to be done. A node with a new key shows it in
// every community it is in.
func (n *Node) keepEntry(ctx context.Context, e Entry) error {
	if len(e.Communities) > maxEntries || len(e.Peers) > maxEntries {
		return fmt.Errorf("%w: %d communities and %d addresses, at most %d of each", ErrUsage, len(e.Communities), len(e.Peers), maxEntries)
	}
	peers, err := splitPeers(e.Peers)
	if err != nil {
		return err
	}
	for at, addrs := range peers {
		if err := n.rememberAddrs(ctx, at, addrs); err != nil {
			return err
		}
	}
	communities := e.Communities
	if !e.Former.IsZero() {
		for id := range n.look().Communities {
			communities = append(communities, id)
		}
		if err := n.store.Table(tableFormer).Set(ctx, e.Former[:], nil); err != nil {
			return err
		}
	}
	for _, id := range communities {
		if id.IsZero() {
			return fmt.Errorf("%w: a community without id", ErrUsage)
		}
		if err := n.store.Table(tableEntries).Set(ctx, idKey(id), nil); err != nil {
			return err
		}
	}
	signal(n.enter)
	return nil
}

// splitPeers sorts addresses that end in /p2p/ID by node.
func splitPeers(texts []string) (map[protocol.Node][]string, error) {
	peers := map[protocol.Node][]string{}
	for _, text := range texts {
		node, transport, err := splitPeer(text)
		if err != nil {
			return nil, err
		}
		peers[node] = append(peers[node], transport.String())
	}
	return peers, nil
}

func splitPeer(text string) (protocol.Node, ma.Multiaddr, error) {
	a, err := ma.NewMultiaddr(text)
	if err != nil {
		return protocol.Node{}, nil, fmt.Errorf("%w: address %q: %v", ErrUsage, text, err)
	}
	transport, id := peer.SplitAddr(a)
	node, ok := NodeID(id)
	if !ok || transport == nil {
		return node, nil, fmt.Errorf("%w: address %q: it must end in /p2p/ and an Ed25519 peer id", ErrUsage, text)
	}
	return node, transport, nil
}

// runEntry works off what is to be done, again and again until nothing is.
func (n *Node) runEntry() {
	pause, timer := entryPause, time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-n.ctx.Done():
			return
		case <-n.enter:
			pause = entryPause
		case <-timer.C:
		}
		left := n.enterAll(n.ctx)
		n.entering.Store(&left)
		if len(left) == 0 {
			timer.Stop()
			continue
		}
		timer.Reset(pause)
		pause = min(2*pause, entryLater)
	}
}

// enterAll does what it can, and returns what is left.
func (n *Node) enterAll(ctx context.Context) (left []Entering) {
	for key := range n.store.Table(tableFormer).All() {
		former := protocol.Node(key)
		err := n.revokeFormer(ctx, former)
		if err == nil {
			err = n.store.Table(tableFormer).Delete(ctx, former[:])
		}
		if err != nil && ctx.Err() == nil {
			n.log.Warn("revoke the key this node had", "peer", PeerID(former), "err", err)
			left = append(left, Entering{Former: former, Problem: err.Error()})
		}
	}
	for key := range n.store.Table(tableEntries).All() {
		community := protocol.ID(key)
		err := n.comeInto(ctx, community)
		if err == nil {
			err = n.store.Table(tableEntries).Delete(ctx, idKey(community))
		}
		if err != nil && ctx.Err() == nil {
			n.log.Info("not in yet", "id", community, "err", err)
			left = append(left, Entering{Community: community, Problem: err.Error()})
		}
	}
	return left
}

// revokeFormer ends the key this node had before. What was said under it until
// now goes on counting.
func (n *Node) revokeFormer(ctx context.Context, former protocol.Node) error {
	o := n.look()
	if len(o.Communities) == 0 {
		return nil // there is nobody to tell, nor to be misled
	}
	_, spoke := o.Nodes[former]
	_, err := n.RevokeNode(ctx, former, nil, spoke)
	return err
}

// Entering returns what is still to be done of an [Entry], and why it was not.
func (n *Node) Entering() []Entering {
	if left := n.entering.Load(); left != nil {
		return *left
	}
	return nil
}

// comeInto shows our certificate to one node after another. One that answers
// with the community's statements is enough; it is shown to more, since those
// may be the only ones that some others can reach.
func (n *Node) comeInto(ctx context.Context, community protocol.ID) error {
	var errs []error
	shown := map[protocol.Node]bool{}
	for {
		doors := slices.DeleteFunc(n.doors(community), func(at protocol.Node) bool { _, done := shown[at]; return done })
		if len(doors) == 0 || len(shown) >= maxShown {
			break
		}
		err := n.showTo(ctx, doors[0], community)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if shown[doors[0]] = err == nil; err != nil {
			errs = append(errs, err)
		}
	}
	switch {
	case slices.Contains(slices.Collect(maps.Values(shown)), true):
		return nil
	case len(errs) > 0:
		return errors.Join(errs...)
	case n.look().Communities[community] != nil:
		return nil // there is nobody to show it to
	}
	return fmt.Errorf("%w: no address of another node of ours: `tocsin peer add ADDR`", ErrNotFound)
}

// doors returns whom to ask: of a community we are in its members, of another
// one any node we were told an address of, our own organisation's first.
func (n *Node) doors(community protocol.ID) []protocol.Node {
	o, now := n.look(), time.Now()
	ours, others := []protocol.Node(nil), []protocol.Node(nil)
	nodes := maps.Clone(o.addrs)
	for node := range o.Nodes {
		nodes[node] = nil
	}
	for node := range nodes {
		org, known := o.OrgOf(node, now)
		switch {
		case node == n.cert.Node || len(n.addrsOf(o, node)) == 0 || o.Blocked[org]:
		case !known || org == n.cert.Org:
			ours = append(ours, node)
		case o.InCommunity(node, community, now).Allowed:
			others = append(others, node)
		}
	}
	byKey := func(a, b protocol.Node) int { return strings.Compare(a.String(), b.String()) }
	slices.SortFunc(ours, byKey)
	slices.SortFunc(others, byKey)
	return append(ours, others...)
}

// showTo comes in by one node. Whoever altered the list of addresses must not
// lead us into a community of theirs: into a new one we are led only by a node
// that shows itself to be of our own organisation.
func (n *Node) showTo(ctx context.Context, at protocol.Node, community protocol.ID) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	o := n.look()
	name := PeerID(at).String()
	request := protocol.JoinRequest{Community: community, Certificate: n.certificate(), Name: n.title, Addrs: n.ownAddrs()}
	charter, statements, err := n.askToJoin(ctx, peer.AddrInfo{ID: PeerID(at), Addrs: n.addrsOf(o, at)}, name, request)
	if err != nil {
		return err
	}
	if o.Communities[community] == nil && !n.isOurs(at, statements) {
		return fmt.Errorf("%w: %s answers for the community, and is no node of our organisation", ErrRefused, name)
	}
	if err := n.Adopt(ctx, charter, statements); err != nil {
		return err
	}
	n.connectAnew(at)
	return nil
}

// isOurs reports whether a node has signed one of the statements it handed over
// under a certificate of our organisation that is valid now.
func (n *Node) isOurs(at protocol.Node, statements []*protocol.Bulletin) bool {
	now := protocol.Millis(time.Now())
	return slices.ContainsFunc(statements, func(b *protocol.Bulletin) bool {
		c := b.Header.Certificate
		return c.Node == at && c.Org == n.cert.Org && c.Covers(now)
	})
}

// connectAnew closes the connection we came in by, since only a new one
// announces the topic, and has everybody dialled at once: they know us now, or
// will in a moment.
func (n *Node) connectAnew(at protocol.Node) {
	n.host.Network().ClosePeer(PeerID(at))
	n.mu.Lock()
	clear(n.dials)
	n.mu.Unlock()
	signal(n.redial)
}

// CommunitiesIn returns the communities that the node of a store is in, for
// whoever has the store open while the node does not run.
func CommunitiesIn(s *storage.Store) (ids []protocol.ID) {
	for key := range s.Table(tableCommunities).All() {
		ids = append(ids, protocol.ID(key))
	}
	slices.SortFunc(ids, protocol.ID.Compare)
	return ids
}
