package journal

import (
	"cmp"
	"crypto/sha256"
	"fmt"
	"slices"
)

// maxFaults are named in a report; the rest are counted.
const maxFaults = 100

// A Fault is a place where the journal is not what was written.
type Fault struct {
	File string `json:"file,omitempty"` // segment or head file; "" in a stream
	Line int    `json:"line,omitempty"` // from 1; 0: the file as a whole
	Seq  uint64 `json:"seq,omitempty"`  // of the record that stands there, where it can be read
	What string `json:"what"`
}

// String returns such as 00000002-2026-11.jsonl:17: what is wrong.
func (f Fault) String() string {
	switch {
	case f.Line == 0:
		return f.File + ": " + f.What
	case f.File == "":
		return fmt.Sprintf("line %d: %s", f.Line, f.What)
	}
	return fmt.Sprintf("%s:%d: %s", f.File, f.Line, f.What)
}

// A place is where a line stands.
type place struct {
	file string
	line int
	seq  uint64
}

// A chain follows lines and says which is not the one that was written. Of two
// lines that do not fit, the third tells: it names the hash of the second, so
// either that is whole and the first was changed, or it was changed itself. So
// it does of two lines that both follow the one before. A mark tells as well.
type chain struct {
	known []Mark // sorted; what must stand there
	met   int    // of them

	began  bool
	start  Mark // what the first line that could be read stands after
	lost   bool // lines before it could not
	place  place
	end    Mark   // seq and hash of the line before
	prev   Hash   // what that one follows
	sure   bool   // a mark says that it is the one
	unsure bool   // the line before has a fault: what the next calls its hash says nothing new
	doubt  *place // the line before the one before, when the line before does not fit it
	twin   *Hash  // of that line, when both follow the same

	records uint64
	faults  []Fault
	more    int
}

func newChain(known []Mark) *chain {
	known = slices.Clone(known)
	slices.SortFunc(known, func(a, b Mark) int { return cmp.Compare(a.Seq, b.Seq) })
	return &chain{known: known}
}

// fault notes what is wrong with a line, once a line.
func (c *chain) fault(p place, format string, args ...any) {
	f := Fault{File: p.file, Line: p.line, Seq: p.seq, What: fmt.Sprintf(format, args...)}
	if n := len(c.faults); n > 0 && c.faults[n-1].File == f.File && c.faults[n-1].Line == f.Line {
		return
	}
	if len(c.faults) == maxFaults {
		c.more++
		return
	}
	c.faults = append(c.faults, f)
}

const (
	changed  = "the line was changed: the one after it was written after another"
	inserted = "another line stands in its place, and the one after them follows that"
	detached = "the line was changed: it does not follow the one before"
)

// follow takes the next line, and returns its record if it is one.
func (c *chain) follow(file string, l line) (Record, bool) {
	r, err := DecodeRecord(l.raw)
	if l.broken != "" {
		err = fmt.Errorf("%w: %s", errLine, l.broken)
	}
	p := place{file: file, line: l.number, seq: r.Seq}
	hash := sha(l.raw)
	if err != nil {
		c.settle(changedFirst)
		c.fault(p, "%v", err)
		c.place, c.unsure, c.lost = p, true, c.lost || !c.began
		c.end = Mark{c.end.Seq + 1, hash}
		for c.began && c.met < len(c.known) && c.known[c.met].Seq <= c.end.Seq {
			c.met++
		}
		return Record{}, false
	}
	if !c.began {
		c.began, c.unsure = true, false
		c.start, c.end = Mark{r.Seq - 1, r.Prev}, Mark{r.Seq - 1, r.Prev}
		c.meetBefore(p)
	}
	c.compare(&r, p)
	c.place, c.end, c.prev, c.sure = p, Mark{r.Seq, hash}, r.Prev, false
	c.records++
	c.meet()
	return r, true
}

// compare looks whether a record follows the line before.
func (c *chain) compare(r *Record, p place) {
	fits, unsure := r.Prev == c.end.Hash, c.unsure
	c.unsure = false
	if c.doubt != nil {
		first := fits && (c.twin == nil || *c.twin != r.Prev)
		c.settle(first)
		unsure = unsure || !first
	}
	switch want := c.end.Seq + 1; {
	case r.Seq == c.end.Seq && r.Prev == c.prev && unsure && !c.sure:
		return // the line before is known to be a wrong one
	case r.Seq == c.end.Seq && r.Prev == c.prev && !c.sure:
		before, hash := c.place, c.end.Hash
		c.doubt, c.twin = &before, &hash
	case r.Seq != want:
		c.fault(p, "%s", outOfOrder(r.Seq, want))
		c.unsure = true
	case !fits && !unsure:
		before := c.place
		c.doubt = &before
	}
}

func outOfOrder(seq, want uint64) string {
	switch {
	case seq == want+1:
		return fmt.Sprintf("record %d is missing before it", want)
	case seq > want:
		return fmt.Sprintf("records %d to %d are missing before it", want, seq-1)
	}
	return fmt.Sprintf("record %d stands where record %d should", seq, want)
}

// Who is to blame when a line does not follow the one before.
const (
	changedFirst  = true
	changedSecond = false
)

// sha is the hash of a line with its end.
func sha(line []byte) Hash { return sha256.Sum256(line) }

// settle says which of two lines that do not fit was changed.
func (c *chain) settle(first bool) {
	if c.doubt == nil {
		return
	}
	switch {
	case c.twin != nil && first:
		c.fault(*c.doubt, inserted)
	case c.twin != nil:
		c.fault(c.place, inserted)
	case first:
		c.fault(*c.doubt, changed)
	default:
		c.fault(c.place, detached)
	}
	c.doubt, c.twin = nil, nil
}

// meet compares the line just read with what is known to stand there.
func (c *chain) meet() {
	for c.met < len(c.known) && c.known[c.met].Seq <= c.end.Seq {
		m := c.known[c.met]
		c.met++
		if m.Seq != c.end.Seq {
			continue // it stands before the first line
		}
		if m.Hash == c.end.Hash {
			c.sure = true
			c.settle(changedFirst)
			continue
		}
		c.settle(changedSecond)
		c.fault(c.place, "another line is known to have stood here: its hash was %s", m.Hash)
		c.unsure = true
	}
}

// meetBefore compares what the first line stands after with what is known.
func (c *chain) meetBefore(first place) {
	for ; c.met < len(c.known) && c.known[c.met].Seq <= c.start.Seq; c.met++ {
		if m := c.known[c.met]; m.Seq == c.start.Seq && m.Hash != c.start.Hash && !c.lost {
			c.fault(first, "another line is known to have stood before it: its hash was %s", m.Hash)
		}
	}
}

// finish says what is known to have followed the last line.
func (c *chain) finish() {
	c.settle(changedSecond)
	if c.met == len(c.known) {
		return
	}
	last := c.known[len(c.known)-1]
	c.met = len(c.known)
	p := place{file: c.place.file, line: c.place.line + 1}
	if last.Seq == c.end.Seq+1 {
		c.fault(p, "record %d is missing at the end", last.Seq)
		return
	}
	c.fault(p, "records %d to %d are missing at the end", c.end.Seq+1, last.Seq)
}
