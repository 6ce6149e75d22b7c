package intake

import (
	"io"
	"strings"
)

// Limits of a record that spans lines.
const (
	maxSpan   = 100  // lines
	maxBroken = 1000 // quotes that never close, before the file gets no more chances
)

// records reads CSV records from lines: RFC 4180 with any of four delimiters,
// and lenient where real files are: stray quotes stand for themselves, and a
// quote that is never closed does not swallow the file.
type records struct {
	s      *source
	delim  byte
	pushed []readLine // to read again, after a quote that did not close
	broken int
	fields []string
}

type readLine struct {
	text string
	line int
	long bool
}

// next returns the fields of the next record and the line it starts on. The
// fields are valid until the next call.
func (r *records) next() (fields []string, line int, long bool, err error) {
	first, err := r.read()
	if err != nil || first.long {
		r.fields = append(r.fields[:0], first.text)
		return r.fields, first.line, first.long, err
	}
	if open := r.split(first.text); !open {
		return r.fields, first.line, false, nil
	}
	closed, err := r.span(first.text)
	if err != nil {
		return nil, first.line, false, err
	}
	if !closed {
		r.broken++
		r.fields = strings.Split(first.text, string(r.delim))
	}
	return r.fields, first.line, false, nil
}

// span adds lines until the open quote closes. Where it does not, the lines
// are put back, to be read as lines of their own.
func (r *records) span(text string) (closed bool, err error) {
	var more []readLine
	for r.broken < maxBroken && len(more) < maxSpan {
		l, err := r.read()
		if err != nil && err != io.EOF {
			return false, err
		}
		if err == io.EOF {
			break
		}
		more = append(more, l)
		if l.long || len(text)+len(l.text) >= MaxLine {
			break
		}
		text += "\n" + l.text
		if strings.IndexByte(l.text, '"') >= 0 && !r.split(text) {
			return true, nil
		}
	}
	r.pushed = append(more, r.pushed...)
	return false, nil
}

func (r *records) read() (readLine, error) {
	if len(r.pushed) > 0 {
		l := r.pushed[0]
		r.pushed = r.pushed[1:]
		return l, nil
	}
	raw, long, err := r.s.next()
	if err != nil {
		return readLine{}, err
	}
	return readLine{repair(raw), r.s.line, long}, nil
}

// split cuts text into fields. It reports whether a quoted field is still open
// at the end.
func (r *records) split(text string) (open bool) {
	r.fields, open = splitFields(r.fields[:0], text, r.delim)
	return open
}

func splitFields(fields []string, text string, delim byte) (_ []string, open bool) {
	for {
		lead := len(text) - len(strings.TrimLeft(text, " "))
		if lead < len(text) && text[lead] == '"' {
			value, rest, ok := quoted(text[lead+1:], delim)
			if !ok {
				return fields, true
			}
			fields = append(fields, value)
			if rest == "" {
				return fields, false
			}
			text = rest[1:]
			continue
		}
		i := strings.IndexByte(text, delim)
		if i < 0 {
			return append(fields, text), false
		}
		fields = append(fields, text[:i])
		text = text[i+1:]
	}
}

// quoted reads a field after its opening quote. What follows the closing quote
// begins with the delimiter or is empty.
func quoted(text string, delim byte) (value, rest string, ok bool) {
	doubled := false
	for i := 0; i < len(text); i++ {
		if text[i] != '"' {
			continue
		}
		if i+1 < len(text) && text[i+1] == '"' {
			doubled = true
			i++
			continue
		}
		after := strings.TrimLeft(text[i+1:], " ")
		if after != "" && after[0] != delim {
			continue // a quote inside a quoted field that nobody doubled
		}
		value = text[:i]
		if doubled {
			value = strings.ReplaceAll(value, `""`, `"`)
		}
		return value, after, true
	}
	return "", "", false
}
