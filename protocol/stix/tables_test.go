package stix

import (
	"errors"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/publicsuffix"
)

// lines returns the lines of a table, without comments.
func lines(t testing.TB, name string) []string {
	t.Helper()
	b, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	for line := range strings.SplitSeq(strings.TrimSuffix(string(b), "\n"), "\n") {
		if !strings.HasPrefix(line, "#") {
			list = append(list, line)
		}
	}
	return list
}

// goText reads a Go string literal, and backslashes in a bare word.
func goText(t testing.TB, s string) string {
	t.Helper()
	if !strings.HasPrefix(s, `"`) {
		s = `"` + strings.ReplaceAll(s, `"`, `\"`) + `"`
	}
	u, err := strconv.Unquote(s)
	if err != nil {
		t.Fatalf("%s: %v", s, err)
	}
	return u
}

// checkAnswer compares an answer with "value" or "! part of the reason".
func checkAnswer(t *testing.T, line, got string, err error, want string) {
	t.Helper()
	reason, refused := strings.CutPrefix(want, "!")
	switch {
	case refused && (err == nil || !strings.Contains(err.Error(), strings.TrimSpace(reason))):
		t.Errorf("%s: got %q, %v", line, got, err)
	case refused && !errors.Is(err, ErrNotObservable):
		t.Errorf("%s: %v does not wrap ErrNotObservable", line, err)
	case !refused && (err != nil || got != goText(t, want)):
		t.Errorf("%s: got %q, %v", line, got, err)
	}
}

func TestCanonical(t *testing.T) {
	for _, line := range lines(t, "canonical.txt") {
		f := strings.Split(line, " | ")
		o, err := Canonical(Type(f[0]), goText(t, f[1]))
		checkAnswer(t, line, o.Value, err, f[2])
	}
}

func TestDetect(t *testing.T) {
	for _, line := range lines(t, "detect.txt") {
		f := strings.Split(line, " | ")
		o, err := Detect(goText(t, f[0]))
		checkAnswer(t, line, string(o.Type)+" "+o.Value, err, f[1])
	}
}

func TestSpecialUse(t *testing.T) {
	for _, line := range lines(t, "special.txt") {
		f := strings.SplitN(line, " ", 3)
		o, err := Canonical(Type(f[0]), f[1])
		if err != nil || o.Value != f[1] {
			t.Fatalf("%s: not canonical: %v, %v", line, o, err)
		}
		got := o.SpecialUse()
		if f[2] == "-" && got != "" || f[2] != "-" && !strings.Contains(got, f[2]) {
			t.Errorf("%s: got %q", line, got)
		}
	}
}

func TestPatterns(t *testing.T) {
	for _, line := range lines(t, "patterns.txt") {
		text, want, _ := strings.Cut(line, " =>")
		p, err := ParsePattern(text)
		if fault, ok := strings.CutPrefix(want, " ! "); ok {
			offset, reason, _ := strings.Cut(fault, " ")
			var e *PatternError
			if !errors.As(err, &e) || strconv.Itoa(e.Offset) != offset || !strings.Contains(e.Reason, reason) || !errors.Is(err, ErrInvalid) {
				t.Errorf("%s: got %v", line, err)
			}
			continue
		}
		var got []string
		for _, o := range p.Observables() {
			got = append(got, o.String())
		}
		if err != nil || strings.Join(got, " ") != strings.TrimSpace(want) {
			t.Errorf("%s: got %q, %v", line, got, err)
		}
		if p.String() != text || len(p.Comparisons()) == 0 {
			t.Errorf("%s: text or comparisons lost", line)
		}
	}
}

func TestPatternLimits(t *testing.T) {
	nested := func(n int) string { return strings.Repeat("(", n) + "[a:b = 1]" + strings.Repeat(")", n) }
	inside := func(n int) string { return "[" + strings.Repeat("(", n) + "a:b = 1" + strings.Repeat(")", n) + "]" }
	many := func(n int) string { return "[a:b = 1" + strings.Repeat(" OR a:b = 1", n-1) + "]" }
	long := func(n int) string { return "[a:b = '" + strings.Repeat("x", n-10) + "']" }
	for _, c := range []struct {
		make  func(int) string
		limit int
	}{{nested, MaxNesting}, {inside, MaxNesting}, {many, MaxComparisons}, {long, MaxPattern}} {
		if _, err := ParsePattern(c.make(c.limit)); err != nil {
			t.Errorf("at the limit %d: %v", c.limit, err)
		}
		if _, err := ParsePattern(c.make(c.limit + 1)); err == nil {
			t.Errorf("one above the limit %d passes", c.limit)
		}
	}
}

// object writes out the abbreviations of the tables.
func object(s string) string {
	common := func(t string) string {
		return `"type":"` + t + `","spec_version":"2.1","id":"` + t + `--11111111-1111-4111-8111-111111111111",` +
			`"created":"2024-01-01T00:00:00Z","modified":"2024-01-01T00:00:00Z"`
	}
	return strings.NewReplacer("$SDO", common("tool"), "$IND", common("indicator"), "$SIGHTING", common("sighting"), "$OPINION", common("opinion"),
		"$ID", `"tool--11111111-1111-4111-8111-111111111111"`).Replace(s)
}

func TestParseRefuses(t *testing.T) {
	for _, line := range lines(t, "invalid.txt") {
		f := strings.SplitN(line, " | ", 3)
		_, err := Parse([]byte(object(f[2])))
		var fault *Fault
		if !errors.As(err, &fault) || !errors.Is(err, ErrInvalid) {
			t.Errorf("%s: got %v", line, err)
			continue
		}
		pointer := strings.NewReplacer("-", "", `\u017f`, "ſ").Replace(f[0])
		if fault.Pointer != pointer || !strings.Contains(fault.Reason, f[1]) {
			t.Errorf("%s: got %v", line, err)
		}
	}
}

