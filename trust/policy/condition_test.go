package policy

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/tocsin-exchange/tocsin/protocol"
)

func admitRule(when string) string {
	return fmt.Sprintf("[[admit]]\nname = \"x\"\nwhen = %s\ndo = \"decline\"\n", quote(when))
}

func shareRule(when string) string {
	return fmt.Sprintf("[[share]]\nname = \"x\"\nwhen = %s\nallow = true\n", quote(when))
}

// Conditions that would cost too much, or reach too far, are refused when they
// are read.
func TestHostileConditions(t *testing.T) {
	for _, c := range []struct{ what, when, reason string }{
		{"a long text", `"` + strings.Repeat("a", 100<<10) + `" in tags`, "the condition has 102410 bytes"},
		{"a regexp bomb", `tags.exists(t, t.matches("((a{30}){30}){30}"))`, "invalid matches argument"},
		{"a large regexp", `tags.exists(t, t.matches("(a{100}b{100}c{100})"))`, "regex"},
		{"a regexp from the input", `tags.exists(t, person.matches(t))`, "must be written out"},
		{"a regexp that is made up", `person.matches("(a+)+" + person)`, "must be written out"},
		{"loops in loops", `tags.all(a, tags.all(b, tags.all(c, a + b == c)))`, "comprehension"},
		{"two loops over much", `values.exists(a, values.exists(b, a == b))`, "would cost up to"},
		{"a list of lists", `tags.map(a, tags.map(b, tags)).size() > 3`, "would cost up to"},
		{"growing text", `values.map(v, v + v + v + v).exists(v, v.contains(v + v))`, "would cost up to"},
		{"deep parentheses", strings.Repeat("(", 500) + "drill" + strings.Repeat(")", 500), ""},
		{"deep negations", strings.Repeat("!(", 300) + "drill" + strings.Repeat(")", 300), ""},
		{"deep lists", strings.Repeat("[", 300) + strings.Repeat("]", 300) + " == []", ""},
		{"a wide list", "count in [" + strings.Repeat("1,", 1500) + "1]", "node"},
		{"time", `timestamp("2026-01-01T00:00:00Z") > timestamp("2025-01-01T00:00:00Z")`, "undeclared reference to 'timestamp'"},
		{"an extension", `"a,b".split(",").size() > count`, "undeclared reference to 'split'"},
		{"no answer", `tags`, "gives list(string)"},
		{"an answer of any type", `dyn(drill)`, "gives dyn"},
		{"unknown types", `tocsin.Bulletin{} == dyn(3)`, "undeclared reference"},
	} {
		_, err := Parse([]byte(shareRule(c.when)))
		if err == nil || !strings.Contains(err.Error(), "share[1].when: ") || !strings.Contains(err.Error(), c.reason) {
			t.Errorf("%s: %.300v", c.what, err)
		}
	}
}

// What is accepted stays within its cost on the largest input that is asked
// about, or fails in the safe direction; larger input is not asked about.
func TestCostsAreBounded(t *testing.T) {
	fill := func(n, size int) []string {
		list := make([]string, n)
		for i := range list {
			list[i] = fmt.Sprintf("%0*d", size, i)
		}
		return list
	}
	largest := Submission{TLP: protocol.Amber, Tags: fill(1024, 256), Values: fill(4096, 4000), Types: fill(64, 32), To: fill(64, 512)}
	for _, c := range []struct {
		when   string
		do     Action
		rule   string
		atMost uint64
	}{
		{`"finance" in tags`, Allow, "default", maxCost},
		{`values.exists(v, v.endsWith("bank.example"))`, Allow, "default", maxCost},
		{`tags.exists(t, t.matches("^case-[0-9]+$"))`, Allow, "default", maxCost},
		{`values.exists(v, v.contains("bank.example"))`, Refuse, "x", maxCost + 1000}, // 4096 values of 4000 bytes
		{`types.all(t, to.exists_one(u, u == t))`, Allow, "default", maxCost},
	} {
		p, err := Parse([]byte(shareRule(c.when)))
		if err != nil {
			t.Errorf("%s: %v", c.when, err)
			continue
		}
		_, cost, err := p.shares[0].matches(largest.input())
		if cost > c.atMost || cost == 0 {
			t.Errorf("%s: it cost %d (%v)", c.when, cost, err)
		}
		t.Logf("%-50s %9d units, %v", c.when, cost, err)
		if r := p.Share(largest); r.Do != c.do || r.Rule != c.rule {
			t.Errorf("%s: %+v", c.when, r)
		}
	}
}

