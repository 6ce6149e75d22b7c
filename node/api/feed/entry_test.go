package feed

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"
	"unsafe"

	"github.com/tocsin-exchange/tocsin/protocol"
	"github.com/tocsin-exchange/tocsin/protocol/stix"
	"github.com/tocsin-exchange/tocsin/storage"
	"github.com/tocsin-exchange/tocsin/trust/floor"
	"github.com/tocsin-exchange/tocsin/trust/score"
)

// told is entries as lines: value, type, score, label, since and until after the start.
func told(e Entries) (lines []string) {
	for o := range e.All {
		until := "never"
		if !o.Until.IsZero() {
			until = o.Until.Sub(start).String()
		}
		lines = append(lines, fmt.Sprintf("%s %s %d %s %s %s", o.Value, o.Type, o.Score, o.TLP, o.Since.Sub(start), until))
	}
	return lines
}

// entries returns the entries of types, and checks their form.
func (d *desk) entries(types []stix.Type, tier score.Tier, q storage.Query) Entries {
	d.Helper()
	if q.Now.IsZero() {
		q.Now = start
	}
	e, err := d.Entries(d.Context(), types, tier, q)
	if err != nil {
		d.Fatal(err)
	}
	if n := len(told(e)); n != e.Len || e.Tier != tier || e.Changed.Nanosecond() != 0 || e.Changed.Location() != time.UTC {
		d.Fatalf("%d entries of %d, tier %s, changed %s", n, e.Len, e.Tier, e.Changed)
	}
	return e
}

func (d *desk) wantEntries(want string, e Entries) {
	d.Helper()
	if got := strings.Join(told(e), ", "); got != want {
		d.Errorf("entries %q, want %q", got, want)
	}
}

func TestEntries(t *testing.T) {
	d := newDesk(t)
	d.level("cert", score.Anchor, 100)
	d.keep(newAuthor("cert"), saying{values: "203.0.113.7 2001:db8::7 sender@evil.example 198.51.100.9:443", sure: 90, valid: 20 * days})
	d.keep(newAuthor("reader"), saying{values: "203.0.113.7", tlp: protocol.Amber, sure: 90, valid: 25 * days})
	d.keep(newAuthor("bank"), saying{values: "203.0.113.6", sure: 90})
	all := []stix.Type{stix.EmailAddr, stix.IPv6Addr, stix.IPv4Addr, stix.IPv4Addr, stix.Mutex}
	d.wantEntries("203.0.113.6 ipv4-addr 0 green 0s 720h0m0s, 203.0.113.7 ipv4-addr 99 amber 0s 600h0m0s, "+
		"2001:db8::7 ipv6-addr 88 green 0s 480h0m0s, sender@evil.example email-addr 89 green 0s 480h0m0s", d.entries(all, score.Observe, storage.Query{}))
	d.wantEntries("198.51.100.9:443 ip-port 88 green 0s 214h55m57s", d.entries([]stix.Type{stix.IPPort}, score.Block, storage.Query{}))
	if e := d.entries(nil, score.Observe, storage.Query{}); e.Len != 0 {
		t.Errorf("%d entries of no type", e.Len)
	}
	d.guards.Lines = 1
	if e := d.entries(all, score.Observe, storage.Query{}); e.Len != 1 || e.LeftOut != 3 {
		t.Errorf("%d entries without %d", e.Len, e.LeftOut)
	}
	if e, l := d.entries(typesOf("ip"), score.Block, storage.Query{}), must(t, d, "ip", score.Block); e.Len != l.Lines || e.LeftOut != l.LeftOut {
		t.Errorf("%d entries without %d, the list %d without %d", e.Len, e.LeftOut, l.Lines, l.LeftOut)
	}
}

func must(t *testing.T, d *desk, name string, tier score.Tier) List {
	t.Helper()
	l, _ := d.list(name, tier, storage.Query{})
	return l
}

// TestEntriesStay: what was returned is what it was, whatever comes.
func TestEntriesStay(t *testing.T) {
	d := newDesk(t)
	d.keep(newAuthor("bank"), saying{values: "203.0.113.7 203.0.113.8"})
	e := d.entries(typesOf("ip"), score.Observe, storage.Query{})
	before := told(e)
	d.keep(newAuthor("bank"), saying{values: "203.0.113.1 203.0.113.7", revoked: true, after: time.Minute})
	d.entries(typesOf("ip"), score.Observe, storage.Query{})
	if after := told(e); strings.Join(before, " ") != strings.Join(after, " ") {
		t.Errorf("%q, then %q", before, after)
	}
	for range e.All {
		break
	}
}

