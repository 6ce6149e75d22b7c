package node_test

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tocsin-exchange/tocsin/node"
	"github.com/tocsin-exchange/tocsin/node/nodetest"
	"github.com/tocsin-exchange/tocsin/protocol"
	"github.com/tocsin-exchange/tocsin/protocol/stix"
)

const line = "bank -- hospital\nhospital -- vendor"

// A liar is an enrolled member that keeps no rule, and speaks to the bank.
type liar struct {
	*nodetest.Raw
	fed *nodetest.Federation
	tap *nodetest.Tap
}

func newLiar(t *testing.T, fed *nodetest.Federation) *liar {
	t.Helper()
	raw := fed.Raw("bank")
	enrol(t, fed, raw)
	l := &liar{raw, fed, raw.Listen(protocol.TopicOf(fed.Community()), ours...)}
	if err := raw.Connect("bank"); err != nil {
		t.Fatal(err)
	}
	fed.Settle()
	return l
}

// say signs an indicator at a place of the liar's own choice.
func (l *liar) say(t *testing.T, h protocol.Header, value string) (*protocol.Bulletin, node.Receipt) {
	t.Helper()
	claim := stix.Observable{Type: "domain-name", Value: value}
	d := stix.Draft{Indicator: stix.Indicator{Observable: claim, Confidence: -1}, Confidence: -1}
	o, err := d.Finish([]byte("liar"), time.Now(), func(string) bool { return false })
	if err != nil {
		t.Fatal(err)
	}
	h.Community, h.TLP = l.fed.Community(), protocol.Green
	b := l.Bulletin(h, string(o.Raw))
	return b, node.Receipt{Bulletin: b.ID(), ID: o.ID, Claims: []stix.Observable{claim}}
}

// in signs something for another community, always at the same place.
func (l *liar) in(community protocol.ID) *protocol.Bulletin {
	return l.Bulletin(protocol.Header{Epoch: 7, Seq: 1, Community: community, TLP: protocol.Green}, "{}")
}

