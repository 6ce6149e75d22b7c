package feed

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tocsin-exchange/tocsin/protocol"
	"github.com/tocsin-exchange/tocsin/protocol/stix"
	"github.com/tocsin-exchange/tocsin/trust/score"
)

var updateSensor = flag.Bool("update-sensor", false, "write the golden files of the formats for sensors")

// sensorSample is what a feed may hold, and what a sensor can not be told in so
// many words: wildcards, URLs under TLS, with a fragment, a user, another scheme.
const sensorSample = `
ipv4-addr 198.51.100.0/24
ipv4-addr 203.0.113.7
ipv6-addr 2001:db8:0:1::/64
ipv6-addr 2001:db8::7
domain-name *.wild.example
domain-name _x-.evil.example
domain-name xn--bse-sna.example
url bare.example/a
url ftp://evil.example/a
url http://[2001:db8::7]:8080/x
url http://evil.example/
url http://evil.example/a#there
url http://evil.example/a=1|b\c;d:"e'f,%20(g)
url http://user@evil.example:81/a
url https://evil.example/A.php?x=+y
md5 0123456789abcdef0123456789abcdef
sha1 0123456789abcdef0123456789abcdef01234567
sha256 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef
sha512 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef
`

func sensorDocument(tb testing.TB) *Document {
	d := documentOf(tb, sensorSample)
	d.Tier, d.Source, d.URL = score.Alert, "bank = a|b\\c", "https://node.bank.example:7801"
	return d
}

// sensorFiles writes every file of a format; of an archive, those in it.
func sensorFiles(tb testing.TB, f *Format, d *Document) map[string]string {
	tb.Helper()
	files := filesOf(tb, f, d)
	switch f.Name {
	case "suricata.tar.gz":
		return untar(tb, files[""])
	case "misp":
		var manifest map[string]any
		if err := json.Unmarshal([]byte(files["manifest.json"]), &manifest); err != nil {
			tb.Fatal(err)
		}
		for uuid := range manifest {
			var b bytes.Buffer
			if err := f.Write(&b, d, uuid+".json"); err != nil {
				tb.Fatal(err)
			}
			files[uuid+".json"] = b.String()
		}
	}
	return files
}

func TestSensorGolden(t *testing.T) {
	d := sensorDocument(t)
	for _, f := range sensorFormats() {
		if f.Name == "suricata.tar.gz.md5" {
			continue // of compressed bytes, which another release of Go may write otherwise
		}
		dir := filepath.Join("testdata", "formats", f.Name)
		for name, got := range sensorFiles(t, &f, d) {
			compareGolden(t, filepath.Join(dir, filepath.FromSlash(cmp.Or(name, f.Name+".txt"))), got)
		}
	}
}

func compareGolden(t *testing.T, path, got string) {
	t.Helper()
	if *updateSensor {
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(got), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs from what is written:\n%s", path, got)
	}
}

// What each format leaves out of the sample is written down.
func TestSensorLeftOut(t *testing.T) {
	d := sensorDocument(t)
	var b strings.Builder
	for _, f := range sensorFormats() {
		var left []string
		for e := range d.All {
			if !f.Carries(&e) {
				left = append(left, e.Value)
			}
		}
		fmt.Fprintf(&b, "%s: %d of %d left out\n\t%s\n", f.Name, len(left), d.Len, strings.Join(left, "\n\t"))
	}
	compareGolden(t, filepath.Join("testdata", "formats", "sensors-leave-out.txt"), b.String())
}

// readBack compares what a reader of a format finds with what it carries.
func readBack(t *testing.T, f *Format, d *Document) {
	t.Helper()
	var want []string
	for e := range d.All {
		if f.Carries(&e) {
			want = append(want, said(f, &e))
		}
	}
	got, err := sensorReaders()[f.Name](sensorFiles(t, f, d))
	if err != nil {
		t.Fatalf("%s: %v", f.Name, err)
	}
	slices.Sort(want)
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("%s reads as\n%q, want\n%q", f.Name, got, want)
	}
}

// said is an entry as a format says it: sensors know URLs without their scheme.
func said(f *Format, e *Entry) string {
	if f.Name == "zeek" || strings.HasPrefix(f.Name, "suricata") {
		return strings.TrimPrefix(e.Value, "http://")
	}
	return e.Value
}

