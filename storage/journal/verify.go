package journal

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// A Report is what [Files.Verify] found.
type Report struct {
	Journal  string    `json:"journal"` // id, 32 hex digits
	Segments []Segment `json:"segments,omitempty"`
	Records  uint64    `json:"records"`
	First    uint64    `json:"first"`         // number of the first record
	Prev     Hash      `json:"prev"`          // what it stands after; all zeros at the journal's begin
	Head     Mark      `json:"head"`          // the last record
	From     time.Time `json:"from,omitzero"` // earliest and latest time
	To       time.Time `json:"to,omitzero"`
	Torn     int64     `json:"torn,omitempty"`    // bytes of a last line without an end: a crash, or a journal being written; the next start cuts it off
	Dropped  uint64    `json:"dropped,omitempty"` // records the node says it could not write
	Noted    uint64    `json:"noted,omitempty"`   // faults the node met itself, and wrote down
	Pruned   *Pruned   `json:"pruned,omitempty"`  // what was removed by retention; nil: nothing
	Faults   []Fault   `json:"faults,omitempty"`  // at most 100, in order of the chain
	More     int       `json:"more,omitempty"`    // faults beyond
}

// A Segment is one file of a journal.
type Segment struct {
	Name    string    `json:"name"`
	Records uint64    `json:"records"`
	Bytes   int64     `json:"bytes"`
	First   uint64    `json:"first"`
	Last    uint64    `json:"last"`
	From    time.Time `json:"from,omitzero"`
	To      time.Time `json:"to,omitzero"`
}

// Pruned says that records up to one were removed, when, by whom and why.
type Pruned struct {
	Last  uint64    `json:"last"`
	At    time.Time `json:"at"`
	Actor string    `json:"actor"`
	Rule  string    `json:"rule,omitempty"`
}

// Err is nil when nothing is wrong; otherwise it wraps [ErrDamaged] and says
// the first fault.
func (r *Report) Err() error {
	if len(r.Faults) == 0 {
		return nil
	}
	return fmt.Errorf("%w: %s", ErrDamaged, r.Faults[0])
}

// An inspection reads lines into a report.
type inspection struct {
	chain    *chain
	report   Report
	closed   uint64 // nothing may stand after this record; 0: it may
	anchored *Pruned
}

func inspect(h head, known []Mark) *inspection {
	if h.mark.Seq > 0 {
		known = append(known[:len(known):len(known)], h.mark)
	}
	v := &inspection{chain: newChain(known), report: Report{Journal: h.journal}}
	if h.closed {
		v.closed = h.mark.Seq
	}
	return v
}

// segment reads one file. An unfinished line at the end of the last is no
// fault in itself.
func (v *inspection) segment(f files, n segmentName, last bool) error {
	v.report.Segments = append(v.report.Segments, Segment{Name: n.String()})
	seg := &v.report.Segments[len(v.report.Segments)-1]
	err := f.readLines(n, func(l line) bool {
		if last && l.broken == unfinished && v.closed == 0 {
			v.report.Torn = l.size
			return true
		}
		seg.Bytes = l.offset + l.size
		r, ok := v.line(seg.Name, l)
		if !ok {
			return true
		}
		if seg.Records++; seg.First == 0 {
			seg.First = r.Seq
		}
		seg.Last = r.Seq
		widen(&seg.From, &seg.To, r.At)
		if l.number == 1 {
			v.opening(&r, seg.Name)
		}
		return true
	})
	if err == nil && seg.Bytes == 0 && !last {
		v.chain.fault(place{file: seg.Name}, "the segment is empty")
	}
	return err
}

// line reads one line.
func (v *inspection) line(file string, l line) (Record, bool) {
	r, ok := v.chain.follow(file, l)
	if !ok {
		return r, false
	}
	if v.closed > 0 && r.Seq > v.closed {
		v.chain.fault(v.chain.place, "written after the journal was closed at record %d", v.closed)
	}
	widen(&v.report.From, &v.report.To, r.At)
	switch r.Act {
	case ActGap:
		v.report.Dropped += uint64(max(0, r.Count))
	case ActFault:
		v.report.Noted++
	case ActPrune:
		before := Mark{Seq: uint64(r.Numbers["last"])}
		if before.Hash.UnmarshalText([]byte(r.Words["hash"])) == nil && before == v.chain.start {
			v.anchored = &Pruned{Last: before.Seq, At: r.At, Actor: r.Actor, Rule: r.Rule}
		}
	}
	return r, true
}

