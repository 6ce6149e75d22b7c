package feed

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

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
// needs no closing; where its store is closed it answers with the store's error.
type Shelf struct {
	store *storage.Store
	judge func(now time.Time) Judging
	turn  chan struct{} // held by the one who brings sets up to date, and guards all below
	sets  []*set
	spare budget
}

// NewShelf makes an empty shelf whose values are judged as is said for a moment.
func NewShelf(store *storage.Store, judge func(now time.Time) Judging) *Shelf {
	return &Shelf{store: store, judge: judge, turn: make(chan struct{}, 1), spare: budget{left: burst, at: time.Now()}}
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
	l, err := current.list(key{name, tier}, q, j)
	if errors.Is(err, ErrTooLong) {
		err = fmt.Errorf("%w: %s has more than %d lines or %d MiB", err, name, MaxLines, MaxBytes>>20)
	}
	return l, err
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

func (s *Shelf) leave() { <-s.turn }

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
			s.sets = slices.DeleteFunc(s.sets, func(v *set) bool { return v == oldest })
		}
		v, err := s.build(q, &j)
		if err == nil {
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
		v.guards, s.sets[i] = old.guards, v
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

// tidy drops lists nobody asks for. Of those that machines act on it keeps what
// they were, since that is what the next answer must not be too far from.
func (s *Shelf) tidy(now time.Time) {
	s.sets = slices.DeleteFunc(s.sets, func(v *set) bool {
		away := now.Sub(v.used)
		if away > idle {
			v.doze()
		}
		return away > idle && len(v.guards) == 0 || away > absence
	})
}

// Alarms returns the lists that stand still at the moment of a query, of all
// groups of askers that see no more than this one.
func (s *Shelf) Alarms(ctx context.Context, q storage.Query) ([]Alarm, error) {
	if err := s.enter(ctx); err != nil {
		return nil, err
	}
	defer s.leave()
	if q.Now.IsZero() {
		q.Now = time.Now()
	}
	var alarms []Alarm
	for _, v := range s.sets {
		for _, g := range v.guards {
			if g.hold != nil && q.Now.Before(g.hold.Until) && v.sights.within(&q) {
				alarms = append(alarms, *g.hold)
			}
		}
	}
	slices.SortFunc(alarms, func(a, b Alarm) int {
		return cmp.Or(cmp.Compare(b.Tier, a.Tier), cmp.Compare(a.Feed, b.Feed), a.Since.Compare(b.Since), cmp.Compare(a.Lines, b.Lines))
	})
	return alarms, nil
}

// Release lets a list that stands still be what it should be, for all groups of
// askers that see no more than whoever asks with a query. Errors wrap
// [ErrUnknown] and [ErrNotHeld].
func (s *Shelf) Release(ctx context.Context, name string, tier score.Tier, q storage.Query) error {
	if err := known(name); err != nil {
		return err
	}
	if err := s.enter(ctx); err != nil {
		return err
	}
	defer s.leave()
	if q.Now.IsZero() {
		q.Now = time.Now()
	}
	k, released := key{name, tier}, 0
	for _, v := range s.sets {
		if g := v.guards[k]; g != nil && g.hold != nil && q.Now.Before(g.hold.Until) && v.sights.within(&q) {
			*g = guard{}
			delete(v.lists, k)
			released++
		}
	}
	if released == 0 {
		return fmt.Errorf("%w: %s of tier %s", ErrNotHeld, name, tier)
	}
	return nil
}
