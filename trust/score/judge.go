package score

import (
	"cmp"
	"math"
	"slices"

	"github.com/tocsin-exchange/tocsin/protocol"
	"github.com/tocsin-exchange/tocsin/protocol/stix"
)

// mostSteps is how many changes of what stands are looked ahead. Beyond them a
// value is said to leave its tier early, never late.
const mostSteps = 64

// A Judge judges values by a model, what organisations are trusted at the
// moment, and who let in whom. It is safe for concurrent use if Trust is.
type Judge struct {
	Model  *Model
	Trust  func(protocol.Org, stix.Type) Trust // from Model.Trust, our own organisation included
	Voices *Voices
}

// Tiers is what a feed needs to know of a value. Nothing in it holds for longer
// than trust, levels and membership stay as they are.
type Tiers struct {
	Score  int   // 0..100: how far the value is believed
	Acting int   // 0..100: as far as may be acted on; never-block lists and vetoes apart
	Again  int64 // Unix milliseconds: when a score may rise by itself, so that one has to ask again; 0: never
	until  [3]int64
}

// In reports whether the value is in a tier.
func (t *Tiers) In(tier Tier) bool { return t.until[tier] > 0 }

// Until is the last moment, in Unix milliseconds, at which the value is in the
// tier without a break if nothing new is said; 0 when it is not in it now.
func (t *Tiers) Until(tier Tier) int64 { return t.until[tier] }

// Tiers judges a value at a moment in Unix milliseconds, above zero.
func (j *Judge) Tiers(v Value, now int64) Tiers {
	var words [8]word
	var evidence [8]Evidence
	v.Evidence = sorted(v.Evidence, evidence[:0])
	t, _ := j.tiers(&v, now, words[:0])
	return t
}

// sorted sorts a copy by organisation; the rest makes what is explained independent
// of the order too.
func sorted(evidence, buf []Evidence) []Evidence {
	if len(evidence) < 2 {
		return evidence
	}
	evidence = append(buf, evidence...)
	slices.SortFunc(evidence, func(a, b Evidence) int {
		return cmp.Or(a.Org.Compare(b.Org), cmp.Compare(b.At, a.At), cmp.Compare(a.Kind, b.Kind), cmp.Compare(b.Confidence, a.Confidence),
			cmp.Compare(b.Until, a.Until), cmp.Compare(a.TLP, b.TLP), cmp.Compare(a.PAP, b.PAP))
	})
	return evidence
}

func (j *Judge) tiers(v *Value, now int64, words []word) (Tiers, hearing) {
	t := Tiers{Again: v.again(now)}
	sc := v.scope(now)
	h := j.hear(v, now, acting, words)
	t.Acting = h.score(1)
	if t.Score = t.Acting; !v.allMayAct() {
		all := j.hear(v, now, sc, nil)
		t.Score = all.score(1)
	}
	t.until[Observe] = v.standsUntil(now)
	for _, tier := range [2]Tier{Alert, Block} {
		if !j.holds(v, &h, tier, 1) {
			break // what does not alert does not block
		}
		t.until[tier] = j.until(v, h, tier, now)
	}
	return t, h
}

// holds reports whether a value is in a tier when all weights have faded to a
// part of what they were.
func (j *Judge) holds(v *Value, h *hearing, tier Tier, left float64) bool {
	if v.Floor != "" || h.veto {
		return false
	}
	if tier == Alert {
		return h.score(left) >= j.Model.Alert
	}
	return h.score(left) >= j.Model.Block && h.backing*left >= float64(j.Model.Least)/100-grain
}

// until walks from one change of what stands to the next. Between two of them
// all weights halve together, so the moment the tier ends is found by halving.
func (j *Judge) until(v *Value, h hearing, tier Tier, now int64) int64 {
	half := j.Model.HalfLife(v.Type)
	var buf [8]word
	for range mostSteps {
		next := v.next(now)
		if !j.holds(v, &h, tier, decay(next-1-now, half)) {
			in, out := now, next-1
			for out-in > 1 {
				if mid := in + (out-in)/2; j.holds(v, &h, tier, decay(mid-now, half)) {
					in = mid
				} else {
					out = mid
				}
			}
			return in
		}
		if next == math.MaxInt64 {
			return next - 1
		}
		now = next
		if h = j.hear(v, now, acting, buf[:0]); !j.holds(v, &h, tier, 1) {
			return now - 1
		}
	}
	return now
}
