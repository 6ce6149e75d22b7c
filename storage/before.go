package storage

import (
	"errors"

	"github.com/tocsin-exchange/tocsin/protocol/stix"
)

// HeldBefore reports whether anything that the asker may see is held of a value
// and arrived no later than a position: also what has expired, was superseded or
// was taken back. Errors are as for Lookup.
func (s *Store) HeldBefore(o stix.Observable, position uint64, q Query) (bool, error) {
	s.mu.RLock()
	found := s.cat.collect(nil, &s.cat.values, s.index.Load().value(o), 0)
	s.mu.RUnlock()
	var damage error
	for i := range found {
		if arrival(found[i].held.body.number, int(found[i].index)) > position {
			continue
		}
		r, err := s.record(found[i].held)
		if damage = errors.Join(damage, err); err == nil && q.visible(&r.bulletin.Header) {
			return true, nil
		}
	}
	return false, damage
}
