package crowdsec

import (
	"bufio"
	"context"
	"io"
	"iter"
	"time"

	"github.com/go-json-experiment/json"
)

// A Pull is one question of the stream.
type Pull struct {
	Key     string // whose
	Startup bool   // it begins anew, and has nothing
	Filter  Filter
	Now     time.Time
	Stands  Standing

	// Past returns what the key may have been told. It is called where that is not
	// known.
	Past func() (Past, error)
}

// Stream answers a pull, and remembers what stands as told once all of it was
// handed over: an answer that could not be written, or whose ctx ended before, was
// not given. It returns how many decisions went out. A key is answered one pull at
// a time; ctx ends the wait for that.
func (k *Keys) Stream(ctx context.Context, w io.Writer, p *Pull) (sent int, err error) {
	one, err := k.take(ctx, p.Key)
	if err != nil {
		return 0, err
	}
	defer func() { k.give(one, p.Now) }()
	known := k.toldTo(one)
	if known != nil && !p.Startup && known.same(&p.Stands) {
		_, err := io.WriteString(w, `{"deleted":null,"new":null}`+"\n")
		return 0, err
	}
	left, told := iter.Seq[Entry](none), iter.Seq[Entry](none) // what it may have, and what it has for sure
	switch {
	case p.Startup:
	case known != nil:
		left, told = known.All, known.All
	default:
		past, err := p.Past()
		if err != nil {
			return 0, err
		}
		left = past.entries()
	}
	out := &list{w: bufio.NewWriterSize(w, 32<<10)}
	out.text(`{"deleted":`)
	delta(left, p.Stands.All, func(e Entry, gone, _ bool) bool { return !gone || out.add(&p.Filter, lift(e.Value)) })
	out.end()
	out.text(`,"new":`)
	delta(told, p.Stands.All, func(e Entry, _, come bool) bool { return !come || out.add(&p.Filter, decide(e, p.Now)) })
	out.end()
	out.text("}\n")
	if err := out.flush(); err != nil {
		return out.sent, err
	}
	if ctx.Err() != nil {
		return out.sent, ctx.Err()
	}
	k.tell(one, &p.Stands)
	return out.sent, nil
}

// Decisions answers with all that stands and that a filter wants.
func Decisions(w io.Writer, f *Filter, stands *Standing, now time.Time) (sent int, err error) {
	out := &list{w: bufio.NewWriterSize(w, 32<<10)}
	for e := range stands.All {
		if !out.add(f, decide(e, now)) {
			break
		}
	}
	out.end()
	out.text("\n")
	return out.sent, out.flush()
}

// A list is a list of decisions on its way out.
type list struct {
	w    *bufio.Writer
	n    int // in this one
	sent int // in all
	err  error
}

func (l *list) text(s string) {
	if l.err == nil {
		_, l.err = l.w.WriteString(s)
	}
}

// add adds a decision that the filter wants, and reports whether to go on.
func (l *list) add(f *Filter, d Decision) bool {
	if !f.wants(d.Value) {
		return true
	}
	b, err := json.Marshal(&d)
	if err != nil && l.err == nil {
		l.err = err
	}
	if l.n == 0 {
		l.text("[")
	} else {
		l.text(",")
	}
	l.text(string(b))
	l.n++
	l.sent++
	return l.err == nil
}

// end ends the list: an empty one is null.
func (l *list) end() {
	if l.n == 0 {
		l.text("null")
	} else {
		l.text("]")
	}
	l.n = 0
}

func (l *list) flush() error {
	if l.err != nil {
		return l.err
	}
	return l.w.Flush()
}
