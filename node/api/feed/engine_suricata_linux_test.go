package feed

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// serveFormats serves what a document is in formats of one file, and what the
// pointer shows to later.
func serveFormats(t *testing.T, d *atomic.Pointer[Document]) string {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for _, f := range sensorFormats() {
			if "/"+f.Name == r.URL.Path {
				if err := f.Write(w, d.Load(), ""); err != nil {
					t.Error(err)
				}
				return
			}
		}
		http.NotFound(w, r)
	}))
	t.Cleanup(server.Close)
	return server.URL
}

// rulesOf is how many rules a document makes: of each set, and of each value
// that is in none.
func rulesOf(d *Document, sets bool) (rules int) {
	perSet := map[string]int{"address": 2, "name": 3, "md5": 5, "sha1": 5, "sha256": 5}
	f := suricataFormats()[0]
	for e := range d.All {
		kind := map[bool]string{true: "address", false: string(e.Type)}[strings.HasPrefix(string(e.Type), "ip")]
		if e.Type == "domain-name" {
			kind = "name"
		}
		switch {
		case sets && perSet[kind] > 0 && !strings.ContainsAny(e.Value, "*/"):
			rules += perSet[kind]
			perSet[kind] = -1
		case sets && perSet[kind] < 0 && !strings.ContainsAny(e.Value, "*/"):
		case f.Carries(&e) && kind == "name":
			rules += 3
		case f.Carries(&e):
			rules++
		}
	}
	return rules
}

// suricataUpdate fetches rules into a directory and returns what it wrote down
// of them, and what it said.
func suricataUpdate(t *testing.T, dir, url string) (rules []string, log string) {
	t.Helper()
	log, code := sensorRun(t, dir, "", "suricata-update", "--suricata-version", "7.0.3", "--no-test", "--no-reload", "--data-dir", "data", "--output", "out", "--url", url)
	written, err := os.ReadFile(filepath.Join(dir, "out", "suricata.rules"))
	if code != 0 || err != nil {
		t.Fatalf("exit %d: %v\n%s", code, err, log)
	}
	rules = split(string(written))
	loaded := fmt.Sprintf("total: %d; enabled: %d;", len(rules), len(rules))
	if !strings.Contains(log, loaded) || strings.Contains(log, "<Error>") || strings.Contains(log, "Failed to parse") {
		t.Errorf("want %s of\n%s", loaded, log)
	}
	return rules, log
}

func TestEngineSuricataUpdateArchive(t *testing.T) {
	d, dir := sensorDocument(t), t.TempDir()
	var served atomic.Pointer[Document]
	served.Store(d)
	url := serveFormats(t, &served) + "/suricata.tar.gz"
	rules, _ := suricataUpdate(t, dir, url)
	if want := rulesOf(d, true); len(rules) != want {
		t.Errorf("%d rules loaded, want %d", len(rules), want)
	}
	found := setsOf(t, rules, dir)
	f := formatOf(t, "suricata.tar.gz")
	for e := range d.All {
		if f.Carries(&e) && inSets(&e) != slices.Contains(found, e.Value) {
			t.Errorf("%s in the sets: %v", e.Value, slices.Contains(found, e.Value))
		}
	}
	age(t, dir)
	if again, log := suricataUpdate(t, dir, url); !slices.Equal(rules, again) || !strings.Contains(log, "checksum has not changed") {
		t.Errorf("nothing has changed, and it was fetched again:\n%s", log)
	}
	served.Store(documentOf(t, "ipv4-addr 198.51.100.7\n")) // all was revoked, one value came
	age(t, dir)
	rules, _ = suricataUpdate(t, dir, url)
	if found := setsOf(t, rules, dir); len(rules) != 2 || !slices.Equal(found, []string{"198.51.100.7"}) {
		t.Errorf("after all was revoked: %q in %q", found, rules)
	}
}

// age makes what was fetched an hour old: younger than a quarter of one it is
// not looked after.
func age(t *testing.T, dir string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "data", "update", "cache", "*"))
	if err != nil || len(files) == 0 {
		t.Fatalf("nothing was fetched: %v", err)
	}
	for _, f := range files {
		if err := os.Chtimes(f, time.Time{}, time.Now().Add(-time.Hour)); err != nil {
			t.Fatal(err)
		}
	}
}

// setsOf reads the sets that rules look up, from where suricata-update put them.
func setsOf(t *testing.T, rules []string, dir string) (values []string) {
	t.Helper()
	place := regexp.MustCompile(`(?:type (\w+),load ([^,]+),|file\w+:([^;]+);)`)
	read := map[string]bool{}
	for _, rule := range rules {
		m := place.FindStringSubmatch(rule)
		if m == nil {
			continue
		}
		path := filepath.Join(dir, "out", m[2])
		if m[3] != "" {
			path = filepath.Join(dir, "data", "rules", m[3])
		}
		if read[path] {
			continue
		}
		read[path] = true
		content, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, line := range split(string(content)) {
			if m[1] == "string" {
				raw, err := base64.StdEncoding.DecodeString(line)
				if err != nil {
					t.Fatal(err)
				}
				line = string(raw)
			}
			values = append(values, line)
		}
	}
	return values
}

func TestEngineSuricataUpdateRules(t *testing.T) {
	d := sensorDocument(t)
	var served atomic.Pointer[Document]
	served.Store(d)
	rules, _ := suricataUpdate(t, t.TempDir(), serveFormats(t, &served)+"/suricata.rules")
	if want := rulesOf(d, false); len(rules) != want {
		t.Errorf("%d rules loaded, want %d", len(rules), want)
	}
}
