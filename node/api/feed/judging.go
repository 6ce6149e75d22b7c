package feed

import (
	"math"
	"strings"
	"time"

	"github.com/tocsin-exchange/tocsin/protocol"
	"github.com/tocsin-exchange/tocsin/protocol/stix"
	"github.com/tocsin-exchange/tocsin/storage"
	"github.com/tocsin-exchange/tocsin/trust/score"
)

// Judging is how values are judged at one moment, and what lists are held to.
// It is asked by one goroutine at a time.
type Judging struct {
	Mark   uint64                      // another when a value may be judged otherwise without news of it
	Self   protocol.Org                // our own organisation
	Never  func(stix.Observable) bool  // nothing may ever act on it, whoever says so
	ID     func(*storage.Claim) string // see [storage.Store.AboutValue]
	Tiers  func(o stix.Observable, claims, about []storage.Claim) score.Tiers
	Score  func(o stix.Observable, claims, about []storage.Claim) int // as it will be when the day ends, by UTC
	Guards Guards
}

// Guards keep lists that machines act on from growing without bounds, and from
// changing too much at once.
type Guards struct {
	Lines    int           // the most of one list
	Percent  int           // a list that would gain or lose more than this share of its lines at once,
	Minimum  int           // and at least so many,
	HoldDown time.Duration // stands still for so long; 0: never
}

// lookAgain is how much evidence makes a value be judged again when it leaves a
// tier: package score looks ahead over so many changes at least.
const lookAgain = 32

// judge says how a value is judged of which this is all that is said.
func (s *set) judge(j *Judging, o stix.Observable, claims, about []storage.Claim) (v verdict) {
	v.first = math.MaxUint64
	last, received, acting := int64(0), int64(math.MaxUint32), make([]storage.Claim, 0, 1)
	for i := range claims {
		c := &claims[i]
		v.own = v.own || c.Org == j.Self
		if c.PAP <= protocol.PAPGreen {
			acting = append(acting, *c)
			v.first, last, v.tlp = min(v.first, c.Arrival), max(last, c.Expires.UnixMilli()), max(v.tlp, c.TLP)
			received = min(received, c.Received.Unix())
		}
	}
	v.since = uint32(max(0, received))
	for i := range about {
		v.own = v.own || about[i].Org == j.Self
		s.noteRemark(&about[i], o)
	}
	if len(acting) == 0 || !fits(o.Value) || j.Never(o) {
		return v
	}
	t := j.Tiers(o, acting, about)
	v.score = uint8(t.Score)
	if steady := j.Score(o, acting, about); steady > 0 {
		v.score = uint8(steady)
	}
	for _, tier := range score.AllTiers() {
		if t.In(tier) {
			v.until[tier] = min(t.Until(tier)+1, last)
		}
	}
	again := t.Again
	if len(acting)+len(about) > lookAgain && v.last() > 0 && (again == 0 || again > v.soonest()) {
		again = v.soonest()
	}
	if again > 0 {
		s.again[clone(o)] = again
	}
	return v
}

// soonest is the first moment at which the value leaves one of its tiers.
func (v *verdict) soonest() int64 {
	next := int64(math.MaxInt64)
	for _, until := range v.until {
		if until > 0 {
			next = min(next, until)
		}
	}
	return next
}

func clone(o stix.Observable) stix.Observable {
	return stix.Observable{Type: o.Type, Value: strings.Clone(o.Value)}
}

// noteID remembers by which id sightings may speak of a claim's value, where
// that is not the id of its object: the store finds the others.
func (s *set) noteID(c *storage.Claim, id string) {
	if id != c.Object.ID {
		s.derived[id] = clone(c.Observable)
	}
}

// noteRemark remembers of which values a sighting or an opinion speaks: its next
// version may speak of others.
func (s *set) noteRemark(c *storage.Claim, o stix.Observable) {
	values := s.remarks[c.Object.ID]
	if values == nil {
		values = map[stix.Observable]bool{}
		s.remarks[c.Object.ID] = values
	}
	values[o] = true
}
