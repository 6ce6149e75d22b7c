package score

import (
	"math"

	"github.com/tocsin-exchange/tocsin/protocol"
	"github.com/tocsin-exchange/tocsin/protocol/stix"
)

// A Kind is what a piece of evidence says.
type Kind uint8

const (
	Claim    Kind = iota // the value is bad
	Sighting             // the value was met
	Harmless             // the value is a false positive; there are no kinds beyond
)

func (k Kind) String() string {
	switch k {
	case Sighting:
		return "sighting"
	case Harmless:
		return "false-positive"
	}
	return "claim"
}

// Evidence is one organisation's word on a value. It counts from At on and
// before Until. The zero value may not be acted on: it has no label.
type Evidence struct {
	Org        protocol.Org
	Kind       Kind
	Confidence int   // of a claim: 0..100, or Unstated
	At         int64 // Unix milliseconds: of a sighting when it was, else when it was said (issued, or received if that was earlier) or valid_from if later
	Until      int64 // Unix milliseconds: when it expires
	TLP        protocol.TLP
	PAP        protocol.PAP
	Drill      bool
}

// mayAct reports whether an action may rest on the evidence. That a value is
// harmless may be heeded under any label; what is said in a drill stays there.
func (e *Evidence) mayAct() bool {
	return !e.Drill && (e.Kind == Harmless || e.PAP <= protocol.PAPGreen && e.TLP.Valid() && e.TLP != protocol.Red)
}

func (e *Evidence) stands(now int64) bool { return e.At <= now && now < e.Until && e.Kind <= Harmless }

// A Value is all that is said of one value.
type Value struct {
	Type     stix.Type
	Floor    string // why nothing may ever act on it; empty: something may
	Evidence []Evidence
}

// A scope is which of the evidence is heard.
type scope uint8

const (
	everything scope = iota // drills too
	outside                 // no drills
	acting                  // what may be acted on
)

func (s scope) hears(e *Evidence) bool {
	return s == everything || s == outside && !e.Drill || s == acting && e.mayAct()
}

// scope returns what the score is made of: a value that stands outside of
// drills is judged without them.
func (v *Value) scope(now int64) scope {
	for i := range v.Evidence {
		if e := &v.Evidence[i]; !e.Drill && e.Kind != Harmless && e.stands(now) {
			return outside
		}
	}
	return everything
}

// allMayAct reports whether what may be acted on is all there is.
func (v *Value) allMayAct() bool {
	for i := range v.Evidence {
		if !v.Evidence[i].mayAct() {
			return false
		}
	}
	return true
}

// next is the first moment after now at which evidence begins or ends.
func (v *Value) next(now int64) int64 {
	next := int64(math.MaxInt64)
	for i := range v.Evidence {
		for _, t := range [2]int64{v.Evidence[i].At, v.Evidence[i].Until} {
			if t > now {
				next = min(next, t)
			}
		}
	}
	return next
}

// standsUntil is the last moment up to which a claim or sighting stands without
// a break; 0 when none stands now.
func (v *Value) standsUntil(now int64) int64 {
	end := now
	for range mostSteps {
		before := end
		for i := range v.Evidence {
			if e := &v.Evidence[i]; e.Kind < Harmless && e.At <= end && e.Until > end {
				end = e.Until
			}
		}
		if end == before {
			break
		}
	}
	if end == now {
		return 0
	}
	return end - 1
}

// again is the first moment at which a score may rise by itself: evidence begins, or
// a false positive ends. 0: never.
func (v *Value) again(now int64) int64 {
	next := int64(math.MaxInt64)
	for i := range v.Evidence {
		e := &v.Evidence[i]
		if e.At > now {
			next = min(next, e.At)
		}
		if e.Kind == Harmless && e.stands(now) {
			next = min(next, e.Until)
		}
	}
	if next == math.MaxInt64 {
		return 0
	}
	return next
}
