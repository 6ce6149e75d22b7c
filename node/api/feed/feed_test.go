package feed

import (
	"bytes"
	"cmp"
	"crypto/ed25519"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tocsin-exchange/tocsin/protocol"
	"github.com/tocsin-exchange/tocsin/protocol/stix"
	"github.com/tocsin-exchange/tocsin/storage"
	"github.com/tocsin-exchange/tocsin/trust/score"
)

// start is the moment tests count from.
var start = time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)

const days = 24 * time.Hour

// An author is an organisation with one node that signs bulletins for a test.
type author struct {
	key  ed25519.PrivateKey
	cert protocol.Certificate
	prev map[protocol.ID]protocol.ID // by stream
	seq  map[protocol.ID]uint64
}

func newAuthor(name string) *author {
	orgSeed, nodeSeed := sha256.Sum256([]byte("org "+name)), sha256.Sum256([]byte("node "+name))
	org, key := ed25519.NewKeyFromSeed(orgSeed[:]), ed25519.NewKeyFromSeed(nodeSeed[:])
	return &author{
		key: key, prev: map[protocol.ID]protocol.ID{}, seq: map[protocol.ID]uint64{},
		cert: protocol.Certify(org, protocol.NodeOf(key), start.Add(-time.Hour), start.Add(100*365*days)),
	}
}

// A saying is one bulletin, without what most of them have in common.
type saying struct {
	tlp     protocol.TLP // GREEN when left out
	pap     protocol.PAP
	drill   string
	after   time.Duration // the start
	valid   time.Duration // from the start; 30 days when left out
	revoked bool
	sure    int           // confidence; 80 when left out
	from    time.Duration // valid, from the start; an hour before it when left out
	odd     bool          // under ids that sightings do not speak of
	values  string
	met     string // values of which it is said that they were met,
	fine    string // and that they are harmless
}

func (a *author) sign(tb testing.TB, w saying) *protocol.Bulletin {
	tb.Helper()
	h := protocol.Header{
		Kind: protocol.Objects, Community: protocol.ID{1}, Certificate: a.cert, TLP: max(w.tlp, protocol.Clear), PAP: w.pap, Drill: w.drill,
		Issued: protocol.Millis(start.Add(w.after)), Epoch: 1,
	}
	if w.tlp == protocol.Unlabelled {
		h.TLP = protocol.Green
	}
	if h.TLP > protocol.Green {
		h.Community, h.Audience = protocol.ID{}, []protocol.Recipient{{Org: newAuthor("reader").cert.Org}}
	}
	if h.TLP == protocol.Red {
		h.Audience[0].Person = "alice"
	}
	stream := h.Stream().ID()
	a.seq[stream]++
	h.Seq, h.Prev = a.seq[stream], a.prev[stream]
	var objects [][]byte
	for value := range strings.FieldsSeq(w.values) {
		objects = append(objects, w.object(tb, value))
	}
	for value := range strings.FieldsSeq(w.met) {
		s := stix.Sighting{ID: idOf("sighting", value), Of: indicatorOf(value), Confidence: -1, Created: start, Modified: start}
		objects = append(objects, w.finish(s.AppendJSON(nil)))
	}
	for value := range strings.FieldsSeq(w.fine) {
		o := stix.Opinion{ID: idOf("opinion", value), About: []string{indicatorOf(value)}, Opinion: stix.StronglyDisagree, Confidence: -1, Created: start, Modified: start}
		objects = append(objects, w.finish(o.AppendJSON(nil)))
	}
	b, err := protocol.Sign(a.key, a.cert, h, objects)
	if err != nil {
		tb.Fatal(err)
	}
	a.prev[stream] = b.ID()
	return b
}

func (w *saying) object(tb testing.TB, value string) []byte {
	tb.Helper()
	o, err := stix.Detect(value)
	if err != nil {
		tb.Fatal(err)
	}
	in := stix.Indicator{
		ID: indicatorOf(value), Observable: o, Confidence: cmp.Or(w.sure, 80), Created: start, Modified: start, ValidFrom: start.Add(cmp.Or(w.from, -time.Hour)), ValidUntil: start.Add(30 * days),
	}
	if w.odd {
		in.ID = idOf("indicator", "odd "+value)
	}
	if w.valid != 0 {
		in.ValidUntil = start.Add(w.valid)
	}
	return w.finish(in.AppendJSON(nil))
}

