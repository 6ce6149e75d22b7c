package score

import (
	"math"

	"github.com/tocsin-exchange/tocsin/protocol"
)

// never is before every moment.
const never = math.MinInt64

// What became of an organisation's word; short and stable.
const (
	Counted     = "counted"       // it weighs, with a voice of its own or of its door
	SameDoor    = "same-door"     // others who came in by the same doors say it with more weight
	NoDoor      = "no-door"       // a stranger nobody we know let in
	TooMany     = "too-many"      // beyond the voices of strangers that are heard
	Doubts      = "doubts"        // it says the value is harmless
	Vetoes      = "vetoes"        // so does an anchor, or we
	Answered    = "answered"      // it did, and we claimed the value since
	NotHeard    = "may-not-act"   // only in a drill, or its label or PAP forbids to act
	OutOfSeason = "out-of-season" // expired, or not yet valid
)

// A word is what one organisation says of a value at one moment.
type word struct {
	org    protocol.Org
	trust  Trust
	run    []Evidence // all of its evidence
	best   int        // of run, -1: nothing that weighs
	weight float64    // 0..1
	doubts bool
	at     int64 // when it said so last
	rule   string
	door   int32 // by which it came in to be counted, -1: none
}

// word makes one word of an organisation's evidence: the last thing it said of
// its own mind holds. What it met since does not take back that it is harmless.
func (j *Judge) word(v *Value, run []Evidence, now int64, sc scope) word {
	w := word{org: run[0].Org, run: run, best: -1, rule: OutOfSeason, at: never, door: -1}
	last := [3]int64{Claim: never, Sighting: never, Harmless: never}
	for i := range run {
		switch e := &run[i]; {
		case !e.stands(now):
		case !sc.hears(e):
			w.rule = NotHeard
		default:
			last[e.Kind] = max(last[e.Kind], e.At)
		}
	}
	harmless, claimed := last[Harmless], last[Claim]
	if max(harmless, claimed, last[Sighting]) == never {
		return w
	}
	w.trust = j.Trust(w.org, v.Type)
	if w.doubts = harmless != never && harmless >= claimed; w.doubts {
		w.rule, w.at, w.weight = Doubts, harmless, w.trust.Value/100
		return w
	}
	w.rule, w.at = Counted, claimed
	j.weigh(v, &w, harmless, last[Sighting], now, sc)
	return w
}

// weigh finds the strongest of what was said since the organisation last called
// the value harmless. To meet a value again makes a claim fresh again.
func (j *Judge) weigh(v *Value, w *word, harmless, met, now int64, sc scope) {
	half := j.Model.HalfLife(v.Type)
	for i := range w.run {
		e := &w.run[i]
		if e.Kind == Harmless || !e.stands(now) || !sc.hears(e) || e.At <= harmless {
			continue
		}
		weight := float64(j.confidence(e)) / 100 * w.trust.Value / 100 * decay(now-max(e.At, met), half)
		if w.best < 0 || weight > w.weight {
			w.best, w.weight = i, weight
		}
	}
}

func (j *Judge) confidence(e *Evidence) int {
	switch {
	case e.Kind == Sighting:
		return j.Model.SightingConfidence
	case e.Confidence < 0:
		return j.Model.Confidence
	}
	return min(e.Confidence, 100)
}
