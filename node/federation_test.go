package node_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tocsin-exchange/tocsin/node"
	"github.com/tocsin-exchange/tocsin/node/nodetest"
	"github.com/tocsin-exchange/tocsin/protocol"
	"github.com/tocsin-exchange/tocsin/protocol/stix"
)

func TestGreenCrossesThreeHops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fed := nodetest.New(t, `
			bank     -- hospital
			hospital -- vendor
			vendor   -- university
		`)
		for _, org := range fed.Orgs() { // each way
			said := fed.Submit(org, org+".example", protocol.Green)
			fed.Settle()
			fed.HeldBy(said, fed.Orgs()...)
		}
	})
}

// ring draws n organisations, each linked to the next k.
func ring(n, k int) (graph string, orgs []string) {
	var b strings.Builder
	for i := range n {
		orgs = append(orgs, fmt.Sprintf("org%02d", i))
		for j := 1; j <= k; j++ {
			fmt.Fprintf(&b, "org%02d -- org%02d\n", i, (i+j)%n)
		}
	}
	return b.String(), orgs
}

func TestSixtyFourNodes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		count := 64
		if testing.Short() {
			count = 16
		}
		graph, orgs := ring(count, 8)
		fed := nodetest.New(t, graph)
		said := fed.Submit("org00", "203.0.113.7", protocol.Green)
		fed.Settle()
		fed.HeldBy(said, orgs...)
	})
}

// TestSyncBringsWhatGossipLost: what is said while a link is down, or right
// after it came up, arrives all the same.
func TestSyncBringsWhatGossipLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fed := nodetest.New(t, "bank -- hospital\nhospital -- vendor")
		fed.Cut("hospital", "vendor")
		lost := fed.Submit("bank", "lost.example", protocol.Green)
		mine := fed.Submit("vendor", "mine.example", protocol.Clear)
		fed.Settle()
		fed.HeldBy(lost, "bank", "hospital")
		fed.Heal("hospital", "vendor")
		fed.Submit("bank", "at-once.example", protocol.Green)
		time.Sleep(5 * time.Minute) // the redial's backoff
		fed.HeldBy(lost, "bank", "hospital", "vendor")
		fed.HeldBy(mine, "bank", "hospital", "vendor")
	})
}

// TestLargeBodiesAreFetched: bodies too large for gossip are announced by
// header and asked of whoever passed it on, over several hops.
func TestLargeBodiesAreFetched(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fed := nodetest.New(t, "bank -- hospital\nhospital -- vendor")
		var drafts []stix.Draft
		for i := range 3000 {
			o := stix.Observable{Type: "domain-name", Value: fmt.Sprintf("host%d.example", i)}
			drafts = append(drafts, stix.Draft{Indicator: stix.Indicator{Observable: o, Confidence: -1}, Confidence: -1})
		}
		said, refused, err := fed.Node("bank").Submit(t.Context(), node.Submission{Community: fed.Community(), TLP: protocol.Green, Drafts: drafts})
		if err != nil || len(refused) > 0 || len(said) != 3000 {
			t.Fatal(len(said), refused, err)
		}
		fed.Settle()
		for _, i := range []int{0, 999, 1000, 2999} {
			fed.HeldBy(said[i], "bank", "hospital", "vendor")
		}
		if wanted := fed.Node("vendor").Store().Wanted(10); len(wanted) > 0 {
			t.Errorf("%d bodies are still wanted", len(wanted))
		}
	})
}

// TestTwentyRejoin: after ten minutes in two halves twenty nodes hold the same
// within ten seconds.
func TestTwentyRejoin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		graph, orgs := ring(20, 6)
		fed := nodetest.New(t, graph)
		across := func(change func(a, b string)) {
			for i, a := range orgs {
				for j := 1; j <= 6; j++ {
					if k := (i + j) % 20; i/10 != k/10 {
						change(a, orgs[k])
					}
				}
			}
		}
		across(fed.Cut)
		var said []node.Receipt
		for i, org := range orgs {
			said = append(said, fed.Submit(org, fmt.Sprintf("203.0.113.%d", i), protocol.Green))
			time.Sleep(30 * time.Second)
		}
		fed.HeldBy(said[0], orgs[:10]...)
		fed.HeldBy(said[19], orgs[10:]...)
		across(fed.Heal)
		time.Sleep(10 * time.Second)
		for _, r := range said {
			fed.HeldBy(r, orgs...)
		}
	})
}

// TestSyncCostsWhatIsMissing: a node that was away takes no more than a fifth
// above the bulletins it lacks, whatever it holds.
func TestSyncCostsWhatIsMissing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fed := nodetest.New(t, "bank -- hospital")
		submitMany(t, fed, 20, 1000, "held")
		time.Sleep(5 * time.Minute)
		fed.Cut("bank", "hospital")
		submitMany(t, fed, 500, 1, "missing")
		missing := 0
		for _, s := range fed.Node("bank").Store().Streams() {
			for b, err := range fed.Node("bank").Store().Headers(s.ID, protocol.Range{To: s.Last}) {
				if err != nil {
					t.Fatal(err)
				}
				if held, _ := fed.Node("hospital").Store().Has(b.ID()); held {
					continue
				}
				whole, _, err := fed.Node("bank").Store().Bulletin(b.ID())
				if err != nil {
					t.Fatal(err)
				}
				missing += len(whole.Wire())
			}
		}
		before := fed.Node("hospital").Counts()
		fed.Heal("bank", "hospital")
		time.Sleep(10 * time.Minute)
		after := fed.Node("hospital").Counts()
		took := int(after["sync_bytes_received"] - before["sync_bytes_received"] + after["sync_bytes_sent"] - before["sync_bytes_sent"])
		if most := missing + missing/5 + 64<<10; took > most || fed.Node("hospital").Store().Stats().Objects != 20500 {
			t.Errorf("%d bytes for bulletins of %d, at most %d; %d objects held", took, missing, most, fed.Node("hospital").Store().Stats().Objects)
		}
		t.Logf("%d bytes for bulletins of %d: %.3f", took, missing, float64(took)/float64(missing))
	})
}

