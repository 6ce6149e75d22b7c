package taxii

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tocsin-exchange/tocsin/protocol"
	"github.com/tocsin-exchange/tocsin/protocol/stix"
	"github.com/tocsin-exchange/tocsin/trust"
)

// TestCompanions: markings and authors come right ahead of what first needs them,
// once, for everyone by what it sees; and again when that has gone.
func TestCompanions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t)
		types := func(items []Item) (out string) {
			for _, i := range items {
				out += " " + i.kind
			}
			return out[1:]
		}
		d.say("hospital", saying{tlp: protocol.Red}, tool(1, 0, ""))
		d.say("bank", saying{tlp: protocol.Green, drill: "d1"}, tool(2, 0, ""))
		first := d.say("bank", saying{tlp: protocol.Green}, tool(3, 0, ""))
		d.say("bank", saying{tlp: protocol.Clear}, tool(4, 0, ""))
		d.say("hospital", saying{tlp: protocol.AmberStrict}, tool(5, 0, ""))
		for _, row := range []struct {
			root  Root
			c     Collection
			clear protocol.TLP
			want  string
		}{
			{newest(), community, protocol.Red, "marking-definition identity tool marking-definition tool"},
			{newest(), whole, protocol.Red, "marking-definition identity tool marking-definition tool marking-definition identity tool"},
			{newest(), whole, protocol.Clear, "marking-definition identity tool"},
			{former(), whole, protocol.Red, "marking-definition identity tool marking-definition tool"},
		} {
			reader := anyone
			reader.Clearance = row.clear
			if got := types(d.all(row.root, row.c, reader, "", 2)); got != row.want {
				t.Errorf("%s of %s, cleared for %s: %s, want %s", row.root.Name, row.c.Title, row.clear, got, row.want)
			}
		}
		if _, err := d.store.Erase(t.Context(), first.ID(), []uint64{0}); err != nil {
			t.Fatal(err)
		}
		if got := types(d.all(newest(), community, anyone, "", 2)); got != "marking-definition identity tool" {
			t.Errorf("without the first: %s", got)
		}
	})
}

// TestSameBytes: one id and version is the same bytes for everybody, in every
// collection and root.
func TestSameBytes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t)
		for i := range 4 {
			label := protocol.Clear + protocol.TLP(i)
			d.say("bank", saying{tlp: label}, tool(i, 0, ""), tool(i, 1, `,"created_by_ref":"identity--77777777-7777-4777-8777-777777777777"`))
			d.say("hospital", saying{tlp: label}, tool(10+i, 0, `,"object_refs":["`+toolID(i)+`"]`))
		}
		bytes := map[string]string{}
		for _, root := range Roots() {
			for _, c := range []Collection{whole, community} {
				for label := protocol.Clear; label <= protocol.Red; label++ {
					for _, item := range d.all(root, c, trust.Reader{Clearance: label, PAP: protocol.PAPRed}, "match[version]=all", 3) {
						key := item.ID + " " + item.Version
						if was, known := bytes[key]; known && was != string(item.object) {
							t.Errorf("%s is\n%s and\n%s", key, was, item.object)
						}
						bytes[key] = string(item.object)
						if _, err := stix.Parse(item.object); err != nil {
							t.Errorf("%s: %v", key, err)
						}
					}
				}
			}
		}
		if len(bytes) < 25 {
			t.Errorf("%d versions only", len(bytes))
		}
	})
}

// TestNobodySpeaksForOthers: an object under an id of another's does not take its
// place, nor the creator that it names; nor one under the id of a marking or of an
// organisation's identity.
func TestNobodySpeaksForOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t)
		bank, hospital := IdentityID(newSpeaker("bank").cert.Org), IdentityID(newSpeaker("hospital").cert.Org)
		d.say("mallory", saying{tlp: protocol.Green}, tool(1, 5, `,"revoked":true`), tool(3, 5, ""))
		d.say("bank", saying{tlp: protocol.Green}, strings.Replace(tool(1, 1, ""), `"name":"x"`, `"name":"bound"`, 1), tool(2, 1, ""))
		d.say("mallory", saying{tlp: protocol.Green}, tool(2, 5, `,"revoked":true`), tool(4, 1, `,"created_by_ref":"`+bank+`"`),
			`{"type":"identity","spec_version":"2.1","id":"`+hospital+`","created":"2000-01-01T00:00:00.000Z","modified":"2020-01-01T00:00:00.000Z","name":"x"}`,
			`{"type":"marking-definition","spec_version":"2.1","id":"`+protocol.MarkingID(protocol.Green)+`","created":"2022-10-01T00:00:00.000Z","definition_type":"statement","definition":{"statement":"x"}}`)
		d.say("hospital", saying{tlp: protocol.Green}, tool(5, 1, ""))
		var out strings.Builder
		items := d.all(newest(), whole, anyone, "match[type]=tool", 2)
		for _, i := range items {
			out.Write(i.object)
		}
		if got, want := seen(items), "tool--00000003@2000-01-06 tool--00000001@2000-01-02 tool--00000002@2000-01-02 tool--00000004@2000-01-02 tool--00000005@2000-01-02"; got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
		if strings.Contains(out.String(), "revoked") || strings.Count(out.String(), bank) != 2 {
			t.Errorf("somebody speaks for the bank: %s", out.String())
		}
		for _, id := range []string{hospital, protocol.MarkingID(protocol.Green)} {
			p, err := d.ask(newest(), whole, OfVersions, id, anyone, "")
			if err != nil || len(p.Items) != 1 || p.Items[0].Version == "2020-01-01T00:00:00.000Z" {
				t.Errorf("%s: %+v, %v", id, p.Items, err)
			}
		}
	})
}

