package journal

import (
	"errors"
	"fmt"
	"iter"
	"os"
	"slices"
	"time"
)

// A Query chooses records. Empty members choose all.
type Query struct {
	Since time.Time // at it or later
	Until time.Time // before it

	After  uint64 // records with a higher number
	Before uint64 // records with a lower number; 0: all

	Acts      []Act // any of them
	Actor     string
	Org       string
	Peer      string
	Community string
	Bulletin  string

	Newest bool // newest first
	Limit  int  // records at most; 0: all
}

// inRange looks at what a record's line begins with.
func (q *Query) inRange(r *Record) bool {
	return r.Seq > q.After && (q.Before == 0 || r.Seq < q.Before) &&
		!r.At.Before(q.Since) && (q.Until.IsZero() || r.At.Before(q.Until))
}

func (q *Query) matches(r *Record) bool {
	return (len(q.Acts) == 0 || slices.Contains(q.Acts, r.Act)) &&
		(q.Actor == "" || q.Actor == r.Actor) && (q.Org == "" || q.Org == r.Org) && (q.Peer == "" || q.Peer == r.Peer) &&
		(q.Community == "" || q.Community == r.Community) && (q.Bulletin == "" || q.Bulletin == r.Bulletin)
}

// onlyRange reports whether nothing but the range is chosen.
func (q *Query) onlyRange() bool {
	return len(q.Acts) == 0 && q.Actor == "" && q.Org == "" && q.Peer == "" && q.Community == "" && q.Bulletin == "" && q.Limit == 0
}

// List yields the records of this journal; see [Files.List].
func (j *Journal) List(q Query) iter.Seq2[Record, error] { return j.files.list(q) }

// List yields records in order of their numbers, read as they are asked for:
// one buffer is all it holds. A line that is not a record's is an error that
// wraps [ErrDamaged] and names its place; whoever goes on gets the records after
// it. Whether what it yields was written so, [Files.Verify] knows.
func (f Files) List(q Query) iter.Seq2[Record, error] {
	inside, err := f.open()
	if err != nil {
		return func(yield func(Record, error) bool) { yield(Record{}, err) }
	}
	return inside.list(q)
}

func (f files) list(q Query) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		names, _, err := f.segments()
		if err != nil {
			yield(Record{}, err)
			return
		}
		newest := len(names) - 1
		if q.Newest {
			slices.Reverse(names)
			newest = 0
		}
		left := q.Limit
		for i, n := range names {
			tooEarly := !n.end().After(q.Since) // all of it
			if !tooEarly && !q.segment(f, n, i == newest, &left, yield) {
				return
			}
		}
	}
}

// segment yields what is chosen of one file. It returns false at the end.
func (q *Query) segment(f files, n segmentName, last bool, left *int, yield func(Record, error) bool) bool {
	more := true
	err := f.eachLine(n, q.Newest, last, func(l line) bool {
		more = q.see(n, l, left, yield)
		return more
	})
	if err != nil && !errors.Is(err, os.ErrNotExist) { // one that is gone was pruned
		return yield(Record{}, err)
	}
	return more
}

// eachLine reads a segment in the order asked for. The last line of the last file
// may be unfinished: it is not a record yet.
func (f files) eachLine(n segmentName, backwards, last bool, see func(line) bool) error {
	whole := func(l line) bool { return last && l.broken == unfinished || see(l) }
	if backwards {
		return f.readLinesBackwards(n, whole)
	}
	return f.readLines(n, whole)
}

// see yields a line's record when it is chosen. It returns false at the end.
func (q *Query) see(n segmentName, l line, left *int, yield func(Record, error) bool) bool {
	if l.broken == "" {
		s := scanner{rest: l.raw}
		if r := s.chain(); !s.failed && !q.inRange(&r) {
			return !q.passed(&r)
		}
	}
	r, err := DecodeRecord(l.raw)
	if l.broken != "" {
		err = fmt.Errorf("%w: %s", errLine, l.broken)
	}
	if err != nil {
		return yield(Record{}, fmt.Errorf("%w: %s at byte %d: %w", ErrDamaged, n, l.offset, err))
	}
	if !q.matches(&r) {
		return true
	}
	if !yield(r, nil) {
		return false
	}
	*left--
	return *left != 0
}

// passed reports whether no record behind this one can be chosen.
func (q *Query) passed(r *Record) bool {
	if q.Newest {
		return r.Seq <= q.After
	}
	return q.Before > 0 && r.Seq >= q.Before
}
