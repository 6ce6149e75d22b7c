package floor

import (
	"bytes"
	"net/netip"
	"os"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"

	"github.com/tocsin-exchange/tocsin/protocol/stix"
)

// scene is what testdata/floor.txt states before its rows.
type scene struct {
	own   Own
	lists []*List
}

func (s *scene) state(t *testing.T, line string) {
	t.Helper()
	words := strings.Fields(line)
	if len(words) < 3 {
		t.Fatalf("%q states nothing", line)
	}
	switch words[0] + " " + words[1] {
	case "own network":
		s.own.Networks = append(s.own.Networks, netip.MustParsePrefix(words[2]))
	case "own domain":
		s.own.Domains = append(s.own.Domains, words[2])
	case "own value":
		s.own.Values = append(s.own.Values, canonical(t, words[2], strings.Join(words[3:], " ")))
	default:
		s.lists = append(s.lists, listOf(t, words[0], words[1], words[2], words[3:]...))
	}
}

// listOf writes a warninglist as MISP does and reads it.
func listOf(t testing.TB, name, kind, attributes string, entries ...string) *List {
	t.Helper()
	file := map[string]any{"type": kind, "list": entries}
	if attributes != "-" {
		file["matching_attributes"] = strings.Split(attributes, ",")
	}
	b, err := json.Marshal(file)
	if err != nil {
		t.Fatal(err)
	}
	l, err := ParseList(name, bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	if n, told := l.Skipped(); n > 0 || l.Len() != len(entries) {
		t.Fatalf("%s: %q", name, told)
	}
	return l
}

func canonical(t testing.TB, kind, value string) stix.Observable {
	t.Helper()
	o, err := stix.Canonical(stix.Type(kind), value)
	if err != nil {
		t.Fatalf("%s %s: %v", kind, value, err)
	}
	return o
}

func build(t testing.TB, o Own, lists ...*List) *Floor {
	t.Helper()
	f, err := New(o, lists...)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// told writes an answer as the table has it.
func told(h Hit, ok bool) string {
	switch {
	case !ok:
		return "free"
	case h.Entry == "":
		return h.List + ": " + h.Reason
	}
	return h.Reason
}

// TestFloor plays the decision table. A value that is not canonical is handed
// over as it stands.
func TestFloor(t *testing.T) {
	text, err := os.ReadFile("testdata/floor.txt")
	if err != nil {
		t.Fatal(err)
	}
	var s scene
	var f *Floor
	rows := 0
	for n, line := range strings.Split(string(text), "\n") {
		if line == "" || line[0] == '#' {
			continue
		}
		question, want, isRow := strings.Cut(line, " -> ")
		if !isRow {
			s.state(t, line)
			continue
		}
		if f == nil {
			f = build(t, s.own, s.lists...)
		}
		kind, value, _ := strings.Cut(strings.TrimSpace(question), " ")
		o, err := stix.Canonical(stix.Type(kind), strings.TrimSpace(value))
		if err != nil {
			o = stix.Observable{Type: stix.Type(kind), Value: strings.TrimSpace(value)}
		}
		if got := told(f.Check(o)); got != want {
			t.Errorf("line %d: %s\n got %s\nwant %s", n+1, question, got, want)
		}
		rows++
	}
	if rows < 120 {
		t.Errorf("%d rows", rows)
	}
}