func TestSensorReadBack(t *testing.T) {
	d := sensorDocument(t)
	empty := &Document{Entries: Entries{Changed: start, All: func(func(Entry) bool) {}}}
	many := manyNames(1000)
	for _, f := range sensorFormats() {
		if f.Name != "suricata.tar.gz.md5" {
			readBack(t, &f, d)
			readBack(t, &f, empty)
			readBack(t, &f, many)
		}
	}
}

// The same document gives the same bytes, whoever asks and how often.
func TestSensorSameBytes(t *testing.T) {
	for _, f := range sensorFormats() {
		one, two := filesOf(t, &f, sensorDocument(t)), filesOf(t, &f, sensorDocument(t))
		if !maps.Equal(one, two) {
			t.Errorf("%s: other bytes the second time", f.Name)
		}
		if err := f.Write(&bytes.Buffer{}, sensorDocument(t), "no-such-file"); !errors.Is(err, ErrUnknown) {
			t.Errorf("%s: a file that there is not: %v", f.Name, err)
		}
	}
}

func TestSensorWriterFails(t *testing.T) {
	d := manyNames(20_000)
	for _, f := range sensorFormats() {
		for _, name := range append(slices.Clone(f.Files), "") {
			if (name == "") == (len(f.Files) > 0) {
				continue
			}
			var whole bytes.Buffer
			if err := f.Write(&whole, d, name); err != nil {
				t.Fatal(err)
			}
			if err := f.Write(&fullDisk{left: whole.Len() - 1}, d, name); err == nil && whole.Len() > 0 {
				t.Errorf("%s %s: the last byte was not written, and no error", f.Name, name)
			}
		}
	}
}

// manyNames is a document of many names.
func manyNames(n int) *Document {
	return &Document{Source: "bank", Entries: Entries{Changed: start, Len: n, All: func(yield func(Entry) bool) {
		for i := range n {
			e := Entry{Observable: stix.Observable{Type: stix.DomainName, Value: fmt.Sprintf("n%07d.example", i)}, TLP: protocol.Green, Since: start}
			if !yield(e) {
				return
			}
		}
	}}}
}

// Numbers of rules are one of a kind, also where values come to the same slot,
// and all others stay what they are when values come and go.
func TestSuricataNumbers(t *testing.T) {
	const names = 40_000
	slots, numbers, shared := map[uint32]bool{}, newSIDs(), 0
	taken := map[uint32]bool{}
	for e := range manyNames(names).All {
		own := slotOf(e.Value)
		sid := numbers.next(e.Observable)
		if taken[sid] || sid%4 != 0 || sid < 1_400_000_000 || sid >= 1_500_000_000 {
			t.Fatalf("%s has %d", e.Value, sid)
		}
		if moved := sid != 1_400_000_000+4*own; moved != slots[own] {
			t.Fatalf("%s has %d, its slot is %d", e.Value, sid, own)
		} else if moved {
			shared++
		}
		taken[sid], slots[(sid-1_400_000_000)/4] = true, true
	}
	if shared == 0 || shared > 100 {
		t.Errorf("%d of %d names share a slot", shared, names)
	}
}

// MISP takes a change in only where the time in the manifest is later.
func TestMISPChanges(t *testing.T) {
	f, d := mispFormat(), sensorDocument(t)
	before := filesOf(t, &f, d)["manifest.json"]
	d.Changed = d.Changed.Add(time.Second)
	after := filesOf(t, &f, d)["manifest.json"]
	old, now := fmt.Sprintf(`"timestamp":%d}`, start.Unix()), fmt.Sprintf(`"timestamp":%d}`, start.Unix()+1)
	if strings.ReplaceAll(before, old, now) != after || !strings.Contains(before, old) {
		t.Errorf("a second later the manifest is\n%s, before\n%s", after, before)
	}
}

