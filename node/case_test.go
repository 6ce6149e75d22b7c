package node

import (
	"crypto/sha256"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"pgregory.net/rapid"

	"github.com/tocsin-exchange/tocsin/protocol"
	"github.com/tocsin-exchange/tocsin/protocol/stix"
	"github.com/tocsin-exchange/tocsin/trust"
	"github.com/tocsin-exchange/tocsin/trust/policy"
	"github.com/tocsin-exchange/tocsin/trust/score"
)

const caseNow = int64(1_800_000_000_000)

func orgCalled(name string) protocol.Org { return sha256.Sum256([]byte(name)) }

// people are who may be in a drawn world; the first is ourselves.
func people() (all []protocol.Org) {
	for c := 'a'; c <= 'p'; c++ {
		all = append(all, orgCalled(string(c)))
	}
	return all
}

// drawBench is a world: who let in whom, who was given which level, and what
// became of their word.
func drawBench(t *rapid.T) *bench {
	all := people()
	o := &outlook{View: trust.View{Self: all[0], Communities: map[protocol.ID]*trust.Community{}}, levels: map[protocol.Org]level{}}
	oc := &outcomes{sums: map[outcomeKey]score.Outcomes{}}
	for i, org := range all[1:] {
		switch rapid.IntRange(0, 5).Draw(t, "decided") {
		case 0:
			o.levels[org] = level{number: 100, anchor: true}
		case 1:
			o.levels[org] = level{number: rapid.SampledFrom([]int{0, 10, 60, 100}).Draw(t, "level")}
		}
		if rapid.Bool().Draw(t, "past") {
			oc.sums[outcomeKey{org, stix.IPv4Addr, WholeRecord}] = score.Outcomes{
				Confirmed: rapid.Float64Range(0, 50).Draw(t, "confirmed"), False: rapid.Float64Range(0, 4).Draw(t, "false"), At: caseNow - int64(i)*86_400_000,
			}
		}
	}
	for _, name := range []string{"isac", "club"} {
		members := map[protocol.Org]trust.Member{all[0]: {Founder: true}}
		for i, org := range all[1:] {
			m := trust.Member{Founder: rapid.IntRange(0, 7).Draw(t, "founder") == 0}
			for range rapid.IntRange(0, 2).Draw(t, "introductions") {
				by := all[rapid.IntRange(0, i).Draw(t, "by")]
				m.By = append(m.By, trust.Introduction{By: by, Of: org})
			}
			if m.Founder || len(m.By) > 0 {
				members[org] = m
			}
		}
		o.Communities[sha256.Sum256([]byte(name))] = &trust.Community{Members: members}
	}
	p, err := policy.Parse(nil)
	if err != nil {
		t.Fatal(err)
	}
	b := &bench{rules: &Rules{Policy: p}, outlook: o, outcomes: oc, model: p.Model()}
	b.voices = score.NewVoices(func(org protocol.Org) score.Level { return b.level(org, "") }, b.members())
	return b
}

func drawCaseValue(t *rapid.T) score.Value {
	v := score.Value{Type: stix.IPv4Addr, Floor: rapid.SampledFrom([]string{"", "", "", "in own networks"}).Draw(t, "floor")}
	for range rapid.IntRange(0, 14).Draw(t, "pieces") {
		at := caseNow - rapid.Int64Range(-2, 60).Draw(t, "age")*43_200_000
		v.Evidence = append(v.Evidence, score.Evidence{
			Org: rapid.SampledFrom(people()).Draw(t, "org"), Kind: rapid.SampledFrom([]score.Kind{score.Claim, score.Claim, score.Sighting, score.Harmless}).Draw(t, "kind"),
			Confidence: rapid.IntRange(-1, 100).Draw(t, "confidence"), At: at, Until: at + rapid.Int64Range(1, 90).Draw(t, "days")*86_400_000,
			TLP: rapid.SampledFrom([]protocol.TLP{protocol.Clear, protocol.Amber, protocol.Red}).Draw(t, "tlp"),
			PAP: rapid.SampledFrom([]protocol.PAP{protocol.PAPNone, protocol.PAPNone, protocol.PAPAmber}).Draw(t, "pap"), Drill: rapid.IntRange(0, 9).Draw(t, "drill") == 0,
		})
	}
	return v
}

