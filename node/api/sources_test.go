package api

import (
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/tocsin-exchange/tocsin/node/api/source"
	"github.com/tocsin-exchange/tocsin/node/api/taxii"
	"github.com/tocsin-exchange/tocsin/protocol"
)

// loopbackAlso lets tests dial their own servers.
var loopbackAlso = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}

// A library is a TAXII collection as the standard has it, written apart from the
// server of this node: objects, each with the moment it was added.
type library struct {
	t *testing.T
	*httptest.Server

	mu      sync.Mutex
	objects []jsontext.Value
	fail    bool
	asked   []string // queries

	tags      bool // whether pages have an ETag
	unchanged int  // answers of 304
}

func newLibrary(t *testing.T) *library {
	l := &library{t: t}
	l.Server = httptest.NewServer(l)
	t.Cleanup(l.Server.Close)
	return l
}

func (l *library) add(objects ...string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, o := range objects {
		l.objects = append(l.objects, jsontext.Value(o))
	}
}

func added(i int) string {
	return time.Unix(1_800_000_000+int64(i), 123456000).UTC().Format("2006-01-02T15:04:05.000000Z")
}

// ServeHTTP gives two objects a page.
func (l *library) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	l.mu.Lock()
	defer l.mu.Unlock()
	q := req.URL.Query()
	l.asked = append(l.asked, req.URL.RawQuery)
	if req.URL.Path != "/api1/collections/c1/objects/" || req.Header.Get("Accept") != "application/taxii+json;version=2.1" {
		l.t.Errorf("asked %s, accepting %s", req.URL, req.Header.Get("Accept"))
	}
	if l.fail && q.Get("next") != "" {
		w.WriteHeader(http.StatusBadGateway)
		return
	}
	from := 0
	for from < len(l.objects) && q.Get("added_after") != "" && added(from) <= q.Get("added_after") {
		from++
	}
	fmt.Sscan(q.Get("next"), &from)
	to := min(from+2, len(l.objects))
	e := map[string]any{"more": to < len(l.objects)}
	if to < len(l.objects) {
		e["next"] = fmt.Sprint(to)
	}
	if from < to {
		e["objects"] = l.objects[from:to]
		w.Header().Set("X-TAXII-Date-Added-Last", added(to-1))
	}
	if tag := fmt.Sprintf(`"%d %x"`, len(l.objects), req.URL.RawQuery); l.tags {
		if req.Header.Get("If-None-Match") == tag {
			l.unchanged++
			w.WriteHeader(http.StatusNotModified)
			return
		}
		w.Header().Set("ETag", tag)
	}
	w.Header().Set("Content-Type", "application/taxii+json;version=2.1")
	json.MarshalWrite(w, e)
}

func (l *library) config(label protocol.TLP) source.Config {
	return source.Config{Name: "cert", Kind: source.TAXII, URL: l.URL + "/api1/", Collection: "c1", TLP: label, Allow: loopbackAlso}
}

// indicator is one of somebody else's.
func indicator(n int, value, more string) string {
	return fmt.Sprintf(`{"type":"indicator","spec_version":"2.1","id":"indicator--00000000-0000-4000-8000-%012d","created":"2026-01-01T00:00:00.000Z",`+
		`"modified":"2026-01-01T00:00:00.000Z","pattern":"[domain-name:value = '%s']","pattern_type":"stix","valid_from":"2026-01-01T00:00:00Z"%s}`, n, value, more)
}

func marked(label protocol.TLP) string {
	return `,"object_marking_refs":["` + protocol.MarkingID(label) + `"]`
}

// knows lists who says what of values, as value:label, in their order.
func (r *rig) knows(values ...string) string {
	r.t.Helper()
	answers, err := r.Lookup(r.t.Context(), LookupRequest{Values: values})
	r.check(err)
	var list []string
	for _, a := range answers {
		for _, c := range a.Claims {
			list = append(list, a.Value+":"+c.TLP.String())
		}
	}
	return strings.Join(list, " ")
}

