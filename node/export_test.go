package node

import "github.com/tocsin-exchange/tocsin/protocol"

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
