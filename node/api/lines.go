package api

import (
	"bufio"
	"errors"
)

// lines writes an answer of a JSON value a line. After a failure it writes
// nothing more; whoever writes looks at err now and then.
type lines struct {
	w   *answerWriter
	buf *bufio.Writer
	err error
}

func newLines(w *answerWriter) *lines { return &lines{w: w, buf: bufio.NewWriterSize(w, 32<<10)} }

func (l *lines) send(line any) { l.sendWith("", line, "\n") }

// sendWith writes a value between two texts.
func (l *lines) sendWith(before string, line any, after string) {
	b, err := encode(line)
	l.err = errors.Join(l.err, err)
	if l.err != nil {
		return
	}
	l.buf.WriteString(before)
	l.buf.Write(b)
	_, l.err = l.buf.WriteString(after)
}

// flush sends what is there to the caller.
func (l *lines) flush() {
	if l.err == nil {
		l.err = errors.Join(l.buf.Flush(), l.w.control.Flush())
	}
}
