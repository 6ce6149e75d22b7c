package feed

import (
	"slices"

	"github.com/tocsin-exchange/tocsin/protocol/stix"
)

// Holding returns the names of the feeds a value would be in, were it to be in
// any; none where no list can carry it.
func Holding(o stix.Observable) (names []string) {
	if !fits(o.Value) {
		return nil
	}
	for _, name := range Names() {
		if slices.Contains(typesOf(name), o.Type) {
			names = append(names, name)
		}
	}
	return names
}
