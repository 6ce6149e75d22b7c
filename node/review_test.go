package node_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tocsin-exchange/tocsin/node"
	"github.com/tocsin-exchange/tocsin/node/api"
	"github.com/tocsin-exchange/tocsin/node/nodetest"
	"github.com/tocsin-exchange/tocsin/protocol"
	"github.com/tocsin-exchange/tocsin/protocol/stix"
	"github.com/tocsin-exchange/tocsin/storage"
	"github.com/tocsin-exchange/tocsin/trust"
	"github.com/tocsin-exchange/tocsin/trust/policy"
)

// govern puts a policy in force at an organisation's node.
func govern(t *testing.T, f *nodetest.Federation, org, text string) {
	t.Helper()
	p, err := policy.Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	r, err := node.NewRules(p)
	if err != nil {
		t.Fatal(err)
	}
	f.Node(org).SetRules(r)
}

// governed is a federation in which a policy is in force at an organisation from
// the start of its node on, also after a restart.
func governed(t *testing.T, graph, org, text string) *nodetest.Federation {
	t.Helper()
	p, err := policy.Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	r, err := node.NewRules(p)
	if err != nil {
		t.Fatal(err)
	}
	return nodetest.New(t, graph, func(name string, c *node.Config) {
		if name == org {
			c.Rules = r
		}
	})
}

const holdFinance = `
[[admit]]
name = "finance"
when = '"finance" in tags'
do = "hold"
why = "a person reads it first"
`

// tell has an organisation say a value with a tag and a description.
func tell(t *testing.T, f *nodetest.Federation, org, value, description string, r api.SubmitRequest) node.Receipt {
	t.Helper()
	r.Values, r.Tags, r.Description = []string{value}, []string{"finance"}, description
	a, err := f.Client(org).Submit(t.Context(), r)
	if err != nil || len(a.Receipts) != 1 {
		t.Fatalf("%s says %s: %+v, %v", org, value, a, err)
	}
	return a.Receipts[0]
}

var alice = node.Reviewer{Name: "alice"}

func bodyAt(f *nodetest.Federation, org string, r node.Receipt) storage.BodyState {
	_, state := f.Node(org).Store().Has(r.Bulletin)
	return state
}

func reasonAt(t *testing.T, f *nodetest.Federation, org string, r node.Receipt) string {
	t.Helper()
	receipt, err := f.Node(org).Store().Receipt(r.Bulletin)
	if err != nil {
		t.Fatal(err)
	}
	return receipt.Reason
}

// waits checks how much is held for a person.
func waits(t *testing.T, f *nodetest.Federation, org string, want int) []node.Waiting {
	t.Helper()
	list := f.Node(org).Waiting(alice)
	if len(list) != want {
		t.Fatalf("%d are held at %s, want %d: %+v", len(list), org, want, list)
	}
	return list
}

