package feed

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/tocsin-exchange/tocsin/protocol/stix"
	"github.com/tocsin-exchange/tocsin/trust/score"
)

// hostileEntries is entries of every type of every line of a text: as a value would be
// written, and as it stands there, which no shelf would give out.
func hostileEntries(text string) []Entry {
	seen, entries := map[stix.Observable]bool{}, []Entry(nil)
	for _, t := range kept() {
		for line := range strings.SplitSeq(text, "\n") {
			canonical, _ := stix.Canonical(t, line)
			for _, o := range []stix.Observable{canonical, {Type: t, Value: line}} {
				if o.Value != "" && len(o.Value) < 1<<12 && !seen[o] {
					seen[o] = true
					entries = append(entries, Entry{Observable: o, Score: len(line) % 101})
				}
			}
		}
	}
	return entries
}

// expectedOf is what a reader of a format must find of entries.
func expectedOf(f *Format, entries []Entry) (values []string) {
	for i := range entries {
		e := &entries[i]
		if !f.Carries(e) {
			continue
		}
		switch v := e.Value; {
		case f.Name == "panos":
			values = append(values, strings.TrimPrefix(strings.TrimPrefix(v, "http://"), "https://"))
		case f.Name == "wazuh" && e.Type == stix.IPv4Addr:
			values = append(values, octetBlocks(v)...)
		default:
			values = append(values, v)
		}
	}
	slices.Sort(values)
	return values
}

// octetBlocks walks a block from one block of whole octets to the next.
func octetBlocks(value string) (blocks []string) {
	p, err := netip.ParsePrefix(value)
	if err != nil {
		return []string{value}
	}
	bits := p.Bits()
	for bits%8 != 0 {
		bits++
	}
	for a := p.Addr(); p.Contains(a); {
		block := netip.PrefixFrom(a, bits)
		blocks = append(blocks, prefixText(block))
		for block.Contains(a) { // to the first address behind it, by its octets
			o := a.As4()
			for i := bits/8 - 1; i >= 0; i-- {
				if o[i]++; o[i] != 0 {
					break
				}
			}
			next := netip.AddrFrom4(o)
			if next.Less(a) {
				return blocks
			}
			a = next
		}
	}
	return blocks
}

// checkFormats checks that of whatever there is, a reader of each format finds
// those values that it carries, and nothing else.
func checkFormats(t *testing.T, formats []Format, text string) {
	entries := hostileEntries(text)
	d := &Document{Entries: Entries{Tier: score.Alert, Changed: start, All: slices.Values(entries)}}
	for _, f := range formats {
		files := filesOf(t, &f, d)
		got, err := gatewayReaders()[f.Name](files)
		if err != nil {
			t.Fatalf("%s: %v\n%q", f.Name, err, files)
		}
		slices.Sort(got)
		if want := expectedOf(&f, entries); !slices.Equal(got, want) {
			t.Fatalf("%s reads as %q, written was %q\n%q", f.Name, got, want, files)
		}
	}
}

func addSeeds(f *testing.F) {
	var values []string
	for line := range strings.Lines(strings.TrimSpace(gatewaySample)) {
		_, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		values = append(values, value)
	}
	f.Add(strings.Join(values, "\n"))
	f.Add("0.0.0.0/0\n::/0\n203.0.112.0/20\n::ffff:203.0.113.7\n2001:db8::/33\n128.0.0.0/1\n::\n::1")
	f.Add("http://evil.example/a\"\",=1\nhttp://evil.example/\\\",1,1\n=evil.example/|x\n@evil.example/x\n+a@evil.example")
	f.Add("evil.example CNAME rpz-passthru.\nevil.example;}\n}; flush ruleset #\n$INCLUDE /etc/passwd\n\"evil.example\n# evil.example\n*.*.example")
	f.Add(strings.Repeat("a.", 100) + "example\n*." + strings.Repeat(strings.Repeat("a", 60)+".", 4) + "example")
	f.Add("//evil.example/\nhttp:///\nhttps://evil.example:8443/?a\nHTTP://[::1]/\nhttp://evil.example/^*|\nhttp://evil.example?x\n?#\nhttp://evil.example/é")
}

func FuzzTables(f *testing.F) {
	addSeeds(f)
	f.Fuzz(func(t *testing.T, text string) { checkFormats(t, tableFormats(), text) })
}

func FuzzProducts(f *testing.F) {
	addSeeds(f)
	f.Fuzz(func(t *testing.T, text string) { checkFormats(t, productFormats(), text) })
}

func FuzzFirewalls(f *testing.F) {
	addSeeds(f)
	f.Fuzz(func(t *testing.T, text string) { checkFormats(t, firewallFormats(), text) })
}

func FuzzResolvers(f *testing.F) {
	addSeeds(f)
	f.Fuzz(func(t *testing.T, text string) { checkFormats(t, resolverFormats(), text) })
}

func FuzzProxies(f *testing.F) {
	addSeeds(f)
	f.Fuzz(func(t *testing.T, text string) { checkFormats(t, proxyFormats(), text) })
}

func FuzzLookups(f *testing.F) {
	addSeeds(f)
	f.Fuzz(func(t *testing.T, text string) { checkFormats(t, lookupFormats(), text) })
}
