package feed

import (
	"maps"
	"math"
	"slices"

	"github.com/tocsin-exchange/tocsin/protocol/stix"
)

// A column is the values of one type that stand, sorted and distinct, as the
// text that is served. It is never changed, so that a slow reader of an old one
// stands in nobody's way.
type column struct {
	text    []byte // a value a line
	ends    []uint32
	expires []int64 // of each line, in Unix milliseconds
	next    int64   // the first of these
	long    bool    // there were more than a list may have; it holds none
}

// news says until when values stand now: Unix milliseconds, gone for those that
// stand no more.
type news map[string]int64

const gone = math.MinInt64

// later notes a date for a value, or keeps the later one it had.
func later(all map[stix.Type]news, o stix.Observable, expires int64) {
	n := all[o.Type]
	if n == nil {
		n = news{}
		all[o.Type] = n
	}
	if old, known := n[o.Value]; !known || old < expires {
		n[o.Value] = expires
	}
}

func (c *column) line(i int) []byte {
	from := uint32(0)
	if i > 0 {
		from = c.ends[i-1]
	}
	return c.text[from : c.ends[i]-1]
}

// with returns the column after news, without what has expired by now. With
// add, a value that is there already stays for the later of both dates.
func (c *column) with(n news, now int64, add bool) *column {
	if c.long {
		return c
	}
	w := columnWriter{now: now, column: column{
		text: make([]byte, 0, len(c.text)+32*len(n)), ends: make([]uint32, 0, len(c.ends)+len(n)),
		expires: make([]int64, 0, len(c.ends)+len(n)), next: math.MaxInt64,
	}}
	i := 0
	for _, value := range slices.Sorted(maps.Keys(n)) {
		for ; i < len(c.ends) && string(c.line(i)) < value; i++ {
			appendLine(&w, c.line(i), c.expires[i])
		}
		expires := n[value]
		if i < len(c.ends) && string(c.line(i)) == value {
			if add {
				expires = max(expires, c.expires[i])
			}
			i++
		}
		appendLine(&w, value, expires)
	}
	for ; i < len(c.ends); i++ {
		appendLine(&w, c.line(i), c.expires[i])
	}
	if w.long {
		return &column{next: math.MaxInt64, long: true}
	}
	return &w.column
}

// A columnWriter writes a column line by line, in order.
type columnWriter struct {
	column
	now int64
}

// appendLine adds a line, unless its time is over.
func appendLine[T string | []byte](w *columnWriter, value T, expires int64) {
	if w.long || expires <= w.now {
		return
	}
	if len(w.ends) == MaxLines || len(w.text)+len(value) >= MaxBytes {
		w.long = true
		return
	}
	w.text = append(append(w.text, value...), '\n')
	w.ends, w.expires = append(w.ends, uint32(len(w.text))), append(w.expires, expires)
	w.next = min(w.next, expires)
}
