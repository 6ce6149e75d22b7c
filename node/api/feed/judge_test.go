package feed

import (
	"time"

	"github.com/tocsin-exchange/tocsin/protocol"
	"github.com/tocsin-exchange/tocsin/protocol/stix"
	"github.com/tocsin-exchange/tocsin/storage"
	"github.com/tocsin-exchange/tocsin/trust/floor"
	"github.com/tocsin-exchange/tocsin/trust/score"
)

// A court judges as package node does, by levels that a test sets. Organisations
// it names not are strangers whom the reader let in.
type court struct {
	model  score.Model
	levels map[protocol.Org]score.Level
	floor  *floor.Floor
	guards Guards
	mark   uint64
	asked  int // how often a value was judged
}

func newCourt() *court {
	own, err := floor.New(floor.Own{})
	if err != nil {
		panic(err)
	}
	return &court{
		model: score.Default(), levels: map[protocol.Org]score.Level{newAuthor("reader").cert.Org: {Role: score.Own, Number: score.Unstated}},
		floor: own, guards: Guards{Lines: 100_000, Percent: 50, Minimum: 100, HoldDown: time.Hour},
	}
}

// level says how far an organisation is believed from now on.
func (c *court) level(org string, role score.Role, number int) {
	c.levels[newAuthor(org).cert.Org] = score.Level{Role: role, Number: number}
	c.mark++
}

func (c *court) judge(now time.Time) Judging {
	j, end := c.sit(now), c.sit(now.Truncate(day).Add(day))
	j.Score = func(o stix.Observable, claims, about []storage.Claim) int {
		t := end.Tiers(o, claims, about)
		return t.Score
	}
	return j
}

// sit makes who judges at a moment.
func (c *court) sit(now time.Time) Judging {
	voices := score.NewVoices(c.levelOf, nil)
	judge := &score.Judge{Model: &c.model, Voices: voices, Trust: func(org protocol.Org, _ stix.Type) score.Trust {
		return c.model.Trust(c.levelOf(org), score.Outcomes{}, now.UnixMilli())
	}}
	return Judging{
		Mark: c.mark, Self: newAuthor("reader").cert.Org, Guards: c.guards,
		Never: func(o stix.Observable) bool { _, hit := c.floor.Check(o); return hit },
		ID:    func(c *storage.Claim) string { return indicatorOf(c.Observable.Value) },
		Tiers: func(o stix.Observable, claims, about []storage.Claim) score.Tiers {
			c.asked++
			v := score.Value{Type: o.Type}
			for i := range claims {
				v.Evidence = append(v.Evidence, evidence(&claims[i], score.Claim))
			}
			for i := range about {
				kind := score.Sighting
				if about[i].Object.Opinion != "" {
					kind = score.Harmless
				}
				v.Evidence = append(v.Evidence, evidence(&about[i], kind))
			}
			return judge.Tiers(v, now.UnixMilli())
		},
	}
}

func (c *court) levelOf(org protocol.Org) score.Level {
	if l, given := c.levels[org]; given {
		return l
	}
	return score.Level{Role: score.Stranger, Number: score.Unstated}
}

func evidence(c *storage.Claim, kind score.Kind) score.Evidence {
	at := min(c.Issued.UnixMilli(), c.Received.UnixMilli())
	if from := c.Object.ValidFrom; kind == score.Claim && !from.IsZero() {
		at = max(at, from.UnixMilli())
	}
	return score.Evidence{
		Org: c.Org, Kind: kind, Confidence: c.Object.Confidence, At: at, Until: c.Expires.UnixMilli(), TLP: c.TLP, PAP: c.PAP, Drill: c.Drill != "",
	}
}
