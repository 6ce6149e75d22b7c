package score

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/tocsin-exchange/tocsin/protocol"
	"github.com/tocsin-exchange/tocsin/protocol/stix"
	"pgregory.net/rapid"
)

var (
	townsfolk = []string{"we", "cert", "csirt", "bank", "hospital", "vendor", "foe", "ann", "ben", "amy", "ada", "abe", "bob", "bea", "bix", "hal", "fay", "carl", "cleo", "cody", "nobody"}
	strangers = []string{"ann", "ben", "amy", "ada", "abe", "bob", "bea", "bix", "hal", "fay", "carl", "cleo", "cody", "nobody"}
)

func drawEvidence(t *rapid.T, who []string) Evidence {
	e := Evidence{
		Org: orgNamed(rapid.SampledFrom(who).Draw(t, "org")), Confidence: rapid.IntRange(-1, 100).Draw(t, "confidence"), TLP: protocol.Green,
		Kind: rapid.SampledFrom([]Kind{Claim, Claim, Claim, Sighting, Harmless}).Draw(t, "kind"),
		At:   testNow - rapid.Int64Range(-5, 40).Draw(t, "age")*day/2, Until: forever,
	}
	if rapid.Bool().Draw(t, "ends") {
		e.Until = e.At + rapid.Int64Range(1, 60*day).Draw(t, "lifetime")
	}
	switch rapid.IntRange(0, 9).Draw(t, "label") {
	case 0:
		e.Drill = true
	case 1:
		e.TLP = protocol.Red
	case 2:
		e.PAP = protocol.PAPAmber
	}
	return e
}

func drawValue(t *rapid.T, who []string) Value {
	v := Value{Type: rapid.SampledFrom([]stix.Type{stix.IPv4Addr, stix.DomainName}).Draw(t, "type")}
	for range rapid.IntRange(0, 12).Draw(t, "pieces") {
		v.Evidence = append(v.Evidence, drawEvidence(t, who))
	}
	return v
}

func drawOutcomes(t *rapid.T) Outcomes {
	return Outcomes{
		Confirmed: rapid.Float64Range(0, 100).Draw(t, "confirmed"), False: rapid.Float64Range(0, 4).Draw(t, "false"),
		At: testNow - rapid.Int64Range(0, 90).Draw(t, "since")*day,
	}
}

// drawTown is the town with a past.
func drawTown(t *rapid.T) *company {
	c := town()
	for _, name := range townsfolk {
		if rapid.IntRange(0, 3).Draw(t, "past of "+name) == 0 {
			c.outcomes[orgNamed(name)] = drawOutcomes(t)
		}
	}
	return c
}

func drawLevel(t *rapid.T) Level {
	return Level{rapid.SampledFrom([]Role{Stranger, Chosen, Anchor, Own}).Draw(t, "role"), rapid.IntRange(-1, 100).Draw(t, "number")}
}

func TestTrustOnlyFallsByFalsePositives(t *testing.T) {
	m := Default()
	rapid.Check(t, func(t *rapid.T) {
		l, o, weight := drawLevel(t), drawOutcomes(t), rapid.Float64Range(0, 5).Draw(t, "weight")
		at := testNow - rapid.Int64Range(0, 90).Draw(t, "at")*day
		before := m.Trust(l, o, testNow)
		worse, better := m.Trust(l, m.Add(o, FalsePositive, weight, at), testNow), m.Trust(l, m.Add(o, Confirmed, weight, at), testNow)
		if worse.Value > before.Value+1e-9 || before.Discredited && !worse.Discredited {
			t.Fatalf("a false positive raises %v to %v", before, worse)
		}
		if better.Value < before.Value-1e-9 {
			t.Fatalf("a confirmation lowers %v to %v", before, better)
		}
		if before.Value < 0 || before.Value > 100 || l.Role == Stranger && before.Value > float64(m.NewcomerCap) {
			t.Fatalf("%v is out of bounds", before)
		}
		if anchor := m.Trust(Level{Role: Anchor}, o, testNow); l.Role == Stranger && before.Value > anchor.Value {
			t.Fatalf("a stranger of the same record outranks an anchor: %v, %v", before, anchor)
		}
	})
}

