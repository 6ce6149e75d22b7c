package feed

import (
	"io"
	"slices"
	"testing"

	"github.com/tocsin-exchange/tocsin/protocol"
	"github.com/tocsin-exchange/tocsin/protocol/stix"
)

// countingWriter counts what it is given.
type countingWriter struct{ n int64 }

func (w *countingWriter) Write(b []byte) (int, error) {
	w.n += int64(len(b))
	return len(b), nil
}

// BenchmarkSensorFormats writes 100,000 values like those of published lists in
// each format, and as a floor the values alone, a line each.
func BenchmarkSensorFormats(b *testing.B) {
	const lines = 100_000
	var entries []Entry
	for i := range lines {
		o, err := stix.Detect(benchValue(i))
		if err != nil {
			b.Fatal(err)
		}
		entries = append(entries, Entry{Observable: o, Score: i % 101, TLP: protocol.Green, Since: start})
	}
	slices.SortStableFunc(entries, func(x, y Entry) int {
		return slices.Index(listedTypes(), x.Type) - slices.Index(listedTypes(), y.Type)
	})
	d := &Document{Source: "bank", Entries: Entries{Changed: start, Len: lines, All: slices.Values(entries)}}
	b.Run("values", func(b *testing.B) {
		for b.Loop() {
			var w countingWriter
			for e := range d.All {
				io.WriteString(&w, e.Value)
			}
			b.SetBytes(w.n + lines)
		}
	})
	for _, f := range sensorFormats() {
		b.Run(f.Name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				var w countingWriter
				name := ""
				if len(f.Files) > 0 {
					name = f.Files[len(f.Files)-1]
				}
				if err := f.Write(&w, d, name); err != nil {
					b.Fatal(err)
				}
				b.SetBytes(w.n)
			}
		})
	}
}
