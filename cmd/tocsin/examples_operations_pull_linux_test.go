package main

import (
	"encoding/csv"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// fed runs a node with one value of each kind that the tools here look for.
func (e *example) fed() *process {
	e.t.Helper()
	node := e.start()
	node.must("submit", "--tlp", "green", "--confidence", "90", "203.0.113.7", "evil.example", "http://evil.example/a,b",
		"0123456789abcdef0123456789abcdef", "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef")
	return node
}

// at is a URL of the files, with the node in the place of its name there.
func (e *example) at(target string) string {
	e.t.Helper()
	return e.filled(target, "https://tocsin.bank.example:7801", e.node.url())
}

// exampleSplunk: each download of inputs.conf has a header of the right names, and
// its expressions take every line apart.
func exampleSplunk(t *testing.T, e *example) {
	e.hasPrograms("curl")
	node := e.fed()
	e.makesToken("splunk.token")
	if got := e.types("curl"); !strings.HasPrefix(got, "description,ip,weight\n") || !strings.Contains(got, ",203.0.113.7,") {
		t.Errorf("curl printed %q", got)
	}
	want := map[string]string{"tocsin_ip": "ip=203.0.113.7", "tocsin_domain": "domain=evil.example", "tocsin_file": "file_hash=0123456789abcdef0123456789abcdef",
		"tocsin_http": "url=http://evil.example/a,b", "tocsin_email": ""}
	downloads := stanzas(e.read("inputs.conf"))
	if len(downloads) != len(want) {
		t.Errorf("inputs.conf has %d downloads", len(downloads))
	}
	for name, s := range downloads {
		if rows := strings.Join(e.download(s), "\n"); !strings.Contains(rows, want[name]) || rows != "" && !strings.Contains(rows, "description=TLP:GREEN alert") {
			t.Errorf("%s has %q", name, rows)
		}
	}
	node.must("revoke", "203.0.113.7")
	if rows := e.download(downloads["tocsin_ip"]); len(rows) != 0 {
		t.Errorf("after the revocation: %q", rows)
	}
}

// stanzas reads Splunk's configuration: settings by stanza.
func stanzas(text string) map[string]map[string]string {
	all := map[string]map[string]string{}
	var now map[string]string
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if name, ok := strings.CutPrefix(line, "[threatlist://"); ok {
			now = map[string]string{}
			all[strings.TrimSuffix(name, "]")] = now
		} else if key, value, ok := strings.Cut(line, "="); ok && !strings.HasPrefix(line, "#") {
			now[strings.TrimSpace(key)] = strings.TrimSpace(value)
		}
	}
	return all
}

// download fetches and takes apart as Splunk does; the fields of a row as one text.
func (e *example) download(s map[string]string) (rows []string) {
	e.t.Helper()
	resp, text := e.get(e.at(s["url"]), "Authorization", basicAuth(s["site_user"], e.token))
	if resp.StatusCode != http.StatusOK {
		e.t.Fatalf("%s: %s", s["url"], resp.Status)
	}
	skip, err := strconv.Atoi(s["skip_header_lines"])
	if err != nil {
		e.t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	header, err := csv.NewReader(strings.NewReader(lines[0])).Read()
	if err != nil {
		e.t.Fatal(err)
	}
	for _, line := range lines[skip:] {
		if regexp.MustCompile(s["ignore_regex"]).MatchString(line) {
			continue
		}
		var cells []string
		if extract := s["extract_regex"]; extract != "" {
			cells = regexp.MustCompile(extract).FindStringSubmatch(line)[1:]
		} else {
			cells = regexp.MustCompile(s["delim_regex"]).Split(line, -1)
		}
		var row []string
		for field := range strings.SplitSeq(s["fields"], ",") {
			name, place, _ := strings.Cut(field, ":$")
			n, err := strconv.Atoi(place)
			if err != nil || len(cells) != len(header) || header[n-1] != name {
				e.t.Fatalf("%s: field %s, header %q, line %q: %v", s["url"], field, header, line, err)
			}
			row = append(row, name+"="+cells[n-1])
		}
		rows = append(rows, strings.Join(row, " "))
	}
	return rows
}

func basicAuth(user, password string) string {
	var req http.Request
	req.Header = http.Header{}
	req.SetBasicAuth(user, password)
	return req.Header.Get("Authorization")
}

// exampleSentinel: TAXII with Basic and no limit; and the upload, which comes again
// until it was taken and only then no more.
func exampleSentinel(t *testing.T, e *example) {
	e.hasPrograms("curl")
	node := e.fed()
	e.makesToken("sentinel.token")
	e.types("curl")
	var template struct {
		Parameters struct {
			Server struct{ DefaultValue string } `json:"taxiiServer"`
		}
		Resources []struct{ Kind string }
	}
	if err := json.Unmarshal([]byte(e.read("taxii-connector.json")), &template); err != nil || template.Resources[0].Kind != "ThreatIntelligenceTaxii" {
		t.Fatalf("taxii-connector.json: %+v, %v", template, err)
	}
	login := basicAuth("sentinel", e.token)
	root := e.filled(template.Parameters.Server.DefaultValue, "https://tocsin.bank.example", node.url())
	var resource struct{ Versions []string }
	e.json(root, &resource, "Authorization", login, "Accept", taxiiType)
	if !slices.Contains(resource.Versions, taxiiType) {
		t.Errorf("the API root speaks %q", resource.Versions)
	}
	id := e.collection(root, "everything", login)
	var one struct {
		Can bool `json:"can_read"`
	}
	if e.json(root+"collections/"+id+"/", &one, "Authorization", login, "Accept", taxiiType); !one.Can {
		t.Error("the collection cannot be read")
	}
	(&taxiiPoll{e: e, url: root + "collections/" + id + "/objects/", login: login, after: "2020-01-01T00:00:00.000000Z", repeat: true}).follows(node)
	e.uploads(node)
}

// uploads runs upload.sh against a server that takes what Sentinel takes.
func (e *example) uploads(node *process) {
	e.t.Helper()
	uploaded, fail := make(chan []string, 10), make(chan bool, 1)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		text, _ := io.ReadAll(io.LimitReader(req.Body, 1<<20))
		var body struct {
			Source  string                               `json:"sourcesystem"`
			Objects []struct{ Type, ID, Pattern string } `json:"stixobjects"`
		}
		err := json.Unmarshal(text, &body)
		switch {
		case len(fail) > 0:
			<-fail
			http.Error(w, "no", http.StatusForbidden)
			return
		case err != nil || body.Source != "bank" || len(body.Objects) > 100 || req.Header.Get("Authorization") != "Bearer azure" || req.Header.Get("Content-Type") != "application/json" ||
			req.URL.String() != "/workspaces/00000000-0000-0000-0000-000000000000/threat-intelligence-stix-objects:upload?api-version=2024-02-01-preview":
			http.Error(w, "what is this", http.StatusBadRequest)
			return
		}
		var patterns []string
		for _, o := range body.Objects {
			patterns = append(patterns, o.Pattern)
		}
		uploaded <- patterns
	}))
	defer s.Close()
	e.t.Setenv("UPLOAD", s.URL)
	e.t.Setenv("PAUSE", "0")
	e.write("azure.token", "azure\n")
	fail <- true
	if out, err := e.command(e.t.Context(), "NODE=").CombinedOutput(); err == nil {
		e.t.Errorf("the upload was refused, but upload.sh says %s", out)
	}
	if got := e.types("NODE="); got != "requests: 1\n" {
		e.t.Errorf("the second upload: %q", got)
	}
	if got := <-uploaded; len(got) != 5 || !slices.Contains(got, "[ipv4-addr:value = '203.0.113.7']") {
		e.t.Errorf("uploaded: %q", got)
	}
	if got := e.types("NODE="); got != "unchanged\n" || len(uploaded) > 0 {
		e.t.Errorf("nothing has changed: %q", got)
	}
	node.must("revoke", "203.0.113.7")
	e.types("NODE=")
	if got := <-uploaded; len(got) != 4 || slices.Contains(got, "[ipv4-addr:value = '203.0.113.7']") {
		e.t.Errorf("uploaded after the revocation: %q", got)
	}
}

