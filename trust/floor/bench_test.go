package floor

import (
	"fmt"
	"testing"

	"github.com/tocsin-exchange/tocsin/protocol/stix"
)

// BenchmarkCheck asks a floor of 100,000 entries in ten lists, and prints how
// many lookups in a map of that size an answer costs.
func BenchmarkCheck(b *testing.B) {
	var lists []*List
	known := map[stix.Observable]bool{}
	for i := range 10 {
		l := &List{name: fmt.Sprint("list ", i), types: stix.Types()}
		for j := range 5000 {
			name := fmt.Sprintf("host%d.shop%d.example", j%7, i*5000+j)
			l.names = append(l.names, listedName{name: name, whole: true})
			p, _ := canonical(b, "ipv4-addr", fmt.Sprintf("%d.%d.%d.0/24", 20+i, j/250, j%250)).Prefix()
			l.networks = append(l.networks, p)
			known[canonical(b, "domain-name", name)] = true
			known[ofPrefix(p)] = true
		}
		lists = append(lists, l)
	}
	f := build(b, Own{}, lists...)
	var lookup float64 // ns
	b.Run("one_lookup", func(b *testing.B) {
		o := canonical(b, "domain-name", "www.evil7.example")
		for b.Loop() {
			if known[o] {
				b.Fatal("known")
			}
		}
		lookup = float64(b.Elapsed().Nanoseconds()) / float64(b.N)
	})
	for _, c := range []struct{ name, kind, value string }{
		{"free_address", "ipv4-addr", "192.0.2.7"},
		{"listed_address", "ipv4-addr", "25.7.7.7"},
		{"free_block", "ipv4-addr", "192.0.2.0/25"},
		{"free_ipv6", "ipv6-addr", "2001:db8::7"},
		{"free_name", "domain-name", "www.evil7.example"},
		{"free_long_name", "domain-name", "a.b.c.d.e.evil7.co.uk"},
		{"listed_name", "domain-name", "www.host1.shop1.example"},
		{"free_url", "url", "https://www.evil7.example/gate.php?id=1"},
		{"free_mail", "email-addr", "ceo@evil7.example"},
		{"free_hash", "sha256", "01ba4719c80b6fe911b091a7c05124b64eeece964e09c058ef8f9805daca5460"},
	} {
		o := canonical(b, c.kind, c.value)
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				f.Check(o)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/lookup, "lookups/op")
		})
	}
}
