package score

import (
	"errors"
	"fmt"
	"strings"
)

// A Tier is what may be done with a value. Each holds what the next one holds.
type Tier uint8

const (
	Observe Tier = iota // show it to whoever asks
	Alert               // raise an alarm when it is met
	Block               // act on it
)

// ErrTier is wrapped by every error about a tier's name.
var ErrTier = errors.New("not a tier")

// AllTiers lists the tiers from the widest to the narrowest.
func AllTiers() []Tier { return []Tier{Observe, Alert, Block} }

func (t Tier) String() string {
	switch t {
	case Observe:
		return "observe"
	case Alert:
		return "alert"
	case Block:
		return "block"
	}
	return fmt.Sprintf("tier(%d)", uint8(t))
}

// ParseTier reads a tier in any case. Its errors wrap [ErrTier].
func ParseTier(s string) (Tier, error) {
	for _, t := range AllTiers() {
		if strings.EqualFold(s, t.String()) {
			return t, nil
		}
	}
	return Observe, fmt.Errorf("%w: %q (one of observe, alert, block)", ErrTier, s)
}
