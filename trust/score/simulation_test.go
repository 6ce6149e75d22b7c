package score

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/tocsin-exchange/tocsin/protocol"
	"github.com/tocsin-exchange/tocsin/protocol/stix"
)

var simulatedDays = flag.Int("simulated-days", 35, "days that each simulation of lying members lasts")

const (
	simulatedMembers = 40
	firstDays        = 2  // of lying, counted apart
	learningDays     = 15 // of lying, after which is counted
	valuesPerDay     = 30
)

// A simulation is a community of which a part lies: it claims what is harmless
// with full confidence, and calls harmless what is bad.
type simulation struct {
	*company
	rand   *rand.Rand
	names  []string
	liar   map[string]bool
	turn   int // the day from which liars lie
	day    int
	first  tally // of the first days of lying
	result tally // after the days of learning
}

// A tally counts values somebody spoke of.
type tally struct {
	bad, badAlert, badBlock             int
	harmless, harmlessAlert, hurt, burn int // hurt: blocked in the end; burn: blocked before a verdict came
}

func (r *tally) correct() float64 {
	return float64(r.badAlert+r.harmless-r.harmlessAlert) / float64(r.bad+r.harmless)
}

func newSimulation(anchors, liars int, liarsRole Role, turn int) *simulation {
	s := &simulation{company: newCompany(), rand: rand.New(rand.NewPCG(7, uint64(anchors*1000+liars))), liar: map[string]bool{}, turn: turn}
	s.level("we", Own, Unstated)
	s.founder("isac", "we")
	for i := range simulatedMembers {
		name := fmt.Sprint("member ", i)
		s.names = append(s.names, name)
		s.introduce("isac", "we", name)
		s.liar[name] = i >= simulatedMembers-liars
		switch {
		case i < anchors:
			s.level(name, Anchor, Unstated)
		case !s.liar[name]:
			s.level(name, Chosen, Unstated)
		case liarsRole != Stranger:
			s.level(name, liarsRole, Unstated)
		}
	}
	return s
}

// say is what a member says of a value it saw.
func (s *simulation) say(name string, bad, claimed bool, now int64) (Evidence, bool) {
	e := Evidence{Org: orgNamed(name), Confidence: 60 + s.rand.IntN(36), At: now, Until: forever, TLP: protocol.Green}
	switch {
	case s.liar[name] && s.day >= s.turn:
		e.Confidence = 100
		if bad {
			e.Kind = Harmless
		}
		return e, true
	case bad:
		return e, true
	case s.rand.Float64() < 0.02: // mistaken
		return e, true
	}
	e.Kind = Harmless
	return e, claimed && s.rand.Float64() < 0.5
}

func (s *simulation) run(days int) *tally {
	for s.day = range days {
		var count *tally
		switch since := s.day - s.turn; {
		case since >= 0 && since < firstDays:
			count = &s.first
		case since >= learningDays:
			count = &s.result
		}
		for range valuesPerDay {
			s.value(s.rand.IntN(2) == 0, testNow+int64(s.day)*day, count)
		}
	}
	return &s.result
}

// value lets everybody who sees a value speak, judges it, and settles the outcomes.
func (s *simulation) value(bad bool, now int64, count *tally) {
	v := Value{Type: stix.IPv4Addr}
	claimed := false
	for i := range s.names {
		name := s.names[len(s.names)-1-i] // liars first
		if s.rand.Float64() < 0.4 {
			if e, speaks := s.say(name, bad, claimed, now); speaks {
				v.Evidence = append(v.Evidence, e)
				claimed = claimed || e.Kind == Claim
			}
		}
	}
	early := s.judge(now).Tiers(v, now)
	if s.rand.Float64() < 0.1 && (bad || claimed) {
		e := claim("we", 90)
		if e.At = now; !bad {
			e.Kind = Harmless
		}
		v.Evidence = append(v.Evidence, e)
	}
	if count != nil && len(v.Evidence) > 0 {
		count.add(bad, early, s.judge(now).Tiers(v, now))
	}
	s.settle(v, now)
}

func (r *tally) add(bad bool, early, got Tiers) {
	one := func(n *int, is bool) {
		if is {
			*n++
		}
	}
	if bad {
		r.bad++
		one(&r.badAlert, got.In(Alert))
		one(&r.badBlock, got.In(Block))
	} else {
		r.harmless++
		one(&r.harmlessAlert, got.In(Alert))
		one(&r.hurt, got.In(Block))
		one(&r.burn, early.In(Block))
	}
}

// settle keeps outcomes as Model.Weigh asks: one per organisation and value,
// the heaviest, by others' words to the same or to the contrary.
func (s *simulation) settle(v Value, now int64) {
	type settled struct{ confirmed, refuted float64 }
	results := map[protocol.Org]settled{}
	for _, mine := range v.Evidence {
		var r settled
		for _, other := range v.Evidence {
			by := s.trust(other.Org, now)
			switch {
			case other.Org == mine.Org:
			case (other.Kind == Harmless) == (mine.Kind == Harmless):
				r.confirmed = max(r.confirmed, s.model.Weigh(Confirmed, &by))
			default:
				r.refuted = max(r.refuted, s.model.Weigh(FalsePositive, &by))
			}
		}
		results[mine.Org] = r
	}
	for org, r := range results {
		if s.levels[org].Role == Own {
			continue
		}
		switch { // where anchors contradict each other nothing is settled
		case r.refuted > 0 && r.confirmed < 1:
			s.outcomes[org] = s.model.Add(s.outcomes[org], FalsePositive, r.refuted, now)
		case r.refuted == 0:
			s.outcomes[org] = s.model.Add(s.outcomes[org], Confirmed, r.confirmed, now)
		}
	}
}

func (r *tally) String() string {
	share := func(n, of int) string { return fmt.Sprintf("%.1f%%", 100*float64(n)/float64(of)) }
	return fmt.Sprintf("%7s %7s %7s %7s %7s %7s", share(r.badAlert+r.harmless-r.harmlessAlert, r.bad+r.harmless), share(r.badAlert, r.bad), share(r.badBlock, r.bad),
		share(r.harmlessAlert, r.harmless), share(r.burn, r.harmless), share(r.hurt, r.harmless))
}

// TestLiars prints what becomes of values where a part of the members lies, from
// the first day on or after having behaved for two months: how many are
// judged rightly, the bad that alert and block, the harmless that alert, are
// blocked before a verdict came (soon), and stay blocked in the end.
func TestLiars(t *testing.T) {
	columns := "correct     bad   block harmless   soon blocked"
	t.Logf("%-28s| %-47s| after two weeks", "", "the first two days of lying")
	t.Logf("%-8s %7s %5s %4s | %s | %s", "liars", "anchors", "liars", "from", columns, columns)
	for _, role := range []Role{Chosen, Stranger} {
		for _, anchors := range []int{0, 10} {
			for _, liars := range []int{0, 10, 20, 30} {
				for _, turn := range []int{0, 60} {
					if liars == 0 && (turn > 0 || role == Stranger) {
						continue
					}
					s := newSimulation(anchors, liars, role, turn)
					r := s.run(turn + *simulatedDays)
					t.Logf("%-8s %6d%% %4d%% %4d | %s | %s", role, 100*anchors/simulatedMembers, 100*liars/simulatedMembers, turn, &s.first, r)
					if anchors > 0 && (r.correct() < 0.95 || liars > 0 && float64(r.hurt) > 0.02*float64(r.harmless)) {
						t.Errorf("%.2f correct, %d of %d harmless blocked", r.correct(), r.hurt, r.harmless)
					}
				}
			}
		}
	}
}
