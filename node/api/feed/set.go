package feed

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/tocsin-exchange/tocsin/protocol/stix"
	"github.com/tocsin-exchange/tocsin/storage"
)

const (
	portion    = 1 << 16          // values gathered before they go into the columns
	maxChanged = 1 << 16          // changed values looked up one by one; beyond that all is read anew
	clockSlack = time.Minute      // by which a clock may go back before all is read anew
	longWait   = 10 * time.Minute // before a list that was too long is tried again
)

// A set is the content of all lists for askers that see the same.
type set struct {
	store       *storage.Store
	columns     map[stix.Type]*column
	lists       map[string]List // made of the columns, when asked for
	sights      sights
	position    uint64    // of the store; what arrived up to it is in the columns
	withdrawals uint64    // of the store
	now         time.Time // of the latest answer
	built       time.Time
	used        time.Time
}

// build reads all that stands.
func build(store *storage.Store, q storage.Query) (*set, error) {
	s := &set{
		store: store, columns: map[stix.Type]*column{}, lists: map[string]List{}, sights: sights{},
		position: store.Position(), withdrawals: store.Withdrawals(), now: q.Now, built: q.Now, used: q.Now,
	}
	pending, n := map[stix.Type]news{}, 0
	for c, err := range store.Standing(s.sights.watch(q), listed) {
		if err != nil {
			return nil, fmt.Errorf("feed: %w", err)
		}
		if !actionable(&c) {
			continue
		}
		later(pending, stix.Observable{Type: c.Observable.Type, Value: strings.Clone(c.Observable.Value)}, c.Expires.UnixMilli())
		if n++; n == portion {
			s.take(pending, true)
			n = 0
		}
	}
	s.take(pending, true)
	return s, nil
}

func (s *set) column(t stix.Type) *column {
	if c := s.columns[t]; c != nil {
		return c
	}
	return &column{next: math.MaxInt64}
}

// follow brings the set up to the moment of the query; false when that takes
// reading all anew.
func (s *set) follow(q storage.Query) (bool, error) {
	if s.stale(&q) {
		return false, nil
	}
	if q.Now.Before(s.now) {
		q.Now = s.now // another asker was quicker
	}
	position := s.store.Position()
	changed, err := s.changed(s.sights.watch(q))
	if err != nil || len(changed) > maxChanged {
		return false, err
	}
	pending := map[stix.Type]news{}
	for o := range changed {
		if err := s.lookUp(pending, o, s.sights.watch(q)); err != nil {
			return false, err
		}
	}
	s.now, s.position = q.Now, position
	s.take(pending, false)
	return true, nil
}

// stale reports whether what is here can no longer be brought up to date.
func (s *set) stale(q *storage.Query) bool {
	long := slices.ContainsFunc(slices.Collect(maps.Values(s.columns)), func(c *column) bool { return c.long })
	return len(s.sights) > maxSights || s.withdrawals != s.store.Withdrawals() || q.Now.Before(s.now.Add(-clockSlack)) ||
		long && q.Now.Sub(s.built) > longWait
}

// changed returns the values of which something was said since the last time.
func (s *set) changed(q storage.Query) (map[stix.Observable]bool, error) {
	values := map[stix.Observable]bool{}
	for c, err := range s.store.Changes(s.position, q) {
		if err != nil {
			return nil, fmt.Errorf("feed: %w", err)
		}
		for _, o := range c.Claim.Object.Claims {
			if listed(o.Type) {
				values[stix.Observable{Type: o.Type, Value: strings.Clone(o.Value)}] = true
			}
		}
		if len(values) > maxChanged {
			break
		}
	}
	return values, nil
}

// lookUp finds out until when a value stands now.
func (s *set) lookUp(pending map[stix.Type]news, o stix.Observable, q storage.Query) error {
	claims, err := s.store.Lookup(o, q)
	if err != nil {
		return fmt.Errorf("feed: %w", err)
	}
	until := int64(gone)
	for i := range claims {
		if c := &claims[i]; c.Relation == storage.Exact && actionable(c) {
			until = max(until, c.Expires.UnixMilli())
		}
	}
	later(pending, o, until)
	return nil
}

// take puts news into the columns, and drops what has expired.
func (s *set) take(pending map[stix.Type]news, add bool) {
	for t, c := range s.columns {
		if pending[t] == nil && c.next <= s.now.UnixMilli() {
			pending[t] = news{}
		}
	}
	for t, n := range pending {
		s.columns[t] = s.column(t).with(n, s.now.UnixMilli(), add)
		maps.DeleteFunc(s.lists, func(name string, _ List) bool { return slices.Contains(typesOf(name), t) })
	}
	clear(pending)
}

// list returns one list of the set.
func (s *set) list(name string) (List, error) {
	if l, made := s.lists[name]; made {
		return l, nil
	}
	var columns []*column
	for _, t := range typesOf(name) {
		columns = append(columns, s.column(t))
	}
	l, err := newList(columns)
	if err == nil {
		s.lists[name] = l
	}
	return l, err
}
