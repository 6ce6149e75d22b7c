package api

import (
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tocsin-exchange/tocsin/node"
	"github.com/tocsin-exchange/tocsin/protocol"
	"github.com/tocsin-exchange/tocsin/storage/journal"
	"github.com/tocsin-exchange/tocsin/trust/policy"
)

// A deed is a request that changes something, and what is on record once it is
// answered. Where no act is given a node alone cannot do it, and the use of the
// token that asked for it is on record.
type deed struct {
	route, target, body string
	act                 journal.Act
}

// deeds has every route that does something, in an order in which they can be done.
func deeds() []deed {
	return []deed{
		{"POST /v1/bulletins", "", `{"values":["203.0.113.7"],"tlp":"green"}`, node.ActSubmit},
		{"POST /v1/import", "?tlp=green", "203.0.113.8\n", node.ActSubmit},
		{"POST /v1/sightings", "", `{}`, ""},
		{"POST /v1/review/{id}/accept", "", `{}`, ""},
		{"POST /v1/review/{id}/reject", "", `{}`, ""},
		{"POST /v1/archive", "", `{}`, ""},
		{"POST /v1/communities", "", `{"name":"finance"}`, node.ActCommunity},
		{"POST /v1/invites", "", `{"community":"isac"}`, node.ActInvite},
		{"POST /v1/join", "", `{"token":"none"}`, ""},
		{"POST /v1/certificates", "", `{}`, ""},
		{"POST /v1/peers", "", `{"addr":"/ip4/203.0.113.9/tcp/4001/p2p/NODE"}`, node.ActAddress},
		{"POST /v1/peers/{org}/trust", "", `{"trust":"70"}`, journal.ActTrust},
		{"POST /v1/peers/{org}/name", "", `{"name":"clinic"}`, node.ActName},
		{"POST /v1/clients", "", `{"org":"clinic"}`, node.ActClient},
		{"POST /v1/groups", "", `{"group":"ir"}`, node.ActGroup},
		{"POST /v1/rosters", "", `{"group":"ir","history":1}`, node.ActGroup},
		{"POST /v1/peers/{org}/block", "", `{}`, journal.ActBlock},
		{"POST /v1/peers/{org}/release", "", `{}`, journal.ActBlock},
		{"POST /v1/revocations", "", `{}`, ""},
		{"POST /v1/revoke", "", `{"values":["203.0.113.7"]}`, journal.ActRevoke},
		{"POST /v1/erase", "", `{"values":["203.0.113.7"]}`, journal.ActErase},
		{"POST /v1/tokens", "", `{"role":"reader"}`, journal.ActToken},
		{"DELETE /v1/tokens/{id}", "", ``, journal.ActToken},
		{"POST /v1/policy/reload", "", `{}`, ""},
		{"POST /v1/policy/check", "", `{}`, ""},
		{"POST /v1/feeds/{name}/release", "", ``, ""},
		{"POST /v1/sinks", "", `{"name":"soc","kind":"webhook","url":"https://soar.example/hook"}`, journal.ActExport},
		{"POST /v1/sinks/{name}/letters", "", `{}`, ""},
		{"DELETE /v1/sinks/{name}", "", ``, ""},
		{"POST /v1/sources", "", `{"name":"cert","kind":"misp","url":"https://cert.example/feed/","tlp":"green","community":"isac"}`, journal.ActPolicy},
		{"POST /v1/sources/{name}/pull", "", ``, ""},
		{"DELETE /v1/sources/{name}", "", ``, ""},
		{"POST /v1/collections/{id}", "", `{"tlp":"green"}`, ""},
		{"POST /taxii2/{root}/collections/{id}/objects/{$}", "", `{}`, ""},
		{"POST /v1/peers/{org}/remove", "", `{"community":"isac"}`, node.ActMember},
	}
}

// lastRecord is the number of the last record that is durable.
func (r *rig) lastRecord() uint64 { return r.door.journal.Open.Stats().Durable.Seq }

// recordsAfter returns what came on record.
func (r *rig) recordsAfter(seq uint64) (list []journal.Record) {
	r.t.Helper()
	r.check(r.door.journal.Open.AppendSync(r.t.Context(), journal.Record{Act: "flush"}))
	for record, err := range r.door.journal.Open.List(journal.Query{After: seq}) {
		r.check(err)
		list = append(list, record)
	}
	return list
}

