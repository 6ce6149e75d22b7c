package feed

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/tocsin-exchange/tocsin/protocol/stix"
	"github.com/tocsin-exchange/tocsin/storage"
	"github.com/tocsin-exchange/tocsin/trust/score"
)

const (
	portion    = 1 << 16          // values gathered before they go into the columns
	maxChanged = 1 << 16          // changed values looked up one by one; beyond that all is read anew
	clockSlack = time.Minute      // by which a clock may go back before all is read anew
	longWait   = 10 * time.Minute // before a list that was too long is tried again
	freshness  = 24 * time.Hour   // after which all is judged anew: outcomes fade, and scores with them
)

// A set is the content of all lists for askers that see the same.
type set struct {
	store       *storage.Store
	columns     map[stix.Type]*column
	lists       map[key]*made // made of the columns, when asked for
	guards      map[key]*guard
	sights      sights
	again       map[stix.Observable]int64 // when values must be judged again
	derived     map[string]stix.Observable
	remarks     map[string]map[stix.Observable]bool
	position    uint64    // of the store; what arrived up to it is in the columns
	withdrawals uint64    // of the store
	mark        uint64    // of the judging, when all was read
	sifted      uint64    // of the latest one by which what may never act was taken out
	now         time.Time // of the latest answer
	built       time.Time
	used        time.Time
	asleep      bool // its columns were dropped
}

// build reads all that stands.
func build(store *storage.Store, q storage.Query, j *Judging) (*set, error) {
	s := &set{
		store: store, columns: map[stix.Type]*column{}, lists: map[key]*made{}, guards: map[key]*guard{}, sights: sights{},
		again: map[stix.Observable]int64{}, derived: map[string]stix.Observable{}, remarks: map[string]map[stix.Observable]bool{},
		position: store.Position(), withdrawals: store.Withdrawals(), mark: j.Mark, sifted: j.Mark, now: q.Now, built: q.Now, used: q.Now,
	}
	pending, n := map[stix.Type]news{}, 0
	put := func(o stix.Observable, v verdict) {
		note(pending, o, v)
		if n++; n == portion {
			s.take(pending)
			n = 0
		}
	}
	several := map[stix.Observable]bool{}
	for c, err := range store.Standing(s.sights.watch(q), listed) {
		if err != nil {
			return nil, fmt.Errorf("feed: %w", err)
		}
		o, id := clone(c.Observable), j.ID(&c.Claim)
		if !c.Alone || store.Remarked(&c.Claim, id) {
			several[o] = true
			continue
		}
		s.noteID(&c.Claim, id)
		put(o, s.judge(j, o, []storage.Claim{c.Claim}, nil))
	}
	for o := range several {
		v, err := s.lookUp(o, s.sights.watch(q), j)
		if err != nil {
			return nil, err
		}
		put(o, v)
	}
	s.take(pending)
	return s, nil
}

// doze drops all but the guards, and what tells whose they are.
func (s *set) doze() {
	s.columns, s.lists, s.again, s.derived, s.remarks, s.asleep = nil, nil, nil, nil, nil, true
}

func (s *set) column(t stix.Type) *column {
	if c := s.columns[t]; c != nil {
		return c
	}
	return &column{next: math.MaxInt64}
}

// follow brings the set up to the moment of the query; false when that takes
// reading all anew.
func (s *set) follow(q storage.Query, j *Judging) (bool, error) {
	if s.stale(&q) {
		return false, nil
	}
	position := s.store.Position()
	changed, err := s.changed(s.sights.watch(q))
	if err != nil || len(changed) > maxChanged {
		return false, err
	}
	pending := map[stix.Type]news{}
	for o := range changed {
		v, err := s.lookUp(o, s.sights.watch(q), j)
		if err != nil {
			return false, err
		}
		note(pending, o, v)
	}
	s.now, s.position = q.Now, position
	s.take(pending)
	return true, nil
}

// stale reports whether what is here can no longer be brought up to date.
func (s *set) stale(q *storage.Query) bool {
	long := slices.ContainsFunc(slices.Collect(maps.Values(s.columns)), func(c *column) bool { return c.long })
	return s.asleep || len(s.sights) > maxSights || s.withdrawals != s.store.Withdrawals() || q.Now.Before(s.now.Add(-clockSlack)) ||
		q.Now.Sub(s.built) > freshness || long && q.Now.Sub(s.built) > longWait
}

