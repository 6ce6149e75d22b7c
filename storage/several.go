package storage

import (
	"github.com/tocsin-exchange/tocsin/protocol"
	"github.com/tocsin-exchange/tocsin/protocol/stix"
)

// Several reports whether more than one organisation has claimed a value in what
// is held, visible or not, standing or not. It is one look into memory.
func (s *Store) Several(o stix.Observable) bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	var first protocol.Org
	for n := range s.cat.values.chain(s.index.Load().value(o)) {
		org := s.cat.streams[s.cat.bulletins[n.bulletin].stream].org
		switch {
		case first.IsZero():
			first = org
		case org != first:
			return true
		}
	}
	return false
}
