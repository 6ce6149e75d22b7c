package score

import (
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/tocsin-exchange/tocsin/protocol/stix"
	"github.com/tocsin-exchange/tocsin/trust"
)

// Unstated is a confidence or a level that nobody gave: the model's default.
const Unstated = -1

// headroom is how far above its level outcomes may lift an organisation.
const headroom = 1.5

// ErrModel is wrapped by every error about a model.
var ErrModel = errors.New("impossible score model")

// A Model is the numbers by which values are judged. Obtain one from [Default],
// change it, [Model.Check] it; it is not changed while a [Judge] uses it.
type Model struct {
	Alert         int // score from which a value alerts, 1..Block
	Block         int // score from which a value may be blocked, ..100
	Corroboration int // independent principals a block needs where no anchor speaks, 1..100
	Least         int // percent a voice must weigh to corroborate, 1..100

	Confidence         int // of a claim that states none, 0..100
	SightingConfidence int // what a sighting weighs as a claim, 0..100

	Chosen       int // level of an organisation chosen without a number, 0..100
	Newcomer     int // level of a member nobody decided on, 0..NewcomerCap
	NewcomerCap  int // what such a member can earn at most, below Block
	StrangersCap int // score that all strangers together can give, below Block

	HalfLives map[stix.Type]time.Duration // of evidence, at least an hour; absent: half of trust.Lifetime

	Strength float64 // outcomes that the operator's level is worth, above 0
	Up       float64 // outcomes that a confirmation is worth, 0..Down
	Down     float64 // outcomes that a false positive is worth
	Memory   float64 // outcomes that all confirmations together are worth at most
	Strikes  float64 // false positives, decayed, that discredit whatever the history, above 0
	Witness  float64 // confirmations that one by a chosen organisation of trust 100 is worth, 0..1; by an anchor, 1

	OutcomeHalfLife time.Duration // of confirmations and false positives, at least an hour
}

// Default returns the model that an empty policy means.
func Default() Model {
	return Model{
		Alert: 30, Block: 60, Corroboration: 2, Least: 5,
		Confidence: 50, SightingConfidence: 85,
		Chosen: 50, Newcomer: 20, NewcomerCap: 30, StrangersCap: 50,
		Strength: 10, Up: 0.5, Down: 8, Memory: 20, Strikes: 3, Witness: 0.25,
		OutcomeHalfLife: 30 * 24 * time.Hour,
	}
}

// Check refuses what makes no sense together, above all whatever would let
// strangers alone block. Its errors wrap [ErrModel] and name the field.
func (m *Model) Check() error {
	if err := m.checkPercents(); err != nil {
		return err
	}
	switch {
	case m.Alert < 1 || m.Alert > m.Block:
		return impossible("Alert is %d, want 1 to Block (%d)", m.Alert, m.Block)
	case m.Corroboration < 1 || m.Corroboration > 100:
		return impossible("Corroboration is %d, want 1 to 100", m.Corroboration)
	case m.Least < 1:
		return impossible("Least is %d: a voice without weight would corroborate", m.Least)
	case m.Newcomer > m.NewcomerCap:
		return impossible("Newcomer (%d) is above NewcomerCap (%d)", m.Newcomer, m.NewcomerCap)
	case m.NewcomerCap >= m.Block:
		return impossible("NewcomerCap (%d) is not below Block (%d): a stranger could block", m.NewcomerCap, m.Block)
	case m.StrangersCap >= m.Block:
		return impossible("StrangersCap (%d) is not below Block (%d): strangers alone could block", m.StrangersCap, m.Block)
	}
	return m.checkOutcomes()
}

func (m *Model) checkPercents() error {
	for _, p := range []struct {
		name  string
		value int
	}{
		{"Alert", m.Alert}, {"Block", m.Block}, {"Least", m.Least}, {"Confidence", m.Confidence}, {"SightingConfidence", m.SightingConfidence},
		{"Chosen", m.Chosen}, {"Newcomer", m.Newcomer}, {"NewcomerCap", m.NewcomerCap}, {"StrangersCap", m.StrangersCap},
	} {
		if p.value < 0 || p.value > 100 {
			return impossible("%s is %d, want 0 to 100", p.name, p.value)
		}
	}
	return nil
}

func (m *Model) checkOutcomes() error {
	for _, n := range []float64{m.Strength, m.Up, m.Down, m.Memory, m.Strikes, m.Witness} {
		if math.IsNaN(n) || n < 0 || n > 1e6 {
			return impossible("a weight of outcomes is %v, want 0 to 1000000", n)
		}
	}
	switch {
	case m.Strength == 0:
		return impossible("Strength is 0: the operator's level would mean nothing")
	case m.Up > m.Down:
		return impossible("Up (%v) is above Down (%v): trust would rise faster than it falls", m.Up, m.Down)
	case m.Strikes == 0:
		return impossible("Strikes is 0: everybody would be discredited")
	case m.Witness > 1:
		return impossible("Witness is %v, want 0 to 1", m.Witness)
	case m.OutcomeHalfLife < time.Hour:
		return impossible("OutcomeHalfLife is %v, want at least an hour", m.OutcomeHalfLife)
	}
	for t, d := range m.HalfLives {
		if d < time.Hour {
			return impossible("the half-life of %s is %v, want at least an hour", t, d)
		}
	}
	return nil
}

func impossible(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrModel, fmt.Sprintf(format, args...))
}

// HalfLife is the time in which evidence on a value of the type loses half of
// its weight.
func (m *Model) HalfLife(t stix.Type) time.Duration {
	if d, ok := m.HalfLives[t]; ok {
		return d
	}
	return trust.Lifetime(t) / 2
}

// decay is what is left of one after some milliseconds.
func decay(elapsed int64, halfLife time.Duration) float64 {
	if elapsed <= 0 {
		return 1
	}
	return math.Exp2(-float64(elapsed) / (float64(halfLife) / float64(time.Millisecond)))
}
