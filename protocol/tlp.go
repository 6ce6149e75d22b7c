package protocol

import (
	"errors"
	"fmt"
	"strings"
)

// TLP is a Traffic Light Protocol 2.0 label (FIRST, August 2022), ordered from
// the widest audience to the narrowest. The zero value is no label at all; it
// is never shareable.
type TLP uint8

const (
	Unlabelled  TLP = iota // no label: not shareable
	Clear                  // anyone
	Green                  // the members of one community
	Amber                  // named organisations and their clients
	AmberStrict            // named organisations only
	Red                    // named persons only
)

// ErrTLP is wrapped by every error about a label.
var ErrTLP = errors.New("not a TLP 2.0 label")

var tlpNames = [...]string{"", "clear", "green", "amber", "amber+strict", "red"}

// ParseTLP reads a label as people, files and programs write it: with or
// without "TLP:", in any case. WHITE, the name TLP 1.0 had for CLEAR, is read
// and never written. Anything else, "tlp:unclear" and "tlp:ex:chr" included,
// is an error: an unknown label must never become a wider one.
func ParseTLP(s string) (TLP, error) {
	name := strings.TrimPrefix(strings.ToLower(s), "tlp:")
	if name == "white" {
		return Clear, nil
	}
	for i, n := range tlpNames {
		if name == n && i > 0 {
			return TLP(i), nil
		}
	}
	return Unlabelled, fmt.Errorf("%w: %q (one of clear, green, amber, amber+strict, red)", ErrTLP, s)
}

// String returns the label as flags and JSON carry it, such as "amber+strict".
func (t TLP) String() string {
	if int(t) < len(tlpNames) {
		return tlpNames[t]
	}
	return fmt.Sprintf("tlp(%d)", uint8(t))
}

// Label returns the label as people write it, such as "TLP:AMBER+STRICT".
func (t TLP) Label() string {
	if t == Unlabelled {
		return "unlabelled"
	}
	return "TLP:" + strings.ToUpper(t.String())
}

// Valid reports whether t is one of the five labels.
func (t TLP) Valid() bool { return t >= Clear && t <= Red }

// Stricter returns whichever of the two labels has the narrower audience.
func (t TLP) Stricter(u TLP) TLP { return max(t, u) }

// MarshalText writes the label; having none is an error, so that a forgotten
// label cannot travel as an empty string.
func (t TLP) MarshalText() ([]byte, error) {
	if !t.Valid() {
		return nil, fmt.Errorf("%w: %d", ErrTLP, uint8(t))
	}
	return []byte(t.String()), nil
}

// UnmarshalText reads what [ParseTLP] reads.
func (t *TLP) UnmarshalText(text []byte) error {
	u, err := ParseTLP(string(text))
	if err == nil {
		*t = u
	}
	return err
}

// PAP is a Permissible Actions Protocol level (MISP taxonomy PAP, version 3):
// what may be done with the content, as TLP says who may see it. The zero
// value means none was given.
type PAP uint8

const (
	PAPNone  PAP = iota // not stated
	PAPClear            // no restriction
	PAPGreen            // active actions such as blocking are allowed
	PAPAmber            // passive cross checks only
	PAPRed              // nothing anybody could detect
)

// ErrPAP is wrapped by every error about a PAP level.
var ErrPAP = errors.New("not a PAP level")

var papNames = [...]string{"", "clear", "green", "amber", "red"}

// ParsePAP reads a level with or without "PAP:", in any case; WHITE is CLEAR.
func ParsePAP(s string) (PAP, error) {
	name := strings.TrimPrefix(strings.ToLower(s), "pap:")
	if name == "white" {
		return PAPClear, nil
	}
	for i, n := range papNames {
		if name == n && i > 0 {
			return PAP(i), nil
		}
	}
	return PAPNone, fmt.Errorf("%w: %q (one of clear, green, amber, red)", ErrPAP, s)
}

// String returns the level in lower case, or "" when none was given.
func (p PAP) String() string {
	if int(p) < len(papNames) {
		return papNames[p]
	}
	return fmt.Sprintf("pap(%d)", uint8(p))
}

// MarshalText writes the level, empty for none.
func (p PAP) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// UnmarshalText reads what [ParsePAP] reads, and "" as none.
func (p *PAP) UnmarshalText(text []byte) error {
	if len(text) == 0 {
		*p = PAPNone
		return nil
	}
	q, err := ParsePAP(string(text))
	if err == nil {
		*p = q
	}
	return err
}