func (l *liar) gossip(t *testing.T, list ...*protocol.Bulletin) {
	t.Helper()
	for _, b := range list {
		if err := l.tap.Say(t.Context(), b.Wire()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(100 * time.Millisecond)
	}
	l.fed.Settle()
}

// quarantinedBy returns the organisations that quarantine another.
func quarantinedBy(fed *nodetest.Federation, org protocol.Org) (by []string) {
	for _, name := range fed.Orgs() {
		for _, q := range fed.Node(name).Quarantined() {
			if q.OrgKey == org {
				by = append(by, name)
			}
		}
	}
	return by
}

func wantQuarantinedBy(t *testing.T, fed *nodetest.Federation, org protocol.Org, want ...string) {
	t.Helper()
	if got := quarantinedBy(fed, org); !slices.Equal(got, want) {
		t.Errorf("quarantined by %v, want %v", got, want)
	}
}

// proofs counts the statements of equivocation an organisation's node holds.
func proofs(t *testing.T, fed *nodetest.Federation, org string) (count int) {
	t.Helper()
	for b, err := range fed.Node(org).Store().Statements(fed.Community()) {
		if err != nil {
			t.Fatal(err)
		}
		for _, object := range b.Objects() {
			if s, err := protocol.DecodeStatement(object); err == nil && s.Equivocation != nil {
				count++
			}
		}
	}
	return count
}

// TestEquivocatorIsQuarantined: a member says two things at one place. Within
// seconds nobody acts on what it says; its log is held and passed on all the
// same, it stays connected, and one node tells the others.
func TestEquivocatorIsQuarantined(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fed := nodetest.New(t, line)
		l := newLiar(t, fed)
		liarOrg := protocol.OrgOf(l.Org)
		one, first := l.say(t, protocol.Header{Epoch: 7, Seq: 1}, "one.example")
		l.gossip(t, one)
		fed.HeldBy(first, "bank", "hospital", "vendor")
		wantQuarantinedBy(t, fed, liarOrg)

		other, second := l.say(t, protocol.Header{Epoch: 7, Seq: 1}, "other.example")
		next, third := l.say(t, protocol.Header{Epoch: 7, Seq: 2, Prev: one.ID()}, "next.example")
		l.gossip(t, other, next)
		more, _ := l.say(t, protocol.Header{Epoch: 7, Seq: 2, Prev: one.ID()}, "more.example")
		l.gossip(t, more) // nobody needs to be told again
		wantQuarantinedBy(t, fed, liarOrg, "bank", "hospital", "vendor")
		for _, r := range []node.Receipt{first, second, third} {
			fed.HeldBy(r)
			for _, name := range fed.Orgs() {
				if held, body := fed.Node(name).Store().Has(r.Bulletin); !held || body.String() != "held" {
					t.Errorf("%s does not keep %v: %t, %s", name, r.Claims, held, body)
				}
			}
		}
		if !l.Connected("bank") {
			t.Error("the liar was cut off: others could not see its log through us")
		}
		for _, name := range fed.Orgs() {
			if n := proofs(t, fed, name); n != 1 {
				t.Errorf("%s holds %d proofs, one is enough", name, n)
			}
		}

		release := func() {
			if err := fed.Node("bank").Release(t.Context(), liarOrg); err != nil {
				t.Fatal(err)
			}
			fed.Settle()
			wantQuarantinedBy(t, fed, liarOrg, "hospital", "vendor")
		}
		release()
		fed.HeldBy(first, "bank")
		fed.HeldBy(second, "bank")
		again, _ := l.say(t, protocol.Header{Epoch: 7, Seq: 2, Prev: other.ID()}, "again.example")
		l.gossip(t, again) // another proof
		wantQuarantinedBy(t, fed, liarOrg, "bank", "hospital", "vendor")
		release()
		for _, name := range []string{"bank", "hospital"} { // both remember
			fed.Stop(name)
			fed.Restart(name)
		}
		fed.Settle()
		wantQuarantinedBy(t, fed, liarOrg, "hospital", "vendor")
	})
}

// TestProofIsEnough: whoever holds neither header, or one of them, learns from
// the statement; and a statement that proves nothing does nothing, to nobody.
func TestProofIsEnough(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fed := nodetest.New(t, line)
		l := newLiar(t, fed)
		liarOrg := protocol.OrgOf(l.Org)
		one, first := l.say(t, protocol.Header{Epoch: 7, Seq: 1}, "one.example")
		other, _ := l.say(t, protocol.Header{Epoch: 7, Seq: 1}, "other.example")
		elsewhere, _ := l.say(t, protocol.Header{Epoch: 7, Seq: 2, Prev: one.ID()}, "elsewhere.example")
		honest := honestHeader(t, fed, "hospital")
		l.gossip(t, one)

		seq := uint64(0)
		state := func(a, b *protocol.Bulletin, spoil func(*protocol.Equivocation)) {
			e := &protocol.Equivocation{}
			e.HeaderA, e.SigA = a.HeaderBytes()
			e.HeaderB, e.SigB = b.HeaderBytes()
			spoil(e)
			seq++
			h := protocol.Header{Kind: protocol.Statements, Community: fed.Community(), TLP: protocol.Green, Epoch: 8 + seq, Seq: 1}
			l.gossip(t, l.Bulletin(h, string(protocol.Statement{Equivocation: e}.Encode())))
		}
		state(one, other, func(e *protocol.Equivocation) { e.SigB[9] ^= 1 })
		state(l.in(protocol.ID{1}), l.in(protocol.ID{1}), func(*protocol.Equivocation) {}) // for those of that community to hear
		state(one, one, func(*protocol.Equivocation) {})
		state(one, elsewhere, func(*protocol.Equivocation) {})
		state(one, honest, func(*protocol.Equivocation) {})
		state(honest, one, func(e *protocol.Equivocation) {
			e.HeaderB, e.SigB = slices.Clone(e.HeaderA), e.SigA
			e.HeaderB[40] ^= 1
		})
		for _, name := range fed.Orgs() {
			if q := fed.Node(name).Quarantined(); len(q) != 0 {
				t.Errorf("%s quarantines by a proof of nothing: %+v", name, q)
			}
		}
		fed.HeldBy(first, "bank", "hospital", "vendor")
		if !l.Connected("bank") {
			t.Error("a statement that says nothing cost its author the connection")
		}
		state(one, other, func(*protocol.Equivocation) {})
		wantQuarantinedBy(t, fed, liarOrg, "bank", "hospital", "vendor")
		fed.HeldBy(first)
	})
}

