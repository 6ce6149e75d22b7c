package node

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/tocsin-exchange/tocsin/protocol"
	"github.com/tocsin-exchange/tocsin/protocol/stix"
	"github.com/tocsin-exchange/tocsin/storage"
)

// A Selection says what of our organisation's word is to be taken back.
type Selection struct {
	Values    []stix.Observable
	IDs       []string                    // STIX ids, an object's own or one it stands for
	Bulletins []protocol.ID               // whole bulletins
	Visible   func(*protocol.Header) bool // nil: all; what is not is not there
}

// A TakenBack is one object that was taken back, and the bulletin that says so.
type TakenBack struct {
	Bulletin  protocol.ID       `json:"bulletin"` // that carried it
	Index     int               `json:"index"`
	ID        string            `json:"id,omitzero"` // STIX; "" where the object is not held any more
	Claims    []stix.Observable `json:"claims,omitempty"`
	TLP       protocol.TLP      `json:"tlp"`
	Community string            `json:"community,omitempty"`
	Audience  string            `json:"audience,omitempty"`
	By        protocol.ID       `json:"by"` // the bulletin that takes it back
}

// Revoke takes back what we said: a new version of every object selected that
// still stands, said to whom it was said, so that whoever may have seen it sees
// it end. Errors wrap [ErrNotFound] when nothing of ours that stands is selected.
func (n *Node) Revoke(ctx context.Context, s Selection) ([]TakenBack, error) {
	versions, err := n.chosen(s)
	if err != nil {
		return nil, err
	}
	now := time.Now()
	laxest(versions)
	versions = slices.DeleteFunc(newest(versions), func(v storage.Version) bool {
		return v.Object.Revoked || !v.Object.ValidUntil.IsZero() && !now.Before(v.Object.ValidUntil)
	})
	if len(versions) == 0 {
		return nil, fmt.Errorf("%w: nothing of ours is selected that still stands", ErrNotFound)
	}
	return n.takeBack(ctx, versions, func(h *protocol.Header, some []storage.Version) (protocol.Header, []part, error) {
		issue := protocol.Header{Kind: protocol.Objects, Community: h.Community, TLP: h.TLP, PAP: h.PAP, Audience: h.Audience, Drill: h.Drill}
		var p part
		for _, v := range some {
			o, err := stix.Revoke(v.Object.Raw, now)
			if err != nil {
				return issue, nil, fmt.Errorf("%w: %s: %v", ErrUsage, v.Object.ID, err)
			}
			p.objects, p.parsed = append(p.objects, o.Raw), append(p.parsed, o)
		}
		return issue, []part{p}, nil
	})
}

// Erase has every holder destroy what we said, old versions included. It cannot
// be undone. Errors are as for [Node.Revoke].
func (n *Node) Erase(ctx context.Context, s Selection) ([]TakenBack, error) {
	versions, err := n.chosen(s)
	if err != nil {
		return nil, err
	}
	ids := Selection{Visible: s.Visible} // an older version would stand again, and says the same
	for _, v := range versions {
		if v.Object.ID != "" {
			ids.IDs = append(ids.IDs, v.Object.ID)
		}
	}
	older, err := n.chosen(ids)
	if err != nil {
		return nil, err
	}
	if versions = once(append(versions, older...)); len(versions) == 0 {
		return nil, fmt.Errorf("%w: nothing of ours is selected", ErrNotFound)
	}
	return n.takeBack(ctx, versions, func(h *protocol.Header, some []storage.Version) (protocol.Header, []part, error) {
		issue := protocol.Header{Kind: protocol.Statements, Community: h.Community, TLP: h.TLP, Audience: h.Audience}
		var p part
		for _, e := range erasuresOf(some) {
			p.objects = append(p.objects, protocol.Statement{Erasure: e}.Encode())
		}
		return issue, []part{p}, nil
	})
}

// erasuresOf makes one statement a bulletin.
func erasuresOf(versions []storage.Version) (list []*protocol.Erasure) {
	slices.SortFunc(versions, func(a, b storage.Version) int {
		return cmp.Or(a.Bulletin.Compare(b.Bulletin), cmp.Compare(a.Index, b.Index))
	})
	for _, v := range versions {
		if len(list) == 0 || list[len(list)-1].Bulletin != v.Bulletin {
			list = append(list, &protocol.Erasure{Bulletin: v.Bulletin})
		}
		e := list[len(list)-1]
		e.Objects = append(e.Objects, uint64(v.Index))
	}
	return list
}

// chosen finds our own objects that a selection names, each once.
func (n *Node) chosen(s Selection) (versions []storage.Version, err error) {
	ours := func(h *protocol.Header) bool {
		return h.Org() == n.cert.Org && h.Kind == protocol.Objects && (s.Visible == nil || s.Visible(h))
	}
	for _, o := range s.Values {
		found, e := n.store.Versions(o, ours)
		versions, err = append(versions, found...), errors.Join(err, e)
	}
	for _, id := range s.IDs {
		found, e := n.store.VersionsOfID(id, ours)
		versions, err = append(versions, found...), errors.Join(err, e)
	}
	for _, id := range s.Bulletins {
		found, e := n.objectsOf(id, s.Visible)
		versions, err = append(versions, found...), errors.Join(err, e)
	}
	return once(versions), err
}

