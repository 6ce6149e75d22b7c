package feed

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tocsin-exchange/tocsin/protocol"
	"github.com/tocsin-exchange/tocsin/protocol/stix"
	"github.com/tocsin-exchange/tocsin/storage"
	"github.com/tocsin-exchange/tocsin/trust/floor"
	"github.com/tocsin-exchange/tocsin/trust/score"
)

// A watch is a desk whose lists may change by half, if that is ten lines or more,
// with the authors of what is in them: the cert is an anchor, the reader ourselves.
type watch struct {
	*desk
	at      time.Duration // since the start
	authors map[string]*author
}

func newWatch(t *testing.T) *watch {
	t.Helper()
	w := &watch{desk: newDesk(t), authors: map[string]*author{"cert": newAuthor("cert"), "reader": newAuthor("reader")}}
	w.guards = Guards{Lines: 1000, Percent: 50, Minimum: 10, HoldDown: time.Hour}
	w.level("cert", score.Anchor, 100)
	w.say("cert", 0, 20, saying{})
	w.lines(20)
	return w
}

func (w *watch) query() storage.Query { return storage.Query{Now: start.Add(w.at)} }

// span writes some addresses of a network, from one to before another.
func span(from, to int) string {
	var values []string
	for i := from; i < to; i++ {
		values = append(values, fmt.Sprintf("203.0.113.%d", i))
	}
	return strings.Join(values, " ")
}

// say has an organisation say something of addresses.
func (w *watch) say(org string, from, to int, s saying) protocol.ID {
	w.Helper()
	w.at += time.Second
	s.values, s.after = span(from, to), w.at
	b := w.authors[org].sign(w, s)
	if _, err := w.store.Put(w.Context(), storage.Entry{Bulletin: b, Body: storage.Held, Received: start.Add(w.at)}); err != nil {
		w.Fatal(err)
	}
	return b.ID()
}

// lines checks how long the list is that firewalls get.
func (w *watch) lines(want int) {
	w.Helper()
	if l, _ := w.list("ip", score.Block, w.query()); l.Lines != want {
		w.Errorf("after %s: %d lines, want %d", w.at, l.Lines, want)
	}
}

// alarm checks what the alarm in force says, "" for none.
func (w *watch) alarm(want string) {
	w.Helper()
	alarms := w.Alarms(w.query())
	got := []string{}
	for _, a := range alarms {
		got = append(got, fmt.Sprintf("%s %s +%d -%d of %d by %d", a.Name, a.Tier, a.Come, a.Gone, a.Lines, len(a.Orgs)))
		if a.Until.Sub(a.Since) != w.guards.HoldDown || a.Since.After(start.Add(w.at)) {
			w.Errorf("from %s to %s", a.Since, a.Until)
		}
	}
	if strings.Join(got, ", ") != want {
		w.Errorf("after %s: alarms %q, want %q", w.at, got, want)
	}
}

// TestFlood: more than half of a list at once waits, what came before does not,
// and in the end it comes.
func TestFlood(t *testing.T) {
	w := newWatch(t)
	w.say("cert", 20, 30, saying{})
	w.lines(30) // half of twenty
	w.alarm("")
	w.at += window
	w.say("cert", 30, 46, saying{})
	w.lines(30)
	w.alarm("ipv4 block +16 -0 of 30 by 1")
	w.say("cert", 46, 47, saying{})
	w.lines(30)
	w.alarm("ipv4 block +17 -0 of 30 by 1")
	if l, _ := w.list("ip", score.Observe, w.query()); l.Lines != 47 {
		t.Errorf("who only looks is kept from it: %d lines", l.Lines)
	}
	w.alarm("ipv4 block +17 -0 of 30 by 1")
	w.at += time.Hour
	w.alarm("")
	w.lines(47)
	w.alarm("")
}