func (w *saying) finish(raw []byte) []byte {
	if w.revoked {
		return bytes.Replace(raw, []byte(`"type":`), []byte(`"revoked":true,"type":`), 1)
	}
	return raw
}

// indicatorOf is the id of the indicator of a value, in any scope.
func indicatorOf(value string) string { return idOf("indicator", value) }

func idOf(kind, value string) string {
	sum := sha256.Sum256([]byte(value))
	return fmt.Sprintf("%s--%x-%x-4%03x-8%03x-%x", kind, sum[:4], sum[4:6], int(sum[6])<<4|7, int(sum[7])<<4|3, sum[8:14])
}

// A desk is a store with a shelf on it.
type desk struct {
	testing.TB
	dir   string
	store *storage.Store
	*Shelf
	*court
}

// over puts a new shelf and a court on a store.
func over(tb testing.TB, s *storage.Store, c *court) *desk {
	return &desk{tb, "", s, NewShelf(s, "test", c.judge), c}
}

func newDesk(tb testing.TB) *desk {
	tb.Helper()
	dir := tb.TempDir()
	s, err := storage.Open(dir, storage.Options{Small: true})
	if err != nil {
		tb.Fatal(err)
	}
	d := over(tb, s, newCourt())
	d.dir = dir
	tb.Cleanup(func() { d.store.Close() })
	return d
}

func (d *desk) keep(a *author, w saying) {
	d.Helper()
	_, err := d.store.Put(d.Context(), storage.Entry{Bulletin: a.sign(d, w), Body: storage.Held, Received: start})
	if err != nil {
		d.Fatal(err)
	}
}

// list returns a list, and checks its form.
func (d *desk) list(name string, tier score.Tier, q storage.Query) (List, string) {
	d.Helper()
	if q.Now.IsZero() {
		q.Now = start
	}
	l, err := d.List(d.Context(), name, tier, q)
	if err != nil {
		d.Fatal(err)
	}
	text := string(bytes.Join(l.Parts, nil))
	if len(text) != l.Size || strings.Count(text, "\n") != l.Lines || l.Size > 0 && !strings.HasSuffix(text, "\n") || strings.Contains(text, "\n\n") {
		d.Fatalf("%d bytes and %d lines are told of %q", l.Size, l.Lines, text)
	}
	if l.ETag != fmt.Sprintf(`"%x"`, sha256.Sum256([]byte(text))) {
		d.Fatalf("ETag %s of %q", l.ETag, text)
	}
	return l, strings.Join(strings.Fields(text), " ")
}

// read returns what is observed as one line, "" for none.
func (d *desk) read(name string, q storage.Query) string {
	d.Helper()
	_, text := d.list(name, score.Observe, q)
	return text
}

func (d *desk) want(want, name string, q storage.Query) {
	d.Helper()
	if got := d.read(name, q); got != want {
		d.Errorf("%s: %q, want %q", name, got, want)
	}
}

func TestLists(t *testing.T) {
	d := newDesk(t)
	md5, sha1 := strings.Repeat("a1", 16), strings.Repeat("b2", 20)
	sha256, sha512 := strings.Repeat("c3", 32), strings.Repeat("d4", 64)
	d.keep(newAuthor("bank"), saying{values: strings.Join([]string{
		"203.0.113.7", "2001:db8::7", "203.0.113.0/24", "2001:db8:bad::/48", "198.51.100.9:443", "evil.example", "*.wild.example",
		"http://url.example/a", "bare.example/path?q=1", sha512, sha256, sha1, md5, "sender@evil.example", "AS64500", "CVE-2024-1234",
	}, " ")})
	d.keep(newAuthor("hospital"), saying{values: "203.0.113.7 evil.example"})
	for name, want := range map[string]string{
		"ip":     "203.0.113.0/24 203.0.113.7 2001:db8::7 2001:db8:bad::/48",
		"ipv4":   "203.0.113.0/24 203.0.113.7",
		"ipv6":   "2001:db8::7 2001:db8:bad::/48",
		"domain": "*.wild.example evil.example",
		"url":    "bare.example/path?q=1 http://url.example/a",
		"hash":   strings.Join([]string{md5, sha1, sha256, sha512}, " "),
		"md5":    md5, "sha1": sha1, "sha256": sha256, "sha512": sha512,
	} {
		d.want(want, name, storage.Query{})
	}
	for _, name := range []string{"", "IP", "nonsense", "ip/", "mutex"} {
		if _, err := d.List(t.Context(), name, score.Block, storage.Query{}); !errors.Is(err, ErrUnknown) {
			t.Errorf("%q: %v", name, err)
		}
	}
	for _, name := range Names() {
		if !slices.ContainsFunc(typesOf(name), listed) {
			t.Errorf("%s is empty for ever", name)
		}
	}
}