// opening looks at the first record of a segment.
func (v *inspection) opening(r *Record, file string) {
	switch id := r.Words["journal"]; {
	case r.Act != ActSegment || !isJournalID(id):
		v.chain.fault(v.chain.place, "a segment does not begin so")
	case r.Words["segment"] != file:
		v.chain.fault(v.chain.place, "this is segment %s", r.Words["segment"])
	case v.report.Journal == "":
		v.report.Journal = id
	case v.report.Journal != id:
		v.chain.fault(v.chain.place, "this is of journal %s", id)
	}
}

func widen(from, to *time.Time, at time.Time) {
	if from.IsZero() || at.Before(*from) {
		*from = at
	}
	if to.IsZero() || at.After(*to) {
		*to = at
	}
}

// finish completes the report.
func (v *inspection) finish() Report {
	v.chain.finish()
	r := &v.report
	r.Records, r.First, r.Prev, r.Head = v.chain.records, v.chain.start.Seq+1, v.chain.start.Hash, v.chain.end
	r.Pruned, r.Faults, r.More = v.anchored, v.chain.faults, v.chain.more
	if r.Records == 0 {
		r.First = 0
	}
	return *r
}

// Verify reads a whole journal and says what is wrong with it: every line
// follows the one before, the last is the one the head file names or was written
// after it, and where the begin is gone a record says who pruned it. Marks that
// somebody noted elsewhere must lie on the chain. It takes about a second per
// 200,000 records, and may be called while the journal is written. The error is
// of the disk; damage is in the report.
func (f Files) Verify(known ...Mark) (r Report, err error) {
	inside, err := f.open()
	if err != nil {
		return r, err
	}
	return inside.verifySteady(known)
}

// verifySteady reads again where segments went, or the journal was opened,
// meanwhile.
func (f files) verifySteady(known []Mark) (r Report, err error) {
	for range 3 {
		r, err = f.verify(known)
		if !errors.Is(err, os.ErrNotExist) && !errors.Is(err, errReopened) {
			break
		}
	}
	return r, err
}

// errReopened: the journal was opened while it was read as a closed one. As when
// a segment was pruned, it is read again.
var errReopened = errors.New("journal: opened meanwhile")

func (f files) verify(known []Mark) (Report, error) {
	h, wrong, err := f.steadyHead()
	if err != nil {
		return Report{}, err
	}
	names, strange, err := f.segments()
	if err == nil {
		err = f.checkKind(names, strange)
	}
	if err != nil {
		return Report{}, err
	}
	if len(names) == 0 && h.journal == "" {
		return Report{}, fmt.Errorf("journal: none in %s: %w", f.dir, os.ErrNotExist)
	}
	v := inspect(h, known)
	v.chain.place.file = headName // where nothing else is
	if wrong != "" {
		v.chain.fault(place{file: headName}, "%s", wrong)
	}
	for _, file := range strange {
		v.chain.fault(place{file: file}, "this is no segment of this journal")
	}
	for i, n := range names {
		if err := v.segment(f, n, i == len(names)-1); err != nil {
			return Report{}, err
		}
	}
	if h.closed {
		if again, _, err := f.steadyHead(); err != nil || again != h {
			return Report{}, errors.Join(errReopened, err)
		}
	}
	return v.whole(), nil
}

// whole completes the report of a journal that ought to be there from its begin.
func (v *inspection) whole() Report {
	r := v.finish()
	if r.Records == 0 || v.chain.lost || v.anchored != nil || v.chain.start == (Mark{}) {
		return r
	}
	f := Fault{File: r.Segments[0].Name, Line: 1, Seq: r.First, What: "the first record names one before it"}
	if r.First > 1 {
		f.What = fmt.Sprintf("records 1 to %d are missing, and none says that they were pruned", r.First-1)
	}
	if len(r.Faults) == 0 || r.Faults[0].File != f.File || r.Faults[0].Line != f.Line {
		r.Faults = append([]Fault{f}, r.Faults...)
	}
	return r
}

// steadyHead reads the head file, again where it was being written.
func (f files) steadyHead() (h head, wrong string, err error) {
	for range 3 {
		h, wrong, err = f.loadHead()
		if err == nil && wrong == "" {
			return h, "", nil
		}
	}
	if errors.Is(err, os.ErrNotExist) {
		return head{}, "the head file is missing: nobody knows how far the journal went", nil
	}
	if err != nil {
		return head{}, "", fmt.Errorf("journal: read %s: %w", filepath.Join(f.dir, headName), err)
	}
	return h, wrong, nil
}
