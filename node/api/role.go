package api

import (
	"fmt"
	"slices"
)

// A Role is what the bearer of a token may do.
type Role string

// Roles. None but the operator includes another's rights by rank: the table in
// [Role.may] says what each may do.
const (
	Reader   Role = "reader"   // reads answers and the node's state
	Analyst  Role = "analyst"  // reads, submits and imports
	Reviewer Role = "reviewer" // as an analyst
	Auditor  Role = "auditor"  // reads, and sees how the node is doing; says nothing
	Monitor  Role = "monitor"  // sees figures, and nothing else
	Operator Role = "operator" // everything
)

// A right is what a route asks of its caller.
type right string

const (
	anyone  right = "anyone"  // no token at all
	read    right = "read"    // answers and state
	measure right = "measure" // figures
	say     right = "say"     // publish under the organisation's name
	review  right = "review"  // decide on what is held; the policy may say that other roles do
	oversee right = "oversee" // the node's health in detail
	operate right = "operate" // membership, peers, tokens
)

func roles() []Role { return []Role{Reader, Analyst, Reviewer, Auditor, Monitor, Operator} }

// may is the whole table of rights. Deny is the default.
func (r Role) may(what right) bool {
	switch r {
	case Reader:
		return what == read || what == measure
	case Analyst, Reviewer:
		return what == read || what == measure || what == say || what == review && r == Reviewer
	case Auditor:
		return what == read || what == measure || what == oversee
	case Monitor:
		return what == measure
	case Operator:
		return true
	}
	return false
}

// ParseRole reads the name of a role.
func ParseRole(s string) (Role, error) {
	if r := Role(s); slices.Contains(roles(), r) {
		return r, nil
	}
	return "", fmt.Errorf("unknown role %q (one of reader, analyst, reviewer, auditor, monitor, operator)", s)
}

// UnmarshalText reads what [ParseRole] reads.
func (r *Role) UnmarshalText(text []byte) error {
	parsed, err := ParseRole(string(text))
	if err == nil {
		*r = parsed
	}
	return err
}
