package feed

import (
	"iter"
	"time"

	"github.com/tocsin-exchange/tocsin/protocol"
	"github.com/tocsin-exchange/tocsin/protocol/stix"
	"github.com/tocsin-exchange/tocsin/trust/score"
)

// An Entry is one value of a feed and what a tool may want to know of it.
type Entry struct {
	stix.Observable
	Score int          // 0..100, as it will be when the day ends, by UTC; as it is where nothing is left by then
	TLP   protocol.TLP // the strictest label of the claims it rests on
	Since time.Time    // when the first of those claims came, to the second
	Until time.Time    // when it leaves the tier if nothing new is said; zero: never
}

// Entries is what a feed holds at one moment, in the order of its lists: by type,
// then by the bytes of the values.
type Entries struct {
	Tier    score.Tier
	Changed time.Time // whole seconds, later with every change of what the entries are
	LeftOut int       // values that are in the tier and not here: there would be too many
	Held    time.Time // some of it stands still until then; zero: nothing does
	Len     int
	All     iter.Seq[Entry]
}
