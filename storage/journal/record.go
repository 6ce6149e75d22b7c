package journal

import (
	"encoding/hex"
	"errors"
	"fmt"
	"time"
)

// Limits of a record. [Journal.Append] cuts and mends what passes them, so that
// nobody stays out of the journal by a long name; [DecodeRecord] refuses it.
const (
	maxAct     = 32   // bytes of an act
	maxID      = 128  // of actor, org, peer, community and bulletin
	maxLabel   = 16   // of a TLP label
	maxRule    = 256  // of a rule
	maxKey     = 32   // of the name of a number or word
	maxWord    = 512  // of a word
	maxWords   = 2048 // of all words of a record
	maxDetails = 16   // numbers of a record, and words
	maxLine    = 8192 // of a line with its end; no record within the limits above is longer
)

// An Act says what was done.
type Act string

// The acts of a node.
const (
	ActAdmit   Act = "admit"   // a bulletin was taken in
	ActDecline Act = "decline" // its header was held, its body not taken
	ActHold    Act = "hold"    // it waits for a person
	ActRefuse  Act = "refuse"  // it was not taken in, or not sent, or a request was denied
	ActRelease Act = "release" // it was published
	ActDeliver Act = "deliver" // it was handed to a recipient
	ActExport  Act = "export"  // a feed, archive or collection was handed out
	ActPolicy  Act = "policy"  // another policy is in force
	ActToken   Act = "token"   // a token was made, used or withdrawn
	ActReview  Act = "review"  // a person decided on what was held
	ActBlock   Act = "block"   // a peer was blocked, or no longer is
	ActTrust   Act = "trust"   // the operator said how far an org is believed
	ActRevoke  Act = "revoke"  // a claim was taken back
	ActErase   Act = "erase"   // an object was destroyed
	ActFeed    Act = "feed"    // a feed changed, or was held back
	ActSight   Act = "sight"   // a sighting or a verdict was given
	ActStart   Act = "start"   // the node started
	ActStop    Act = "stop"    // it stopped
)

// The acts of the journal itself.
const (
	ActSegment Act = "segment" // first of a segment; words: journal, segment
	ActGap     Act = "gap"     // count records were dropped before this one
	ActRepair  Act = "repair"  // an unfinished line was cut off; words: segment, numbers: bytes
	ActFault   Act = "fault"   // the journal is not what was written; rule says what, words: segment, numbers: line, faults
	ActPrune   Act = "prune"   // a segment was removed; words: segment, hash, numbers: first, last, faults
)

// Node is the actor of what nobody asked for.
const Node = "node"

// A Record is one act. Empty members are left out of its line. It holds ids and
// names of rules, never what a bulletin above CLEAR says: the journal is read by
// auditors of every clearance.
type Record struct {
	Prev Hash      `json:"prev"` // of the line before; set by the journal
	Seq  uint64    `json:"seq"`  // from 1; set by the journal
	At   time.Time `json:"at"`   // by the node's clock, UTC, to the millisecond; set by the journal

	Act       Act    `json:"act"`                 // a to z, 0 to 9, - and _; at most 32 bytes
	Actor     string `json:"actor"`               // "node", role and id of a token, or a person
	Org       string `json:"org,omitempty"`       // whom it concerns
	Peer      string `json:"peer,omitempty"`      // the node it came from or went to
	Community string `json:"community,omitempty"` // or sharing group
	Bulletin  string `json:"bulletin,omitempty"`
	TLP       string `json:"tlp,omitempty"`
	Rule      string `json:"rule,omitempty"`  // what decided; at most 256 bytes, those above 128
	Count     int64  `json:"count,omitempty"` // of objects, values, records

	Numbers map[string]int64  `json:"numbers,omitempty"` // at most 16, by names as of acts
	Words   map[string]string `json:"words,omitempty"`   // at most 16 of 512 bytes, 2048 together
}

// A Hash is the SHA-256 of a line with its end, written as 64 hex digits.
type Hash [32]byte

// String returns the hex digits.
func (h Hash) String() string { return hex.EncodeToString(h[:]) }

// MarshalText returns the hex digits.
func (h Hash) MarshalText() ([]byte, error) { return []byte(h.String()), nil }

// UnmarshalText reads 64 lower case hex digits.
func (h *Hash) UnmarshalText(text []byte) error {
	if len(text) != 2*len(h) {
		return fmt.Errorf("hash %.80q: want 64 hex digits", text)
	}
	if _, err := hex.Decode(h[:], text); err != nil || h.String() != string(text) {
		return fmt.Errorf("hash %q: want 64 hex digits in lower case", text)
	}
	return nil
}

// A Mark is a place on the chain. Whoever noted one elsewhere can see later
// that the journal still says what it said ([Files.Verify]).
type Mark struct {
	Seq  uint64 `json:"seq"`
	Hash Hash   `json:"hash"`
}

var (
	// ErrDamaged: what is on the disk is not what was written.
	ErrDamaged = errors.New("the journal is damaged")
	// ErrFull: the disk had no room. The record is dropped, and counted.
	ErrFull = errors.New("no room for the journal")
	// ErrFailed: the disk reported an error, and nothing is written since.
	ErrFailed = errors.New("the journal has failed")
	// ErrClosed: the journal was closed.
	ErrClosed = errors.New("the journal is closed")
	// ErrEmpty: no record lies in the range asked for.
	ErrEmpty = errors.New("no record in this range")
	// ErrQuery: an export is of a whole range; it takes no other condition.
	ErrQuery = errors.New("a chain is exported whole: only since, until, after and before choose")
)