// TestWhatIsLeftOut is a table: one organisation's claim each, and whether
// machines get it.
func TestWhatIsLeftOut(t *testing.T) {
	for _, row := range []struct {
		name string
		said saying
		in   bool
	}{
		{"clear", saying{tlp: protocol.Clear}, true},
		{"green", saying{}, true},
		{"amber", saying{tlp: protocol.Amber}, true},
		{"amber+strict", saying{tlp: protocol.AmberStrict}, true},
		{"red", saying{tlp: protocol.Red}, false},
		{"pap clear", saying{pap: protocol.PAPClear}, true},
		{"pap green", saying{pap: protocol.PAPGreen}, true},
		{"pap amber", saying{pap: protocol.PAPAmber}, false},
		{"pap red", saying{pap: protocol.PAPRed}, false},
		{"an exercise", saying{drill: "autumn"}, false},
		{"expired", saying{valid: -time.Minute}, false},
		{"taken back", saying{revoked: true}, false},
		{"private", saying{values: "10.0.0.1"}, false},
		{"everything", saying{values: "0.0.0.0/0"}, false},
		{"a registry's address", saying{values: "127.0.0.0/8"}, false},
	} {
		d := newDesk(t)
		if row.said.values == "" {
			row.said.values = "203.0.113.7"
		}
		d.want("", "ip", storage.Query{}) // what is built now has to follow
		d.keep(newAuthor("bank"), row.said)
		fresh := over(t, d.store, d.court)
		for kind, d := range map[string]*desk{"followed": d, "built": fresh} {
			if got := d.read("ip", storage.Query{}); (got != "") != row.in {
				t.Errorf("%s, %s: %q", row.name, kind, got)
			}
		}
	}
}

// TestValuesVanish follows one value through what may end it.
func TestValuesVanish(t *testing.T) {
	d := newDesk(t)
	bank, hospital := newAuthor("bank"), newAuthor("hospital")
	d.want("", "ip", storage.Query{})
	d.keep(bank, saying{values: "203.0.113.7", valid: days})
	d.want("203.0.113.7", "ip", storage.Query{})
	d.keep(hospital, saying{values: "203.0.113.7 203.0.113.8", valid: 2 * days})
	d.keep(bank, saying{values: "203.0.113.7", after: time.Minute, revoked: true})
	d.want("203.0.113.7 203.0.113.8", "ip", storage.Query{}) // one of two took it back
	d.keep(hospital, saying{values: "203.0.113.7", after: time.Minute, revoked: true})
	d.want("203.0.113.8", "ip", storage.Query{})
	d.keep(bank, saying{values: "203.0.113.7", after: 2 * time.Minute, valid: 3 * days})
	d.want("203.0.113.7 203.0.113.8", "ip", storage.Query{})
	d.want("203.0.113.7 203.0.113.8", "ip", storage.Query{Now: start.Add(2*days - time.Millisecond)})
	d.want("203.0.113.7", "ip", storage.Query{Now: start.Add(2 * days)})
	d.keep(bank, saying{values: "203.0.113.7", after: 3 * time.Minute, valid: 2 * days}) // ends it early
	d.want("", "ip", storage.Query{Now: start.Add(2 * days)})
	d.keep(bank, saying{values: "203.0.113.7", after: 4 * time.Minute, valid: 9 * days})
	d.want("203.0.113.7", "ip", storage.Query{Now: start.Add(2 * days)})
	d.keep(bank, saying{values: "203.0.113.7", after: 5 * time.Minute, valid: 9 * days, pap: protocol.PAPAmber})
	d.want("", "ip", storage.Query{Now: start.Add(2 * days)}) // its newest word says: do not act
}