// TestHeldForReview: what a rule holds answers nothing and goes to nobody, until
// a person accepts it; what they reject never comes back.
func TestHeldForReview(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := governed(t, "hospital -- bank\nbank -- vendor", "bank", holdFinance)
		f.Stop("vendor") // gossip would pass through the bank: relaying is nobody's judgement
		canary := f.Canary()
		good := tell(t, f, "hospital", "good.example", canary, api.SubmitRequest{TLP: protocol.Green})
		bad := tell(t, f, "hospital", "bad.example", canary, api.SubmitRequest{TLP: protocol.Green})
		f.Settle()
		f.Restart("vendor")
		time.Sleep(5 * time.Minute) // sync has its turns
		waits(t, f, "bank", 2)
		for _, r := range []node.Receipt{good, bad} {
			if s := bodyAt(f, "bank", r); s != storage.Declined || reasonAt(t, f, "bank", r) != "held:finance" {
				t.Errorf("bank: body %v, %s", s, reasonAt(t, f, "bank", r))
			}
			if s := bodyAt(f, "vendor", r); s == storage.Held {
				t.Error("the vendor got from the bank what the bank holds for a person")
			}
		}
		for _, trace := range f.Seen()[canary] {
			if trace.Who == "vendor" {
				t.Errorf("the vendor saw it: %+v", trace)
			}
		}
		if archive, _ := export(t, f, "bank", time.Time{}, "vendor"); bytes.Contains(archive, []byte(canary[:16])) {
			t.Error("an archive has it")
		}
		known, err := f.Client("bank").Lookup(t.Context(), api.LookupRequest{Values: []string{"good.example"}})
		if err != nil || len(known[0].Claims) > 0 {
			t.Fatalf("looked up: %+v, %v", known, err)
		}
		_, objects, err := f.Node("bank").WaitingContent(good.Bulletin, alice)
		if err != nil || len(objects) != 1 || objects[0].Description != canary {
			t.Fatalf("content %+v, %v", objects, err)
		}
		if _, _, _, err := f.Node("bank").Accept(t.Context(), good.Bulletin, alice); err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Second)
		if s := bodyAt(f, "vendor", good); s != storage.Held {
			t.Errorf("the vendor has it in state %v after it was accepted", s)
		}
		if _, err := f.Node("bank").Reject(t.Context(), bad.Bulletin, alice, "no"); err != nil {
			t.Fatal(err)
		}
		if _, _, _, err := f.Node("bank").Accept(t.Context(), bad.Bulletin, alice); !errors.Is(err, node.ErrNotFound) {
			t.Errorf("rejected, then accepted: %v", err)
		}
		time.Sleep(5 * time.Minute)
		waits(t, f, "bank", 0)
		if s := bodyAt(f, "bank", good); s != storage.Held || reasonAt(t, f, "bank", good) != "accepted:alice" {
			t.Errorf("accepted: body %v, %s", s, reasonAt(t, f, "bank", good))
		}
		if s := bodyAt(f, "bank", bad); s != storage.Declined || reasonAt(t, f, "bank", bad) != "rejected:alice: no" {
			t.Errorf("rejected: body %v, %s", s, reasonAt(t, f, "bank", bad))
		}
		f.Stop("bank")
		f.Restart("bank")
		time.Sleep(5 * time.Minute)
		waits(t, f, "bank", 0)
		if s := bodyAt(f, "bank", bad); s != storage.Declined {
			t.Errorf("rejected, after a restart: %v", s)
		}
	})
}

// TestErasedWhileHeld: an erasure reaches what is held for a person, and no file
// holds it before it is signed for.
func TestErasedWhileHeld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := governed(t, "hospital -- bank", "bank", holdFinance)
		canary := f.Canary()
		tell(t, f, "hospital", "jane.example", canary, api.SubmitRequest{TLP: protocol.Green})
		f.Settle()
		waits(t, f, "bank", 1)
		if !inFiles(f, canary, "bank") {
			t.Fatal("the canary is in no file of the bank's: the search proves nothing")
		}
		a, err := f.Client("hospital").Erase(t.Context(), api.TakeBackRequest{Values: []string{"jane.example"}})
		if err != nil || len(a.Taken) != 1 {
			t.Fatalf("%+v, %v", a, err)
		}
		f.Settle()
		waits(t, f, "bank", 0)
		signed(t, f, "hospital", node.Receipt{Bulletin: a.Taken[0].By}, "bank")
		if inFiles(f, canary, "bank") {
			t.Errorf("after its erasure it is in %v", f.Kept()[canary])
		}
	})
}

func inFiles(f *nodetest.Federation, canary, org string) bool {
	for _, trace := range f.Kept()[canary] {
		if trace.Who == org {
			return true
		}
	}
	return false
}

// TestErasedAfterReview: what was held, accepted and then erased is in no file
// either, also not where it was while it was held.
func TestErasedAfterReview(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := governed(t, "hospital -- bank", "bank", holdFinance)
		canary := f.Canary()
		r := tell(t, f, "hospital", "jane.example", canary, api.SubmitRequest{TLP: protocol.Green})
		f.Settle()
		if _, _, _, err := f.Node("bank").Accept(t.Context(), r.Bulletin, alice); err != nil {
			t.Fatal(err)
		}
		if _, err := f.Client("hospital").Erase(t.Context(), api.TakeBackRequest{Values: []string{"jane.example"}}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		if inFiles(f, canary, "bank") {
			t.Errorf("after its erasure it is in %v", f.Kept()[canary])
		}
	})
}

// TestBlockedWhileHeld: what its author may not say here any more is not to be
// reviewed.
func TestBlockedWhileHeld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := governed(t, "hospital -- bank", "bank", holdFinance)
		r := tell(t, f, "hospital", "held.example", "", api.SubmitRequest{TLP: protocol.Green})
		f.Settle()
		waits(t, f, "bank", 1)
		if err := f.Node("bank").Block(t.Context(), f.Org("hospital"), "test"); err != nil {
			t.Fatal(err)
		}
		waits(t, f, "bank", 0)
		if _, _, _, err := f.Node("bank").Accept(t.Context(), r.Bulletin, alice); !errors.Is(err, node.ErrNotFound) {
			t.Errorf("accepted: %v", err)
		}
	})
}

