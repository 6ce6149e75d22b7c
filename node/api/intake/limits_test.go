package intake

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/tocsin-exchange/tocsin/protocol"
	"github.com/tocsin-exchange/tocsin/protocol/stix"
)

const oneIndicator = `{"type":"indicator","spec_version":"2.1","id":"indicator--%08d-e032-476c-826f-cb970a5a1ade","created":"2026-01-01T00:00:00.000Z",` +
	`"modified":"2026-01-01T00:00:00.000Z","pattern":"[domain-name:value = 'x%d.example']","pattern_type":"stix","valid_from":"2026-01-01T00:00:00Z"%s}`

func TestOpening(t *testing.T) {
	var zipped bytes.Buffer
	z := gzip.NewWriter(&zipped)
	io.WriteString(z, "203.0.113.7\n")
	z.Close()
	wide := []byte{0xff, 0xfe}
	for _, u := range utf16.Encode([]rune("ip,note\r\n203.0.113.7,Grüße\r\n")) {
		wide = append(wide, byte(u), byte(u>>8))
	}
	tests := []struct {
		name, input, want, err string
	}{
		{"gzip", zipped.String(), "ipv4-addr:203.0.113.7", ""},
		{"broken gzip", "\x1f\x8bxx", "", "gzip"},
		{"cut gzip", zipped.String()[:zipped.Len()-6], "ipv4-addr:203.0.113.7", "unexpected EOF"},
		{"UTF-16", string(wide), "ipv4-addr:203.0.113.7", ""},
		{"byte order mark", "\xef\xbb\xbf203.0.113.7", "ipv4-addr:203.0.113.7", ""},
		{"PDF", "%PDF-1.7\n203.0.113.7", "", "PDF"},
		{"zip", "PK\x03\x04", "", "office file"},
		{"binary", "203.0.113.7\x00", "", "binary"},
		{"no final newline, CRLF", "203.0.113.7\r\nevil.example", "ipv4-addr:203.0.113.7 domain-name:evil.example", ""},
		{"array of values is no JSON", "[2001:db8::7]:3478\n", "ip-port:[2001:db8::7]:3478", ""},
	}
	for _, test := range tests {
		_, rows, _, err := collect(t, []byte(test.input), green())
		if got := strings.Join(said(rows), " "); got != test.want {
			t.Errorf("%s: got %q, want %q", test.name, got, test.want)
		}
		if test.err == "" && err != nil || test.err != "" && (err == nil || !strings.Contains(err.Error(), test.err)) {
			t.Errorf("%s: error %v, want %q", test.name, err, test.err)
		}
	}
}

// TestTooLarge has one thing over each limit, which must be refused as a row,
// between two that must not be hurt.
func TestTooLarge(t *testing.T) {
	long := strings.Repeat("x", MaxLine+100)
	pad := `,"x_pad":"` + strings.Repeat("x", stix.MaxObject) + `"`
	object := func(n int, more string) string { return fmt.Sprintf(oneIndicator, n, n, more) }
	event := func(n int, pad string) string {
		return fmt.Sprintf(`{"Event":{"info":"%s","Attribute":[{"type":"domain","value":"x%d.example","to_ids":true}]}}`, pad, n)
	}
	tests := []struct {
		name   string
		format Format
		input  string
	}{
		{"line", List, "x1.example\n" + long + "\nx2.example\n"},
		{"text line", Text, "`x1.example`\n" + long + "\n`x2.example`\n"},
		{"record", CSV, "domain,note\nx1.example,a\nx3.example," + long + "\nx2.example,b\n"},
		{"STIX object", STIX, `{"objects":[` + object(1, "") + "," + object(3, pad) + "," + object(2, "") + "]}"},
		{"single STIX object", STIX, object(1, "") + object(3, pad) + object(2, "")},
		{"MISP event", MISP, event(1, "") + event(3, strings.Repeat("x", MaxEvent)) + event(2, "")},
	}
	for _, test := range tests {
		o := green()
		o.Format = test.format
		_, rows, tally, err := collect(t, []byte(test.input), o)
		got := strings.Join(said(rows), " ")
		if err != nil || got != "domain-name:x1.example domain-name:x2.example" || tally.Refused != 1 {
			t.Errorf("%s: %q, %+v, %v", test.name, got, tally, err)
		}
	}
}

func TestHeldObjectsAreBounded(t *testing.T) {
	refs := `,"object_marking_refs":["marking-definition--33333333-3333-4333-8333-333333333333"],"x_pad":"` + strings.Repeat("x", 200<<10) + `"`
	in := io.MultiReader(strings.NewReader(`{"objects":[`), &repeated{n: 200, next: func(i int) string {
		return fmt.Sprintf(oneIndicator, i, i, refs) + ","
	}}, strings.NewReader(`]}`))
	_, rows := Read(t.Context(), in, green())
	var tally Tally
	for row, err := range rows {
		if err != nil {
			t.Fatal(err)
		}
		tally.Add(row)
	}
	if tally.Refused != 200 || tally.Reasons["unknown marking"] != 200 {
		t.Errorf("%+v, want 200 refused", tally)
	}
}

