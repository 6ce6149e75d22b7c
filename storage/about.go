package storage

import (
	"cmp"
	"errors"
	"iter"
	"slices"
	"time"

	"github.com/tocsin-exchange/tocsin/protocol"
	"github.com/tocsin-exchange/tocsin/protocol/stix"
)

// What one scope says of one object is looked at up to these numbers, the newest
// first. Whoever makes ids as package stix does has one sighting and one opinion
// of an object in a scope.
const (
	MaxAbout      = 64   // sightings and opinions that count
	aboutVersions = 1024 // versions of them that are read
)

// About returns the sightings and opinions about a STIX id: of every scope and
// object the newest version the asker may see, where that is about the id, has
// neither lapsed (a year after it was last seen, or modified: Expires) nor been
// taken back; at most [MaxAbout] of a scope. Newest first. Errors are as for Lookup.
//
// An id says nothing of what it stands for, see [Store.AboutValue].
func (s *Store) About(stixID string, q Query) ([]Claim, error) {
	list, err := s.about(nil, stixID, &q)
	return inOrder(list), err
}

// about appends what is said about an id to a list.
func (s *Store) about(list []Claim, id string, q *Query) ([]Claim, error) {
	s.mu.RLock()
	var found []candidate
	if len(s.cat.abouts.heads) > 0 {
		found = s.cat.collect(nil, &s.cat.abouts, s.index.Load().about(id), 0)
	}
	s.mu.RUnlock()
	sortCandidates(found)
	var damage error
	for versions := range scopes(found) {
		var err error
		list, err = s.aboutIn(list, versions, id, q)
		damage = errors.Join(damage, err)
	}
	return list, damage
}

// scopes yields sorted candidates scope by scope.
func scopes(found []candidate) iter.Seq[[]candidate] {
	return func(yield func([]candidate) bool) {
		for len(found) > 0 {
			n := 1
			for n < len(found) && found[n].held.scope == found[0].held.scope {
				n++
			}
			if !yield(found[:n]) {
				return
			}
			found = found[n:]
		}
	}
}

// aboutIn is about for the versions of one scope, newest first.
func (s *Store) aboutIn(list []Claim, versions []candidate, id string, q *Query) ([]Claim, error) {
	var damage error
	known := map[string]bool{} // objects of which a newer version was met
	read, counted := 0, 0
	for i := range versions {
		v := &versions[i]
		if v.flags&revokedFlag != 0 || v.over(q.now()) {
			continue
		}
		if read == aboutVersions || counted == MaxAbout {
			break
		}
		claim, ok, err := s.seen(v, q)
		damage = errors.Join(damage, err)
		if !ok {
			continue
		}
		claim.Expires = lapse(&claim)
		if read++; known[claim.Object.ID] || !q.now().Before(claim.Expires) || !slices.Contains(claim.Object.About(), id) {
			continue
		}
		known[claim.Object.ID] = true
		superseded, _, err := s.versions(v, &weighed{claim: claim}, q)
		damage = errors.Join(damage, err)
		if err == nil && !superseded {
			list = append(list, claim)
			counted++
		}
	}
	return list, damage
}

// lapse is when a sighting or opinion counts no more: a year after it was last
// seen, for an opinion or where that is not said after it was modified, and no
// later than it is kept, so that no date to come makes it count for longer.
func lapse(c *Claim) time.Time {
	from := c.Object.Modified
	if !c.Object.LastSeen.IsZero() {
		from = c.Object.LastSeen
	}
	if from.After(c.Issued) {
		from = c.Issued
	}
	return from.Add(aboutLasts)
}

// AboutValue returns what stands for a value, as the exact answers of
// [Store.Lookup], and the sightings and opinions that bear on it. What is said
// of an object bears on the value
//
//   - whoever says it, under an id that id gives for a claim on the value: the one
//     an indicator of this value alone has in the claim's scope
//     ([stix.IndicatorID]), be there one or not;
//   - where the same organisation claims the value under this id or alias.
//
// No other id counts: anybody can write one, as an id or an alias, into a claim
// on any value, and would turn upon that what others said of something else.
// The claims are the newest of each scope that the asker may see; one that has
// expired or was taken back gives ids as long as it is held. id sees only what
// the asker may see; nil: it gives none.
//
// Where no sighting or opinion is held it costs what an exact Lookup does, else
// one look into memory for every id. Errors are as for Lookup.
func (s *Store) AboutValue(o stix.Observable, q Query, id func(*Claim) string) (claims, about []Claim, err error) {
	s.mu.RLock()
	found := s.cat.collect(nil, &s.cat.values, s.index.Load().value(o), 0)
	asked := len(s.cat.abouts.heads) > 0
	s.mu.RUnlock()
	sortCandidates(found)
	var refs references
	for versions := range scopes(found) {
		claim, stands, failed := s.latest(versions, &q, o)
		err = errors.Join(err, failed)
		if stands {
			claims = append(claims, claim)
		}
		if asked && claim.Object.ID != "" {
			refs.add(&claim, id)
		}
	}
	for name, ref := range refs {
		said, failed := s.about(nil, name, &q)
		err = errors.Join(err, failed)
		for _, c := range said {
			if ref.all || slices.Contains(ref.orgs, c.Org) {
				about = append(about, c)
			}
		}
	}
	return claims, inOrder(about), err
}

// latest returns the first version of a value the asker may see, and whether it
// stands. The claim is zero where there is none.
func (s *Store) latest(versions []candidate, q *Query, o stix.Observable) (claim Claim, stands bool, err error) {
	v, err := s.firstVisible(versions, q)
	if v == nil || err != nil {
		return claim, false, err
	}
	r, err := s.record(v.held)
	if err != nil {
		return claim, false, err
	}
	object, ok, err := s.object(v.ref, v.held, int(v.index))
	if err != nil || !ok || !slices.Contains(object.Claims, o) {
		return claim, false, err
	}
	claim = v.claim(r, object, o)
	return claim, !object.Revoked && q.now().Before(claim.Expires), nil
}

// references are the ids by which a value is meant.
type references map[string]*reference

// A reference says who means the value by an id.
type reference struct {
	all  bool           // everybody
	orgs []protocol.Org // else these
}

func (r *references) add(c *Claim, id func(*Claim) string) {
	if *r == nil {
		*r = make(references)
	}
	for _, name := range append([]string{c.Object.ID}, c.Object.Aliases...) {
		if ref := r.at(name); !slices.Contains(ref.orgs, c.Org) {
			ref.orgs = append(ref.orgs, c.Org)
		}
	}
	if id != nil {
		r.at(id(c)).all = true
	}
}

func (r references) at(id string) *reference {
	if r[id] == nil {
		r[id] = &reference{}
	}
	return r[id]
}

// inOrder sorts by arrival, newest first, and keeps one of each: an object may
// be about two ids of a value.
func inOrder(list []Claim) []Claim {
	slices.SortFunc(list, func(a, b Claim) int { return cmp.Compare(b.Arrival, a.Arrival) })
	return slices.CompactFunc(list, func(a, b Claim) bool { return a.Arrival == b.Arrival })
}
