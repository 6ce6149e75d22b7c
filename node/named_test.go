package node_test

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tocsin-exchange/tocsin/node"
	"github.com/tocsin-exchange/tocsin/node/api"
	"github.com/tocsin-exchange/tocsin/node/nodetest"
	"github.com/tocsin-exchange/tocsin/protocol"
	"github.com/tocsin-exchange/tocsin/storage"
)

// named has an organisation say one value to recipients it names.
func named(t *testing.T, f *nodetest.Federation, org, value string, label protocol.TLP, group string, to ...string) node.Receipt {
	t.Helper()
	a, err := f.Client(org).Submit(t.Context(), api.SubmitRequest{TLP: label, Group: group, To: to, Values: []string{value}})
	if err != nil || len(a.Receipts) != 1 {
		t.Fatalf("%s submits %s: %v %v", org, value, a, err)
	}
	return a.Receipts[0]
}

func TestAmberStaysInItsGroup(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := nodetest.New(t, `
			bank -- hospital : health-isac
			bank -- vendor
			vendor -- university
			hospital -- vendor
		`)
		green := f.Submit("bank", "203.0.113.7", protocol.Green)
		amber := named(t, f, "bank", "evil.example", protocol.Amber, "health-isac")
		strict := named(t, f, "hospital", "strict.example", protocol.AmberStrict, "", "bank", "vendor")
		f.Settle()
		f.HeldBy(green, "bank", "hospital", "vendor", "university")
		f.HeldBy(amber, "bank", "hospital")
		f.HeldBy(strict, "bank", "hospital", "vendor")
		signed(t, f, "bank", amber, "hospital")
		signed(t, f, "hospital", strict, "bank", "vendor")
	})
}

// signed checks whose receipts an author has for a bulletin.
func signed(t *testing.T, f *nodetest.Federation, author string, r node.Receipt, orgs ...string) {
	t.Helper()
	d, err := f.Node(author).Delivery(r.Bulletin)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, p := range d.Peers {
		if p.Signed != nil {
			got = append(got, p.Org)
		}
	}
	slices.Sort(orgs)
	if !slices.Equal(got, orgs) {
		t.Errorf("%s has receipts of %v for %s, want %v", author, got, r.Bulletin, orgs)
	}
}

func TestHistoryIsGranted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := nodetest.New(t, `
			bank -- hospital : ir
			bank -- cert
			bank -- vendor
			hospital -- cert
		`)
		first := named(t, f, "hospital", "first.example", protocol.Amber, "ir@bank")
		f.Settle()
		bank := f.Node("bank")
		ir := bank.Groups()[0].ID
		if _, err := bank.ChangeGroup(t.Context(), ir, []protocol.Org{f.Org("vendor")}, nil, 0); err != nil {
			t.Fatal(err)
		}
		f.Settle()
		f.HeldBy(first, "bank", "hospital")
		if _, err := bank.ChangeGroup(t.Context(), ir, []protocol.Org{f.Org("cert")}, nil, 1); err != nil {
			t.Fatal(err)
		}
		time.Sleep(3 * time.Minute)                           // the vendor has no line to the author: another recipient syncs
		f.HeldBy(first, "bank", "hospital", "cert", "vendor") // the newest roster grants it to all in it
		signed(t, f, "hospital", first, "bank", "cert")
	})
}

// TestLateJoinerOfAnErasure: whoever comes after an erasure does not wait for
// ever for a body that nobody has any more.
func TestLateJoinerOfAnErasure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := nodetest.New(t, `
			bank -- hospital
			bank -- cert
		`)
		f.Stop("cert")
		r := f.Submit("bank", "jane@victim.example", protocol.Green)
		f.Settle()
		if _, err := f.Client("bank").Erase(t.Context(), api.TakeBackRequest{Bulletins: []protocol.ID{r.Bulletin}}); err != nil {
			t.Fatal(err)
		}
		f.Settle()
		f.Restart("cert")
		f.Settle()
		for _, org := range []string{"bank", "hospital", "cert"} {
			if held, body := f.Node(org).Store().Has(r.Bulletin); !held || body != storage.Erased {
				t.Errorf("%s: held %v, body %v", org, held, body)
			}
			if wanted := f.Node(org).Store().Wanted(10); len(wanted) > 0 {
				t.Errorf("%s wants %v", org, wanted)
			}
		}
	})
}
