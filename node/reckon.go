package node

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"

	"github.com/tocsin-exchange/tocsin/protocol"
	"github.com/tocsin-exchange/tocsin/protocol/stix"
	"github.com/tocsin-exchange/tocsin/storage"
	"github.com/tocsin-exchange/tocsin/trust/score"
)

// This file draws outcomes from what arrives: by the order of arrival, from where
// the last run left off. It weighs each by the levels and rules of the moment;
// what is decided otherwise later moves later outcomes alone. What one weighs
// nothing of (who is a stranger, blocked or quarantined) shows nothing, and is not
// looked at again when that changes.
//
// Most of what arrives nobody else has spoken of, and costs one look into memory.
// After every slice of work it rests for three times as long, so that an import
// keeps most of the processor.

const (
	reckonSlice  = 20 * time.Millisecond
	reckonRest   = 3                      // times the work
	reckonShown  = 250 * time.Millisecond // at least, between new sums
	reckonSaved  = 10 * time.Second       // between two cursors on the disk
	reckonPruned = 24 * time.Hour
	reckonAgain  = 10 * time.Second // after an error
	reckonReread = 10 * time.Minute // at least, between two looks back at what was passed over

	maxDerived = 1 << 16 // ids remembered that no object has itself
)

// A reckoning is how far outcomes were drawn.
type reckoning struct {
	book    *outcomeBook
	derived *lru.Cache[string, stix.Observable] // values by ids that only sightings and opinions have
	passed  atomic.Uint64                       // arrival up to which outcomes are in force
	behind  atomic.Uint64                       // bulletins to look at, where one slice did not do

	drawn, dropped, unread atomic.Uint64
}

func (n *Node) newReckoning() (*reckoning, error) {
	m := n.rules.Load().Policy.Model()
	book, err := openBook(n.store, &m, time.Now())
	if err != nil {
		return nil, err
	}
	r := &reckoning{book: book}
	r.passed.Store(book.cursor)
	r.derived, err = lru.New[string, stix.Observable](maxDerived)
	n.outcomes.Store(book.sums())
	return r, err
}

// Reckoned is the arrival up to which outcomes were drawn and are in force.
func (n *Node) Reckoned() uint64 { return n.reckon.passed.Load() }

// mean remembers what we are about to speak of.
func (r *reckoning) mean(said []Sighted) {
	for i := range said {
		r.derived.Add(said[i].About, said[i].Value)
	}
}

func (n *Node) runReckon() {
	r := n.reckon
	var shown, reread time.Time
	saved, pruned, cursor := time.Now(), time.Time{}, r.book.cursor
	news := false
	for n.ctx.Err() == nil {
		began := time.Now()
		m := n.rules.Load().Policy.Model()
		if began.Sub(pruned) >= reckonPruned || m.OutcomeHalfLife != r.book.halfLife {
			n.reckonFailed(r.book.prune(n.ctx, &m, began))
			pruned, news = began, true
		}
		if began.Sub(reread) >= reckonReread && r.book.reread() {
			reread = began
		}
		done, moved := n.reckonSome(r, &m)
		if news = news || moved; news && began.Sub(shown) >= reckonShown {
			n.outcomes.Store(r.book.sums())
			signal(n.recorder.wake)
			shown, news = began, false
		}
		err := r.book.save(n.ctx)
		if due := began.Sub(saved) >= reckonSaved; err == nil && due && cursor != r.book.cursor {
			err = r.book.saveCursor(n.ctx)
			saved, cursor = began, r.book.cursor
		}
		switch {
		case n.reckonFailed(err):
			n.pause(reckonAgain)
		case !done:
			n.pause(reckonRest * time.Since(began))
		case news:
			n.pause(reckonShown - time.Since(shown))
		default:
			r.passed.Store(r.book.cursor)
			next := pruned.Add(reckonPruned)
			if r.book.missed != nil && r.book.again {
				next = reread.Add(reckonReread)
			}
			if cursor != r.book.cursor {
				next = saved.Add(reckonSaved)
			}
			n.awaitNews(r.book.cursor, next)
		}
	}
	if err := r.book.saveCursor(context.WithoutCancel(n.ctx)); err != nil { // what came since is looked at again
		n.log.Debug("the cursor of outcomes was not saved", "err", err)
	}
}

// awaitNews waits until something arrives, or a moment has come.
func (n *Node) awaitNews(after uint64, until time.Time) {
	ctx, cancel := context.WithDeadline(n.ctx, until)
	defer cancel()
	if err := n.store.Wait(ctx, after); errors.Is(err, storage.ErrClosed) {
		n.pause(reckonAgain) // the node is to be closed, too
	}
}

func (n *Node) reckonFailed(err error) bool {
	if err != nil && n.ctx.Err() == nil && !errors.Is(err, storage.ErrReadOnly) { // the store has said that once
		n.log.Error("outcomes were not saved", "err", err)
	}
	return err != nil
}

