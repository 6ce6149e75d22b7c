package node_test

import (
	"errors"
	"testing"
	"testing/synctest"

	"github.com/tocsin-exchange/tocsin/node"
	"github.com/tocsin-exchange/tocsin/node/nodetest"
	"github.com/tocsin-exchange/tocsin/trust/policy"
)

// TestClientsOfThePolicy: whom the policy calls a client is one for as long as it
// says so and somebody has that name, also after a restart; and nobody ends that
// but the policy. A level given at the command line holds for a client, too.
func TestClientsOfThePolicy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var begin *node.Rules
		fed := nodetest.New(t, `
			bank -- cert
			cert -- utility
			cert -- shop
		`, func(org string, c *node.Config) {
			if org == "cert" {
				c.Rules = begin
			}
		})
		cert, utility, shop := fed.Node("cert"), fed.Org("utility"), fed.Org("shop")
		set := func(text string) {
			t.Helper()
			p, err := policy.Parse([]byte(text))
			if err != nil {
				t.Fatal(err)
			}
			if begin, err = node.NewRules(p); err != nil {
				t.Fatal(err)
			}
			cert.SetRules(begin)
		}
		want := func(when string, inUtility, inShop bool) {
			t.Helper()
			if a, b := cert.IsClient(utility), cert.IsClient(shop); a != inUtility || b != inShop {
				t.Errorf("%s: utility %t, shop %t", when, a, b)
			}
		}
		check := func(err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
		}
		want("before", false, false)
		check(cert.AddClient(t.Context(), shop))
		set(`clients = ["utility", "branch"]`)
		want("the policy names one", true, true)
		if err := cert.RemoveClient(t.Context(), utility); !errors.Is(err, node.ErrRefused) {
			t.Errorf("removed against the policy: %v", err)
		}
		check(cert.SetTrust(t.Context(), utility, "80"))
		if got, source := cert.Trust(utility, ""); got.Prior != 80 || source != "peer-trust" {
			t.Errorf("trust in a client: %s by %s", got, source)
		}
		check(cert.RemoveClient(t.Context(), shop))
		want("the other was removed", true, false)
		check(cert.SetName(t.Context(), shop, "branch"))
		want("the other has a name of the policy", true, true)

		fed.Stop("cert")
		fed.Restart("cert")
		cert = fed.Node("cert")
		want("after a restart", true, true)
		set("")
		want("the policy names nobody", false, false)
	})
}