// changed returns the values of which something was said since the last time,
// or that may be judged otherwise by now.
func (s *set) changed(q storage.Query) (map[stix.Observable]bool, error) {
	values := map[stix.Observable]bool{}
	for o, at := range s.again {
		if at <= q.Now.UnixMilli() {
			values[o] = true
		}
	}
	for c, err := range s.store.Changes(s.position, q) {
		if err != nil {
			return nil, fmt.Errorf("feed: %w", err)
		}
		if err := s.touched(values, &c.Claim.Object, q); err != nil {
			return nil, err
		}
		if len(values) > maxChanged {
			break
		}
	}
	return values, nil
}

// touched adds the values that an object speaks of: what it claims, and for a
// sighting or an opinion what it is about and what it was about before.
func (s *set) touched(values map[stix.Observable]bool, object *stix.Object, q storage.Query) error {
	for _, o := range object.Claims {
		if listed(o.Type) {
			values[clone(o)] = true
		}
	}
	maps.Copy(values, s.remarks[object.ID])
	for _, id := range object.About() {
		if o, known := s.derived[id]; known {
			values[o] = true
		}
		meant, err := s.store.Meant(id, q)
		if err != nil {
			return fmt.Errorf("feed: %w", err)
		}
		for _, o := range meant {
			if listed(o.Type) {
				values[clone(o)] = true
			}
		}
	}
	return nil
}

// lookUp judges a value by all that is said of it now.
func (s *set) lookUp(o stix.Observable, q storage.Query, j *Judging) (verdict, error) {
	delete(s.again, o)
	claims, about, err := s.store.AboutValue(o, q, j.ID)
	if err != nil {
		return verdict{}, fmt.Errorf("feed: %w", err)
	}
	for i := range claims {
		s.noteID(&claims[i], j.ID(&claims[i]))
	}
	return s.judge(j, o, claims, about), nil
}

// sift takes out what may never act by rules that all else is not yet judged by.
func (s *set) sift(j *Judging) {
	if s.sifted == j.Mark {
		return
	}
	pending := map[stix.Type]news{}
	for t, c := range s.columns {
		for i := range c.ends {
			if o := (stix.Observable{Type: t, Value: string(c.line(i))}); j.Never(o) {
				note(pending, o, verdict{})
			}
		}
	}
	s.take(pending)
	clear(s.lists) // what stands still is not in the columns
	s.sifted = j.Mark
}

// take puts news into the columns, and drops what is in no tier any more.
func (s *set) take(pending map[stix.Type]news) {
	now := s.now.UnixMilli()
	for t, c := range s.columns {
		if pending[t] == nil && c.next <= now {
			pending[t] = news{}
		}
	}
	for t, n := range pending {
		s.columns[t] = s.column(t).with(n, now)
		maps.DeleteFunc(s.lists, func(k key, _ *made) bool { return slices.Contains(typesOf(k.name), t) })
	}
	clear(pending)
}

// A key names one list of a set.
type key struct {
	name string
	tier score.Tier
}

// made is a list, and until when it is that.
type made struct {
	list   List
	until  int64
	guards Guards
}

// list returns one list of the set.
func (s *set) list(k key, q storage.Query, j *Judging) (List, error) {
	now := s.now.UnixMilli()
	if m := s.lists[k]; m != nil && now < m.until && m.guards == j.Guards {
		return m.list, nil
	}
	var columns []*column
	for _, t := range typesOf(k.name) {
		columns = append(columns, s.column(t))
	}
	picked, left := pick(columns, k.tier, now, max(1, min(j.Guards.Lines, MaxLines)))
	until := int64(math.MaxInt64)
	var held time.Time
	if k.tier != score.Observe && !slices.ContainsFunc(picked, func(c *column) bool { return c.long }) {
		g := s.guard(k)
		var err error
		if picked, err = g.pass(picked, &crossing{set: s, key: k, q: q, j: j, now: now}); err != nil {
			return List{}, err
		}
		if g.hold != nil {
			held, until = g.hold.Until, g.hold.Until.UnixMilli()
		}
	}
	l, err := newList(picked)
	if err != nil {
		return l, err
	}
	l.LeftOut, l.Held = left, held
	s.lists[k] = &made{l, min(until, ending(picked, k.tier, now)), j.Guards}
	return l, nil
}

func (s *set) guard(k key) *guard {
	g := s.guards[k]
	if g == nil {
		g = &guard{}
		s.guards[k] = g
	}
	return g
}