// TestTrickleBesideAFlood: what one says once is not kept waiting behind what
// another says in masses, neither headers nor bodies.
func TestTrickleBesideAFlood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fed := nodetest.New(t, "bank -- vendor\nbank -- hospital")
		fed.Cut("bank", "hospital")
		submitMany(t, fed, 800, 1, "flood")
		submitMany(t, fed, 30, 700, "bulk") // bodies too large to go with their headers
		fed.Submit("vendor", "trickle.example", protocol.Green)
		fed.Settle()
		fed.Heal("bank", "hospital")
		time.Sleep(10 * time.Minute)
		before, found := map[string]int{}, false
		for change, err := range fed.Node("hospital").Store().Changes(0, fed.Node("hospital").Query()) {
			if err != nil {
				t.Fatal(err)
			}
			value := change.Claim.Object.Claims[0].Value
			if found = value == "trickle.example"; found {
				break
			}
			before[value[:4]]++
		}
		if !found || before["floo"] > 300 || before["bulk"] > 0 {
			t.Errorf("found %v, behind %v", found, before)
		}
		if got := fed.Node("hospital").Store().Stats().Objects; got != 800+30*700+1 {
			t.Errorf("%d objects are held in the end", got)
		}
	})
}

// submitMany has bank say bulletins of so many objects each.
func submitMany(t *testing.T, fed *nodetest.Federation, bulletins, objects int, word string) {
	t.Helper()
	for i := range bulletins {
		var drafts []stix.Draft
		for j := range objects {
			o := stix.Observable{Type: "domain-name", Value: fmt.Sprintf("%s%d-%d.example", word, i, j)}
			drafts = append(drafts, stix.Draft{Indicator: stix.Indicator{Observable: o, Confidence: -1}, Confidence: -1})
		}
		if _, refused, err := fed.Node("bank").Submit(t.Context(), node.Submission{Community: fed.Community(), TLP: protocol.Green, Drafts: drafts}); err != nil || len(refused) > 0 {
			t.Fatal(refused, err)
		}
	}
}

// TestEqualNodesSyncInOneRoundTrip: with nothing new, a session ends after the
// digests.
func TestEqualNodesSyncInOneRoundTrip(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fed := nodetest.New(t, "bank -- hospital")
		fed.Submit("bank", "203.0.113.7", protocol.Green)
		time.Sleep(2 * time.Minute)
		before := fed.Node("bank").Counts()
		time.Sleep(10 * time.Minute)
		after := fed.Node("bank").Counts()
		sessions, equal := after["sync_sessions"]-before["sync_sessions"], after["sync_equal"]-before["sync_equal"]
		if sessions < 5 || equal != sessions {
			t.Errorf("%d sessions, %d of them ended with equal digests", sessions, equal)
		}
		bytes := after["sync_bytes_sent"] - before["sync_bytes_sent"] + after["sync_bytes_received"] - before["sync_bytes_received"]
		if bytes > 2*sessions*1024 { // those the other began count here too
			t.Errorf("%d bytes for %d sessions, and as many answered", bytes, sessions)
		}
	})
}

// TestNobodyIsHammered: whoever closes on us at once is dialled ever more
// seldom, and is back soon after it lets us in again.
func TestNobodyIsHammered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fed := nodetest.New(t, "bank -- vendor")
		vendor := fed.Node("vendor").Org()
		if err := fed.Node("bank").Block(t.Context(), vendor, "a test"); err != nil {
			t.Fatal(err)
		}
		fed.Settle()
		before := fed.Node("vendor").Counts()["dials"]
		time.Sleep(30 * time.Minute)
		if dials := fed.Node("vendor").Counts()["dials"] - before; dials < 5 || dials > 60 { // one a minute is the random member of sync
			t.Errorf("%d dials in half an hour", dials)
		}
		if err := fed.Node("bank").Release(t.Context(), vendor); err != nil {
			t.Fatal(err)
		}
		fed.Settle()
		said := fed.Submit("vendor", "back.example", protocol.Green)
		time.Sleep(time.Minute)
		fed.HeldBy(said, "bank", "vendor")
	})
}

// TestCertificateOfAnothersNode: a member introduces an organisation with a
// certificate it made for somebody else's node key. The node's own word counts.
func TestCertificateOfAnothersNode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fed := nodetest.New(t, "bank -- hospital\nbank -- vendor")
		raw := fed.Raw()
		victim := fed.Node("hospital").Identity()
		forged := protocol.Certify(raw.Org, victim.NodeKey, time.Now().Add(-time.Hour), time.Now().Add(1000*24*time.Hour))
		if err := fed.Node("vendor").Introduce(t.Context(), fed.Community(), forged, "forger"); err != nil {
			t.Fatal(err)
		}
		fed.Settle()
		for _, p := range fed.Node("bank").Peers() {
			if p.Node == victim.NodeKey && p.Org != victim.OrgKey {
				t.Errorf("hospital's node is taken for one of %s", p.Name)
			}
		}
		said := fed.Submit("hospital", "still.example", protocol.Green)
		fed.Settle()
		fed.HeldBy(said, "bank", "hospital", "vendor")
	})
}