// TestHistoryBuysNothing: enough proven-bad items discredit whatever the past.
func TestHistoryBuysNothing(t *testing.T) {
	m := Default()
	rapid.Check(t, func(t *rapid.T) {
		o := Outcomes{Confirmed: rapid.Float64Range(0, 1e9).Draw(t, "past"), At: testNow}
		for range int(m.Strikes) {
			o = m.Add(o, FalsePositive, 1, testNow)
		}
		l := Level{rapid.SampledFrom([]Role{Stranger, Chosen, Anchor}).Draw(t, "role"), rapid.IntRange(-1, 100).Draw(t, "level")}
		if tr := m.Trust(l, o, testNow); !tr.Discredited {
			t.Fatalf("%v", tr)
		}
	})
}

func TestOutcomesInAnyOrder(t *testing.T) {
	m := Default()
	type outcome struct {
		what   Outcome
		weight float64
		at     int64
	}
	rapid.Check(t, func(t *rapid.T) {
		var all []outcome
		for range rapid.IntRange(1, 20).Draw(t, "outcomes") {
			all = append(all, outcome{Outcome(rapid.IntRange(0, 1).Draw(t, "what")), rapid.Float64Range(0, 1).Draw(t, "weight"), testNow - rapid.Int64Range(0, 300*day).Draw(t, "age")})
		}
		sum := func(list []outcome) (o Outcomes) {
			for _, one := range list {
				o = m.Add(o, one.what, one.weight, one.at)
			}
			return m.at(o, testNow)
		}
		a, b := sum(all), sum(rapid.Permutation(all).Draw(t, "order"))
		if math.Abs(a.Confirmed-b.Confirmed) > 1e-9 || math.Abs(a.False-b.False) > 1e-9 {
			t.Fatalf("%v, in another order %v", a, b)
		}
		later := testNow + rapid.Int64Range(0, 99*day).Draw(t, "later")
		if direct, twice := m.at(a, later+day), m.at(m.at(a, later), later+day); math.Abs(direct.False-twice.False) > 1e-9 {
			t.Fatalf("decayed at once %v, in two steps %v", direct, twice)
		}
	})
}

func TestOrderMakesNoDifference(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c, v := drawTown(t), drawValue(t, townsfolk)
		w := v
		w.Evidence = rapid.Permutation(v.Evidence).Draw(t, "order")
		a, b := c.judge(testNow).Explain(v, testNow), c.judge(testNow).Explain(w, testNow)
		if x, y := fmt.Sprint(a.Tiers, a.Verdicts), fmt.Sprint(b.Tiers, b.Verdicts); x != y {
			t.Fatalf("%s, in another order %s", x, y)
		}
	})
}

func TestExplainAgreesWithTiers(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c, v := drawTown(t), drawValue(t, townsfolk)
		e, lean := c.judge(testNow).Explain(v, testNow), c.judge(testNow).Tiers(v, testNow)
		if e.Tiers != lean {
			t.Fatalf("%+v, explained %+v", lean, e.Tiers)
		}
		positive := []string{"stands", "score", "anchor", "corroborated"}
		for _, tier := range AllTiers() {
			said := e.Verdicts[tier]
			if said.Allowed != lean.In(tier) || slices.Contains(positive, said.Rule) != said.Allowed || said.Reason == "" {
				t.Fatalf("%s: %v, said %+v", tier, lean.In(tier), said)
			}
			if tier > Observe && lean.Until(tier) > lean.Until(tier-1) {
				t.Fatalf("longer in %s than in %s: %+v", tier, tier-1, lean)
			}
		}
	})
}

func TestConfidenceOnlyRaises(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c, v := drawTown(t), drawValue(t, townsfolk)
		v.Evidence = append(v.Evidence, drawEvidence(t, townsfolk))
		before := c.judge(testNow).Tiers(v, testNow)
		i := rapid.IntRange(0, len(v.Evidence)-1).Draw(t, "which")
		v.Evidence = slices.Clone(v.Evidence)
		v.Evidence[i].Confidence = max(50, rapid.IntRange(v.Evidence[i].Confidence, 100).Draw(t, "more"), v.Evidence[i].Confidence)
		after := c.judge(testNow).Tiers(v, testNow)
		if after.Score < before.Score || after.In(Block) != before.In(Block) && before.In(Block) {
			t.Fatalf("more confidence makes %+v %+v", before, after)
		}
	})
}