// TestChanged is a table of what happens, in order, and by how many seconds the
// date of the entries is later then. Two things in a second are two seconds.
func TestChanged(t *testing.T) {
	d := newDesk(t)
	bank := newAuthor("bank")
	said := d.sayOften(bank)
	now, types := start.Add(500*time.Millisecond), []stix.Type{stix.IPv4Addr, stix.IPv6Addr}
	last := d.entries(types, score.Observe, storage.Query{Now: now}).Changed
	if !last.Equal(start) {
		t.Fatalf("first %s", last)
	}
	for _, row := range []struct {
		name string
		do   func()
		by   time.Duration
	}{
		{"nothing", func() {}, 0},
		{"an address", func() { said("203.0.113.7") }, time.Second},
		{"one more within the second", func() { said("2001:db8::7") }, time.Second},
		{"another type", func() { said("evil.example") }, 0},
		{"said again, for as long", func() { said("203.0.113.7") }, 0},
		{"a minute", func() { now = now.Add(time.Minute) }, 0},
		{"one more then", func() { said("203.0.113.8") }, 58 * time.Second},
		{"something unseen is erased", func() { d.erased(saying{values: "203.0.113.9", tlp: protocol.Amber, after: time.Hour}) }, 0},
		{"judged otherwise, to the same end", func() { d.mark++ }, 0},
		{"nobody asks for hours", func() { now = now.Add(2 * idle) }, 0},
		{"believed more", func() { d.level("bank", score.Anchor, 100) }, 2 * idle},
		{"what may never act", func() { d.forbid(t, "203.0.113.8") }, time.Second},
	} {
		row.do()
		e := d.entries(types, score.Observe, storage.Query{Now: now, Visible: func(h *protocol.Header) bool { return h.TLP <= protocol.Green }})
		if got := e.Changed.Sub(last); got != row.by {
			t.Errorf("%s: later by %s, want %s", row.name, got, row.by)
		}
		last = e.Changed
	}
}

// sayOften has an author say values one after the other.
func (d *desk) sayOften(a *author) func(value string) {
	n := time.Duration(0)
	return func(value string) {
		n += time.Millisecond
		d.keep(a, saying{values: value, after: n})
	}
}

// erased keeps what is said and destroys it.
func (d *desk) erased(w saying) {
	d.Helper()
	b := newAuthor("bank").sign(d, w)
	if _, err := d.store.Put(d.Context(), storage.Entry{Bulletin: b, Body: storage.Held, Received: start}); err != nil {
		d.Fatal(err)
	}
	if n, err := d.store.Erase(d.Context(), b.ID(), []uint64{0}); n != 1 || err != nil {
		d.Fatal(n, err)
	}
}

func (d *desk) forbid(t *testing.T, values string) {
	t.Helper()
	own, err := floor.New(floor.Own{Values: observables(t, values)})
	if err != nil {
		t.Fatal(err)
	}
	d.floor = own
	d.mark++
}

// TestScoreIsOfTheDay: a score fades from day to day, and no invisible event
// within one shows in it.
func TestScoreIsOfTheDay(t *testing.T) {
	d := newDesk(t)
	d.level("cert", score.Anchor, 100)
	d.keep(newAuthor("cert"), saying{values: "203.0.113.7", sure: 90})
	at := func(after time.Duration) string {
		return strings.Join(told(d.entries(typesOf("ip"), score.Observe, storage.Query{Now: start.Add(after)})), " ")
	}
	first := at(0)
	d.erased(saying{values: "203.0.113.9", tlp: protocol.Amber, after: time.Minute})
	if again := at(11 * time.Hour); again != first {
		t.Errorf("after hours and an erasure %q, before %q", again, first)
	}
	if later := at(10 * days); later == first {
		t.Errorf("after days it is the same: %q", later)
	}
}

func TestEntriesTooLong(t *testing.T) {
	d := newDesk(t)
	d.want("", "ip", storage.Query{})
	d.sets[0].columns[stix.IPv4Addr] = &column{long: true, next: math.MaxInt64}
	clear(d.sets[0].shown)
	if _, err := d.Entries(t.Context(), typesOf("ip"), score.Observe, storage.Query{Now: start}); !errors.Is(err, ErrTooLong) {
		t.Error(err)
	}
}

// TestVerdictSize: there is one of every value of every group.
func TestVerdictSize(t *testing.T) {
	if n := unsafe.Sizeof(verdict{}); n != 40 {
		t.Errorf("%d bytes", n)
	}
}
