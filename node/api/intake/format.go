package intake

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/tocsin-exchange/tocsin/protocol"
	"github.com/tocsin-exchange/tocsin/protocol/stix"
)

// Limits, in bytes.
const (
	MaxLine  = 64 << 10 // a line, or a CSV record with its line breaks
	MaxEvent = 64 << 20 // a MISP event, whose tags may follow its attributes
	MaxHeld  = 32 << 20 // STIX objects waiting for a marking-definition
	MaxInput = 4 << 30  // everything after unpacking
)

// ErrFormat is wrapped by errors about a file that cannot be read any further.
var ErrFormat = errors.New("cannot read this input")

// A Format is one of the formats of the package comment.
type Format string

const (
	Auto    Format = "auto"
	STIX    Format = "stix"
	MISP    Format = "misp"
	CSV     Format = "csv"
	List    Format = "list"
	Hosts   Format = "hosts"
	Adblock Format = "adblock"
	Text    Format = "text"

	CrowdSec Format = "crowdsec"
	EVE      Format = "eve"
)

// ParseFormat reads a format name as a flag carries it; "" is [Auto].
func ParseFormat(s string) (Format, error) {
	switch f := Format(strings.ToLower(s)); f {
	case "":
		return Auto, nil
	case Auto, STIX, MISP, CSV, List, Hosts, Adblock, Text, CrowdSec, EVE:
		return f, nil
	}
	return "", fmt.Errorf("unknown format %q (one of auto, stix, misp, csv, list, hosts, adblock, text, crowdsec, eve)", s)
}

// Options say how to read one file.
type Options struct {
	Name        string        // file name, for reports only
	Format      Format        // "" means Auto
	TLP         protocol.TLP  // for rows without a label of their own; without it they are refused
	Context     bool          // also take what the source marks as context, not as an indicator
	Column      string        // csv: name or 1-based number of the only value column
	Confidence  int           // 1..100 for rows that state none; 0 or -1 for absent
	Valid       time.Duration // lifetime from Now for rows that state none; 0 for absent
	Labels      []string      // added to every indicator
	Description string        // for rows that have none
	Now         time.Time     // what has expired by now is skipped; zero means the clock's
}

// A Row is one row of the input and what became of it: exactly one of Drafts,
// Skipped and Refused is set.
type Row struct {
	File    string
	Line    int    // where the row starts, from 1
	Place   string // JSON pointer or CSV column, where that helps
	Drafts  []stix.Draft
	TLP     protocol.TLP // of the drafts
	Skipped string       // why it says nothing
	Refused string       // why it could not be taken
	Note    string       // accepted rows: what part of the row was left out, and why
	Text    string       // refused rows: the text, at most 120 bytes, control characters escaped
}

// A Guess is what a file was taken for, in words to show the user.
type Guess struct {
	Format Format
	Detail string
}

// String returns the guess as one line.
func (g Guess) String() string {
	if g.Detail == "" {
		return string(g.Format)
	}
	return string(g.Format) + ", " + g.Detail
}

// A Tally counts rows. Accepted + Skipped + Refused == Rows.
type Tally struct {
	Rows, Accepted, Skipped, Refused int
	Objects                          int            // drafts in accepted rows
	Reasons                          map[string]int // skipped and refused, without the part after ": "
}

// maxReasons bounds the reasons a tally keeps apart.
const maxReasons = 200

// Add counts a row.
func (t *Tally) Add(r Row) {
	t.Rows++
	reason := r.Refused
	switch {
	case len(r.Drafts) > 0:
		t.Accepted++
		t.Objects += len(r.Drafts)
		return
	case r.Skipped != "":
		t.Skipped++
		reason = r.Skipped
	default:
		t.Refused++
	}
	reason, _, _ = strings.Cut(reason, ": ")
	if t.Reasons == nil {
		t.Reasons = map[string]int{}
	}
	if _, ok := t.Reasons[reason]; !ok && len(t.Reasons) >= maxReasons {
		reason = "other reasons"
	}
	t.Reasons[reason]++
}
