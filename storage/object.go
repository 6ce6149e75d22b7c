package storage

import (
	"errors"
	"iter"
	"slices"
	"time"

	"github.com/tocsin-exchange/tocsin/protocol"
	"github.com/tocsin-exchange/tocsin/protocol/stix"
)

// Object returns what is said under a STIX id, an object's own or one it stands
// for: of every scope and object the newest version the asker may see, unless
// it has expired or was taken back. Where an object's values were said anew
// under another id, that is the newest version. Newest first. Errors are as
// for Lookup.
func (s *Store) Object(stixID string, q Query) ([]Claim, error) {
	s.mu.RLock()
	found := s.cat.collect(nil, &s.cat.names, s.index.Load().name(stixID), 0)
	s.mu.RUnlock()
	sortCandidates(found)
	var claims []Claim
	var damage error
	for i := range found {
		w, err := s.weigh(&found[i], &q)
		damage = errors.Join(damage, err)
		if w.claim.Object.ID != stixID && !slices.Contains(w.claim.Object.Aliases, stixID) {
			continue // not visible, gone, or another id with the same hash
		}
		claims = appendStanding(claims, w)
		for _, newer := range w.newer {
			w, err := s.weigh(&newer, &q)
			damage = errors.Join(damage, err)
			claims = appendStanding(claims, w)
		}
	}
	slices.SortStableFunc(claims, func(a, b Claim) int { return b.Issued.Compare(a.Issued) })
	return claims, damage
}

func appendStanding(claims []Claim, w weighed) []Claim {
	twice := slices.ContainsFunc(claims, func(c Claim) bool { return c.Arrival == w.claim.Arrival })
	if !w.counts || w.removed || twice {
		return claims
	}
	return append(claims, w.claim)
}

// A Change is an object that arrived, took another back, or was erased.
type Change struct {
	Arrival uint64
	Claim   Claim
	Removed bool // its claims no longer stand
}

// Changes yields what arrived after a position, in order of arrival: one
// change an object, with all its observables in Claim.Object.Claims. What has
// been superseded or has expired since is left out, except that an object
// which takes an older one back, or expires before it, is yielded as removed.
// An object that was erased is yielded as removed too, once more at the moment
// of the last erasure in its bulletin, even to those who never had it: by
// bulletin and index alone, since nothing else is kept of it.
// Bulletins of statements are not part of it. A body that cannot be read
// yields an error that wraps [ErrDamaged], and the walk goes on after it: its
// objects arrive anew when synchronisation has brought it again. The walk ends
// at what was [Store.Position] when it began.
func (s *Store) Changes(after uint64, q Query) iter.Seq2[Change, error] {
	return func(yield func(Change, error) bool) {
		for end := s.Position(); after < end; {
			ref, b, ok := s.nextBody(after)
			number, walk := b.body.number, s.changesOf
			if erased, e, also := s.nextErasure(after); also && (!ok || e.erasure < number) {
				ref, b, ok = erased, e, true
				number, walk = e.erasure, s.erasedOf
			}
			if !ok || arrival(number, 0) > end {
				return
			}
			start := 0
			if after>>indexBits == number {
				start = int(after&(1<<indexBits-1)) + 1
			}
			if !walk(ref, b, start, &q, yield) {
				return
			}
			after = arrival(number, 1<<indexBits-1)
		}
	}
}

// nextBody returns the first body of objects with an arrival after the given.
func (s *Store) nextBody(after uint64) (uint32, held, bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	c := s.cat
	i, _ := c.numbered(c.bodies, after>>indexBits)
	for _, ref := range c.bodies[i:] {
		b := c.bulletins[ref]
		if arrival(b.body.number, int(b.count)-1) > after && c.streams[b.stream].desc.Kind == protocol.Objects {
			return ref, b, true
		}
	}
	return 0, held{}, false
}

func (s *Store) changesOf(ref uint32, b held, start int, q *Query, yield func(Change, error) bool) bool {
	r, err := s.record(b)
	if err != nil {
		return yield(Change{}, err)
	}
	if !q.visible(&r.bulletin.Header) {
		return true
	}
	for i := start; i < int(b.count); i++ {
		v := &candidate{node: node{index: uint16(i)}, ref: ref, held: b}
		w, err := s.weigh(v, q)
		if err != nil {
			return yield(Change{}, err)
		}
		if w.counts && !yield(Change{Arrival: w.claim.Arrival, Claim: w.claim, Removed: w.removed}, nil) {
			return false
		}
	}
	return true
}

