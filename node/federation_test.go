package node_test

import (
	"testing"
	"testing/synctest"

	"github.com/tocsin-exchange/tocsin/node/nodetest"
	"github.com/tocsin-exchange/tocsin/protocol"
)

func TestGreenCrossesThreeHops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fed := nodetest.New(t, `
			bank     -- hospital
			hospital -- vendor
			vendor   -- university
		`)
		green := fed.Submit("bank", "203.0.113.7", protocol.Green)
		fed.Settle()
		fed.HeldBy(green, "bank", "hospital", "vendor", "university")
	})
}
