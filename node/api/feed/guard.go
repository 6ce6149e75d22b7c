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
)

// window is for how long changes of a list add up: what comes in ten steps within
// it counts as if it came at once.
const window = 5 * time.Minute

const (
	mostAsked = 256 // values of a change that are looked at for who says so
	mostNamed = 3   // organisations an alarm names
)

// A guard watches over the values of one type in one tier, for askers that see
// the same.
type guard struct {
	served   *column // the latest answer; nil: there was none
	position uint64  // of the store, then
	steps    []step  // by which it changed within the window
	hold     *Alarm
	missing  int   // lines that were gone when it stopped, and could not be kept
	past     *past // what was served before the start; nil once there was an answer
	base     past  // what is written down,
	baseOf   *column
}

// A step is a change of what is served from one answer to the next.
type step struct {
	at         int64 // Unix milliseconds
	come, gone int
	lines      int // before it
}

// A crossing is the values of one type in a tier on their way out of a set.
type crossing struct {
	*set
	key
	q   storage.Query
	j   *Judging
	now int64
}

// pass returns what may be served where these lines should be.
func (g *guard) pass(next *column, x *crossing) (*column, error) {
	limits := &x.j.Guards
	g.wake(x.now, limits)
	if g.served == nil && g.past == nil || limits.HoldDown <= 0 {
		g.settle(next, x)
		return next, nil
	}
	d, err := g.compare(next, x)
	if err != nil {
		return nil, err
	}
	g.forget(x.now)
	if g.hold == nil && !g.stopped() && !g.tooFast(d, limits) {
		if d.changes() > 0 {
			g.steps = append(g.steps, step{x.now, d.come + d.risen, d.gone + d.missing, g.before()})
		}
		g.settle(next, x)
		return next, nil
	}
	if g.hold == nil {
		if err := g.stop(d, x); err != nil {
			return nil, err
		}
	}
	g.served, g.past = strongest([]*column{d.held}, x.tier, x.now, limits.lines())[0], nil
	g.hold.Come, g.hold.Gone, g.hold.Lines = d.come, d.gone+g.missing, len(g.served.ends)
	return g.served, nil
}

// wake ends what has stood still for long enough, before the start perhaps.
func (g *guard) wake(now int64, limits *Guards) {
	down := limits.HoldDown.Milliseconds()
	if g.hold != nil && (now >= g.hold.Until.UnixMilli() || down <= 0) || g.stopped() && (now >= g.past.Held+down || now < g.past.Held) {
		*g = guard{}
	}
}

// stopped reports whether it stood still when the node ended.
func (g *guard) stopped() bool { return g.past != nil && g.past.Held > 0 }

func (g *guard) settle(next *column, x *crossing) {
	g.served, g.past, g.position = next, nil, x.position
}

// before is how many lines there were in the latest answer.
func (g *guard) before() int {
	if g.past != nil {
		return g.past.Lines
	}
	return len(g.served.ends)
}

// stop has it stand still from now on, or from when it did before the start.
func (g *guard) stop(d *difference, x *crossing) (err error) {
	since := x.now
	if g.past != nil {
		since = cmp.Or(g.past.Held, x.now)
		g.base = *g.past
	} else {
		g.basis(x.key, x.now)
	}
	at := time.UnixMilli(since)
	alarm := &Alarm{Name: nameOf(x.kind), Type: x.kind, Tier: x.tier, Since: at, Until: at.Add(x.j.Guards.HoldDown)}
	if alarm.Orgs, err = d.speakers(x); err != nil {
		return err
	}
	g.hold, g.missing, g.base.Held = alarm, d.missing, since
	x.holds++
	return nil
}

// basis returns what is to be written down of it: while it stands still, what
// was served before.
func (g *guard) basis(k key, now int64) *past {
	if g.hold == nil && (g.baseOf != g.served || g.base.Held > 0) {
		g.base, g.baseOf = past{Type: k.kind, Tier: k.tier.String()}, g.served
		g.base.take(g.served, k.tier, g.position, now)
	}
	return &g.base
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

// tooFast reports whether a change is more than may be taken at once, with those
// just before it. Where nothing was, anything may come.
func (g *guard) tooFast(d *difference, limits *Guards) bool {
	come, gone, before := d.come+d.risen, d.gone+d.missing, g.before()
	if len(g.steps) > 0 {
		before = g.steps[0].lines
	}
	for _, s := range g.steps {
		come, gone = come+s.come, gone+s.gone
	}
	most := max(come, gone)
	return d.changes() > 0 && before > 0 && most >= limits.Minimum && most*100 > limits.Percent*before
}

// A difference is what lies between what was served and what should be.
type difference struct {
	come, gone int     // lines that a guard may let wait
	risen      int     // lines that came before the start or after, nobody can tell which
	missing    int     // lines that have gone since before the start
	held       *column // what is served while it stands still
	waiting    []stix.Observable
}

func (d *difference) changes() int { return d.come + d.gone + d.risen + d.missing }

// compare finds out what would change, and what of it may wait.
func (g *guard) compare(next *column, x *crossing) (*difference, error) {
	if g.past != nil {
		return g.compareWithPast(next, x)
	}
	was, d := g.served, &difference{held: next}
	if was == next {
		return d, nil
	}
	d.held = newColumn(len(was.text), len(was.ends))
	var failed error
	merge(was, next, func(old, young int) {
		switch {
		case young >= 0 && (old >= 0 || next.verdicts[young].own):
			appendLine(d.held, next.line(young), next.verdicts[young], x.now)
		case young >= 0:
			d.come++
			d.wait(x.kind, next.line(young))
		default:
			must, err := x.mustGo(was.line(old), &was.verdicts[old])
			if failed = cmp.Or(failed, err); !must {
				d.gone++
				d.wait(x.kind, was.line(old))
				appendLine(d.held, was.line(old), was.verdicts[old], x.now)
			}
		}
	})
	return d, failed
}

// compareWithPast does so where only numbers are left of what was served. What
// has come to be known since then is new.
func (g *guard) compareWithPast(next *column, x *crossing) (*difference, error) {
	d, stayed := &difference{held: newColumn(len(next.text), len(next.ends))}, 0
	q := x.sights.watch(x.q)
	for i := range next.ends {
		v := &next.verdicts[i]
		known := v.own || v.first <= g.past.Position
		if !known {
			var err error
			if known, err = x.store.HeldBefore(stix.Observable{Type: x.kind, Value: string(next.line(i))}, g.past.Position, q); err != nil {
				return nil, fmt.Errorf("feed: %w", err)
			}
		}
		switch {
		case !known:
			d.come++
			d.wait(x.kind, next.line(i))
			continue
		case !v.own:
			stayed++
		}
		appendLine(d.held, next.line(i), *v, x.now)
	}
	d.missing, d.risen = max(0, g.past.expected(x.now)-stayed), g.past.risen(stayed)
	return d, nil
}

func (d *difference) wait(t stix.Type, value []byte) {
	d.waiting = append(d.waiting, stix.Observable{Type: t, Value: string(value)})
}

// mustGo reports whether a line may not stay a moment longer: its time is over,
// our own organisation had or has a word on it, nothing may ever act on it, or
// nothing is held of it any more.
func (x *crossing) mustGo(value []byte, was *verdict) (bool, error) {
	if is := x.column(x.kind).find(value); was.until[x.tier] <= x.now || was.own || is != nil && is.own {
		return true, nil
	}
	o := stix.Observable{Type: x.kind, Value: string(value)}
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
