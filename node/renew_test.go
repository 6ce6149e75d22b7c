package node_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/tocsin-exchange/tocsin/node"
	"github.com/tocsin-exchange/tocsin/node/nodetest"
	"github.com/tocsin-exchange/tocsin/protocol"
)

// TestRenewedWhileRunning: certificates of an hour are renewed again and again,
// and the peers stay connected and go on hearing. One whose organisation's key
// is elsewhere falls out when its certificate ends.
func TestRenewedWhileRunning(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hour := func(org string, c *node.Config) {
			c.Certificate = protocol.Certify(c.Org, c.Certificate.Node, time.Now().Add(-time.Minute), time.Now().Add(time.Hour))
			if org == "vendor" {
				c.Org = nil
			}
		}
		fed := nodetest.New(t, "bank -- hospital\nbank -- vendor", hour)
		dials := fed.Node("bank").Counts()["dials"]
		time.Sleep(3 * time.Hour)
		if !linkedTo(fed, "bank", fed.Node("hospital").Identity().NodeKey) {
			t.Error("hospital fell out, although it could renew its certificate")
		}
		if now := fed.Node("bank").Counts()["dials"]; now > dials+200 { // vendor is tried, in vain
			t.Errorf("%d dials", now-dials)
		}
		if ends := fed.Node("hospital").Identity().Expires; ends.Before(time.Now().Add(10 * time.Minute)) {
			t.Errorf("hospital's certificate ends %s", ends)
		}
		said := fed.Submit("hospital", "renewed.example", protocol.Green)
		fed.Settle()
		fed.HeldBy(said, "bank", "hospital")
		if linkedTo(fed, "bank", fed.Node("vendor").Identity().NodeKey) {
			t.Error("vendor is connected with a certificate that ended")
		}
	})
}

// TestRenewAt: 30 days before the end, and for short lives when a third is left.
func TestRenewAt(t *testing.T) {
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for _, c := range []struct{ life, want time.Duration }{
		{365 * 24 * time.Hour, 335 * 24 * time.Hour},
		{90 * 24 * time.Hour, 60 * 24 * time.Hour},
		{30 * 24 * time.Hour, 20 * 24 * time.Hour},
		{3 * time.Hour, 2 * time.Hour},
	} {
		cert := protocol.Certificate{NotBefore: protocol.Millis(start), NotAfter: protocol.Millis(start.Add(c.life))}
		if got := node.RenewAt(cert).Sub(start); got != c.want {
			t.Errorf("of %s after %s, want %s", c.life, got, c.want)
		}
	}
}