// An object weighed against the others of its scope.
type weighed struct {
	claim   Claim       // zero when the object may not be seen or is gone
	counts  bool        // neither superseded nor expired
	removed bool        // it counts only as taking back what was said before
	newer   []candidate // what supersedes it
}

// weigh reads an object as a whole and finds out whether it counts for the asker.
func (s *Store) weigh(v *candidate, q *Query) (w weighed, err error) {
	var seen bool
	if w.claim, seen, err = s.seen(v, q); !seen || err != nil {
		return w, err
	}
	superseded, shortens, err := s.versions(v, &w, q)
	if err != nil || superseded {
		return w, err
	}
	expired := !q.now().Before(w.claim.Expires)
	w.removed = w.claim.Object.Revoked || expired
	w.counts = w.claim.Object.Revoked || !expired || shortens
	return w, nil
}

// seen reads an object as a whole; false where the asker may not see it, or it
// is gone, or all that it speaks about was erased.
func (s *Store) seen(v *candidate, q *Query) (claim Claim, ok bool, err error) {
	r, err := s.record(v.held)
	if err != nil || !q.visible(&r.bulletin.Header) {
		return claim, false, err
	}
	object, ok, err := s.object(v.ref, v.held, int(v.index))
	if err != nil || !ok || s.orphan(&object, &r.bulletin.Header) {
		return claim, false, err
	}
	var first stix.Observable
	if len(object.Claims) > 0 {
		first = object.Claims[0]
	}
	claim = v.claim(r, object, first)
	claim.Expires = lastExpiry(&object, &r.bulletin.Header)
	return claim, true, nil
}

// versions compares an object with the others of its scope that speak of the
// same values, or have its id when it makes no claim: whether newer ones the
// asker may see supersede all of it (they are noted), and whether an older one
// would be valid still.
func (s *Store) versions(v *candidate, w *weighed, q *Query) (superseded, shortens bool, err error) {
	x, o := s.index.Load(), &w.claim.Object
	superseded = true
	check := func(flags uint8, hash uint64) error {
		newer, older := s.rivals(v, flags, hash, q.now())
		o, err := s.firstVisible(older, q)
		if err != nil {
			return err
		}
		shortens = shortens || o != nil
		n, err := s.firstVisible(newer, q)
		if n != nil {
			w.newer = append(w.newer, *n)
		} else if err == nil {
			superseded = false
		}
		return err
	}
	if len(o.Claims) == 0 {
		err = check(nameFlag, x.name(o.ID))
	}
	for _, claim := range o.Claims {
		err = errors.Join(err, check(0, x.value(claim)))
	}
	return superseded, shortens, err
}

// firstVisible returns the first that the asker may see, nil for none.
func (s *Store) firstVisible(list []candidate, q *Query) (*candidate, error) {
	for i := range list {
		r, err := s.record(list[i].held)
		if err != nil {
			return nil, err
		}
		if q.visible(&r.bulletin.Header) {
			return &list[i], nil
		}
	}
	return nil, nil
}

// rivals returns the newer versions of an object under a hash, newest first,
// and the older ones that have not expired.
func (s *Store) rivals(v *candidate, flags uint8, hash uint64, now time.Time) (newer, older []candidate) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	x := s.cat.under(flags)
	me := node{bulletin: v.ref, index: v.index}
	for n := range x.chain(hash) {
		b := s.cat.bulletins[n.bulletin]
		switch {
		case b.scope != v.held.scope || n.flags&aliasFlag != 0 || n.bulletin == v.ref && n.index == v.index:
		case s.cat.newer(n, &me):
			newer = append(newer, candidate{node: *n, ref: n.bulletin, held: b})
		case n.flags&revokedFlag == 0 && !n.over(now):
			older = append(older, candidate{node: *n, ref: n.bulletin, held: b})
		}
	}
	sortCandidates(newer)
	return newer, older
}