// reckonSome looks at what arrived, for no longer than a slice. It reports
// whether that was all, and whether anything came of it.
func (n *Node) reckonSome(r *reckoning, m *score.Model) (done, moved bool) {
	end, began := n.store.Position(), time.Now()
	p := reckonPass{n: n, r: r, b: n.bench(), m: m, q: n.Query(), levels: map[outcomeKey]score.Level{}}
	looked := 0
	for c, err := range n.store.Changes(r.book.cursor, p.q) {
		if err != nil {
			r.unread.Add(1) // it arrives anew when it is here again
			continue
		}
		p.change(&c.Claim)
		r.book.cursor = c.Arrival
		if looked++; looked%64 == 0 && time.Since(began) >= reckonSlice {
			r.behind.Store(behind(end, r.book.cursor))
			return false, p.moved
		}
	}
	r.book.cursor = max(r.book.cursor, end)
	r.behind.Store(0)
	return true, p.moved
}

// behind is how many bulletins lie between two arrivals, about.
func behind(end, at uint64) uint64 { return (end - min(end, at)) / protocol.MaxObjects }

// A reckonPass looks at some of what arrived.
type reckonPass struct {
	n      *Node
	r      *reckoning
	b      *bench
	m      *score.Model
	q      storage.Query
	levels map[outcomeKey]score.Level
	moved  bool
}

func (p *reckonPass) level(org protocol.Org, kind stix.Type) score.Level {
	k := outcomeKey{org: org, kind: kind}
	l, known := p.levels[k]
	if !known {
		l = p.b.level(org, kind)
		p.levels[k] = l
	}
	return l
}

func (p *reckonPass) proves(kind stix.Type, r Record) func(score.Outcome, protocol.Org) float64 {
	return func(what score.Outcome, by protocol.Org) float64 {
		t := p.m.Trust(p.level(by, kind), p.r.book.of(by, kind, r), p.q.Now.UnixMilli())
		return p.m.Weigh(what, &t)
	}
}

// change looks at one object that arrived.
func (p *reckonPass) change(c *storage.Claim) {
	if !WholeRecord.of(c) {
		return
	}
	about := c.Object.About()
	if len(about) == 0 {
		p.claim(*c)
		return
	}
	if p.level(c.Org, "").Role == score.Stranger {
		return
	}
	values := map[stix.Observable]bool{}
	for _, id := range about {
		if o, known := p.r.derived.Get(id); known {
			values[o] = true
		}
		meant, err := p.n.store.Meant(id, p.q)
		if err != nil {
			p.r.unread.Add(1)
		}
		for _, o := range meant {
			values[o] = true
		}
	}
	for o := range values {
		p.value(o, c.Org)
	}
}

// claim looks at the values an object claims, where anybody else has spoken of
// them.
func (p *reckonPass) claim(c storage.Claim) {
	for _, o := range c.Object.Claims {
		c.Observable = o
		id := IDOf(&c)
		if id != c.Object.ID {
			p.r.derived.Add(id, o)
		}
		if p.level(c.Org, o.Type).Chosen() && (p.n.store.Several(o) || p.n.store.Remarked(&c, id)) {
			p.value(o, c.Org)
		}
	}
}

// value draws the outcomes of what one organisation says of a value.
func (p *reckonPass) value(o stix.Observable, by protocol.Org) {
	claims, about, err := p.n.store.AboutValue(o, p.q, IDOf)
	if err != nil {
		p.r.unread.Add(1)
	}
	for _, r := range [2]Record{OpenRecord, WholeRecord} {
		list := sayings(claims, about, r)
		p.trace(list, o, r)
		for _, f := range findings(list, by, p.n.cert.Org, p.proves(o.Type, r)) {
			if p.r.book.note(p.m, r, f, o, !p.level(f.org, o.Type).Chosen(), p.q.Now) {
				p.moved = true
				if r == WholeRecord {
					p.r.drawn.Add(1)
				}
			}
		}
	}
	p.r.dropped.Store(p.r.book.dropped)
}

// trace finds out when the claims on a value were said first: where one has been
// said anew since, it makes no difference when it is looked at.
func (p *reckonPass) trace(list []saying, o stix.Observable, r Record) {
	if len(list) < 2 {
		return
	}
	versions, err := p.n.store.Versions(o, p.q.Visible)
	if err != nil {
		p.r.unread.Add(1)
	}
	for _, v := range versions {
		h := v.Header
		if v.Object.Revoked || !r.of(&storage.Claim{TLP: h.TLP, PAP: h.PAP, Drill: h.Drill}) {
			continue
		}
		first, received, ok := p.n.store.Arrived(v.Bulletin)
		if !ok {
			continue
		}
		at := start{int64(min(h.Issued, received)), first + uint64(v.Index)}
		for i := range list {
			if s := &list[i]; s.org == h.Org() && s.kind == score.Claim {
				s.first = start{min(s.first.said, at.said), min(s.first.arrival, at.arrival)}
			}
		}
	}
}