func honestHeader(t *testing.T, fed *nodetest.Federation, org string) *protocol.Bulletin {
	t.Helper()
	said := fed.Submit(org, "honest.example", protocol.Green)
	b, _, err := fed.Node(org).Store().Header(said.Bulletin)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestBackdatingIsFound: a bulletin dated before the one it follows, in one
// epoch, is found in whichever order the two arrive, and everybody finds it.
func TestBackdatingIsFound(t *testing.T) {
	for _, inOrder := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			fed := nodetest.New(t, line)
			l := newLiar(t, fed)
			now := protocol.Millis(time.Now())
			one, _ := l.say(t, protocol.Header{Epoch: 7, Seq: 1, Issued: now - 60_000}, "one.example")
			two, _ := l.say(t, protocol.Header{Epoch: 7, Seq: 2, Prev: one.ID(), Issued: now - 60_001}, "two.example")
			fresh, _ := l.say(t, protocol.Header{Epoch: 8, Seq: 1, Prev: two.ID(), Issued: now - 70_000}, "fresh.example")
			list := []*protocol.Bulletin{fresh, one, two}
			if !inOrder {
				slices.Reverse(list)
			}
			l.gossip(t, list[0])
			wantQuarantinedBy(t, fed, protocol.OrgOf(l.Org)) // in another epoch the clock may have been set
			l.gossip(t, list[1:]...)
			wantQuarantinedBy(t, fed, protocol.OrgOf(l.Org), "bank", "hospital", "vendor")
			if n := proofs(t, fed, "vendor"); n != 0 {
				t.Errorf("%d statements about what everybody sees", n)
			}
			fed.Stop("vendor")
			fed.Restart("vendor")
			fed.Settle()
			wantQuarantinedBy(t, fed, protocol.OrgOf(l.Org), "bank", "hospital", "vendor")
		})
	}
}

// TestOldCopySpeaksAgain: a node is brought back on an old copy of its disk and
// speaks at once. No number is used twice, what was lost comes back from its
// peer as its own, and nothing is missing anywhere.
func TestOldCopySpeaksAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fed := nodetest.New(t, "bank -- hospital")
		said := []node.Receipt{fed.Submit("bank", "before.example", protocol.Green)}
		old := fed.Copy("bank")
		for _, value := range []string{"lost.example", "lost.example", "gone.example"} {
			said = append(said, fed.Submit("bank", value, protocol.Green))
			time.Sleep(time.Second)
		}
		fed.Settle()
		lost := said[len(said)-1].Bulletin
		fed.Kill("bank")
		fed.Revert("bank", old)
		fed.Restart("bank")
		if held, _ := fed.Node("bank").Store().Has(lost); held {
			t.Fatal("the copy is not old")
		}
		said = append(said, fed.Submit("bank", "at-once.example", protocol.Green))
		time.Sleep(3 * time.Minute)
		said = append(said, fed.Submit("bank", "after.example", protocol.Green))
		fed.Settle()
		for _, r := range said[2:] { // the first lost.example was said anew
			fed.HeldBy(r, "bank", "hospital")
		}
		receipt, err := fed.Node("bank").Store().Receipt(lost)
		if err != nil || !receipt.Own {
			t.Errorf("what came back is not taken for our own: %+v %v", receipt, err)
		}
		for _, name := range fed.Orgs() {
			checkLogs(t, fed, name)
		}
		a, b := heads(fed, "bank"), heads(fed, "hospital")
		if !slices.Equal(a, b) {
			t.Errorf("bank's heads are %v, hospital's %v", a, b)
		}
	})
}