// The values of real lists stand in every format as they were published.
func TestSensorRealData(t *testing.T) {
	root := os.Getenv("TOCSIN_TESTDATA")
	if root == "" {
		t.Skip("TOCSIN_TESTDATA is not set")
	}
	paths, err := filepath.Glob(filepath.Join(root, "lists", "*"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("no lists in %s: %v", root, err)
	}
	const most = 1000 // of each list
	seen := map[stix.Observable]bool{}
	for _, path := range paths {
		raw, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		lines := strings.SplitN(string(raw), "\n", most+1)
		for _, line := range lines[:min(len(lines), most)] {
			if o, err := stix.Detect(strings.TrimSpace(line)); err == nil {
				seen[o] = true
			}
		}
	}
	observables := slices.SortedFunc(maps.Keys(seen), func(a, b stix.Observable) int {
		types := listedTypes()
		return cmp.Or(cmp.Compare(slices.Index(types, a.Type), slices.Index(types, b.Type)), strings.Compare(a.Value, b.Value))
	})
	d := &Document{Source: "bank", Entries: Entries{Changed: start, Len: len(observables), All: func(yield func(Entry) bool) {
		for i, o := range observables {
			if !yield(Entry{Observable: o, Score: i % 101, TLP: protocol.Green, Since: start}) {
				return
			}
		}
	}}}
	t.Logf("%d values", d.Len)
	for _, f := range sensorFormats() {
		if f.Name != "suricata.tar.gz.md5" {
			readBack(t, &f, d)
		}
	}
}

// hostile makes a document of one text as a value of every type, between two
// harmless ones.
func hostile(value, source string) *Document {
	var entries []Entry
	for _, t := range listedTypes() {
		for _, v := range []string{harmless(t, "a"), value, harmless(t, "b")} {
			entries = append(entries, Entry{Observable: stix.Observable{Type: t, Value: v}, Score: len(v) % 101, TLP: protocol.AmberStrict, Since: start, Until: start.Add(time.Hour)})
		}
	}
	return &Document{Source: source, URL: source, Entries: Entries{Tier: score.Block, Changed: start, Len: len(entries), All: slices.Values(entries)}}
}

func harmless(t stix.Type, digit string) string {
	switch t {
	case stix.IPv4Addr:
		return map[string]string{"a": "203.0.113.1", "b": "203.0.113.2"}[digit]
	case stix.IPv6Addr:
		return "2001:db8::" + digit
	case stix.DomainName:
		return digit + ".example"
	case stix.URL:
		return "http://" + digit + ".example/"
	}
	return strings.Repeat(digit, map[stix.Type]int{stix.MD5: 32, stix.SHA1: 40, stix.SHA256: 64, stix.SHA512: 128}[t])
}

// fuzzFormats asks of formats that no value breaks out of its place: a reader
// finds exactly the values that are carried, whatever one of them is.
func fuzzFormats(f *testing.F, formats ...Format) {
	for _, value := range []string{
		"203.0.113.7", "203.0.113.7/24", "203.0.113.0/24", "2001:db8::/32", "::ffff:203.0.113.7", "fe80::1%eth0", "evil.example", "*.evil.example", "..", "http://evil.example/a?b=c&d#e",
		"x.example/\"; sid:1;)", "x.example/|41|", "x.example/\\x09\\", "x.example/a=b\\=c", "x.example/a\tb", "x.example/a\nb", "x.example/\r", "x.example/\x00\xff", "x.example/(\u2028)",
		"http://x.example:/", "http://x.example/" + strings.Repeat("\u00e9", 200), "//x/", "http:///", "-", "(empty)", "#fields", "]}", "\",\"x\":\"", "a.example*/", "d41d8cd98f00b204e9800998ecf8427e",
	} {
		f.Add(value, "bank")
		f.Add("evil.example", value)
	}
	f.Fuzz(func(t *testing.T, value, source string) {
		d := hostile(value, source)
		for _, format := range formats {
			readBack(t, &format, d)
		}
	})
}

func FuzzSuricata(f *testing.F) {
	formats := suricataFormats()
	fuzzFormats(f, formats[0], formats[1], formats[3])
}

func FuzzZeek(f *testing.F) { fuzzFormats(f, zeekFormat()) }

func FuzzMISP(f *testing.F) { fuzzFormats(f, mispFormat()) }

func FuzzScanners(f *testing.F) { fuzzFormats(f, scannerFormats()...) }

func FuzzSIEM(f *testing.F) { fuzzFormats(f, siemFormats()...) }
