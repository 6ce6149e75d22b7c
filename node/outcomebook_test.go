package node

import (
	"bytes"
	"fmt"
	"log/slog"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tocsin-exchange/tocsin/protocol"
	"github.com/tocsin-exchange/tocsin/protocol/stix"
	"github.com/tocsin-exchange/tocsin/storage"
	"github.com/tocsin-exchange/tocsin/trust/score"
)

func bookIn(t *testing.T, now time.Time) (*outcomeBook, *storage.Store) {
	t.Helper()
	store, err := storage.Open(t.TempDir(), storage.Options{Small: true, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	return reopened(t, store, now), store
}

func reopened(t *testing.T, store *storage.Store, now time.Time) *outcomeBook {
	t.Helper()
	m := score.Default()
	b, err := openBook(store, &m, now)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestBook: one outcome of each kind for an organisation and value, that which
// weighs most; it is the same when it is read again, bounded, and forgotten on
// the disk too once it has faded.
func TestBook(t *testing.T) {
	now := time.UnixMilli(1_800_000_000_000)
	m := score.Default()
	b, store := bookIn(t, now)
	org, by := protocol.Org{1}, protocol.Org{2}
	value := func(i int) stix.Observable {
		return stix.Observable{Type: stix.DomainName, Value: fmt.Sprintf("host%d.example", i)}
	}
	note := func(what score.Outcome, weight float64, i int, by protocol.Org, stranger bool) bool {
		return b.note(&m, OpenRecord, finding{org, what, weight, by, now.UnixMilli()}, value(i), stranger, now)
	}
	for _, row := range []struct {
		what         score.Outcome
		weight       float64
		value        int
		by           protocol.Org
		news         bool
		right, wrong float64
	}{
		{score.Confirmed, 0.25, 1, by, true, 0.25, 0},
		{score.Confirmed, 0.25, 1, by, false, 0.25, 0},
		{score.Confirmed, 0.125, 1, org, false, 0.25, 0},
		{score.Confirmed, 1, 1, org, true, 1, 0},
		{score.FalsePositive, 1, 1, by, true, 1, 1},
		{score.FalsePositive, 1, 2, by, true, 1, 2},
		{score.FalsePositive, 0, 3, by, false, 1, 2},
		{score.FalsePositive, 0, 2, org, false, 1, 2}, // another said so
		{score.FalsePositive, 0, 2, by, true, 1, 1},
		{score.Confirmed, 1, 2, by, true, 2, 1},
	} {
		news := note(row.what, row.weight, row.value, row.by, false)
		if got := b.of(org, stix.DomainName, OpenRecord); news != row.news || got.Confirmed != row.right || got.False != row.wrong {
			t.Errorf("%+v: %v, %+v", row, news, got)
		}
	}
	check := func(when string, at time.Time, want score.Outcomes) {
		t.Helper()
		if err := b.save(t.Context()); err != nil {
			t.Fatal(err)
		}
		b = reopened(t, store, at)
		if got := b.of(org, stix.DomainName, OpenRecord); got != want {
			t.Errorf("%s: %+v, want %+v", when, got, want)
		}
	}
	check("read again", now, score.Outcomes{Confirmed: 2, False: 1, At: now.UnixMilli()})
	for i := range 2000 {
		note(score.Confirmed, 1, 100+i, by, false)
		note(score.FalsePositive, 1, 100+i, by, false)
	}
	check("full", now, score.Outcomes{Confirmed: mostConfirmed, False: mostFalse, At: now.UnixMilli()})
	if len(b.rows) < 2 {
		t.Errorf("%d rows", len(b.rows))
	}
	org = protocol.Org{3}
	for i := range 100 {
		note(score.Confirmed, 1, i, by, true)
	}
	check("a stranger", now, score.Outcomes{Confirmed: mostOfStrangers, At: now.UnixMilli()})
	for _, row := range store.Table(tableOutcomes).All() {
		if bytes.Contains(row, []byte("host")) {
			t.Error("a value is on the disk")
		}
	}
	later := now.Add(fadedAfter*m.OutcomeHalfLife + time.Second)
	if err := b.prune(t.Context(), &m, later); err != nil {
		t.Fatal(err)
	}
	check("faded", later, score.Outcomes{})
	if len(b.rows) > 0 || b.count != 0 || len(slices.Collect(func(yield func(string) bool) {
		for key := range store.Table(tableOutcomes).All() {
			if strings.HasPrefix(string(key), "o") && !yield(string(key)) {
				return
			}
		}
	})) > 0 {
		t.Errorf("%d rows, %d outcomes are left", len(b.rows), b.count)
	}
}

// TestBookKeepsWhatStays: of more outcomes than there is room for those are kept
// of which most is left, in whatever order they are drawn; a flood of what weighs
// little takes the place of nothing that weighs more.
func TestBookKeepsWhatStays(t *testing.T) {
	m, now := score.Default(), time.UnixMilli(1_800_000_000_000)
	org := protocol.Org{1}
	k := outcomeKey{org, stix.DomainName, WholeRecord}
	var want score.Outcomes
	for round := range 4 {
		b, store := bookIn(t, now)
		order := rand.New(rand.NewPCG(7, uint64(round))).Perm(3 * mostFalse)
		for _, i := range order {
			f := finding{org, score.FalsePositive, 1, protocol.Org{2}, now.Add(-time.Duration(i) * time.Hour).UnixMilli()}
			b.note(&m, WholeRecord, f, stix.Observable{Type: stix.DomainName, Value: fmt.Sprintf("host%d.example", i)}, false, now)
			b.note(&m, WholeRecord, finding{org, score.FalsePositive, 0.001, protocol.Org{3}, now.UnixMilli()},
				stix.Observable{Type: stix.DomainName, Value: fmt.Sprintf("light%d.example", i)}, false, now)
		}
		got := b.of(org, stix.DomainName, WholeRecord)
		if round == 0 {
			want = got
		}
		if n := b.accounts[k].kinds[score.FalsePositive]; n != mostFalse || math.Abs(got.False-want.False) > 1e-9 || got.False < 0.9*mostFalse {
			t.Errorf("round %d: %d outcomes, %+v, want %+v", round, n, got, want)
		}
		if err := b.save(t.Context()); err != nil {
			t.Fatal(err)
		}
		if again := reopened(t, store, now).of(org, stix.DomainName, WholeRecord); math.Abs(again.False-want.False) > 1e-9 || b.dropped > 0 {
			t.Errorf("read again: %+v, want %+v", again, want)
		}
	}
}

// TestBookGoesBack: when an outcome is withdrawn where others were passed over,
// the book goes back to the first of them, once; also after a restart.
func TestBookGoesBack(t *testing.T) {
	m, now := score.Default(), time.UnixMilli(1_800_000_000_000)
	b, store := bookIn(t, now)
	org, by := protocol.Org{1}, protocol.Org{2}
	note := func(weight float64, i int) {
		b.note(&m, WholeRecord, finding{org, score.FalsePositive, weight, by, now.UnixMilli()}, stix.Observable{Type: stix.DomainName, Value: fmt.Sprintf("host%d.example", i)}, false, now)
	}
	for i := range mostFalse + 10 {
		b.cursor = uint64(100 + i)
		note(1, i)
	}
	b.cursor = 1000
	if b.reread() {
		t.Fatal("it went back for nothing")
	}
	for _, save := range []func() error{func() error { return b.save(t.Context()) }, func() error { return b.saveCursor(t.Context()) }} {
		if err := save(); err != nil {
			t.Fatal(err)
		}
	}
	if b = reopened(t, store, now); b.missed == nil || *b.missed != 100+mostFalse {
		t.Fatalf("after a restart: %+v", b.missed)
	}
	b.cursor = 1000 // an empty store has no such arrival
	if b.again, b.crowded = false, false; b.reread() {
		t.Fatal("it went back for nothing")
	}
	note(0, 3)
	if !b.reread() || b.cursor != 100+mostFalse || b.reread() {
		t.Fatalf("it did not go back once, to where it was passed over: %d", b.cursor)
	}
	for i := mostFalse; i < mostFalse+10; i++ { // what is read again
		note(1, i)
	}
	if got := b.of(org, stix.DomainName, WholeRecord); got.False != mostFalse {
		t.Errorf("%+v: what was passed over did not take its place", got)
	}
}

// TestFindings: whose word shows what, for one value.
func TestFindings(t *testing.T) {
	const self, anchor, friend, liar, sybil = "self", "anchor", "friend", "liar", "sybil"
	org := func(name string) (o protocol.Org) { copy(o[:], name); return o }
	proves := func(what score.Outcome, by protocol.Org) float64 {
		switch {
		case by == org(self) || by == org(anchor):
			return 1
		case by == org(friend) && what == score.Confirmed:
			return 0.25
		}
		return 0
	}
	for _, row := range []struct{ said, by, want string }{ // in order of arrival, a second apart; "@N" was said then
		{"liar:claim self:sighting", self, "liar confirmed 1"},
		{"liar:claim friend:claim", friend, "liar confirmed 0.25"},
		{"liar:claim sybil:claim", sybil, ""},
		{"liar:claim self:claim", liar, ""},
		{"self:claim liar:claim", liar, ""},
		{"anchor:claim liar:claim@0", anchor, ""}, // it repeats what it heard, and dates it back
		{"liar:sighting self:claim", self, ""},
		{"liar:claim self:false-positive", self, "liar false-positive 1"},
		{"liar:sighting anchor:false-positive", anchor, "liar false-positive 1"},
		{"liar:claim friend:false-positive", friend, ""},
		{"self:false-positive liar:claim", liar, ""},
		{"self:false-positive@9 liar:claim", liar, "liar false-positive 1"}, // it came late, and was said before
		{"liar:false-positive anchor:claim", anchor, "liar false-positive 1"},
		{"liar:false-positive anchor:sighting", anchor, "liar false-positive 1"},
		{"anchor:claim liar:false-positive", anchor, ""},
		{"self:false-positive anchor:claim", anchor, ""}, // nobody shows anything of our word
		{"liar:claim self:false-positive friend:claim", friend, ""},
		{"liar:claim self:false-positive anchor:claim", anchor, "liar confirmed 1"},
		{"liar:claim self:claim self:false-positive", self, "liar false-positive 1"},
		{"liar:claim self:false-positive self:claim", self, "liar confirmed 1"},
		{"liar:claim liar:false-positive self:false-positive", self, ""},
	} {
		var list []storage.Claim
		var about []storage.Claim
		for i, word := range strings.Fields(row.said) {
			word, date, dated := strings.Cut(word, "@")
			who, kind, _ := strings.Cut(word, ":")
			at := i + 1
			if dated {
				fmt.Sscan(date, &at)
			}
			c := storage.Claim{Org: org(who), TLP: protocol.Green, Arrival: uint64(i + 1), Issued: time.Unix(int64(at), 0), Received: time.Unix(100, 0)}
			switch kind {
			case "claim":
				list = append(list, c)
				continue
			case "sighting":
				c.Object.Count = 1
			default:
				c.Object.Opinion = stix.StronglyDisagree
			}
			about = append(about, c)
		}
		var got []string
		for _, f := range findings(sayings(list, about, WholeRecord), org(row.by), org(self), proves) {
			if f.weight > 0 {
				got = append(got, fmt.Sprintf("%s %s %v", strings.TrimRight(string(f.org[:]), "\x00"), f.what, f.weight))
			}
		}
		if strings.Join(got, ", ") != row.want {
			t.Errorf("%s, and %s spoke: %v, want %q", row.said, row.by, got, row.want)
		}
	}
	quiet := []storage.Claim{{Org: org(liar), TLP: protocol.Red}, {Org: org(liar), TLP: protocol.Green, Drill: "exercise"}}
	if list := sayings(quiet, nil, WholeRecord); len(list) > 0 {
		t.Errorf("drawn from RED, or from a drill: %v", list)
	}
}

// FuzzOutcomes: what is read is what was written, byte for byte.
func FuzzOutcomes(f *testing.F) {
	f.Add([]byte{})
	f.Add(encodeOutcomes([]drawn{{outcomeKey: outcomeKey{protocol.Org{1}, stix.IPv4Addr, OpenRecord}, weight: 1, at: 5}, {outcomeKey: outcomeKey{kind: stix.URL, record: WholeRecord}, what: score.FalsePositive}}))
	f.Fuzz(func(t *testing.T, b []byte) {
		if list, err := decodeOutcomes(b); err == nil && !bytes.Equal(encodeOutcomes(list), b) {
			t.Errorf("%x", b)
		}
	})
}
