package node

import (
	"context"
	"crypto/ed25519"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tocsin-exchange/tocsin/protocol"
	"github.com/tocsin-exchange/tocsin/trust/policy"
)

// TestRenewalOf400Days: a node that runs for 400 days renews its certificate
// once, 30 days before the end, keeps it, and again when keeping it failed.
func TestRenewalOf400Days(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, org, err := ed25519.GenerateKey(nil)
		if err != nil {
			t.Fatal(err)
		}
		_, key, err := ed25519.GenerateKey(nil)
		if err != nil {
			t.Fatal(err)
		}
		began, day := time.Now(), 24*time.Hour
		first := protocol.Certify(org, protocol.NodeOf(key), began, began.Add(365*day))
		var kept []protocol.Certificate
		var at []time.Duration
		ctx, cancel := context.WithCancel(t.Context())
		n := &Node{
			gate: NewGate(), key: key, org: org, cert: first, log: slog.New(slog.DiscardHandler), known: newKnowledge(), outbox: newOutbox(), enforce: make(chan struct{}, 1), ctx: ctx, audit: newAudit(Config{Key: key}), recorder: newBasisRecorder(),
			keep: func(c protocol.Certificate) error {
				at = append(at, time.Since(began))
				if len(at) == 1 {
					return context.DeadlineExceeded // the disk was full for a moment
				}
				kept = append(kept, c)
				return nil
			},
		}
		rules, err := NewRules(policy.Default())
		if err != nil {
			t.Fatal(err)
		}
		n.rules.Store(rules)
		n.wg.Go(n.runRenew)
		for range 400 {
			time.Sleep(day)
			if now := protocol.Millis(time.Now()); !n.certificate().Covers(now) {
				t.Fatalf("the certificate ended on day %s", time.Since(began)/day)
			}
		}
		cancel()
		n.wg.Wait()
		if len(kept) != 1 || kept[0] != n.certificate() || kept[0].Check() != nil || kept[0].Node != first.Node || kept[0].Org != first.Org {
			t.Errorf("kept %d certificates: %v", len(kept), kept)
		}
		if len(at) != 2 || at[0] < 335*day || at[1] > 336*day {
			t.Errorf("renewed after %v", at)
		}
		if ends := protocol.Time(n.certificate().NotAfter).Sub(began); ends < 699*day || ends > 701*day {
			t.Errorf("it ends %s after the first began", ends)
		}
	})
}
