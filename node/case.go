package node

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/tocsin-exchange/tocsin/protocol"
	"github.com/tocsin-exchange/tocsin/protocol/stix"
	"github.com/tocsin-exchange/tocsin/trust"
	"github.com/tocsin-exchange/tocsin/trust/score"
)

// ErrCase is wrapped by every error about a case that cannot be judged.
var ErrCase = errors.New("not a case that can be judged")

// A Case is all that a value was judged from at one moment, so that it can be
// judged again anywhere: see [Case.Judge]. Times are Unix milliseconds.
type Case struct {
	Value    stix.Observable `json:"value"`
	At       int64           `json:"at"`
	Floor    string          `json:"floor,omitempty"` // why nothing may ever act on the value
	Model    CaseModel       `json:"model"`
	Evidence []CaseEvidence  `json:"evidence"`
	Orgs     []CaseOrg       `json:"orgs"` // who speaks, and who introduced those to whom nobody here decided
}

// A CaseModel is the numbers of a [score.Model], with the half-life of evidence
// of the value's type. Half-lives are in milliseconds.
type CaseModel struct {
	Alert              int     `json:"alert"`
	Block              int     `json:"block"`
	Corroboration      int     `json:"corroboration"`
	Least              int     `json:"least"`
	Confidence         int     `json:"confidence"`
	SightingConfidence int     `json:"sighting_confidence"`
	Chosen             int     `json:"chosen"`
	Newcomer           int     `json:"newcomer"`
	NewcomerCap        int     `json:"newcomer_cap"`
	StrangersCap       int     `json:"strangers_cap"`
	HalfLife           int64   `json:"half_life"`
	Strength           float64 `json:"strength"`
	Up                 float64 `json:"up"`
	Down               float64 `json:"down"`
	Memory             float64 `json:"memory"`
	Strikes            float64 `json:"strikes"`
	Witness            float64 `json:"witness"`
	OutcomeHalfLife    int64   `json:"outcome_half_life"`
}

// CaseEvidence is one piece of [score.Evidence].
type CaseEvidence struct {
	Org        protocol.Org `json:"org"`
	Kind       string       `json:"kind"`       // claim, sighting, false-positive
	Confidence int          `json:"confidence"` // -1: none was stated
	At         int64        `json:"at"`
	Until      int64        `json:"until"`
	TLP        protocol.TLP `json:"tlp"`
	PAP        protocol.PAP `json:"pap,omitzero"`
	Drill      bool         `json:"drill,omitzero"`
}

// A CaseOrg is how far the operator believes an organisation in the value's
// type, what became of its word so far, and by which doors it came in.
type CaseOrg struct {
	Org       protocol.Org `json:"org"`
	Role      string       `json:"role"`  // stranger, chosen, anchor, own
	Level     int          `json:"level"` // -1: none was given
	Confirmed float64      `json:"confirmed"`
	False     float64      `json:"false_positives"`
	As        int64        `json:"as_of"` // of both
	Doors     []CaseDoor   `json:"doors,omitempty"`
}

// A CaseDoor is a [score.Door].
type CaseDoor struct {
	Org       protocol.Org   `json:"org,omitzero"`
	Community protocol.ID    `json:"community,omitzero"`
	By        []protocol.Org `json:"by,omitempty"`
}

// record writes down what a value is judged from.
func (j *Judges) record(o stix.Observable, v score.Value) Case {
	c := Case{Value: o, At: j.now, Floor: v.Floor, Model: modelOf(&j.bench.model, o.Type), Evidence: []CaseEvidence{}, Orgs: []CaseOrg{}}
	known := map[protocol.Org]bool{}
	add := func(org protocol.Org, doors []score.Door) {
		if known[org] {
			return
		}
		known[org] = true
		l, sums := j.bench.level(org, o.Type), j.bench.outcomes.of(org, o.Type, j.by)
		given := CaseOrg{Org: org, Role: l.Role.String(), Level: l.Number, Confirmed: sums.Confirmed, False: sums.False, As: sums.At}
		for _, d := range doors {
			given.Doors = append(given.Doors, CaseDoor{d.Org, d.Community, d.By})
		}
		c.Orgs = append(c.Orgs, given)
	}
	for i := range v.Evidence {
		e := &v.Evidence[i]
		c.Evidence = append(c.Evidence, CaseEvidence{e.Org, e.Kind.String(), e.Confidence, e.At, e.Until, e.TLP, e.PAP, e.Drill})
		add(e.Org, j.bench.voices.Doors(e.Org))
	}
	for _, org := range slices.Clone(c.Orgs) {
		for _, d := range org.Doors {
			for _, by := range d.By {
				add(by, nil)
			}
		}
	}
	slices.SortFunc(c.Orgs, func(a, b CaseOrg) int { return a.Org.Compare(b.Org) })
	return c
}

func modelOf(m *score.Model, t stix.Type) CaseModel {
	return CaseModel{
		Alert: m.Alert, Block: m.Block, Corroboration: m.Corroboration, Least: m.Least, Confidence: m.Confidence, SightingConfidence: m.SightingConfidence,
		Chosen: m.Chosen, Newcomer: m.Newcomer, NewcomerCap: m.NewcomerCap, StrangersCap: m.StrangersCap, HalfLife: m.HalfLife(t).Milliseconds(),
		Strength: m.Strength, Up: m.Up, Down: m.Down, Memory: m.Memory, Strikes: m.Strikes, Witness: m.Witness, OutcomeHalfLife: m.OutcomeHalfLife.Milliseconds(),
	}
}

