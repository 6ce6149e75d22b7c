package feed

import (
	"flag"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/tocsin-exchange/tocsin/protocol"
	"github.com/tocsin-exchange/tocsin/protocol/stix"
	"github.com/tocsin-exchange/tocsin/storage"
	"github.com/tocsin-exchange/tocsin/trust/score"
)

var drawn = []string{"203.0.113.7", "203.0.113.0/24", "2001:db8::7", "evil.example", "*.evil.example", "http://evil.example/a", strings.Repeat("a1", 16)}

// lookedUp is what a list of a tier must hold, by judging every value there is.
func lookedUp(rt *rapid.T, d *desk, name string, tier score.Tier, q storage.Query) string {
	clearance := q.Visible
	q.Visible = func(h *protocol.Header) bool { return h.TLP != protocol.Red && h.Drill == "" && clearance(h) }
	lines, j := map[stix.Type][]string{}, d.court.judge(q.Now)
	for _, value := range drawn {
		o, err := stix.Detect(value)
		if err != nil {
			rt.Fatal(err)
		}
		claims, about, err := d.store.AboutValue(o, q, j.ID)
		if err != nil {
			rt.Fatal(err)
		}
		claims = slices.DeleteFunc(claims, func(c storage.Claim) bool { return c.PAP >= protocol.PAPAmber })
		judged := j.Tiers(o, claims, about)
		if len(claims) > 0 && judged.In(tier) {
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
		sure:    rapid.SampledFrom([]int{80, 80, 30}).Draw(rt, "sure"),
		odd:     rapid.IntRange(0, 4).Draw(rt, "odd") == 0,
		from:    time.Duration(rapid.SampledFrom([]int{-60, -60, 45}).Draw(rt, "from")) * time.Minute,
	}
}

// drawRemark draws what is met or called harmless, mostly of what was claimed.
func drawRemark(rt *rapid.T) saying {
	w := drawSaying(rt)
	if w.values, w.met = "", w.values; rapid.Bool().Draw(rt, "harmless") {
		w.met, w.fine = "", w.met
	}
	return w
}

// TestListsAreWhatIsJudged draws histories of claims, sightings and opinions,
// told in any order, with levels, askers and moments in between. A shelf that
// followed all of it, one that is new and judging every value say the same, of
// every tier.
func TestListsAreWhatIsJudged(t *testing.T) {
	if f := flag.Lookup("rapid.checks"); f.Value.String() == f.DefValue {
		f.Value.Set("40")
		t.Cleanup(func() { f.Value.Set(f.DefValue) })
	}
	base, full := t.TempDir(), map[score.Tier]int{}
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
		h := history{T: rt, desk: over(t, store, newCourt()), blocked: map[protocol.Org]bool{}, now: start}
		h.desk.guards.HoldDown = 0
		h.remarks = rapid.Bool().Draw(rt, "remarks")
		for range rapid.IntRange(1, 15).Draw(rt, "steps") {
			h.step()
			h.compare(full)
		}
	})
	for _, tier := range score.AllTiers() {
		if full[tier] == 0 {
			t.Errorf("every list of tier %s was empty: the test proves nothing", tier)
		}
	}
}

// A history is being drawn.
type history struct {
	*rapid.T
	desk    *desk
	authors map[string]*author
	blocked map[protocol.Org]bool
	now     time.Time
	remarks bool
}

func (h *history) author(name string) *author {
	if h.authors == nil {
		h.authors = map[string]*author{}
	}
	if h.authors[name] == nil {
		h.authors[name] = newAuthor(name)
	}
	return h.authors[name]
}

// step draws one thing that happens. A sweep forgets by which ids sightings spoke
// of what has expired, so it is drawn where nothing speaks of others.
func (h *history) step() {
	name := rapid.SampledFrom([]string{"bank", "hospital", "reader"}).Draw(h.T, "org")
	a := h.author(name)
	switch n := rapid.IntRange(-1, 11).Draw(h.T, "step"); {
	case n <= 0:
		h.now = h.now.Add(time.Duration(rapid.IntRange(1, 150).Draw(h.T, "minutes")) * time.Minute)
	case n == 1:
		h.blocked[a.cert.Org] = !h.blocked[a.cert.Org]
	case n == 2 && !h.remarks:
		if _, err := h.desk.store.Sweep(h.desk.Context(), h.now); err != nil {
			h.Fatal(err)
		}
	case n == 3 && name != "reader":
		level := rapid.SampledFrom([]score.Level{{Role: score.Anchor, Number: 100}, {Role: score.Chosen, Number: 90}, {Role: score.Chosen, Number: 20}}).Draw(h.T, "level")
		h.desk.level(name, level.Role, level.Number)
	case n >= 8 && h.remarks:
		h.desk.keep(a, drawRemark(h.T))
	default:
		h.desk.keep(a, drawSaying(h.T))
	}
}

// compare asks for every list as one that may see up to a label.
func (h *history) compare(full map[score.Tier]int) {
	clearance := rapid.SampledFrom([]protocol.TLP{protocol.Clear, protocol.Green, protocol.AmberStrict, protocol.Red}).Draw(h.T, "clearance")
	q := storage.Query{Now: h.now, Visible: func(head *protocol.Header) bool { return head.TLP <= clearance && !h.blocked[head.Org()] }}
	fresh := over(h.desk.TB, h.desk.store, h.desk.court)
	for _, tier := range score.AllTiers() {
		for _, name := range []string{"ip", "domain", "url", "hash"} {
			want := lookedUp(h.T, h.desk, name, tier, q)
			_, got := h.desk.list(name, tier, q)
			_, anew := fresh.list(name, tier, q)
			if got != want || anew != want {
				h.Fatalf("%s %s: judged %q, followed %q, built %q", name, tier, want, got, anew)
			}
			full[tier] += len(want)
		}
	}
}