func TestStops(t *testing.T) {
	list := strings.Repeat("203.0.113.7\n", 10_000)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	_, rows := Read(ctx, strings.NewReader(list), green())
	n, got := 0, error(nil)
	for _, err := range rows {
		if n++; n == 10 {
			cancel()
		}
		got = err
	}
	if !errors.Is(got, context.Canceled) || n > 2*checkEvery {
		t.Errorf("%d rows, error %v after the context ended", n, got)
	}
	for _, input := range []string{list, "ip,note\n203.0.113.1,a\n203.0.113.2,b\n", fmt.Sprintf(oneIndicator, 1, 1, "") + fmt.Sprintf(oneIndicator, 2, 2, ""),
		`{"Event":{"Attribute":[{"type":"domain","value":"a.example","to_ids":true},{"type":"domain","value":"b.example","to_ids":true}]}}`} {
		_, rows := Read(t.Context(), strings.NewReader(input), green())
		n := 0
		for range rows {
			n++
			break
		}
		if n != 1 {
			t.Errorf("%d rows after break", n)
		}
	}
}

func TestInputCap(t *testing.T) {
	c := &capped{r: strings.NewReader("0123456789"), left: 4}
	data, err := io.ReadAll(c)
	if string(data) != "0123" || !errors.Is(err, ErrFormat) {
		t.Errorf("read %q, %v", data, err)
	}
}

func TestSeen(t *testing.T) {
	s := newSeen()
	for round := range 2 {
		for i := range 5000 {
			if got := s.again("green", fmt.Sprint(i)); got != (round == 1) {
				t.Fatalf("round %d: again(%d) = %t", round, i, got)
			}
		}
	}
	if s.again("clear", "1") || s.again("green1", "") {
		t.Error("the parts of a key run together")
	}
}

func TestTallyBoundsReasons(t *testing.T) {
	var tally Tally
	for i := range 10 * maxReasons {
		tally.Add(Row{Refused: fmt.Sprintf("reason %d: detail", i)})
	}
	if len(tally.Reasons) > maxReasons+1 || tally.Refused != 10*maxReasons {
		t.Errorf("%d reasons", len(tally.Reasons))
	}
}

func TestExcerpt(t *testing.T) {
	for text, want := range map[string]string{
		"plain":                  "plain",
		"\x1b[31m\r\nred\u202e":  `\x1b[31m\r\nred\u202e`,
		strings.Repeat("é", 200): strings.Repeat("é", maxExcerpt/2),
		"'\"\\":                  `'"\`,
	} {
		if got := excerpt(text); got != want {
			t.Errorf("excerpt(%q) = %q, want %q", text, got, want)
		}
	}
}

func TestParseFormat(t *testing.T) {
	for text, want := range map[string]Format{"": Auto, "STIX": STIX, "misp": MISP, "list": List} {
		if got, err := ParseFormat(text); err != nil || got != want {
			t.Errorf("ParseFormat(%q) = %q, %v", text, got, err)
		}
	}
	if _, err := ParseFormat("pdf"); err == nil {
		t.Error("pdf is a format")
	}
}

// repeated is a stream of n generated pieces that are never all in memory.
type repeated struct {
	n, i int
	left []byte
	next func(int) string
}

func (r *repeated) Read(p []byte) (int, error) {
	if len(r.left) == 0 {
		if r.i == r.n {
			return 0, io.EOF
		}
		r.left = []byte(r.next(r.i))
		r.i++
	}
	n := copy(p, r.left)
	r.left = r.left[n:]
	return n, nil
}

// TestMemory reads streams of more than 100 MB and looks at the heap: it must
// stay below what the documented limits add up to.
func TestMemory(t *testing.T) {
	if testing.Short() {
		t.Skip("reads 100 MB a format")
	}
	block := func(line func(i int) string) func(int) string {
		return func(b int) string {
			var out strings.Builder
			for i := range 1000 {
				out.WriteString(line(b*1000 + i))
			}
			return out.String()
		}
	}
	pad := strings.Repeat("x", 900)
	tests := []struct {
		name         string
		format       Format
		before, last string
		blocks       int
		line         func(int) string
	}{
		{"list", List, "", "", 2200, func(i int) string { return fmt.Sprintf("host%08d.subdomain.of.a.long.name.evil.example\n", i) }},
		{"csv", CSV, "domain,note\n", "", 50, func(i int) string { return fmt.Sprintf("x%d.example,%s\n", i, pad) }},
		{"stix", STIX, `{"objects":[`, "]}", 100, func(i int) string { return fmt.Sprintf(oneIndicator, i, i, `,"x_pad":"`+pad+`"`) + ",\n" }},
		{"one endless string", STIX, `{"objects":[{"type":"`, `"}]}`, 120, func(int) string { return pad + "0123456789" }},
		{"misp", MISP, `{"response":[`, "]}", 50, func(i int) string {
			return fmt.Sprintf(`{"Event":{"info":"%s","Attribute":[{"type":"domain","value":"x%d.example","to_ids":true}]}},`, pad, i)
		}},
	}
	for _, test := range tests {
		o := Options{TLP: protocol.Green, Confidence: -1, Format: test.format, Now: green().Now}
		in := io.MultiReader(strings.NewReader(test.before), &repeated{n: test.blocks, next: block(test.line)}, strings.NewReader(test.last))
		count := &counted{r: in}
		_, rows := Read(t.Context(), count, o)
		var tally Tally
		peak := uint64(0)
		for row, err := range rows {
			if err != nil {
				t.Fatalf("%s: %v", test.name, err)
			}
			if tally.Add(row); tally.Rows%50_000 == 0 {
				peak = max(peak, liveHeap())
			}
		}
		peak = max(peak, liveHeap())
		t.Logf("%-20s %4d MB read, %7d rows, %7d accepted, live heap at most %3d MB", test.name, count.n>>20, tally.Rows, tally.Accepted, peak>>20)
		if count.n < 40<<20 || peak > 100<<20 {
			t.Errorf("%s: %d bytes read, %d bytes of heap", test.name, count.n, peak)
		}
	}
}

type counted struct {
	r io.Reader
	n int
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += n
	return n, err
}

func liveHeap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
