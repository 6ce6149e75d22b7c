package node

import (
	"cmp"
	"context"
	"crypto/rand"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/tocsin-exchange/tocsin/protocol"
	"github.com/tocsin-exchange/tocsin/trust"
)

// maxGroupMembers is what one roster may name.
const maxGroupMembers = 512

// takeNamed reads a bulletin of statements above GREEN: rosters, erasures and
// proofs for those it was said to.
func (k *knowledge) takeNamed(b *protocol.Bulletin) {
	if k.read[b.ID()] {
		return
	}
	k.read[b.ID()] = true
	for _, object := range b.Objects() {
		s, err := protocol.DecodeStatement(object)
		if err != nil {
			continue // it says nothing
		}
		switch {
		case s.Roster != nil:
			k.takeRoster(b, s.Roster)
		case s.Erasure != nil:
			k.takeErasure(b, s.Erasure)
		case s.Equivocation != nil:
			k.takeProof(protocol.ID{}, s.Equivocation)
		}
	}
}

// takeRoster adds a version to a group. It counts where it is said to the very
// version it makes, by the group's owner.
func (k *knowledge) takeRoster(b *protocol.Bulletin, r *protocol.Roster) {
	if !slices.Equal(b.Header.Audience, []protocol.Recipient{{Group: r.Group, Version: r.Version}}) {
		return
	}
	g := &trust.Group{ID: r.Group, Owner: r.Owner, Rosters: map[uint64]trust.Roster{}}
	if held := k.groups[r.Group]; held != nil {
		maps.Copy(g.Rosters, held.Rosters)
	}
	g.Add(b, r)
	if len(g.Rosters) > 0 {
		k.groups[r.Group] = g
	}
}

// A Group is a sharing group as group list shows it.
type Group struct {
	ID      protocol.ID `json:"id"`
	Name    string      `json:"group"`
	Owner   string      `json:"owner"`
	Version uint64      `json:"version"`
	Members []string    `json:"members"`
	History uint64      `json:"history,omitzero"` // members may read what was said to versions from this one on
	Member  bool        `json:"member"`           // we are one
	Own     bool        `json:"own"`              // ours to change
}

// Groups returns the sharing groups this node knows, by name.
func (n *Node) Groups() []Group {
	o := n.look()
	list := []Group{}
	for _, g := range o.Groups {
		list = append(list, n.group(o, g))
	}
	slices.SortFunc(list, func(a, b Group) int { return cmp.Or(cmp.Compare(a.Name, b.Name), a.ID.Compare(b.ID)) })
	return list
}

func (n *Node) group(o *outlook, g *trust.Group) Group {
	version := g.Latest()
	r := g.Rosters[version]
	view := Group{ID: g.ID, Name: o.groupName(g), Owner: o.name(g.Owner), Version: version, History: r.History, Own: g.Owner == n.cert.Org, Members: []string{}}
	for _, m := range r.Members {
		view.Members = append(view.Members, o.name(m))
		view.Member = view.Member || m == n.cert.Org
	}
	slices.Sort(view.Members)
	return view
}

// groupName is the name its owner gave a group, with the owner's where it is
// not ours: two owners may choose the same.
func (o *outlook) groupName(g *trust.Group) string {
	name := g.Rosters[g.Latest()].Name
	if g.Owner == o.Self {
		return name
	}
	return name + "@" + o.name(g.Owner)
}

// Group finds a sharing group by its name, with or without its owner's, or by
// its id. One whose owner nobody here has named is refused.
func (n *Node) Group(name string) (protocol.ID, error) { return n.look().groupNamed(name) }

func (o *outlook) groupNamed(name string) (protocol.ID, error) {
	var found []*trust.Group
	for id, g := range o.Groups {
		bare := g.Rosters[g.Latest()].Name
		if strings.EqualFold(name, o.groupName(g)) || strings.EqualFold(name, bare) || name == id.String() {
			found = append(found, g)
		}
	}
	switch {
	case len(found) == 0:
		return protocol.ID{}, fmt.Errorf("%w: no sharing group called %q: see `tocsin group list`", ErrNotFound, name)
	case len(found) > 1:
		return protocol.ID{}, fmt.Errorf("%w: several sharing groups are called %s: say NAME@OWNER, as in `tocsin group list`", ErrUsage, name)
	}
	if _, confirmed := o.petnames[found[0].Owner]; !confirmed {
		return protocol.ID{}, fmt.Errorf("%w: the owner of %s has a name that others gave: compare fingerprints (%s), then `tocsin peer name`",
			ErrRefused, name, found[0].Owner.Fingerprint())
	}
	return found[0].ID, nil
}

