package api

import (
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"

	"github.com/tocsin-exchange/tocsin/node"
	"github.com/tocsin-exchange/tocsin/protocol"
	"github.com/tocsin-exchange/tocsin/protocol/stix"
	"github.com/tocsin-exchange/tocsin/trust/score"
)

// asCaller is who a token of the rig's makes one.
func (r *rig) as(token string) *Client {
	if token == "" {
		return InProcess(r.door.Local())
	}
	return r.remote(token)
}

// TestWhyIsTheJudgement: to every caller the tiers explained are those that the
// judges give at that moment, every claim that answers stands in the list, and
// what is recorded gives the same again after it went over the wire.
func TestWhyIsTheJudgement(t *testing.T) {
	o := newOrigin(t, utterances())
	r := o.world(t, func(utterance) bool { return true })
	r.check(r.node.SetTrust(t.Context(), o.hospital, "90"))
	self := r.node.Identity().OrgKey
	states := map[string]int{}
	for name, reader := range readers() {
		client := r.as(o.tokens[name+" reader"])
		may := r.door.query(caller{reader: reader})
		for _, u := range o.said {
			w, err := client.Why(t.Context(), WhyQuery{Value: u.value})
			r.check(err)
			value := w.Case.Value
			may.Now = w.Judged
			claims, about, err := r.store.AboutValue(value, may, node.IDOf)
			r.check(err)
			judges := r.node.Judges(w.Judged, node.RecordFor(reader))
			tiers := judges.Tiers(value, claims, about)
			if w.Score != tiers.Score || w.Acting != tiers.Acting || w.Tier != node.TierOf(&tiers) {
				t.Errorf("%s of %s: %s %d %d, the judges say %s %d %d", name, u.value, w.Tier, w.Score, w.Acting, node.TierOf(&tiers), tiers.Score, tiers.Acting)
			}
			for i, tier := range score.AllTiers() {
				if got := w.Tiers[i]; got.In != tiers.In(tier) || got.In && got.Until.UnixMilli() != tiers.Until(tier) {
					t.Errorf("%s of %s: %+v, the judges say until %d", name, u.value, got, tiers.Until(tier))
				}
			}
			standing := 0
			for _, word := range w.Claims {
				if states[word.State]++; word.State == "stands" {
					standing++
				}
				if word.OrgKey == self && word.From != "bank" {
					t.Errorf("our own word came from %q", word.From)
				}
			}
			if standing != len(claims) {
				t.Errorf("%s of %s: %d claims stand, %d answer", name, u.value, standing, len(claims))
			}
			if differences, err := w.Replay(); err != nil || len(differences) > 0 {
				t.Errorf("%s of %s, judged again: %q, %v", name, u.value, differences, err)
			}
		}
	}
	for _, state := range []string{"stands", "superseded", "revoked", "expired"} {
		if states[state] == 0 {
			t.Errorf("nothing is %s: %v", state, states)
		}
	}
}

// TestWhyOfTheSilenced: what a blocked organisation said is listed and does not
// count, to whoever might see it and to nobody else.
func TestWhyOfTheSilenced(t *testing.T) {
	o := newOrigin(t, utterances())
	r := o.world(t, func(utterance) bool { return true })
	ask := func(who string) Why {
		w, err := r.as(o.tokens[who+" reader"]).Why(t.Context(), WhyQuery{Value: "evil.example"})
		r.check(err)
		return w
	}
	before := ask("clear")
	r.check(r.node.Block(t.Context(), o.hospital, "a drill"))
	after := ask("clear")
	if before.Tier == "none" || after.Tier != "none" || after.Tiers[0].Rule != "nothing-stands" || len(after.Voices) > 0 {
		t.Errorf("before %s, after %s %+v", before.Tier, after.Tier, after.Tiers)
	}
	if len(after.Claims) != 1 || after.Claims[0].State != "peer-blocked" || after.Claims[0].Then.Score != before.Score || after.Claims[0].TLP != protocol.Clear {
		t.Errorf("after the block: %+v, it scored %d before", after.Claims, before.Score)
	}
	if n := len(ask("amber").Claims); n != 3 {
		t.Errorf("under amber there are %d claims, want 3", n)
	}
}

