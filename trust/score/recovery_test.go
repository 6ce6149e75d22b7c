package score

import (
	"testing"

	"github.com/tocsin-exchange/tocsin/protocol/stix"
)

// TestCovertFlash lets an organisation behave for long and then lie: it prints
// after how many proven-bad items it blocks nothing any more, whoever it is, and
// how long it has to behave until it is heard again.
func TestCovertFlash(t *testing.T) {
	t.Logf("%-8s %5s %9s | %s", "role", "level", "confirmed", "trust, and after 1, 2, 3 proven-bad items | no block after | days until sound: after 4, 10, 100 items")
	for _, level := range []Level{{Anchor, Unstated}, {Chosen, 100}, {Chosen, 80}, {Chosen, Unstated}} {
		for _, past := range []float64{0, 10_000} {
			c := newCompany()
			c.level("we", Own, Unstated)
			c.level("honest", Chosen, 100)
			c.levels[orgNamed("liar")] = level
			c.outcomes[orgNamed("liar")] = Outcomes{Confirmed: past, At: testNow}
			blocks, trusts := flash(c)
			t.Logf("%-8s %5d %9.0f | %3.0f %3.0f %3.0f %3.0f | %d | %d %d %d", level.Role, c.model.number(level), past,
				trusts[0], trusts[1], trusts[2], trusts[3], blocks, c.recovery(4), c.recovery(10), c.recovery(100))
			if blocks > int(c.model.Strikes) {
				t.Errorf("%v with %v confirmed still blocks after %d proven-bad items", level, past, blocks-1)
			}
		}
	}
}

// flash returns after how many proven-bad items the liar's word no longer makes
// a block, alone or beside one honest and mistaken organisation that would not
// reach it, and its trust after each.
func flash(c *company) (items int, trusts []float64) {
	org := orgNamed("liar")
	j := c.judge(testNow)
	alone := Value{Type: stix.IPv4Addr, Evidence: []Evidence{claim("liar", 100)}}
	beside := Value{Type: stix.IPv4Addr, Evidence: []Evidence{claim("liar", 100), claim("honest", 90)}}
	items = -1
	for n := range 10 {
		tr := c.trust(org, testNow)
		trusts = append(trusts, tr.Value)
		first, second := j.Tiers(alone, testNow), j.Tiers(beside, testNow)
		if !first.In(Block) && !second.In(Block) && items < 0 {
			items = n
		}
		c.outcomes[org] = c.model.Add(c.outcomes[org], FalsePositive, 1, testNow)
	}
	return items, trusts
}

// recovery is how many days after its last proven-bad item an organisation
// speaks with its own voice again.
func (c *company) recovery(items float64) int {
	o := Outcomes{False: items, At: testNow}
	for days := range 1000 {
		if tr := c.model.Trust(Level{Chosen, 80}, o, testNow+int64(days)*day+1); !tr.Discredited {
			return days
		}
	}
	return -1
}

// TestHonestMistakes: who is wrong now and then keeps its voice, and a feed of
// many mistakes keeps alerting though it does not block.
func TestHonestMistakes(t *testing.T) {
	for _, row := range []struct {
		perDay, wrong float64
		sound, alerts bool
	}{
		{2, 0.02, true, true},
		{2, 0.01, true, true},
		{5, 0.02, false, true},
		{2, 0.30, false, false},
	} {
		m, o := Default(), Outcomes{}
		for d := range int64(365) {
			o = m.Add(o, Confirmed, row.perDay*(1-row.wrong), testNow+d*day)
			o = m.Add(o, FalsePositive, row.perDay*row.wrong, testNow+d*day)
		}
		tr := m.Trust(Level{Chosen, 80}, o, testNow+364*day)
		t.Logf("%4.0f outcomes a day, %2.0f%% false: trust %v", row.perDay, 100*row.wrong, tr)
		if !tr.Discredited != row.sound || tr.Value >= float64(m.Alert) != row.alerts {
			t.Errorf("%+v: sound %v, trust %.0f", row, !tr.Discredited, tr.Value)
		}
	}
}
