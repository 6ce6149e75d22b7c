package floor

import (
	"bytes"
	"strings"
	"testing"

	"github.com/tocsin-exchange/tocsin/protocol/stix"
)

// FuzzParseList: whatever is read as a list can be part of a floor, and every
// value and name of it hits there.
func FuzzParseList(f *testing.F) {
	f.Add([]byte(`{"name":"a","type":"cidr","matching_attributes":["ip-src"],"list":["192.0.2.0/24","::ffff:198.51.100.0/120","x"]}`))
	f.Add([]byte(`{"name":"a","type":"hostname","matching_attributes":["domain","email-src"],"list":[".a.example","*.com","b\u00fccher.example"]}`))
	f.Add([]byte(`{"name":"a","type":"string","list":["a.example","https://[2001:db8::1]:8080/x","AS64500","COM"]}`))
	f.Add([]byte(`{"name":"a","type":"substring","matching_attributes":["email-src","url"],"list":["@a.example","evil"]}`))
	f.Add([]byte(`{"name":"a","type":"regex","matching_attributes":["url"],"list":["/^a.*$/im","/(/",7,null,{}]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		l, err := ParseList("a", bytes.NewReader(b))
		if err != nil {
			return
		}
		floor, err := New(Own{}, l)
		if err != nil {
			t.Fatalf("read, and refused: %v", err)
		}
		for _, o := range l.values {
			if _, ok := floor.Check(o); !ok {
				t.Errorf("%s is free", o)
			}
		}
		for _, p := range l.networks {
			if _, ok := floor.Check(ofPrefix(p)); !ok {
				t.Errorf("%s is free", p)
			}
		}
		for _, n := range l.names {
			if _, ok := floor.Check(stix.Observable{Type: stix.DomainName, Value: n.name}); !ok {
				t.Errorf("%s is free", n.name)
			}
		}
		if n, told := l.Skipped(); n < len(told) {
			t.Errorf("%d skipped, %d told of", n, len(told))
		}
	})
}

// FuzzCheck: no value is too odd to ask about; what is free is canonical and
// nothing stands against it, and so is its host.
func FuzzCheck(f *testing.F) {
	for i, value := range []string{"8.8.8.0/23", "::ffff:1.2.3.4", "*.co.uk", "https://a@b.example:1/?q#f", "/a", "[::1]:1", "a.example:1", "a@b.example",
		strings.Repeat("0", 32), "", "", "", "3::", "T1", "a", "", "AS0"} {
		f.Add(i, value)
	}
	parts := listOf(f, "parts", "regex", "-", "/^(abuse|noc)\\@.*$/i")
	names := listOf(f, "names", "hostname", "domain,email-src", "shop.example", "lan")
	floor, err := New(Own{Domains: []string{"bank.example"}, WholeSuffixes: true}, parts, names)
	if err != nil {
		f.Fatal(err)
	}
	types := stix.Types()
	f.Fuzz(func(t *testing.T, kind int, value string) {
		o := stix.Observable{Type: types[uint(kind)%uint(len(types))], Value: value}
		if h, ok := floor.Check(o); ok {
			if h.List == "" || h.Reason == "" || strings.HasPrefix(h.Reason, " ") {
				t.Errorf("%s: %+v", o, h)
			}
			return
		}
		if c, err := stix.Canonical(o.Type, o.Value); err != nil || c != o {
			t.Errorf("%s is free and not canonical: %v", o, err)
		}
		if o.SpecialUse() != "" || strings.Contains(hostOf(o), "bank.example") && strings.HasSuffix("."+hostOf(o), ".bank.example") {
			t.Errorf("%s is free", o)
		}
		if o.Type == stix.URL && hostOf(o) == "" && !strings.HasPrefix(value, "file:") {
			t.Errorf("%s has no host", o)
		}
	})
}
