package score

import (
	"fmt"
	"testing"
	"time"

	"github.com/tocsin-exchange/tocsin/protocol"
	"github.com/tocsin-exchange/tocsin/protocol/stix"
)

func valueOf(claims int) Value {
	v := Value{Type: stix.IPv4Addr}
	for i := range claims {
		e := claim(townsfolk[i%len(townsfolk)], 80)
		if i >= len(townsfolk) {
			e.Org = orgNamed(fmt.Sprint("other ", i))
		}
		v.Evidence = append(v.Evidence, e)
	}
	return v
}

func BenchmarkTiers(b *testing.B) {
	for _, row := range []struct {
		name   string
		claims []Evidence
	}{
		{"one claim that only shows", []Evidence{claim("ann", 80)}},
		{"one claim that blocks", []Evidence{claim("cert", 80)}},
		{"two that block", []Evidence{claim("bank", 80), claim("hospital", 80)}},
		{"eight", valueOf(8).Evidence},
		{"a hundred", valueOf(100).Evidence},
	} {
		b.Run(row.name, func(b *testing.B) {
			v := Value{Type: stix.IPv4Addr, Evidence: row.claims}
			j := town().judge(testNow)
			b.ReportAllocs()
			for b.Loop() {
				j.Tiers(v, testNow)
			}
		})
	}
}

// TestJudgingAllocatesLittle where a value has the few claims that most have.
func TestJudgingAllocatesLittle(t *testing.T) {
	j := town().judge(testNow)
	for most, claims := range map[float64][]Evidence{1: {claim("ann", 80)}, 2: {claim("bank", 80), claim("hospital", 80), claim("vendor", 80)}} {
		v := Value{Type: stix.IPv4Addr, Evidence: claims}
		if n := testing.AllocsPerRun(100, func() { j.Tiers(v, testNow) }); n > most {
			t.Errorf("%d claims: %v allocations, want at most %v", len(claims), n, most)
		}
	}
}

// TestManyExpiries: whoever makes evidence end at ten thousand moments gets an
// early answer, not a late or slow one.
func TestManyExpiries(t *testing.T) {
	c := newCompany()
	c.level("we", Own, Unstated)
	v := Value{Type: stix.SHA256}
	for i := range 10_000 {
		v.Evidence = append(v.Evidence, Evidence{Org: orgNamed("we"), Confidence: 90, At: testNow, Until: testNow + int64(i+1), TLP: protocol.Clear})
	}
	began := time.Now()
	got := c.judge(testNow).Tiers(v, testNow)
	if until := got.Until(Block); until < testNow+mostSteps-1 || until >= testNow+10_000 {
		t.Errorf("blocked until %d", until-testNow)
	}
	if took := time.Since(began); took > 2*time.Second {
		t.Errorf("took %v", took)
	}
}
