package journal

import (
	"bytes"
	"errors"
	"fmt"
	"io"
)

// VerifyStream reads what [Files.Export] wrote, or the bare lines of segments one
// after the other, and says what is wrong with it. Marks that somebody noted
// elsewhere must lie on the chain: whoever changed a file may have made it whole
// again, and only a hash from another place tells. The error is of the reader.
func VerifyStream(r io.Reader, known ...Mark) (Report, error) {
	v := stream{inspection: inspect(head{}, known)}
	lines := newLineReader(r, nil)
	for {
		l, err := lines.read()
		if errors.Is(err, io.EOF) {
			return v.finish(), nil
		}
		if err != nil {
			return Report{}, fmt.Errorf("journal: read: %w", err)
		}
		v.see(l)
	}
}

// A stream is an exported range, or bare lines.
type stream struct {
	*inspection
	header header // journal "": none
	broken bool   // there was one, and it is damaged
	ended  bool   // the last line was read
	last   int
}

func (s *stream) see(l line) {
	s.last = l.number
	at := place{line: l.number}
	if l.number == 1 && bytes.HasPrefix(l.raw, []byte(headerBegin)) {
		s.begin(at, l)
		return
	}
	if s.ended {
		s.chain.fault(at, "a line after the last")
		return
	}
	if t, ok := decodeTrailer(l.raw); ok {
		s.end(at, t)
		return
	}
	r, ok := s.line("", l)
	if ok && r.Act == ActSegment {
		s.opening(&r, r.Words["segment"])
	}
}

// begin takes what the first line says: where the chain begins, and its end.
func (s *stream) begin(at place, l line) {
	h, ok := decodeHeader(l.raw)
	if s.chain.place = at; !ok {
		s.broken = true
		s.chain.fault(at, "not the first line of an exported range")
		return
	}
	s.header, s.report.Journal = h, h.journal
	known := append(s.chain.known, Mark{h.to, h.head})
	s.chain = newChain(known)
	s.chain.place = at
	s.chain.began, s.chain.start, s.chain.end = true, Mark{h.from - 1, h.prev}, Mark{h.from - 1, h.prev}
	s.chain.meetBefore(at)
}

func (s *stream) end(at place, t header) {
	s.ended = true
	s.chain.finish()
	switch h := s.header; {
	case s.broken:
	case h.journal == "":
		s.chain.fault(at, "it ends as an exported range and does not begin so")
	case t.journal != h.journal || t.to != h.to || t.head != h.head:
		s.chain.fault(at, "it says another end than the first line")
	}
}

func (s *stream) finish() Report {
	r := s.inspection.finish()
	if s.last == 0 {
		s.chain.fault(place{line: 1}, "nothing is in it")
		r.Faults = s.chain.faults
	}
	if (s.broken || s.header.journal != "") && !s.ended {
		s.chain.fault(place{line: s.last + 1}, "the last line is missing")
		r.Faults, r.More = s.chain.faults, s.chain.more
	}
	return r
}