// All rules together are bounded as well.
func TestTotalCostIsBounded(t *testing.T) {
	var b strings.Builder
	for i := range maxRules {
		fmt.Fprintf(&b, "[[admit]]\nname = \"r%d\"\nwhen = 'tags.exists(t, t.contains(\"some words %d\"))'\ndo = \"admit\"\n", i, i)
	}
	p, err := Parse([]byte(b.String()))
	if err != nil {
		t.Fatal(err)
	}
	a := Arrival{}
	for range 1024 {
		a.Tags = append(a.Tags, strings.Repeat("t", 256))
	}
	if r := p.Admit(a); r.Do != Hold || r.Rule != "limit" || !strings.Contains(r.Reason, "too costly") {
		t.Errorf("%+v", r)
	}
	if r := p.Admit(Arrival{Tags: a.Tags[:10]}); r.Do != Admit || r.Rule != "default" {
		t.Errorf("%+v", r)
	}
}

// Input beyond what conditions were priced for is held or refused, where there
// are rules at all.
func TestTooLargeInput(t *testing.T) {
	p, err := Parse([]byte(admitRule(`"a" in tags`) + strings.ReplaceAll(shareRule(`"a" in tags`), `"x"`, `"y"`)))
	if err != nil {
		t.Fatal(err)
	}
	many, long := make([]string, 1025), []string{strings.Repeat("a", 100<<10)}
	for _, tags := range [][]string{many, long} {
		if r := p.Admit(Arrival{Tags: tags}); r.Do != Hold || r.Rule != "limit" {
			t.Errorf("admit: %+v", r)
		}
		if r := p.Share(Submission{Tags: tags}); r.Do != Refuse || r.Rule != "limit" {
			t.Errorf("share: %+v", r)
		}
		if r := Default().Admit(Arrival{Tags: tags}); r.Do != Admit {
			t.Errorf("without rules: %+v", r)
		}
	}
	if r := p.Admit(Arrival{From: long[0]}); r.Do != Hold || r.Rule != "limit" {
		t.Errorf("from: %+v", r)
	}
}

// A condition that fails holds what comes in and refuses what would go out.
func TestFailingCondition(t *testing.T) {
	p, err := Parse([]byte(admitRule(`100 / bulletin.count > 3`) + strings.ReplaceAll(shareRule(`tags[3] == "a"`), `"x"`, `"y"`)))
	if err != nil {
		t.Fatal(err)
	}
	if r := p.Admit(Arrival{}); r.Do != Hold || r.Rule != "x" || r.Reason != "the condition of rule x failed: division by zero" {
		t.Errorf("%+v", r)
	}
	if r := p.Share(Submission{}); r.Do != Refuse || r.Rule != "y" || r.Reason != "the condition of rule y failed: index out of bounds: 3" {
		t.Errorf("%+v", r)
	}
}

// Many may ask one policy at once.
func TestConcurrent(t *testing.T) {
	p := parseFile(t, "testdata/admit.toml")
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			for n := range 50 {
				want, a := "default", Arrival{Count: 3, Source: Source{Level: 50}}
				if (i+n)%2 == 0 {
					want, a.Tags = "finance-review", []string{"finance"}
				}
				if r := p.Admit(a); r.Rule != want {
					t.Errorf("%+v, want %s", r, want)
				}
			}
		})
	}
	all.Wait()
}
