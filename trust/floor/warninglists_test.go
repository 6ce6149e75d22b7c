package floor

import (
	"bytes"
	"encoding/json"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/publicsuffix"

	"github.com/tocsin-exchange/tocsin/protocol/stix"
)

// notRead is how many entries of a published list are no value of a type known
// here, and what they are.
var notRead = map[string]struct {
	n    int
	what string
}{
	"empty-hashes":               {2, "SHA-224, and an ssdeep hash of nothing"},
	"microsoft":                  {1, "ieta-wa-24, a host without a domain"},
	"security-provider-blogpost": {1, "iranthreats.github.i, the end of which is missing"},
}

type publishedList struct {
	Type       string   `json:"type"`
	Attributes []string `json:"matching_attributes"`
	List       []string `json:"list"`
}

// TestWarninglists loads every published list and claims every entry of it, the
// values around it and the values in it: all must hit, also with no other list.
func TestWarninglists(t *testing.T) {
	dir := os.Getenv("TOCSIN_TESTDATA")
	if dir == "" {
		t.Skip("TOCSIN_TESTDATA is not set: published warninglists are not read")
	}
	files, err := filepath.Glob(filepath.Join(dir, "warninglists", "*.json"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no lists in %s: %v", dir, err)
	}
	var all []*List
	claims := map[stix.Observable]string{}
	for _, path := range files {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		name := strings.TrimSuffix(strings.TrimPrefix(filepath.Base(path), "mispwl__lists__"), "__list.json")
		l, err := ParseList(name, bytes.NewReader(b))
		if err != nil {
			t.Fatal(err)
		}
		var file publishedList
		if err := json.Unmarshal(b, &file); err != nil {
			t.Fatal(err)
		}
		if n, told := l.Skipped(); n != notRead[name].n || l.Len() != len(file.List)-n {
			t.Errorf("%s: %d of %d in force, %d skipped: %q", name, l.Len(), len(file.List), n, told)
		}
		mine := file.claims(name)
		if len(mine) < l.Len() {
			t.Errorf("%s: %d claims on %d entries", name, len(mine), l.Len())
		}
		allHit(t, build(t, Own{}, l), mine)
		for o := range mine {
			claims[o] = name
		}
		all = append(all, l)
	}
	allHit(t, build(t, Own{}, all...), claims)
	t.Logf("%d lists, %d claims", len(all), len(claims))
}

func allHit(t *testing.T, f *Floor, claims map[stix.Observable]string) {
	t.Helper()
	for o, list := range claims {
		h, ok := f.Check(o)
		if !ok {
			t.Errorf("%s: %s is free", list, o)
		}
		if c, err := stix.Canonical(o.Type, o.Value); h.List == unreadable && (err == nil || c == o) {
			t.Errorf("%s: %s: %s", list, o, h.Reason)
		}
	}
}

// claims writes what a peer could claim against the entries of a list. It reads
// them by rules of its own.
func (p *publishedList) claims(list string) map[stix.Observable]string {
	claims := map[stix.Observable]string{}
	for _, entry := range p.List {
		for _, o := range p.against(strings.ToLower(strings.TrimSpace(entry))) {
			if c, err := stix.Canonical(o.Type, o.Value); err == nil {
				o = c
			}
			claims[o] = list
		}
	}
	return claims
}

func (p *publishedList) against(entry string) []stix.Observable {
	switch {
	case p.Type == "cidr":
		block, err := netip.ParsePrefix(entry)
		if a, single := netip.ParseAddr(entry); single == nil {
			block, err = netip.PrefixFrom(a, a.BitLen()), nil
		}
		if err != nil {
			return nil
		}
		return againstBlock(block)
	case p.Type == "regex": // the one there is, on contacts
		return []stix.Observable{{Type: stix.EmailAddr, Value: "abuse@evil.example"}, {Type: stix.EmailAddr, Value: "soc@evil.example"}}
	case slices.ContainsFunc(p.Attributes, func(a string) bool { return a == "domain" || a == "hostname" }):
		return againstName(strings.TrimPrefix(entry, "."), p.Type != "string" || entry[0] == '.')
	}
	types := map[int][]stix.Type{32: {stix.MD5}, 40: {stix.SHA1}, 64: {stix.SHA256}, 128: {stix.SHA512}}[len(entry)]
	if slices.Contains(p.Attributes, "x509-fingerprint-sha1") {
		types = append(types, map[int][]stix.Type{32: {stix.X509MD5}, 40: {stix.X509SHA1}, 64: {stix.X509SHA256}}[len(entry)]...)
	}
	var claims []stix.Observable
	for _, t := range types {
		claims = append(claims, stix.Observable{Type: t, Value: entry})
	}
	return claims
}

func ofPrefix(p netip.Prefix) stix.Observable {
	t := stix.IPv4Addr
	if p.Addr().Is6() {
		t = stix.IPv6Addr
	}
	return stix.Observable{Type: t, Value: entryOf(p.Masked())}
}

// againstBlock claims a block, its halves, its first and last address, and every
// block around it.
func againstBlock(p netip.Prefix) []stix.Observable {
	p = p.Masked()
	first, last := p.Addr(), lastOf(p)
	claims := []stix.Observable{ofPrefix(netip.PrefixFrom(first, first.BitLen())), ofPrefix(netip.PrefixFrom(last, last.BitLen()))}
	if p.Bits() < first.BitLen() {
		claims = append(claims, ofPrefix(netip.PrefixFrom(first, p.Bits()+1)), ofPrefix(netip.PrefixFrom(last, p.Bits()+1)))
	}
	for bits := range p.Bits() + 1 {
		claims = append(claims, ofPrefix(netip.PrefixFrom(first, bits)))
	}
	port := netip.AddrPortFrom(first, 443).String()
	return append(claims, stix.Observable{Type: stix.IPPort, Value: port}, stix.Observable{Type: stix.URL, Value: "http://" + port + "/a"})
}

func lastOf(p netip.Prefix) netip.Addr {
	b := p.Addr().AsSlice()
	for bit := p.Bits(); bit < len(b)*8; bit++ {
		b[bit/8] |= 0x80 >> (bit % 8)
	}
	a, _ := netip.AddrFromSlice(b)
	return a
}

// againstName claims a name, all names over it, its site, and, unless it stands
// alone or everybody has names under it, a name under it.
func againstName(name string, whole bool) []stix.Observable {
	claims := []stix.Observable{
		{Type: stix.DomainName, Value: name}, {Type: stix.DomainName, Value: "*." + name},
		{Type: stix.DomainPort, Value: name + ":8443"}, {Type: stix.URL, Value: "https://" + name + "/"},
	}
	for p := parent(name); p != ""; p = parent(p) {
		claims = append(claims, stix.Observable{Type: stix.DomainName, Value: p}, stix.Observable{Type: stix.DomainName, Value: "*." + p})
	}
	under := "xyz." + name
	if suffix, _ := publicsuffix.PublicSuffix(under); whole && suffix != name {
		claims = append(claims, stix.Observable{Type: stix.DomainName, Value: under}, stix.Observable{Type: stix.DomainName, Value: "a.b." + under})
	}
	return claims
}
