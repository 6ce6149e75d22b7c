package node_test

import (
	"strings"
	"testing"
	"testing/synctest"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/tocsin-exchange/tocsin/node/api"
	"github.com/tocsin-exchange/tocsin/node/nodetest"
	"github.com/tocsin-exchange/tocsin/protocol"
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
