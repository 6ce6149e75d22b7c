package node

import (
	"crypto/ed25519"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tocsin-exchange/tocsin/protocol"
	"github.com/tocsin-exchange/tocsin/trust/policy"
)

// TestVainWorkWaits: what one peer wastes, of whatever kind, adds up, and only
// that peer waits.
func TestVainWorkWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, wasteful, other := NewGate(), PeerID(protocol.Node{1}), PeerID(protocol.Node{2})
		for range 200 {
			if wait := g.vain(wasteful, costSession/2) + g.vain(wasteful, costCheck); wait > 0 && g.vain(other, 0) > 0 {
				t.Fatalf("it waits %s, and so does another", wait)
			}
		}
		if wait := g.vain(wasteful, vainWork.burst); wait < time.Second {
			t.Errorf("it waits %s only", wait)
		}
		if wait := g.vain(other, vainWork.burst/2); wait > 0 {
			t.Errorf("another waits %s", wait)
		}
		time.Sleep(time.Minute)
		if wait := g.vain(wasteful, 0); wait > 0 {
			t.Errorf("it waits %s more after a minute", wait)
		}
	})
}

// TestServedAgain: all there is may be asked for, twice, and what is new as well.
func TestServedAgain(t *testing.T) {
	var s served
	asker, other := protocol.Node{1}, protocol.Node{2}
	again := func(node protocol.Node) float64 { _, again := s.count(node, 1<<20); return again }
	s.keep(50 << 20)
	for range 100 + servedFree>>20 {
		if much := again(asker); much > 0 {
			t.Fatalf("%.0f bytes count as asked for again", much)
		}
	}
	if much := again(asker); much != 1<<20 {
		t.Errorf("%.0f bytes count as asked for again, want all of them", much)
	}
	if much := again(other); much != 0 {
		t.Errorf("another's %.0f bytes count as asked for again", much)
	}
	s.keep(1 << 20)
	if much := again(asker); much != 0 {
		t.Errorf("%.0f bytes count as asked for again when as many are new", much)
	}
}

// TestServedOfThePast: what came since somebody first asked is not of the past.
func TestServedOfThePast(t *testing.T) {
	var s served
	asker, other := protocol.Node{1}, protocol.Node{2}
	s.keep(50 << 20)
	if old, _ := s.count(asker, 1<<20); old != 1<<20 {
		t.Errorf("%.0f bytes are of the past, want all", old)
	}
	s.keep(3 << 20)
	for _, want := range []float64{0, 0, 1 << 20} {
		if old, _ := s.count(asker, 1<<20); old != want {
			t.Errorf("%.0f bytes are of the past, want %.0f", old, want)
		}
	}
	if old, _ := s.count(other, 1<<20); old != 1<<20 {
		t.Errorf("%.0f bytes are of another's past, want all", old)
	}
}

// TestPullsOfStatements: a node that says too much is asked for no more of it,
// and what keeps its organisation from being heard is not its statements.
func TestPullsOfStatements(t *testing.T) {
	q, org, now := newQuota(func(protocol.Org) policy.Allowance { return policy.Default().Quota.Allowance }), protocol.Org{1}, time.Now()
	stream := func(node byte, kind protocol.Kind) protocol.Stream {
		return protocol.Stream{Node: protocol.Node{node}, Kind: kind}
	}
	for _, kind := range []protocol.Kind{protocol.Objects, protocol.Statements} {
		h := protocol.Header{Kind: kind, Certificate: protocol.Certificate{Org: org, Node: protocol.Node{2}}}
		for range int(pullRate.burst) {
			if q.shut(stream(2, kind), org, false, now) {
				t.Fatal("shut too early")
			}
			q.pulled(&h, now)
		}
	}
	for _, c := range []struct {
		s    protocol.Stream
		org  protocol.Org
		shut bool
	}{
		{stream(2, protocol.Objects), org, true},
		{stream(2, protocol.Statements), org, true},
		{stream(3, protocol.Objects), org, true},
		{stream(3, protocol.Statements), org, false},
		{stream(4, protocol.Objects), protocol.Org{9}, false},
	} {
		if got := q.shut(c.s, c.org, false, now); got != c.shut {
			t.Errorf("node %d, kind %d: shut %v, want %v", c.s.Node[0], c.s.Kind, got, c.shut)
		}
	}
	if q.shut(stream(2, protocol.Objects), org, false, now.Add(time.Second)) {
		t.Error("it is never heard again")
	}
}

// drip is a connection on which a byte comes with every read.
type drip struct{ net.Conn }

func (drip) Read(b []byte) (int, error) { return 1, nil }

// TestFramesAreReadAtARate: however small its frames, a peer sends so many.
func TestFramesAreReadAtARate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, b, began := NewGate(), make([]byte, 1), time.Now()
		c := pacedConn{drip{}, protocol.Node{1}, g}
		read := func(reads float64) time.Duration {
			for range int(reads) {
				c.Read(b)
			}
			return time.Since(began)
		}
		if took := read(frameRate.burst); took > 0 {
			t.Errorf("what may come at once took %s", took)
		}
		if took := read(10 * frameRate.perSecond); took < 9*time.Second || took > 11*time.Second {
			t.Errorf("ten seconds' worth took %s", took)
		}
	})
}

// TestSpentAuthorIsNotChecked: once an author's budget is used up, messages in
// its name are dropped before their signatures are looked at, and whoever hands
// them over pays for that little.
func TestSpentAuthorIsNotChecked(t *testing.T) {
	wire := func() ([]byte, protocol.Org) {
		_, org, _ := ed25519.GenerateKey(nil)
		_, key, _ := ed25519.GenerateKey(nil)
		cert := protocol.Certify(org, protocol.NodeOf(key), time.Now().Add(-time.Hour), time.Now().Add(time.Hour))
		b, err := protocol.Sign(key, cert, protocol.Header{Kind: protocol.Objects, Community: protocol.ID{1}, TLP: protocol.Green, Epoch: 1, Seq: 1, Issued: protocol.Millis(time.Now())}, [][]byte{[]byte("{}")})
		if err != nil {
			t.Fatal(err)
		}
		return b.Wire(), cert.Org
	}
	n, from := &Node{gate: NewGate()}, PeerID(protocol.Node{1})
	first, author := wire()
	second, _ := wire()
	if n.spent(first, from) || n.spent(second, from) || n.spent([]byte("no bulletin"), from) {
		t.Error("dropped before anything was said")
	}
	for n.counters.budget.take(author, authorBudget, time.Now()) {
	}
	first[len(first)-1] ^= 1
	if !n.spent(first, from) || n.spent(second, from) {
		t.Error("it is not the author who has said too much that is dropped")
	}
	if counted := n.counters.overBudget.Load(); counted != 1 {
		t.Errorf("%d are counted, want 1", counted)
	}
	node, _ := NodeID(from)
	if n.gate.wasted.has(node, vainWork.burst, vainWork, time.Now()) {
		t.Error("whoever handed it over paid nothing")
	}
}
