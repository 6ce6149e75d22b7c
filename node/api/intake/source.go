package intake

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/tocsin-exchange/tocsin/protocol"
	"github.com/tocsin-exchange/tocsin/protocol/stix"
)

// Reasons that more than one format gives.
const (
	skipBlank     = "blank"
	skipComment   = "comment"
	skipHeader    = "header"
	skipDuplicate = "duplicate in this file"
	skipNothing   = "no indicator"
	skipConflict  = "git conflict marker"
	refuseNoLabel = "no label: give --tlp"
	refuseUTF8    = "not UTF-8"
)

// maxExcerpt is the length of a row's text in bytes.
const maxExcerpt = 120

// A source is one file being read.
type source struct {
	o    Options
	in   *bufio.Reader
	line int // of the line read last
	seen *seen

	said  protocol.TLP // the strictest label a text mentions; it narrows
	alone protocol.TLP // the strictest label a text carries as a line of its own; it labels
}

func newSource(o Options, in *bufio.Reader) *source {
	return &source{o: o, in: in, seen: newSeen()}
}

// label is the label of a row with no label of its own.
func (s *source) label() protocol.TLP {
	t := s.o.TLP
	if t == protocol.Unlabelled {
		t = s.alone
	}
	if t == protocol.Unlabelled {
		return t
	}
	return t.Stricter(s.said)
}

// next reads a line without its end. A line over MaxLine is cut there, and the
// rest of it passed over; long says so. The bytes are valid until the next call.
func (s *source) next() (line []byte, long bool, err error) {
	line, err = s.in.ReadSlice('\n')
	s.line++
	if errors.Is(err, bufio.ErrBufferFull) {
		kept := string(line[:maxExcerpt])
		for errors.Is(err, bufio.ErrBufferFull) {
			_, err = s.in.ReadSlice('\n')
		}
		if err == io.EOF {
			err = nil
		}
		return []byte(kept), true, s.place(err)
	}
	if err == io.EOF && len(line) > 0 {
		err = nil
	}
	if err != nil {
		return nil, false, s.place(err)
	}
	if n := len(line); line[n-1] == '\n' {
		line = line[:n-1]
	}
	if n := len(line); n > 0 && line[n-1] == '\r' {
		line = line[:n-1]
	}
	return line, false, nil
}

// lines turns each line into a row, which fill completes; one that is too long
// is refused.
func (s *source) lines(next yield, fill func(row *Row, line string)) {
	for {
		raw, long, err := s.next()
		if err != nil {
			if err != io.EOF {
				next(Row{}, err)
			}
			return
		}
		row := Row{Line: s.line}
		line := trim(repair(raw))
		if long {
			refuse(&row, "line longer than 64 KiB", line)
		} else {
			fill(&row, line)
		}
		if !next(row, nil) {
			return
		}
	}
}

// place adds file and line to an error, but for the end of the file.
func (s *source) place(err error) error {
	if err == nil || err == io.EOF {
		return err
	}
	return fmt.Errorf("%s:%d: %w", s.o.Name, s.line, err)
}

// repair makes a line UTF-8. The bytes that are a no-break space in Latin-1
// (A0) and, before a blank or at the end, in Mac Roman (CA) become blanks; any
// other stray byte becomes U+FFFD, which no value may hold.
func repair(line []byte) string {
	if utf8.Valid(line) {
		return string(line)
	}
	var b strings.Builder
	for len(line) > 0 {
		r, n := utf8.DecodeRune(line)
		switch {
		case r != utf8.RuneError || n > 1:
			b.WriteRune(r)
		case line[0] == 0xA0, line[0] == 0xCA && endsHere(line[1:]):
			b.WriteByte(' ')
		default:
			b.WriteRune(utf8.RuneError)
		}
		line = line[n:]
	}
	return b.String()
}

// endsHere reports whether a cell ends before rest.
func endsHere(rest []byte) bool {
	return len(rest) == 0 || strings.IndexByte(" \t,;|\"\r\n", rest[0]) >= 0
}

// trim removes what cannot be seen from both ends.
func trim(s string) string {
	if s == "" || (s[0] > ' ' && s[0] < 0x7f && s[len(s)-1] > ' ' && s[len(s)-1] < 0x7f) {
		return s
	}
	return strings.TrimFunc(s, invisible)
}

func invisible(r rune) bool {
	return unicode.IsSpace(r) || unicode.Is(unicode.Cf, r) || unicode.IsControl(r)
}

// excerpt is text fit for a report: short, on one line, with nothing in it
// that a terminal would act on.
func excerpt(text string) string {
	var b strings.Builder
	for _, r := range text {
		piece := string(r)
		if !unicode.IsPrint(r) {
			piece = strings.Trim(strconv.QuoteRuneToASCII(r), "'")
		}
		if b.Len()+len(piece) > maxExcerpt {
			break
		}
		b.WriteString(piece)
	}
	return b.String()
}

// meta is what a row says about its values.
type meta struct {
	tlp         protocol.TLP // Unlabelled: the file's
	from, until time.Time
	confidence  int // -1 for none
	labels      []string
	description string
}

// accept fills in row for the values it holds: labels it, leaves out special
// use and duplicates, and turns the rest into drafts.
func (s *source) accept(row *Row, values []stix.Observable, m meta, text string) {
	row.TLP = m.tlp
	if row.TLP == protocol.Unlabelled {
		row.TLP = s.label()
	}
	if row.TLP == protocol.Unlabelled {
		refuse(row, refuseNoLabel, text)
		return
	}
	if !m.until.IsZero() && !m.until.After(s.o.Now) {
		row.Skipped = "expired: valid until " + m.until.Format(time.DateOnly)
		return
	}
	special := ""
	for _, o := range values {
		if why := o.SpecialUse(); why != "" {
			special = why
			continue
		}
		if s.seen.again(row.TLP.String(), string(o.Type), o.Value) {
			continue
		}
		row.Drafts = append(row.Drafts, s.draft(o, m))
	}
	switch {
	case len(row.Drafts) > 0 && special != "":
		row.Note = "left out: " + special
	case len(row.Drafts) > 0:
	case special != "":
		refuse(row, special, text)
	default:
		row.Skipped = skipDuplicate
	}
}

// draft is a claim on one value.
func (s *source) draft(o stix.Observable, m meta) stix.Draft {
	i := stix.Indicator{
		Observable:  o,
		Description: m.description,
		Labels:      m.labels,
		Confidence:  m.confidence,
		ValidFrom:   m.from,
		ValidUntil:  m.until,
	}
	if i.Confidence < 0 {
		i.Confidence = s.o.Confidence
	}
	if i.Description == "" {
		i.Description = s.o.Description
	}
	if len(s.o.Labels) > 0 {
		i.Labels = append(append(make([]string, 0, len(i.Labels)+len(s.o.Labels)), i.Labels...), s.o.Labels...)
	}
	if i.ValidUntil.IsZero() {
		i.ValidUntil = s.until()
	}
	if !i.ValidUntil.IsZero() && !i.ValidFrom.Before(i.ValidUntil) {
		i.ValidFrom = time.Time{}
	}
	return stix.Draft{Indicator: i, Confidence: -1}
}

// until is when a row without an end of its own ends, or zero.
func (s *source) until() time.Time {
	if s.o.Valid <= 0 {
		return time.Time{}
	}
	return s.o.Now.Add(s.o.Valid)
}

// refuse fills in row as refused.
func refuse(row *Row, reason, text string) {
	row.Refused, row.Text = reason, excerpt(text)
}
