package feed

import (
	"fmt"
	"io"
	"slices"
	"testing"

	"github.com/tocsin-exchange/tocsin/protocol"
	"github.com/tocsin-exchange/tocsin/protocol/stix"
	"github.com/tocsin-exchange/tocsin/trust/score"
)

// BenchmarkGateway writes 100,000 entries, a quarter each of addresses of both
// families, names and URLs, in every format for gateways.
func BenchmarkGateway(b *testing.B) {
	const each = 25_000
	e := Entry{Score: 80, TLP: protocol.Green, Since: start, Until: start.Add(30 * days)}
	var entries []Entry
	for _, form := range []stix.Observable{{Type: stix.IPv4Addr, Value: "203.%d.113.%d"}, {Type: stix.IPv6Addr, Value: "2001:db8:%x::%x"},
		{Type: stix.DomainName, Value: "n%d.x%d.evil.example"}, {Type: stix.URL, Value: "http://n%d.evil.example/a/%d"}} {
		for i := range each {
			e.Type, e.Value = form.Type, fmt.Sprintf(form.Value, 1+i/200, 1+i%200)
			entries = append(entries, e)
		}
	}
	d := &Document{Entries: Entries{Tier: score.Block, Changed: start, Len: len(entries), All: slices.Values(entries)}}
	for _, f := range gatewayFormats() {
		b.Run(f.Name, func(b *testing.B) {
			files := f.Files
			if len(files) == 0 {
				files = []string{""}
			}
			for b.Loop() {
				size := 0
				for _, file := range files {
					w := &counted{Writer: io.Discard}
					if err := f.Write(w, d, file); err != nil {
						b.Fatal(err)
					}
					size += w.n
				}
				b.SetBytes(int64(size))
			}
			b.ReportAllocs()
		})
	}
}
