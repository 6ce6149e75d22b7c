package api

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/go-cmp/cmp"

	"github.com/tocsin-exchange/tocsin/node"
	"github.com/tocsin-exchange/tocsin/protocol"
)

var update = flag.Bool("update", false, "write the golden files anew")

// golden compares an answer, with what is random or of today left out.
func golden(t *testing.T, name, got string) {
	t.Helper()
	for _, scrub := range []struct{ pattern, with string }{
		{`tocsin_[\w-]{43}`, "TOKEN"},
		{`tocsin-invite-1-[\w-]+`, "INVITE"},
		{`"[\w-]{88}"`, `"CURSOR"`},
		{`id: [\w-]{88}`, `id: CURSOR`},
		{`12D3Koo\w+`, "NODE"},
		{`\d{4}-\d\d-\d\dT[\d:.]+Z`, "TIME"},
		{`\d{4}-\d\d-\d\d`, "DATE"},
		{`[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}`, "UUID"},
		{`\b[0-9a-f]{64}\b`, "HEX"},
		{`"[0-9a-f]{12}"`, `"ID"`},
		{`\d{5}( \d{5}){5}`, "FINGERPRINT"},
		{`\d\d:\d\d:\d\d UTC`, "CLOCK"},
		{`\d+ MiB`, "SIZE"},
		{`mark \d+`, "mark N"},
	} {
		got = regexp.MustCompile(scrub.pattern).ReplaceAllString(got, scrub.with)
	}
	file := filepath.Join("testdata", name+".golden")
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", name, diff)
	}
}

// TestAnswers plays requests in order and compares the bytes of the answers.
func TestAnswers(t *testing.T) {
	r := newRig(t, "bank")
	var out strings.Builder
	play := func(method, target, mediaType, body string) {
		q := request{method, target, body, map[string]string{}}
		if mediaType != "" {
			q.header["Content-Type"] = mediaType
		}
		w := r.send(r.door.Local(), q)
		fmt.Fprintf(&out, "> %s %s %s\n< %d %s\n%s\n", method, target, body, w.Code, w.Header().Get("Content-Type"), w.Body)
	}
	post := func(target, body string) { play("POST", target, typeJSON, body) }
	fetch := func(target string) { play("GET", target, "", "") }
	post("/v1/bulletins", `{"tlp":"green","values":["203.0.113.7"]}`)
	post("/v1/communities", `{"name":"isac"}`)
	post("/v1/communities", `{"name":"isac"}`)
	fetch("/v1/communities")
	post("/v1/bulletins", `{"tlp":"amber","values":["203.0.113.7"]}`)
	post("/v1/bulletins", `{"tlp":"green","pap":"amber","confidence":80,"valid":"30d","tags":["c2"],"description":"beacon",
		"values":["203.0.113[.]7","hxxp://evil[.]example/a","nonsense","10.0.0.1","report.docx"]}`)
	post("/v1/bulletins", `{"tlp":"green","values":["AS64500"],"type":"asn"}`)
	fetch("/v1/lookup?value=203.0.113.7")
	fetch("/v1/lookup?value=198.51.100.1")
	fetch("/v1/lookup?value=nonsense")
	fetch("/v1/lookup?value=nonsense&type=mutex")
	fetch("/v1/lookup")
	post("/v1/lookup", `{"values":["http://evil.example/a","nonsense"]}`)
	play("POST", "/v1/lookup", typeLines, "198.51.100.1\n\"203.0.113.7\"\n")
	fetch("/v1/search?tag=c2&type=ip")
	fetch("/v1/search?text=EVIL&limit=1")
	fetch("/v1/search?org=nobody")
	fetch("/v1/changes?limit=1")
	fetch("/v1/changes?after=now")
	fetch("/v1/changes?after=AAAAAAAAAAAAAAAAAAAAAA")
	fetch("/v1/changes?after=nonsense")
	fetch("/v1/changes?wait=2m")
	play("POST", "/v1/import?tlp=green&name=feed.csv", "text/csv", "indicator,type\n198.51.100.9,ip\n10.1.1.1,ip\nevil.example,domain\n")
	play("POST", "/v1/import?tlp=red", "text/csv", "198.51.100.9\n")
	post("/v1/invites", `{"name":"hospital","valid":"12h"}`)
	post("/v1/join", `{"token":"nonsense"}`)
	fetch("/v1/peers")
	post("/v1/peers", `{"addr":"nonsense"}`)
	post("/v1/peers/hospital/name", `{"name":"clinic"}`)
	post("/v1/peers/hospital/block", `{"reason":"spam"}`)
	post("/v1/peers/hospital/release", `{}`)
	post("/v1/peers/bank/remove", `{"reason":"test"}`)
	post("/v1/tokens", `{"role":"reader","name":"siem"}`)
	post("/v1/tokens", `{"role":"king"}`)
	fetch("/v1/tokens")
	play("DELETE", "/v1/tokens/000000000000", "", "")
	fetch("/v1/objects/indicator--00000000-0000-4000-8000-000000000000")
	fetch("/v1/identity")
	fetch("/v1/doctor")
	fetch("/healthz")
	fetch("/readyz")
	golden(t, "answers", out.String())
}