// pull asks a source, and compares what came of it.
func (r *rig) pull(name, want string) {
	r.t.Helper()
	report, err := r.PullSource(r.t.Context(), name)
	r.check(err)
	if got := fmt.Sprintf("%d %d %d %d", report.Accepted, report.Skipped, report.Refused, report.Withdrawn); got != want {
		r.t.Errorf("pull: accepted, skipped, refused, withdrawn %s, want %s; %v", got, want, report.Reasons)
	}
}

func (r *rig) source(c source.Config) {
	r.t.Helper()
	_, err := r.AddSource(r.t.Context(), c)
	r.check(err)
}

func TestSourceTAXII(t *testing.T) {
	r, l := member(t), newLibrary(t)
	l.add(indicator(1, "one.example", ""), indicator(2, "two.example", marked(protocol.Clear)), indicator(3, "three.example", marked(protocol.Amber)),
		indicator(4, "four.example", marked(protocol.Green)), indicator(5, "five.example", ""))
	r.source(l.config(protocol.Green))
	all := []string{"one.example", "two.example", "three.example", "four.example", "five.example", "six.example"}
	r.pull("cert", "4 0 1 0") // AMBER is for nobody that was named
	if got := r.knows(all...); got != "one.example:green two.example:green four.example:green five.example:green" {
		t.Errorf("known: %s", got)
	}
	r.pull("cert", "0 0 0 0")
	if last := l.asked[len(l.asked)-1]; !strings.Contains(last, "added_after=2027-01-15T08%3A00%3A04.123456Z") || strings.Contains(last, "next") {
		t.Errorf("asked %v", l.asked)
	}
	l.add(indicator(1, "one.example", `,"revoked":true`), indicator(2, "six.example", "")) // the second names another value now
	r.pull("cert", "1 1 0 2")
	if got := r.knows(all...); got != "four.example:green five.example:green six.example:green" {
		t.Errorf("after one was revoked and one changed: %s", got)
	}
}

// TestSourceUnchanged: a server that says how its pages are known is asked whether
// the one behind all that was read is still empty.
func TestSourceUnchanged(t *testing.T) {
	r, l := member(t), newLibrary(t)
	l.tags = true
	l.add(indicator(1, "one.example", ""), indicator(2, "two.example", ""), indicator(3, "three.example", ""))
	r.source(l.config(protocol.Green))
	for i, step := range []struct {
		add, want string
		unchanged int
	}{{"", "3 0 0 0", 0}, {"", "0 0 0 0", 0}, {"", "0 0 0 0", 1}, {"", "0 0 0 0", 2}, {"four.example", "1 0 0 0", 2}, {"", "0 0 0 0", 2}, {"", "0 0 0 0", 3}} {
		if step.add != "" {
			l.add(indicator(4+i, step.add, ""))
		}
		r.pull("cert", step.want)
		if l.unchanged != step.unchanged {
			t.Errorf("pull %d: %d answers were 304, want %d: %v", i, l.unchanged, step.unchanged, l.asked)
		}
	}
}

// TestSourceKeepsOthersWord takes nothing back that somebody here said.
func TestSourceKeepsOthersWord(t *testing.T) {
	r, l := member(t), newLibrary(t)
	l.add(indicator(1, "one.example", ""), indicator(2, "two.example", ""), indicator(3, "three.example", ""))
	r.source(l.config(protocol.Green))
	r.pull("cert", "3 0 0 0")
	r.say(protocol.Green, "one.example") // an analyst
	r.say(protocol.Green, "four.example")
	l.add(indicator(4, "two.example", ""))
	r.pull("cert", "1 0 0 0")
	l.add(indicator(1, "one.example", `,"revoked":true`), indicator(2, "two.example", `,"revoked":true`), indicator(3, "three.example", `,"revoked":true`), indicator(9, "four.example", `,"revoked":true`))
	r.pull("cert", "0 4 0 1")
	if got := r.knows("one.example", "two.example", "three.example", "four.example"); got != "one.example:green two.example:green four.example:green" {
		t.Errorf("known: %s", got)
	}
}

