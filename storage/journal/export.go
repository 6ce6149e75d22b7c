package journal

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
)

// A header is the first line of an exported range, a trailer the last.
type header struct {
	journal  string
	from, to uint64
	prev     Hash // what the first record stands after
	head     Hash // of the last
}

// encode returns the first line. Its sum tells a line that was damaged from
// records that do not fit it.
func (h header) encode() []byte {
	b := fmt.Appendf(nil, `{"journal":"%s","format":1,"from":%d,"to":%d,"prev":"%s","head":"%s"`, h.journal, h.from, h.to, h.prev, h.head)
	return append(appendSum(b), '\n')
}

// trailer returns the last line.
func (h header) trailer() []byte {
	b := fmt.Appendf(nil, `{"journal":"%s","end":%d,"head":"%s"`, h.journal, h.to, h.head)
	return append(appendSum(b), '\n')
}

func decodeHeader(b []byte) (header, bool) {
	s := scanner{rest: b}
	var h header
	s.want(headerBegin)
	h.journal = s.quoted()
	s.want(`,"format":1,"from":`)
	h.from, _ = strconv.ParseUint(s.number(), 10, 64)
	s.want(`,"to":`)
	h.to, _ = strconv.ParseUint(s.number(), 10, 64)
	s.want(`,"prev":"`)
	s.hash(&h.prev)
	s.want(`","head":"`)
	s.hash(&h.head)
	ok := !s.failed && isJournalID(h.journal) && 0 < h.from && h.from <= h.to
	return h, ok && string(h.encode()) == string(b)
}

// headerBegin is what the first and the last line begin with, and no record.
const headerBegin = `{"journal":"`

func decodeTrailer(b []byte) (header, bool) {
	s := scanner{rest: b}
	var h header
	s.want(headerBegin)
	h.journal = s.quoted()
	s.want(`,"end":`)
	h.to, _ = strconv.ParseUint(s.number(), 10, 64)
	s.want(`,"head":"`)
	s.hash(&h.head)
	return h, !s.failed && isJournalID(h.journal) && string(h.trailer()) == string(b)
}

// Export writes the lines of this journal; see [Files.Export].
func (j *Journal) Export(w io.Writer, q Query) error { return j.files.export(w, q) }

// Export writes the lines from the first record of a range to the last, as they
// are, between a line that says which they are and one that says where they end,
// for [VerifyStream]. Only Since, Until, After and Before of the query may be
// set. Errors wrap [ErrQuery], [ErrEmpty] or [ErrDamaged] where they apply. What they
// seal is written in the clear.
func (f Files) Export(w io.Writer, q Query) error {
	inside, err := f.open()
	if err != nil {
		return err
	}
	return inside.export(w, q)
}

func (f files) export(w io.Writer, q Query) error {
	if !q.onlyRange() || q.Newest {
		return fmt.Errorf("journal: export: %w", ErrQuery)
	}
	h, err := f.measure(&q)
	if err != nil {
		return err
	}
	out := bufio.NewWriterSize(w, 64<<10)
	out.Write(h.encode())
	if err := f.copyRange(out, h); err != nil {
		return err
	}
	out.Write(h.trailer())
	if err := out.Flush(); err != nil {
		return fmt.Errorf("journal: export: %w", err)
	}
	return nil
}

// copyRange writes the lines of a range as they are.
func (f files) copyRange(out *bufio.Writer, h header) error {
	inside := false
	return f.walk(func(n segmentName, l line, seq uint64) error {
		if inside = inside || seq == h.from; !inside {
			return nil
		}
		if l.broken != "" {
			return fmt.Errorf("journal: export: %w: %s:%d: %s; export what stands before and after", ErrDamaged, n, l.number, l.broken)
		}
		if _, err := out.Write(l.raw); err != nil {
			return fmt.Errorf("journal: export: %w", err)
		}
		if seq == h.to {
			return errEnough
		}
		return nil
	})
}

// measure finds the first and the last record of a range.
func (f files) measure(q *Query) (header, error) {
	var h header
	last := make([]byte, 0, maxLine)
	err := f.walk(func(n segmentName, l line, seq uint64) error {
		s := scanner{rest: l.raw}
		r := s.chain()
		if h.journal == "" && l.number == 1 {
			opening, _ := DecodeRecord(l.raw)
			h.journal = opening.Words["journal"]
		}
		if seq == 0 || !q.inRange(&r) {
			return nil
		}
		if h.from == 0 {
			h.from, h.prev = seq, r.Prev
		}
		h.to, last = seq, append(last[:0], l.raw...)
		return nil
	})
	switch {
	case err != nil:
		return h, err
	case h.from == 0:
		return h, fmt.Errorf("journal: export: %w", ErrEmpty)
	case !isJournalID(h.journal):
		return h, fmt.Errorf("journal: export: %w: no segment says which journal this is", ErrDamaged)
	}
	h.head = sha(last)
	return h, nil
}

// errEnough ends a walk.
var errEnough = errors.New("enough")

// walk calls do with every line of a journal and its number, 0 where it cannot
// be read, up to an unfinished line at the end.
func (f files) walk(do func(n segmentName, l line, seq uint64) error) error {
	names, _, err := f.segments()
	if err != nil {
		return err
	}
	for i, n := range names {
		var failed error
		err := f.eachLine(n, false, i == len(names)-1, func(l line) bool {
			s := scanner{rest: l.raw}
			r := s.chain()
			if s.failed || l.broken != "" {
				r.Seq = 0
			}
			failed = do(n, l, r.Seq)
			return failed == nil
		})
		if errors.Is(failed, errEnough) {
			return nil
		}
		if err == nil {
			err = failed
		}
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	return nil
}
