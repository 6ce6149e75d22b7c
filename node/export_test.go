package node

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

// SwitchOff starts a node without some of its guards.
// Guards is a set of guards.
type Guards = guard

func SwitchOff(c *Config, off guard) { c.off = off }
