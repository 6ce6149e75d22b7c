package node

import (
	"errors"

	"github.com/tocsin-exchange/tocsin/protocol"
)

// Guards, for tests outside of the package.
const (
	GuardDoor         = guardDoor
	GuardSubscription = guardSubscription
	GuardMesh         = guardMesh
	GuardInspector    = guardInspector
	GuardStream       = guardStream
	GuardRelease      = guardRelease
	AllGuards         = guardDoor | guardSubscription | guardMesh | guardInspector | guardStream | guardRelease
)

// Guards is a set of guards.
type Guards = guard

// SwitchOff starts a node without some of its guards.
func SwitchOff(c *Config, off guard) { c.off = off }

// NoGuests starts a node that lets in no unknown peer, unless an invite is open.
func NoGuests(c *Config) { c.Gate.slots = 0 }

// Lose has a node lose gossip, when lose says so, without noticing.
func Lose(c *Config, lose func() bool) { c.lose = lose }

// Wall keeps a node's dials to others from getting through, when wall says so.
func Wall(c *Config, wall func(protocol.Node) bool) { c.wall = wall }

// A ReviewStep is where carrying out a review can end in a crash.
type ReviewStep string

// Steps of a review: it is decided, and what was decided is done.
const (
	StepDecided ReviewStep = stepDecided
	StepDone    ReviewStep = stepDone
)

// ErrDied is what a node says that a test has die.
var ErrDied = errors.New("dead")

// DieAt has what is accepted go no further than a step, once.
func DieAt(step ReviewStep) func(c *Config) {
	died := map[protocol.ID]bool{}
	die := func(id protocol.ID, at string) error {
		if at != string(step) || died[id] {
			return nil
		}
		died[id] = true
		return ErrDied
	}
	return func(c *Config) { c.die = die }
}
