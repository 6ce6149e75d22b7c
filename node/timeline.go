package node

import (
	"cmp"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/tocsin-exchange/tocsin/protocol"
	"github.com/tocsin-exchange/tocsin/protocol/stix"
	"github.com/tocsin-exchange/tocsin/storage/journal"
	"github.com/tocsin-exchange/tocsin/trust/policy"
	"github.com/tocsin-exchange/tocsin/trust/score"
)

// maxSteps bounds what a timeline holds, about 100 bytes each. When it is full the
// older half of the time is forgotten.
const maxSteps = 1 << 18

// A timeline is what values were judged by, besides what was said of them, at
// every moment that the journal knows of: the policy, how far whom was believed
// and whether they were heard, and what became of everybody's word. It is made
// from records of [ActBasis], by a node as it writes them or from a journal by
// whoever has one.
type timeline struct {
	mu       sync.Mutex
	texts    map[string]*policyText // by digest
	policies []step[string]         // digests
	orgs     map[protocol.Org][]step[standing]
	outcomes map[outcomeKey][]step[score.Outcomes]
	count    int   // of the last two
	since    int64 // of the time before nothing is known
	last     int64 // of the newest record
	most     int
}

// A step is something that holds from a moment on, in Unix milliseconds.
type step[T any] struct {
	at int64
	is T
}

// A standing is how far the operator believes an organisation, and whether its
// word counts.
type standing struct {
	any    score.Level
	types  map[stix.Type]score.Level // where it is another than in any
	unsaid silenced
}

// silenced is why an organisation's word does not count.
type silenced string

const (
	heard       silenced = ""
	blocked     silenced = "peer-blocked"
	quarantined silenced = "quarantined"
)

func (s standing) equal(t standing) bool {
	return s.any == t.any && s.unsaid == t.unsaid && maps.Equal(s.types, t.types)
}

func (s standing) level(kind stix.Type) score.Level {
	if l, is := s.types[kind]; is {
		return l
	}
	return s.any
}

func newTimeline() *timeline {
	return &timeline{texts: map[string]*policyText{}, orgs: map[protocol.Org][]step[standing]{}, outcomes: map[outcomeKey][]step[score.Outcomes]{}, most: maxSteps}
}

// take takes a record in. Those of other acts say nothing here but how late it
// is. Errors wrap [ErrBasis]; what such a record says is left out.
func (t *timeline) take(r *journal.Record) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	at := r.At.UnixMilli()
	t.last = max(t.last, at)
	if r.Act != ActBasis {
		return nil
	}
	switch r.Rule {
	case basisText:
		return t.takeText(r)
	case basisPolicy:
		if r.Numbers["anew"] != 0 {
			t.reset(at)
		}
		t.policies = append(t.policies, step[string]{at, r.Words["digest"]})
		return nil
	case basisOrg:
		org, s, err := readStanding(r)
		if err == nil {
			t.stand(org, at, s)
		}
		return err
	case basisOutcomes:
		sums, err := readOutcomes(r)
		for k, sum := range sums {
			t.sum(k, at, sum)
		}
		t.trim()
		return err
	}
	return nil
}

func (t *timeline) stand(org protocol.Org, at int64, s standing) {
	steps := t.orgs[org]
	if last := len(steps) - 1; last < 0 || !steps[last].is.equal(s) {
		t.orgs[org] = append(steps, step[standing]{at, s})
		t.count++
	}
}

func (t *timeline) sum(k outcomeKey, at int64, sum score.Outcomes) {
	steps := t.outcomes[k]
	if last := len(steps) - 1; last < 0 || steps[last].is != sum {
		t.outcomes[k] = append(steps, step[score.Outcomes]{at, sum})
		t.count++
	}
}

// reset forgets, from a moment on, what the records after it do not say: the node
// was started, and notes everything.
func (t *timeline) reset(at int64) {
	for org := range t.orgs {
		t.stand(org, at, standing{any: score.Level{Number: score.Unstated}})
	}
	for k := range t.outcomes {
		t.sum(k, at, score.Outcomes{})
	}
}

// before puts what an older timeline knows in front.
func (t *timeline) before(older *timeline) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.policies) > 0 {
		older.reset(t.policies[0].at)
	}
	for digest, text := range older.texts {
		if mine := t.texts[digest]; mine == nil || mine.parts != nil {
			t.texts[digest] = text
		}
	}
	t.policies = append(older.policies, t.policies...)
	for org, steps := range older.orgs {
		t.orgs[org] = append(steps, t.orgs[org]...)
	}
	for k, steps := range older.outcomes {
		t.outcomes[k] = append(steps, t.outcomes[k]...)
	}
	t.count, t.since = t.count+older.count, max(t.since, older.since)
	t.trim()
}

// trim forgets the older half of the time until there is room, and what held at
// its end stays.
func (t *timeline) trim() {
	for range 32 {
		if t.count <= t.most || len(t.policies) == 0 {
			return
		}
		first := max(t.since, t.policies[0].at)
		t.since = first + (t.last-first)/2
		t.policies = from(t.policies, t.since)
		t.count = 0
		for org, steps := range t.orgs {
			t.orgs[org] = from(steps, t.since)
			t.count += len(t.orgs[org])
		}
		for k, steps := range t.outcomes {
			t.outcomes[k] = from(steps, t.since)
			t.count += len(t.outcomes[k])
		}
	}
}

// from are the steps that hold at a moment or later.
func from[T any](steps []step[T], at int64) []step[T] {
	return slices.Clone(steps[max(0, behindStep(steps, at)-1):])
}

// behindStep is the number of steps that were taken by a moment.
func behindStep[T any](steps []step[T], at int64) int {
	n, _ := slices.BinarySearchFunc(steps, at+1, func(s step[T], at int64) int { return cmp.Compare(s.at, at) })
	return n
}

// holding is what holds at a moment; false before the first step.
func holding[T any](steps []step[T], at int64) (is T, ok bool) {
	if n := behindStep(steps, at); n > 0 {
		return steps[n-1].is, true
	}
	return is, false
}

// A basis is what values were judged by at one moment.
type basis struct {
	policy   *policy.Policy
	orgs     map[protocol.Org]standing
	outcomes *outcomes
}

// at returns what values were judged by at a moment; false where that is not
// known.
func (t *timeline) at(when time.Time) (b basis, known bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	at := when.UnixMilli()
	digest, ok := holding(t.policies, at)
	p, readable := t.texts[digest].read(digest)
	if !ok || at < t.since || !readable {
		return b, false
	}
	b = basis{p, map[protocol.Org]standing{}, &outcomes{sums: map[outcomeKey]score.Outcomes{}}}
	for org, steps := range t.orgs {
		if s, is := holding(steps, at); is {
			b.orgs[org] = s
		}
	}
	for k, steps := range t.outcomes {
		if sum, is := holding(steps, at); is {
			b.outcomes.sums[k] = sum
		}
	}
	return b, true
}

// begins is the first moment of which anything is known; zero: there is none.
func (t *timeline) begins() time.Time {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, s := range t.policies {
		if _, readable := t.texts[s.is].read(s.is); readable {
			return time.UnixMilli(max(s.at, t.since)).UTC()
		}
	}
	return time.Time{}
}

// ends is the moment of its newest record.
func (t *timeline) ends() time.Time {
	t.mu.Lock()
	defer t.mu.Unlock()
	return time.UnixMilli(t.last).UTC()
}
