package journal

import (
	"errors"
	"fmt"
	"os"
	"time"
)

// Record is what a node notes of a fault it found.
func (f Fault) Record() Record {
	return Record{
		Act: ActFault, Rule: f.What,
		Words: map[string]string{"segment": f.File}, Numbers: map[string]int64{"line": int64(f.Line), "seq": int64(f.Seq)},
	}
}

// remains are what an earlier life left.
type remains struct {
	found  head // in a head file that is whole
	head   head // to go on with
	names  []segmentName
	sound  bool    // the end can be written on
	faults []Fault // of the end, and of the list of files
	end    Mark    // of the chain
	size   int64   // of the last segment, without an unfinished line
	torn   int64   // bytes of that
}

// resume opens the end of a journal for writing, and returns what is to be said
// of what it found.
func (f files) resume(o Options) (*writer, []Record, error) {
	left, err := f.look()
	if err != nil {
		return nil, nil, err
	}
	w := &writer{Options: o, files: f, end: left.end, kept: left.end}
	if left.sound && len(left.names) > 0 {
		err = w.carryOn(left)
	} else {
		err = w.begin(left)
	}
	if err != nil {
		return nil, nil, err
	}
	if left.found.journal != "" {
		w.head, err = f.openHead(left.found, left.head)
	} else {
		w.head, err = f.makeHead(left.head)
	}
	if err != nil {
		return nil, nil, errors.Join(err, w.f.Close())
	}
	return w, left.notes(), nil
}

// notes are what is to be said of the remains.
func (r *remains) notes() (notes []Record) {
	if len(r.faults) > 0 {
		fault := r.faults[0].Record()
		fault.Numbers["faults"] = int64(len(r.faults))
		notes = append(notes, fault)
	}
	if r.sound && r.torn > 0 {
		notes = append(notes, Record{
			Act: ActRepair, Rule: "an unfinished line was cut off",
			Words: map[string]string{"segment": r.last().String()}, Numbers: map[string]int64{"bytes": r.torn},
		})
	}
	return notes
}

func (r *remains) last() segmentName { return r.names[len(r.names)-1] }

// carryOn opens the last segment. What stands in it behind the head may not be
// durable yet.
func (w *writer) carryOn(left *remains) error {
	w.name, w.size, w.unsynced = left.last(), left.size, left.end != left.head.mark
	f, err := os.OpenFile(w.name.path(w.dir), os.O_RDWR, 0o600)
	if err != nil {
		return fmt.Errorf("journal: %w", err)
	}
	w.f = f
	if left.torn > 0 {
		if err := errors.Join(f.Truncate(left.size), f.Sync()); err != nil {
			return errors.Join(fmt.Errorf("journal: cut off an unfinished line: %w", err), f.Close())
		}
	}
	return nil
}

// begin makes a segment: the first, or one after a segment that is left as it
// is.
func (w *writer) begin(left *remains) (err error) {
	w.name = segmentName{serial: 1, month: monthOf(time.Now()), sealed: w.seal != nil}
	if len(left.names) > 0 {
		w.name.serial = left.last().serial + 1
		if month := left.last().month; month.After(w.name.month) {
			w.name.month = month
		}
	}
	w.f, err = createSegment(w.dir, w.name)
	return err
}

// look reads the end of a journal.
func (f files) look() (*remains, error) {
	names, strange, err := f.segments()
	if err != nil {
		return nil, err
	}
	h, wrong, err := f.steadyHead()
	if err != nil {
		return nil, err
	}
	if err := f.checkKind(names, strange); err != nil {
		return nil, err
	}
	left := &remains{head: h, names: names}
	if len(names) == 0 && h.journal == "" {
		left.head = head{journal: newJournalID()}
		return left, nil
	}
	v := inspect(h, nil)
	v.chain.place.file = headName
	if left.found = h; wrong != "" {
		left.found = head{}
		v.chain.fault(place{file: headName}, "%s", wrong)
	}
	left.readEnd(f, v)
	r := v.finish()
	left.sound, left.faults = len(r.Faults) == 0, r.Faults
	left.conclude(&r)
	left.faults = append(left.faults, missing(names)...)
	for _, file := range strange {
		left.faults = append(left.faults, Fault{File: file, What: "this is no segment of this journal"})
	}
	return left, nil
}

// checkKind refuses to begin a journal beside segments of the other kind alone.
func (f files) checkKind(names []segmentName, strange []string) error {
	if len(names) > 0 {
		return nil
	}
	for _, file := range strange {
		if n, ok := parseSegment(file); ok {
			return fmt.Errorf("journal: %w", f.wrongKey(n.sealed))
		}
	}
	return nil
}

// readEnd reads the last segment there is anything in.
func (r *remains) readEnd(f files, v *inspection) {
	from := len(r.names)
	for from > 0 {
		from--
		if info, err := os.Stat(r.names[from].path(f.dir)); err != nil || info.Size() > 0 {
			break
		}
	}
	for i := from; i < len(r.names); i++ {
		if err := v.segment(f, r.names[i], i == len(r.names)-1); err != nil {
			v.chain.fault(place{file: r.names[i].String()}, "%v", err)
		}
	}
}

// conclude says where the chain goes on: after the last line, or after the last
// that is known to have been there: so who holds lost lines can put them back,
// and what somebody else wrote after the end stays a fault.
func (r *remains) conclude(seen *Report) {
	r.end, r.torn = seen.Head, seen.Torn
	if n := len(seen.Segments); n > 0 {
		r.size = seen.Segments[n-1].Bytes
	}
	if h := r.head; h.mark.Seq > r.end.Seq || !r.sound && (h.closed || h.mark.Seq == r.end.Seq) {
		r.end = h.mark
	}
	if !r.sound {
		r.head.mark = r.end
	}
	if r.head.journal == "" {
		r.head.journal = seen.Journal
	}
	if r.head.journal == "" {
		r.head.journal = newJournalID()
	}
	r.head.closed = false
}

// missing names the segments that ought to be between those there are.
func missing(names []segmentName) (faults []Fault) {
	for i := 1; i < len(names); i++ {
		if before, n := names[i-1], names[i]; n.serial != before.serial+1 {
			faults = append(faults, Fault{File: n.String(), What: fmt.Sprintf("it should follow %s, and segments between them are missing", before)})
		}
	}
	return faults
}
