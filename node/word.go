package node

import (
	"cmp"
	"errors"
	"slices"

	"github.com/tocsin-exchange/tocsin/storage"
	"github.com/tocsin-exchange/tocsin/trust/score"
)

// ErrGone is wrapped by errors about pages that begin behind a word that is not
// there any more.
var ErrGone = errors.New("what the page begins behind is gone")

// A Word is a claim, a sighting or an opinion, what became of it, and how the
// value was judged when it came.
type Word struct {
	storage.Claim
	From   string // whose node handed it over, by name
	Says   string // claim, sighting, false-positive, nothing
	State  string // stands, superseded, revoked, expired, held, or why its organisation is not heard: peer-blocked, quarantined, author-fallen
	Reason string // a sentence
	Became string // of what stands: the rule of its organisation's voice, or weaker-word, taken-back, says-nothing
	Weight float64
	Then   Then
}

// Then is how a value was judged when something was said of it. See [ThenBasis].
type Then struct {
	Trust float64 // in who said it, 0..100
	Score int
	Tier  string
	Known bool // by what the journal has of that moment; else by the rules, levels, blocks and outcomes of now
}

// ThenBasis says what a [Then] is made from.
const ThenBasis = "what was said by then and is held still, judged as the journal has that moment, or else as now; never-block lists are those of now"

// What became of a word that stands and is not what its organisation is heard for.
const (
	weakerWord  = "weaker-word"  // it says the same with more weight elsewhere
	takenBack   = "taken-back"   // it calls the value harmless since
	saysNothing = "says-nothing" // it says neither
)

// States of words.
const (
	waits  = "held" // for a person
	stands = "stands"
	counts = "it counts until it expires or something newer is said"
)

// became finds out what the word is, and what it does.
func (w *Word) became(parts []score.Part) {
	e, says := claimed(&w.Claim), true
	if w.Object.Type != "indicator" {
		e, says = remarked(&w.Claim)
	}
	if w.Says = e.Kind.String(); !says {
		w.Says = "nothing"
	}
	if w.State != stands {
		return
	}
	if w.Became = saysNothing; !says {
		return
	}
	for i := range parts {
		if p := &parts[i]; p.Org == w.Org {
			w.Became, w.Weight = did(p, &e), 0
			if w.Became == p.Rule {
				w.Weight = round(p.Weight, 4)
			}
		}
	}
}

// did says what one piece of an organisation's evidence did.
func did(p *score.Part, e *score.Evidence) string {
	doubts := p.Rule == score.Doubts || p.Rule == score.Vetoes || p.Rule == score.Answered
	switch {
	case doubts && e.Kind != score.Harmless:
		return takenBack
	case p.Evidence != nil && *p.Evidence != *e:
		return weakerWord
	}
	return p.Rule
}

// newestFirst puts what stands before what does not.
func newestFirst(list []Word) []Word {
	slices.SortStableFunc(list, func(a, b Word) int {
		switch {
		case a.State == stands && b.State != stands:
			return -1
		case a.State != stands && b.State == stands:
			return 1
		}
		return cmp.Or(b.Received.Compare(a.Received), b.Issued.Compare(a.Issued), a.Bulletin.Compare(b.Bulletin), cmp.Compare(a.Index, b.Index))
	})
	return list
}

// pageOf is what is listed of a sorted list behind a word, and how many there are
// behind that.
func pageOf(list []Word, after WordRef) (page []Word, left int, err error) {
	if after != (WordRef{}) {
		i := slices.IndexFunc(list, func(w Word) bool { return w.Bulletin == after.Bulletin && w.Index == after.Index })
		if i < 0 {
			return nil, 0, ErrGone
		}
		list = list[i+1:]
	}
	left = max(0, len(list)-WordsPerPage)
	return list[:len(list)-left], left, nil
}
