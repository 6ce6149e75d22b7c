package node_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/tocsin-exchange/tocsin/node"
	"github.com/tocsin-exchange/tocsin/node/api"
	"github.com/tocsin-exchange/tocsin/node/nodetest"
	"github.com/tocsin-exchange/tocsin/protocol"
	"github.com/tocsin-exchange/tocsin/protocol/stix"
	"github.com/tocsin-exchange/tocsin/storage"
	"github.com/tocsin-exchange/tocsin/trust/score"
)

// A sightScene is a federation in which people say things.
type sightScene struct {
	*nodetest.Federation
	t *testing.T
}

func (s sightScene) check(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

// claim has an organisation say values under GREEN.
func (s sightScene) claim(org string, values ...string) {
	s.t.Helper()
	sure := 90
	_, err := s.Client(org).Submit(s.t.Context(), api.SubmitRequest{TLP: protocol.Green, Values: values, Confidence: &sure})
	s.check(err)
}

func (s sightScene) sight(org string, r api.SightRequest) api.SightAnswer {
	s.t.Helper()
	a, err := s.Client(org).Sight(s.t.Context(), r)
	s.check(err)
	return a
}

func (s sightScene) met(org string, values ...string) { s.sight(org, api.SightRequest{Values: values}) }

func (s sightScene) dispute(org string, values ...string) {
	s.sight(org, api.SightRequest{Values: values, FalsePositive: true})
}

// trust is how far one organisation believes another in addresses.
func (s sightScene) trust(at, of string) score.Trust {
	t, _ := s.Node(at).Trust(s.Org(of), stix.IPv4Addr)
	return t
}

// wantTrust compares what is left of outcomes, and the trust, within what a
// minute of fading moves.
func (s sightScene) wantTrust(when, at, of string, confirmed, wrong, value float64) {
	s.t.Helper()
	near := func(a, b float64) bool { return a-b < 0.01 && b-a < 0.01 }
	got := s.trust(at, of)
	if !near(got.Confirmed, confirmed) || !near(got.False, wrong) || !near(got.Value, value) {
		s.t.Errorf("%s: %s in %s: %.3f confirmed, %.3f false, trust %.3f, want %v, %v, %v", when, at, of, got.Confirmed, got.False, got.Value, confirmed, wrong, value)
	}
}

func (s sightScene) anchor(at, of string) {
	s.t.Helper()
	s.check(s.Node(at).SetTrust(s.t.Context(), s.Org(of), "anchor"))
}

// tier is the highest tier a value is in.
func (s sightScene) tier(at, value string) string {
	s.t.Helper()
	o, err := stix.Detect(value)
	s.check(err)
	n := s.Node(at)
	j, err := n.Judges(time.Now(), node.WholeRecord).Explain(o, n.Query())
	s.check(err)
	word := "none"
	for _, t := range score.AllTiers() {
		if j.In(t) {
			word = t.String()
		}
	}
	return word
}

func play(t *testing.T, graph string, story func(s sightScene)) {
	synctest.Test(t, func(t *testing.T) { story(sightScene{nodetest.New(t, graph), t}) })
}

const threeOrgs = `
	bank     -- hospital
	bank     -- vendor
	hospital -- vendor
`

// TestOutcomesMoveTrust: confirmations lift and false positives lower the trust
// of whoever said it, as the model says, once an organisation and value; what
// comes of it outlasts a restart.
func TestOutcomesMoveTrust(t *testing.T) {
	play(t, threeOrgs, func(s sightScene) {
		s.claim("bank", "203.0.113.1", "203.0.113.2", "203.0.113.3")
		s.Settle()
		s.wantTrust("nothing happened", "vendor", "bank", 0, 0, 50)
		s.met("vendor", "203.0.113.1")
		s.Settle()
		s.wantTrust("we met one", "vendor", "bank", 1, 0, 100*(5+0.5)/(10+0.5))
		s.wantTrust("the vendor is chosen at the hospital", "hospital", "bank", 0.25*0.5, 0, 100*(5+0.0625)/(10+0.0625))
		s.met("vendor", "203.0.113.1")
		s.claim("bank", "203.0.113.1")
		s.Settle()
		s.wantTrust("we met it again", "vendor", "bank", 1, 0, 100*(5+0.5)/(10+0.5))
		s.claim("hospital", "203.0.113.2")
		s.Settle()
		weight := 0.25 * 0.5
		s.wantTrust("the hospital says the same", "vendor", "bank", 1+weight, 0, 100*(5+0.5+weight/2)/(10+0.5+weight/2))
		s.wantTrust("who says it after others is not confirmed", "vendor", "hospital", 0, 0, 50)
		s.claim("vendor", "203.0.113.2")
		s.Settle()
		s.wantTrust("so do we: that weighs more, and counts once", "vendor", "bank", 2, 0, 100*6.0/11)
		s.wantTrust("the hospital said it before us", "vendor", "hospital", 1, 0, 100*(5+0.5)/(10+0.5))

		s.dispute("hospital", "203.0.113.3")
		s.Settle()
		s.wantTrust("the hospital proves nothing false", "vendor", "bank", 2, 0, 100*6.0/11)
		s.dispute("vendor", "203.0.113.3")
		s.Settle()
		s.wantTrust("we do", "vendor", "bank", 2, 1, 100*6.0/(11+8))
		s.wantTrust("the hospital said both itself", "hospital", "bank", 1.125, 1, 100*5.5625/(10.5625+8))

		s.Stop("vendor")
		s.Restart("vendor")
		s.Settle()
		s.wantTrust("after a restart", "vendor", "bank", 2, 1, 100*6.0/(11+8))
		s.Kill("vendor")
		s.Restart("vendor")
		s.Settle()
		s.wantTrust("after a power cut", "vendor", "bank", 2, 1, 100*6.0/(11+8))
		if drawn := s.Node("vendor").Counts()["outcomes_drawn"]; drawn != 0 {
			t.Errorf("%d outcomes were drawn again", drawn)
		}
		if n := s.Node("vendor"); n.Reckoned() != n.Store().Position() || n.Queues()["outcomes"] != 0 {
			t.Errorf("reckoned up to %d of %d", n.Reckoned(), n.Store().Position())
		}
	})
}

// TestThoughtBetter: whoever takes back that a value is harmless has shown
// nothing; whoever is contradicted by us after calling it so was wrong.
func TestThoughtBetter(t *testing.T) {
	play(t, threeOrgs, func(s sightScene) {
		s.anchor("vendor", "hospital")
		s.claim("bank", "203.0.113.1", "203.0.113.2")
		s.Settle()
		s.dispute("hospital", "203.0.113.1", "203.0.113.2")
		s.Settle()
		s.wantTrust("the hospital is an anchor", "vendor", "bank", 0, 2, 100*5.0/(10+16))
		s.sight("hospital", api.SightRequest{Values: []string{"203.0.113.1"}, FalsePositive: true, Retract: true})
		s.Settle()
		s.wantTrust("it took one back", "vendor", "bank", 0, 1, 100*5.0/(10+8))
		s.claim("vendor", "203.0.113.2")
		s.Settle()
		s.wantTrust("we know the other", "vendor", "hospital", 0, 1, 100*10.0/(10+8))
		s.wantTrust("so the bank was right", "vendor", "bank", 1, 1, 100*(5+0.5)/(10+0.5+8))
		s.dispute("vendor", "203.0.113.2")
		s.Settle()
		s.wantTrust("we thought better of it", "vendor", "hospital", 0, 0, 100)
		s.Stop("vendor")
		s.Restart("vendor")
		s.Settle()
		s.wantTrust("after a restart", "vendor", "hospital", 0, 0, 100)
	})
}

// TestThreeStrikes: a member that lies in all it says blocks alone no longer, one
// second after the third of its claims was proven wrong, and what is said under
// RED or in a drill proves nothing.
func TestThreeStrikes(t *testing.T) {
	play(t, threeOrgs, func(s sightScene) {
		s.anchor("vendor", "bank")
		var values []string
		for i := range 6 {
			values = append(values, fmt.Sprintf("203.0.113.%d", i+1))
		}
		s.claim("bank", values...)
		s.Settle()
		if got := s.tier("vendor", values[5]); got != "block" {
			t.Fatalf("an anchor's word is %s", got)
		}
		for _, v := range values[:2] {
			s.dispute("vendor", v)
		}
		s.Settle()
		if got := s.trust("vendor", "bank"); got.Discredited {
			t.Errorf("after two: %s", got)
		}
		s.dispute("vendor", values[2])
		time.Sleep(time.Second)
		if got := s.trust("vendor", "bank"); !got.Discredited {
			t.Errorf("a second after three: %s", got)
		}
		if got := s.tier("vendor", values[5]); got == "block" {
			t.Error("it blocks still")
		}
		if got := s.tier("hospital", values[5]); got != "alert" {
			t.Errorf("the hospital, which the vendor is nothing to, has it in %s", got)
		}
	})
}

// TestStrangersShowNothing: what those say of whom nobody here decided moves
// nobody's trust, however many they are.
func TestStrangersShowNothing(t *testing.T) {
	graph := "bank -- hospital\n"
	for i := range 6 {
		graph += fmt.Sprintf("bank -- sybil%d\n", i)
	}
	play(t, graph, func(s sightScene) {
		s.claim("bank", "203.0.113.1")
		s.claim("sybil0", "203.0.113.2")
		s.Settle()
		for i := 1; i < 6; i++ {
			org := fmt.Sprintf("sybil%d", i)
			s.dispute(org, "203.0.113.1")
			s.claim(org, "203.0.113.2")
			s.met(org, "203.0.113.2")
		}
		s.Settle()
		s.wantTrust("sybils dispute", "hospital", "bank", 0, 0, 50)
		s.wantTrust("and confirm one another", "hospital", "sybil0", 0, 0, 25)
		s.met("hospital", "203.0.113.2")
		s.Settle()
		s.wantTrust("we met what they said", "hospital", "sybil3", 1, 0, 100*3/10.5)
		if got := s.trust("hospital", "sybil3"); got.Value > 30 {
			t.Errorf("a stranger: %s", got)
		}
	})
}

// TestSightingsAreSaidWhereTheClaimIs: a sighting reaches those who may see the
// claim, and nobody else, under every label.
func TestSightingsAreSaidWhereTheClaimIs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := nodetest.New(t, `
			bank     -- hospital : ir
			bank     -- vendor
			hospital -- vendor
			hospital -- shop
			bank     -- shop
		`)
		s := sightScene{f, t}
		ctx := t.Context()
		s.check(f.Node("hospital").AddClient(ctx, f.Org("shop")))
		named(t, f, "bank", "203.0.113.1", protocol.Amber, "ir")
		named(t, f, "bank", "203.0.113.2", protocol.AmberStrict, "", "hospital", "vendor")
		named(t, f, "bank", "203.0.113.3", protocol.Amber, "", "hospital")
		named(t, f, "bank", "203.0.113.4", protocol.Red, "", "hospital/alice")
		f.Submit("bank", "203.0.113.1", protocol.Clear)
		f.Settle()
		about := func(at string, r api.SightAnswer) (n int) {
			t.Helper()
			for _, said := range r.Said {
				list, err := f.Node(at).Store().About(said.About, f.Node(at).Query())
				s.check(err)
				n += len(list)
			}
			return n
		}
		reaches := func(what string, r api.SightAnswer, want map[string]int) {
			t.Helper()
			f.Settle()
			for _, org := range f.Orgs() {
				if got := about(org, r); got != want[org] {
					t.Errorf("%s: %s holds %d, want %d", what, org, got, want[org])
				}
			}
		}
		r := s.sight("hospital", api.SightRequest{Values: []string{"203.0.113.1"}, Count: 3, Note: "proxy log"})
		reaches("clear, and amber in a group", r, map[string]int{"bank": 2, "hospital": 2, "vendor": 1, "shop": 1})
		again := s.sight("hospital", api.SightRequest{Values: []string{"203.0.113.1"}})
		reaches("again", again, map[string]int{"bank": 2, "hospital": 2, "vendor": 1, "shop": 1})
		if len(r.Said) != 2 || len(again.Said) != 2 || r.Said[0].ID != again.Said[0].ID || r.Said[0].Bulletin == again.Said[0].Bulletin {
			t.Errorf("%+v, and again %+v", r.Said, again.Said)
		}
		reaches("strict", s.sight("vendor", api.SightRequest{Values: []string{"203.0.113.2"}}), map[string]int{"bank": 1, "hospital": 1, "vendor": 1})
		r = s.sight("shop", api.SightRequest{Values: []string{"203.0.113.3"}})
		reaches("a client's", r, map[string]int{"hospital": 1, "shop": 1})
		if r.Said[0].Audience != "hospital" {
			t.Errorf("a client tells %s", r.Said[0].Audience)
		}
		if _, err := f.Client("hospital").Sight(ctx, api.SightRequest{Values: []string{"203.0.113.4"}}); !errors.Is(err, node.ErrNotFound) {
			t.Errorf("the operator, who may not see what is for alice: %v", err)
		}
		o, err := stix.Detect("203.0.113.4")
		s.check(err)
		if said, left, err := f.Node("hospital").Sight(ctx, node.Sight{Values: []stix.Observable{o}, Confidence: -1}); err != nil || len(said) > 0 || len(left) != 1 || left[0].Rule != "red-in-person" {
			t.Errorf("red: %v, %v, %v", said, left, err)
		}

		retracted := s.sight("hospital", api.SightRequest{Values: []string{"203.0.113.1"}, Retract: true})
		if len(retracted.Taken) != 2 {
			t.Errorf("took back %+v", retracted.Taken)
		}
		reaches("taken back", again, nil)
		if _, err := f.Client("hospital").Sight(ctx, api.SightRequest{Values: []string{"203.0.113.1"}, Retract: true}); !errors.Is(err, node.ErrNotFound) {
			t.Errorf("taken back twice: %v", err)
		}
		reaches("anew", s.sight("hospital", api.SightRequest{Values: []string{"203.0.113.1"}}), map[string]int{"bank": 2, "hospital": 2, "vendor": 1, "shop": 1})

		_, err = f.Client("bank").RemovePeer(ctx, "vendor", api.RemoveRequest{})
		s.check(err)
		f.Settle()
		r = s.sight("hospital", api.SightRequest{Values: []string{"203.0.113.2"}})
		if len(r.Said) != 1 || r.Said[0].Audience != "bank" || !slices.Equal(r.Said[0].Without, []string{"vendor"}) {
			t.Errorf("after the vendor left: %+v", r.Said)
		}
	})
}