// TestSlowBoil: ten small steps within minutes are one large one; over hours they
// are not.
func TestSlowBoil(t *testing.T) {
	for _, row := range []struct {
		pace time.Duration
		held bool
	}{{20 * time.Second, true}, {time.Minute, true}, {10 * time.Minute, false}, {3 * time.Hour, false}} {
		w := newWatch(t)
		for i := range 10 {
			w.at += row.pace
			w.say("cert", 20+4*i, 24+4*i, saying{valid: 20 * days})
			w.list("ip", score.Block, w.query())
		}
		alarms := w.Alarms(w.query())
		if l, _ := w.list("ip", score.Block, w.query()); (len(alarms) > 0) != row.held || (l.Lines < 60) != row.held || l.Held.IsZero() == row.held {
			t.Errorf("every %s: %d lines, %v", row.pace, l.Lines, alarms)
		}
	}
}

// TestMassWithdrawal: what an organisation takes back waits too, if it is most of
// a list, but what was to end does, and our own word on it counts at once.
func TestMassWithdrawal(t *testing.T) {
	w := newWatch(t)
	w.say("cert", 20, 24, saying{valid: 20 * time.Minute})
	w.lines(24)
	w.say("cert", 0, 15, saying{revoked: true})
	w.lines(24)
	w.alarm("ipv4 block +0 -15 of 24 by 1")
	w.at += 20 * time.Minute
	w.lines(20)
	w.alarm("ipv4 block +0 -15 of 20 by 1")
	w.say("reader", 40, 45, saying{})
	w.lines(25)
	w.say("reader", 40, 45, saying{revoked: true})
	w.lines(20)
	w.keep(w.authors["reader"], saying{fine: span(15, 18), after: w.at})
	w.lines(17)
	w.at += time.Hour
	w.lines(2)
	w.alarm("")
}

// TestNoWaiting is a table of what changes most of a list at once, without an
// alarm.
func TestNoWaiting(t *testing.T) {
	for _, row := range []struct {
		name   string
		change func(w *watch)
		want   int
	}{
		{"our own claims", func(w *watch) { w.say("reader", 100, 200, saying{}) }, 120},
		{"erased", func(w *watch) {
			id := w.say("cert", 20, 30, saying{})
			w.lines(30)
			w.at += window
			if n, err := w.store.Erase(w.Context(), id, []uint64{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}); n != 10 || err != nil {
				w.Fatal(n, err)
			}
		}, 20},
		{"a stolen key", func(w *watch) {
			if _, err := w.store.Disown(w.Context(), w.authors["cert"].cert.Org, w.authors["cert"].cert.Node, nil); err != nil {
				w.Fatal(err)
			}
		}, 0},
		{"what nothing may act on", func(w *watch) {
			own, err := floor.New(floor.Own{Values: observables(w.TB, span(0, 18))})
			if err != nil {
				w.Fatal(err)
			}
			w.floor = own
			w.mark++
		}, 2},
		{"its time was over", func(w *watch) {
			w.say("cert", 20, 30, saying{valid: time.Hour})
			w.lines(30)
			w.at += 2 * time.Hour
		}, 20},
		{"nobody wants it", func(w *watch) {
			w.guards.HoldDown = 0
			w.say("cert", 20, 200, saying{})
		}, 200},
	} {
		t.Run(row.name, func(t *testing.T) {
			w := newWatch(t)
			row.change(w)
			w.lines(row.want)
			w.alarm("")
		})
	}
}

func observables(tb testing.TB, values string) (list []stix.Observable) {
	for value := range strings.FieldsSeq(values) {
		o, err := stix.Detect(value)
		if err != nil {
			tb.Fatal(err)
		}
		list = append(list, o)
	}
	return list
}

// TestEmptyListFills: where nothing was, nothing can be compared.
func TestEmptyListFills(t *testing.T) {
	w := newWatch(t)
	if _, got := w.list("domain", score.Block, w.query()); got != "" {
		t.Fatal(got)
	}
	var names []string
	for i := range 50 {
		names = append(names, fmt.Sprintf("host%d.example", i))
	}
	w.keep(w.authors["cert"], saying{values: strings.Join(names, " "), after: w.at})
	if l, _ := w.list("domain", score.Block, w.query()); l.Lines != 50 || !l.Held.IsZero() {
		t.Errorf("%d lines, held until %s", l.Lines, l.Held)
	}
}

