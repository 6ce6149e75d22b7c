package score

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/tocsin-exchange/tocsin/protocol"
	"github.com/tocsin-exchange/tocsin/protocol/stix"
	"pgregory.net/rapid"
)

func claim(org string, confidence int) Evidence {
	return Evidence{Org: orgNamed(org), Confidence: confidence, At: testNow, Until: forever, TLP: protocol.Green}
}

// sybils are introduced by each other behind one stranger, in a chain, a star or
// all by the ten before them, and say the same of the value.
func sybils(c *company, v *Value, door, shape string, n int, kind Kind) {
	names := []string{door}
	for i := range n {
		name := fmt.Sprintf("%s's sybil %d", door, i)
		switch shape {
		case "chain":
			c.introduce("isac", names[len(names)-1], name)
		case "star":
			c.introduce("isac", door, name)
		default:
			for _, by := range names[max(0, len(names)-10):] {
				c.introduce("isac", by, name)
			}
		}
		names = append(names, name)
		e := claim(name, 100)
		e.Kind = kind
		v.Evidence = append(v.Evidence, e)
	}
	c.voices = nil
}

// TestTenThousandSybils: behind one edge they weigh what one newcomer may.
func TestTenThousandSybils(t *testing.T) {
	for _, shape := range []string{"chain", "star", "crowd"} {
		for _, n := range []int{1, 10, 10_000} {
			c := town()
			for i := range n { // whatever they earned
				c.outcomes[orgNamed(fmt.Sprintf("ann's sybil %d", i))] = Outcomes{Confirmed: 1e6, At: testNow}
			}
			v := Value{Type: stix.IPv4Addr}
			sybils(c, &v, "ann", shape, n, Claim)
			began := time.Now()
			j := c.judge(testNow)
			built := time.Since(began)
			got := j.Tiers(v, testNow)
			t.Logf("%-6s %6d sybils: score %d; doors found in %v, judged in %v", shape, n, got.Score, built.Round(time.Microsecond), (time.Since(began) - built).Round(time.Microsecond))
			if got.Score != c.model.NewcomerCap || got.In(Block) {
				t.Errorf("%s of %d: %+v, want the newcomer cap", shape, n, got)
			}
			v.Evidence = append(v.Evidence, claim("bank", 90))
			if got := j.Tiers(v, testNow); got.Score != 80 || !got.In(Block) { // 1 - 0.28 x 0.70
				t.Errorf("%s of %d beside the bank: %+v", shape, n, got)
			}
		}
	}
}

// TestSybilsNeverRaiseTheSum draws doors, claims and where sybils go.
func TestSybilsNeverRaiseTheSum(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c, v := town(), drawValue(t, townsfolk)
		door := rapid.SampledFrom([]string{"ann", "ben", "amy", "abe", "bob", "bix", "hal", "carl", "cody"}).Draw(t, "door")
		shape := rapid.SampledFrom([]string{"chain", "star", "crowd"}).Draw(t, "shape")
		one, many := town(), v
		first := rapid.IntRange(1, 3).Draw(t, "first")
		sybils(one, &v, door, shape, 16+first, Claim)
		sybils(c, &many, door, shape, 16+first+rapid.IntRange(1, 40).Draw(t, "more"), Claim)
		before, after := one.judge(testNow).Tiers(v, testNow), c.judge(testNow).Tiers(many, testNow)
		if after.Score > before.Score || after.In(Block) && !before.In(Block) {
			t.Fatalf("more sybils behind %s make %+v %+v", door, before, after)
		}
	})
}

// TestSybilsDoubtNobodyChosen: strangers contradict strangers only.
func TestSybilsDoubtNobodyChosen(t *testing.T) {
	c := town()
	v := Value{Type: stix.IPv4Addr, Evidence: []Evidence{claim("cert", 90)}}
	for _, door := range []string{"ann", "ben", "bob", "hal", "cody"} {
		sybils(c, &v, door, "star", 1000, Harmless)
	}
	if got := c.judge(testNow).Tiers(v, testNow); got.Score != 90 || !got.In(Block) {
		t.Errorf("%+v", got)
	}
}

func TestDoors(t *testing.T) {
	c := town()
	c.introduce("isac", "ben", "abe")
	c.introduce("club", "cody", "ann")
	v := c.judge(testNow).Voices
	for name, want := range map[string]string{
		"ann": "ann founders", "amy": "ann founders", "abe": "ann ben founders", "bob": "bob", "bix": "bob", "cleo": "founders", "cody": "founders",
		"bank": "", "we": "", "foe": "", "fay": "", "nobody": "",
	} {
		wanted := map[string]bool{}
		for _, w := range strings.Fields(want) {
			wanted[w] = true
		}
		doors := v.Doors(orgNamed(name))
		for _, d := range doors {
			called := "founders"
			for _, n := range townsfolk {
				if orgNamed(n) == d.Org {
					called = n
				}
			}
			if !wanted[called] {
				t.Errorf("%s came in by %s", name, called)
			}
		}
		if len(doors) != len(wanted) {
			t.Errorf("%s came in by %d doors, want %s", name, len(doors), want)
		}
	}
}

// TestFewDoorsOfMany: where everybody introduced everybody, each keeps its own
// door and the same lowest ones, in whatever order the statements are read.
func TestFewDoorsOfMany(t *testing.T) {
	build := func() *company {
		c := newCompany()
		c.level("we", Own, Unstated)
		c.founder("isac", "we")
		for i := range 40 {
			c.introduce("isac", "we", fmt.Sprint(i))
			for k := range 40 {
				if k != i {
					c.introduce("isac", fmt.Sprint(k), fmt.Sprint(i))
				}
			}
		}
		return c
	}
	a, b := build().judge(testNow).Voices, build().judge(testNow).Voices
	for i := range 40 {
		org := orgNamed(fmt.Sprint(i))
		doors := a.Doors(org)
		own := false
		for _, d := range doors {
			own = own || d.Org == org
		}
		if !own || len(doors) < mostDoors || len(doors) > mostDoors+1 || fmt.Sprint(doors) != fmt.Sprint(b.Doors(org)) {
			t.Errorf("%d: %d doors, its own %v", i, len(doors), own)
		}
	}
}

// TestWhitewashing: whoever is caught, leaves and comes back under a new key has
// never more than a newcomer has, and needs a new introduction each time.
func TestWhitewashing(t *testing.T) {
	c := town()
	v := Value{Type: stix.IPv4Addr}
	most := 0
	for life := range 50 {
		name := fmt.Sprintf("life %d", life)
		c.introduce("isac", "ann", name)
		c.voices = nil
		v.Evidence = append(v.Evidence, claim(name, 100)) // what earlier lives said stands too
		now := testNow + int64(life)*day
		got := c.judge(now).Tiers(v, now)
		most = max(most, got.Score)
		if got.In(Block) {
			t.Errorf("life %d blocks", life)
		}
		for range 3 {
			c.outcomes[orgNamed(name)] = c.model.Add(c.outcomes[orgNamed(name)], FalsePositive, 1, now)
		}
	}
	t.Logf("50 lives behind one door: score %d at most", most)
	if most != c.model.Newcomer {
		t.Errorf("whitewashing reaches %d, a newcomer %d", most, c.model.Newcomer)
	}
}