// TestAskersSeeTheirOwn: lists hold what each asker may see, in whatever order
// they ask, also when what one may see changes.
func TestAskersSeeTheirOwn(t *testing.T) {
	d := newDesk(t)
	bank, hospital := newAuthor("bank"), newAuthor("hospital")
	blocked := map[protocol.Org]bool{}
	upTo := func(label protocol.TLP) storage.Query {
		return storage.Query{Visible: func(h *protocol.Header) bool { return h.TLP <= label && !blocked[h.Org()] }}
	}
	d.keep(bank, saying{tlp: protocol.Clear, values: "203.0.113.1"})
	for range 2 {
		d.want("203.0.113.1", "ip", upTo(protocol.Clear))
		d.want("203.0.113.1", "ip", upTo(protocol.Green))
	}
	d.keep(bank, saying{values: "203.0.113.2", after: time.Minute})
	d.keep(hospital, saying{tlp: protocol.Amber, values: "203.0.113.2 203.0.113.3"})
	for range 2 {
		d.want("203.0.113.1", "ip", upTo(protocol.Clear))
		d.want("203.0.113.1 203.0.113.2", "ip", upTo(protocol.Green))
		d.want("203.0.113.1 203.0.113.2 203.0.113.3", "ip", upTo(protocol.AmberStrict))
	}
	blocked[bank.cert.Org] = true
	d.want("203.0.113.2 203.0.113.3", "ip", upTo(protocol.AmberStrict))
	d.want("", "ip", upTo(protocol.Green))
	blocked[bank.cert.Org] = false
	d.want("203.0.113.1 203.0.113.2", "ip", upTo(protocol.Green))
	if len(d.sets) > maxSets {
		t.Errorf("%d sets are kept", len(d.sets))
	}
	d.want("203.0.113.1", "ip", storage.Query{Now: start.Add(2 * time.Hour), Visible: upTo(protocol.Clear).Visible})
	if n := len(slices.DeleteFunc(d.sets, func(v *set) bool { return v.asleep })); n != 1 {
		t.Errorf("%d sets are awake after two hours, want the one just asked for", n)
	}
}

// TestClockGoesBack: lists of a moment long ago are not those of now.
func TestClockGoesBack(t *testing.T) {
	d := newDesk(t)
	d.keep(newAuthor("bank"), saying{values: "203.0.113.7", valid: time.Hour})
	d.want("", "ip", storage.Query{Now: start.Add(days)})
	d.want("203.0.113.7", "ip", storage.Query{Now: start})
	d.want("", "ip", storage.Query{Now: start.Add(time.Hour)})
	d.want("", "ip", storage.Query{Now: start.Add(time.Hour - time.Second)}) // another asker was quicker
}

func TestFits(t *testing.T) {
	for value, want := range map[string]bool{
		"203.0.113.7": true, "http://evil.example/#a": true, "http://evil.example/ü": true,
		"": false, "a\nb": false, "a\rb": false, "a b": false, "a\tb": false, "a\x00b": false, "a\u2028b": false, "a\u0085b": false,
		"a\u200bb": false, "a\u202eb": false, "\ufeffa": false, "#a": false, "a\xffb": false,
	} {
		if fits(value) != want {
			t.Errorf("%q: %v", value, !want)
		}
	}
}

// TestHostileURL: what is in order as a URL may still be none for a list.
func TestHostileURL(t *testing.T) {
	d := newDesk(t)
	a := newAuthor("bank")
	in := stix.Indicator{
		ID: "indicator--11111111-2222-4333-8444-555555555555", Observable: stix.Observable{Type: stix.URL, Value: "http://evil.example/a\u2028203.0.113.9"},
		Confidence: 80, Created: start, Modified: start, ValidFrom: start, ValidUntil: start.Add(days),
	}
	h := protocol.Header{Kind: protocol.Objects, Community: protocol.ID{1}, Certificate: a.cert, TLP: protocol.Green, Issued: protocol.Millis(start), Epoch: 1, Seq: 1}
	b, err := protocol.Sign(a.key, a.cert, h, [][]byte{in.AppendJSON(nil)})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.store.Put(t.Context(), storage.Entry{Bulletin: b, Body: storage.Held}); err != nil {
		t.Fatal(err)
	}
	if claims, err := d.store.Lookup(in.Observable, storage.Query{Now: start}); err != nil || len(claims) != 1 {
		t.Fatalf("the store takes no such value, so this test says nothing: %d claims, %v", len(claims), err)
	}
	d.want("", "url", storage.Query{})
}
