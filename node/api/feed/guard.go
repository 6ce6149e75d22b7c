package feed

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/tocsin-exchange/tocsin/protocol"
	"github.com/tocsin-exchange/tocsin/protocol/stix"
	"github.com/tocsin-exchange/tocsin/storage"
	"github.com/tocsin-exchange/tocsin/trust/score"
)

// window is for how long changes of a list add up: what comes in ten steps within
// it counts as if it came at once.
const window = 5 * time.Minute

const (
	mostAsked = 256 // values of a change that are looked at for who says so
	mostNamed = 3   // organisations an alarm names
)

// An Alarm is a list that stands still because too much of it would have changed
// at once.
type Alarm struct {
	Feed         string
	Tier         score.Tier
	Since, Until time.Time
	Come, Gone   int            // lines that wait
	Lines        int            // that are served
	Orgs         []protocol.Org // who said most of what waits, at most three
}

// A guard watches over one list for askers that see the same.
type guard struct {
	served []*column // the latest answer; nil: there was none
	steps  []step    // by which it changed within the window
	hold   *Alarm
}

// A step is a change of the list from one answer to the next.
type step struct {
	at         int64 // Unix milliseconds
	come, gone int
	lines      int // before it
}

// A crossing is one list on its way out of a set.
type crossing struct {
	*set
	key
	q   storage.Query
	j   *Judging
	now int64
}

// pass returns what may be served where these lines should be.
func (g *guard) pass(next []*column, x *crossing) ([]*column, error) {
	limits := &x.j.Guards
	if g.hold != nil && (x.now >= g.hold.Until.UnixMilli() || limits.HoldDown <= 0) {
		*g = guard{}
	}
	if g.served == nil || limits.HoldDown <= 0 {
		g.served = next
		return next, nil
	}
	d, err := g.compare(next, x)
	if err != nil {
		return nil, err
	}
	g.forget(x.now)
	if g.hold == nil && !g.tooFast(d, limits) {
		if d.come+d.gone > 0 {
			g.steps = append(g.steps, step{x.now, d.come, d.gone, lines(g.served)})
		}
		g.served = next
		return next, nil
	}
	if g.hold == nil {
		since := time.UnixMilli(x.now)
		g.hold = &Alarm{Feed: x.name, Tier: x.tier, Since: since, Until: since.Add(limits.HoldDown)}
		if g.hold.Orgs, err = d.speakers(x); err != nil {
			return nil, err
		}
	}
	g.served, _ = pick(d.held, x.tier, x.now, max(1, min(limits.Lines, MaxLines)))
	g.hold.Come, g.hold.Gone, g.hold.Lines = d.come, d.gone, lines(g.served)
	return g.served, nil
}

// forget drops the steps that are older than the window, and joins what is left
// to at most one step a second.
func (g *guard) forget(now int64) {
	g.steps = slices.DeleteFunc(g.steps, func(s step) bool { return now-s.at >= window.Milliseconds() })
	if n := len(g.steps); n >= 2 && g.steps[n-1].at-g.steps[n-2].at < 1000 {
		g.steps[n-2].come += g.steps[n-1].come
		g.steps[n-2].gone += g.steps[n-1].gone
		g.steps = g.steps[:n-1]
	}
}

// tooFast reports whether a change is more than a list may take, with those just
// before it. An empty list may be filled.
func (g *guard) tooFast(d *difference, limits *Guards) bool {
	come, gone, before := d.come, d.gone, lines(g.served)
	if len(g.steps) > 0 {
		before = g.steps[0].lines
	}
	for _, s := range g.steps {
		come, gone = come+s.come, gone+s.gone
	}
	most := max(come, gone)
	return d.come+d.gone > 0 && before > 0 && most >= limits.Minimum && most*100 > limits.Percent*before
}

func lines(columns []*column) (n int) {
	for _, c := range columns {
		n += len(c.ends)
	}
	return n
}

// A difference is what lies between what was served and what should be.
type difference struct {
	come, gone int       // lines that a guard may let wait
	held       []*column // what is served while it does
	waiting    []stix.Observable
}

// compare finds out what would change, and what of it may wait.
func (g *guard) compare(next []*column, x *crossing) (*difference, error) {
	d := &difference{}
	var failed error
	for i, t := range typesOf(x.name) {
		was, is := g.served[i], next[i]
		if was == is {
			d.held = append(d.held, is)
			continue
		}
		held := newColumn(len(was.text), len(was.ends))
		merge(was, is, func(old, young int) {
			switch {
			case young >= 0 && (old >= 0 || is.verdicts[young].own):
				appendLine(held, is.line(young), is.verdicts[young], x.now)
			case young >= 0:
				d.come++
				d.wait(t, is.line(young))
			default:
				must, err := x.mustGo(t, was.line(old), &was.verdicts[old])
				if failed = cmp.Or(failed, err); !must {
					d.gone++
					d.wait(t, was.line(old))
					appendLine(held, was.line(old), was.verdicts[old], x.now)
				}
			}
		})
		d.held = append(d.held, held)
	}
	return d, failed
}

func (d *difference) wait(t stix.Type, value []byte) {
	d.waiting = append(d.waiting, stix.Observable{Type: t, Value: string(value)})
}

// mustGo reports whether a line may not stay a moment longer: its time is over,
// our own organisation had or has a word on it, nothing may ever act on it, or
// nothing is held of it any more.
func (x *crossing) mustGo(t stix.Type, value []byte, was *verdict) (bool, error) {
	if is := x.column(t).find(value); was.until[x.tier] <= x.now || was.own || is != nil && is.own {
		return true, nil
	}
	o := stix.Observable{Type: t, Value: string(value)}
	if x.j.Never(o) {
		return true, nil
	}
	orgs, err := x.store.Speakers(o, x.sights.watch(x.q))
	if err != nil {
		return false, fmt.Errorf("feed: %w", err)
	}
	return len(orgs) == 0, nil
}

// speakers returns who said most of what waits.
func (d *difference) speakers(x *crossing) ([]protocol.Org, error) {
	counts := map[protocol.Org]int{}
	stride := max(1, len(d.waiting)/mostAsked)
	for i := 0; i < len(d.waiting); i += stride {
		orgs, err := x.store.Speakers(d.waiting[i], x.sights.watch(x.q))
		if err != nil {
			return nil, fmt.Errorf("feed: %w", err)
		}
		for _, org := range orgs {
			counts[org]++
		}
	}
	orgs := slices.SortedFunc(maps.Keys(counts), func(a, b protocol.Org) int { return cmp.Or(cmp.Compare(counts[b], counts[a]), a.Compare(b)) })
	return orgs[:min(len(orgs), mostNamed)], nil
}
