package feed

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/tocsin-exchange/tocsin/protocol"
	"github.com/tocsin-exchange/tocsin/protocol/stix"
	"github.com/tocsin-exchange/tocsin/storage"
	"github.com/tocsin-exchange/tocsin/trust/score"
)

// An Alarm is the values of a type in a tier that stand still because too much
// of them would have changed at once.
type Alarm struct {
	Name         string // of the list of the type alone, or of the type
	Type         stix.Type
	Tier         score.Tier
	Since, Until time.Time
	Come, Gone   int            // lines that wait, and that went before anything could be compared
	Lines        int            // that are served
	Orgs         []protocol.Org // who said most of what waits, at most three
}

// Counts are counted since the start, of all groups of askers.
type Counts struct {
	Holds     uint64 // how often the values of a type in a tier were stopped
	Unwritten uint64 // how often it could not be written down what lists are
}

// A notice is what is known of the alarms when the lists were last asked for, so
// that who only wants to know of them need not wait for the lists.
type notice struct {
	counts Counts
	groups []stopped
}

// stopped is what stands still for one group of askers.
type stopped struct {
	sights sights
	alarms []Alarm
}

// publish makes the notice of now.
func (s *Shelf) publish() {
	n := &notice{counts: Counts{s.holds, s.unwritten}}
	for _, v := range s.sets {
		n.counts.Holds += v.holds
		var alarms []Alarm
		for _, g := range v.guards {
			if g.hold != nil {
				alarms = append(alarms, *g.hold)
			}
		}
		if alarms == nil {
			continue
		}
		if len(v.public) != len(v.sights) {
			v.public = maps.Clone(v.sights)
		}
		n.groups = append(n.groups, stopped{v.public, alarms})
	}
	s.notice.Store(n)
}

// Alarms returns what stands still at the moment of a query, for all groups of
// askers that see no more than this one, as of the latest answer to them.
func (s *Shelf) Alarms(q storage.Query) (alarms []Alarm) {
	if q.Now.IsZero() {
		q.Now = time.Now()
	}
	for _, g := range s.notice.Load().groups {
		if !g.sights.within(&q) {
			continue
		}
		for _, a := range g.alarms {
			if q.Now.Before(a.Until) {
				alarms = append(alarms, a)
			}
		}
	}
	slices.SortFunc(alarms, func(a, b Alarm) int {
		return cmp.Or(cmp.Compare(b.Tier, a.Tier), cmp.Compare(a.Name, b.Name), a.Since.Compare(b.Since), cmp.Compare(a.Lines, b.Lines))
	})
	return alarms
}

// Counts returns what was counted up to the latest answer.
func (s *Shelf) Counts() Counts { return s.notice.Load().counts }
