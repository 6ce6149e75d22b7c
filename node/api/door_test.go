package api

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/tocsin-exchange/tocsin/node"
	"github.com/tocsin-exchange/tocsin/protocol"
	"github.com/tocsin-exchange/tocsin/storage"
	"github.com/tocsin-exchange/tocsin/storage/journal"
)

// A rig is a node that listens nowhere, and its door.
type rig struct {
	t     testing.TB
	door  *Door
	node  *node.Node
	store *storage.Store
	log   *bytes.Buffer
	*Client
}

func newRig(t testing.TB, org string) *rig {
	t.Helper()
	_, orgKey, _ := ed25519.GenerateKey(nil)
	_, key, _ := ed25519.GenerateKey(nil)
	return rigIn(t, t.TempDir(), org, orgKey, key)
}

// rigIn is a rig whose store is in a directory.
func rigIn(t testing.TB, dir, org string, orgKey, key ed25519.PrivateKey) *rig {
	t.Helper()
	log := &bytes.Buffer{}
	store, err := storage.Open(dir, storage.Options{Small: true, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	audit := filepath.Join(t.TempDir(), "audit")
	records, err := journal.Open(audit, journal.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { records.Close() })
	gate := node.NewGate()
	h, err := node.NewHost(node.HostConfig{Key: key, Announce: []string{"/ip4/203.0.113.1/tcp/4001"}}, gate)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	n, err := node.Start(t.Context(), node.Config{
		Host: h, Gate: gate, Key: key, Org: orgKey, Name: org, Store: store, Log: slog.New(slog.DiscardHandler),
		Certificate: protocol.Certify(orgKey, protocol.NodeOf(key), now.Add(-time.Hour), now.Add(365*24*time.Hour)),
		Audit:       records.Append, AuditSync: records.AppendSync,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { n.Close() })
	door := New(Config{Node: n, Hosts: []string{"tocsin.bank.example"}, Log: slog.New(slog.NewTextHandler(log, nil)), Audit: Journal{Open: records}})
	return &rig{t, door, n, store, log, InProcess(door.Local())}
}

// member is a rig whose node is in a community.
func member(t testing.TB) *rig {
	t.Helper()
	r := newRig(t, "bank")
	if _, err := r.CreateCommunity(t.Context(), "isac"); err != nil {
		t.Fatal(err)
	}
	return r
}

func (r *rig) check(err error) {
	r.t.Helper()
	if err != nil {
		r.t.Fatal(err)
	}
}

// say submits values under a label.
func (r *rig) say(label protocol.TLP, values ...string) SubmitAnswer {
	r.t.Helper()
	answer, err := r.Submit(r.t.Context(), SubmitRequest{TLP: label, Values: values})
	r.check(err)
	return answer
}

// token makes a token.
func (r *rig) token(role Role, clearance protocol.TLP) string {
	r.t.Helper()
	answer, err := r.CreateToken(r.t.Context(), TokenRequest{Role: role, Clearance: clearance, PAP: protocol.PAPRed})
	r.check(err)
	return answer.Secret
}

// remote is a client over TCP's handler.
func (r *rig) remote(token string) *Client {
	c := InProcess(r.door.Remote())
	c.Token = token
	return c
}

// A request is one raw request to the remote handler, and what came back.
type request struct {
	method, target, body string
	header               map[string]string
}

func (r *rig) send(h http.Handler, q request) *httptest.ResponseRecorder {
	req := httptest.NewRequest(q.method, "http://localhost"+q.target, strings.NewReader(q.body))
	if q.body == "" {
		req.Body, req.ContentLength = http.NoBody, 0
	}
	for name, value := range q.header {
		if name == "Host" {
			req.Host = value
			continue
		}
		req.Header.Set(name, value)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, req)
	return w
}

// problem checks that an answer is a well-formed problem.
func problem(t *testing.T, w *httptest.ResponseRecorder) Problem {
	t.Helper()
	var p Problem
	if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil {
		t.Fatalf("status %d, no problem: %q", w.Code, w.Body)
	}
	if w.Header().Get("Content-Type") != "application/problem+json" || p.Status != w.Code || p.Title == "" || p.Detail == "" || !strings.HasPrefix(p.Type, problemType) {
		t.Fatalf("not a proper problem: %v %+v", w.Header(), p)
	}
	return p
}

// example is a request that comes through the guards of a route, whatever the
// route then makes of it.
func (r *route) example() request {
	q := request{method: r.method, target: strings.NewReplacer("{org}", "nobody", "{id}", "indicator--0", "{object}", "indicator--0", "{root}", "tlp2").Replace(r.template()), header: map[string]string{}}
	if len(r.takes) > 0 {
		q.body = "{}"
		q.header["Content-Type"] = r.takes[0]
	}
	return q
}

func (q request) with(name, value string) request {
	header := map[string]string{name: value}
	for n, v := range q.header {
		if n != name {
			header[n] = v
		}
	}
	q.header = header
	return q
}

// streams names the routes that answer until they are cut off.
func (r *route) endless() bool { return r.path == "/v1/watch" }

func (r *rig) sendBriefly(h http.Handler, route *route, q request) *httptest.ResponseRecorder {
	if !route.endless() {
		return r.send(h, q)
	}
	ctx, cancel := context.WithCancel(r.t.Context())
	cancel()
	return r.send(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) { h.ServeHTTP(w, req.WithContext(ctx)) }), q)
}

func TestGuardsOnEveryRoute(t *testing.T) {
	r := member(t)
	remote := r.door.Remote()
	tokens := map[Role]string{}
	for _, role := range roles() {
		tokens[role] = r.token(role, wholeFrom)
	}
	operator := "Bearer " + tokens[Operator]
	for i := range r.door.routes {
		route := &r.door.routes[i]
		name := route.pattern()
		q := route.example().with("Authorization", operator)
		status := func(q request) int {
			t.Helper()
			w := r.sendBriefly(remote, route, q)
			if w.Header().Get("X-Content-Type-Options") != "nosniff" {
				t.Errorf("%s: no nosniff", name)
			}
			if w.Code >= 400 && route.refuse == nil {
				problem(t, w)
			}
			return w.Code
		}
		if route.secret {
			continue // see TestSecretPaths
		}
		passed := status(q)
		if passed == 401 || passed == 415 || passed == 421 || passed == 405 || passed >= 500 || passed == 403 && !route.local {
			t.Fatalf("%s: the operator gets %d", name, passed)
		}
		for _, host := range []string{"evil.example", "evil.example:80", "localhost.evil.example", "203.0.113.9", ""} {
			if got := status(q.with("Host", host)); got != 421 {
				t.Errorf("%s: host %q gets %d", name, host, got)
			}
		}
		for _, host := range []string{"localhost", "LOCALHOST:7801", "127.0.0.1", "127.0.0.1:7801", "[::1]", "[::1]:7801", "tocsin.bank.example", "tocsin.bank.example.:443"} {
			if got := status(q.with("Host", host)); got != passed {
				t.Errorf("%s: host %q gets %d, want %d", name, host, got, passed)
			}
		}
		if route.method != "GET" {
			for header, value := range map[string]string{"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"} {
				if got := status(q.with(header, value)); got != 403 {
					t.Errorf("%s: %s %s gets %d", name, header, value, got)
				}
			}
			if got := status(q.with("Sec-Fetch-Site", "same-origin")); got != passed {
				t.Errorf("%s: same origin gets %d", name, got)
			}
		}
		if route.right != anyone {
			for _, bad := range []string{"", "Bearer", "Bearer tocsin_AAAA", "Basic " + tokens[Operator], operator + "A", "Bearer " + strings.Repeat("A", 5000)} {
				if got := status(q.with("Authorization", bad)); got != 401 && route.refuse == nil || got != 401 && got != 403 {
					t.Errorf("%s: authorization %.20q gets %d", name, bad, got)
				}
			}
		}
		for role, token := range tokens {
			got, may := status(q.with("Authorization", "Bearer "+token)), role.may(route.right) && !route.local || route.right == anyone
			if may && got != passed || !may && got != 403 {
				t.Errorf("%s: role %s gets %d", name, role, got)
			}
		}
		unknown := q
		unknown.target += "?nonsense=1"
		if got := status(unknown); got != 400 && !(route.local && got == 403) && !route.lenient {
			t.Errorf("%s: an unknown parameter gets %d", name, got)
		}
		if len(route.takes) > 0 && !route.local {
			for _, mediaType := range []string{"", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "nonsense"} {
				if got := status(q.with("Content-Type", mediaType)); got != 415 {
					t.Errorf("%s: content type %q gets %d", name, mediaType, got)
				}
			}
		}
		wrong := q
		wrong.method = "PATCH"
		if got := status(wrong); got != 405 {
			t.Errorf("PATCH %s gets %d", route.path, got)
		}
		for _, header := range []string{"X-HTTP-Method-Override", "X-Forwarded-Host", "X-Original-URL", "Synchronized-Upsert", "X-Forwarded-For", "Accept", "Cookie"} {
			negotiates := header == "Accept" && strings.HasPrefix(route.path, taxiiPath)
			if got := status(q.with(header, "DELETE")); got != passed && !(negotiates && got == 406) {
				t.Errorf("%s: header %s changes the answer to %d", name, header, got)
			}
		}
	}
	if strings.Contains(r.log.String(), "tocsin_") {
		t.Error("a token is in the log")
	}
}

func TestBodyLimits(t *testing.T) {
	r := member(t)
	for i := range r.door.routes {
		route := &r.door.routes[i]
		if route.limit == 0 || strings.HasPrefix(route.path, taxiiPath) { // its table has this
			continue
		}
		q := route.example()
		q.body = strings.Repeat(" ", int(route.limit)) + "{}"
		if w := r.send(r.door.Local(), q); w.Code != 413 {
			t.Errorf("%s: a body of %d bytes gets %d", route.pattern(), len(q.body), w.Code)
		}
	}
}

func TestStrictJSON(t *testing.T) {
	r := member(t)
	for _, body := range []string{
		``, `null x`, `[]`, `{"values":["203.0.113.7"],"tlp":"green","tlp":"clear"}`, `{"values":["203.0.113.7"],"TLP":"green"}`,
		`{"values":["203.0.113.7"],"tlp":"green","nonsense":1}`, `{"values":["203.0.113.7"],"tlp":"unclear"}`, `{"values":["203.0.113.7"],"tlp":1}`,
		`{"values":["203.0.113.7"],"tlp":"green"} {}`, "{\"values\":[\"\xff\"],\"tlp\":\"green\"}", `{"tlp":"green"}`, `{"values":["203.0.113.7"]}`,
		`{"values":["203.0.113.7"],"tlp":"green","confidence":101}`, `{"values":["203.0.113.7"],"tlp":"green","valid":"-1d"}`,
		`{"values":["203.0.113.7"],"tlp":"green","type":"nonsense"}`, `{"values":["203.0.113.7"],"objects":[{}],"tlp":"green"}`,
		`{"values":["203.0.113.7"],"tlp":"green","tags":[""]}`,
	} {
		w := r.send(r.door.Local(), request{"POST", "/v1/bulletins", body, map[string]string{"Content-Type": typeJSON}})
		if body == "" {
			w = r.send(r.door.Local(), request{"POST", "/v1/bulletins", " ", map[string]string{"Content-Type": typeJSON}})
		}
		if w.Code != 400 {
			t.Errorf("%s gets %d %s", body, w.Code, w.Body)
			continue
		}
		problem(t, w)
	}
	if n := r.store.Stats().Objects; n != 0 {
		t.Errorf("%d objects were said all the same", n)
	}
}

func TestUnknownRoute(t *testing.T) {
	r := member(t)
	for _, path := range []string{"/", "/v1", "/v1/lookup/", "/v1//lookup", "/v1/../v1/lookup", "/v1/nonsense", "/metrics/x"} {
		if w := r.send(r.door.Local(), request{method: "GET", target: path}); w.Code != 404 {
			t.Errorf("%s gets %d", path, w.Code)
		} else {
			problem(t, w)
		}
	}
	w := r.send(r.door.Local(), request{method: "DELETE", target: "/v1/lookup"})
	if w.Code != 405 || w.Header().Get("Allow") != "GET, POST" {
		t.Errorf("DELETE gets %d, Allow %q", w.Code, w.Header().Get("Allow"))
	}
}

func TestPanicIsAnInternalError(t *testing.T) {
	r := member(t)
	for i := range r.door.routes {
		if route := &r.door.routes[i]; route.path == "/v1/identity" {
			route.serve = func(*answerWriter, *http.Request) error { panic("canary") }
		}
		if route := &r.door.routes[i]; route.path == "/v1/status" {
			route.serve = func(*answerWriter, *http.Request) error { return fmt.Errorf("secret detail") }
		}
	}
	for _, path := range []string{"/v1/identity", "/v1/status"} {
		w := r.send(r.door.Local(), request{method: "GET", target: path})
		if w.Code != 500 || strings.Contains(w.Body.String(), "canary") || strings.Contains(w.Body.String(), "secret") {
			t.Errorf("%d %s", w.Code, w.Body)
		}
	}
	if log := r.log.String(); !strings.Contains(log, "canary") || !strings.Contains(log, "secret detail") {
		t.Errorf("log: %s", log)
	}
}