// TestCaseReplays: what is written down of a judgement gives the same judgement
// again, after it went through a file, whoever spoke by whatever door.
func TestCaseReplays(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b, v := drawBench(t), drawCaseValue(t)
		j := &Judges{bench: b, judge: b.judge(time.UnixMilli(caseNow), WholeRecord), by: WholeRecord, now: caseNow}
		want := j.judge.Explain(v, caseNow)
		o := stix.Observable{Type: stix.IPv4Addr, Value: "203.0.113.7"}
		text, err := json.Marshal(j.record(o, v))
		if err != nil {
			t.Fatal(err)
		}
		var c Case
		if err := json.Unmarshal(text, &c, json.RejectUnknownMembers(true)); err != nil {
			t.Fatal(err)
		}
		got, err := c.Judge()
		if err != nil {
			t.Fatal(err)
		}
		for i := range want.Parts {
			if !reflect.DeepEqual(got.Parts[i], want.Parts[i]) {
				t.Fatalf("part %d: %+v, want %+v", i, got.Parts[i], want.Parts[i])
			}
		}
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("judged again it is %+v, want %+v\nof %s", got, want, text)
		}
	})
}

// TestCaseTells: what is left out of a case, or put into it, changes what
// follows or is an error.
func TestCaseTells(t *testing.T) {
	us, bank, cert := orgCalled("us"), orgCalled("bank"), orgCalled("cert")
	whole := func() Case {
		m := score.Default()
		said := func(org protocol.Org) CaseEvidence {
			return CaseEvidence{Org: org, Kind: "claim", Confidence: 90, At: caseNow - 1000, Until: caseNow + 86_400_000, TLP: protocol.Green}
		}
		return Case{
			Value: stix.Observable{Type: stix.IPv4Addr, Value: "203.0.113.7"}, At: caseNow, Model: modelOf(&m, stix.IPv4Addr), Evidence: []CaseEvidence{said(bank), said(cert)},
			Orgs: []CaseOrg{{Org: bank, Role: "chosen", Level: 60}, {Org: cert, Role: "chosen", Level: -1}, {Org: us, Role: "own", Level: -1}},
		}
	}
	c := whole()
	f, err := c.Find()
	if err != nil || f.Tier != "block" || f.Score != 75 {
		t.Fatalf("%+v, %v", f, err)
	}
	for name, change := range map[string]func(*Case){
		"block":   func(*Case) {},
		"observe": func(c *Case) { c.Floor = "one of our own" },
		"alert":   func(c *Case) { c.Evidence = c.Evidence[:1] },
		"none":    func(c *Case) { c.At += 2 * 86_400_000 },
		"error":   func(c *Case) { c.Orgs = slices.Delete(c.Orgs, 0, 1) },
		"error 2": func(c *Case) { c.Orgs[0].Role = "king" },
		"error 3": func(c *Case) { c.Model.StrangersCap = 100 },
		"error 4": func(c *Case) { c.At = 0 },
		"error 5": func(c *Case) { c.Evidence[0].Kind = "rumour" },
		"error 7": func(c *Case) { c.Orgs[0].False = -1 },
		"error 6": func(c *Case) { c.Model.HalfLife = 1 << 62 },
	} {
		c := whole()
		change(&c)
		switch f, err := c.Find(); {
		case name[:3] == "err":
			if err == nil {
				t.Errorf("%s: %+v", name, f)
			}
		case err != nil || f.Tier != name:
			t.Errorf("%s: in %s, %v", name, f.Tier, err)
		}
	}
}