// exampleMISP: the manifest says what to fetch, hashes.csv what is known, and a
// revocation moves the time of the event.
func exampleMISP(t *testing.T, e *example) {
	e.hasPrograms("curl")
	node := e.fed()
	e.makesToken("misp.token")
	e.types("curl -H \"Authorization: Bearer $TOKEN\" http://127.0.0.1:7801/feeds/misp/manifest.json")
	if got := e.types("curl -H \"Authorization: Bearer $TOKEN\" http://127.0.0.1:7801/feeds/misp/hashes.csv"); strings.Count(got, "\n") < 5 {
		t.Errorf("hashes.csv is %q", got)
	}
	var feeds []struct {
		Feed struct{ URL, Headers, Format string }
	}
	if err := json.Unmarshal([]byte(e.read("feed.json")), &feeds); err != nil || len(feeds) != 1 {
		t.Fatalf("feed.json: %v", err)
	}
	name, login, _ := strings.Cut(e.filled(feeds[0].Feed.Headers, "TOKEN", e.token), ": ")
	base := e.at(feeds[0].Feed.URL)
	before, tag := e.pull(base, name, login)
	if !slices.Contains(before.values, "203.0.113.7") || len(before.values) != 5 {
		t.Errorf("the events have %q", before.values)
	}
	if resp, _ := e.get(base+"/manifest.json", name, login, "If-None-Match", tag); resp.StatusCode != http.StatusNotModified {
		t.Errorf("nothing has changed: %s", resp.Status)
	}
	node.must("revoke", "203.0.113.7")
	node.must("submit", "--tlp", "green", "--confidence", "90", "203.0.113.8")
	after, _ := e.pull(base, name, login)
	if slices.Contains(after.values, "203.0.113.7") || !slices.Contains(after.values, "203.0.113.8") {
		t.Errorf("after the revocation the events have %q", after.values)
	}
	moved := 0
	for id, at := range after.times {
		if before.times[id] > 0 && at > before.times[id] {
			moved++
		}
	}
	if moved == 0 {
		t.Errorf("no event has a later time: %v, %v", before.times, after.times)
	}
}

// A mispCopy is what MISP has after a fetch.
type mispCopy struct {
	times  map[string]int
	values []string
}

func (e *example) pull(base, name, login string) (p mispCopy, tag string) {
	e.t.Helper()
	var manifest map[string]struct {
		Timestamp int
		Orgc      struct{ Name, UUID string }
	}
	h := e.json(base+"/manifest.json", &manifest, name, login, "Accept", "application/json, text/plain, text/*")
	p.times = map[string]int{}
	_, hashes := e.get(base+"/hashes.csv", name, login)
	for id, m := range manifest {
		p.times[id] = m.Timestamp
		var file struct {
			Event struct {
				UUID      string
				Attribute []struct{ Value string }
			}
		}
		e.json(base+"/"+id+".json", &file, name, login)
		if file.Event.UUID != id || m.Orgc.Name != "bank" || !strings.Contains(hashes, ","+id) {
			e.t.Errorf("event %s: %+v, hashes %s", id, m, hashes)
		}
		for _, a := range file.Event.Attribute {
			p.values = append(p.values, a.Value)
		}
	}
	return p, h.Get("ETag")
}
