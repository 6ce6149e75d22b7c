package score

// A matching gives each of its members a place of its own, out of those the
// member may take. Members are added in descending order of weight; a member
// that fits is never dropped again, though it may be moved. Since the sets that
// fit are those of a transversal matroid, what fits this way weighs the most.
type matching struct {
	options [][]int32       // of those that fit
	taken   map[int32]int32 // place: who has it
	seen    map[int32]int32 // place: the last search that came by, or full
	came    []int32         // the places this search came by
	search  int32
}

// full marks a place that no search will ever free: one that came by failed.
const full = -1

// add reports whether another member fits.
func (m *matching) add(options []int32) bool {
	if len(options) == 0 {
		return false
	}
	if m.taken == nil {
		m.taken, m.seen = map[int32]int32{}, map[int32]int32{}
	}
	m.search++
	m.came = m.came[:0]
	m.options = append(m.options, options)
	if m.place(int32(len(m.options) - 1)) {
		return true
	}
	m.options = m.options[:len(m.options)-1]
	for _, p := range m.came {
		m.seen[p] = full
	}
	return false
}

func (m *matching) place(member int32) bool {
	for _, p := range m.options[member] {
		if s := m.seen[p]; s == m.search || s == full {
			continue
		}
		m.seen[p], m.came = m.search, append(m.came, p)
		if other, taken := m.taken[p]; taken && !m.place(other) {
			continue
		}
		m.taken[p] = member
		return true
	}
	return false
}
