package node

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/tocsin-exchange/tocsin/protocol"
	"github.com/tocsin-exchange/tocsin/protocol/stix"
	"github.com/tocsin-exchange/tocsin/storage/journal"
	"github.com/tocsin-exchange/tocsin/trust/policy"
	"github.com/tocsin-exchange/tocsin/trust/score"
)

// basisAnew is how often everything that values are judged by is put on record
// again, so that a journal needs nothing from before its first days.
const basisAnew = 24 * time.Hour

// A basisRecorder puts what values are judged by on record as it changes. It has a
// goroutine of its own, which compares what is in force with what was noted last:
// a record is later than what it tells of by a moment.
type basisRecorder struct {
	timeline *timeline
	wake     chan struct{} // something in force may be another
	ready    chan struct{} // closed: what the journal has of the past was read

	// Of its goroutine.
	policy    *policy.Policy // nil: nothing was noted yet
	orgs      map[protocol.Org]standing
	outcomes  *outcomes
	recording bool
}

func newBasisRecorder() *basisRecorder {
	return &basisRecorder{timeline: newTimeline(), wake: make(chan struct{}, 1), ready: make(chan struct{}), orgs: map[protocol.Org]standing{}}
}

// runBasis notes what is in force when that may have changed, and all of it once a
// day; it was noted at the start.
func (n *Node) runBasis() {
	again := time.NewTicker(basisAnew)
	defer again.Stop()
	for {
		select {
		case <-n.ctx.Done():
			n.noteBasis(false)
			return
		case <-again.C:
			n.noteBasis(true)
		case <-n.recorder.wake:
			n.noteBasis(false)
		}
	}
}

// remember reads what the journal has of the time before a moment.
func (n *Node) readBasis(history History, until time.Time) {
	defer close(n.recorder.ready)
	if history == nil {
		return
	}
	older, broken := newTimeline(), 0
	for r, err := range history(journal.Query{Acts: []journal.Act{ActBasis}, Until: until}) {
		if n.ctx.Err() != nil {
			return
		}
		if err != nil || older.take(&r) != nil {
			broken++ // what it said is not known; whatever was noted next is
		}
	}
	if broken > 0 {
		n.log.Warn("records of what values were judged by cannot be read", "records", broken)
	}
	n.recorder.timeline.before(older)
}

// noteBasis notes what is other than when it was noted last, or everything.
func (n *Node) noteBasis(all bool) {
	b, r := n.bench(), n.recorder
	anew := r.policy == nil
	if on := n.recording(); on != r.recording {
		r.recording, all, anew = on, all || on, anew || on
	}
	if all || b.rules.Policy != r.policy {
		list, err := policyRecords(b.rules.Policy, anew)
		r.policy = b.rules.Policy
		if err != nil {
			n.log.Error("the policy is not on record", "err", err)
		}
		n.noteChanges(list...)
	}
	now := b.standings()
	for org := range r.orgs {
		if _, is := now[org]; !is {
			now[org] = standing{any: b.level(org, "")} // a stranger again
		}
	}
	for org, s := range now {
		if was, is := r.orgs[org]; all || !is || !was.equal(s) {
			n.noteChanges(standingRecord(org, s))
		}
		if r.orgs[org] = s; s.any.Role == score.Stranger && s.unsaid == heard {
			delete(r.orgs, org)
		}
	}
	if all {
		n.noteOutcomes(nil, b.outcomes)
	} else if b.outcomes != r.outcomes {
		n.noteOutcomes(r.outcomes, b.outcomes)
	}
	r.outcomes = b.outcomes
}

// noteChanges notes what holds from now on.
func (n *Node) noteChanges(list ...journal.Record) {
	for _, r := range list {
		n.Note(context.WithoutCancel(n.ctx), r)
		r.At = time.Now()
		if err := n.recorder.timeline.take(&r); err != nil {
			n.log.Error("what values are judged by is not known later", "org", r.Org, "err", err)
		}
	}
}

// noteOutcomes notes what became of everybody's word, where it is other than it
// was.
func (n *Node) noteOutcomes(was, is *outcomes) {
	changed := map[protocol.Org]map[outcomeKey]score.Outcomes{}
	change := func(k outcomeKey, sum score.Outcomes) {
		if changed[k.org] == nil {
			changed[k.org] = map[outcomeKey]score.Outcomes{}
		}
		changed[k.org][k] = sum
	}
	if is != nil {
		for k, sum := range is.sums {
			if was == nil || was.sums[k] != sum {
				change(k, sum)
			}
		}
	}
	if was != nil {
		for k := range was.sums {
			if _, still := is.sums[k]; !still {
				change(k, score.Outcomes{})
			}
		}
	}
	for _, org := range slices.SortedFunc(maps.Keys(changed), protocol.Org.Compare) {
		n.noteChanges(outcomeRecords(org, changed[org])...)
	}
}

// standings are how far those are believed of whom anybody here decided
// anything, and who is not heard.
func (b *bench) standings() map[protocol.Org]standing {
	all := map[protocol.Org]standing{}
	add := func(org protocol.Org) {
		if _, known := all[org]; !known && org != b.outlook.Self {
			all[org] = b.standing(org)
		}
	}
	for org := range b.outlook.petnames {
		add(org)
	}
	for org := range b.outlook.levels {
		add(org)
	}
	for org := range b.bound.Names {
		add(org)
	}
	for org := range b.outlook.Blocked {
		add(org)
	}
	for org := range b.outlook.Quarantined {
		add(org)
	}
	return all
}

func (b *bench) standing(org protocol.Org) standing {
	s := standing{any: b.level(org, "")}
	if s.any.Role != score.Stranger {
		for _, kind := range stix.Types() {
			if l := b.level(org, kind); l != s.any {
				if s.types == nil {
					s.types = map[stix.Type]score.Level{}
				}
				s.types[kind] = l
			}
		}
	}
	_, lied := b.outlook.Quarantined[org]
	switch {
	case b.outlook.Blocked[org]:
		s.unsaid = blocked
	case lied:
		s.unsaid = quarantined
	}
	return s
}