// TestHoldLasts: a list that stands still does so too when all is read anew, or
// nobody asked for hours.
func TestHoldLasts(t *testing.T) {
	for name, disturb := range map[string]func(w *watch){
		"judged otherwise": func(w *watch) { w.level("nobody", score.Chosen, 50) },
		"erased":           func(w *watch) { w.withdraw() },
		"slept":            func(w *watch) { w.at += 2 * time.Hour },
	} {
		w := newWatch(t)
		w.guards.HoldDown = 6 * time.Hour
		w.say("cert", 20, 60, saying{})
		w.lines(20)
		disturb(w)
		if w.lines(20); t.Failed() {
			t.Fatal(name)
		}
		w.alarm("ipv4 block +40 -0 of 20 by 1")
		w.at += 6 * time.Hour
		w.lines(60)
		w.alarm("")
	}
}

// withdraw changes what the store says of withdrawals, and no value.
func (w *watch) withdraw() {
	id := w.say("cert", 250, 251, saying{valid: time.Hour})
	if n, err := w.store.Erase(w.Context(), id, []uint64{0}); n != 1 || err != nil {
		w.Fatal(n, err)
	}
}

// TestRelease: whoever sees as much as those for whom a list stands still may
// know of it and let it change.
func TestRelease(t *testing.T) {
	w := newWatch(t)
	upTo := func(label protocol.TLP) storage.Query {
		return storage.Query{Now: start.Add(w.at), Visible: func(h *protocol.Header) bool { return h.TLP <= label }}
	}
	release := func(q storage.Query) error { return w.Release(t.Context(), "ip", score.Block, q) }
	w.say("cert", 100, 110, saying{tlp: protocol.Amber})
	for _, label := range []protocol.TLP{protocol.Amber, protocol.Green} {
		w.list("ip", score.Block, upTo(label))
	}
	w.at += window
	w.say("cert", 120, 170, saying{tlp: protocol.Amber})
	amber, green := upTo(protocol.Amber), upTo(protocol.Green)
	if l, _ := w.list("ip", score.Block, amber); l.Lines != 30 || l.Held.IsZero() {
		t.Errorf("%d lines, held until %s", l.Lines, l.Held)
	}
	if l, _ := w.list("ip", score.Block, green); l.Lines != 20 || !l.Held.IsZero() {
		t.Errorf("to those who may not see it: %d lines, held until %s", l.Lines, l.Held)
	}
	if alarms := w.Alarms(green); len(alarms) > 0 {
		t.Errorf("who may not see it is told: %v", alarms)
	}
	for _, err := range []error{
		release(green), w.Release(t.Context(), "ipv6", score.Block, amber), w.Release(t.Context(), "ip", score.Alert, amber),
	} {
		if !errors.Is(err, ErrNotHeld) {
			t.Error(err)
		}
	}
	if err := w.Release(t.Context(), "nonsense", score.Block, amber); !errors.Is(err, ErrUnknown) {
		t.Error(err)
	}
	if err := release(amber); err != nil {
		t.Error(err)
	}
	if l, _ := w.list("ip", score.Block, amber); l.Lines != 80 || !l.Held.IsZero() {
		t.Errorf("%d lines, held until %s", l.Lines, l.Held)
	}
	if err := release(amber); !errors.Is(err, ErrNotHeld) {
		t.Errorf("twice: %v", err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	w.turn <- struct{}{}
	defer w.leave()
	if len(w.Alarms(amber)) != 0 {
		t.Error("what was released still stands still")
	}
	if err := w.Release(ended, "ip", score.Block, amber); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// TestHeldKeepsToLimits: nothing waits past the most a list may have.
func TestHeldKeepsToLimits(t *testing.T) {
	w := newWatch(t)
	w.guards.Lines = 25
	w.say("cert", 20, 60, saying{})
	w.say("reader", 100, 150, saying{})
	l, text := w.list("ip", score.Block, w.query())
	if l.Lines > 25 || l.LeftOut != 85 {
		t.Errorf("%d lines without %d", l.Lines, l.LeftOut)
	}
	if !slices.ContainsFunc(strings.Fields(text), func(v string) bool { return strings.HasPrefix(v, "203.0.113.1") }) {
		t.Errorf("our own word waits: %q", text)
	}
}