func TestOpenAPI(t *testing.T) {
	r := newRig(t, "bank")
	w := r.send(r.door.Local(), request{method: "GET", target: "/openapi.json"})
	text := jsontext.Value(w.Body.Bytes())
	if err := text.Indent(); err != nil {
		t.Fatal(err)
	}
	golden(t, "openapi", string(text)+"\n")
	for _, route := range r.door.routes {
		if !strings.Contains(string(text), fmt.Sprintf("%q", route.template())) {
			t.Errorf("%s is missing", route.path)
		}
	}
	for _, ref := range regexp.MustCompile(`#/components/schemas/(\w+)`).FindAllStringSubmatch(string(text), -1) {
		if !strings.Contains(string(text), `"`+ref[1]+`": {`) {
			t.Errorf("schema %s is missing", ref[1])
		}
	}
}

func TestSubmitObjects(t *testing.T) {
	r := member(t)
	indicator := func(n int, more string) string {
		return fmt.Sprintf(`{"type":"indicator","spec_version":"2.1","id":"indicator--0000000%d-0000-4000-8000-000000000000","created":"2026-01-01T00:00:00.000Z",
			"modified":"2026-01-01T00:00:00.000Z","pattern":"[ipv4-addr:value = '203.0.113.%d']","pattern_type":"stix","valid_from":"2026-01-01T00:00:00Z"%s}`, n, n, more)
	}
	const amber = `,"object_marking_refs":["marking-definition--55d920b0-5e8b-4f79-9ee9-91f868d9b421"]`
	objects := []jsontext.Value{
		jsontext.Value(indicator(1, "")), jsontext.Value(indicator(2, amber)),
		jsontext.Value(`{"type":"identity"}`), jsontext.Value(indicator(4, `,"x_note":"caf\u00e9"`)),
	}
	bundle := `{"type":"bundle","id":"bundle--00000000-0000-4000-8000-000000000000","objects":[` + indicator(5, "") + `,` + indicator(6, amber) + `]}`
	answer, err := r.Submit(t.Context(), SubmitRequest{TLP: protocol.Green, Objects: objects})
	r.check(err)
	if len(answer.Receipts) != 2 || len(answer.Refused) != 2 || answer.Refused[0].Index != 1 || answer.Refused[1].Index != 2 {
		t.Fatalf("%+v", answer)
	}
	if reason := answer.Refused[0].Reason; !strings.Contains(reason, "TLP:AMBER") {
		t.Errorf("AMBER is refused with %q", reason)
	}
	w := r.send(r.door.Local(), request{"POST", "/v1/bulletins?tlp=green&community=isac", bundle, map[string]string{"Content-Type": typeSTIX}})
	if w.Code != 200 || strings.Count(w.Body.String(), `"bulletin"`) != 1 || !strings.Contains(w.Body.String(), `"refused":[{"index":1`) {
		t.Errorf("bundle: %d %s", w.Code, w.Body)
	}
	claims, err := r.Object(t.Context(), "indicator--00000004-0000-4000-8000-000000000000")
	r.check(err)
	if len(claims) != 1 || claims[0].Value != "203.0.113.4" || !strings.Contains(string(claims[0].Object), `"x_note":"caf\u00e9"`) {
		t.Errorf("by its foreign id: %+v", claims)
	}
	own, err := r.Object(t.Context(), claims[0].ID)
	r.check(err)
	if len(own) != 1 || own[0].Bulletin != claims[0].Bulletin {
		t.Errorf("by its own id: %+v", own)
	}
}

