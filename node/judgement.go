package node

import (
	"time"

	"github.com/tocsin-exchange/tocsin/protocol"
	"github.com/tocsin-exchange/tocsin/protocol/stix"
	"github.com/tocsin-exchange/tocsin/storage"
	"github.com/tocsin-exchange/tocsin/trust/floor"
	"github.com/tocsin-exchange/tocsin/trust/score"
)

// A Judgement is how far a value is believed for one asker, what may act on it,
// and all that bears on that.
type Judgement struct {
	Value  stix.Observable
	Claims []storage.Claim // that stand
	About  []storage.Claim // sightings and opinions
	Never  *floor.Hit      // why nothing may ever act on it; nil: something may
	score.Judgement
}

// Judges judges values as they are judged at one moment. It is for one goroutine.
type Judges struct {
	n     *Node
	bench *bench
	judge *score.Judge
	by    Record // whose outcomes
	now   int64
	Mark  uint64 // another when a value may be judged otherwise without news of it

	hindsight *hindsight // nil until somebody asks for it
	until     int64      // they look at what had come by then; 0: at everything
}

// Judges returns who judges at a moment for an asker that may see a record.
func (n *Node) Judges(now time.Time, r Record) *Judges {
	b := n.bench()
	return &Judges{n: n, bench: b, judge: b.judge(now, r), by: r, now: now.UnixMilli(), Mark: b.mark}
}

// Never says why nothing may ever act on a value.
func (j *Judges) Never(o stix.Observable) (floor.Hit, bool) { return j.bench.rules.Floor.Check(o) }

// neverAny is Never for the first of some values.
func (j *Judges) neverAny(values []stix.Observable) (floor.Hit, bool) {
	for _, o := range values {
		if hit, never := j.Never(o); never {
			return hit, true
		}
	}
	return floor.Hit{}, false
}

// Tiers judges a value of which this is all that is said; see [Judges.Explain].
func (j *Judges) Tiers(o stix.Observable, claims, about []storage.Claim) score.Tiers {
	v, _ := j.value(o, claims, about)
	return j.judge.Tiers(v, j.now)
}

// Explain judges a value for whoever asks with a query, and says why. Errors are
// those of [storage.Store.Lookup].
func (j *Judges) Explain(o stix.Observable, q storage.Query) (Judgement, error) {
	claims, about, err := j.n.store.AboutValue(o, q, IDOf)
	v, never := j.value(o, claims, about)
	return Judgement{o, claims, about, never, j.judge.Explain(v, j.now)}, err
}

func (j *Judges) value(o stix.Observable, claims, about []storage.Claim) (score.Value, *floor.Hit) {
	v := score.Value{Type: o.Type, Evidence: make([]score.Evidence, 0, len(claims)+len(about))}
	for i := range claims {
		v.Evidence = append(v.Evidence, claimed(&claims[i]))
	}
	for i := range about {
		if e, ok := remarked(&about[i]); ok {
			v.Evidence = append(v.Evidence, e)
		}
	}
	if hit, never := j.Never(o); never {
		v.Floor = hit.Reason
		return v, &hit
	}
	return v, nil
}

// IDOf is the id that an indicator of a claim's value alone has in its scope:
// what sightings and opinions speak of.
func IDOf(c *storage.Claim) string {
	return stix.IndicatorID(scopeOf(c.Org, c.Community, c.TLP, c.Audience), []stix.Observable{c.Observable})
}

// claimed is a claim as evidence. It was said when it was issued, or received if
// that was earlier: nobody gains by dating it later.
func claimed(c *storage.Claim) score.Evidence {
	at := min(c.Issued.UnixMilli(), c.Received.UnixMilli())
	if from := c.Object.ValidFrom; !from.IsZero() {
		at = max(at, from.UnixMilli())
	}
	return evidence(c, score.Claim, c.Object.Confidence, at)
}

// remarked is a sighting or an opinion as evidence; false for one that says
// nothing either way.
func remarked(c *storage.Claim) (score.Evidence, bool) {
	said := min(c.Issued.UnixMilli(), c.Received.UnixMilli())
	switch c.Object.Opinion {
	case "strongly-disagree", "disagree":
		return evidence(c, score.Harmless, c.Object.Confidence, said), true
	case "agree", "strongly-agree":
		return evidence(c, score.Claim, c.Object.Confidence, said), true
	case "neutral":
		return score.Evidence{}, false
	}
	if c.Object.Count == 0 { // it was looked for, and not met
		return score.Evidence{}, false
	}
	if seen := c.Object.LastSeen; !seen.IsZero() {
		said = min(said, seen.UnixMilli())
	}
	return evidence(c, score.Sighting, c.Object.Confidence, said), true
}

func evidence(c *storage.Claim, kind score.Kind, confidence int, at int64) score.Evidence {
	return score.Evidence{
		Org: c.Org, Kind: kind, Confidence: confidence, At: at, Until: c.Expires.UnixMilli(), TLP: c.TLP, PAP: c.PAP, Drill: c.Drill != "",
	}
}

// Trust is how far an organisation is believed in a type of value now ("": in
// any) by all that became of its word, and what says so: a key of the policy,
// peer-trust, or own.
func (n *Node) Trust(org protocol.Org, kind stix.Type) (score.Trust, string) {
	b := n.bench()
	_, source := b.belief(org, kind)
	return b.trust(org, kind, WholeRecord, time.Now()), source
}

// Doors returns by which organisations one came in that nobody here decided on.
func (n *Node) Doors(org protocol.Org) []score.Door { return n.bench().voices.Doors(org) }
