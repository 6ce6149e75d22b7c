package score

import (
	"fmt"
	"math"
	"slices"

	"github.com/tocsin-exchange/tocsin/protocol"
	"github.com/tocsin-exchange/tocsin/trust"
)

// A Judgement is [Tiers] and why.
type Judgement struct {
	Tiers
	Verdicts [3]trust.Verdict // by Tier: in it or not, the rule, and a sentence
	Parts    []Part           // a part per organisation, those that count first, by weight
}

// A Part is what one organisation's word did.
type Part struct {
	Org      protocol.Org
	Trust    Trust     // the zero value where nothing was counted
	Evidence *Evidence // the strongest of what it said; nil where it doubts or nothing counted
	Decay    float64   // what is left of that by age, 0..1
	Weight   float64   // confidence x trust x decay, 0..1; of a doubt its trust
	Rule     string    // what became of it, such as Counted
	Own      bool      // it spoke with a voice of its own
	Door     *Door     // by which it spoke otherwise; nil: none
}

// Explain judges a value at a moment in Unix milliseconds and says why. Its
// Tiers are those that [Judge.Tiers] returns.
func (j *Judge) Explain(v Value, now int64) Judgement {
	v.Evidence = sorted(v.Evidence, nil)
	t, h := j.tiers(&v, now, nil)
	e := Judgement{Tiers: t}
	for _, tier := range AllTiers() {
		rule, reason := j.reason(&v, &h, &t, tier)
		e.Verdicts[tier] = trust.Verdict{Allowed: t.In(tier), Rule: rule, Reason: reason}
	}
	for i := range h.words {
		e.Parts = append(e.Parts, j.part(&h.words[i]))
	}
	slices.SortStableFunc(e.Parts, func(a, b Part) int {
		switch {
		case a.Weight > b.Weight:
			return -1
		case a.Weight < b.Weight:
			return 1
		}
		return 0
	})
	return e
}

func (j *Judge) part(w *word) Part {
	p := Part{Org: w.org, Trust: w.trust, Weight: w.weight, Rule: w.rule, Own: w.rule == Counted && w.trust.Level.Chosen()}
	if w.best >= 0 {
		p.Evidence = &w.run[w.best]
		if full := float64(j.confidence(p.Evidence)) / 100 * w.trust.Value / 100; full > 0 {
			p.Decay = w.weight / full
		}
	}
	if w.door >= 0 {
		p.Door = &j.Voices.doors[w.door]
	}
	return p
}

// reason says by which rule a value is in a tier or not.
func (j *Judge) reason(v *Value, h *hearing, t *Tiers, tier Tier) (rule, reason string) {
	limit := j.Model.Alert
	if tier == Block {
		limit = j.Model.Block
	}
	switch {
	case !t.In(Observe):
		return "nothing-stands", "nothing that was said of it stands"
	case tier == Observe:
		return "stands", "somebody's claim or sighting stands"
	case v.Floor != "":
		return "never-block", "nothing may ever act on it: " + v.Floor
	case h.veto:
		return "false-positive", "an anchor, or we, called it harmless, and we have not claimed it since"
	case t.Acting < limit && t.Score >= limit:
		return "may-not-act", fmt.Sprintf("the score is %d, but %d without drills and what TLP or PAP forbids to act on; %s needs %d", t.Score, t.Acting, tier, limit)
	case t.Acting < limit:
		return "below-" + tier.String(), fmt.Sprintf("the score is %d, %s needs %d", t.Acting, tier, limit)
	case tier == Alert:
		return "score", fmt.Sprintf("the score is %d of the %d needed", t.Acting, limit)
	}
	return j.backed(h, t)
}

// backed says what a score that is high enough rests on.
func (j *Judge) backed(h *hearing, t *Tiers) (rule, reason string) {
	switch {
	case !t.In(Block):
		return "uncorroborated", fmt.Sprintf("the score is %d, but no anchor speaks, and fewer than %d independent organisations with %d percent of weight each",
			t.Acting, j.Model.Corroboration, j.Model.Least)
	case h.anchored:
		return "anchor", fmt.Sprintf("the score is %d, and an anchor speaks with a weight of %d percent", t.Acting, int(math.Round(100*h.backing)))
	}
	return "corroborated", fmt.Sprintf("the score is %d, and %d independent organisations say so", t.Acting, j.Model.Corroboration)
}
