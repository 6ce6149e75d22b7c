package storage

import (
	"errors"
	"slices"

	"github.com/tocsin-exchange/tocsin/protocol"
	"github.com/tocsin-exchange/tocsin/protocol/stix"
)

// A Version is one object that is held, whether it still counts or not.
type Version struct {
	Bulletin protocol.ID
	Index    int
	Moment   Moment // 0 where it is not held any more
	Header   *protocol.Header
	Scope    uint32      // in which versions supersede one another; good while the store is open
	Object   stix.Object // zero where it is not held any more
}

// Versions returns every object held that names exactly a value, superseded,
// expired and revoked ones included, oldest first. Errors are as for Lookup.
func (s *Store) Versions(o stix.Observable, visible func(*protocol.Header) bool) ([]Version, error) {
	return s.versionsOf(0, s.index.Load().value(o), visible, func(v *stix.Object) bool { return slices.Contains(v.Claims, o) })
}

// VersionsOfID is Versions for a STIX id, an object's own or one it stands for.
func (s *Store) VersionsOfID(id string, visible func(*protocol.Header) bool) ([]Version, error) {
	return s.versionsOf(nameFlag, s.index.Load().name(id), visible, func(v *stix.Object) bool {
		return v.ID == id || slices.Contains(v.Aliases, id)
	})
}

// Newest returns the newest version under a STIX id that is wanted, if there is one.
// It reads no more than it takes. Errors are as for Lookup.
func (s *Store) Newest(id string, wanted func(*Version) bool) (latest Version, ok bool, damage error) {
	s.mu.RLock()
	found := s.cat.collect(nil, s.cat.under(nameFlag), s.index.Load().name(id), 0)
	s.mu.RUnlock()
	sortCandidates(found)
	for _, v := range found {
		r, err := s.record(v.held)
		if err != nil {
			damage = errors.Join(damage, err)
			continue
		}
		o, held, err := s.object(v.ref, v.held, int(v.index))
		damage = errors.Join(damage, err)
		latest = Version{v.held.id, int(v.index), v.held.body.moment + Moment(v.index), &r.bulletin.Header, v.held.scope, o}
		if held && o.ID == id && wanted(&latest) {
			return latest, true, nil
		}
	}
	return Version{}, false, damage
}

// VersionsIn returns the objects of a bulletin, also those that are not held any
// more. Errors wrap [ErrNotFound] or [ErrDamaged].
func (s *Store) VersionsIn(id protocol.ID) ([]Version, error) {
	_, at, err := s.find(id)
	if err != nil {
		return nil, err
	}
	b, _, err := s.Bulletin(id)
	if err != nil {
		return nil, err
	}
	list := make([]Version, b.Header.Count)
	for i := range list {
		list[i] = Version{Bulletin: id, Index: i, Header: &b.Header, Scope: at.scope}
	}
	for i, raw := range b.Objects() {
		if o, err := stix.Parse(raw); err == nil {
			list[i].Object, list[i].Moment = o, at.body.moment+Moment(i)
		}
	}
	return list, nil
}

func (s *Store) versionsOf(flags uint8, hash uint64, visible func(*protocol.Header) bool, is func(*stix.Object) bool) (list []Version, damage error) {
	s.mu.RLock()
	found := s.cat.collect(nil, s.cat.under(flags), hash, 0)
	s.mu.RUnlock()
	sortCandidates(found)
	for _, v := range slices.Backward(found) {
		r, err := s.record(v.held)
		if err != nil {
			damage = errors.Join(damage, err)
			continue
		}
		if visible != nil && !visible(&r.bulletin.Header) {
			continue
		}
		o, ok, err := s.object(v.ref, v.held, int(v.index))
		damage = errors.Join(damage, err)
		twice := slices.ContainsFunc(list, func(w Version) bool { return w.Bulletin == v.held.id && w.Index == int(v.index) })
		if ok && is(&o) && !twice {
			moment := v.held.body.moment + Moment(v.index)
			list = append(list, Version{v.held.id, int(v.index), moment, &r.bulletin.Header, v.held.scope, o})
		}
	}
	return list, damage
}