func TestTokens(t *testing.T) {
	r := member(t)
	r.say(protocol.Green, "203.0.113.7")
	secret := r.token(Reader, protocol.Green)
	c := r.remote(secret)
	found, err := c.Lookup(t.Context(), LookupRequest{Values: []string{"203.0.113.7"}})
	if err != nil || len(found) != 1 || len(found[0].Claims) != 1 {
		t.Fatalf("%+v %v", found, err)
	}
	if _, err := c.ListTokens(t.Context()); !errors.Is(err, node.ErrRefused) {
		t.Errorf("tokens over TCP: %v", err)
	}
	for key, row := range r.store.Table(tokenTable).All() {
		if strings.Contains(string(key)+string(row), secret[len(tokenPrefix):]) {
			t.Error("the token itself is stored")
		}
	}
	tokens, err := r.ListTokens(t.Context())
	r.check(err)
	r.check(r.DeleteToken(t.Context(), tokens[0].ID))
	var problem *Problem
	if _, err := c.Search(t.Context(), SearchOptions{}); !errors.As(err, &problem) || problem.Status != 401 || problem.Hint == "" {
		t.Errorf("after its end: %v", err)
	}
	if err := c.Ready(t.Context()); err != nil {
		t.Errorf("ready: %v", err)
	}
}

func TestCursors(t *testing.T) {
	r, other := member(t), member(t)
	r.say(protocol.Green, "203.0.113.1", "203.0.113.2", "203.0.113.3")
	other.say(protocol.Green, "203.0.113.1")
	var values []string
	take := func(c Change) error { values = append(values, c.Op+" "+c.Value); return nil }
	cursor := ""
	var err error
	for range 4 {
		cursor, err = r.Changes(t.Context(), ChangesOptions{After: cursor, Limit: 1}, take)
		r.check(err)
	}
	if got := strings.Join(values, ", "); got != "add 203.0.113.1, add 203.0.113.2, add 203.0.113.3" {
		t.Errorf("one at a time: %s", got)
	}
	var problem *Problem
	if _, err := other.Changes(t.Context(), ChangesOptions{After: cursor}, take); !errors.As(err, &problem) || problem.Status != http.StatusGone || problem.Hint == "" {
		t.Errorf("a foreign cursor: %v", err)
	}
	lost := r.door.cursors.text(mark{bulletin: protocol.ID{1}, silence: r.door.node.Silence()})
	if _, err := r.Search(t.Context(), SearchOptions{After: lost}); !errors.As(err, &problem) || problem.Status != http.StatusGone || problem.Hint == "" {
		t.Errorf("a cursor at what the store has not: %v", err)
	}
	pages := 0
	for after := ""; ; pages++ {
		page, err := r.Search(t.Context(), SearchOptions{After: after, Limit: 2, Type: "ip"})
		r.check(err)
		if after = page.Cursor; !page.More {
			break
		}
	}
	if pages != 1 {
		t.Errorf("%d full pages", pages)
	}
}

func TestChangesWait(t *testing.T) {
	r := member(t)
	got := make(chan string, 1)
	begun := time.Now()
	go func() {
		_, err := r.Changes(context.WithoutCancel(t.Context()), ChangesOptions{After: "now", Wait: Duration(30 * time.Second)}, func(c Change) error {
			got <- c.Value
			return nil
		})
		if err != nil {
			got <- err.Error()
		}
	}()
	for value := "203.0.113.1"; ; value = "203.0.113.2" { // the first may come before the other side waits
		r.say(protocol.Green, value)
		select {
		case v := <-got:
			if !strings.HasPrefix(v, "203.0.113.") || time.Since(begun) > 20*time.Second {
				t.Errorf("got %s after %s", v, time.Since(begun))
			}
			return
		case <-time.After(200 * time.Millisecond):
		}
	}
}