// TestExpiresUnread: nobody decides, so it is declined.
func TestExpiresUnread(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := governed(t, "hospital -- bank", "bank", holdFinance+"[review]\nexpire = \"2h\"\n")
		r := tell(t, f, "hospital", "held.example", "", api.SubmitRequest{TLP: protocol.Green})
		time.Sleep(2*time.Hour - time.Minute)
		waits(t, f, "bank", 1)
		time.Sleep(5 * time.Minute)
		waits(t, f, "bank", 0)
		if s := reasonAt(t, f, "bank", r); s != "review-expired:finance" {
			t.Errorf("reason %s", s)
		}
	})
}

// TestRulesChange: what other rules declined is asked for again.
func TestRulesChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := governed(t, "hospital -- bank", "bank", `
[[admit]]
name = "none"
when = '"finance" in tags'
do = "decline"
`)
		r := tell(t, f, "hospital", "declined.example", "", api.SubmitRequest{TLP: protocol.Green})
		f.Settle()
		if s := bodyAt(f, "bank", r); s != storage.Declined || reasonAt(t, f, "bank", r) != "policy:none" {
			t.Fatalf("body %v, %s", s, reasonAt(t, f, "bank", r))
		}
		govern(t, f, "bank", "")
		f.Settle()
		if s := bodyAt(f, "bank", r); s != storage.Held {
			t.Errorf("body %v, %s", s, reasonAt(t, f, "bank", r))
		}
	})
}

// TestTrustChangesWhatIsHeld: rules that go by how far an author is believed are
// asked again about what they hold, and have declined, when people say otherwise;
// what a person has decided stays.
func TestTrustChangesWhatIsHeld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := governed(t, "hospital -- bank", "bank", `
[[admit]]
name = "hardly-known"
when = 'org.level < 20'
do = "decline"

[[admit]]
name = "little-known"
when = 'org.level < 60'
do = "hold"
`)
		believe := func(level string) {
			t.Helper()
			if err := f.Node("bank").SetTrust(t.Context(), f.Org("hospital"), level); err != nil {
				t.Fatal(err)
			}
			f.Settle()
		}
		believe("40")
		held := tell(t, f, "hospital", "held.example", "", api.SubmitRequest{TLP: protocol.Green})
		amber := tell(t, f, "hospital", "amber.example", "", api.SubmitRequest{TLP: protocol.Amber, To: []string{"bank"}})
		rejected := tell(t, f, "hospital", "rejected.example", "", api.SubmitRequest{TLP: protocol.Green})
		f.Settle()
		waits(t, f, "bank", 3)
		if _, err := f.Node("bank").Reject(t.Context(), rejected.Bulletin, alice, "no"); err != nil {
			t.Fatal(err)
		}
		believe("50") // still too little
		waits(t, f, "bank", 2)
		f.Stop("hospital") // nobody is there to be asked for the bodies
		believe("80")
		waits(t, f, "bank", 0)
		for _, r := range []node.Receipt{held, amber} {
			if s := bodyAt(f, "bank", r); s != storage.Held || strings.HasPrefix(reasonAt(t, f, "bank", r), "accepted:") {
				t.Errorf("body %v, %s", s, reasonAt(t, f, "bank", r))
			}
		}
		if s := bodyAt(f, "bank", rejected); s != storage.Declined {
			t.Errorf("a person rejected it: body %v", s)
		}
		f.Restart("hospital")
		f.Settle()
		if s := receiptOf(t, f, amber); s != protocol.ReceiptHeld.String() {
			t.Errorf("the receipt says %s", s)
		}
		believe("40")
		again := tell(t, f, "hospital", "again.example", "", api.SubmitRequest{TLP: protocol.Green})
		f.Settle()
		believe("10")
		waits(t, f, "bank", 0)
		if s := reasonAt(t, f, "bank", again); s != "policy:hardly-known" {
			t.Errorf("declined: %s", s)
		}
	})
}