// once sorts versions by issue and leaves each in once.
func once(versions []storage.Version) []storage.Version {
	slices.SortFunc(versions, func(a, b storage.Version) int {
		return cmp.Or(cmp.Compare(a.Header.Issued, b.Header.Issued), a.Bulletin.Compare(b.Bulletin), cmp.Compare(a.Index, b.Index))
	})
	return slices.CompactFunc(versions, func(a, b storage.Version) bool { return a.Bulletin == b.Bulletin && a.Index == b.Index })
}

// objectsOf lists the objects of one of our bulletins, also those that are not
// held here any more: others may hold them.
func (n *Node) objectsOf(id protocol.ID, visible func(*protocol.Header) bool) ([]storage.Version, error) {
	list, err := n.store.VersionsIn(id)
	switch {
	case err != nil, visible != nil && !visible(list[0].Header):
		return nil, fmt.Errorf("%w: no bulletin %s is held", ErrNotFound, id)
	case list[0].Header.Org() != n.cert.Org:
		return nil, fmt.Errorf("%w: bulletin %s is of %s: only its author takes it back", ErrRefused, id, n.Name(list[0].Header.Org()))
	case list[0].Header.Kind != protocol.Objects:
		return nil, fmt.Errorf("%w: bulletin %s carries statements: they are not taken back", ErrRefused, id)
	}
	return list, nil
}

// newest keeps the last version of every object and scope; versions are in the
// order of issue.
func newest(versions []storage.Version) (list []storage.Version) {
	type key struct {
		scope uint32
		id    string
	}
	at := map[key]int{}
	for _, v := range versions {
		if v.Object.ID == "" {
			continue // not held any more: it stands nowhere by our word
		}
		k := key{v.Scope, v.Object.ID}
		if i, is := at[k]; is {
			list[i] = v
			continue
		}
		at[k] = len(list)
		list = append(list, v)
	}
	return list
}

// laxest gives all versions of an object in a scope the laxest PAP level that
// any of them was said with: whoever sees one of them sees it taken back.
func laxest(versions []storage.Version) {
	type key struct {
		scope uint32
		id    string
	}
	level := map[key]protocol.PAP{}
	for _, v := range versions {
		k := key{v.Scope, v.Object.ID}
		if was, is := level[k]; !is || v.Header.PAP < was {
			level[k] = v.Header.PAP
		}
	}
	for i, v := range versions {
		h := *v.Header
		h.PAP = level[key{v.Scope, v.Object.ID}]
		versions[i].Header = &h
	}
}

// takeBack says something about versions, in as few bulletins as their labels,
// audiences and limits allow.
func (n *Node) takeBack(ctx context.Context, versions []storage.Version,
	say func(*protocol.Header, []storage.Version) (protocol.Header, []part, error)) (taken []TakenBack, err error) {
	for _, some := range byIssue(versions) {
		issue, parts, err := say(some[0].Header, some)
		if err != nil {
			return taken, err
		}
		for _, v := range some { // the later date wins, and clocks of our nodes differ
			issue.Issued = max(issue.Issued, v.Header.Issued+1)
		}
		if err := n.noteTakeBack(ctx, issue.Kind, some); err != nil {
			return taken, err
		}
		said, err := n.author.publish(ctx, issue, parts)
		if err != nil {
			return taken, err
		}
		for _, v := range some {
			taken = append(taken, n.takenBack(v, said[0].ID()))
		}
	}
	slices.SortStableFunc(taken, func(a, b TakenBack) int {
		return cmp.Or(cmp.Compare(a.TLP, b.TLP), cmp.Compare(a.Community, b.Community), cmp.Compare(a.Audience, b.Audience))
	})
	return taken, nil
}

func (n *Node) takenBack(v storage.Version, by protocol.ID) TakenBack {
	t := TakenBack{Bulletin: v.Bulletin, Index: v.Index, ID: v.Object.ID, Claims: v.Object.Claims, TLP: v.Header.TLP, Audience: n.AudienceText(v.Header.Audience), By: by}
	if c := n.look().Communities[v.Header.Community]; c != nil {
		t.Community = c.Charter.Name
	}
	return t
}

// byIssue groups versions that were said alike, as many as fit one bulletin.
func byIssue(versions []storage.Version) (groups [][]storage.Version) {
	type key struct {
		stream protocol.ID
		pap    protocol.PAP
		drill  string
	}
	at, sizes := map[key]int{}, map[key]int{}
	for _, v := range versions {
		s := v.Header.Stream()
		s.Node = protocol.Node{} // ours, whichever node said it
		k := key{s.ID(), v.Header.PAP, v.Header.Drill}
		i, is := at[k]
		if sizes[k] += len(v.Object.Raw) + 128; !is || sizes[k] > softBody || len(groups[i]) >= protocol.MaxObjects {
			i, sizes[k] = len(groups), len(v.Object.Raw)+128
			at[k] = i
			groups = append(groups, nil)
		}
		groups[i] = append(groups[i], v)
	}
	return groups
}