// TestWhyTells: an answer that was changed does not replay.
func TestWhyTells(t *testing.T) {
	r := member(t)
	r.say(protocol.Green, "203.0.113.7")
	whole := func() Why {
		w, err := r.Why(t.Context(), WhyQuery{Value: "203.0.113.7"})
		r.check(err)
		return w
	}
	for name, change := range map[string]func(*Why){
		"":                  func(*Why) {},
		"score":             func(w *Why) { w.Score++ },
		"conclusion":        func(w *Why) { w.Conclusion = "203.0.113.7 is harmless" },
		"tier block":        func(w *Why) { w.Tiers[2].In = !w.Tiers[2].In },
		"tiers":             func(w *Why) { w.Tiers = nil },
		"voice of bank":     func(w *Why) { w.Voices[0].Weight /= 2 },
		"voices":            func(w *Why) { w.Voices = nil },
		"acting":            func(w *Why) { w.Case.Evidence[0].Drill = true },
		"conclusion: floor": func(w *Why) { w.Case.Floor = "one of our own" },
	} {
		w := whole()
		change(&w)
		got, err := w.Replay()
		if what, _, _ := strings.Cut(name, ": "); err != nil || (len(got) == 0) != (name == "") || name != "" && !slices.ContainsFunc(got, func(d string) bool { return strings.HasPrefix(d, what+": ") }) {
			t.Errorf("%q changed: %q, %v", name, got, err)
		}
	}
}

// TestWhyNever: what is on a never-block list says so with and without a claim;
// of what nobody ever heard of nothing is known.
func TestWhyNever(t *testing.T) {
	r := member(t)
	w, err := r.Why(t.Context(), WhyQuery{Value: "8.8.8.8"})
	if err != nil || w.NeverBlock == nil || !w.Known() || w.Tier != "none" || !strings.Contains(w.Conclusion, "is never acted on: in ") {
		t.Errorf("%+v, %v", w, err)
	}
	if len(w.Feeds) != 6 || w.Feeds[0].Feed != "ip" || w.Feeds[0].In || w.Feeds[5].Tier != "block" {
		t.Errorf("feeds: %+v", w.Feeds)
	}
	w, err = r.Why(t.Context(), WhyQuery{Value: "198.51.100.1", Type: stix.IPv4Addr})
	if err != nil || w.Known() {
		t.Errorf("%+v, %v", w, err)
	}
	for _, target := range []string{"/v1/why", "/v1/why?value=nonsense", "/v1/why?value=evil.example&type=colour", "/v1/why?value=evil.example&at=soon"} {
		if a := r.send(r.door.Local(), request{method: "GET", target: target}); a.Code != http.StatusBadRequest {
			t.Errorf("%s: %d %s", target, a.Code, a.Body)
		}
	}
}

// TestWhyAnswer compares the bytes of an answer.
func TestWhyAnswer(t *testing.T) {
	r := member(t)
	r.say(protocol.Green, "203.0.113.7")
	a := r.send(r.door.Local(), request{method: "GET", target: "/v1/why?value=203.0.113%5B.%5D7"})
	var w Why
	r.check(json.Unmarshal(a.Body.Bytes(), &w, json.RejectUnknownMembers(true)))
	again, err := encode(w)
	r.check(err)
	if got := strings.TrimSpace(a.Body.String()); got != string(again) {
		t.Errorf("read and written again it is %s, was %s", again, got)
	}
	golden(t, "why", whyScrub(a.Body.String()))
}

// whyScrub leaves moments out that are numbers.
func whyScrub(text string) string {
	for _, word := range []string{"at", "until", "as_of"} {
		for _, part := range strings.Split(text, `"`+word+`":`)[1:] {
			if number := part[:len(part)-len(strings.TrimLeft(part, "0123456789"))]; len(number) > 9 {
				text = strings.ReplaceAll(text, number, "MILLISECONDS")
			}
		}
	}
	return text
}

