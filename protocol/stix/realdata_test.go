package stix

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json/jsontext"
)

// testData is the directory of published files the tests below read.
func testData(t testing.TB, elem ...string) string {
	t.Helper()
	dir := os.Getenv("TOCSIN_TESTDATA")
	if dir == "" {
		t.Skip("TOCSIN_TESTDATA is not set: published files are not tested")
	}
	return filepath.Join(append([]string{dir}, elem...)...)
}

func readFile(t testing.TB, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if strings.HasSuffix(path, ".gz") {
		z, err := gzip.NewReader(bytes.NewReader(b))
		if err != nil {
			t.Fatal(err)
		}
		if b, err = io.ReadAll(z); err != nil {
			t.Fatal(err)
		}
	}
	return b
}

func glob(t testing.TB, pattern string) []string {
	t.Helper()
	files, err := filepath.Glob(pattern)
	if err != nil || len(files) == 0 {
		t.Fatalf("no files at %s", pattern)
	}
	return files
}

// objectsIn splits a file into objects: of bundles, of a stream, or one.
func objectsIn(t testing.TB, path string) (list []jsontext.Value) {
	t.Helper()
	b := bytes.TrimPrefix(readFile(t, path), []byte("\ufeff"))
	d := jsontext.NewDecoder(bytes.NewReader(b))
	for {
		v, err := d.ReadValue()
		if errors.Is(err, io.EOF) {
			return list
		}
		if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		m, err := readBundle(v.Clone())
		if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		list = append(list, m...)
	}
}

func readBundle(v jsontext.Value) ([]jsontext.Value, error) {
	var b struct {
		Type    string            `json:"type"`
		Objects []json.RawMessage `json:"objects"`
	}
	var bare []json.RawMessage
	if err := json.Unmarshal(v, &bare); err == nil {
		b.Objects = bare
	} else if err := json.Unmarshal(v, &b); err != nil || b.Objects == nil || b.Type != "bundle" && b.Type != "" {
		return []jsontext.Value{v}, nil
	}
	var list []jsontext.Value
	for _, o := range b.Objects {
		list = append(list, jsontext.Value(o))
	}
	return list, nil
}

func TestPublished21Parses(t *testing.T) {
	objects, claims, indicators := 0, 0, 0
	for _, f := range glob(t, testData(t, "stix21", "*")) {
		for i, raw := range objectsIn(t, f) {
			raw := []byte(raw)
			if !bytes.Contains(raw, []byte(`"spec_version"`)) {
				raw, _ = Upgrade(raw) // one file holds 2.0
			}
			o, err := Parse(raw)
			if id := filepath.Base(f) + " " + o.ID; broken(f, err) {
				continue
			} else if err != nil {
				t.Errorf("%s object %d: %v\n%.300s", id, i, err, raw)
				continue
			}
			objects++
			if o.Type == "indicator" {
				indicators++
				if len(o.Claims) > 0 {
					claims++
				}
			}
		}
	}
	t.Logf("%d objects; %d of %d indicators make claims", objects, claims, indicators)
}

// broken knows the two published objects that are wrong: a relationship created
// on the 101st, and an indicator that is revoked "False".
func broken(file string, err error) bool {
	var f *Fault
	if !errors.As(err, &f) {
		return false
	}
	return strings.HasSuffix(file, "using-tlp2.0-green.json") && f.Pointer == "/created" ||
		strings.HasSuffix(file, "octi_indicator_sample.json") && f.Pointer == "/revoked"
}

func TestPublished20Upgrades(t *testing.T) {
	objects, claims, indicators := 0, 0, 0
	for _, f := range glob(t, testData(t, "stix20", "*")) {
		for i, raw := range objectsIn(t, f) {
			up, err := Upgrade(raw)
			if err != nil {
				t.Errorf("%s object %d: upgrade: %v", filepath.Base(f), i, err)
				continue
			}
			o, err := Parse(up)
			if err != nil {
				t.Errorf("%s object %d: %v\n%.300s", filepath.Base(f), i, err, up)
				continue
			}
			objects++
			if o.Type != "indicator" {
				continue
			}
			indicators++
			if len(o.Claims) > 0 {
				claims++
			}
			done, err := Draft{Object: up, Confidence: 50}.Finish([]byte("scope"), time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC), isNoTLP)
			if err != nil {
				t.Errorf("%s object %d: finish: %v", filepath.Base(f), i, err)
			} else if len(done.Aliases) == 0 || done.Aliases[len(done.Aliases)-1] != o.ID {
				t.Errorf("%s object %d: finished without its alias: %s", filepath.Base(f), i, done.Raw)
			}
		}
	}
	t.Logf("%d objects; %d of %d indicators make claims", objects, claims, indicators)
}