func TestParseAccepts(t *testing.T) {
	for _, line := range lines(t, "valid.txt") {
		raw := []byte(object(line))
		o, err := Parse(raw)
		if err != nil || string(o.Raw) != string(raw) {
			t.Errorf("%s: %v", line, err)
		}
	}
}

func TestParseFields(t *testing.T) {
	o, err := Parse([]byte(object(`{$IND,"name":"n\u0061me","description":"d","pattern":"[domain-name:value = 'evil.example']","pattern_type":"stix",
		"valid_from":"2024-01-01T00:00:00.5Z","valid_until":"2024-02-01T00:00:00Z","revoked":false,"confidence":100,"labels":["a","b"],
		"created_by_ref":"identity--11111111-1111-4111-8111-111111111111",
		"object_marking_refs":["marking-definition--11111111-1111-4111-8111-111111111111"],
		"granular_markings":[{"selectors":["name"],"marking_ref":"marking-definition--22222222-2222-4222-8222-222222222222"}],
		"external_references":[{"source_name":"stix","external_id":"indicator--33333333-3333-4333-8333-333333333333"},
			{"source_name":"stix","external_id":"no id"},{"source_name":"else","external_id":"indicator--44444444-4444-4444-8444-444444444444"}]}`)))
	if err != nil {
		t.Fatal(err)
	}
	texts := []string{
		o.Type, o.ID, o.SpecVersion, o.Name, o.Description, o.Pattern, o.PatternType, o.CreatedByRef, strings.Join(o.MarkingRefs, " "),
		strings.Join(o.Labels, " "), strings.Join(o.Aliases, " "), strconv.Itoa(o.Confidence), o.Claims[0].String(), o.Claims[0].Pattern(),
		o.Created.Format(time.RFC3339Nano), o.Modified.Format(time.RFC3339Nano), o.ValidFrom.Format(time.RFC3339Nano), o.ValidUntil.Format(time.RFC3339Nano),
	}
	want := []string{
		"indicator", "indicator--11111111-1111-4111-8111-111111111111", "2.1", "name", "d", "[domain-name:value = 'evil.example']", "stix",
		"identity--11111111-1111-4111-8111-111111111111",
		"marking-definition--11111111-1111-4111-8111-111111111111 marking-definition--22222222-2222-4222-8222-222222222222",
		"a b", "indicator--33333333-3333-4333-8333-333333333333", "100", "domain-name:evil.example", "[domain-name:value = 'evil.example']",
		"2024-01-01T00:00:00Z", "2024-01-01T00:00:00Z", "2024-01-01T00:00:00.5Z", "2024-02-01T00:00:00Z",
	}
	for i := range want {
		if texts[i] != want[i] {
			t.Errorf("field %d: got %q, want %q", i, texts[i], want[i])
		}
	}
}

func TestParseLimits(t *testing.T) {
	deep := func(n int) []byte {
		return []byte(object(`{$SDO,"name":"a","x_a":` + strings.Repeat("[", n) + "1" + strings.Repeat("]", n) + `}`))
	}
	long := func(n int) []byte {
		head := object(`{$SDO,"name":"`)
		return []byte(head + strings.Repeat("a", n-len(head)-2) + `"}`)
	}
	for _, c := range []struct {
		make  func(int) []byte
		limit int
	}{{deep, MaxDepth - 1}, {long, MaxObject}} {
		if _, err := Parse(c.make(c.limit)); err != nil {
			t.Errorf("at the limit %d: %v", c.limit, err)
		}
		if _, err := Parse(c.make(c.limit + 1)); err == nil {
			t.Errorf("one above the limit %d passes", c.limit)
		}
	}
}

func TestParents(t *testing.T) {
	for _, c := range [][2]string{
		{"a.b.evil.example", "b.evil.example evil.example example"}, {"*.evil.example", "evil.example example"}, {"evil.example", "example"},
	} {
		if got := strings.Join((Observable{DomainName, c[0]}).Parents(), " "); got != c[1] {
			t.Errorf("%s: got %s", c[0], got)
		}
	}
	if (Observable{URL, "http://evil.example/"}).Parents() != nil {
		t.Error("a URL has parents")
	}
}

func TestFileExtensionsAreNoDomains(t *testing.T) {
	for ext := range fileExtensions {
		if _, icann := publicsuffix.PublicSuffix("x." + ext); icann {
			t.Errorf(".%s is a top-level domain", ext)
		}
	}
}

func TestParseType(t *testing.T) {
	for _, c := range []Type{IPv4Addr, DomainName} {
		if got, err := ParseType(strings.ToUpper(string(c))); got != c || err != nil {
			t.Errorf("%s: got %s, %v", c, got, err)
		}
	}
	for name, want := range map[string]Type{"ip": IPv4Addr, "Hostname": DomainName, "SHA-256": SHA256, "asn": AutonomousSystem, "e_mail": EmailAddr, "registry key": WindowsRegistryKey} {
		if got, err := ParseType(name); got != want || err != nil {
			t.Errorf("%s: got %s, %v", name, got, err)
		}
	}
	for _, c := range Types() {
		if got, err := ParseType(string(c)); got != c || err != nil {
			t.Errorf("%s: got %s, %v", c, got, err)
		}
	}
	if _, err := ParseType("nonsense"); !errors.Is(err, ErrNotObservable) {
		t.Error(err)
	}
}
