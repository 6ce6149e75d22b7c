package score

import (
	"cmp"
	"math"
	"slices"
)

// mostVoices is how many voices of strangers are heard, the strongest.
const mostVoices = 64

// grain is far above the error of a sum and far below what anybody would notice.
// Half a point and a weight exactly on its threshold are round numbers that do
// occur; with it they count in whatever steps the weights faded.
const grain = 1e-9

// A hearing is what everybody says of a value at one moment, and how it sums up.
type hearing struct {
	words     []word
	strangers float64 // most that strangers give together
	certain   float64 // what the doubts of the sound leave, of everything
	stranger  float64 // what the doubts of strangers leave, of what strangers say
	veto      bool
	backing   float64 // weight of the voice without which a block lacks its backing
	anchored  bool    // that voice is an anchor's
}

// hear hears evidence that is sorted by organisation.
func (j *Judge) hear(v *Value, now int64, sc scope, words []word) hearing {
	for from := 0; from < len(v.Evidence); {
		to := from + 1
		for to < len(v.Evidence) && v.Evidence[to].Org == v.Evidence[from].Org {
			to++
		}
		words = append(words, j.word(v, v.Evidence[from:to], now, sc))
		from = to
	}
	h := hearing{words: words, strangers: float64(j.Model.StrangersCap) / 100, certain: 1, stranger: 1}
	h.answer()
	h.doubt()
	j.admitStrangers(&h, Doubts)
	j.admitStrangers(&h, Counted)
	for i := range words {
		if w := &words[i]; w.rule == Doubts && !w.trust.Sound() {
			h.stranger *= 1 - w.weight
		}
	}
	j.back(v, &h)
	return h
}

// answer lets a claim of our own answer every doubt before it.
func (h *hearing) answer() {
	for i := range h.words {
		own := &h.words[i]
		if own.trust.Level.Role != Own || own.rule != Counted || own.at == never {
			continue
		}
		for k := range h.words {
			if w := &h.words[k]; w.rule == Doubts && w.at < own.at {
				w.rule = Answered
			}
		}
	}
}

// doubt sums up what the sound call harmless.
func (h *hearing) doubt() {
	for i := range h.words {
		w := &h.words[i]
		if w.rule != Doubts || !w.trust.Sound() {
			continue
		}
		h.certain *= 1 - w.weight
		if w.trust.Level.Role >= Anchor {
			w.rule, h.veto = Vetoes, true
		}
	}
}

// admitStrangers gives the strangers of a rule the doors they came in by, each
// door once, to the heaviest set there is.
func (j *Judge) admitStrangers(h *hearing, rule string) {
	var buf [8]int
	queue := buf[:0]
	for i := range h.words {
		if w := &h.words[i]; w.rule == rule && !w.trust.Sound() {
			queue = append(queue, i)
		}
	}
	h.heaviestFirst(queue)
	j.handOut(h, queue)
}

// handOut gives each stranger a door while there is one.
func (j *Judge) handOut(h *hearing, queue []int) {
	var doors matching
	var fit []int // the words that have a door, in the order they got one
	heard := 0
	for n, i := range queue {
		w := &h.words[i]
		options := j.Voices.of[w.org]
		switch {
		case heard == mostVoices:
			w.rule = TooMany
		case w.trust.Level.Chosen(): // discredited: a stranger at its own door
			heard++
		case len(options) == 0:
			w.rule = NoDoor
		case n == len(queue)-1 && heard == 0: // the only one needs no matching
			w.door = options[0]
		case doors.add(options):
			heard++
			fit = append(fit, i)
		default:
			w.rule = SameDoor
		}
	}
	for place, member := range doors.taken {
		h.words[fit[member]].door = place
	}
}

// heaviestFirst sorts indexes of words.
func (h *hearing) heaviestFirst(queue []int) {
	if len(queue) > 1 {
		slices.SortFunc(queue, func(a, b int) int {
			return cmp.Or(cmp.Compare(h.words[b].weight, h.words[a].weight), cmp.Compare(a, b))
		})
	}
}

// score is 0..100 when all weights have faded to a part of what they were.
func (h *hearing) score(left float64) int {
	sound, strangers := 1.0, 1.0
	for i := range h.words {
		w := &h.words[i]
		switch {
		case w.rule != Counted:
		case w.trust.Sound():
			sound *= 1 - w.weight*left
		default:
			strangers *= 1 - w.weight*left
		}
	}
	pool := min(1-strangers, h.strangers) * h.stranger
	return int(math.Round(100*(1-sound*(1-pool))*h.certain + grain))
}
