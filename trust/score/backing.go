package score

import (
	"slices"

	"github.com/tocsin-exchange/tocsin/protocol/stix"
)

// back finds what a block rests on: an anchor, or enough principals of whom at
// least one is chosen and speaks. Backing is the weight of the weakest of those
// needed, so that the block ends when that one has faded below [Model.Least].
func (j *Judge) back(v *Value, h *hearing) {
	strongest := 0.0
	for i := range h.words {
		w := &h.words[i]
		if w.rule != Counted || !w.trust.Sound() {
			continue
		}
		strongest = max(strongest, w.weight)
		if w.trust.Level.Role >= Anchor && w.weight > h.backing {
			h.backing, h.anchored = w.weight, true
		}
	}
	if strongest == 0 || len(h.words) < j.Model.Corroboration {
		return
	}
	if several := min(strongest, j.corroboration(v.Type, h)); several > h.backing {
		h.backing, h.anchored = several, false
	}
}

// corroboration is the weight of the weakest of the strongest words by enough
// different principals, 0 when there are not enough. The principals are chosen:
// each answers for itself or for one of those it let in, not for both, so that
// nobody corroborates itself by whom it introduced; and the founders of a
// community who are not chosen answer together for those who came in by them.
func (j *Judge) corroboration(t stix.Type, h *hearing) float64 {
	var buf [8]int
	queue, strangers := buf[:0], false
	for i := range h.words {
		if w := &h.words[i]; w.mayCorroborate() {
			queue, strangers = append(queue, i), strangers || !w.trust.Sound()
		}
	}
	h.heaviestFirst(queue)
	var principals matching
	answers := answering{judge: j, t: t}
	found := 0
	for _, i := range queue {
		w := &h.words[i]
		if !strangers || answers.alone(w) || principals.add(answers.of(w)) {
			found++
		}
		if found == j.Model.Corroboration {
			return w.weight
		}
	}
	return 0
}

// mayCorroborate reports a word of somebody not discredited for the value being
// bad, whether its weight found a door or not.
func (w *word) mayCorroborate() bool {
	return !w.doubts && !w.trust.Discredited && w.weight > 0 && (w.rule == Counted || w.rule == SameDoor || w.rule == TooMany)
}

// answering knows who may answer for whom on one type of value.
type answering struct {
	judge *Judge
	t     stix.Type
	sound map[int32]bool
}

// alone reports a sound organisation that let nobody in.
func (a *answering) alone(w *word) bool {
	_, principal := a.judge.Voices.index[w.org]
	return w.trust.Sound() && !principal
}

// of returns the principals who may answer for a word.
func (a *answering) of(w *word) []int32 {
	if w.trust.Sound() {
		return []int32{a.judge.Voices.index[w.org]}
	}
	var options []int32
	for _, door := range a.judge.Voices.of[w.org] {
		for _, p := range a.judge.Voices.principals[door] {
			if !slices.Contains(options, p) && a.trusted(p) {
				options = append(options, p)
			}
		}
	}
	return options
}

// trusted reports whether a principal is not discredited.
func (a *answering) trusted(p int32) bool {
	org := a.judge.Voices.answers[p]
	if org.IsZero() {
		return true
	}
	sound, known := a.sound[p]
	if !known {
		if a.sound == nil {
			a.sound = map[int32]bool{}
		}
		trust := a.judge.Trust(org, a.t)
		sound = trust.Sound()
		a.sound[p] = sound
	}
	return sound
}