func (m *CaseModel) model(t stix.Type) (score.Model, error) {
	if most := math.MaxInt64 / int64(time.Millisecond); m.HalfLife > most || m.OutcomeHalfLife > most {
		return score.Model{}, fmt.Errorf("%w: a half-life is too long", ErrCase)
	}
	s := score.Model{
		Alert: m.Alert, Block: m.Block, Corroboration: m.Corroboration, Least: m.Least, Confidence: m.Confidence, SightingConfidence: m.SightingConfidence,
		Chosen: m.Chosen, Newcomer: m.Newcomer, NewcomerCap: m.NewcomerCap, StrangersCap: m.StrangersCap,
		HalfLives: map[stix.Type]time.Duration{t: time.Duration(m.HalfLife) * time.Millisecond},
		Strength:  m.Strength, Up: m.Up, Down: m.Down, Memory: m.Memory, Strikes: m.Strikes, Witness: m.Witness,
		OutcomeHalfLife: time.Duration(m.OutcomeHalfLife) * time.Millisecond,
	}
	if err := s.Check(); err != nil {
		return s, fmt.Errorf("%w: %w", ErrCase, err)
	}
	return s, nil
}

// Judge judges the case again, by what it holds and nothing else. Errors wrap
// [ErrCase].
func (c *Case) Judge() (score.Judgement, error) {
	model, err := c.Model.model(c.Value.Type)
	if err != nil {
		return score.Judgement{}, err
	}
	if c.At <= 0 {
		return score.Judgement{}, fmt.Errorf("%w: it says not when it was judged", ErrCase)
	}
	believed := map[protocol.Org]score.Trust{}
	for i := range c.Orgs {
		o := &c.Orgs[i]
		role, err := called(o.Role, score.Stranger, score.Chosen, score.Anchor, score.Own)
		if err != nil {
			return score.Judgement{}, err
		}
		if o.Confirmed < 0 || o.False < 0 {
			return score.Judgement{}, fmt.Errorf("%w: fewer than no outcomes of %s", ErrCase, o.Org)
		}
		believed[o.Org] = model.Trust(score.Level{Role: role, Number: o.Level}, score.Outcomes{Confirmed: o.Confirmed, False: o.False, At: o.As}, c.At)
	}
	value := score.Value{Type: c.Value.Type, Floor: c.Floor}
	for i := range c.Evidence {
		e := &c.Evidence[i]
		kind, err := called(e.Kind, score.Claim, score.Sighting, score.Harmless)
		if err != nil {
			return score.Judgement{}, err
		}
		if _, ok := believed[e.Org]; !ok {
			return score.Judgement{}, fmt.Errorf("%w: nothing says how far %s is believed", ErrCase, e.Org)
		}
		value.Evidence = append(value.Evidence, score.Evidence{
			Org: e.Org, Kind: kind, Confidence: e.Confidence, At: e.At, Until: e.Until, TLP: e.TLP, PAP: e.PAP, Drill: e.Drill,
		})
	}
	judge := score.Judge{Model: &model, Voices: c.voices(), Trust: func(org protocol.Org, _ stix.Type) score.Trust { return believed[org] }}
	return judge.Explain(value, c.At), nil
}

// voices opens the doors that are written down: whoever came in by one was let
// in by who stands in it, or founded its community.
func (c *Case) voices() *score.Voices {
	let := map[protocol.Org]trust.Member{}
	founders := map[protocol.ID]map[protocol.Org]trust.Member{{}: let}
	chosen, opened := map[protocol.Org]bool{}, map[protocol.Org]bool{}
	introduce := func(by, of protocol.Org) {
		m := let[of]
		m.By = append(m.By, trust.Introduction{By: by, Of: of})
		let[of] = m
	}
	for i := range c.Orgs {
		o := &c.Orgs[i]
		for _, d := range o.Doors {
			if d.Org.IsZero() {
				if founders[d.Community] == nil {
					founders[d.Community] = map[protocol.Org]trust.Member{}
				}
				m := founders[d.Community][o.Org]
				m.Founder = true
				founders[d.Community][o.Org] = m
				continue
			}
			if !opened[d.Org] {
				opened[d.Org] = true
				for _, by := range d.By {
					chosen[by] = true
					introduce(by, d.Org)
				}
			}
			if d.Org != o.Org {
				introduce(d.Org, o.Org)
			}
		}
	}
	return score.NewVoices(func(org protocol.Org) score.Level {
		if chosen[org] {
			return score.Level{Role: score.Chosen, Number: score.Unstated}
		}
		return score.Level{}
	}, founders)
}

// called finds what is called so.
func called[T fmt.Stringer](name string, all ...T) (T, error) {
	for _, one := range all {
		if one.String() == name {
			return one, nil
		}
	}
	var none T
	return none, fmt.Errorf("%w: %q is none of %v", ErrCase, name, all)
}