func TestMembers(t *testing.T) {
	r := member(t)
	answer, err := r.Invite(t.Context(), InviteRequest{})
	r.check(err)
	if left := time.Until(answer.Expires); left < 6*24*time.Hour || left > 7*24*time.Hour {
		t.Errorf("the invite expires in %s", left)
	}
	if _, err := r.Join(t.Context(), answer.Token); !errors.Is(err, node.ErrUsage) {
		t.Errorf("our own invite: %v", err)
	}
	other := newRig(t, "hospital")
	_, err = other.Join(t.Context(), answer.Token)
	var problem *Problem
	if !errors.As(err, &problem) || problem.Status != http.StatusBadGateway || problem.Hint == "" {
		t.Errorf("an inviter that cannot be reached: %v", err)
	}
	id := other.node.Identity()
	r.check(r.AddPeer(t.Context(), "/ip4/203.0.113.2/tcp/4001/p2p/"+id.Node))
	community, err := r.node.Community("")
	r.check(err)
	r.check(r.node.Introduce(t.Context(), community, certificate(t, r, other), "hospital"))
	peers, err := r.Peers(t.Context())
	r.check(err)
	if len(peers) != 1 || !peers[0].Member || peers[0].Problem == "" {
		t.Fatalf("%+v", peers)
	}
	r.check(r.NamePeer(t.Context(), id.Fingerprint, "clinic"))
	r.check(r.BlockPeer(t.Context(), "clinic", "spam"))
	if peers, _ = r.Peers(t.Context()); !peers[0].Blocked || peers[0].Name != "clinic" {
		t.Errorf("%+v", peers)
	}
	r.check(r.ReleasePeer(t.Context(), id.OrgKey.String()))
	if err := r.ReleasePeer(t.Context(), "clinic"); !errors.Is(err, node.ErrNotFound) {
		t.Errorf("released twice: %v", err)
	}
	checks, err := r.Doctor(t.Context())
	r.check(err)
	if !slices.ContainsFunc(checks, func(c Check) bool { return c.Check == "peer clinic" && !c.OK && c.Detail != "" }) {
		t.Errorf("the doctor does not see the peer: %+v", checks)
	}
	removed, err := r.RemovePeer(t.Context(), "clinic", RemoveRequest{Reason: "left"})
	if err != nil || !removed.Ended {
		t.Errorf("removed: %v %v", removed, err)
	}
	status, err := r.Status(t.Context())
	r.check(err)
	if len(status.Communities) != 1 || len(status.Communities[0].Members) != 1 {
		t.Errorf("%+v", status.Communities)
	}
}

// certificate is what a real join would have shown.
func certificate(t *testing.T, r, of *rig) protocol.Certificate {
	t.Helper()
	_, err := of.node.CreateCommunity(t.Context(), "own")
	r.check(err)
	for b, err := range of.store.Statements(protocol.ID{}) {
		r.check(err)
		return b.Header.Certificate
	}
	t.Fatal("no statement")
	return protocol.Certificate{}
}

func TestMetrics(t *testing.T) {
	r := member(t)
	r.say(protocol.Green, "203.0.113.7")
	r.send(r.door.Local(), request{method: "GET", target: "/nonsense"})
	w := r.send(r.door.Local(), request{method: "GET", target: "/metrics"})
	for _, want := range []string{
		`tocsin_http_requests_total{method="POST",route="/v1/bulletins",status="200"} 1`, `tocsin_http_requests_total{method="GET",route="none",status="404"} 1`,
		"tocsin_store_claims 1", "tocsin_gossip_read_dropped_total 0", `tocsin_queue_depth{queue="admit"} 0`, "tocsin_peers_connected 0", "go_goroutines ",
	} {
		if !strings.Contains(w.Body.String(), want) {
			t.Errorf("%s is missing", want)
		}
	}
	monitor, err := r.CreateToken(t.Context(), TokenRequest{Role: Monitor})
	r.check(err)
	narrow, err := r.CreateToken(t.Context(), TokenRequest{Role: Monitor, Clearance: protocol.Green})
	r.check(err)
	for token, whole := range map[string]bool{monitor.Secret: true, narrow.Secret: false} {
		w := asker{r, token, false}.ask(request{method: "GET", target: "/metrics"})
		if got := strings.Contains(w.Body.String(), "tocsin_store_claims 1"); w.Code != 200 || got != whole || !strings.Contains(w.Body.String(), "tocsin_peers_connected 0") {
			t.Errorf("a monitor sees the whole: %t, want %t: %d", got, whole, w.Code)
		}
		if w := (asker{r, token, false}).ask(request{method: "GET", target: "/v1/lookup?value=203.0.113.7"}); w.Code != 403 {
			t.Errorf("a monitor reads: %d", w.Code)
		}
	}
}
