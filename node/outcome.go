package node

import (
	"github.com/tocsin-exchange/tocsin/protocol"
	"github.com/tocsin-exchange/tocsin/protocol/stix"
	"github.com/tocsin-exchange/tocsin/storage"
	"github.com/tocsin-exchange/tocsin/trust"
	"github.com/tocsin-exchange/tocsin/trust/score"
)

// A Record says which outcomes a judgement goes by: none but those drawn from
// what its asker may see, or an answer would tell of what is not shown.
type Record uint8

// Records, each with all of the one before. What is under RED, and what is said
// in a drill, is in none.
const (
	NoRecord    Record = iota // levels alone
	OpenRecord                // drawn from CLEAR and GREEN, up to PAP:AMBER
	WholeRecord               // and from AMBER, AMBER+STRICT and PAP:RED
)

// RecordFor is the record that a reader may see all of.
func RecordFor(r trust.Reader) Record {
	switch {
	case r.Clearance >= protocol.AmberStrict && r.PAP >= protocol.PAPRed:
		return WholeRecord
	case r.Clearance >= protocol.Green && r.PAP >= protocol.PAPAmber:
		return OpenRecord
	}
	return NoRecord
}

// of reports whether outcomes of a record may be drawn from something that was
// said.
func (r Record) of(c *storage.Claim) bool {
	return c.Drill == "" && trust.Counted(c.TLP) && (r == WholeRecord || r == OpenRecord && !trust.Named(c.TLP) && c.PAP <= protocol.PAPAmber)
}

// Outcomes are what became of everybody's word, by organisation and observable
// type. They are never changed; whoever learns of one makes others.
type outcomes struct {
	sums map[outcomeKey]score.Outcomes
}

type outcomeKey struct {
	org    protocol.Org
	kind   stix.Type
	record Record
}

func (o *outcomes) of(org protocol.Org, kind stix.Type, r Record) score.Outcomes {
	if o == nil {
		return score.Outcomes{}
	}
	return o.sums[outcomeKey{org, kind, r}]
}

// A saying is one organisation's word on a value, as far as outcomes go.
type saying struct {
	org     protocol.Org
	kind    score.Kind
	said    int64 // Unix milliseconds: issued, or received if that was earlier
	arrival uint64
	first   start // of a claim that is held in several versions
}

// A start is when something was said first.
type start struct {
	said    int64
	arrival uint64
}

// before reports whether a saying was first made before another, and was here
// before: whoever repeats others gains nothing by an earlier date, and whoever
// says a thing anew loses nothing.
func (s saying) before(t saying) bool {
	return s.first.arrival < t.first.arrival && s.first.said <= t.first.said
}

// A finding is what one organisation's word shows of another's on a value.
type finding struct {
	org    protocol.Org
	what   score.Outcome
	weight float64      // 0: by shows no longer what it showed before
	by     protocol.Org // whose word shows it
	at     int64        // Unix milliseconds
}

// sayings are all that a record takes of what is said of a value, without what
// nobody holds to any more: whoever calls it harmless silences what it said before, and a claim takes that
// back, as in package score.
func sayings(claims, about []storage.Claim, r Record) (list []saying) {
	add := func(c *storage.Claim, kind score.Kind) {
		if r.of(c) {
			said := min(c.Issued.UnixMilli(), c.Received.UnixMilli())
			list = append(list, saying{c.Org, kind, said, c.Arrival, start{said, c.Arrival}})
		}
	}
	for i := range claims {
		add(&claims[i], score.Claim)
	}
	for i := range about {
		if e, says := remarked(&about[i]); says {
			add(&about[i], e.Kind)
		}
	}
	type last struct{ harmless, claimed int64 }
	of := map[protocol.Org]last{}
	for _, s := range list {
		l := of[s.org]
		switch s.kind {
		case score.Harmless:
			l.harmless = max(l.harmless, s.said)
		case score.Claim:
			l.claimed = max(l.claimed, s.said)
		}
		of[s.org] = l
	}
	kept := list[:0]
	for _, s := range list {
		l := of[s.org]
		doubts := l.harmless > 0 && l.harmless >= l.claimed
		if doubts == (s.kind == score.Harmless) && (doubts || s.said > l.harmless) {
			kept = append(kept, s)
		}
	}
	return kept
}

// findings are what the word of one organisation shows of the others', and those
// of the others of its own. proves is what it weighs when one shows something; no
// organisation shows anything of its own word, and nobody of ours.
//
//   - Whoever claims or meets a value confirms those who claimed it before.
//   - Whoever calls it harmless shows that those were wrong who said it was not,
//     and the other way round, where harmless was said first.
//   - Where somebody who may prove it calls a value harmless, it is confirmed only
//     by those who may prove the contrary.
//   - Who contradicts another no longer, having thought better of it or taken it
//     back, has shown nothing.
func findings(list []saying, by, self protocol.Org, proves func(score.Outcome, protocol.Org) float64) (found []finding) {
	vetoed := false
	for _, s := range list {
		vetoed = vetoed || s.kind == score.Harmless && proves(score.FalsePositive, s.org) > 0
	}
	for _, x := range list {
		if x.org == by || x.org == self {
			continue
		}
		contradicted := false
		for _, y := range list {
			if y.org != by {
				continue
			}
			contradicted = contradicted || (x.kind == score.Harmless) != (y.kind == score.Harmless)
			f := finding{org: x.org, what: score.FalsePositive, by: by, at: y.said}
			switch {
			case y.kind == score.Harmless && x.kind != score.Harmless && x.said <= y.said, y.kind != score.Harmless && x.kind == score.Harmless && x.before(y):
				f.weight = proves(score.FalsePositive, by)
			case y.kind != score.Harmless && x.kind == score.Claim && x.before(y) && (!vetoed || proves(score.FalsePositive, by) > 0):
				f.what, f.weight = score.Confirmed, proves(score.Confirmed, by)
			}
			if f.weight > 0 {
				found = append(found, f)
			}
		}
		if !contradicted {
			found = append(found, finding{org: x.org, what: score.FalsePositive, by: by})
		}
	}
	return append(found, late(list, by, self, proves)...)
}

// late finds that what arrives now had been shown to be wrong already.
func late(list []saying, by, self protocol.Org, proves func(score.Outcome, protocol.Org) float64) (found []finding) {
	if by == self {
		return nil
	}
	for _, x := range list {
		for _, y := range list {
			if x.org != by || y.org == by || x.kind == score.Harmless || y.kind != score.Harmless || x.said > y.said || x.arrival < y.arrival {
				continue
			}
			if w := proves(score.FalsePositive, y.org); w > 0 {
				found = append(found, finding{by, score.FalsePositive, w, y.org, y.said})
			}
		}
	}
	return found
}