// TestSightOfManyValues: what names several values is met by one of them.
func TestSightOfManyValues(t *testing.T) {
	play(t, threeOrgs, func(s sightScene) {
		pattern := `{"type":"indicator","spec_version":"2.1","id":"indicator--11111111-1111-4111-8111-111111111111","created":"2026-01-01T00:00:00.000Z",` +
			`"modified":"2026-01-01T00:00:00.000Z","pattern":"[ipv4-addr:value = '203.0.113.1'] OR [ipv4-addr:value = '203.0.113.2']","pattern_type":"stix","valid_from":"2026-01-01T00:00:00Z"}`
		_, err := s.Client("bank").Submit(s.t.Context(), api.SubmitRequest{TLP: protocol.Green, Objects: []jsontext.Value{jsontext.Value(pattern)}})
		s.check(err)
		s.Settle()
		s.anchor("hospital", "vendor")
		s.dispute("vendor", "203.0.113.2")
		s.Settle()
		for _, at := range []string{"vendor", "hospital"} {
			if got := s.trust(at, "bank"); got.False < 0.99 {
				t.Errorf("%s: %s", at, got)
			}
			if a, b := s.tier(at, "203.0.113.1"), s.tier(at, "203.0.113.2"); a == "none" || b == "alert" || b == "block" {
				t.Errorf("%s: %s, and the disputed one %s", at, a, b)
			}
		}
	})
}