// TestLookupJudges: a lookup carries the score and tier of what bears on the
// value: the value, a block around it and a wildcard above it, and no name above.
func TestLookupJudges(t *testing.T) {
	r := member(t)
	sure := 80
	for _, value := range []string{"203.0.113.7", "198.51.100.0/24", "*.evil.example", "mail.example"} {
		_, err := r.Submit(t.Context(), SubmitRequest{TLP: protocol.Green, Values: []string{value}, Confidence: &sure})
		r.check(err)
	}
	for value, want := range map[string]struct {
		tier  string
		score int
		named []string
	}{
		"203.0.113.7":      {"block", 80, []string{"203.0.113.7 exact block"}},
		"198.51.100.9":     {"block", 80, []string{"198.51.100.0/24 cidr block"}},
		"www.evil.example": {"block", 80, []string{"*.evil.example parent-domain block"}},
		"www.mail.example": {"none", 0, []string{"mail.example parent-domain block"}},
		"203.0.113.8":      {"none", 0, nil},
	} {
		answers, err := r.Lookup(t.Context(), LookupRequest{Values: []string{value}})
		r.check(err)
		a := answers[0]
		var named []string
		for _, j := range a.Judged {
			named = append(named, strings.Join([]string{j.Value, j.Relation, j.Tier}, " "))
		}
		if a.Score == nil || *a.Score != want.score || a.Tier != want.tier || !reflect.DeepEqual(named, want.named) || a.NeverBlock != "" {
			t.Errorf("%s: %+v of %q, want %+v", value, a, named, want)
		}
		text := r.send(r.door.Local(), request{method: "GET", target: "/v1/lookup?value=" + url.QueryEscape(value)}).Body.String()
		if !strings.Contains(text, `"tier":"`+want.tier+`"`) {
			t.Errorf("%s: %s", value, text)
		}
	}
	if answers, err := r.Lookup(t.Context(), LookupRequest{Values: []string{"8.8.8.8"}}); err != nil || answers[0].NeverBlock == "" || answers[0].Tier != "none" {
		t.Errorf("%+v %v", answers, err)
	}
}

// FuzzWhyReplay: no file makes the replay fail otherwise than by an error, and
// what replays does so again after it was written anew.
func FuzzWhyReplay(f *testing.F) {
	const model = `"model":{"alert":30,"block":60,"corroboration":2,"least":5,"confidence":50,"sighting_confidence":85,"chosen":50,"newcomer":20,"newcomer_cap":30,` +
		`"strangers_cap":50,"half_life":1296000000,"strength":10,"up":0.5,"down":8,"memory":20,"strikes":3,"witness":0.25,"outcome_half_life":2592000000}`
	org := strings.Repeat("0a", 32)
	f.Add(`{}`)
	f.Add(`{"case":{"value":{"type":"ipv4-addr","value":"203.0.113.7"},"at":1800000000000,` + model + `,"evidence":[],"orgs":[]}}`)
	f.Add(`{"case":{"value":{"type":"ipv4-addr","value":"203.0.113.7"},"at":1800000000000,` + model + `,"evidence":[{"org":"` + org +
		`","kind":"claim","confidence":90,"at":1799999999999,"until":1900000000000,"tlp":"green"}],"orgs":[{"org":"` + org +
		`","role":"stranger","level":-1,"confirmed":2,"false_positives":0.5,"as_of":1700000000000,"doors":[{"community":"` + org + `"},{"org":"` + org + `","by":["` + org + `"]}]}]}}`)
	f.Fuzz(func(t *testing.T, text string) {
		var w Why
		if json.Unmarshal([]byte(text), &w) != nil {
			return
		}
		if _, err := w.Replay(); err != nil {
			return
		}
		again, err := w.Case.Find()
		if err != nil {
			t.Fatal(err)
		}
		w.Explanation, w.Related = again, nil
		written, err := encode(w)
		if err != nil {
			return // a moment that no text has
		}
		var read Why
		if err := json.Unmarshal(written, &read); err != nil {
			t.Fatal(err)
		}
		if differences, err := read.Replay(); err != nil || len(differences) > 0 {
			t.Fatalf("%q, %v", differences, err)
		}
	})
}

