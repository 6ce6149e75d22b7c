package feed

import (
	"bytes"
	"encoding/binary"
	"io"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/tocsin-exchange/tocsin/protocol"
	"github.com/tocsin-exchange/tocsin/protocol/stix"
	"github.com/tocsin-exchange/tocsin/trust/score"
)

// A column is the values of one type that stand, sorted and distinct, as the
// text that is served. It is never changed, so that a slow reader of an old one
// stands in nobody's way.
type column struct {
	text     []byte // a value a line
	ends     []uint32
	verdicts []verdict // of each line
	next     int64     // the first moment at which a line is in no tier
	long     bool      // there were more than a list may have; it holds none
}

// forever is the Unix second from which on nothing ends: the last of the year 9999.
const forever = 253402300799

// A verdict is how a value was judged.
type verdict struct {
	until [3]int64 // Unix milliseconds from which on it is no longer in a tier; 0: it is not
	first uint64   // arrival of the first of the claims on it
	since uint32   // Unix seconds: when that was
	score uint8    // as it was when it was judged
	tlp   protocol.TLP
	own   bool // our own organisation says something of it
}

// last is the moment from which on the value is in no tier.
func (v *verdict) last() int64 {
	return max(v.until[score.Observe], v.until[score.Alert], v.until[score.Block])
}

// news says how values are judged now; those of the zero verdict stand no more.
type news map[string]verdict

// note puts a verdict into the news of its type.
func note(all map[stix.Type]news, o stix.Observable, v verdict) {
	n := all[o.Type]
	if n == nil {
		n = news{}
		all[o.Type] = n
	}
	n[o.Value] = v
}

func (c *column) line(i int) []byte {
	from := uint32(0)
	if i > 0 {
		from = c.ends[i-1]
	}
	return c.text[from : c.ends[i]-1]
}

// find returns the verdict on a value, nil where it is not in the column.
func (c *column) find(value []byte) *verdict {
	low, high := 0, len(c.ends)
	for low < high {
		if mid := (low + high) / 2; string(c.line(mid)) < string(value) {
			low = mid + 1
		} else {
			high = mid
		}
	}
	if low < len(c.ends) && string(c.line(low)) == string(value) {
		return &c.verdicts[low]
	}
	return nil
}

// with returns the column after news, without what is in no tier any more.
func (c *column) with(n news, now int64) *column {
	if c.long {
		return c
	}
	w := newColumn(len(c.text)+32*len(n), len(c.ends)+len(n))
	i := 0
	for _, value := range slices.Sorted(maps.Keys(n)) {
		for ; i < len(c.ends) && string(c.line(i)) < value; i++ {
			appendLine(w, c.line(i), c.verdicts[i], now)
		}
		if i < len(c.ends) && string(c.line(i)) == value {
			i++
		}
		appendLine(w, value, n[value], now)
	}
	for ; i < len(c.ends); i++ {
		appendLine(w, c.line(i), c.verdicts[i], now)
	}
	if w.long {
		return &column{next: math.MaxInt64, long: true}
	}
	return w
}

func newColumn(bytes, lines int) *column {
	return &column{text: make([]byte, 0, bytes), ends: make([]uint32, 0, lines), verdicts: make([]verdict, 0, lines), next: math.MaxInt64}
}

// appendLine adds a line to a column that is being written, in order, unless
// its time is over.
func appendLine[T string | []byte](w *column, value T, v verdict, now int64) {
	last := v.last()
	if w.long || last <= now {
		return
	}
	if len(w.ends) == MaxLines || len(w.text)+len(value) >= MaxBytes {
		w.long = true
		return
	}
	w.text = append(append(w.text, value...), '\n')
	w.ends, w.verdicts = append(w.ends, uint32(len(w.text))), append(w.verdicts, v)
	w.next = min(w.next, last)
}

// entry returns a line as tools are told of it.
func (c *column) entry(i int, t stix.Type, tier score.Tier) Entry {
	v := &c.verdicts[i]
	e := Entry{Observable: stix.Observable{Type: t, Value: string(c.line(i))}, Score: int(v.score), TLP: v.tlp, Since: time.Unix(int64(v.since), 0).UTC()}
	if until := v.until[tier] / 1000; until < forever {
		e.Until = time.Unix(until, 0).UTC()
	}
	return e
}

// tells reports whether a column tells tools the same as another.
func (c *column) tells(other *column, tier score.Tier) bool {
	if c == other {
		return true
	}
	return bytes.Equal(c.text, other.text) && slices.EqualFunc(c.verdicts, other.verdicts, func(a, b verdict) bool {
		return a.score == b.score && a.tlp == b.tlp && a.since == b.since && a.until[tier]/1000 == b.until[tier]/1000
	})
}

// tell writes what tells tools anything.
func (c *column) tell(w io.Writer, tier score.Tier) {
	w.Write(c.text)
	buf := make([]byte, 0, 1<<12)
	for i := range c.verdicts {
		v := &c.verdicts[i]
		buf = binary.BigEndian.AppendUint64(append(buf, v.score, uint8(v.tlp)), uint64(v.until[tier]/1000)<<32|uint64(v.since))
		if len(buf) > cap(buf)-16 || i == len(c.verdicts)-1 {
			w.Write(buf)
			buf = buf[:0]
		}
	}
}

// merge calls on for the lines of two columns in order: with their places, -1
// where a column has no such line.
func merge(a, b *column, on func(i, k int)) {
	i, k := 0, 0
	for i < len(a.ends) && k < len(b.ends) {
		switch x, y := string(a.line(i)), string(b.line(k)); {
		case x < y:
			on(i, -1)
			i++
		case x > y:
			on(-1, k)
			k++
		default:
			on(i, k)
			i, k = i+1, k+1
		}
	}
	for ; i < len(a.ends); i++ {
		on(i, -1)
	}
	for ; k < len(b.ends); k++ {
		on(-1, k)
	}
}
