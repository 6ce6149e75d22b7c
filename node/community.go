package node

import (
	"cmp"
	"context"
	"crypto/ed25519"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/tocsin-exchange/tocsin/protocol"
)

// CreateCommunity founds a community with us as its only founder.
func (n *Node) CreateCommunity(ctx context.Context, name string) (protocol.ID, error) {
	if n.org == nil {
		return protocol.ID{}, fmt.Errorf("%w: founding a community needs the organisation's key, which is not on this node", ErrRefused)
	}
	if err := protocol.CheckName(name); err != nil {
		return protocol.ID{}, fmt.Errorf("%w: %v", ErrUsage, err)
	}
	if _, err := n.Community(name); err == nil {
		return protocol.ID{}, fmt.Errorf("%w: this node is in a community called %s already", ErrRefused, name)
	}
	charter, err := protocol.Found(name, time.Now(), n.org)
	if err != nil {
		return protocol.ID{}, err
	}
	return charter.ID(), n.Adopt(ctx, charter, nil)
}

// present tells a community who this node is, where it listens and where to
// seal for it, unless the last such statement says the same.
func (n *Node) present(ctx context.Context, community protocol.ID) error {
	p := &protocol.Presence{Certificate: n.certificate(), Addrs: n.ownAddrs()}
	var key *protocol.EncryptionKey
	if n.seal != nil {
		key = n.seal.Public(n.cert.Node)
	}
	n.mu.Lock()
	last := n.known.lore[community].present[n.cert.Node]
	n.mu.Unlock()
	if last.said != nil && last.said.Certificate == p.Certificate && slices.Equal(last.said.Addrs, p.Addrs) && reflect.DeepEqual(last.key, key) {
		return nil
	}
	statements := []protocol.Statement{{Presence: p}}
	if key != nil {
		statements = append(statements, protocol.Statement{EncryptionKey: key})
	}
	_, err := n.state(ctx, community, statements...)
	return err
}

// presentAll is what a start does, since addresses may have changed, and a new
// certificate.
func (n *Node) presentAll(ctx context.Context, communities []Community) {
	for _, c := range communities {
		if err := n.present(ctx, c.ID); err != nil && n.ctx.Err() == nil {
			n.log.Warn("presence", "err", err)
		}
	}
}

// A Community is one community as status shows it.
type Community struct {
	ID       protocol.ID `json:"id"`
	Name     string      `json:"name"`
	Members  []string    `json:"members"`
	Founders []string    `json:"founders"`
	Member   bool        `json:"member"` // we belong, and were not removed
}

// Communities returns those this node is in, by name.
func (n *Node) Communities() []Community {
	o := n.look()
	var list []Community
	for id, c := range o.Communities {
		view := Community{ID: id, Name: c.Charter.Name}
		_, view.Member = c.Members[n.cert.Org]
		for org, m := range c.Members {
			view.Members = append(view.Members, o.name(org))
			if m.Founder {
				view.Founders = append(view.Founders, o.name(org))
			}
		}
		slices.Sort(view.Members)
		slices.Sort(view.Founders)
		list = append(list, view)
	}
	slices.SortFunc(list, func(a, b Community) int { return cmp.Or(cmp.Compare(a.Name, b.Name), a.ID.Compare(b.ID)) })
	return list
}

// Community finds one by name or id; an empty name is the only one there is.
func (n *Node) Community(name string) (protocol.ID, error) {
	o := n.look()
	var found []protocol.ID
	for id, c := range o.Communities {
		if name == "" || strings.EqualFold(c.Charter.Name, name) || id.String() == name {
			found = append(found, id)
		}
	}
	names := []string(nil)
	for _, c := range o.Communities {
		names = append(names, c.Charter.Name)
	}
	slices.Sort(names)
	switch {
	case len(found) == 1:
		return found[0], nil
	case len(o.Communities) == 0:
		return protocol.ID{}, fmt.Errorf("%w: this node is in no community: `tocsin community create NAME`, or `tocsin join TOKEN`", ErrNotFound)
	case len(found) == 0:
		return protocol.ID{}, fmt.Errorf("%w: no community called %q: this node is in %s", ErrNotFound, name, strings.Join(names, ", "))
	}
	return protocol.ID{}, fmt.Errorf("%w: which community? give --community, one of %s", ErrUsage, strings.Join(names, ", "))
}

// Remove ends an organisation's membership. It counts when the organisation is
// our own, when we introduced it, or when over half of the founders say so;
// ended reports whether it does already.
func (n *Node) Remove(ctx context.Context, community protocol.ID, org protocol.Org, reason string) (ended bool, err error) {
	if n.org == nil {
		return false, fmt.Errorf("%w: a removal is signed with the organisation's key, which is not on this node", ErrRefused)
	}
	c := n.look().Communities[community]
	if c == nil {
		return false, fmt.Errorf("%w: no such community", ErrNotFound)
	}
	m, is := c.Members[org]
	if !is {
		return false, fmt.Errorf("%w: %s is not a member of %s", ErrNotFound, n.Name(org), c.Charter.Name)
	}
	r := &protocol.Removal{Community: community, Reason: reason}
	if m.Founder {
		r.Seat = org
	}
	for _, i := range m.By {
		r.Introductions = append(r.Introductions, i.Ref)
	}
	slices.SortFunc(r.Introductions, protocol.ID.Compare)
	r.Introductions = r.Introductions[:min(len(r.Introductions), 64)]
	if err := n.signRemoval(ctx, community, r, n.org); err != nil {
		return false, err
	}
	n.noteMember(ctx, community, org, "remove")
	_, still := n.look().Communities[community].Members[org]
	return !still, nil
}

func (n *Node) signRemoval(ctx context.Context, community protocol.ID, r *protocol.Removal, key ed25519.PrivateKey) error {
	r.Sign(key)
	_, err := n.state(ctx, community, protocol.Statement{Removal: r})
	return err
}

// Charter returns the signed charter of a community this node is in.
func (n *Node) Charter(community protocol.ID) (*protocol.SignedCharter, error) {
	if c := n.look().charters[community]; c != nil {
		return c, nil
	}
	return nil, fmt.Errorf("%w: no such community", ErrNotFound)
}
