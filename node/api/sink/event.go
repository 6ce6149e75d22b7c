package sink

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"strconv"
	"time"

	"github.com/tocsin-exchange/tocsin/protocol"
	"github.com/tocsin-exchange/tocsin/protocol/stix"
)

// OpReset is the operation of an event that everything told before it should be
// forgotten.
const OpReset = "reset"

// An Event is a change as a sink hands it on.
type Event struct {
	Op     string // as of a change: add, remove; or reset
	Cursor string // to go on from behind it
	More   bool   // others of the same change follow
	JSON   []byte // the change as /v1/watch writes it

	// The same for those who do not read JSON.
	Object      string // STIX id; "": an erased one
	Values      []stix.Observable
	Org         string
	TLP         protocol.TLP
	Tier        string    // where the sink asks for one
	Until       time.Time // when it leaves that tier if nothing new is said; zero: never
	Confidence  int       // below 0: not said
	Issued      time.Time
	Expires     time.Time // zero: never
	Description string

	round uint64 // how many resets came before it
}

// ID is the same for the same change whenever it is read, up to the next reset,
// and for no other.
func (e *Event) ID() string {
	if e.Tier != "" && len(e.Values) > 0 { // whether that is in the tier may be judged otherwise later
		return digest("tier", e.Cursor, strconv.FormatUint(e.round, 10), e.Values[0].String())
	}
	return digest(e.Op, e.Cursor, strconv.FormatUint(e.round, 10))
}

// ends is from when on it should not be acted upon, if nothing new is said.
func (e *Event) ends() time.Time {
	if e.Tier != "" && !e.Until.IsZero() {
		return e.Until
	}
	return e.Expires
}

// key is what the event is about, for those who keep the last word on each.
func (e *Event) key() string {
	if len(e.Values) > 0 {
		return e.Values[0].Value
	}
	return cmp.Or(e.Object, e.ID())
}

// batchID is an id of a batch that is the same when it is tried again.
func batchID(batch []Event) string {
	return digest("batch", batch[0].ID(), batch[len(batch)-1].ID())
}

func digest(parts ...string) string {
	sum := sha256.New()
	for _, p := range parts {
		sum.Write([]byte(p))
		sum.Write([]byte{0})
	}
	return hex.EncodeToString(sum.Sum(nil)[:16])
}

// A Page is what comes behind a cursor.
type Page struct {
	Events []Event
	Cursor string // to go on from behind all that was looked at
	Reset  bool   // the cursor led nowhere: the next page is read without one
}

func resetEvent(round uint64) Event {
	return Event{Op: OpReset, JSON: []byte(`{"op":"reset","cursor":""}`), Confidence: -1, round: round}
}
