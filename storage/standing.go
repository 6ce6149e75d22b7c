package storage

import (
	"errors"
	"iter"
	"slices"

	"github.com/tocsin-exchange/tocsin/protocol"
	"github.com/tocsin-exchange/tocsin/protocol/stix"
)

// Standing yields every claim that stands for the asker at one moment, of the
// types asked for: what [Store.Lookup] gives as exact answers, for all values,
// each once, in order of arrival, and whether it is alone. It reads every body that may hold one, about
// 8 s of processor time for a million claims; whoever asks often keeps what came
// and follows [Store.Changes] and [Store.Withdrawals]. What cannot be read yields
// an error that wraps [ErrDamaged], and the walk goes on after it. The walk ends
// at what was [Store.Position] when it began; what is kept or taken back while it
// goes on may be in it or not.
func (s *Store) Standing(q Query, types func(stix.Type) bool) iter.Seq2[Stood, error] {
	return func(yield func(Stood, error) bool) {
		reads, err := s.begin() // what is closed may have all of it in memory still
		if err != nil {
			yield(Stood{}, err)
			return
		}
		s.end(reads) // a walk is long: erasures need not wait for it
		w := standing{s: s, q: q, types: types, yield: yield}
		w.q.Now = q.now()
		for after, end := uint64(0), s.Position(); after < end; {
			ref, b, ok := s.nextBody(after)
			if !ok || arrival(b.body.number, 0) > end || !w.body(ref, b) {
				return
			}
			after = arrival(b.body.number, 1<<indexBits-1)
		}
	}
}

// Stood is a claim that stands. It is alone where nothing is held of the value in
// any other scope, visible or not.
type Stood struct {
	Claim
	Alone bool
}

// A standing is one walk over what stands.
type standing struct {
	s     *Store
	q     Query
	types func(stix.Type) bool
	yield func(Stood, error) bool
	room  []candidate // of the versions of one value
}

// body yields what stands in one body; false when nobody listens any more.
func (w *standing) body(ref uint32, b held) bool {
	if b.body.expires != forever && int64(b.body.expires) <= w.q.Now.Unix() {
		return true // the last of its claims has expired: nothing need be read
	}
	r, err := w.s.record(b)
	if err != nil {
		return w.yield(Stood{}, err)
	}
	if !w.q.visible(&r.bulletin.Header) {
		return true
	}
	for i := range int(b.count) {
		object, ok, err := w.s.object(ref, b, i)
		if err != nil && !w.yield(Stood{}, err) {
			return false
		}
		if err != nil || !ok || object.Revoked {
			continue
		}
		for _, o := range object.Claims {
			if w.types(o.Type) && !w.claim(r, ref, b, i, object, o) {
				return false
			}
		}
	}
	return true
}

// claim yields a claim unless another version counts in its place. Most values
// have one version in a scope, and what this one says is at hand already.
func (w *standing) claim(r *record, ref uint32, b held, i int, object stix.Object, o stix.Observable) bool {
	versions := w.versions(b.scope, o)
	var claim Claim
	var stands bool
	var err error
	if len(versions) > 0 && versions[0].ref == ref && int(versions[0].index) == i {
		claim = versions[0].claim(r, object, o)
		stands = w.q.Now.Before(claim.Expires)
	} else {
		claim, stands, err = w.s.newest(versions, &w.q, o)
		stands = stands && claim.Arrival == arrival(b.body.number, i)
	}
	if err != nil {
		return w.yield(Stood{}, err)
	}
	return !stands || w.yield(Stood{claim, len(versions) == len(w.room)}, nil)
}

// versions returns what a scope said of a value, newest first. It is good until
// the next call.
func (w *standing) versions(scope uint32, o stix.Observable) []candidate {
	s := w.s
	s.mu.RLock()
	w.room = s.cat.collect(w.room[:0], &s.cat.values, s.index.Load().value(o), 0)
	s.mu.RUnlock()
	n := 0
	for _, v := range w.room {
		if v.held.scope == scope {
			w.room[n] = v
			n++
		}
	}
	sortCandidates(w.room[:n])
	return w.room[:n]
}

// Remarked reports whether a sighting or an opinion is held that may bear on a
// claim's value, visible or not: about the claim's object, or about the id. Where
// none is held it costs nothing.
func (s *Store) Remarked(c *Claim, id string) bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	x, abouts := s.index.Load(), &s.cat.abouts
	if len(abouts.heads) == 0 {
		return false
	}
	for _, name := range append([]string{id, c.Object.ID}, c.Object.Aliases...) {
		for range abouts.chain(x.about(name)) {
			return true
		}
	}
	return false
}

// Meant returns the values of all objects held under a STIX id, an object's own or
// one it stands for, that the asker may see: of those too that have expired, were
// superseded or were taken back. Errors are as for Lookup.
func (s *Store) Meant(id string, q Query) ([]stix.Observable, error) {
	s.mu.RLock()
	found := s.cat.collect(nil, &s.cat.names, s.index.Load().name(id), 0)
	s.mu.RUnlock()
	var values []stix.Observable
	var damage error
	for i := range found {
		claim, ok, err := s.seen(&found[i], &q)
		damage = errors.Join(damage, err)
		if ok && (claim.Object.ID == id || slices.Contains(claim.Object.Aliases, id)) {
			values = append(values, claim.Object.Claims...)
		}
	}
	return values, damage
}

// Speakers returns the organisations of which anything is held on a value that the
// asker may see, each once: also what has expired, was superseded or was taken
// back. There is none where everything was erased, or the keys disowned that said
// it. Errors are as for Lookup.
func (s *Store) Speakers(o stix.Observable, q Query) ([]protocol.Org, error) {
	s.mu.RLock()
	found := s.cat.collect(nil, &s.cat.values, s.index.Load().value(o), 0)
	s.mu.RUnlock()
	var orgs []protocol.Org
	var damage error
	for i := range found {
		r, err := s.record(found[i].held)
		damage = errors.Join(damage, err)
		if err != nil || !q.visible(&r.bulletin.Header) {
			continue
		}
		if org := r.bulletin.Header.Org(); !slices.Contains(orgs, org) {
			orgs = append(orgs, org)
		}
	}
	return orgs, damage
}

// Withdrawals is a number that changes when claims may have ceased or begun to
// stand in another way than by an arrival or by the passing of time: by an
// erasure, by a key that was disowned, by a header of such a key that was found
// to be good. A sweep does not change it, since it drops only what counts no
// more. It takes about 10 ms where a million headers are held.
func (s *Store) Withdrawals() uint64 {
	s.mu.RLock()
	defer s.mu.RUnlock()
	sum := uint64(0)
	for ref := range s.cat.bulletins {
		b := &s.cat.bulletins[ref]
		if b.body.gen != 0 || b.state == Erased || b.disowned {
			sum += mix(uint64(ref)<<24 | uint64(b.body.gen)<<8 | uint64(b.state)<<1 | uint64(boolByte(b.disowned)))
		}
	}
	return sum
}

// mix spreads bits, so that sums of what it returns differ.
func mix(x uint64) uint64 {
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
