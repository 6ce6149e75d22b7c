package node

import (
	"context"
	"errors"
	"fmt"

	"github.com/tocsin-exchange/tocsin/protocol"
	"github.com/tocsin-exchange/tocsin/protocol/stix"
	"github.com/tocsin-exchange/tocsin/storage"
)

// A sighting or an opinion outlives what it speaks of when that is erased, and
// says by its id, to whoever can guess the value, that it was there. So the store
// shows it no more, whoever's it is, and its author's node has it erased in turn.
// Nobody else can: a node whose author never learns of the first erasure keeps its
// word, unseen.

// tableOrphans has a row for each remark of ours that is to be erased, by its STIX
// id. The row is destroyed with it: such an id gives the value away to guesses.
const tableOrphans = "orphans"

// An objectAt is where an object stands.
type objectAt struct {
	bulletin protocol.ID
	index    int
}

// noteOrphans finds out by which ids others speak of what is about to be
// destroyed, and notes durably what we said of it.
func (n *Node) noteOrphans(ctx context.Context, all []storage.Erasure) error {
	going := map[objectAt]bool{}
	for _, e := range all {
		for _, i := range e.Objects {
			going[objectAt{e.ID, int(i)}] = true
		}
	}
	for i := range all {
		e := &all[i]
		if _, state := n.store.Has(e.ID); state != storage.Held {
			continue
		}
		b, _, err := n.store.Bulletin(e.ID)
		if err != nil || b.Header.Kind != protocol.Objects {
			continue // EraseAll says what is wrong with it
		}
		if e.Subjects, err = n.subjectsOf(b, e.Objects, going); err != nil {
			return err
		}
		for _, id := range e.Subjects {
			if err := n.noteOurs(ctx, id); err != nil {
				return err
			}
		}
	}
	return nil
}

// subjectsOf lists the ids of objects of a bulletin, and of their values, that
// nothing held stands for once all that is going is gone.
func (n *Node) subjectsOf(b *protocol.Bulletin, objects []uint64, going map[objectAt]bool) (ids []string, err error) {
	h, raws := &b.Header, map[uint64][]byte{}
	for i, raw := range b.Objects() {
		raws[uint64(i)] = raw
	}
	for _, i := range objects {
		o, err := stix.Parse(raws[i])
		if err != nil {
			continue // not held any more, or a later release's
		}
		left := false
		for _, value := range o.Claims {
			stays, err := n.staysClaimed(value, h, going)
			if err != nil {
				return nil, err
			}
			if left = left || stays; !stays {
				ids = append(ids, IDOf(&storage.Claim{Org: h.Org(), Community: h.Community, TLP: h.TLP, Audience: h.Audience, Observable: value}))
			}
		}
		if len(o.Claims) > 0 && !left {
			ids = append(append(ids, o.ID), o.Aliases...)
		}
	}
	return distinct(ids), nil
}

// staysClaimed reports whether the author of a bulletin claims a value in its
// scope elsewhere too.
func (n *Node) staysClaimed(value stix.Observable, h *protocol.Header, going map[objectAt]bool) (bool, error) {
	scope := string(scopeOf(h.Org(), h.Community, h.TLP, h.Audience))
	versions, err := n.store.Versions(value, func(v *protocol.Header) bool {
		return string(scopeOf(v.Org(), v.Community, v.TLP, v.Audience)) == scope
	})
	for _, v := range versions {
		if !going[objectAt{v.Bulletin, v.Index}] {
			return true, err
		}
	}
	return false, err
}

// noteOurs notes what we said of an id, to be erased too, and drops what waits for
// a person to be said of it.
func (n *Node) noteOurs(ctx context.Context, id string) error {
	said, err := n.store.About(id, storage.Query{Visible: func(h *protocol.Header) bool { return h.Org() == n.cert.Org }})
	if err != nil {
		return err
	}
	for i := range said {
		if err := n.store.Table(tableOrphans).Set(ctx, []byte(said[i].Object.ID), []byte{1}); err != nil {
			return fmt.Errorf("note what we said of it: %w", err)
		}
	}
	var waits []protocol.ID
	for held, r := range n.desk.waiting(stateHeld) {
		if r.Remark != nil && r.Remark.About == id {
			waits = append(waits, held)
		}
	}
	return n.desk.purge(ctx, waits)
}

// eraseOrphans has everybody erase what we said of what was erased. What we may
// not say any more we cannot take back either.
func (n *Node) eraseOrphans() error {
	table := n.store.Table(tableOrphans)
	for key := range table.All() {
		_, err := n.Erase(n.ctx, Selection{IDs: []string{string(key)}})
		if err != nil && !errors.Is(err, ErrNotFound) && !errors.Is(err, ErrRefused) {
			return err
		}
		brief, cancel := context.WithTimeout(n.ctx, eraseWithin)
		err = table.Purge(brief, key)
		cancel()
		if err != nil {
			return err
		}
	}
	return nil
}
