package node_test

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/tocsin-exchange/tocsin/node/api"
	"github.com/tocsin-exchange/tocsin/node/nodetest"
	"github.com/tocsin-exchange/tocsin/protocol"
	"github.com/tocsin-exchange/tocsin/storage"
)

// TestVersionsKeepTheirCreation: what is said again under one id is a later version
// of the same object, as STIX has it, also twice at one moment and after a restart.
func TestVersionsKeepTheirCreation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fed := nodetest.New(t, pair)
		foreign := `{"type":"indicator","spec_version":"2.1","id":"indicator--00000000-0000-4000-8000-000000000001","created":"1999-06-01T00:00:00.000Z",` +
			`"modified":"1999-06-01T00:00:00.000Z","pattern":"[domain-name:value = 'again.example']","pattern_type":"stix","valid_from":"1999-06-01T00:00:00Z"}`
		first := fed.Submit("bank", "again.example", protocol.Green)
		for _, object := range []string{foreign, strings.Replace(foreign, "0001", "0002", 1)} {
			if _, err := fed.Client("bank").Submit(t.Context(), api.SubmitRequest{TLP: protocol.Green, Objects: []jsontext.Value{jsontext.Value(object)}}); err != nil {
				t.Fatal(err)
			}
		}
		fed.Stop("bank")
		fed.Restart("bank")
		fed.Submit("bank", "again.example", protocol.Green)
		fed.Settle()
		for _, org := range []string{"bank", "hospital"} {
			versions, err := fed.Node(org).Store().VersionsOfID(first.ID, nil)
			if err != nil || len(versions) != 4 {
				t.Fatalf("%s holds %d versions, %v", org, len(versions), err)
			}
			for i, v := range versions {
				if !v.Object.Created.Equal(versions[0].Object.Modified) || i > 0 && !v.Object.Modified.After(versions[i-1].Object.Modified) {
					t.Errorf("%s: version %d was made %s, and is of %s", org, i, v.Object.Created, v.Object.Modified)
				}
			}
		}
	})
}

// TestNothingFollowsARevocation: what is said again after it was taken back is
// another object, which is taken back as the first was; lists and lookups see the
// value either way.
func TestNothingFollowsARevocation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fed := nodetest.New(t, pair)
		var ids []string
		for range 3 {
			ids = append(ids, fed.Submit("bank", "again.example", protocol.Green).ID)
			fed.Settle()
			if answers, err := fed.Client("hospital").Lookup(t.Context(), api.LookupRequest{Values: []string{"again.example"}}); err != nil || len(answers[0].Claims) != 1 || answers[0].Claims[0].ID != ids[len(ids)-1] {
				t.Fatalf("the hospital knows %+v, %v", answers, err)
			}
			if id := fed.Submit("bank", "again.example", protocol.Green).ID; id != ids[len(ids)-1] {
				t.Errorf("a new version has the id %s, want %s", id, ids[len(ids)-1])
			}
			taken, err := fed.Client("bank").Revoke(t.Context(), api.TakeBackRequest{Values: []string{"again.example"}})
			if err != nil || len(taken.Taken) != 1 {
				t.Fatalf("taken back: %+v, %v", taken, err)
			}
			fed.Settle()
			if answers, err := fed.Client("hospital").Lookup(t.Context(), api.LookupRequest{Values: []string{"again.example"}}); err != nil || len(answers[0].Claims) != 0 {
				t.Fatalf("the hospital knows %+v, %v", answers, err)
			}
		}
		for i, id := range ids {
			versions, err := fed.Node("hospital").Store().VersionsOfID(id, nil)
			if err != nil || len(versions) != 3 || !versions[2].Object.Revoked || slices.Index(ids, id) != i {
				t.Errorf("%s has %d versions, %v", id, len(versions), err)
			}
		}
		erased, err := fed.Client("bank").Erase(t.Context(), api.TakeBackRequest{Values: []string{"again.example"}})
		if err != nil || len(erased.Taken) != 9 {
			t.Errorf("erased: %d, %v", len(erased.Taken), err)
		}
	})
}

// TestVerdictsFollowNoRevocation: a verdict that was taken back and is given again
// is another object, and counts.
func TestVerdictsFollowNoRevocation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fed := nodetest.New(t, pair)
		said := fed.Submit("bank", "again.example", protocol.Green)
		fed.Settle()
		var ids []string
		for range 3 {
			sight := api.SightRequest{Values: []string{"again.example"}, FalsePositive: true}
			for range 2 {
				if _, err := fed.Client("hospital").Sight(t.Context(), sight); err != nil {
					t.Fatal(err)
				}
			}
			fed.Settle()
			about, err := fed.Node("bank").Store().About(said.ID, storage.Query{})
			if err != nil || len(about) != 1 || !about[0].Object.Modified.After(about[0].Object.Created) {
				t.Fatalf("the bank heard %+v, %v", about, err)
			}
			ids = append(ids, about[0].Object.ID)
			sight.Retract = true
			if _, err := fed.Client("hospital").Sight(t.Context(), sight); err != nil {
				t.Fatal(err)
			}
			fed.Settle()
			if about, err := fed.Node("bank").Store().About(said.ID, storage.Query{}); err != nil || len(about) != 0 {
				t.Fatalf("of what was taken back the bank has %+v, %v", about, err)
			}
		}
		slices.Sort(ids)
		if len(slices.Compact(ids)) != 3 {
			t.Errorf("ids %q", ids)
		}
	})
}