func TestStrangersAloneNeverBlock(t *testing.T) {
	alerts := 0
	rapid.Check(t, func(t *rapid.T) {
		c, v := drawTown(t), drawValue(t, strangers)
		for range 12 {
			e := drawEvidence(t, strangers)
			e.Kind, e.Confidence, e.At = Claim, 100, testNow
			v.Evidence = append(v.Evidence, e)
		}
		c.model.Corroboration = rapid.IntRange(1, 3).Draw(t, "k")
		got := c.judge(testNow).Tiers(v, testNow)
		if got.In(Block) || got.Score > c.model.StrangersCap {
			t.Fatalf("%+v", got)
		}
		if got.In(Alert) {
			alerts++
		}
	})
	if alerts == 0 {
		t.Error("strangers never even alerted: the test proves nothing")
	}
}

// TestUntil asks again at every moment that matters.
func TestUntil(t *testing.T) {
	looked := map[Tier]int{}
	rapid.Check(t, func(t *rapid.T) {
		c, v := drawTown(t), drawValue(t, townsfolk)
		for range rapid.IntRange(0, 2).Draw(t, "strong") {
			e := drawEvidence(t, []string{"we", "cert", "bank"})
			e.Kind, e.Confidence, e.Drill, e.TLP, e.PAP = Claim, 100, false, protocol.Green, protocol.PAPNone
			v.Evidence = append(v.Evidence, e)
		}
		j := c.judge(testNow)
		got := j.Tiers(v, testNow)
		in := func(tier Tier, at int64) bool { now := j.Tiers(v, at); return now.In(tier) }
		for _, tier := range AllTiers() {
			until := got.Until(tier)
			if until == 0 {
				continue
			}
			if until < testNow || until < forever-1 && in(tier, until+1) || !in(tier, until) {
				t.Fatalf("%s until %d: at its end %v, then %v", tier, until-testNow, in(tier, until), in(tier, until+1))
			}
			span := min(until, testNow+200*day) - testNow
			for range 20 {
				if at := testNow + rapid.Int64Range(0, span).Draw(t, "at"); !in(tier, at) {
					t.Fatalf("%s until %d, but not at %d", tier, until-testNow, at-testNow)
				}
			}
			looked[tier]++
		}
		if got.Again != 0 && got.Again <= testNow {
			t.Fatalf("again at %d", got.Again-testNow)
		}
		end := got.Again
		if end == 0 {
			end = testNow + 100*day
		}
		if at := rapid.Int64Range(testNow, end-1).Draw(t, "before"); j.Tiers(v, at).Acting > got.Acting {
			t.Fatalf("the score rises at %d, before %d", at-testNow, end-testNow)
		}
	})
	if !testing.Short() && (looked[Alert] < 10 || looked[Block] < 5) {
		t.Errorf("only these were looked at: %v", looked)
	}
}

// TestMatchingIsHeaviest compares with every way to hand out the places.
func TestMatchingIsHeaviest(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 7).Draw(t, "members")
		weights, options := make([]int, n), make([][]int32, n)
		for i := range n {
			weights[i] = rapid.IntRange(1, 50).Draw(t, "weight")
			options[i] = rapid.SliceOfNDistinct(rapid.Int32Range(0, 5), 0, 4, rapid.ID).Draw(t, "options")
		}
		order := []int{0, 1, 2, 3, 4, 5, 6}[:n]
		slices.SortFunc(order, func(a, b int) int { return cmp.Or(cmp.Compare(weights[b], weights[a]), cmp.Compare(a, b)) })
		var m matching
		got := 0
		for _, i := range order {
			if m.add(options[i]) {
				got += weights[i]
			}
		}
		if want := heaviest(weights, options, 0, 0); got != want {
			t.Fatalf("%v of %v: %d, want %d", options, weights, got, want)
		}
	})
}

func heaviest(weights []int, options [][]int32, i int, taken uint) int {
	if i == len(weights) {
		return 0
	}
	best := heaviest(weights, options, i+1, taken)
	for _, p := range options[i] {
		if taken&(1<<p) == 0 {
			best = max(best, weights[i]+heaviest(weights, options, i+1, taken|1<<p))
		}
	}
	return best
}
