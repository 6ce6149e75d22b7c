package intake

import (
	"bytes"
	"fmt"
	"io"
)

// A scanner takes JSON apart without holding more of it than it is asked to.
// It finds where values begin and end; whether what is between is JSON, the
// strict parsers behind it say. A comma too many before a closing bracket is
// forgiven: published files have it, and it cannot mean two things.
type scanner struct {
	src  io.Reader // nil where data is all there is
	data []byte
	pos  int
	line int
	err  error

	keep    []byte // what was taken since record, up to most bytes
	most    int
	overrun bool
}

func newScanner(src io.Reader) *scanner {
	return &scanner{src: src, data: make([]byte, 0, window), line: 1}
}

func memoryScanner(data []byte, line int) *scanner {
	return &scanner{data: data, line: line}
}

// peek returns the next byte; ok is false at the end or after an error.
func (s *scanner) peek() (c byte, ok bool) {
	for s.pos == len(s.data) {
		if s.src == nil || s.err != nil {
			return 0, false
		}
		n, err := s.src.Read(s.data[:cap(s.data)])
		s.data, s.pos = s.data[:n], 0
		if err != nil && err != io.EOF {
			s.err = err
		} else if err == io.EOF {
			s.src = nil
		}
	}
	return s.data[s.pos], true
}

// take consumes the byte that peek returned.
func (s *scanner) take() { s.advance(1) }

// advance consumes n bytes of the window.
func (s *scanner) advance(n int) {
	span := s.data[s.pos : s.pos+n]
	s.pos += n
	if n == 1 {
		if span[0] == '\n' {
			s.line++
		}
	} else {
		s.line += bytes.Count(span, []byte{'\n'})
	}
	if s.most == 0 {
		return
	}
	if room := s.most - len(s.keep); room < n {
		span, s.overrun = span[:room], true
	}
	s.keep = append(s.keep, span...)
}

// record begins to keep what is taken, up to most bytes.
func (s *scanner) record(most int) {
	s.keep, s.most, s.overrun = s.keep[:0], most, false
}

// recorded returns what was kept since record and stops keeping; ok is false
// where there was more.
func (s *scanner) recorded() (raw []byte, ok bool) {
	s.most = 0
	return s.keep, !s.overrun
}

// next passes over blanks and returns the next byte.
func (s *scanner) next() (c byte, ok bool) {
	for {
		c, ok = s.peek()
		if !ok || c != ' ' && c != '\n' && c != '\t' && c != '\r' {
			return c, ok
		}
		s.take()
	}
}

// fault is an error at the current line.
func (s *scanner) fault(format string, args ...any) error {
	if s.err != nil {
		return s.err
	}
	return fmt.Errorf("%w: JSON: %s", ErrFormat, fmt.Sprintf(format, args...))
}

// expect takes one byte.
func (s *scanner) expect(want byte) error {
	c, ok := s.next()
	switch {
	case !ok:
		return s.fault("the file ends where %q should be", want)
	case c != want:
		return s.fault("%q where %q should be", c, want)
	}
	s.take()
	return nil
}

// value passes over one value.
func (s *scanner) value() error {
	c, ok := s.next()
	switch {
	case !ok:
		return s.fault("the file ends where a value should be")
	case c == '"':
		return s.text()
	case c != '{' && c != '[':
		return s.word()
	}
	depth := 0
	for {
		if _, ok := s.peek(); !ok {
			return s.fault("the file ends inside a value")
		}
		window, n := s.data[s.pos:], 0
		for n < len(window) && !structural(window[n]) {
			n++
		}
		if s.advance(n); n == len(window) {
			continue
		}
		switch window[n] {
		case '"':
			if err := s.text(); err != nil {
				return err
			}
			continue
		case '{', '[':
			depth++
		case '}', ']':
			depth--
		}
		if s.take(); depth == 0 {
			return nil
		}
	}
}

func structural(c byte) bool {
	return c == '"' || c == '{' || c == '}' || c == '[' || c == ']'
}

// text passes over a string.
func (s *scanner) text() error {
	s.take()
	for {
		if _, ok := s.peek(); !ok {
			return s.fault("the file ends inside a string")
		}
		window, n := s.data[s.pos:], 0
		for n < len(window) && window[n] != '"' && window[n] != '\\' {
			n++
		}
		if s.advance(n); n == len(window) {
			continue
		}
		s.take()
		if window[n] == '"' {
			return nil
		}
		if _, ok := s.peek(); !ok {
			return s.fault("the file ends inside a string")
		}
		s.take()
	}
}

// word passes over a number, true, false or null.
func (s *scanner) word() error {
	for n := 0; ; n++ {
		c, ok := s.peek()
		if !ok || (c|0x20 < 'a' || c|0x20 > 'z') && (c < '0' || c > '9') && c != '+' && c != '-' && c != '.' {
			if n == 0 {
				return s.fault("%q where a value should be", c)
			}
			return nil
		}
		s.take()
	}
}

// name reads the name of a member and the colon after it. A name longer than
// any we know is cut.
func (s *scanner) name() (string, error) {
	var b []byte
	s.take()
	for {
		c, ok := s.peek()
		if !ok {
			return "", s.fault("the file ends inside a name")
		}
		s.take()
		if c == '"' {
			break
		}
		if len(b) < 64 {
			b = append(b, c)
		}
		if c == '\\' {
			if c, ok = s.peek(); !ok {
				return "", s.fault("the file ends inside a name")
			}
			s.take()
		}
	}
	return string(b), s.expect(':')
}

// members walks an object; each is called at every value and passes over it.
func (s *scanner) members(each func(name string) error) error {
	return s.walk('{', '}', func() error {
		if c, _ := s.next(); c != '"' {
			return s.fault("%q where a name should be", c)
		}
		name, err := s.name()
		if err != nil {
			return err
		}
		return each(name)
	})
}

// elements walks an array the same way.
func (s *scanner) elements(each func() error) error {
	return s.walk('[', ']', each)
}

func (s *scanner) walk(open, end byte, each func() error) error {
	if err := s.expect(open); err != nil {
		return err
	}
	for {
		c, ok := s.next()
		if !ok {
			return s.fault("the file ends where %q should be", end)
		}
		if c == end {
			s.take()
			return nil
		}
		if err := each(); err != nil {
			return err
		}
		if c, ok = s.next(); ok && c == ',' {
			s.take()
		} else if ok && c != end {
			return s.fault("%q where a comma or %q should be", c, end)
		}
	}
}

// capture returns the bytes of the next value, and the line it starts on; ok
// is false where it is longer than most, in which case it was passed over. The
// bytes are valid until the next capture.
func (s *scanner) capture(most int) (raw []byte, line int, ok bool, err error) {
	if _, ok := s.next(); !ok {
		return nil, s.line, false, s.fault("the file ends where a value should be")
	}
	line = s.line
	s.record(most)
	err = s.value()
	raw, ok = s.recorded()
	return raw, line, ok, err
}

// membersOnly walks an object that is held in memory and hands on the bytes of
// every value.
func (s *scanner) membersOnly(each func(name string, value []byte)) error {
	return s.members(func(name string) error {
		s.next()
		start := s.pos
		if err := s.value(); err != nil {
			return err
		}
		each(name, s.data[start:s.pos])
		return nil
	})
}
