package feed

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/tocsin-exchange/tocsin/protocol/stix"
	"github.com/tocsin-exchange/tocsin/storage"
	"github.com/tocsin-exchange/tocsin/trust/score"
)

const (
	maxSets = 4                  // groups of askers that see the same
	idle    = time.Hour          // after which the lists of a group nobody asks for are dropped
	absence = 7 * 24 * time.Hour // after which it is forgotten what they were
)

// ErrNotHeld: no such list stands still, or not one that the asker may see.
var ErrNotHeld = errors.New("the feed does not stand still")

// A Shelf keeps the lists of a store at hand. It is safe for concurrent use and
// needs no closing, though [Shelf.Save] helps before an ordered stop; where its store
// is closed it answers with the store's error.
type Shelf struct {
	store     *storage.Store
	name      string
	judge     func(now time.Time) Judging
	turn      chan struct{} // held by the one who brings sets up to date, and guards all below
	sets      []*set
	spare     budget
	holds     uint64 // of sets that are gone
	unwritten uint64
	notice    atomic.Pointer[notice]
}

// NewShelf makes a shelf whose values are judged as is said for a moment. Its
// name is its own among those of the store, and the same after every start.
func NewShelf(store *storage.Store, name string, judge func(now time.Time) Judging) *Shelf {
	s := &Shelf{store: store, name: name, judge: judge, turn: make(chan struct{}, 1), spare: budget{left: burst, at: time.Now()}}
	s.notice.Store(&notice{})
	return s
}

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
func (s *Shelf) List(ctx context.Context, name string, tier score.Tier, q storage.Query) (List, error) {
	if err := known(name); err != nil {
		return List{}, err
	}
	if err := s.enter(ctx); err != nil {
		return List{}, err
	}
	defer s.leave()
	current, q, j, err := s.current(q)
	if err != nil {
		return List{}, err
	}
	l, err := current.list(name, tier, q, j)
	s.keep(ctx, current, false)
	if errors.Is(err, ErrTooLong) {
		err = fmt.Errorf("%w: %s has more than %d lines or %d MiB", err, name, MaxLines, MaxBytes>>20)
	}
	return l, err
}

// Entries returns the values of some types in a tier for whoever asks with a
// query, as of its moment, guarded as the lists are. Types of which nothing is
// kept have none, and their order is that of the lists. What is returned stays as it is,
// however long it takes to read. It waits and fails as [Shelf.List] does.
func (s *Shelf) Entries(ctx context.Context, types []stix.Type, tier score.Tier, q storage.Query) (Entries, error) {
	if err := s.enter(ctx); err != nil {
		return Entries{}, err
	}
	defer s.leave()
	current, q, j, err := s.current(q)
	if err != nil {
		return Entries{}, err
	}
	e, err := current.entries(types, tier, q, j)
	s.keep(ctx, current, false)
	if errors.Is(err, ErrTooLong) {
		err = fmt.Errorf("%w: there are more than %d values or %d MiB", err, MaxLines, MaxBytes>>20)
	}
	return e, err
}

func known(name string) error {
	if typesOf(name) == nil {
		return fmt.Errorf("%w: %q (one of %s)", ErrUnknown, name, strings.Join(Names(), ", "))
	}
	return nil
}

func (s *Shelf) enter(ctx context.Context) error {
	select {
	case s.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s *Shelf) leave() {
	s.publish()
	<-s.turn
}

// current returns the set for a query, up to date, and the query and the judging
// of its moment.
func (s *Shelf) current(q storage.Query) (*set, storage.Query, *Judging, error) {
	if q.Now.IsZero() {
		q.Now = time.Now()
	}
	s.tidy(q.Now)
	i := slices.IndexFunc(s.sets, func(v *set) bool { return v.sights.agree(&q) })
	if i < 0 {
		j := s.judge(q.Now)
		if len(s.sets) == maxSets {
			oldest := slices.MinFunc(s.sets, func(a, b *set) int { return cmp.Compare(a.used.UnixNano(), b.used.UnixNano()) })
			s.drop(func(v *set) bool { return v == oldest })
		}
		v, err := s.build(q, &j)
		if err == nil {
			s.recall(v)
			s.sets = append(s.sets, v)
		}
		return v, q, &j, err
	}
	old := s.sets[i]
	if q.Now.Before(old.now) && !q.Now.Before(old.now.Add(-clockSlack)) {
		q.Now = old.now // another asker was quicker
	}
	j := s.judge(q.Now)
	old.used = q.Now
	if done, err := s.follow(old, q, &j); done || err != nil {
		return old, q, &j, err
	}
	old.doze()
	v, err := s.build(q, &j)
	if err == nil {
		v.succeed(old)
		s.sets[i] = v
	}
	return v, q, &j, err
}

func (s *Shelf) build(q storage.Query, j *Judging) (*set, error) {
	began := time.Now()
	v, err := build(s.store, q, j)
	s.spare.spend(time.Since(began))
	return v, err
}

// follow brings a set up to date. What may be judged otherwise without news is
// read anew as soon as there is time for that; what may never act goes at once.
func (s *Shelf) follow(v *set, q storage.Query, j *Judging) (bool, error) {
	if v.mark != j.Mark && !v.asleep {
		if s.spare.allows() {
			return false, nil
		}
		v.sift(j)
	}
	return v.follow(q, j)
}

// tidy drops what is at hand for groups that nobody asks for. What their lists
// were it keeps, since that is what the next answer must not be too far from.
func (s *Shelf) tidy(now time.Time) {
	s.drop(func(v *set) bool {
		away := now.Sub(v.used)
		if away > idle {
			v.doze()
		}
		return away > absence
	})
}

// drop forgets groups of askers, but not how often their lists were stopped.
func (s *Shelf) drop(gone func(*set) bool) {
	s.sets = slices.DeleteFunc(s.sets, func(v *set) bool {
		if gone(v) {
			s.holds += v.holds
			return true
		}
		return false
	})
}

// Release lets what stands still of a list, or of a type, be what it should be,
// for all groups of askers that see no more than whoever asks with a query.
// Errors wrap [ErrUnknown] and [ErrNotHeld].
func (s *Shelf) Release(ctx context.Context, name string, tier score.Tier, q storage.Query) error {
	types := meant(name)
	if types == nil {
		return known(name)
	}
	if err := s.enter(ctx); err != nil {
		return err
	}
	defer s.leave()
	if q.Now.IsZero() {
		q.Now = time.Now()
	}
	released := 0
	for _, v := range s.sets {
		before := released
		for _, t := range types {
			k := key{t, tier}
			if g := v.guards[k]; g != nil && g.hold != nil && q.Now.Before(g.hold.Until) && v.sights.within(&q) {
				*g = guard{}
				delete(v.shown, k)
				released++
			}
		}
		if released > before {
			s.keep(ctx, v, true)
		}
	}
	if released == 0 {
		return fmt.Errorf("%w: %s of tier %s", ErrNotHeld, name, tier)
	}
	return nil
}
