package journal

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

const (
	segmentSuffix = ".jsonl"
	sealedSuffix  = ".sealed" // of one that is sealed
	segmentMonth  = "2006-01"
	segmentSize   = 64 << 20 // bytes from which on another is begun
	maxSerial     = 99_999_999
)

// A segmentName is the name of a segment's file: its number, and the month, in
// UTC, that none of its records is later than.
type segmentName struct {
	serial uint64
	month  time.Time // its first moment
	sealed bool
}

// String returns such as 00000012-2026-11.jsonl.
func (n segmentName) String() string {
	suffix := segmentSuffix
	if n.sealed {
		suffix = sealedSuffix
	}
	return fmt.Sprintf("%08d-%s%s", n.serial, n.month.Format(segmentMonth), suffix)
}

func (n segmentName) path(dir string) string { return filepath.Join(dir, n.String()) }

// end is the first moment no record of the segment is as late as.
func (n segmentName) end() time.Time { return n.month.AddDate(0, 1, 0) }

func monthOf(t time.Time) time.Time {
	t = clamp(t)
	return time.Date(t.Year(), t.Month(), 1, 0, 0, 0, 0, time.UTC)
}

func parseSegment(file string) (segmentName, bool) {
	var n segmentName
	stem, sealed := strings.CutSuffix(file, sealedSuffix)
	head, month, ok := strings.Cut(strings.TrimSuffix(stem, segmentSuffix), "-")
	at, err := time.Parse(segmentMonth, month)
	if !ok || err != nil || len(head) != 8 {
		return n, false
	}
	if _, err := fmt.Sscanf(head, "%08d", &n.serial); err != nil {
		return n, false
	}
	n.month, n.sealed = at, sealed
	return n, n.String() == file
}

// files are those of a journal.
type files struct {
	dir  string
	seal *seal
}

// segments lists the segments of a journal in their order, and the files that
// end as one and are none of it.
func (f files) segments() (names []segmentName, strange []string, err error) {
	entries, err := os.ReadDir(f.dir)
	if err != nil {
		return nil, nil, fmt.Errorf("journal: %w", err)
	}
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), segmentSuffix) && !strings.HasSuffix(e.Name(), sealedSuffix) {
			continue
		}
		if n, ok := parseSegment(e.Name()); ok && n.sealed == (f.seal != nil) && e.Type().IsRegular() {
			names = append(names, n)
		} else {
			strange = append(strange, e.Name())
		}
	}
	slices.SortFunc(names, func(a, b segmentName) int { return strings.Compare(a.String(), b.String()) })
	return names, strange, nil
}

// A line of a file.
type line struct {
	number int    // from 1
	offset int64  // of its first byte
	raw    []byte // with its end, not sealed any more; valid until the next is read
	size   int64  // on the disk
	broken string // why it cannot be a record's, whatever it says: too long, without an end, or it does not open
}

// A lineReader reads lines with a bounded buffer.
type lineReader struct {
	r     *bufio.Reader
	seal  *seal
	next  line
	ended bool // the end was met, and what was written since is not read
}

func newLineReader(r io.Reader, s *seal) *lineReader {
	return &lineReader{r: bufio.NewReaderSize(r, 8*maxLine), seal: s, next: line{number: 1}}
}

const (
	tooLong    = "longer than any record"
	unfinished = "without an end"
)

// read returns the next line, or io.EOF. Of a line that is too long it returns
// the begin. The error is of the file.
func (r *lineReader) read() (line, error) {
	if r.ended {
		return line{}, io.EOF
	}
	l, limit := r.next, r.seal.limit()
	raw, err := r.r.ReadSlice('\n')
	size := int64(len(raw))
	switch {
	case errors.Is(err, bufio.ErrBufferFull):
		l.broken = tooLong
		raw = slices.Clone(raw[:limit])
		more, skipErr := r.skip()
		if size += more; skipErr != nil {
			return line{}, skipErr
		}
	case errors.Is(err, io.EOF) && size > 0:
		l.broken, r.ended = unfinished, true
	case err != nil:
		return line{}, err
	case size > int64(limit):
		l.broken, raw = tooLong, raw[:limit]
	}
	l.raw, l.size = raw, size
	r.next = line{number: l.number + 1, offset: l.offset + size}
	return r.seal.unsealed(l), nil
}

// skip reads to the end of a line.
func (r *lineReader) skip() (size int64, err error) {
	for {
		more, err := r.r.ReadSlice('\n')
		size += int64(len(more))
		if err == nil || errors.Is(err, io.EOF) {
			r.ended = err != nil
			return size, nil
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			return size, err
		}
	}
}

// readLines calls do with every line of a segment until it returns false.
func (f files) readLines(n segmentName, do func(line) bool) error {
	open, err := os.Open(n.path(f.dir))
	if err != nil {
		return fmt.Errorf("journal: %w", err)
	}
	defer open.Close()
	r := newLineReader(open, f.seal)
	for {
		l, err := r.read()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("journal: %w", err)
		}
		if !do(l) {
			return nil
		}
	}
}

// syncDir makes what was created in a directory, or renamed, durable.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	d.Sync() // some systems cannot; the name stands all the same
	return d.Close()
}
