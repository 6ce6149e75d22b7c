package node_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tocsin-exchange/tocsin/node/nodetest"
	"github.com/tocsin-exchange/tocsin/protocol"
	"github.com/tocsin-exchange/tocsin/storage"
)

// TestDeclinedReachesClientsLater: what a patron declined at first is passed on
// to its client once it holds the body, though that lies behind what was passed
// on already.
func TestDeclinedReachesClientsLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fed := nodetest.New(t, `
			bank -- hospital
			bank -- vendor
			hospital -- vendor
			hospital -- clinic
		`)
		hospital, bank := fed.Node("hospital"), fed.Node("bank").Org()
		if err := errors.Join(hospital.AddClient(t.Context(), fed.Node("clinic").Org()), hospital.Block(t.Context(), bank, "test")); err != nil {
			t.Fatal(err)
		}
		said := named(t, fed, "bank", "amber.example", protocol.Amber, "", "hospital", "vendor")
		time.Sleep(5 * time.Minute)
		if header, body := hospital.Store().Has(said.Bulletin); !header || body != storage.Declined {
			t.Errorf("what a blocked author said: header %v, body %v", header, body)
		}
		if err := hospital.Release(t.Context(), bank); err != nil {
			t.Fatal(err)
		}
		time.Sleep(5 * time.Minute)
		fed.HeldBy(said, "bank", "vendor", "hospital", "clinic")
	})
}
