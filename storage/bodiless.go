package storage

import "github.com/tocsin-exchange/tocsin/protocol"

// Bodiless returns the ids of the bulletins of objects whose body is on its way
// or was declined, stream by stream: what they say is not known here.
func (s *Store) Bodiless() (ids []protocol.ID) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for _, st := range s.cat.streams {
		if st.desc.Kind != protocol.Objects || st.states[Absent]+st.states[Declined] == 0 {
			continue
		}
		for _, ref := range st.order {
			if b := &s.cat.bulletins[ref]; (b.state == Absent || b.state == Declined) && b.pos.Compare(st.floor) >= 0 {
				ids = append(ids, b.id)
			}
		}
	}
	return ids
}
