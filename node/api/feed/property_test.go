package feed

import (
	"flag"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/tocsin-exchange/tocsin/protocol"
	"github.com/tocsin-exchange/tocsin/protocol/stix"
	"github.com/tocsin-exchange/tocsin/storage"
)

var drawn = []string{"203.0.113.7", "203.0.113.0/24", "2001:db8::7", "evil.example", "*.evil.example", "http://evil.example/a", strings.Repeat("a1", 16)}

// lookedUp is what a list must hold, by asking for every value there is.
func lookedUp(rt *rapid.T, s *storage.Store, name string, q storage.Query) string {
	clearance := q.Visible
	q.Visible = func(h *protocol.Header) bool { return h.TLP != protocol.Red && h.Drill == "" && clearance(h) }
	lines := map[stix.Type][]string{}
	for _, value := range drawn {
		o, err := stix.Detect(value)
		if err != nil {
			rt.Fatal(err)
		}
		claims, err := s.Lookup(o, q)
		if err != nil {
			rt.Fatal(err)
		}
		acts := func(c storage.Claim) bool { return c.Relation == storage.Exact && c.PAP < protocol.PAPAmber }
		if slices.ContainsFunc(claims, acts) {
			lines[o.Type] = append(lines[o.Type], o.Value)
		}
	}
	var all []string
	for _, t := range typesOf(name) {
		all = append(all, slices.Sorted(slices.Values(lines[t]))...)
	}
	return strings.Join(all, " ")
}

func drawSaying(rt *rapid.T) saying {
	return saying{
		tlp:     rapid.SampledFrom([]protocol.TLP{protocol.Clear, protocol.Green, protocol.Green, protocol.Amber, protocol.Red}).Draw(rt, "tlp"),
		pap:     rapid.SampledFrom([]protocol.PAP{protocol.PAPNone, protocol.PAPNone, protocol.PAPGreen, protocol.PAPAmber}).Draw(rt, "pap"),
		drill:   rapid.SampledFrom([]string{"", "", "", "autumn"}).Draw(rt, "drill"),
		after:   time.Duration(rapid.IntRange(0, 20).Draw(rt, "after")) * time.Minute,
		valid:   time.Duration(rapid.IntRange(1, 4).Draw(rt, "valid")) * time.Hour,
		revoked: rapid.IntRange(0, 4).Draw(rt, "revoked") == 0,
		values:  strings.Join(rapid.SliceOfNDistinct(rapid.SampledFrom(drawn), 1, 3, rapid.ID).Draw(rt, "values"), " "),
	}
}

// TestListsAreWhatLookupAnswers draws histories, told in any order, with askers
// and moments in between. A shelf that followed all of it, one that is new and
// lookups of every value say the same.
func TestListsAreWhatLookupAnswers(t *testing.T) {
	if f := flag.Lookup("rapid.checks"); f.Value.String() == f.DefValue {
		f.Value.Set("40")
		t.Cleanup(func() { f.Value.Set(f.DefValue) })
	}
	base, full := t.TempDir(), 0
	rapid.Check(t, func(rt *rapid.T) {
		dir, err := os.MkdirTemp(base, "")
		if err != nil {
			rt.Fatal(err)
		}
		store, err := storage.Open(dir, storage.Options{Small: true})
		if err != nil {
			rt.Fatal(err)
		}
		defer store.Close()
		d := &desk{t, store, NewShelf(store)}
		authors := map[string]*author{"bank": newAuthor("bank"), "hospital": newAuthor("hospital")}
		blocked, now := map[protocol.Org]bool{}, start
		for range rapid.IntRange(1, 15).Draw(rt, "steps") {
			a := authors[rapid.SampledFrom(slices.Sorted(maps.Keys(authors))).Draw(rt, "org")]
			switch rapid.IntRange(0, 9).Draw(rt, "step") {
			case 0:
				now = now.Add(time.Duration(rapid.IntRange(1, 90).Draw(rt, "minutes")) * time.Minute)
			case 1:
				blocked[a.cert.Org] = !blocked[a.cert.Org]
			case 2:
				if _, err := store.Sweep(t.Context(), now); err != nil {
					rt.Fatal(err)
				}
			default:
				d.keep(a, drawSaying(rt))
			}
			clearance := rapid.SampledFrom([]protocol.TLP{protocol.Clear, protocol.Green, protocol.AmberStrict, protocol.Red}).Draw(rt, "clearance")
			q := storage.Query{Now: now, Visible: func(h *protocol.Header) bool { return h.TLP <= clearance && !blocked[h.Org()] }}
			fresh := &desk{t, store, NewShelf(store)}
			for _, name := range []string{"ip", "domain", "url", "hash"} {
				want, got, anew := lookedUp(rt, store, name, q), d.read(name, q), fresh.read(name, q)
				if got != want || anew != want {
					rt.Fatalf("%s: looked up %q, followed %q, built %q", name, want, got, anew)
				}
				full += len(want)
			}
		}
	})
	if full == 0 {
		t.Error("every list was empty: the test proves nothing")
	}
}
