package score

import "math"

// An Outcome is what became of something an organisation said.
type Outcome uint8

const (
	Confirmed     Outcome = iota // somebody else met it, or said the same on their own
	FalsePositive                // it was harmless; or what it called harmless was not
)

func (o Outcome) String() string {
	if o == FalsePositive {
		return "false-positive"
	}
	return "confirmed"
}

// Outcomes sums what became of an organisation's word on one type of value. The
// sums are those of the moment At; both halve every [Model.OutcomeHalfLife].
type Outcomes struct {
	Confirmed float64
	False     float64
	At        int64 // Unix milliseconds
}

// Add returns the sums with one outcome more, of a weight from [Model.Weigh],
// at a moment in Unix milliseconds. The order in which outcomes of different
// moments are added makes no difference. A weight that is not above zero adds
// nothing.
func (m *Model) Add(o Outcomes, what Outcome, weight float64, at int64) Outcomes {
	if !(weight > 0) || math.IsInf(weight, 1) {
		return o
	}
	if at >= o.At {
		o = m.at(o, at)
	} else {
		weight *= decay(o.At-at, m.OutcomeHalfLife)
	}
	if what == FalsePositive {
		o.False += weight
	} else {
		o.Confirmed += weight
	}
	return o
}

// at returns the sums as they are at a moment; those of a later moment stay.
func (m *Model) at(o Outcomes, now int64) Outcomes {
	if now <= o.At {
		return o
	}
	if o.Confirmed == 0 && o.False == 0 {
		return Outcomes{At: now}
	}
	left := decay(now-o.At, m.OutcomeHalfLife)
	return Outcomes{Confirmed: o.Confirmed * left, False: o.False * left, At: now}
}
