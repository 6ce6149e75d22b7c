package node

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/tocsin-exchange/tocsin/protocol"
	"github.com/tocsin-exchange/tocsin/trust/policy"
)

// TestLoadOfOthers: one's own work is not others', and what was done is forgotten.
func TestLoadOfOthers(t *testing.T) {
	var l load
	one, two, now := protocol.Org{1}, protocol.Org{2}, time.Now()
	for range 100 {
		now = now.Add(10 * time.Millisecond)
		l.add(one, 3e-3, now)
	}
	if l.others(one, now) || !l.others(two, now) {
		t.Errorf("others than one have work: %v, others than two: %v", l.others(one, now), l.others(two, now))
	}
	if l.add(two, 10*costAdmitted, now); l.others(one, now) {
		t.Error("ten bulletins count as a load")
	}
	if now = now.Add(3 * loadPast); l.others(two, now) {
		t.Error("a load is never forgotten")
	}
}

// TestBusyPulls: of whoever says much less is asked for while others have work.
func TestBusyPulls(t *testing.T) {
	q, org, now := newQuota(func(protocol.Org) policy.Allowance { return policy.Default().Quota.Allowance }), protocol.Org{1}, time.Now()
	h := protocol.Header{Kind: protocol.Objects, Certificate: protocol.Certificate{Org: org}}
	for range int(busyPulls.burst) {
		q.pulled(&h, now)
	}
	if s := h.Stream(); !q.shut(s, org, true, now) || q.shut(s, org, false, now) || q.shut(s, org, true, now.Add(time.Second)) {
		t.Errorf("shut while busy %v, idle %v, busy a second later %v", q.shut(s, org, true, now), q.shut(s, org, false, now), q.shut(s, org, true, now.Add(time.Second)))
	}
}

// TestStandBack: whoever was sent much of the past waits while others have work,
// and no longer.
func TestStandBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := &Node{ctx: t.Context(), gate: NewGate()}
		asker, other := protocol.Node{1}, protocol.Org{2}
		waited := func() time.Duration {
			begun := time.Now()
			n.standBack(PeerID(asker))
			return time.Since(begun)
		}
		n.counters.history.owe(asker, busyHistory.burst+10*busyHistory.perSecond, busyHistory, time.Now())
		if got := waited(); got > 0 {
			t.Errorf("waited %s though nobody else had work", got)
		}
		n.counters.load.add(other, 1, time.Now())
		if got := waited(); got < time.Second || got > 4*time.Second {
			t.Errorf("waited %s, want until the others' work is done", got)
		}
		if n.counters.load.add(other, 1e6, time.Now()); waited() < 5*time.Second {
			t.Error("did not wait until the debt was paid")
		}
	})
}
