package node_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tocsin-exchange/tocsin/node"
	"github.com/tocsin-exchange/tocsin/node/api"
	"github.com/tocsin-exchange/tocsin/protocol/stix"
	"github.com/tocsin-exchange/tocsin/storage"
)

// TestErasedWithWhatItSpokeOf: when a claim is erased, what others said of it is
// shown no more, and their nodes have it erased everywhere; what is said of a
// value that somebody else still claims stays, and so does what waits elsewhere.
func TestErasedWithWhatItSpokeOf(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := sightScene{governed(t, "hospital -- bank\nvendor -- bank\nhospital -- vendor", "bank", ""), t}
		s.claim("hospital", "jane.example", "both.example")
		s.claim("vendor", "both.example")
		s.Settle()
		met := s.sight("bank", api.SightRequest{Values: []string{"jane.example", "both.example"}, Note: "seen on the ward"})
		if len(met.Said) != 3 {
			t.Fatalf("%+v", met)
		}
		s.Settle()
		s.Cut("bank", "hospital")
		s.Cut("bank", "vendor") // its author is away: nobody has its sighting erased yet
		erase := node.Selection{Values: []stix.Observable{{Type: stix.DomainName, Value: "jane.example"}, {Type: stix.DomainName, Value: "both.example"}}}
		if _, err := s.Node("hospital").Erase(t.Context(), erase); err != nil {
			t.Fatal(err)
		}
		s.Settle()
		shown := func(org, id string) bool {
			claims, err := s.Node(org).Store().Object(id, storage.Query{Now: time.Now()})
			return err == nil && len(claims) > 0
		}
		held := func(org string, said node.Sighted) bool {
			b, _, err := s.Node(org).Store().Bulletin(said.Bulletin)
			if err != nil {
				t.Fatal(err)
			}
			for _, raw := range b.Objects() {
				if o, err := stix.Parse(raw); err == nil && o.ID == said.ID {
					return true
				}
			}
			return false
		}
		ofHospital := func(said node.Sighted) bool { return said.Claimant == "hospital" }
		for _, said := range met.Said {
			if got := shown("vendor", said.ID); got == ofHospital(said) || !held("vendor", said) {
				t.Errorf("%s of %s at the vendor, while the bank is away: shown %t, held %t", said.Value, said.Claimant, got, held("vendor", said))
			}
		}
		s.Heal("bank", "hospital")
		s.Heal("bank", "vendor")
		time.Sleep(3 * time.Minute)
		for _, said := range met.Said {
			for _, org := range []string{"bank", "hospital", "vendor"} {
				if got := held(org, said); got == ofHospital(said) {
					t.Errorf("%s of %s at the %s: held %t", said.Value, said.Claimant, org, got)
				}
			}
		}
	})
}

// TestWaitsOfWhatWasErased: what waits for a person to be said of a value goes
// with the claim on it.
func TestWaitsOfWhatWasErased(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := sightScene{governed(t, "hospital -- bank", "bank", secondEyes), t}
		s.claim("hospital", "jane.example")
		s.Settle()
		canary := s.Canary()
		if _, err := s.Client("bank").Sight(t.Context(), api.SightRequest{Values: []string{"jane.example"}, Note: canary}); !errors.Is(err, node.ErrRefused) {
			t.Fatal(err)
		}
		waits(t, s.Federation, "bank", 1)
		if !inFiles(s.Federation, canary, "bank") {
			t.Error("the search does not find what waits")
		}
		if _, err := s.Node("hospital").Erase(t.Context(), node.Selection{Values: []stix.Observable{{Type: stix.DomainName, Value: "jane.example"}}}); err != nil {
			t.Fatal(err)
		}
		s.Settle()
		waits(t, s.Federation, "bank", 0)
		if inFiles(s.Federation, canary, "bank") {
			t.Error("the note is in a file of the bank's")
		}
	})
}
