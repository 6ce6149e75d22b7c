package node

import (
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/tocsin-exchange/tocsin/protocol"
	"github.com/tocsin-exchange/tocsin/protocol/stix"
	"github.com/tocsin-exchange/tocsin/trust/score"
)

// An Explanation is a judgement in the words it is shown and kept in. Weights and
// trust are rounded; what is judged is not.
type Explanation struct {
	Conclusion string    `json:"conclusion"` // in a sentence
	Score      int       `json:"score"`      // 0..100: how far the value is believed
	Acting     int       `json:"acting"`     // 0..100: as far as may be acted on
	Tier       string    `json:"tier"`       // the narrowest it is in: none, observe, alert, block
	Tiers      []TierIn  `json:"tiers"`
	Again      time.Time `json:"again,omitzero"` // when the score may rise by itself
	Voices     []Voice   `json:"voices"`         // of every organisation that says anything, those that count first
}

// A TierIn says whether a value is in a tier, by which rule, and until when if
// nothing new is said.
type TierIn struct {
	Tier   string    `json:"tier"`
	In     bool      `json:"in"`
	Rule   string    `json:"rule"`
	Reason string    `json:"reason"`
	Until  time.Time `json:"until,omitzero"` // zero though it is in: without end
}

// A Voice is what became of one organisation's word.
type Voice struct {
	Org        string       `json:"org"` // how it is called here
	OrgKey     protocol.Org `json:"org_key"`
	Says       string       `json:"says,omitempty"`       // the strongest of it: claim, sighting, false-positive
	Confidence *int         `json:"confidence,omitempty"` // that counts, stated or not
	Decay      float64      `json:"decay"`                // what is left of it by age, 0..1
	Trust      float64      `json:"trust"`                // 0..100
	TrustWhy   string       `json:"trust_why,omitempty"`
	Weight     float64      `json:"weight"`          // confidence x trust x decay, 0..1; of a false positive the trust
	Rule       string       `json:"rule"`            // such as counted, same-door, doubts
	Speaks     string       `json:"voice,omitempty"` // own, or that of a door
	Of         string       `json:"of,omitempty"`    // how whose door it is is called here; empty: the founders'
	Door       *CaseDoor    `json:"door,omitempty"`  // whose voice it speaks with
}

const noTier = "none"

// TierOf names the narrowest tier a value is in, none where it is in no tier.
func TierOf(t *score.Tiers) string {
	name := noTier
	for _, tier := range score.AllTiers() {
		if t.In(tier) {
			name = tier.String()
		}
	}
	return name
}

// neverYear is from when on a moment means that there is none.
const neverYear = 9999

// moment is a time in Unix milliseconds; zero for one that never comes.
func moment(ms int64) time.Time {
	if t := time.UnixMilli(ms).UTC(); ms != 0 && t.Year() < neverYear {
		return t
	}
	return time.Time{}
}

// explanationOf words a judgement that was made by a model.
func explanationOf(o stix.Observable, floor string, m *CaseModel, j *score.Judgement) Explanation {
	e := Explanation{Score: j.Score, Acting: j.Acting, Tier: TierOf(&j.Tiers), Again: moment(j.Again), Tiers: []TierIn{}, Voices: []Voice{}}
	for _, tier := range score.AllTiers() {
		v := j.Verdicts[tier]
		e.Tiers = append(e.Tiers, TierIn{tier.String(), v.Allowed, v.Rule, v.Reason, moment(j.Until(tier))})
	}
	for i := range j.Parts {
		e.Voices = append(e.Voices, voice(&j.Parts[i], m))
	}
	e.Conclusion = o.Value + " " + conclusion(&e, floor, m.Corroboration)
	return e
}

func voice(p *score.Part, m *CaseModel) Voice {
	v := Voice{OrgKey: p.Org, Decay: round(p.Decay, 4), Weight: round(p.Weight, 4), Rule: p.Rule}
	if e := p.Evidence; e != nil {
		v.Says = e.Kind.String()
		confidence := e.Confidence
		switch {
		case e.Kind == score.Sighting:
			confidence = m.SightingConfidence
		case confidence < 0:
			confidence = m.Confidence
		}
		v.Confidence = &confidence
	} else if p.Rule == score.Doubts || p.Rule == score.Vetoes || p.Rule == score.Answered {
		v.Says = score.Harmless.String()
	}
	if p.Trust != (score.Trust{}) {
		v.Trust, v.TrustWhy = round(p.Trust.Value, 2), p.Trust.String()
	}
	switch {
	case p.Own:
		v.Speaks = "own"
	case p.Door != nil:
		v.Speaks, v.Door = "door", &CaseDoor{p.Door.Org, p.Door.Community, p.Door.By}
	}
	return v
}

func round(x float64, digits int) float64 {
	unit := math.Pow10(digits)
	return math.Round(x*unit) / unit
}

// conclusion says it all in a line, for somebody who has no time to read on.
func conclusion(e *Explanation, floor string, corroboration int) string {
	first, out := -1, []string{}
	for i, t := range e.Tiers {
		if !t.In {
			out = append(out, t.Tier)
			if first < 0 {
				first = i
			}
		}
	}
	switch {
	case first < 0:
		return fmt.Sprintf("is in %s: %s", e.Tier, e.Tiers[len(e.Tiers)-1].Reason)
	case e.Tier == noTier && floor != "":
		return fmt.Sprintf("is never acted on: %s; %s", floor, e.Tiers[first].Reason)
	case e.Tier == noTier:
		return "is in no tier: " + e.Tiers[first].Reason
	}
	text := fmt.Sprintf("is in %s, not in %s: %s", e.Tier, strings.Join(out, " or "), e.Tiers[first].Reason)
	if e.Tiers[first].Rule == "below-"+score.Block.String() {
		text += fmt.Sprintf(" and an anchor or %d organisations, %d of them heard", corroboration, e.heard())
	}
	return text
}

// heard is how many organisations count for the value being bad.
func (e *Explanation) heard() (n int) {
	for i := range e.Voices {
		if e.Voices[i].Rule == score.Counted {
			n++
		}
	}
	return n
}

// Find judges the case again and words what comes of it, without the names by
// which organisations are called. Errors wrap [ErrCase].
func (c *Case) Find() (Explanation, error) {
	j, err := c.Judge()
	if err != nil {
		return Explanation{}, err
	}
	return explanationOf(c.Value, c.Floor, &c.Model, &j), nil
}