// CreateGroup founds a sharing group of ours. We are a member.
func (n *Node) CreateGroup(ctx context.Context, name string, members []protocol.Org) (protocol.ID, error) {
	if err := protocol.CheckName(name); err != nil || strings.ContainsAny(name, "@/ ") {
		return protocol.ID{}, fmt.Errorf("%w: group %q: 1 to %d printable characters without blanks, @ and /", ErrUsage, name, protocol.MaxName)
	}
	for _, g := range n.look().Groups {
		if g.Owner == n.cert.Org && strings.EqualFold(g.Rosters[g.Latest()].Name, name) {
			return protocol.ID{}, fmt.Errorf("%w: we have a sharing group called %s already", ErrRefused, name)
		}
	}
	r := &protocol.Roster{Version: 1, Name: name, Owner: n.cert.Org, Members: append(slices.Clone(members), n.cert.Org)}
	rand.Read(r.Salt[:])
	r.Group = protocol.GroupOf(r.Owner, r.Salt)
	return r.Group, n.sayRoster(ctx, r)
}

// ChangeGroup says the next version of a group of ours: with members added and
// removed, and (history above 0) open to its members from that version on.
func (n *Node) ChangeGroup(ctx context.Context, id protocol.ID, add, remove []protocol.Org, history uint64) (version uint64, err error) {
	g := n.look().Groups[id]
	switch {
	case g == nil:
		return 0, fmt.Errorf("%w: no such sharing group", ErrNotFound)
	case g.Owner != n.cert.Org:
		return 0, fmt.Errorf("%w: the sharing group is of %s: only its owner changes it", ErrRefused, n.Name(g.Owner))
	case history > g.Latest():
		return 0, fmt.Errorf("%w: there is no version %d of the sharing group yet", ErrUsage, history)
	}
	last, err := n.lastRoster(g)
	if err != nil {
		return 0, err
	}
	r := &protocol.Roster{Group: id, Version: last.Version + 1, Name: last.Name, Owner: last.Owner, Salt: last.Salt, History: history}
	for _, m := range append(slices.Clone(last.Members), add...) {
		if !slices.Contains(remove, m) {
			r.Members = append(r.Members, m)
		}
	}
	return r.Version, n.sayRoster(ctx, r)
}

// lastRoster reads the newest version as it was said.
func (n *Node) lastRoster(g *trust.Group) (*protocol.Roster, error) {
	b, _, err := n.store.Bulletin(g.Rosters[g.Latest()].Said)
	if err != nil {
		return nil, fmt.Errorf("roster: %w", err)
	}
	for _, object := range b.Objects() {
		s, err := protocol.DecodeStatement(object)
		if err == nil && s.Roster != nil && s.Roster.Version == g.Latest() && s.Roster.Group == g.ID {
			return s.Roster, nil
		}
	}
	return nil, fmt.Errorf("%w: the group's newest roster is not held any more", ErrNotFound)
}

// sayRoster says a version to those who are in it: to nobody else, so that
// nobody else learns who they are.
func (n *Node) sayRoster(ctx context.Context, r *protocol.Roster) error {
	slices.SortFunc(r.Members, protocol.Org.Compare)
	r.Members = slices.Compact(r.Members)
	if len(r.Members) > maxGroupMembers {
		return fmt.Errorf("%w: %d members, at most %d are allowed", ErrUsage, len(r.Members), maxGroupMembers)
	}
	o := n.look()
	for _, m := range r.Members {
		if v := o.MaySubmitTo(protocol.AmberStrict, []protocol.Recipient{{Org: m}}); !v.Allowed {
			return fmt.Errorf("%w: %s: %s (%s)", ErrRefused, o.name(m), v.Reason, v.Rule)
		}
	}
	audience := []protocol.Recipient{{Group: r.Group, Version: r.Version}}
	n.noteRoster(ctx, r)
	return n.stateTo(ctx, protocol.AmberStrict, audience, protocol.Statement{Roster: r})
}

// stateTo says statements to a named audience.
func (n *Node) stateTo(ctx context.Context, label protocol.TLP, audience []protocol.Recipient, statements ...protocol.Statement) error {
	objects := make([][]byte, len(statements))
	for i, s := range statements {
		objects[i] = s.Encode()
	}
	_, err := n.author.publish(ctx, protocol.Header{Kind: protocol.Statements, TLP: label, Audience: audience}, []part{{objects: objects}})
	return err
}
