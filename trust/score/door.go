package score

import (
	"maps"
	"slices"

	"github.com/tocsin-exchange/tocsin/protocol"
	"github.com/tocsin-exchange/tocsin/trust"
)

// mostDoors is how many doors of one organisation are kept beside its own, those
// of the lowest keys. Having fewer only makes it weaker.
const mostDoors = 16

// A Door is where strangers came in: the first organisation on the way that is
// not chosen but was introduced by a chosen one, or the founders of a community
// who are not chosen.
type Door struct {
	Org       protocol.Org   // zero: the founders' door
	Community protocol.ID    // of the founders' door
	By        []protocol.Org // the chosen who introduced Org, by key, the first 16
}

// Voices says by which doors everybody came in. It is not changed after
// [NewVoices] and safe for concurrent use.
type Voices struct {
	doors      []Door
	principals [][]int32      // per door: who answers for it
	answers    []protocol.Org // per principal; zero: the founders of a community
	index      map[protocol.Org]int32
	of         map[protocol.Org][]int32 // the doors of a stranger
}

// NewVoices follows the introductions that count in all communities, from
// [trust.History.Members] of each. Level is what the operator says of an
// organisation, ourselves included.
func NewVoices(level func(protocol.Org) Level, communities map[protocol.ID]map[protocol.Org]trust.Member) *Voices {
	v := &Voices{index: map[protocol.Org]int32{}, of: map[protocol.Org][]int32{}}
	s := &entrances{level: level, sponsors: map[protocol.Org][]protocol.Org{}, letIn: map[protocol.Org][]protocol.Org{}, founded: map[protocol.ID][]protocol.Org{}}
	for id, members := range communities {
		for org, m := range members {
			s.enter(id, org, m)
		}
	}
	v.open(s)
	v.spread(s.letIn)
	for i, d := range v.doors {
		if !d.Org.IsZero() && !slices.Contains(v.of[d.Org], int32(i)) {
			v.of[d.Org] = append([]int32{int32(i)}, v.of[d.Org]...)
		}
	}
	return v
}

// entrances collects who let in whom.
type entrances struct {
	level    func(protocol.Org) Level
	sponsors map[protocol.Org][]protocol.Org // stranger: the chosen who introduced it
	letIn    map[protocol.Org][]protocol.Org // stranger: the strangers it introduced
	founded  map[protocol.ID][]protocol.Org  // the founders who are strangers
}

func (s *entrances) enter(community protocol.ID, org protocol.Org, m trust.Member) {
	if l := s.level(org); l.Chosen() || l.distrusted() {
		return // the distrusted have no door to hand on either
	}
	if m.Founder {
		s.founded[community] = append(s.founded[community], org)
	}
	for _, i := range m.By {
		if s.level(i.By).Chosen() {
			s.sponsors[org] = append(s.sponsors[org], i.By)
		} else {
			s.letIn[i.By] = append(s.letIn[i.By], org)
		}
	}
}

// open makes the doors, those of organisations first, all by key.
func (v *Voices) open(s *entrances) {
	for _, org := range slices.SortedFunc(maps.Keys(s.sponsors), protocol.Org.Compare) {
		by := s.sponsors[org]
		slices.SortFunc(by, protocol.Org.Compare)
		by = slices.Compact(by)
		by = by[:min(len(by), mostDoors)]
		answering := make([]int32, len(by))
		for i, p := range by {
			answering[i] = v.principal(p)
		}
		v.of[org] = []int32{int32(len(v.doors))}
		v.doors, v.principals = append(v.doors, Door{Org: org, By: by}), append(v.principals, answering)
	}
	for _, id := range slices.SortedFunc(maps.Keys(s.founded), protocol.ID.Compare) {
		for _, org := range s.founded[id] {
			v.of[org] = merge(v.of[org], []int32{int32(len(v.doors))})
		}
		v.doors, v.principals = append(v.doors, Door{Community: id}), append(v.principals, []int32{int32(len(v.answers))})
		v.answers = append(v.answers, protocol.Org{})
	}
}

func (v *Voices) principal(org protocol.Org) int32 {
	if _, ok := v.index[org]; !ok {
		v.index[org] = int32(len(v.answers))
		v.answers = append(v.answers, org)
	}
	return v.index[org]
}

// spread hands the doors on to those let in, until nothing changes: the least
// fixpoint, whatever the order.
func (v *Voices) spread(letIn map[protocol.Org][]protocol.Org) {
	queue := slices.Collect(maps.Keys(v.of))
	for len(queue) > 0 {
		by := queue[len(queue)-1]
		queue = queue[:len(queue)-1]
		for _, org := range letIn[by] {
			if more := merge(v.of[org], v.of[by]); !slices.Equal(more, v.of[org]) {
				v.of[org] = more
				queue = append(queue, org)
			}
		}
	}
}

// merge returns the lowest doors of both.
func merge(a, b []int32) []int32 {
	all := slices.Concat(a, b)
	slices.Sort(all)
	all = slices.Compact(all)
	return all[:min(len(all), mostDoors)]
}

// Doors returns the doors by which a stranger came in; none when it is chosen,
// or no member of anything we know.
func (v *Voices) Doors(org protocol.Org) []Door {
	doors := make([]Door, 0, len(v.of[org]))
	for _, d := range v.of[org] {
		doors = append(doors, v.doors[d])
	}
	return doors
}
