package floor

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/tocsin-exchange/tocsin/protocol/stix"
)

func TestParseListRefuses(t *testing.T) {
	for name, c := range map[string]struct{ list, file, want string }{
		"no JSON":         {"a", `[`, "no JSON"},
		"a list":          {"a", `["a.example"]`, "no JSON"},
		"a name twice":    {"a", `{"type":"cidr","type":"string","list":[]}`, "no JSON"},
		"more behind it":  {"a", `{"list":[]}{}`, "no JSON"},
		"no list":         {"a", `{"type":"cidr"}`, `no "list"`},
		"unknown type":    {"a", `{"type":"glob","list":[]}`, `type "glob": cidr, hostname, string, substring and regex are known`},
		"no name":         {"", `{"list":[]}`, "needs a name"},
		"a long name":     {strings.Repeat("a", 201), `{"list":[]}`, "needs a name of 1 to 200 bytes"},
		"17 MiB":          {"a", `{"list":["` + strings.Repeat("a", 17<<20) + `"]}`, "longer than 16 MiB"},
		"too many":        {"a", `{"list":[` + strings.Repeat("1,", maxEntries) + `1]}`, "more than 2000000 entries"},
		"types no string": {"a", `{"matching_attributes":"domain","list":[]}`, "no JSON"},
	} {
		_, err := ParseList(c.list, strings.NewReader(c.file))
		if !errors.Is(err, ErrInvalid) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
	for name, file := range map[string]string{ // exactly at each limit
		strings.Repeat("a", 200): `{"list":[]}`,
		"16 MiB":                 `{"list":[]` + strings.Repeat(" ", 16<<20-11) + `}`,
		"all entries":            `{"list":[` + strings.Repeat("1,", maxEntries-1) + `1]}`,
	} {
		if _, err := ParseList(name, strings.NewReader(file)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	l, err := ParseList("", strings.NewReader("\ufeff"+`{"name":" ours ","list":[]}`))
	if err != nil || l.Name() != "ours" || l.Len() != 0 {
		t.Errorf("byte order mark and own name: %v %v", l, err)
	}
	broken := errors.New("broken")
	if _, err := ParseList("a", failing{broken}); !errors.Is(err, broken) {
		t.Errorf("a reader that fails: %v", err)
	}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

// TestParseListSkips has the entries that are not read, and why.
func TestParseListSkips(t *testing.T) {
	for _, c := range []struct{ kind, attribute, entry, want string }{
		{"cidr", "ip-src", `"0.0.0.0/0"`, "every address"},
		{"cidr", "ip-src", `"::/0"`, "every address"},
		{"cidr", "ip-src", `"::ffff:0:0/96"`, "every address"},
		{"cidr", "ip-src", `"a.example"`, "not an IP address"},
		{"cidr", "ip-src", `7`, "not a text"},
		{"cidr", "ip-src", `null`, "not a text"},
		{"cidr", "ip-src", `" "`, "empty, or longer than 4 KiB"},
		{"string", "filename", `"` + strings.Repeat("a", 4<<10+1) + `"`, "longer than 4 KiB"},
		{"hostname", "domain", `"a b.example"`, "not allowed in a domain name"},
		{"hostname", "md5", `"a.example"`, "no type with names"},
		{"string", "domain", `"https://a.example/x"`, "not allowed in a domain name"},
		{"string", "md5", `"abc"`, "wrong length"},
		{"string", "size-in-bytes", `"7"`, "no type known here"},
		{"string", "ip-src", `"0.0.0.0/0"`, ""},
		{"string", "ip-src", `"::/0"`, ""},
		{"substring", "url", `"ab"`, "less than 3 bytes"},
		{"regex", "url", `"/(/"`, "missing closing"},
		{"regex", "url", `"/(?=a)a/"`, "invalid or unsupported Perl syntax"},
		{"regex", "url", `"/abc/x"`, `flags "x"`},
		{"regex", "url", `"/a*/"`, "matches everything"},
		{"regex", "url", `"//"`, "matches everything"},
		{"regex", "url", `"/` + strings.Repeat("a", 511) + `/"`, "longer than 512 bytes"},
	} {
		file := fmt.Sprintf(`{"type":%q,"matching_attributes":[%q],"list":[%s]}`, c.kind, c.attribute, c.entry)
		l, err := ParseList("a", strings.NewReader(file))
		if err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		if n, told := l.Skipped(); n != 1 || len(told) != 1 || !strings.Contains(told[0], c.want) || l.Len() != 0 || len(told[0]) > 200 {
			t.Errorf("%s %.40s: %d skipped, %d in force, %q, want %q", c.kind, c.entry, n, l.Len(), told, c.want)
		}
	}
	l, _ := ParseList("a", strings.NewReader(`{"type":"cidr","list":["a","b","c","d","e","f","192.0.2.1"]}`))
	if n, told := l.Skipped(); n != 6 || len(told) != 5 || l.Len() != 1 {
		t.Errorf("%d skipped, %d told of, %d in force", n, len(told), l.Len())
	}
}

// TestSkippedAreNamed: whoever looks for an entry that is not read finds it as
// it is written, its first 60 bytes.
func TestSkippedAreNamed(t *testing.T) {
	long := strings.Repeat("-", 60)
	l, err := ParseList("a", strings.NewReader(`{"type":"cidr","list":["a.example",7," ","`+long+`","`+long+`-"]}`))
	if err != nil {
		t.Fatal(err)
	}
	_, told := l.Skipped()
	for i, want := range []string{`"a.example": `, `"7": `, `"\" \"": `, `"` + long + `": `, `"` + long + `...": `} {
		if !strings.HasPrefix(told[i], want) {
			t.Errorf("%q, want %q first", told[i], want)
		}
	}
}

// TestLongestEntries: expressions as short and as long as may be.
func TestLongestEntries(t *testing.T) {
	listOf(t, "a", "substring", "filename", "abc", strings.Repeat("a", 4<<10))
	listOf(t, "b", "regex", "filename", strings.Repeat("a", 512))
}

// TestTypesOf: what attribute types of MISP are here, each once.
func TestTypesOf(t *testing.T) {
	addresses := []stix.Type{stix.IPv4Addr, stix.IPv6Addr, stix.IPPort}
	for attributes, want := range map[string][]stix.Type{
		"":                       stix.Types(),
		"ip-src":                 addresses,
		"ip-dst":                 addresses,
		"ip-src,ip-dst":          addresses,
		"domain":                 {stix.DomainName, stix.DomainPort},
		"hostname":               {stix.DomainName, stix.DomainPort},
		"domain|ip-dst":          {stix.DomainName, stix.DomainPort, stix.IPv4Addr, stix.IPv6Addr, stix.IPPort},
		"target-email":           {stix.EmailAddr},
		"email-reply-to":         {stix.EmailAddr},
		"whois-registrant-email": {stix.EmailAddr},
		"dns-soa-email":          {stix.EmailAddr},
		"filename":               {stix.FileName},
		" Filename|MD5 ":         {stix.MD5},
		"size-in-bytes":          nil,
	} {
		var list []string
		if attributes != "" {
			list = strings.Split(attributes, ",")
		}
		if got := typesOf(list); !slices.Equal(got, want) {
			t.Errorf("%q: %v, want %v", attributes, got, want)
		}
	}
}

// TestWritten: what the built-in lists may be written of.
func TestWritten(t *testing.T) {
	l := written("a", []string{"192.2.2.8/29", "192.2.2.1", ".whole.example", "alone.example"})
	if l.Len() != 4 || len(l.networks) != 2 || !slices.Equal(l.names, []listedName{{"whole.example", true}, {"alone.example", false}}) {
		t.Errorf("%+v", l)
	}
	defer func() {
		if recover() == nil {
			t.Error("a name of one label would stand for a whole top-level domain")
		}
	}()
	written("a", []string{".example"})
}

// TestExpressionLimit counts what is tried on every value, in a list and in all.
func TestExpressionLimit(t *testing.T) {
	entries := make([]string, maxExpressions+1)
	for i := range entries {
		entries[i] = fmt.Sprintf("part-%d-", i)
	}
	file := `{"type":"substring","list":["` + strings.Join(entries, `","`) + `"]}`
	l, err := ParseList("a", strings.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	if n, told := l.Skipped(); n != 1 || l.Len() != maxExpressions || !strings.Contains(told[0], "more than 1000") {
		t.Errorf("%d skipped, %d in force: %q", n, l.Len(), told)
	}
	build(t, Own{}, l)
	if _, err := New(Own{}, l, listOf(t, "b", "regex", "-", "/evil/")); !errors.Is(err, ErrInvalid) || !strings.Contains(err.Error(), "more than 1000 ") {
		t.Errorf("one more in another list: %v", err)
	}
}

func TestNewRefuses(t *testing.T) {
	one := listOf(t, "a", "cidr", "-", "192.0.2.1")
	for name, c := range map[string]struct {
		own   Own
		lists []*List
		want  string
	}{
		"a list twice":      {lists: []*List{one, one}, want: `two lists are called "a"`},
		"a built-in's name": {lists: []*List{listOf(t, "root servers", "cidr", "-")}, want: "two lists"},
		"a rule's name":     {lists: []*List{listOf(t, "special use", "cidr", "-")}, want: "two lists"},
		"another rule's":    {lists: []*List{listOf(t, "minimum prefix", "cidr", "-")}, want: "two lists"},
		"a third rule's":    {lists: []*List{listOf(t, "unreadable values", "cidr", "-")}, want: "two lists"},
		"no list":           {lists: []*List{one, nil}, want: "nil"},
		"IPv4 /7":           {own: Own{MinBits4: 7}, want: "minimum prefix"},
		"IPv4 /33":          {own: Own{MinBits4: 33}, want: "minimum prefix"},
		"IPv6 /15":          {own: Own{MinBits6: 15}, want: "minimum prefix"},
		"IPv6 /129":         {own: Own{MinBits6: 129}, want: "minimum prefix"},
		"a suffix":          {own: Own{Domains: []string{"co.uk"}}, want: `".co.uk"`},
		"no domain":         {own: Own{Domains: []string{"a b"}}, want: `own domain "a b"`},
		"no network":        {own: Own{Networks: []netip.Prefix{{}}}, want: "no address block"},
		"half of IPv4":      {own: Own{Networks: []netip.Prefix{netip.MustParsePrefix("0.0.0.0/1")}}, want: "wider than any"},
		"IPv4 /7 as own":    {own: Own{Networks: []netip.Prefix{netip.MustParsePrefix("192.0.0.0/7")}}, want: "wider than any"},
		"IPv4 as IPv6":      {own: Own{Networks: []netip.Prefix{netip.MustParsePrefix("::ffff:0.0.0.0/97")}}, want: "wider than any"},
		"IPv6 /15 as own":   {own: Own{Networks: []netip.Prefix{netip.MustParsePrefix("2000::/15")}}, want: "wider than any"},
		"no value":          {own: Own{Values: []stix.Observable{{Type: stix.MD5, Value: "a"}}}, want: `own value "md5:a"`},
		"every address":     {own: Own{Values: []stix.Observable{{Type: stix.IPv4Addr, Value: "0.0.0.0/0"}}}, want: "every address"},
	} {
		if _, err := New(c.own, c.lists...); !errors.Is(err, ErrInvalid) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

// TestWidestNetworks: an own network as wide as may be.
func TestWidestNetworks(t *testing.T) {
	f := build(t, Own{Networks: []netip.Prefix{netip.MustParsePrefix("198.0.0.0/8"), netip.MustParsePrefix("2001::/16")}})
	if n := f.Lists()[0].Len(); n != 2 {
		t.Errorf("%d own networks", n)
	}
}

// TestOptions has what the operator may set: shorter and longer prefixes, and
// what is under a company's suffix.
func TestOptions(t *testing.T) {
	pages := listOf(t, "pages", "hostname", "domain", "web.app", "io")
	for _, c := range []struct {
		own   Own
		value stix.Observable
		want  string
	}{
		{Own{MinBits4: 8}, canonical(t, "ipv4-addr", "203.2.0.0/15"), "free"},
		{Own{MinBits4: 32}, canonical(t, "ipv4-addr", "192.0.2.0/31"), "minimum prefix: wider than /32"},
		{Own{MinBits4: 32}, canonical(t, "ipv4-addr", "192.0.2.0"), "free"},
		{Own{MinBits6: 16}, canonical(t, "ipv6-addr", "2a0f:8000::/31"), "free"},
		{Own{MinBits6: 128}, canonical(t, "ipv6-addr", "2001:db8::/127"), "minimum prefix: wider than /128"},
		{Own{}, canonical(t, "domain-name", "evil.web.app"), "free"},
		{Own{WholeSuffixes: true}, canonical(t, "domain-name", "evil.web.app"), "under web.app of pages"},
		{Own{WholeSuffixes: true}, canonical(t, "domain-name", "evil.github.io"), "free"}, // built in without what is under it
		{Own{WholeSuffixes: true}, canonical(t, "domain-name", "evil.s3.amazonaws.com"), "under amazonaws.com of shared services"},
		{Own{WholeSuffixes: true}, canonical(t, "domain-name", "evil.io"), "free"}, // a registry's suffix stays one
	} {
		f := build(t, c.own, pages)
		if got := told(f.Check(c.value)); got != c.want {
			t.Errorf("%s: %s, want %s", c.value, got, c.want)
		}
	}
}

// TestNotCanonical has spellings that no list could be searched for.
func TestNotCanonical(t *testing.T) {
	f := build(t, Own{})
	for _, o := range []stix.Observable{{}, {Type: stix.DomainName, Value: "GOOGLE.com"}, {Type: stix.DomainName, Value: "evil.example."},
		{Type: stix.IPv4Addr, Value: "192.0.2.1/24"}, {Type: stix.IPv6Addr, Value: "192.0.2.1"}, {Type: stix.MD5, Value: ""},
		{Type: "ip", Value: "192.0.2.1"}, {Type: stix.URL, Value: "https://evil.example"}} {
		if h, ok := f.Check(o); !ok || h.List != unreadable {
			t.Errorf("%q: %+v", o, h)
		}
	}
}

// TestFirstListIsNamed has values on several lists: the operator's come first,
// then the built-in ones, then the others by name.
func TestFirstListIsNamed(t *testing.T) {
	a := listOf(t, "a", "string", "ip-src,domain,md5", "8.8.8.8", "z.clinic.example", "www.bank.example", ".bank.example", "google.com", "198.51.100.7", "68b329da9893e34099c7d8ad5cb9c940")
	b := listOf(t, "b", "string", "ip-src,domain", "198.51.100.7", "a.clinic.example", "hospital.example", "bank.example", "www.bank.example")
	c := listOf(t, "c", "hostname", "domain", "hospital.example")
	own := Own{Networks: []netip.Prefix{netip.MustParsePrefix("8.8.0.0/16")}, Domains: []string{"Mail.Bank.example"}}
	for _, lists := range [][]*List{{a, b, c}, {c, b, a}, {b, a, c}} {
		given := slices.Clone(lists)
		f := build(t, own, lists...)
		if !slices.Equal(lists, given) {
			t.Error("the caller's lists were reordered")
		}
		for value, want := range map[stix.Observable]string{
			canonical(t, "ipv4-addr", "8.8.8.8"):                      "in 8.8.0.0/16 of own networks",
			canonical(t, "ipv4-addr", "198.51.100.7"):                 "is 198.51.100.7 of a",
			canonical(t, "domain-name", "google.com"):                 "is google.com of shared services",
			canonical(t, "domain-name", "hospital.example"):           "is hospital.example of b",
			canonical(t, "domain-name", "clinic.example"):             "parent of z.clinic.example of a",
			canonical(t, "domain-name", "www.hospital.example"):       "under hospital.example of c",
			canonical(t, "domain-name", "bank.example"):               "is bank.example of a",
			canonical(t, "md5", "68b329da9893e34099c7d8ad5cb9c940"):   "is 68b329da9893e34099c7d8ad5cb9c940 of trivial files",
			canonical(t, "url", "https://example.bank.example/"):      "under bank.example of a",
			canonical(t, "domain-port", "mail.bank.example:8443"):     "is mail.bank.example of own domains",
			canonical(t, "email-addr", "ceo@x.mail.bank.example"):     "under mail.bank.example of own domains",
			canonical(t, "ip-port", "8.8.4.4:53"):                     "in 8.8.0.0/16 of own networks",
			canonical(t, "ipv4-addr", "198.51.100.0/24"):              "holds 198.51.100.7 of a",
			canonical(t, "domain-name", "*.hospital.example"):         "is hospital.example of b",
			canonical(t, "url", "https://www.hospital.example/login"): "free",
		} {
			if got := told(f.Check(value)); got != want {
				t.Errorf("%s: %s, want %s", value, got, want)
			}
		}
	}
}

// TestBuiltin checks what is written by hand: no entry twice, nothing that
// special use already has, and no name that could not protect what is under it.
func TestBuiltin(t *testing.T) {
	seen := map[string]string{}
	once := func(entry, list string) {
		if other, ok := seen[entry]; ok {
			t.Errorf("%s is in %s and %s", entry, other, list)
		}
		seen[entry] = list
	}
	f := build(t, Own{})
	for _, l := range builtin() {
		if l.Len() == 0 || !slices.ContainsFunc(f.Lists(), func(o *List) bool { return o.name == l.name && o.Len() == l.Len() }) {
			t.Errorf("%s: %d entries", l.name, l.Len())
		}
		for _, p := range l.networks {
			once(p.String(), l.name)
			if p != p.Masked() {
				t.Errorf("%s has host bits", p)
			}
			kind := "ipv4-addr"
			if p.Addr().Is6() {
				kind = "ipv6-addr"
			}
			if why := canonical(t, kind, p.String()).SpecialUse(); why != "" {
				t.Errorf("%s: %s", p, why)
			}
		}
		for _, n := range l.names {
			once(n.name, l.name)
			if o := canonical(t, "domain-name", n.name); o.Value != n.name {
				t.Errorf("%s is spelt %s", n.name, o.Value)
			}
			if _, ok := f.Check(stix.Observable{Type: stix.DomainName, Value: "xyz." + n.name}); n.whole && !ok {
				t.Errorf("what is under %s of %s is free", n.name, l.name)
			}
		}
		for _, o := range l.values {
			once(o.String(), l.name)
		}
	}
}
