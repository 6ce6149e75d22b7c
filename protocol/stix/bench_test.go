package stix

import (
	"strings"
	"testing"
	"time"
)

var sampleTime = time.Date(2026, 11, 22, 9, 30, 0, 123e6, time.UTC)

func sampleIndicator(o Observable) Indicator {
	return Indicator{
		ID: IndicatorID(nil, []Observable{o}), Observable: o, Confidence: 80, Labels: []string{"botnet", "c2"},
		Created: sampleTime, Modified: sampleTime, ValidFrom: sampleTime, ValidUntil: sampleTime.AddDate(0, 1, 0),
	}
}

func BenchmarkParse(b *testing.B) {
	raw := sampleIndicator(Observable{IPv4Addr, "203.0.113.7"}).AppendJSON(nil)
	b.ReportAllocs()
	b.SetBytes(int64(len(raw)))
	for b.Loop() {
		if _, err := Parse(raw); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkAppendJSON(b *testing.B) {
	i := sampleIndicator(Observable{IPv4Addr, "203.0.113.7"})
	var buf []byte
	b.ReportAllocs()
	for b.Loop() {
		buf = i.AppendJSON(buf[:0])
	}
}

func BenchmarkFinish(b *testing.B) {
	d := Draft{Indicator: Indicator{Observable: Observable{DomainName, "evil.example"}, Confidence: 80}}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := d.Finish([]byte("scope"), sampleTime, nil); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkDetect(b *testing.B) {
	for _, s := range []string{
		"203.0.113.7", "203.0.113.7:443", "evil.example", "xn--bcher-kva.example", "https://evil.example/a/b.php?c=d",
		"evil.example/gate.php", "/gate.php", "d41d8cd98f00b204e9800998ecf8427f", "hxxps://evil[.]example/x", "Win32/Okrum.E",
	} {
		b.Run(s, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_, _ = Detect(s)
			}
		})
	}
}

func BenchmarkSpecialUse(b *testing.B) {
	for _, o := range []Observable{{IPv4Addr, "203.0.113.7"}, {DomainName, "a.evil.example"}, {URL, "https://evil.example/a"}} {
		b.Run(string(o.Type), func(b *testing.B) {
			for b.Loop() {
				_ = o.SpecialUse()
			}
		})
	}
}

func BenchmarkParsePattern(b *testing.B) {
	text := Observable{IPv4Addr, "203.0.113.7"}.Pattern()
	b.ReportAllocs()
	for b.Loop() {
		p, err := ParsePattern(text)
		if err != nil || len(p.Observables()) != 1 {
			b.Fatal(err)
		}
	}
}

// BenchmarkParseHostile reads objects of the largest size that are made to be
// slow.
func BenchmarkParseHostile(b *testing.B) {
	fill := func(unit, head, tail string) []byte {
		return []byte(head + strings.Repeat(unit, (MaxObject-len(head)-len(tail))/len(unit)) + tail)
	}
	head := object(`{$SDO,"name":"a","x_a":`)
	for _, c := range []struct {
		name string
		raw  []byte
	}{
		{"string", fill("a", head+`"`, `"}`)},
		{"escapes", fill(`\u0041`, head+`"`, `"}`)},
		{"list", fill("1,", head+`[`, `1]}`)},
		{"names", fill(`"A":1,`, head+`{`, `"a":1}}`)},
		{"objects", fill(`{"A":1},`, head+`[`, `{}]}`)},
		{"nested", fill(`{"A":1,"B":2,"c":[{}]},`, head+`[`, `{}]}`)},
		{"deep", fill(strings.Repeat("[", MaxDepth-2)+"1"+strings.Repeat("]", MaxDepth-2)+",", head+`[`, `1]}`)},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.SetBytes(int64(len(c.raw)))
			for b.Loop() {
				_, _ = Parse(c.raw)
			}
		})
	}
}