// TestAcceptedBeforeARestart: an author that was away when what they said was
// accepted learns of it, though the node that accepted it was restarted since.
func TestAcceptedBeforeARestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := governed(t, "hospital -- bank", "bank", holdFinance)
		r := tell(t, f, "hospital", "amber.example", "", api.SubmitRequest{TLP: protocol.Amber, To: []string{"bank"}})
		f.Settle()
		f.Stop("hospital")
		if _, _, _, err := f.Node("bank").Accept(t.Context(), r.Bulletin, alice); err != nil {
			t.Fatal(err)
		}
		f.Kill("bank")
		f.Restart("bank")
		f.Settle()
		f.Restart("hospital")
		time.Sleep(2 * time.Minute)
		if s := receiptOf(t, f, r); s != protocol.ReceiptHeld.String() {
			t.Errorf("the receipt says %s", s)
		}
	})
}

// TestReviewIsBounded: what there is no room for is declined, and comes when
// there is room.
func TestReviewIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := governed(t, "hospital -- bank", "bank", holdFinance+"[review]\nlimit = 2\n")
		var said []node.Receipt
		for _, value := range []string{"a.example", "b.example", "c.example"} {
			said = append(said, tell(t, f, "hospital", value, "", api.SubmitRequest{TLP: protocol.Green}))
			f.Settle()
		}
		list := waits(t, f, "bank", 2)
		if s := reasonAt(t, f, "bank", said[2]); s != "review-full:finance" || f.Node("bank").Counts()["review_turned_away"] != 1 {
			t.Errorf("the third: %s, %v", s, f.Node("bank").Counts()["review_turned_away"])
		}
		if _, err := f.Node("bank").Reject(t.Context(), list[0].ID, alice, ""); err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Minute)
		waits(t, f, "bank", 2)
	})
}

// TestHeldAboveGreen: a receipt says declined while it is held, and held once it
// is accepted.
func TestHeldAboveGreen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := governed(t, "hospital -- bank", "bank", holdFinance)
		for _, label := range []protocol.TLP{protocol.Amber, protocol.AmberStrict} {
			r := tell(t, f, "hospital", "amber.example", "", api.SubmitRequest{TLP: label, To: []string{"bank"}})
			f.Settle()
			waits(t, f, "bank", 1)
			if s := receiptOf(t, f, r); s != protocol.ReceiptDeclined.String() {
				t.Errorf("%s: the receipt says %s", label, s)
			}
			if _, _, _, err := f.Node("bank").Accept(t.Context(), r.Bulletin, alice); err != nil {
				t.Fatal(err)
			}
			f.Settle()
			if s := receiptOf(t, f, r); s != protocol.ReceiptHeld.String() {
				t.Errorf("%s: the receipt says %s after it was accepted", label, s)
			}
		}
	})
}

// receiptOf returns what the bank signed for a bulletin of the hospital's.
func receiptOf(t *testing.T, f *nodetest.Federation, r node.Receipt) string {
	t.Helper()
	d, err := f.Node("hospital").Delivery(r.Bulletin)
	if err != nil || len(d.Peers) != 1 {
		t.Fatalf("%+v, %v", d, err)
	}
	return d.Peers[0].State
}

const secondEyes = `
[[share]]
name = "second-eyes"
when = 'tlp == "green"'
hold = true
`

// submitHeld has alice say values at the bank that are held for a second pair of
// eyes, and returns what they are held under.
func submitHeld(t *testing.T, f *nodetest.Federation, values ...string) protocol.ID {
	t.Helper()
	var drafts []stix.Draft
	for _, value := range values {
		o, err := stix.Detect(value)
		if err != nil {
			t.Fatal(err)
		}
		drafts = append(drafts, stix.Draft{Confidence: -1, Indicator: stix.Indicator{Observable: o, Confidence: 70}})
	}
	said, err := f.Node("bank").Say(t.Context(), node.Submission{Community: f.Community(), TLP: protocol.Green, Drafts: drafts, Role: "analyst", Person: "alice", By: "alice"})
	if err != nil || len(said.Held) != 1 || len(said.Receipts)+len(said.Refusals) > 0 {
		t.Fatalf("%+v, %v", said, err)
	}
	return said.Held[0].ID
}

// indicators counts the bulletins of indicators that the bank has said.
func indicators(t *testing.T, f *nodetest.Federation) (count int) {
	t.Helper()
	store := f.Node("bank").Store()
	for _, s := range store.Streams() {
		if s.Stream.Kind != protocol.Objects || s.Org != f.Org("bank") {
			continue
		}
		for _, err := range store.Headers(s.ID, protocol.Range{To: s.Last}) {
			if err != nil {
				t.Fatal(err)
			}
			count++
		}
	}
	return count
}

