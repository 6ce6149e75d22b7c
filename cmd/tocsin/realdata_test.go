package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tocsin-exchange/tocsin/node/api"
	"github.com/tocsin-exchange/tocsin/node/nodetest"
	"github.com/tocsin-exchange/tocsin/protocol"
)

// TestPublishedFeedsReachTheOtherNode imports every published file on one node
// and looks every claim up on the other. Rows add up in every file.
func TestPublishedFeedsReachTheOtherNode(t *testing.T) {
	data := os.Getenv("TOCSIN_TESTDATA")
	if data == "" {
		t.Skip("TOCSIN_TESTDATA is not set")
	}
	for _, dir := range []string{"lists", "stix20", "stix21", "misp", "csv", "text"} {
		files, err := filepath.Glob(filepath.Join(data, dir, "*"))
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: no files (%v)", dir, err)
		}
		t.Run(dir, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				fed := nodetest.New(t, "bank -- hospital")
				total := api.Tally{}
				for _, file := range files {
					tally := importFile(t, fed.Client("bank"), file)
					total.Rows, total.Accepted = total.Rows+tally.Rows, total.Accepted+tally.Accepted
					total.Skipped, total.Refused = total.Skipped+tally.Skipped, total.Refused+tally.Refused
				}
				time.Sleep(2 * time.Minute)
				claims := checkAnswered(t, fed)
				t.Logf("%d files: rows %d = accepted %d + skipped %d + refused %d; %d claims answered",
					len(files), total.Rows, total.Accepted, total.Skipped, total.Refused, claims)
			})
		})
	}
}

func importFile(t *testing.T, c *api.Client, file string) api.Tally {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	tally, err := c.Import(t.Context(), f, api.ImportOptions{Name: filepath.Base(file), TLP: protocol.Green}, func(api.ImportEvent) {})
	if err != nil {
		t.Errorf("%s: %v", filepath.Base(file), err)
	}
	if tally.Accepted+tally.Skipped+tally.Refused != tally.Rows {
		t.Errorf("%s: %d accepted + %d skipped + %d refused are not %d rows", filepath.Base(file), tally.Accepted, tally.Skipped, tally.Refused, tally.Rows)
	}
	reasons := 0
	for _, n := range tally.Reasons {
		reasons += n
	}
	if reasons != tally.Skipped+tally.Refused {
		t.Errorf("%s: %d reasons for %d rows", filepath.Base(file), reasons, tally.Skipped+tally.Refused)
	}
	return tally
}

// checkAnswered looks up on hospital whatever bank claims.
func checkAnswered(t *testing.T, fed *nodetest.Federation) (claims int) {
	t.Helper()
	bank, hospital := fed.Node("bank"), fed.Node("hospital")
	for change, err := range bank.Store().Changes(0, bank.Query()) {
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range change.Claim.Object.Claims {
			claims++
			answers, err := hospital.Store().Lookup(o, hospital.Query())
			if err != nil {
				t.Fatal(err)
			}
			found := false
			for _, a := range answers {
				found = found || a.Org == bank.Org() && a.Bulletin == change.Claim.Bulletin && strings.EqualFold(string(a.Observable.Type), string(o.Type))
			}
			if !found {
				t.Fatalf("%s %s is not answered by the other node", o.Type, o.Value)
			}
		}
	}
	return claims
}