// TestSourceGoesOn resumes a pull that broke off, at the page it had come to.
func TestSourceGoesOn(t *testing.T) {
	r, l := member(t), newLibrary(t)
	for i := range 5 {
		l.add(indicator(i, fmt.Sprintf("n%d.example", i), ""))
	}
	l.fail = true
	r.source(l.config(protocol.Green))
	if _, err := r.PullSource(t.Context(), "cert"); err == nil || !strings.Contains(err.Error(), "502") {
		t.Errorf("broken off: %v", err)
	}
	list, err := r.Sources(t.Context())
	r.check(err)
	if last := list[0].Last; last.Accepted != 2 || last.Failures == 0 || !strings.Contains(last.Problem, "502") {
		t.Errorf("report %+v", last)
	}
	doctor, err := r.Doctor(t.Context())
	r.check(err)
	if text := fmt.Sprint(doctor); !strings.Contains(text, "source cert") {
		t.Errorf("doctor: %s", text)
	}
	l.mu.Lock()
	l.fail, l.asked = false, nil
	l.mu.Unlock()
	r.pull("cert", "3 0 0 0")
	if len(l.asked) != 2 || !strings.Contains(l.asked[0], "next=2") {
		t.Errorf("asked %v", l.asked)
	}
}

// TestSourceNarrows puts what has a wider label under the source's, for those
// who may see that.
func TestSourceNarrows(t *testing.T) {
	r, l := member(t), newLibrary(t)
	l.add(indicator(1, "one.example", ""), indicator(2, "two.example", marked(protocol.Clear)), indicator(3, "three.example", marked(protocol.AmberStrict)),
		indicator(4, "four.example", marked(protocol.Red)))
	c := l.config(protocol.AmberStrict)
	c.To = []string{"bank"}
	r.source(c)
	r.pull("cert", "3 0 1 0")
	if got := r.knows("one.example", "two.example", "three.example", "four.example"); got != "one.example:amber+strict two.example:amber+strict three.example:amber+strict" {
		t.Errorf("known: %s", got)
	}
}

// TestSourceGuards is what a hostile or broken server cannot do.
func TestSourceGuards(t *testing.T) {
	r := member(t)
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("the redirect was followed") }))
	defer elsewhere.Close()
	answers := map[string]http.HandlerFunc{
		"redirect to ": func(w http.ResponseWriter, req *http.Request) { http.Redirect(w, req, elsewhere.URL, http.StatusFound) },
		"not TAXII":    func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte("<html>")) },
		"envelope": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/taxii+json;version=2.1")
			w.Write([]byte(`{"objects":7}`))
		},
		"not where": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/taxii+json;version=2.1")
			w.Write([]byte(`{"more":true,"next":"x"}`))
		},
		"401": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusUnauthorized) },
	}
	for want, answer := range answers {
		server := httptest.NewServer(answer)
		name := "s" + strings.ReplaceAll(want, " ", "")
		r.source(source.Config{Name: name, Kind: source.TAXII, URL: server.URL, Collection: "c", TLP: protocol.Green, Allow: loopbackAlso})
		if _, err := r.PullSource(t.Context(), name); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
		server.Close()
	}
	secure := httptest.NewTLSServer(http.NotFoundHandler())
	defer secure.Close()
	r.source(source.Config{Name: "selfsigned", Kind: source.MISP, URL: secure.URL, TLP: protocol.Green, Allow: loopbackAlso})
	if _, err := r.PullSource(t.Context(), "selfsigned"); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("self-signed: %v", err)
	}
	for _, location := range []string{elsewhere.URL, "https://[::1]/feed", "http://9.9.9.9/feed"} {
		if _, err := r.AddSource(t.Context(), source.Config{Name: "inside", Kind: source.MISP, URL: location, TLP: protocol.Green}); err == nil {
			t.Errorf("%s that was not allowed was taken", location)
		}
	}
	_, port, _ := strings.Cut(strings.TrimPrefix(elsewhere.URL, "http://"), ":")
	r.source(source.Config{Name: "inside", Kind: source.MISP, URL: "https://localhost:" + port, TLP: protocol.Green})
	if _, err := r.PullSource(t.Context(), "inside"); err == nil || !strings.Contains(err.Error(), "loopback") {
		t.Errorf("a name of loopback: %v", err)
	}
	if _, err := r.AddSource(t.Context(), source.Config{Name: "amber", Kind: source.MISP, URL: "https://misp.example", TLP: protocol.Amber}); err == nil {
		t.Error("AMBER for nobody")
	}
}