// TestShareRulesOfSightings: what we met, or hold to be harmless, goes where the
// share rules let it go: refused, held for a second pair of eyes, or to fewer.
func TestShareRulesOfSightings(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := sightScene{governed(t, "hospital -- bank\nvendor -- bank\nhospital -- vendor", "bank", `
[[share]]
name = "never-domains"
when = '"domain-name" in types && tlp == "green"'
refuse = "domains stay here"

[[share]]
name = "second-eyes"
when = 'tlp == "green"'
hold = true

[[share]]
name = "author-alone"
when = 'tlp == "amber" && "198.51.100.9" in values'
to = ["hospital"]
`), t}
		s.claim("hospital", "203.0.113.7", "evil.example")
		_, err := s.Client("hospital").Submit(t.Context(), api.SubmitRequest{TLP: protocol.Amber, To: []string{"bank", "vendor"}, Values: []string{"198.51.100.9", "198.51.100.8"}})
		s.check(err)
		s.Settle()
		a, err := s.Client("bank").Sight(t.Context(), api.SightRequest{Values: []string{"203.0.113.7", "evil.example", "198.51.100.9", "198.51.100.8"}})
		s.check(err)
		rules := map[string]string{}
		for _, u := range a.LeftOut {
			rules[u.Value.Value] = u.Rule
		}
		if len(a.LeftOut) != 2 || rules["evil.example"] != "policy:never-domains" || rules["203.0.113.7"] != "held:second-eyes" {
			t.Errorf("left out: %+v", a.LeftOut)
		}
		audiences := map[string]string{}
		for _, said := range a.Said {
			audiences[said.Value.Value] = said.Audience
		}
		if len(a.Said) != 2 || audiences["198.51.100.9"] != "hospital" || audiences["198.51.100.8"] != "hospital, vendor" {
			t.Errorf("said: %+v", a.Said)
		}
		s.Settle()
		held := waits(t, s.Federation, "bank", 1)[0]
		if _, objects, err := s.Node("bank").WaitingContent(held.ID, alice); err != nil || len(objects) != 1 || objects[0].Type != "sighting" {
			t.Errorf("%+v %v", objects, err)
		}
		if _, _, _, err := s.Node("bank").Accept(t.Context(), held.ID, node.Reviewer{Name: held.By}); !errors.Is(err, node.ErrRefused) {
			t.Errorf("accepted by who said it: %v", err)
		}
		_, receipts, refusals, err := s.Node("bank").Accept(t.Context(), held.ID, alice)
		if err != nil || len(receipts) != 1 || len(refusals) != 0 {
			t.Fatalf("%+v %+v %v", receipts, refusals, err)
		}
		s.Settle()
		for _, org := range []string{"hospital", "vendor"} {
			if state := bodyAt(s.Federation, org, receipts[0]); state != storage.Held {
				t.Errorf("%s: %v", org, state)
			}
		}
		waits(t, s.Federation, "bank", 0)
	})
}