// TestLookupOfATier: whoever may only act on what is in a tier is told of nothing
// else.
func TestLookupOfATier(t *testing.T) {
	o := newOrigin(t, utterances())
	r := o.world(t, func(utterance) bool { return true })
	r.check(r.node.SetTrust(t.Context(), o.hospital, "40"))
	for _, row := range []struct {
		value string
		known map[string]bool // by tier
	}{
		{"www.evil.example", map[string]bool{"": true, "observe": true, "alert": false, "block": false}},
		{"203.0.113.1", map[string]bool{"": true, "observe": true, "alert": true, "block": true}}, // our own word, too
		{"nothing.example", map[string]bool{"": false, "observe": false}},
	} {
		for tier, want := range row.known {
			answers, err := r.Lookup(t.Context(), LookupRequest{Values: []string{row.value}, Tier: tier})
			r.check(err)
			if got := len(answers[0].Claims) > 0; got != want {
				t.Errorf("%s of tier %q: %v, want %v (%s, %d)", row.value, tier, got, want, answers[0].Tier, *answers[0].Score)
			}
		}
	}
	if _, err := r.Lookup(t.Context(), LookupRequest{Values: []string{"203.0.113.1"}, Tier: "blocked"}); problemOf(err).Status != http.StatusBadRequest {
		t.Errorf("tier blocked: %v", err)
	}
}

// TestWhyPages: every word is on one page, whoever asks, and a page that begins
// behind nothing is refused.
func TestWhyPages(t *testing.T) {
	r := member(t)
	for range node.WordsPerPage + 7 {
		r.say(protocol.Green, "203.0.113.7")
	}
	first, err := r.Why(t.Context(), WhyQuery{Value: "203.0.113.7"})
	r.check(err)
	if len(first.Claims) != node.WordsPerPage || first.LeftOut != 7 || first.Next == "" {
		t.Fatalf("%d claims, %d left out, next %q", len(first.Claims), first.LeftOut, first.Next)
	}
	whole, err := r.WhyWhole(t.Context(), WhyQuery{Value: "203.0.113.7"})
	r.check(err)
	met := map[protocol.ID]bool{}
	for _, c := range whole.Claims {
		met[c.Bulletin] = true
	}
	if len(met) != node.WordsPerPage+7 || len(whole.Claims) != len(met) || whole.LeftOut != 0 || whole.Next != "" {
		t.Errorf("%d claims of %d bulletins, %d left out", len(whole.Claims), len(met), whole.LeftOut)
	}
	if differences, err := whole.Replay(); err != nil || len(differences) > 0 {
		t.Errorf("%q, %v", differences, err)
	}
	for after, status := range map[string]int{"nonsense": http.StatusBadRequest, first.Next: http.StatusGone} {
		if _, err := r.Why(t.Context(), WhyQuery{Value: "evil.example", After: after}); problemOf(err).Status != status {
			t.Errorf("after %q: %v", after, err)
		}
	}
}

// TestWhyAsSomebodyElse: whoever narrows what it may see is told what a reader of
// that clearance is told, and nobody is told more than before.
func TestWhyAsSomebodyElse(t *testing.T) {
	o := newOrigin(t, utterances())
	r := o.world(t, func(utterance) bool { return true })
	for _, value := range []string{"203.0.113.1", "evil.example", "www.evil.example", "198.51.100.77"} {
		for name, label := range map[string]protocol.TLP{"m-clear": protocol.Clear, "m-green": protocol.Green, "m-amber": protocol.Amber, "m-strict": protocol.AmberStrict} {
			want, err := r.as(o.tokens[name+" reader"]).Why(t.Context(), WhyQuery{Value: value})
			r.check(err)
			for _, who := range []string{"", o.tokens["m-strict auditor"], o.tokens["m-clear reader"]} {
				got, err := r.as(who).Why(t.Context(), WhyQuery{Value: value, Clearance: label.String()})
				if problemOf(err) != nil && problemOf(err).Status == http.StatusForbidden {
					continue
				}
				r.check(err)
				most := want
				if who == o.tokens["m-clear reader"] {
					most, err = r.as(who).Why(t.Context(), WhyQuery{Value: value})
					r.check(err)
				}
				if len(got.Claims) != len(most.Claims) || got.Score != most.Score || got.Tier != most.Tier {
					t.Errorf("%s as %s: %d claims %s %d, want %d %s %d", value, label, len(got.Claims), got.Tier, got.Score, len(most.Claims), most.Tier, most.Score)
				}
			}
		}
	}
	for _, q := range []WhyQuery{{Value: "evil.example", Clearance: "mauve"}, {Value: "evil.example", PAP: "mauve"}, {Value: "evil.example", At: "2100-01-01"}, {Value: "evil.example", At: "soon"}} {
		if _, err := r.Why(t.Context(), q); problemOf(err) == nil || problemOf(err).Status != http.StatusBadRequest {
			t.Errorf("%+v: %v", q, err)
		}
	}
}