// TestTwoWorlds: what an asker may not see changes no byte of any page, next and
// dates included.
func TestTwoWorlds(t *testing.T) {
	said := []struct {
		org string
		saying
		object int
		clear  bool // whether one cleared for CLEAR sees it
	}{
		{"hospital", saying{tlp: protocol.Green}, 1, false}, {"bank", saying{tlp: protocol.Clear}, 1, true}, {"bank", saying{tlp: protocol.Red}, 2, false},
		{"bank", saying{tlp: protocol.Amber}, 2, false}, {"bank", saying{tlp: protocol.Clear}, 2, true}, {"bank", saying{tlp: protocol.Clear, pap: protocol.PAPRed}, 3, false},
		{"hospital", saying{tlp: protocol.AmberStrict}, 4, false}, {"hospital", saying{tlp: protocol.Clear}, 4, true}, {"mallory", saying{tlp: protocol.Green}, 5, false},
	}
	reader := trust.Reader{Clearance: protocol.Clear, PAP: protocol.PAPAmber}
	world := func(hidden bool) (text string) {
		synctest.Test(t, func(t *testing.T) {
			d := newDesk(t)
			d.places = newPlaces("one store")
			for i, w := range said {
				time.Sleep(time.Minute)
				if w.clear || hidden {
					d.say(w.org, w.saying, tool(w.object, i, ""))
				}
				for _, c := range []Collection{whole, community} {
					for _, query := range []string{"", "limit=1", "limit=2&match[version]=all", "match[type]=identity&limit=1", "match[id]=" + toolID(1) + "," + toolID(2) + "," + toolID(3)} {
						for _, root := range Roots() {
							for _, kind := range []Kind{OfObjects, OfManifest} {
								for next, n := "", 0; n == 0 || next != ""; n++ {
									p, err := d.ask(root, c, kind, "", reader, query+"&next="+next)
									text += fmt.Sprintf("%s %s %v\n%s", p.First, p.Last, err, p.AppendJSON(nil))
									next = p.Next
								}
							}
						}
					}
					p, err := d.ask(newest(), c, OfVersions, toolID(w.object), reader, "")
					text += fmt.Sprintf("%s %s %v\n%s", p.First, p.Last, err, p.AppendJSON(nil))
				}
			}
			d.store.Close()
		})
		return text
	}
	with, without := world(true), world(false)
	if with != without {
		a, b := strings.Split(with, "\n"), strings.Split(without, "\n")
		for i := range a {
			if i >= len(b) || a[i] != b[i] {
				t.Fatalf("with    %s\nwithout %s", a[i], b[min(i, len(b)-1)])
			}
		}
	}
	if strings.Count(with, `"tool--`) < 100 {
		t.Error("the asker sees nothing")
	}
}

// TestWordsThatCeaseToCount: what was blocked is gone from one moment to the next,
// and a page from before leads nowhere.
func TestWordsThatCeaseToCount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t)
		d.say("bank", saying{tlp: protocol.Green}, tool(1, 0, ""), tool(2, 0, ""))
		d.say("mallory", saying{tlp: protocol.Green}, tool(3, 0, ""))
		p, err := d.ask(newest(), whole, OfObjects, "", anyone, "limit=3")
		if err != nil || !p.More {
			t.Fatalf("%+v, %v", p, err)
		}
		d.blocked[newSpeaker("bank").cert.Org], d.silence = true, 1
		if _, err := d.ask(newest(), whole, OfObjects, "", anyone, "limit=3&next="+p.Next); !errors.Is(err, ErrPlace) {
			t.Errorf("a page from before: %v", err)
		}
		if got := d.all(newest(), whole, anyone, "", 2); len(got) != 3 || got[2].ID != toolID(3) {
			t.Errorf("left are %s", seen(got))
		}
		if _, err := d.ask(newest(), whole, OfObject, toolID(1), anyone, ""); !errors.Is(err, ErrNotFound) {
			t.Errorf("one of those: %v", err)
		}
	})
}