// TestFourEyes: what alice submits is said when somebody else accepts it, once.
func TestFourEyes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := governed(t, "bank -- hospital", "bank", secondEyes)
		id := submitHeld(t, f, "evil.example", "203.0.113.7")
		f.Stop("bank")
		f.Restart("bank")
		waits(t, f, "bank", 1)
		if _, _, _, err := f.Node("bank").Accept(t.Context(), id, alice); !errors.Is(err, node.ErrRefused) {
			t.Errorf("alice accepts her own: %v", err)
		}
		if indicators(t, f) != 0 {
			t.Fatal("it was said before anybody accepted it")
		}
		_, receipts, refusals, err := f.Node("bank").Accept(t.Context(), id, node.Reviewer{Name: "bob"})
		if err != nil || len(receipts) != 2 || len(refusals) > 0 || indicators(t, f) != 1 {
			t.Fatalf("%+v, %+v, %v, %d bulletins", receipts, refusals, err, indicators(t, f))
		}
		f.Settle()
		f.HeldBy(receipts[0], "bank", "hospital")
		if _, _, _, err := f.Node("bank").Accept(t.Context(), id, node.Reviewer{Name: "bob"}); !errors.Is(err, node.ErrNotFound) {
			t.Errorf("accepted twice: %v", err)
		}
	})
}

// TestKilledWhileAccepting: after a kill at any step of accepting, what was
// decided is done when the node starts again, and done once.
func TestKilledWhileAccepting(t *testing.T) {
	for _, step := range []node.ReviewStep{node.StepDecided, node.StepDone} {
		t.Run(string(step), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				die := node.DieAt(step)
				killed := func(org string, c *node.Config) {
					if org == "bank" {
						die(c)
					}
				}
				f := nodetest.New(t, "hospital -- bank", killed)
				govern(t, f, "bank", holdFinance+secondEyes)
				r := tell(t, f, "hospital", "good.example", "", api.SubmitRequest{TLP: protocol.Green})
				id := submitHeld(t, f, "evil.example", "203.0.113.7")
				f.Settle()
				waits(t, f, "bank", 2)
				for _, x := range []protocol.ID{r.Bulletin, id} {
					if _, _, _, err := f.Node("bank").Accept(t.Context(), x, node.Reviewer{Name: "bob"}); !errors.Is(err, node.ErrDied) {
						t.Fatalf("it did not die: %v", err)
					}
				}
				f.Kill("bank")
				f.Restart("bank")
				f.Settle()
				waits(t, f, "bank", 0)
				if s := bodyAt(f, "bank", r); s != storage.Held || reasonAt(t, f, "bank", r) != "accepted:bob" {
					t.Errorf("the bulletin: %v, %s", s, reasonAt(t, f, "bank", r))
				}
				if n := indicators(t, f); n != 1 {
					t.Errorf("the submission is in %d bulletins", n)
				}
			})
		})
	}
}

// TestReviewObeysLabels: what a reviewer may not see is not there, for no
// question and no decision.
func TestReviewObeysLabels(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := governed(t, "hospital -- bank", "bank", holdFinance)
		green := tell(t, f, "hospital", "green.example", "", api.SubmitRequest{TLP: protocol.Green})
		amber := tell(t, f, "hospital", "amber.example", "", api.SubmitRequest{TLP: protocol.Amber, To: []string{"bank"}})
		f.Settle()
		waits(t, f, "bank", 2)
		bank := f.Node("bank")
		rita := node.Reviewer{Name: "rita", Visible: func(h *protocol.Header) bool {
			return trust.MayShow(h, bank.Org(), trust.Reader{Clearance: protocol.Green, PAP: protocol.PAPRed}).Allowed
		}}
		if list := bank.Waiting(rita); len(list) != 1 || list[0].ID != green.Bulletin {
			t.Errorf("rita sees %+v", list)
		}
		nothing := protocol.ID{1}
		for name, ask := range map[string]func(protocol.ID) error{
			"show":   func(id protocol.ID) error { _, _, err := bank.WaitingContent(id, rita); return err },
			"accept": func(id protocol.ID) error { _, _, _, err := bank.Accept(t.Context(), id, rita); return err },
			"reject": func(id protocol.ID) error { _, err := bank.Reject(t.Context(), id, rita, ""); return err },
		} {
			here, there := ask(amber.Bulletin), ask(nothing)
			if !errors.Is(here, node.ErrNotFound) || strings.ReplaceAll(here.Error(), amber.Bulletin.String(), nothing.String()) != there.Error() {
				t.Errorf("%s: %v, and of what is not there %v", name, here, there)
			}
		}
		waits(t, f, "bank", 2)
	})
}
