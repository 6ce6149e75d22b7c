package feed

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/tocsin-exchange/tocsin/protocol"
	"github.com/tocsin-exchange/tocsin/storage"
	"github.com/tocsin-exchange/tocsin/trust/score"
)

// restart ends the node as a kill does, or in order, and starts it again after a
// while.
func (w *watch) restart(away time.Duration, inOrder bool) {
	w.Helper()
	if inOrder {
		if err := w.Save(w.Context()); err != nil {
			w.Fatal(err)
		}
	}
	if err := w.store.Close(); err != nil {
		w.Fatal(err)
	}
	var err error
	if w.store, err = storage.Open(w.dir, storage.Options{Small: true}); err != nil {
		w.Fatal(err)
	}
	w.Shelf = NewShelf(w.store, "test", w.court.judge)
	w.at += away
}

// TestRestart is a table of what happens before a restart and before the first
// answer after it: how many lines are served then and which alarm there is, and how
// many lines there are in the end. Twenty lines are served before.
func TestRestart(t *testing.T) {
	nothing := func(*watch) {}
	for _, row := range []struct {
		name          string
		before, after func(w *watch)
		away          time.Duration
		lines         int
		alarm         string
		end           int
	}{
		{"nothing happens", nothing, nothing, 0, 20, "", 20},
		{"a few come", nothing, func(w *watch) { w.say("cert", 20, 30, saying{}) }, 0, 30, "", 30},
		{"a flood", nothing, func(w *watch) { w.say("cert", 20, 60, saying{}) }, time.Hour, 20, "ipv4 block +40 -0 of 20 by 1", 60},
		{"a flood of our own", nothing, func(w *watch) { w.say("reader", 20, 60, saying{}) }, 0, 60, "", 60},
		{"a flood that was judged anew too", nothing, func(w *watch) { w.mark++; w.say("cert", 20, 60, saying{}) }, 0, 20, "ipv4 block +40 -0 of 20 by 1", 60},
		{"most are taken back", nothing, func(w *watch) { w.say("cert", 0, 15, saying{revoked: true}) }, 0, 5, "ipv4 block +0 -15 of 5 by 0", 5},
		{"others come in their place", nothing, func(w *watch) {
			w.say("cert", 0, 15, saying{revoked: true})
			w.say("cert", 20, 35, saying{})
		}, 0, 5, "ipv4 block +15 -15 of 5 by 1", 20},
		{"all is said again", nothing, func(w *watch) { w.say("cert", 0, 20, saying{}) }, days, 20, "", 20},
		{"what was to end has", func(w *watch) {
			w.say("cert", 20, 30, saying{valid: 2 * time.Hour})
			w.lines(30)
			w.at += 2 * writeEvery
			w.lines(30)
		}, nothing, 3 * time.Hour, 20, "", 20},
		{"it stood still", func(w *watch) { w.say("cert", 20, 60, saying{}); w.lines(20) }, nothing, time.Minute, 20, "ipv4 block +40 -0 of 20 by 1", 60},
		{"it stood still for long enough", func(w *watch) { w.say("cert", 20, 60, saying{}); w.lines(20) }, nothing, time.Hour, 60, "", 60},
		{"it was released", func(w *watch) {
			w.say("cert", 20, 60, saying{})
			w.lines(20)
			if err := w.Release(w.Context(), "ip", score.Block, w.query()); err != nil {
				w.Fatal(err)
			}
		}, nothing, 0, 60, "", 60},
		{"much is believed at once", func(w *watch) {
			w.say("bank", 20, 60, saying{})
			w.lines(20)
			if err := w.Save(w.Context()); err != nil {
				w.Fatal(err)
			}
		},
			func(w *watch) { w.level("bank", score.Anchor, 100) }, 0, 60, "ipv4 block +0 -0 of 60 by 0", 60},
		{"nobody wants it", nothing, func(w *watch) { w.guards.HoldDown = 0; w.say("cert", 20, 60, saying{}) }, 0, 60, "", 60},
		{"too long ago", nothing, func(w *watch) { w.say("cert", 20, 60, saying{}) }, 8 * days, 40, "", 40},
	} {
		for _, inOrder := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, in order %v", row.name, inOrder), func(t *testing.T) {
				w := newWatch(t)
				w.authors["bank"] = newAuthor("bank")
				row.before(w)
				w.restart(row.away, inOrder)
				row.after(w)
				w.lines(row.lines)
				w.alarm(row.alarm)
				w.lines(row.lines)
				w.alarm(row.alarm)
				w.at += time.Hour
				w.lines(row.end)
				w.alarm("")
			})
		}
	}
}

// TestHoldOutlivesRestarts: how long a list stands still is counted from when it
// stopped, however often the node starts.
func TestHoldOutlivesRestarts(t *testing.T) {
	w := newWatch(t)
	w.say("cert", 20, 60, saying{})
	w.lines(20)
	first := w.Alarms(w.query())
	if len(first) != 1 {
		t.Fatal(first)
	}
	for range 3 {
		w.restart(15*time.Minute, false)
		w.lines(20)
		again := w.Alarms(w.query())
		if !reflect.DeepEqual(again, first) {
			t.Errorf("%+v, want %+v", again, first)
		}
	}
	w.restart(15*time.Minute, false)
	w.lines(60)
}

