package intake

import "hash/maphash"

// maxSlots bounds the table of [seen]: 32 MiB.
const maxSlots = 1 << 22

// seen remembers values by a 64-bit hash under a random seed, so that no file
// can be made to collide. When it is full it remembers no more and says of
// everything else that it is new.
type seen struct {
	seed  maphash.Seed
	slots []uint64
	n     int
}

func newSeen() *seen {
	return &seen{seed: maphash.MakeSeed(), slots: make([]uint64, 1<<10)}
}

// again reports whether the parts were here before, and remembers them.
func (s *seen) again(parts ...string) bool {
	var h maphash.Hash
	h.SetSeed(s.seed)
	for _, p := range parts {
		h.WriteString(p)
		h.WriteByte(0)
	}
	key := h.Sum64() | 1 // zero marks an empty slot
	i := s.find(key)
	if s.slots[i] == key {
		return true
	}
	if s.n*4 >= len(s.slots)*3 {
		if len(s.slots) >= maxSlots {
			return false
		}
		s.grow()
		i = s.find(key)
	}
	s.slots[i] = key
	s.n++
	return false
}

// find returns the slot of key, or the empty one where it belongs.
func (s *seen) find(key uint64) int {
	mask := uint64(len(s.slots) - 1)
	i := key >> 1 & mask
	for s.slots[i] != 0 && s.slots[i] != key {
		i = (i + 1) & mask
	}
	return int(i)
}

func (s *seen) grow() {
	old := s.slots
	s.slots = make([]uint64, 2*len(old))
	for _, key := range old {
		if key != 0 {
			s.slots[s.find(key)] = key
		}
	}
}
