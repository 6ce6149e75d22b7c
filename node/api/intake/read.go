package intake

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"iter"
	"time"

	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/transform"
)

// window is how much of a file decides what it is.
const window = 64 << 10

// checkEvery is how many rows pass between looks at the context.
const checkEvery = 1024

// A yield takes a row, or the error that ends the file; it reports whether to
// go on.
type yield func(Row, error) bool

// Read says what r holds and returns its rows. An error ends the rows; it
// names the file and the line. What came before it is good. Read takes the
// first bytes of r at once and the rest as the rows are asked for; the rows
// can be ranged over once.
func Read(ctx context.Context, r io.Reader, o Options) (Guess, iter.Seq2[Row, error]) {
	o = o.filled()
	in, head, err := open(r)
	if err != nil {
		return Guess{}, failed(fmt.Errorf("%s: %w", o.Name, err))
	}
	guess, cols, err := sniff(head, o)
	if err != nil {
		return guess, failed(fmt.Errorf("%s: %w", o.Name, err))
	}
	s := newSource(o, in)
	return guess, func(yield func(Row, error) bool) {
		rows := 0
		next := func(row Row, err error) bool {
			if rows++; rows%checkEvery == 0 && ctx.Err() != nil {
				yield(Row{}, fmt.Errorf("%s:%d: %w", o.Name, row.Line, ctx.Err()))
				return false
			}
			row.File = o.Name
			return yield(row, err)
		}
		switch guess.Format {
		case STIX:
			s.stix(next)
		case MISP:
			s.misp(next)
		case CrowdSec:
			s.detections(next, s.crowdsec)
		case EVE:
			s.detections(next, s.eve)
		case CSV:
			s.mentions(head, true)
			s.csv(cols, next)
		case Text:
			s.mentions(head, false)
			s.text(next)
		default:
			s.mentions(head, true)
			s.list(cols.domains, next)
		}
	}
}

// filled is o with something in the place of what was left out.
func (o Options) filled() Options {
	if o.Name == "" {
		o.Name = "-"
	}
	if o.Confidence == 0 {
		o.Confidence = -1
	}
	if o.Now.IsZero() {
		o.Now = time.Now()
	}
	return o
}

// failed is the sequence of a file that could not be opened.
func failed(err error) iter.Seq2[Row, error] {
	return func(yield func(Row, error) bool) { yield(Row{}, err) }
}

// open undoes gzip, byte order mark and UTF-16, and returns the input with a
// look at its first window.
func open(r io.Reader) (*bufio.Reader, []byte, error) {
	in := bufio.NewReaderSize(&capped{r: r, left: MaxInput}, window)
	if magic, _ := in.Peek(2); bytes.Equal(magic, []byte{0x1f, 0x8b}) {
		z, err := gzip.NewReader(in)
		if err != nil {
			return nil, nil, fmt.Errorf("%w: gzip: %w", ErrFormat, err)
		}
		in = bufio.NewReaderSize(&capped{r: z, left: MaxInput}, window)
	}
	mark, _ := in.Peek(3)
	switch {
	case bytes.HasPrefix(mark, []byte("\xef\xbb\xbf")):
		in.Discard(3)
	case bytes.HasPrefix(mark, []byte("\xff\xfe")), bytes.HasPrefix(mark, []byte("\xfe\xff")):
		utf16 := unicode.UTF16(unicode.LittleEndian, unicode.UseBOM)
		in = bufio.NewReaderSize(transform.NewReader(in, utf16.NewDecoder()), window)
	}
	head, err := in.Peek(window)
	if err != nil && err != io.EOF && len(head) == 0 {
		return nil, nil, err
	}
	if err := binary(head); err != nil {
		return nil, nil, err
	}
	return in, head, nil
}

// binary refuses what is not text, by name where that helps.
func binary(head []byte) error {
	switch {
	case bytes.HasPrefix(head, []byte("%PDF-")):
		return fmt.Errorf("%w: this is a PDF; paste or convert its text", ErrFormat)
	case bytes.HasPrefix(head, []byte("PK\x03\x04")):
		return fmt.Errorf("%w: this is a zip or office file; unpack it, or save the sheet as CSV", ErrFormat)
	case bytes.IndexByte(head, 0) >= 0:
		return fmt.Errorf("%w: binary data, not text", ErrFormat)
	}
	return nil
}

// capped fails once more than left bytes were read. An error stays, so that
// what was read before it comes out before it.
type capped struct {
	r    io.Reader
	left int64
	err  error
}

func (c *capped) Read(p []byte) (int, error) {
	if c.err != nil {
		return 0, c.err
	}
	if c.left <= 0 {
		c.err = fmt.Errorf("%w: larger than %d GiB unpacked", ErrFormat, int64(MaxInput)>>30)
		return 0, c.err
	}
	if int64(len(p)) > c.left {
		p = p[:c.left]
	}
	n, err := c.r.Read(p)
	c.left -= int64(n)
	c.err = err
	return n, err
}
