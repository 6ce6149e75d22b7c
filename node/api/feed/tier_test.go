package feed

import (
	"bytes"
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
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

// tiersOf says in which tiers' ip list there is anything.
func (d *desk) tiersOf(q storage.Query) string {
	d.Helper()
	var in []string
	for _, tier := range score.AllTiers() {
		if _, text := d.list("ip", tier, q); text != "" {
			in = append(in, tier.String())
		}
	}
	return strings.Join(in, " ")
}

// TestTiers is a table of what is said of 203.0.113.7, each line by an
// organisation, and in which tiers' lists it is then. The reader is ourselves,
// the cert an anchor; the bank and the hospital are chosen, the lab is a stranger.
func TestTiers(t *testing.T) {
	const value = "203.0.113.7"
	claim := saying{values: value}
	for _, row := range []struct {
		name string
		said map[string]saying
		want string
	}{
		{"ours", map[string]saying{"reader": claim}, "observe alert block"},
		{"an anchor's", map[string]saying{"cert": claim}, "observe alert block"},
		{"an anchor that is not sure", map[string]saying{"cert": {values: value, sure: 40}}, "observe alert"},
		{"one of the chosen", map[string]saying{"bank": claim}, "observe alert"},
		{"two of the chosen", map[string]saying{"bank": claim, "hospital": claim}, "observe alert block"},
		{"a stranger", map[string]saying{"lab": claim}, "observe"},
		{"one who was met by another", map[string]saying{"bank": claim, "hospital": {met: value}}, "observe alert block"},
		{"met, and nobody claims it", map[string]saying{"bank": {met: value}, "cert": {met: value}}, ""},
		{"an anchor calls it harmless", map[string]saying{"bank": claim, "hospital": claim, "cert": {fine: value}}, "observe"},
		{"a stranger calls it harmless", map[string]saying{"bank": claim, "hospital": claim, "lab": {fine: value}}, "observe alert block"},
		{"under AMBER", map[string]saying{"cert": {values: value, tlp: protocol.Amber}}, "observe alert block"},
		{"under RED", map[string]saying{"cert": {values: value, tlp: protocol.Red}}, ""},
		{"PAP:AMBER", map[string]saying{"cert": {values: value, pap: protocol.PAPAmber}}, ""},
		{"PAP:AMBER beside one that is not", map[string]saying{"cert": {values: value, pap: protocol.PAPAmber}, "bank": claim}, "observe alert"},
		{"in an exercise", map[string]saying{"cert": {values: value, drill: "autumn"}}, ""},
		{"not yet valid", map[string]saying{"cert": {values: value, from: time.Hour}}, ""},
		{"taken back", map[string]saying{"cert": {values: value, revoked: true}}, ""},
		{"a resolver", map[string]saying{"cert": {values: "8.8.8.8"}, "reader": {values: "8.8.8.8"}}, ""},
		{"a block around one", map[string]saying{"cert": {values: "8.8.0.0/16"}}, ""},
		{"half of the net", map[string]saying{"cert": {values: "128.0.0.0/1"}}, ""},
		{"all of it", map[string]saying{"cert": {values: "::/0 0.0.0.0/0"}}, ""},
		{"private", map[string]saying{"cert": {values: "10.0.0.1"}}, ""},
	} {
		d := newDesk(t)
		d.level("cert", score.Anchor, 100)
		d.level("bank", score.Chosen, 80)
		d.level("hospital", score.Chosen, 80)
		d.tiersOf(storage.Query{}) // what is built now has to follow
		for _, org := range []string{"reader", "cert", "bank", "hospital", "lab"} {
			if w, said := row.said[org]; said {
				d.keep(newAuthor(org), w)
			}
		}
		for kind, d := range map[string]*desk{"followed": d, "built": over(t, d.store, d.court)} {
			if got := d.tiersOf(storage.Query{}); got != row.want {
				t.Errorf("%s, %s: in %q, want %q", row.name, kind, got, row.want)
			}
		}
	}
}

// TestTiersMove follows one value through what moves it, each by news of others,
// by time, or by what the operator decides.
func TestTiersMove(t *testing.T) {
	const value = "203.0.113.7"
	d := newDesk(t)
	d.level("bank", score.Chosen, 90)
	d.level("hospital", score.Chosen, 90)
	d.level("cert", score.Anchor, 100)
	want := func(want string, after time.Duration) {
		t.Helper()
		if got := d.tiersOf(storage.Query{Now: start.Add(after)}); got != want {
			t.Errorf("after %s: in %q, want %q", after, got, want)
		}
	}
	want("", 0)
	d.keep(newAuthor("bank"), saying{values: value, valid: 60 * days})
	want("observe alert", 0)
	hospital, cert := newAuthor("hospital"), newAuthor("cert")
	d.keep(hospital, saying{met: value})
	want("observe alert block", time.Minute)
	d.keep(hospital, saying{met: value, revoked: true, after: time.Minute})
	want("observe alert", 2*time.Minute)
	d.keep(hospital, saying{met: value, after: 3 * time.Minute})
	d.keep(cert, saying{fine: value, after: 3 * time.Minute})
	want("observe", 4*time.Minute)
	d.keep(cert, saying{fine: value, revoked: true, after: 4 * time.Minute})
	want("observe alert block", 5*time.Minute)
	d.level("hospital", score.Chosen, 0)
	want("observe alert", 6*time.Minute)
	d.level("hospital", score.Chosen, 90)
	want("observe alert block", 7*time.Minute)
	want("observe alert", 20*days) // it has faded
	want("observe", 40*days)
	want("", 60*days)
}

// TestStrongestAreKept: of more values than a list may have the strongest are in
// it, then those that came first, and it is said how many are not.
func TestStrongestAreKept(t *testing.T) {
	d := newDesk(t)
	d.guards.Lines = 3
	d.level("cert", score.Anchor, 100)
	cert := newAuthor("cert")
	d.keep(cert, saying{values: "203.0.113.9 203.0.113.8", sure: 70})
	d.keep(cert, saying{values: "2001:db8::7", sure: 90, after: time.Minute})
	d.keep(cert, saying{values: "203.0.113.1", sure: 70, after: 2 * time.Minute})
	d.keep(cert, saying{values: "203.0.113.2", sure: 40, after: 3 * time.Minute})
	for _, row := range []struct {
		name string
		tier score.Tier
		want string
		left int
	}{
		{"ip", score.Block, "203.0.113.8 203.0.113.9 2001:db8::7", 1},
		{"ip", score.Observe, "203.0.113.8 203.0.113.9 2001:db8::7", 2},
		{"ipv4", score.Block, "203.0.113.1 203.0.113.8 203.0.113.9", 0},
		{"ipv4", score.Alert, "203.0.113.1 203.0.113.8 203.0.113.9", 1},
		{"ipv6", score.Block, "2001:db8::7", 0},
	} {
		for kind, d := range map[string]*desk{"followed": d, "built": over(t, d.store, d.court)} {
			if l, got := d.list(row.name, row.tier, storage.Query{}); got != row.want || l.LeftOut != row.left {
				t.Errorf("%s %s, %s: %q without %d, want %q without %d", row.name, row.tier, kind, got, l.LeftOut, row.want, row.left)
			}
		}
	}
	d.keep(newAuthor("reader"), saying{values: "203.0.113.2", after: 4 * time.Minute})
	if l, got := d.list("ip", score.Block, storage.Query{}); got != "203.0.113.2 203.0.113.9 2001:db8::7" || l.LeftOut != 2 {
		t.Errorf("a stronger one came: %q without %d", got, l.LeftOut)
	}
	d.guards.Lines = 100
	if l, _ := d.list("ip", score.Block, storage.Query{}); l.Lines != 5 || l.LeftOut != 0 {
		t.Errorf("more are allowed: %d lines without %d", l.Lines, l.LeftOut)
	}
}

// TestNeverAtOnce: rules that keep a value out hold for the next answer, even
// where there is no time left to judge everything anew.
func TestNeverAtOnce(t *testing.T) {
	d := newDesk(t)
	d.level("cert", score.Anchor, 100)
	d.keep(newAuthor("cert"), saying{values: "203.0.113.7 203.0.113.8"})
	for _, tier := range score.AllTiers() {
		if _, got := d.list("ip", tier, storage.Query{}); got != "203.0.113.7 203.0.113.8" {
			t.Fatalf("%s: %q", tier, got)
		}
	}
	d.spare.left = -time.Hour
	own, err := floor.New(floor.Own{Values: []stix.Observable{{Type: stix.IPv4Addr, Value: "203.0.113.8"}}})
	if err != nil {
		t.Fatal(err)
	}
	d.floor = own
	d.level("cert", score.Stranger, 0)
	before := d.asked
	for _, tier := range score.AllTiers() {
		if _, got := d.list("ip", tier, storage.Query{}); got != "203.0.113.7" {
			t.Errorf("%s: %q", tier, got)
		}
	}
	if d.asked != before {
		t.Errorf("%d values were judged anew without time for it", d.asked-before)
	}
	d.spare.left = time.Second
	if got := d.tiersOf(storage.Query{}); got != "observe" {
		t.Errorf("with time for it: %q", got)
	}
}

// TestBudget: to read anew takes a tenth of the time, after a burst.
func TestBudget(t *testing.T) {
	b := budget{left: burst, at: time.Now()}
	for range 10 {
		if !b.allows() {
			t.Fatal("nothing is left within the burst")
		}
		b.spend(burst / 10)
	}
	if b.left > burst/10 || b.left < 0 {
		t.Errorf("%s left", b.left)
	}
	b.spend(burst)
	if b.allows() {
		t.Error("time is left that was spent")
	}
	b.at = b.at.Add(-11 * burst)
	if !b.allows() || b.left > burst {
		t.Errorf("%s left after a while", b.left)
	}
}

// TestNoListedValue samples every published warninglist against every list and
// format there is: anchors, every one of them malicious, claim it all.
func TestNoListedValue(t *testing.T) {
	dir := os.Getenv("TOCSIN_TESTDATA")
	if dir == "" {
		t.Skip("TOCSIN_TESTDATA is not set: published warninglists are not read")
	}
	files, err := filepath.Glob(filepath.Join(dir, "warninglists", "*.json"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no lists in %s: %v", dir, err)
	}
	d := newDesk(t)
	var lists []*floor.List
	values := map[string]bool{}
	for _, path := range files {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		l, err := floor.ParseList(filepath.Base(path), bytes.NewReader(b))
		if err != nil {
			t.Fatal(err)
		}
		lists = append(lists, l)
		sample(t, b, values)
	}
	if d.floor, err = floor.New(floor.Own{}, lists...); err != nil {
		t.Fatal(err)
	}
	d.claimAll([]string{"cert", "csirt", "vendor"}, values)
	in := 0
	for _, tier := range score.AllTiers() {
		for _, name := range Names() {
			if l, text := d.list(name, tier, storage.Query{}); text != "" && text != control[name] {
				t.Errorf("%s %s has %d lines: %.200s", name, tier, l.Lines, text)
			} else if text != "" {
				in++
			}
		}
	}
	for _, f := range Formats() {
		for _, tier := range score.AllTiers() {
			entries, err := d.Entries(t.Context(), f.Types, tier, storage.Query{Now: start})
			if err != nil {
				t.Fatal(err)
			}
			for e := range entries.All {
				if !slices.Contains(slices.Collect(maps.Values(control)), e.Value) {
					t.Errorf("%s %s has %s", f.Name, tier, e.Value)
				}
			}
		}
	}
	if in == 0 {
		t.Error("what may act is in no list either: the test proves nothing")
	}
	t.Logf("%d values of %d lists", len(values), len(lists))
}

// control is what may act, beside what is sampled.
var control = map[string]string{"ip": "203.0.113.7", "ipv4": "203.0.113.7", "domain": "evil.example", "hash": strings.Repeat("a1", 16), "md5": strings.Repeat("a1", 16)}

// sample adds entries of a published list that are values, at even distances,
// and what they would look like in lists of other types.
func sample(t *testing.T, text []byte, values map[string]bool) {
	var file struct {
		Type string   `json:"type"`
		List []string `json:"list"`
	}
	if err := json.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	if file.Type == "regex" { // no values but expressions, which happen to look like addresses of mail
		return
	}
	for i := 0; i < len(file.List); i += 1 + len(file.List)/60 {
		entry := strings.ToLower(strings.Trim(file.List[i], ". "))
		address, _, _ := strings.Cut(entry, "/")
		for _, value := range []string{entry, address, "*." + entry, "http://" + entry + "/"} {
			if o, err := stix.Detect(value); err == nil && listed(o.Type) && !strings.ContainsAny(value, " \t") {
				values[value] = true
			}
		}
	}
}

// claimAll has anchors claim values, and what may act.
func (d *desk) claimAll(orgs []string, values map[string]bool) {
	var all []string
	for value := range values {
		all = append(all, value)
	}
	for _, org := range orgs {
		d.level(org, score.Anchor, 100)
		a := newAuthor(org)
		d.keep(a, saying{values: control["ip"] + " " + control["domain"] + " " + control["md5"], sure: 100})
		for from := 0; from < len(all); from += 500 {
			d.keep(a, saying{values: strings.Join(all[from:min(from+500, len(all))], " "), sure: 100, after: time.Duration(from+1) * time.Millisecond})
		}
	}
	if len(all) == 0 {
		d.Fatal("no value to claim")
	}
}