// TestEveryDeedIsOnRecord: there is no route that changes something and leaves no
// record of it. A new one is in no line above, and fails until it is.
func TestEveryDeedIsOnRecord(t *testing.T) {
	r := member(t)
	hospital := protocol.NodeOf(keyNamed("hospital node"))
	cert := protocol.Certify(keyNamed("hospital"), hospital, time.Now().Add(-time.Hour), time.Now().Add(time.Hour))
	community, err := r.node.Community("isac")
	r.check(err)
	r.check(r.node.Introduce(t.Context(), community, cert, "hospital"))
	made, err := r.CreateToken(t.Context(), TokenRequest{Role: Operator, Clearance: protocol.AmberStrict, PAP: protocol.PAPRed})
	r.check(err)
	replace := strings.NewReplacer("{org}", cert.Org.String(), "{id}", made.ID, "{name}", "ip", "{root}", "tlp2", "{$}", "", "NODE", node.PeerID(hospital).String())
	done := map[string]bool{}
	for _, deed := range deeds() {
		i := slices.IndexFunc(r.door.routes, func(route route) bool { return route.pattern() == deed.route })
		if i < 0 {
			continue // not yet there, or not any more
		}
		done[deed.route] = true
		method, path, _ := strings.Cut(deed.route, " ")
		q := request{method: method, target: replace.Replace(path) + deed.target, body: replace.Replace(deed.body), header: map[string]string{}}
		if takes := r.door.routes[i].takes; len(takes) > 0 {
			q.header["Content-Type"] = takes[0]
		}
		want := deed.act
		if want == "" {
			token := r.token(Operator, protocol.AmberStrict)
			q, want = q.with("Authorization", "Bearer "+token), journal.ActToken
		}
		before := r.lastRecord()
		w := r.send(r.door.Local(), q)
		if deed.act != "" && w.Code >= 300 {
			t.Errorf("%s: %d %s", deed.route, w.Code, w.Body)
		}
		if !slices.ContainsFunc(r.recordsAfter(before), func(record journal.Record) bool {
			return record.Act == want && record.Actor != journal.Node && (deed.act != "" || record.Rule == deed.route)
		}) {
			t.Errorf("%s leaves no record of act %s: %+v", deed.route, want, r.recordsAfter(before))
		}
	}
	for i := range r.door.routes {
		if route := &r.door.routes[i]; route.method != "GET" && route.right != read && !done[route.pattern()] {
			t.Errorf("%s: what is on record of it? add it to deeds", route.pattern())
		}
	}
}

