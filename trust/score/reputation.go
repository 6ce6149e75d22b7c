package score

import "fmt"

// A Role is what the operator made of an organisation.
type Role uint8

const (
	Stranger Role = iota // nobody decided on it
	Chosen               // the operator gave it a level, or confirmed its fingerprint
	Anchor               // its word alone may act
	Own                  // ourselves
)

func (r Role) String() string {
	switch r {
	case Chosen:
		return "chosen"
	case Anchor:
		return "anchor"
	case Own:
		return "own"
	}
	return "stranger"
}

// A Level is what the operator says of an organisation. The zero value is a
// stranger who is not believed at all.
type Level struct {
	Role   Role
	Number int // 0..100, or Unstated; of a stranger: by its community; of anchors and ourselves it means nothing
}

// Chosen reports whether the operator decided for the organisation.
func (l Level) Chosen() bool {
	return l.Role >= Anchor || l.Role == Chosen && l.Number != 0
}

// distrusted reports a decision against it: nobody came in by its word.
func (l Level) distrusted() bool { return l.Role == Chosen && l.Number == 0 }

// number is the level in percent.
func (m *Model) number(l Level) int {
	switch n := l.Number; {
	case l.Role >= Anchor:
		return 100
	case l.Role == Chosen && n < 0:
		return m.Chosen
	case l.Role == Chosen:
		return min(n, 100)
	case n < 0:
		return m.Newcomer
	default:
		return min(n, m.NewcomerCap)
	}
}

// Trust is how far an organisation is believed on one type of value, and why.
type Trust struct {
	Level       Level
	Prior       int     // the level in percent
	Confirmed   float64 // what is left of its confirmations
	False       float64 // what is left of its false positives
	Ceiling     float64 // what it can earn at most
	Value       float64 // 0..100
	Discredited bool    // too many false positives: it speaks among strangers
}

// unfaded is what is left of outcomes that count as not faded: no two are of one
// moment, so the last of some strikes would never find the first whole.
const unfaded = 5.0 / 6

// Sound reports whether the organisation speaks with a voice of its own.
func (t *Trust) Sound() bool { return t.Level.Chosen() && !t.Discredited }

// String explains the number in a line.
func (t Trust) String() string {
	if t.Level.Role == Own {
		return "100: our own organisation"
	}
	s := fmt.Sprintf("%.0f: %s at level %d, %.1f confirmed, %.1f false positives, at most %.0f",
		t.Value, t.Level.Role, t.Prior, t.Confirmed, t.False, t.Ceiling)
	if t.Discredited {
		s += ", discredited: it speaks among the strangers until its false positives fade"
	}
	return s
}

// Trust is how far an organisation is believed at a moment in Unix milliseconds:
// its level, moved by outcomes only. Ourselves we believe.
func (m *Model) Trust(l Level, o Outcomes, now int64) Trust {
	o = m.at(o, now)
	prior := m.number(l)
	t := Trust{Level: l, Prior: prior, Confirmed: o.Confirmed, False: o.False, Ceiling: min(100, headroom*float64(prior))}
	switch l.Role {
	case Own:
		t.Value = 100
		return t
	case Stranger:
		t.Ceiling = min(t.Ceiling, float64(m.NewcomerCap))
	}
	up := min(m.Up*o.Confirmed, m.Memory)
	believed := m.Strength*float64(prior)/100 + up
	t.Value = min(t.Ceiling, 100*believed/(m.Strength+up+m.Down*o.False))
	t.Discredited = o.False >= m.Strikes*unfaded
	return t
}

// Weigh is what an outcome counts by who brought it about. Only ourselves and
// sound anchors prove anything false: whoever else could would ruin the honest.
// A sound chosen organisation confirms a little; strangers prove nothing.
// Whoever keeps the outcomes counts one of each kind per organisation and value
// at most, a confirmation only for a word said before it, and neither for one's own.
func (m *Model) Weigh(what Outcome, by *Trust) float64 {
	switch {
	case !by.Sound():
		return 0
	case by.Level.Role >= Anchor:
		return 1
	case what == FalsePositive:
		return 0
	}
	return m.Witness * by.Value / 100
}
