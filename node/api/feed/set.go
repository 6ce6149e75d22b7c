package feed

import (
	"fmt"
	"iter"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/tocsin-exchange/tocsin/protocol/stix"
	"github.com/tocsin-exchange/tocsin/storage"
)

const (
	readAhead  = 256              // claims read before those before them are judged
	portion    = 1 << 16          // values gathered before they go into the columns
	maxChanged = 1 << 16          // changed values looked up one by one; beyond that all is read anew
	clockSlack = time.Minute      // by which a clock may go back before all is read anew
	longWait   = 10 * time.Minute // before a list that was too long is tried again
	day        = 24 * time.Hour   // after which all is judged anew: outcomes fade, and scores with them
)

// A set is the content of all lists for askers that see the same.
type set struct {
	store       *storage.Store
	columns     map[stix.Type]*column
	shown       map[key]*shown // of the columns, when asked for
	guards      map[key]*guard
	selections  map[string]*selection
	latest      int64  // of the dates of the selections, in Unix seconds
	floor       int64  // what was told before the start is no later
	dated       uint64 // how often one was
	holds       uint64 // how often something was stopped
	id          uint64 // of its baseline; 0: nothing was written yet
	written     time.Time
	asWritten   standing
	sights      sights
	public      sights                    // those in the latest notice of its alarms; never changed
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
		store: store, columns: map[stix.Type]*column{}, shown: map[key]*shown{}, guards: map[key]*guard{},
		selections: map[string]*selection{}, sights: sights{},
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
	for c, err := range ahead(store.Standing(s.sights.watch(q), listed)) {
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

// A read is a claim that was read, or why it was not.
type read struct {
	claim storage.Stood
	err   error
}

// ahead reads on while claims are judged, a few hundred ahead. Where that ends early
// it waits for the reading to end.
func ahead(claims iter.Seq2[storage.Stood, error]) iter.Seq2[*storage.Stood, error] {
	return func(yield func(*storage.Stood, error) bool) {
		batches, quit := make(chan []read, 2), make(chan struct{})
		go func() {
			defer close(batches)
			fetch(claims, batches, quit)
		}()
		defer func() {
			close(quit)
			for range batches { // until it is closed
			}
		}()
		for batch := range batches {
			for i := range batch {
				if !yield(&batch[i].claim, batch[i].err) {
					return
				}
			}
		}
	}
}

// fetch sends claims in batches until there are no more or nobody wants them.
func fetch(claims iter.Seq2[storage.Stood, error], batches chan<- []read, quit <-chan struct{}) {
	batch := make([]read, 0, readAhead)
	for c, err := range claims {
		if batch = append(batch, read{c, err}); len(batch) < readAhead {
			continue
		}
		select {
		case batches <- batch:
			batch = make([]read, 0, readAhead)
		case <-quit:
			return
		}
	}
	select {
	case batches <- batch:
	case <-quit:
	}
}

// doze drops all but the guards, what was told when, and what tells whose they are.
func (s *set) doze() {
	s.columns, s.shown, s.again, s.derived, s.remarks, s.asleep = nil, nil, nil, nil, nil, true
	for _, sel := range s.selections {
		sel.forget()
	}
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
		!q.Now.Truncate(day).Equal(s.built.Truncate(day)) || long && q.Now.Sub(s.built) > longWait
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
	clear(s.shown) // what stands still is not in the columns
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
		maps.DeleteFunc(s.shown, func(k key, _ *shown) bool { return k.kind == t })
	}
	clear(pending)
}