// TestUnrecordedIsNotDone: what must be on record is not done where it cannot be:
// revocations, erasures, policies, tokens, exports. What the node must do all the
// same, such as cutting somebody off, it does.
func TestUnrecordedIsNotDone(t *testing.T) {
	r := member(t)
	r.say(protocol.Green, "203.0.113.7")
	rules, _ := r.node.Rules()
	r.check(r.door.journal.Open.Close())
	for name, do := range map[string]func() error{
		"revoke": func() error {
			_, err := r.Revoke(t.Context(), TakeBackRequest{Values: []string{"203.0.113.7"}})
			return err
		},
		"erase": func() error {
			_, err := r.Erase(t.Context(), TakeBackRequest{Values: []string{"203.0.113.7"}})
			return err
		},
		"token":  func() error { _, err := r.CreateToken(t.Context(), TokenRequest{Role: Reader}); return err },
		"backup": func() error { _, err := r.Backup(t.Context(), httptest.NewRecorder()); return err },
	} {
		var p *Problem
		if err := do(); !errors.As(err, &p) || p.Status != 503 || !strings.Contains(p.Detail, "on record") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := r.node.NoteRules(t.Context(), rules); !errors.Is(err, journal.ErrClosed) {
		t.Errorf("a policy: %v", err)
	}
	if tokens, err := r.ListTokens(t.Context()); err != nil || len(tokens) > 0 {
		t.Errorf("tokens %v, %v", tokens, err)
	}
	answers, err := r.Lookup(t.Context(), LookupRequest{Values: []string{"203.0.113.7"}})
	if err != nil || len(answers[0].Claims) != 1 {
		t.Errorf("what was said is gone: %v, %v", answers, err)
	}
	r.say(protocol.Green, "203.0.113.8")
}

// TestRecordingEndsOnRecord: the policy that ends the record is its last word,
// and that by which it begins again its first.
func TestRecordingEndsOnRecord(t *testing.T) {
	r := member(t)
	on := policy.Default()
	off := policy.Default()
	off.Audit = policy.Audit{}
	change := func(p *policy.Policy) {
		t.Helper()
		rules, err := node.NewRules(p)
		r.check(err)
		r.check(r.node.NoteRules(node.WithActor(t.Context(), "signal"), rules))
		r.node.SetRules(rules)
	}
	before := r.lastRecord()
	change(off)
	r.say(protocol.Green, "203.0.113.7")
	token := r.token(Operator, protocol.AmberStrict)
	_, err := r.remote(token).Revoke(t.Context(), TakeBackRequest{Values: []string{"203.0.113.7"}})
	r.check(err)
	change(on)
	var acts []journal.Act
	for _, record := range r.recordsAfter(before) {
		if record.Actor == journal.Node && record.Act != "flush" {
			continue // what the node began by itself before
		}
		if acts = append(acts, record.Act); record.Act == journal.ActPolicy && (record.Actor != "signal" || record.Words["before"] == record.Words["after"]) {
			t.Errorf("%+v", record)
		}
	}
	if want := []journal.Act{journal.ActPolicy, journal.ActPolicy, "flush"}; !slices.Equal(acts[max(0, len(acts)-3):], want) {
		t.Errorf("on record: %v, want %v at the end", acts, want)
	}
}

// TestReadsAreCounted: of reading the first in an hour is on record, of each token
// and route; every change is.
func TestReadsAreCounted(t *testing.T) {
	r := member(t)
	token := r.token(Analyst, protocol.Green)
	before := r.lastRecord()
	for range 5 {
		_, err := r.remote(token).Lookup(t.Context(), LookupRequest{Values: []string{"203.0.113.7"}})
		r.check(err)
		_, err = r.remote(token).Submit(t.Context(), SubmitRequest{TLP: protocol.Green, Values: []string{"203.0.113.7"}})
		r.check(err)
	}
	count := map[string]int{}
	for _, record := range r.recordsAfter(before) {
		if strings.HasPrefix(record.Actor, "token ") {
			count[string(record.Act)+" "+record.Rule]++
		}
	}
	if count["read POST /v1/lookup"] != 1 || count["token POST /v1/bulletins"] != 5 || count["submit "] != 5 {
		t.Errorf("on record: %v", count)
	}
}

// TestNoJournal: without one the routes say so, and all else goes on.
func TestNoJournal(t *testing.T) {
	r := member(t)
	door := New(Config{Node: r.node, Log: slog.New(slog.DiscardHandler)})
	for _, path := range []string{"/v1/audit", "/v1/audit/verify", "/v1/audit/export"} {
		if w := r.send(door.Local(), request{method: "GET", target: path}); w.Code != 404 {
			t.Errorf("%s: %d %s", filepath.Base(path), w.Code, w.Body)
		}
	}
}

// TestNotReadyWithoutItsJournal: a node whose acts cannot be put on record any
// more is not ready, refuses what must be on record first, and says so.
func TestNotReadyWithoutItsJournal(t *testing.T) {
	r := newRig(t, "bank")
	dir := filepath.Join(t.TempDir(), "audit")
	lost, err := journal.Open(dir, journal.Options{SegmentSize: 1})
	r.check(err)
	t.Cleanup(func() { lost.Close() })
	r.door.journal.Open = lost
	r.check(r.Client.Ready(t.Context()))
	r.check(os.RemoveAll(dir))
	lost.AppendSync(t.Context(), journal.Record{Act: journal.ActStart})
	if err := lost.AppendSync(t.Context(), journal.Record{Act: journal.ActStop}); !errors.Is(err, journal.ErrFailed) {
		t.Fatal(err)
	}
	var problem *Problem
	if err := r.Client.Ready(t.Context()); !errors.As(err, &problem) || problem.Status != http.StatusServiceUnavailable || !strings.Contains(err.Error(), "audit journal") {
		t.Errorf("ready: %v", err)
	}
	checks, err := r.Client.Doctor(t.Context())
	if i := slices.IndexFunc(checks, func(c Check) bool { return c.Check == "audit" }); err != nil || i < 0 || checks[i].OK {
		t.Errorf("doctor: %v %+v", err, checks)
	}
}
