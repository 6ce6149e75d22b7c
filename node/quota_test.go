package node_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tocsin-exchange/tocsin/node"
	"github.com/tocsin-exchange/tocsin/node/api"
	"github.com/tocsin-exchange/tocsin/node/nodetest"
	"github.com/tocsin-exchange/tocsin/protocol"
	"github.com/tocsin-exchange/tocsin/storage"
	"github.com/tocsin-exchange/tocsin/trust/policy"
)

// TestQuota: of an author over its quota headers alone are taken, each with the
// reason; others are not affected; and once there is room the bodies come.
func TestQuota(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var err error
		fed := nodetest.New(t, "hospital -- bank\nvendor -- bank", func(org string, c *node.Config) {
			c.SyncEvery = time.Hour
			if org == "bank" {
				p := policy.Default()
				p.Quota.Bytes = 16 << 10 // 256 KiB at once
				if c.Rules, err = node.NewRules(p); err != nil {
					t.Fatal(err)
				}
			}
		})
		var said []node.Receipt
		for i := range 60 {
			r := api.SubmitRequest{TLP: protocol.Green, Values: []string{fmt.Sprintf("host%d.example", i)}, Description: strings.Repeat("x", 5000)}
			a, err := fed.Client("hospital").Submit(t.Context(), r)
			if err != nil || len(a.Receipts) != 1 {
				t.Fatal(a, err)
			}
			said = append(said, a.Receipts[0])
			time.Sleep(100 * time.Millisecond)
		}
		fed.Settle()
		bank := fed.Node("bank").Store()
		count := func() (held int) {
			for _, s := range said {
				header, state := bank.Has(s.Bulletin)
				switch {
				case !header:
					t.Error("a header is missing")
				case state == storage.Held:
					held++
				default:
					if r, err := bank.Receipt(s.Bulletin); err != nil || r.Reason != "over-quota" {
						t.Errorf("declined because of %q (%v)", r.Reason, err)
					}
				}
			}
			return held
		}
		held := count()
		if held < 20 || held > len(said)-5 || fed.Node("bank").Counts()["bodies_over_quota"] == 0 {
			t.Errorf("%d bodies of %d are held", held, len(said))
		}
		other := fed.Submit("vendor", "203.0.113.7", protocol.Green)
		fed.Settle()
		fed.HeldBy(other, "bank", "hospital", "vendor")
		time.Sleep(15 * time.Hour)
		if later := count(); later <= held {
			t.Errorf("%d bodies are held now, %d were before", later, held)
		}
	})
}

// TestQuotaOfThePolicy: how many objects an author may have us take is in the
// policy, for one more than for another.
func TestQuotaOfThePolicy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fed := nodetest.New(t, "hospital -- bank\nvendor -- bank", func(org string, c *node.Config) { c.SyncEvery = time.Hour })
		p, err := policy.Parse([]byte("[quota]\nindicators = 1\n[quota.org.vendor]\nindicators = 1000\n"))
		if err != nil {
			t.Fatal(err)
		}
		rules, err := node.NewRules(p)
		if err != nil {
			t.Fatal(err)
		}
		bank := fed.Node("bank")
		if faults := bank.SetRules(rules); len(faults) > 0 {
			t.Fatal(faults)
		}
		held := func(org string) (held int) {
			for i := range 30 {
				r := fed.Submit(org, fmt.Sprintf("%s%d.example", org, i), protocol.Green)
				fed.Settle()
				if _, state := bank.Store().Has(r.Bulletin); state == storage.Held {
					held++
				}
			}
			return held
		}
		if n := held("hospital"); n < 10 || n > 20 { // sixteen days' worth at once
			t.Errorf("%d bodies of the hospital are held", n)
		}
		if n := held("vendor"); n != 30 {
			t.Errorf("%d bodies of the vendor are held", n)
		}
	})
}
