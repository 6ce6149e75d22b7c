package node_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"github.com/tocsin-exchange/tocsin/node/api"
	"github.com/tocsin-exchange/tocsin/node/nodetest"
	"github.com/tocsin-exchange/tocsin/protocol"
	"github.com/tocsin-exchange/tocsin/storage/journal"
)

// TestNothingSaidIsOnRecord: in no file of anybody's journal is a word, a value
// or a name out of a bulletin, and of one under RED nothing but that there was an
// act: not its id, not its author, not who got it.
func TestNothingSaidIsOnRecord(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fed := nodetest.New(t, `
			bank -- hospital : ir
			bank -- vendor
			hospital -- vendor
		`)
		canary := fed.Canary()
		said := map[protocol.TLP]protocol.ID{}
		for label, request := range map[protocol.TLP]api.SubmitRequest{
			protocol.Clear:       {Values: []string{"198.51.100.1"}},
			protocol.Green:       {Values: []string{"198.51.100.2"}},
			protocol.Amber:       {Values: []string{"amber.evil.example"}, Group: "ir"},
			protocol.AmberStrict: {Values: []string{"strict.evil.example"}, To: []string{"hospital"}},
			protocol.Red:         {Values: []string{"red.evil.example"}, To: []string{"hospital/rosalind"}},
		} {
			request.TLP, request.Description, request.Tags = label, canary, []string{"canary-tag"}
			answer, err := fed.Client("bank").Submit(t.Context(), request)
			if err != nil || len(answer.Receipts) != 1 {
				t.Fatal(label, answer, err)
			}
			said[label] = answer.Receipts[0].Bulletin
		}
		fed.Settle()
		check(t, fed.Client("bank").BlockPeer(t.Context(), "vendor", canary))
		_, err := fed.Client("bank").Revoke(t.Context(), api.TakeBackRequest{Bulletins: []protocol.ID{said[protocol.Amber], said[protocol.Red]}})
		check(t, err)
		_, err = fed.Client("bank").Erase(t.Context(), api.TakeBackRequest{Bulletins: []protocol.ID{said[protocol.Green], said[protocol.Red]}})
		check(t, err)
		fed.Settle()
		for _, org := range fed.Orgs() {
			fed.Stop(org)
			text := journalText(t, fed.Audit(org))
			for _, word := range []string{canary[:16], canary[24:40], "canary", "evil.example", "198.51.100", "rosalind", "indicator--", said[protocol.Red].String()} {
				if strings.Contains(text, word) {
					t.Errorf("%s has on record: %s", org, word)
				}
			}
			reds := 0
			for r, err := range (journal.Files{Dir: fed.Audit(org)}).List(journal.Query{}) {
				check(t, err)
				if r.TLP != protocol.Red.String() {
					continue
				}
				reds++
				bare := journal.Record{Prev: r.Prev, Seq: r.Seq, At: r.At, Act: r.Act, Actor: r.Actor, Bulletin: r.Bulletin, TLP: r.TLP}
				if diff := cmp.Diff(bare, r); diff != "" || !strings.HasPrefix(r.Bulletin, "red:") {
					t.Errorf("%s has of RED on record: %s %s", org, r.Bulletin, diff)
				}
			}
			if want := org != "vendor"; want != (reds > 0) {
				t.Errorf("%s has %d records of RED", org, reds)
			}
			for label, id := range said {
				got := label != protocol.Red && (org != "vendor" || label <= protocol.Green)
				if strings.Contains(text, id.String()) != got {
					t.Errorf("%s: %s on record: %t", org, label, !got)
				}
			}
		}
	})
}

// TestRedOnRecordIsFoundByWhoMaySeeIt: by its id whoever may see a bulletin under
// RED finds what the journal has of it; to anybody else it is one that never was.
func TestRedOnRecordIsFoundByWhoMaySeeIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fed := nodetest.New(t, "bank -- hospital")
		answer, err := fed.Client("bank").Submit(t.Context(), api.SubmitRequest{TLP: protocol.Red, To: []string{"hospital/rosalind"}, Values: []string{"red.evil.example"}})
		check(t, err)
		fed.Settle()
		id := answer.Receipts[0].Bulletin.String()
		for person, found := range map[string]bool{"rosalind": true, "francis": false, "": false} {
			made, err := fed.Client("hospital").CreateToken(t.Context(), api.TokenRequest{Role: api.Auditor, Clearance: protocol.Red, PAP: protocol.PAPRed, Person: person})
			check(t, err)
			client := *fed.Client("hospital")
			client.Token = made.Secret
			list, err := client.Audit(t.Context(), api.AuditQuery{Bulletin: id})
			check(t, err)
			if (len(list.Records) > 0) != found {
				t.Errorf("%q finds %+v", person, list.Records)
			}
		}
	})
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func journalText(t *testing.T, dir string) (text string) {
	t.Helper()
	files, err := os.ReadDir(dir)
	check(t, err)
	for _, f := range files {
		b, err := os.ReadFile(filepath.Join(dir, f.Name()))
		check(t, err)
		text += string(b)
	}
	return text
}