func heads(fed *nodetest.Federation, org string) (heads []protocol.Head) {
	for _, s := range fed.Node(org).Store().Summaries(nil) {
		heads = append(heads, s.Heads...)
	}
	return heads
}

// checkLogs walks every log a node holds: one header a place, no gap.
func checkLogs(t *testing.T, fed *nodetest.Federation, org string) {
	t.Helper()
	n := fed.Node(org)
	if c := n.Counts()["equivocations"]; c != 0 || len(n.Quarantined()) != 0 {
		t.Errorf("%s saw %d equivocations and quarantines %v", org, c, n.Quarantined())
	}
	for _, s := range n.Store().Streams() {
		if len(s.Gaps) != 0 {
			t.Errorf("%s misses %v of a log of %s", org, s.Gaps, n.Name(s.Org))
		}
		places := map[protocol.Position]bool{}
		for b, err := range n.Store().Headers(s.ID, protocol.Range{To: s.Last}) {
			if err != nil {
				t.Fatal(err)
			}
			if places[b.Header.Position()] {
				t.Errorf("%s holds two bulletins at %v", org, b.Header.Position())
			}
			places[b.Header.Position()] = true
		}
	}
}

// TestDatedAheadIsHeld: what is dated more than five minutes ahead counts for
// nothing, is not verified again and again, and is taken when its time has come.
func TestDatedAheadIsHeld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fed := nodetest.New(t, line)
		l := newLiar(t, fed)
		b, said := l.say(t, protocol.Header{Epoch: 7, Seq: 1, Issued: protocol.Millis(time.Now().Add(20 * time.Minute))}, "ahead.example")
		l.gossip(t, b)
		for range 3 {
			l.hand(t, b)
		}
		bank := fed.Node("bank")
		if held, _ := bank.Store().Has(b.ID()); held || bank.Queues()["dated_ahead"] != 1 || bank.Counts()["dated_ahead"] != 1 {
			t.Errorf("held: %t, waiting: %d, judged to be ahead: %d times", held, bank.Queues()["dated_ahead"], bank.Counts()["dated_ahead"])
		}
		if c := fed.Node("hospital").Counts(); c["gossip_rejected"] != 0 || bank.Counts()["gossip_rejected"] != 0 {
			t.Error("a bulletin dated ahead was rejected: nodes whose clocks differ would punish each other")
		}
		fed.HeldBy(said)
		time.Sleep(20 * time.Minute)
		fed.HeldBy(said, "bank", "hospital", "vendor")
		if n := bank.Queues()["dated_ahead"]; n != 0 {
			t.Errorf("%d are still waiting", n)
		}
	})
}

// hand gives the bank a bulletin by sync, as one who has it would.
func (l *liar) hand(t *testing.T, b *protocol.Bulletin) {
	t.Helper()
	digest, end := protocol.ID{1}, protocol.SyncFrame{End: &protocol.End{}}
	summary := protocol.Summary{Stream: b.Header.Stream(), Heads: []protocol.Head{{Position: b.Header.Position(), ID: b.ID()}}}
	got, err := l.Sync("bank", protocol.SyncFrame{Digest: &digest}, protocol.SyncFrame{Summary: &summary}, end, end, protocol.SyncFrame{Bulletin: b.Wire()}, end)
	if err != nil || len(got) == 0 {
		t.Fatalf("%d frames, %v", len(got), err)
	}
	l.fed.Settle()
}

