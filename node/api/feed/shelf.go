package feed

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tocsin-exchange/tocsin/storage"
)

const (
	maxSets = 4         // groups of askers that see the same
	idle    = time.Hour // after which a group nobody asks for is forgotten
)

// A Shelf keeps the lists of a store at hand. It is safe for concurrent use and
// needs no closing; where its store is closed it answers with the store's error.
type Shelf struct {
	store *storage.Store
	turn  chan struct{} // held by the one who brings sets up to date, and guards them
	sets  []*set
}

// NewShelf makes an empty shelf.
func NewShelf(store *storage.Store) *Shelf { return &Shelf{store: store, turn: make(chan struct{}, 1)} }

// List returns a list for whoever asks with a query, as of its moment. One asker
// at a time brings the lists up to date; ctx ends the wait for that. Reading all
// anew goes on to its end once begun, so that the next asker finds it done.
//
// What the query makes visible must go by who said something to whom, under
// which label and PAP level: by the header's certificate, community, TLP, PAP and
// audience. Not by its place, date or content, since one header of a kind is
// asked about for all of them.
//
// Errors wrap [ErrUnknown], [ErrTooLong] and those of the store: where something
// cannot be read there is no list rather than one with holes.
func (s *Shelf) List(ctx context.Context, name string, q storage.Query) (List, error) {
	if typesOf(name) == nil {
		return List{}, fmt.Errorf("%w: %q (one of %s)", ErrUnknown, name, strings.Join(Names(), ", "))
	}
	if q.Now.IsZero() {
		q.Now = time.Now()
	}
	select {
	case s.turn <- struct{}{}:
	case <-ctx.Done():
		return List{}, ctx.Err()
	}
	defer func() { <-s.turn }()
	current, err := s.current(q)
	if err != nil {
		return List{}, err
	}
	l, err := current.list(name)
	if err != nil {
		err = fmt.Errorf("%w: %s has more than %d lines or %d MiB", err, name, MaxLines, MaxBytes>>20)
	}
	return l, err
}

// current returns the set for a query, up to date.
func (s *Shelf) current(q storage.Query) (*set, error) {
	s.sets = slices.DeleteFunc(s.sets, func(v *set) bool { return q.Now.Sub(v.used) > idle })
	if i := slices.IndexFunc(s.sets, func(v *set) bool { return v.sights.agree(&q) }); i >= 0 {
		v := s.sets[i]
		v.used = q.Now
		if done, err := v.follow(q); done || err != nil {
			return v, err
		}
		s.sets = slices.Delete(s.sets, i, i+1)
	}
	if len(s.sets) == maxSets {
		oldest := slices.MinFunc(s.sets, func(a, b *set) int { return cmp.Compare(a.used.UnixNano(), b.used.UnixNano()) })
		s.sets = slices.DeleteFunc(s.sets, func(v *set) bool { return v == oldest })
	}
	v, err := build(s.store, q)
	if err == nil {
		s.sets = append(s.sets, v)
	}
	return v, err
}
