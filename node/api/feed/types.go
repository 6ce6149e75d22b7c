package feed

import "github.com/tocsin-exchange/tocsin/protocol/stix"

// Types returns the types of the values of a list, in its order; nil for what is
// no list.
func Types(name string) []stix.Type { return typesOf(name) }