// TestPeerAheadForcesEpoch: a peer that claims to hold more of our current epoch
// than we do, or an epoch above it, makes us speak in another; one that claims
// the end of time does not.
func TestPeerAheadForcesEpoch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fed := nodetest.New(t, "bank -- hospital")
		l := newLiar(t, fed)
		header := func(value string) *protocol.Header {
			b, _, err := fed.Node("bank").Store().Header(fed.Submit("bank", value, protocol.Green).Bulletin)
			if err != nil {
				t.Fatal(err)
			}
			return &b.Header
		}
		show := func(s protocol.Stream, epoch uint64) {
			digest, end := protocol.ID{1}, protocol.SyncFrame{End: &protocol.End{}}
			summary := protocol.Summary{Stream: s, Heads: []protocol.Head{{Position: protocol.Position{Epoch: epoch, Seq: 900}, ID: protocol.ID{9}}}}
			if _, err := l.Sync("bank", protocol.SyncFrame{Digest: &digest}, protocol.SyncFrame{Summary: &summary}, end, end, end, end); err != nil {
				t.Fatal(err)
			}
		}
		first := header("first.example")
		show(first.Stream(), first.Epoch)
		second := header("second.example")
		if second.Epoch <= first.Epoch || second.Seq != 1 {
			t.Errorf("the bank went on at %d of epoch %d, after %d", second.Seq, second.Epoch, first.Epoch)
		}
		show(second.Stream(), second.Epoch+9<<32)
		third := header("third.example")
		if third.Epoch <= second.Epoch+9<<32 {
			t.Errorf("the bank went on in epoch %d, below the one shown", third.Epoch)
		}
		show(third.Stream(), 1<<64-1)
		show(third.Stream(), second.Epoch)
		if fourth := header("fourth.example"); fourth.Epoch != third.Epoch || fourth.Seq != 2 {
			t.Errorf("the bank went on at %d of epoch %d, after %d", fourth.Seq, fourth.Epoch, third.Epoch)
		}
	})
}

// TestStolenKey: somebody speaks with the bank's key. The bank says so loudly
// and goes on in an epoch above the thief's; once the thief has said a second
// thing at one place nobody believes either, and the bank still knows what it
// said itself.
func TestStolenKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fed := nodetest.New(t, line)
		l := newLiar(t, fed)
		bank := fed.Node("bank")
		mine := fed.Submit("bank", "mine.example", protocol.Green)
		fed.Settle()
		b, _, err := bank.Store().Header(mine.Bulletin)
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Minute)
		forge := func(epoch, seq uint64, prev protocol.ID) *protocol.Bulletin {
			h := protocol.Header{Epoch: epoch, Seq: seq, Prev: prev, Community: fed.Community(), TLP: protocol.Green}
			return fed.Forge("bank", h, `{"type":"x-nothing","spec_version":"2.1","id":"x-nothing--00000000-0000-4000-8000-000000000001"}`)
		}
		if s := bank.Status(); s.Alarm != "" || len(s.Quarantined) != 0 {
			t.Fatalf("an alarm for nothing: %q %v", s.Alarm, s.Quarantined)
		}
		l.gossip(t, forge(b.Header.Epoch+3<<32, 1, b.ID()))
		if bank.Status().Alarm == "" {
			t.Error("no alarm although another speaks with our key")
		}
		wantQuarantinedBy(t, fed, bank.Org())
		next := fed.Submit("bank", "next.example", protocol.Green)
		after, _, err := bank.Store().Header(next.Bulletin)
		if err != nil || after.Header.Epoch <= b.Header.Epoch+3<<32 {
			t.Errorf("the bank goes on in epoch %d, below the thief's (%v)", after.Header.Epoch, err)
		}

		l.gossip(t, forge(b.Header.Epoch, b.Header.Seq, b.Header.Prev))
		wantQuarantinedBy(t, fed, bank.Org(), "bank", "hospital", "vendor")
		if q := bank.Quarantined(); len(q) != 1 || !q[0].Own || q[0].Node != bank.Identity().NodeKey {
			t.Errorf("the bank does not see that it is meant: %+v", q)
		}
		fed.HeldBy(mine, "bank")
		fed.HeldBy(next, "bank")
		if err := bank.Release(t.Context(), bank.Org()); err != nil {
			t.Fatal(err)
		}
		wantQuarantinedBy(t, fed, bank.Org(), "hospital", "vendor")
	})
}
