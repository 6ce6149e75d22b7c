package node_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tocsin-exchange/tocsin/node"
	"github.com/tocsin-exchange/tocsin/node/api"
	"github.com/tocsin-exchange/tocsin/node/nodetest"
	"github.com/tocsin-exchange/tocsin/protocol"
	"github.com/tocsin-exchange/tocsin/protocol/stix"
	"github.com/tocsin-exchange/tocsin/trust/policy"
	"github.com/tocsin-exchange/tocsin/trust/score"
)

// TestWhatMayAct: what one organisation says is observed, an anchor's word may
// act, and so may that of two who were chosen; what nothing may act on never
// does, whoever says so.
func TestWhatMayAct(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fed := nodetest.New(t, `
			bank     -- hospital
			bank     -- vendor
			hospital -- vendor
		`)
		sure := 90
		say := func(org string, values ...string) {
			t.Helper()
			r := api.SubmitRequest{TLP: protocol.Green, Values: values, Confidence: &sure}
			if _, err := fed.Client(org).Submit(t.Context(), r); err != nil {
				t.Fatal(err)
			}
		}
		say("bank", "203.0.113.7", "203.0.113.8", "198.51.100.9")
		say("hospital", "203.0.113.7", "198.51.100.9")
		fed.Settle()
		vendor := fed.Node("vendor")
		tier := func(value string) string {
			t.Helper()
			o, err := stix.Detect(value)
			if err != nil {
				t.Fatal(err)
			}
			j, err := vendor.Judges(time.Now(), node.WholeRecord).Explain(o, vendor.Query())
			if err != nil {
				t.Fatal(err)
			}
			word := "none"
			for _, tier := range score.AllTiers() {
				if j.In(tier) {
					word = tier.String()
				}
			}
			return word + " " + j.Verdicts[score.Block].Rule
		}
		check := func(err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
		}
		decide := func(n *node.Node, text string) policy.Faults {
			t.Helper()
			p, err := policy.Parse([]byte(text))
			check(err)
			rules, err := node.NewRules(p)
			check(err)
			return n.SetRules(rules)
		}
		want := func(when string, rows map[string]string) {
			t.Helper()
			for value, want := range rows {
				if got := tier(value); got != want {
					t.Errorf("%s: %s is %q, want %q", when, value, got, want)
				}
			}
		}
		decide(vendor, "[never-block]\nnetworks = [\"198.51.100.0/24\"]\n")
		want("two were named, neither is an anchor", map[string]string{
			"203.0.113.7": "block corroborated", "203.0.113.8": "alert below-block", "198.51.100.9": "observe never-block", "203.0.113.9": "none nothing-stands",
		})
		check(vendor.SetTrust(t.Context(), fed.Org("bank"), "anchor"))
		want("the bank is an anchor", map[string]string{"203.0.113.7": "block anchor", "203.0.113.8": "block anchor", "198.51.100.9": "observe never-block"})
		check(vendor.SetTrust(t.Context(), fed.Org("bank"), "10"))
		want("the bank is hardly believed", map[string]string{"203.0.113.7": "alert below-block", "203.0.113.8": "observe below-block"})
		if err := vendor.SetTrust(t.Context(), fed.Org("bank"), "101"); !errors.Is(err, node.ErrUsage) {
			t.Errorf("trust 101: %v", err)
		}
		fed.Stop("vendor")
		fed.Restart("vendor")
		vendor = fed.Node("vendor")
		want("after a restart", map[string]string{"203.0.113.8": "observe below-block"})

		if faults := decide(vendor, "[trust.org]\nbank = \"anchor\"\nnobody = 70\n"); len(faults) != 1 || faults[0].Line != 3 {
			t.Errorf("faults: %v", faults)
		}
		want("the policy says so", map[string]string{"203.0.113.8": "block anchor"})
		if err := vendor.SetTrust(t.Context(), fed.Org("bank"), "10"); !errors.Is(err, node.ErrRefused) {
			t.Errorf("trust against the policy: %v", err)
		}
	})
}