func isNoTLP(string) bool { return false }

func TestPublishedInvalid(t *testing.T) {
	want := map[string]string{ // per object; the others pass as objects
		"invalid_braces.json":    "",
		"invalid_comma.json":     "",
		"invalid_identity.json":  "/modified",
		"invalid_timestamp.json": "/modified",
	}
	for _, f := range glob(t, testData(t, "stix21-invalid", "*")) {
		name := filepath.Base(f)
		name = name[strings.LastIndex(name, "__")+2:]
		pointer, fails := want[name]
		if !fails {
			for _, raw := range objectsIn(t, f) {
				if _, err := Parse(raw); err != nil {
					t.Errorf("%s: %v", name, err)
				}
			}
			continue
		}
		_, err := Parse(readFile(t, f))
		var fault *Fault
		if !errors.As(err, &fault) || fault.Pointer != pointer || !errors.Is(err, ErrInvalid) {
			t.Errorf("%s: got %v, want a fault at %q", name, err, pointer)
		}
	}
}

func TestPublishedPatterns(t *testing.T) {
	path := testData(t, "patterns", "syntax-cases.tsv")
	rows := 0
	for i, line := range strings.Split(strings.TrimSpace(string(readFile(t, path))), "\n") {
		f := strings.Split(line, "\t")
		if i == 0 {
			continue
		}
		rows++
		var text string
		if err := json.Unmarshal([]byte(f[2]), &text); err != nil {
			t.Fatal(err)
		}
		want := f[1] == "valid" && !onlyIn20(text)
		if _, err := ParsePattern(text); (err == nil) != want {
			t.Errorf("line %d (%s, %s): %s: %v", i+1, f[0], f[1], text, err)
		}
	}
	if rows < 100 {
		t.Errorf("only %d rows", rows)
	}
	for _, name := range []string{"matcher-cases.jsonl", "real-patterns.jsonl"} {
		publishedPatternLines(t, name)
	}
}

// onlyIn20 knows what 2.1 took out of the language: strings as times, and a
// qualifier given twice.
func onlyIn20(pattern string) bool {
	return strings.Contains(pattern, " START '") ||
		strings.HasSuffix(pattern, "REPEATS 1 TIMES REPEATS 2 TIMES") || strings.HasSuffix(pattern, "REPEATS 5 TIMES REPEATS 2 TIMES")
}

func publishedPatternLines(t *testing.T, name string) {
	s := bufio.NewScanner(bytes.NewReader(readFile(t, testData(t, "patterns", name))))
	s.Buffer(nil, 1<<20)
	for n := 1; s.Scan(); n++ {
		var row struct {
			Pattern     string
			Verdict     string
			Expect      string
			Comparisons []struct{ Path, Op, Value string }
		}
		if err := json.Unmarshal(s.Bytes(), &row); err != nil {
			t.Fatal(err)
		}
		if strings.HasPrefix(row.Verdict, "not-stix") {
			continue
		}
		p, err := ParsePattern(row.Pattern)
		if refused := row.Expect == "error:ParseException" || onlyIn20(row.Pattern); (err != nil) != refused {
			t.Errorf("%s:%d: %s %v: %v", name, n, row.Expect, row.Pattern, err)
		}
		if row.Comparisons == nil {
			continue
		}
		got := p.Comparisons()
		if len(got) != len(row.Comparisons) {
			t.Errorf("%s:%d: %d comparisons, want %d", name, n, len(got), len(row.Comparisons))
			continue
		}
		for i, c := range row.Comparisons {
			if strings.ReplaceAll(got[i].Path, "'", "") != c.Path || got[i].Op != c.Op || got[i].Value != c.Value {
				t.Errorf("%s:%d: %+v, want %+v", name, n, got[i], c)
			}
		}
	}
}
