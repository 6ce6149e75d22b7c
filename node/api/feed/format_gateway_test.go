package feed

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"iter"
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

var updateGateway = flag.Bool("update-gateway", false, "write the golden files of the formats for gateways")

// gatewaySample is values of every kind, one a line: its type and the value.
const gatewaySample = `
ipv4-addr 198.51.100.0/24
ipv4-addr 203.0.113.64/29
ipv4-addr 203.0.113.7
ipv6-addr 2001:db8:0:1::/64
ipv6-addr 2001:db8::7
ipv6-addr 2001:db8:a::b:0:1
domain-name *.wild.example
domain-name -odd-.example
domain-name 60.example
domain-name _dmarc.bad.example
domain-name evil.example
domain-name xn--bse-sna.example
url -x.example/|calc
url bare.example/a
url http://[2001:db8::7]:8080/x
url http://evil.example/
url http://evil.example/a?b=1,2&c="d"
url http://evil.example/a|b*c^d$e(f)[g]{h}\i'j;k
url http://evil.example/a#there
url http://user@evil.example:81/a
url https://evil.example/A.php?x=+y
md5 0123456789abcdef0123456789abcdef
sha1 0123456789abcdef0123456789abcdef01234567
sha256 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef
ip-port [2001:db8::7]:443
ip-port 203.0.113.7:443
email-addr +x@evil.example
email-addr sender@evil.example
`

// documentOf puts values, one a line, together to a document. What is said of
// each follows from its place.
func documentOf(tb testing.TB, values string) *Document {
	tb.Helper()
	var entries []Entry
	for line := range strings.Lines(strings.TrimSpace(values)) {
		kind, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		o, err := stix.Canonical(stix.Type(kind), value)
		if err != nil || o.Value != value {
			tb.Fatalf("%s is not canonical: %v", line, err)
		}
		n := len(entries)
		e := Entry{Observable: o, Score: 100 - 3*n, TLP: protocol.TLP(1 + n%4), Since: start.Add(-time.Duration(n) * time.Hour)}
		if n%3 > 0 {
			e.Until = start.Add(time.Duration(n) * 24 * time.Hour)
		}
		entries = append(entries, e)
	}
	return &Document{Entries: Entries{Tier: score.Block, Changed: start, Len: len(entries), All: slices.Values(entries)}}
}

// filesOf writes every file of a format.
func filesOf(tb testing.TB, f *Format, d *Document) map[string]string {
	tb.Helper()
	files := map[string]string{}
	names := f.Files
	if len(names) == 0 {
		names = []string{""}
	}
	for _, name := range names {
		var b bytes.Buffer
		if err := f.Write(&b, d, name); err != nil {
			tb.Fatalf("%s %s: %v", f.Name, name, err)
		}
		files[name] = b.String()
	}
	return files
}

func TestGatewayGolden(t *testing.T) {
	d := documentOf(t, gatewaySample)
	leftOut := ""
	for _, f := range gatewayFormats() {
		for name, got := range filesOf(t, &f, d) {
			if name == "" {
				name = f.Name + ".txt"
			}
			gatewayGolden(t, filepath.Join("testdata", "formats", f.Name, name), got)
		}
		for e := range d.All {
			if f.carries(e.Type) && !f.Carries(&e) {
				leftOut += f.Name + " " + e.Value + "\n"
			}
		}
	}
	gatewayGolden(t, filepath.Join("testdata", "formats", "gateway-left-out.txt"), leftOut)
}

// gatewayGolden compares with a golden file, or writes it.
func gatewayGolden(t *testing.T, path, got string) {
	t.Helper()
	if *updateGateway {
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

// A tool that fetches a feed nothing is in must load it, and then has nothing.
func TestGatewayEmpty(t *testing.T) {
	empty := &Document{Entries: Entries{All: func(func(Entry) bool) {}}}
	for _, f := range gatewayFormats() {
		read, err := gatewayReaders()[f.Name](filesOf(t, &f, empty))
		if err != nil || len(read) > 0 {
			t.Errorf("%s of nothing reads as %q, %v", f.Name, read, err)
		}
		if err := f.Write(&bytes.Buffer{}, empty, "no-such-file"); !errors.Is(err, ErrUnknown) {
			t.Errorf("%s: a file that there is not: %v", f.Name, err)
		}
	}
}

type fullDisk struct{ left int }

func (w *fullDisk) Write(b []byte) (int, error) {
	if len(b) > w.left {
		return 0, errors.New("no room")
	}
	w.left -= len(b)
	return len(b), nil
}

// A reader that hangs up ends the writing at once.
func TestGatewayWriterFails(t *testing.T) {
	for _, f := range gatewayFormats() {
		asked := 0
		endless := func(yield func(Entry) bool) {
			for {
				asked++
				if !yield(someOf(&f)) {
					return
				}
			}
		}
		d := &Document{Entries: Entries{All: iter.Seq[Entry](endless)}}
		file := ""
		if len(f.Files) > 0 {
			file = f.Files[0]
		}
		err := f.Write(&fullDisk{left: 1 << 17}, d, file)
		if full := f.Name == "defender"; full == (err != nil) || asked > 1<<17 {
			t.Errorf("%s: %v after %d values", f.Name, err, asked)
		}
	}
}

// someOf is a value that the first file of a format carries.
func someOf(f *Format) Entry {
	values := map[stix.Type]string{stix.IPv4Addr: "203.0.113.7", stix.DomainName: "evil.example", stix.URL: "http://evil.example/a"}
	for _, t := range f.Types {
		if values[t] != "" {
			return Entry{Observable: stix.Observable{Type: t, Value: values[t]}}
		}
	}
	return Entry{}
}

// An import takes 500 rows: the rest is in further files, as long as there is any.
func TestDefenderBatches(t *testing.T) {
	all := ""
	for i := range 1001 {
		all += fmt.Sprintf("ipv4-addr 203.0.%d.%d\n", i/250, 1+i%250)
	}
	d := documentOf(t, "ipv4-addr 198.51.100.0/24\n"+all)
	f := defender()
	for file, rows := range map[string]int{"1.csv": 500, "2.csv": 500, "3.csv": 1, "4.csv": -1, "0.csv": -1, "01.csv": -1, "1": -1, "": -1, "-1.csv": -1, "99999999999999999999.csv": -1} {
		var b bytes.Buffer
		err := f.Write(&b, d, file)
		if rows < 0 && (!errors.Is(err, ErrUnknown) || b.Len() > 0) || rows >= 0 && err != nil {
			t.Errorf("%s: %v, %d bytes", file, err, b.Len())
		}
		if got := strings.Count(b.String(), "\nIpAddress,"); rows >= 0 && got != rows {
			t.Errorf("%s has %d rows, not %d", file, got, rows)
		}
	}
}