// A shelf of MISP events behind HTTP, with an ETag.
type mispFeed struct {
	mu       sync.Mutex
	manifest map[string]map[string]string
	events   map[string]string
	served   int // manifests, whole
}

func (f *mispFeed) put(uuid, timestamp, event string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.manifest == nil {
		f.manifest, f.events = map[string]map[string]string{}, map[string]string{}
	}
	if delete(f.manifest, uuid); timestamp != "" {
		f.manifest[uuid], f.events[uuid] = map[string]string{"timestamp": timestamp, "info": "x"}, event
	}
}

// ServeHTTP serves a feed.
func (f *mispFeed) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	name := strings.TrimPrefix(req.URL.Path, "/feed/")
	if uuid, is := strings.CutSuffix(name, ".json"); is && f.events[uuid] != "" {
		w.Write([]byte(f.events[uuid]))
		return
	}
	if name != "manifest.json" {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	text, _ := json.Marshal(f.manifest, json.Deterministic(true))
	tag := fmt.Sprintf("%q", fmt.Sprint(len(text), strings.Count(string(text), "7")))
	w.Header().Set("ETag", tag)
	if req.Header.Get("If-None-Match") == tag {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	f.served++
	w.Write(text)
}

func mispEvent(attributes ...string) string {
	return `{"Event":{"info":"test","Tag":[],"Attribute":[` + strings.Join(attributes, ",") + `]}}`
}

func mispAttribute(value string, toIDs bool) string {
	return fmt.Sprintf(`{"type":"domain","category":"Network activity","to_ids":%t,"value":%q}`, toIDs, value)
}

const (
	event1 = "11111111-1111-4111-8111-111111111111"
	event2 = "22222222-2222-4222-8222-222222222222"
)

func TestSourceMISP(t *testing.T) {
	r, f := member(t), &mispFeed{}
	server := httptest.NewServer(f)
	defer server.Close()
	f.put(event1, "1700000000", mispEvent(mispAttribute("one.example", true), mispAttribute("two.example", true), mispAttribute("context.example", false)))
	f.put(event2, "1700000000", mispEvent(mispAttribute("two.example", true), mispAttribute("three.example", true)))
	r.source(source.Config{Name: "circl", Kind: source.MISP, URL: server.URL + "/feed", TLP: protocol.Green, Allow: loopbackAlso})
	r.pull("circl", "4 1 0 0")
	all := []string{"one.example", "two.example", "three.example", "four.example", "context.example"}
	r.pull("circl", "0 0 0 0")
	if f.served != 1 {
		t.Errorf("the manifest was served %d times, want once", f.served)
	}
	// an attribute is not for detection any more, one is new, one is gone that the other event has
	f.put(event1, "1700000077", mispEvent(mispAttribute("one.example", false), mispAttribute("four.example", true)))
	r.pull("circl", "1 1 0 1")
	if got := r.knows(all...); got != "two.example:green three.example:green four.example:green" {
		t.Errorf("after the change: %s", got)
	}
	f.put(event2, "", "") // gone
	r.pull("circl", "0 0 0 2")
	if got := r.knows(all...); got != "four.example:green" {
		t.Errorf("after an event went: %s", got)
	}
	f.put(event1, "", "")
	if _, err := r.PullSource(t.Context(), "circl"); err == nil || !strings.Contains(err.Error(), "empty manifest") {
		t.Errorf("an empty manifest: %v", err)
	}
	if got := r.knows(all...); got != "four.example:green" {
		t.Errorf("after an empty manifest: %s", got)
	}
	claims := r.knows("four.example")
	r.check(r.RemoveSource(t.Context(), "circl"))
	if got := r.knows("four.example"); got != claims {
		t.Errorf("after its end: %s", got)
	}
	for range r.store.Table("sourceevents").All() {
		t.Error("a row is left of an event")
	}
}

// TestSourceRealMISP pulls published events.
func TestSourceRealMISP(t *testing.T) {
	data := os.Getenv("TOCSIN_TESTDATA")
	if data == "" {
		t.Skip("TOCSIN_TESTDATA is not set")
	}
	files, err := filepath.Glob(filepath.Join(data, "misp", "*.json"))
	if err != nil || len(files) == 0 {
		t.Skipf("no MISP events in %s", data)
	}
	r, f := member(t), &mispFeed{}
	server := httptest.NewServer(f)
	defer server.Close()
	n := 0
	for i, file := range files {
		text, err := os.ReadFile(file)
		r.check(err)
		if len(text) > 1<<20 || !strings.Contains(string(text), `"Attribute"`) {
			continue
		}
		f.put(fmt.Sprintf("33333333-3333-4333-8333-%012d", i), "1700000000", string(text))
		n++
	}
	r.source(source.Config{Name: "real", Kind: source.MISP, URL: server.URL + "/feed", TLP: protocol.Green, Allow: loopbackAlso})
	report, err := r.PullSource(t.Context(), "real")
	r.check(err)
	s, err := r.Status(t.Context())
	r.check(err)
	if report.Accepted < 50 || s.Claims < 50 || s.Claims > report.Accepted*3 {
		t.Errorf("%d events: %+v; %d claims", n, report, s.Claims)
	}
	for uuid := range f.manifest { // all but one go
		if len(f.manifest) > 1 {
			delete(f.manifest, uuid)
		}
	}
	after, err := r.PullSource(t.Context(), "real")
	r.check(err)
	t.Logf("%d events: accepted %d, skipped %d, refused %d, claims %d; withdrawn %d", n, report.Accepted, report.Skipped, report.Refused, s.Claims, after.Withdrawn)
	if after.Withdrawn == 0 || after.Accepted != 0 {
		t.Errorf("after all but one went: %+v", after)
	}
}

// TestSourceFromNode pulls from the TAXII door of another organisation's node, over
// TLS, with a token; what that takes back is taken back here.
func TestSourceFromNode(t *testing.T) {
	cert, bank := member(t), member(t)
	server := httptest.NewTLSServer(cert.door.Remote())
	defer server.Close()
	dir := t.TempDir()
	ca, secret := filepath.Join(dir, "ca.pem"), filepath.Join(dir, "secret")
	bank.check(os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}), 0o600))
	bank.check(os.WriteFile(secret, []byte(cert.token(Reader, protocol.Green)+"\n"), 0o600))
	bank.door.files = func(path string, _ bool) ([]byte, error) { return os.ReadFile(path) }
	var collections taxii.Collections
	w := cert.send(cert.door.Local(), request{method: "GET", target: "/taxii2/tlp2/collections/", header: map[string]string{"Accept": "application/taxii+json;version=2.1"}})
	bank.check(json.Unmarshal(w.Body.Bytes(), &collections))
	id := ""
	for _, c := range collections.Collections {
		if strings.Contains(c.Title, "isac") {
			id = c.ID
		}
	}
	if id == "" {
		t.Fatalf("no collection of isac: %s", w.Body)
	}
	cert.say(protocol.Green, "203.0.113.1", "evil.example")
	cert.say(protocol.Clear, "203.0.113.2")
	bank.source(source.Config{Name: "cert", Kind: source.TAXII, URL: server.URL + "/taxii2/tlp2/", Collection: id, TLP: protocol.Green, Allow: loopbackAlso, CAFile: ca, SecretFile: secret})
	pull := func() source.Report {
		t.Helper()
		report, err := bank.PullSource(t.Context(), "cert")
		bank.check(err)
		return report
	}
	if r := pull(); r.Accepted != 4 || r.Refused != 0 { // and the identity of who said them
		t.Errorf("first pull: %+v", r)
	}
	if got := bank.knows("203.0.113.1", "evil.example", "203.0.113.2"); got != "203.0.113.1:green evil.example:green 203.0.113.2:green" {
		t.Errorf("known: %s", got)
	}
	_, err := cert.Revoke(t.Context(), TakeBackRequest{Values: []string{"evil.example"}})
	cert.check(err)
	if r := pull(); r.Accepted != 0 || r.Withdrawn != 1 {
		t.Errorf("after a revocation: %+v", r)
	}
	if got := bank.knows("203.0.113.1", "evil.example", "203.0.113.2"); got != "203.0.113.1:green 203.0.113.2:green" {
		t.Errorf("known: %s", got)
	}
	if r := pull(); r.Accepted+r.Skipped+r.Refused+r.Withdrawn != 0 {
		t.Errorf("with nothing new: %+v", r)
	}
}