// TestOthersBaselines: a group is compared with what itself was served.
func TestOthersBaselines(t *testing.T) {
	w := newWatch(t)
	upTo := func(label protocol.TLP) storage.Query {
		return storage.Query{Now: start.Add(w.at), Visible: func(h *protocol.Header) bool { return h.TLP <= label }}
	}
	for from := 100; from < 127; from += 9 {
		w.at += window
		w.say("cert", from, from+9, saying{tlp: protocol.Amber})
		w.list("ip", score.Block, upTo(protocol.Amber))
	}
	for label, want := range map[protocol.TLP]int{protocol.Amber: 47, protocol.Green: 20} {
		if l, _ := w.list("ip", score.Block, upTo(label)); l.Lines != want {
			t.Errorf("%s: %d lines", label, l.Lines)
		}
	}
	w.restart(0, true)
	w.say("cert", 20, 40, saying{})
	for label, want := range map[protocol.TLP]int{protocol.Amber: 67, protocol.Green: 20, protocol.Clear: 0} {
		if l, _ := w.list("ip", score.Block, upTo(label)); l.Lines != want || l.Held.IsZero() != (label != protocol.Green) {
			t.Errorf("%s: %d lines, held until %s", label, l.Lines, l.Held)
		}
	}
}

// TestChangedAfterRestart: what tools were told is never dated later than what
// they are told afterwards, whatever the clock does.
func TestChangedAfterRestart(t *testing.T) {
	w := newWatch(t)
	dated := func() time.Time { return w.entries(typesOf("ip"), score.Block, w.query()).Changed }
	w.at += time.Hour
	w.say("cert", 20, 22, saying{})
	last := dated()
	w.restart(-30*time.Minute, true)
	if again := dated(); !again.After(last) {
		t.Errorf("%s, before %s", again, last)
	}
}

// TestBaselineSaysNothing: what is written down has nothing of what was said, and
// there is a bounded number of it.
func TestBaselineSaysNothing(t *testing.T) {
	w := newWatch(t)
	for i := range 3 * maxBaselines {
		w.at += time.Second
		q := w.query()
		q.Visible = func(h *protocol.Header) bool { return h.TLP == protocol.Clear || int(h.PAP)+i&1 > 0 }
		w.list("ip", score.Block, q)
		w.store.Table(baselineTable).Set(t.Context(), fmt.Appendf(nil, "test/%016x", 1000+i), fmt.Appendf(nil, `{"id":%d}`, 1000+i))
	}
	rows := 0
	for _, row := range w.store.Table(baselineTable).All() {
		if rows++; strings.Contains(string(row), "203.0.113") {
			t.Errorf("%s", row)
		}
	}
	if rows == 0 {
		t.Error("nothing was written")
	}
	w.newID(t.Context())
	if n := len(w.baselines()); n > maxBaselines {
		t.Errorf("%d baselines", n)
	}
}

// TestUnwritten: lists do not depend on what can be written down of them.
func TestUnwritten(t *testing.T) {
	w := newWatch(t)
	w.say("cert", 20, 25, saying{})
	w.lines(25)
	w.store.Close()
	if err := w.Save(t.Context()); err == nil {
		t.Error("saved to a closed store")
	}
	if c := w.Counts(); c.Unwritten != 1 || c.Holds != 0 {
		t.Errorf("%+v", c)
	}
}

// FuzzBaseline: what is read is written the same, and nothing in it can make a
// list wait longer than a hold-down, nor fail.
func FuzzBaseline(f *testing.F) {
	f.Add([]byte(`{"id":1,"at":1793534400000,"latest":5,"kinds":"AAAAAAAAAAE=","pasts":[{"type":"ipv4-addr","tier":"block","at":1793534400000,"position":9,"lines":20,"own":1,"ends":[1,2,3,4,5,6,7]}]}`))
	f.Add([]byte(`{"kinds":"AAA="}`))
	f.Add([]byte(`{"at":1,"pasts":[{"type":"x","tier":"","lines":-1}]}`))
	f.Add([]byte(`{"at":9,"pasts":[{"lines":2,"own":1,"held":9223372036854775807}]}`))
	f.Fuzz(func(t *testing.T, row []byte) {
		b, err := parseBaseline(row)
		if err != nil {
			if !errors.Is(err, errBaseline) {
				t.Error(err)
			}
			return
		}
		text, err := json.Marshal(b)
		if err != nil {
			t.Fatal(err)
		}
		again, err := parseBaseline(text)
		if err != nil || !reflect.DeepEqual(normal(b), normal(again)) {
			t.Errorf("%+v, then %+v, %v", b, again, err)
		}
		now := start.UnixMilli()
		limits := Guards{Lines: 10, Percent: 50, Minimum: 1, HoldDown: time.Hour}
		for i := range b.Pasts {
			p := &b.Pasts[i]
			g := &guard{past: p}
			g.wake(now, &limits)
			if n := p.expected(now); n < 0 || n > p.Lines || p.risen(5) > 5 || g.stopped() && p.Held+limits.HoldDown.Milliseconds() <= now {
				t.Errorf("%+v: %d expected, stopped %v", p, n, g.stopped())
			}
		}
	})
}

// normal has empty lists as none.
func normal(b *baseline) *baseline {
	if len(b.Kinds) == 0 {
		b.Kinds = bytes.Clone(nil)
	}
	if len(b.Pasts) == 0 {
		b.Pasts = nil
	}
	return b
}
