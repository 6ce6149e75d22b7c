package intake

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"github.com/tocsin-exchange/tocsin/protocol/stix"
)

// sniff decides what a file is by its first window.
func sniff(head []byte, o Options) (Guess, layout, error) {
	f := o.Format
	if f == "" {
		f = Auto
	}
	g := Guess{Format: f}
	var err error
	switch {
	case f == Auto && jsonStart(head):
		g, err = sniffJSON(head)
		return g, layout{}, err
	case f == Auto || f == CSV:
		l, ok, err := guessLayout(head, o)
		if err != nil {
			return g, l, fmt.Errorf("%w: %w", ErrFormat, err)
		}
		if f == CSV || o.Column != "" {
			if !l.has(valued, contextal) {
				return g, l, fmt.Errorf("%w: no column with values; name one with --column: %s", ErrFormat, l.names())
			}
			return Guess{CSV, l.describe()}, l, nil
		}
		return sniffLines(head, l, ok)
	}
	if f == STIX || f == MISP || f == Text || f == CrowdSec || f == EVE {
		return g, layout{}, nil
	}
	n := countShapes(head)
	return g, layout{domains: n.domains*4 >= n.lines}, nil
}

// jsonStart tells an object or a list of JSON from a bracketed value.
func jsonStart(head []byte) bool {
	head = bytes.TrimLeft(head, " \t\r\n")
	if len(head) == 0 || head[0] != '{' && head[0] != '[' {
		return false
	}
	rest := bytes.TrimLeft(head[1:], " \t\r\n")
	if len(rest) == 0 {
		return head[0] == '{'
	}
	if head[0] == '[' {
		return rest[0] == '{' || rest[0] == ']' || rest[0] == '['
	}
	return rest[0] == '"' || rest[0] == '}' || rest[0] == '\''
}

// sniffJSON tells STIX from MISP by the names at the top of the first object.
func sniffJSON(head []byte) (Guess, error) {
	shape := "an object"
	sc := memoryScanner(head, 1)
	if c, _ := sc.next(); c == '[' {
		shape = "a list"
		sc.take()
		if c, _ = sc.next(); c == '[' || c == ']' {
			return Guess{STIX, "an empty list"}, nil
		}
	}
	var names []string
	err := sc.members(func(name string) error { // the window may end inside: what was seen decides
		names = append(names, name)
		return sc.value()
	})
	if c, _ := sc.next(); err == nil && c == '{' {
		shape = "one object after the other"
	}
	if slices.Contains(names, "objects") {
		return Guess{STIX, "a bundle"}, nil
	}
	for _, name := range names {
		switch name {
		case "scenario", "events_count", "capacity":
			return Guess{CrowdSec, shape}, nil
		case "event_type":
			return Guess{EVE, shape}, nil
		case "Event", "response", "Attribute", "Orgc", "threat_level_id", "Object":
			return Guess{MISP, shape}, nil
		case "spec_version", "pattern", "created", "object_refs":
			return Guess{STIX, shape}, nil
		}
	}
	if len(names) > 0 && len(names[0]) == 36 && strings.Count(names[0], "-") == 4 && bytes.Contains(head, []byte(`"Orgc"`)) {
		return Guess{Format: MISP}, fmt.Errorf("%w: the manifest of a MISP feed; import the event files beside it", ErrFormat)
	}
	if bytes.Contains(head, []byte(`"type"`)) && bytes.Contains(head, []byte("--")) {
		return Guess{STIX, shape}, nil
	}
	return Guess{Format: Auto}, fmt.Errorf("%w: JSON, but neither STIX nor MISP; choose with --format", ErrFormat)
}

// shape counts how the lines of a sample look.
type shape struct {
	lines, single, hosts, rules int
	split                       int // single values with a separator of columns in them
	words                       int // headings and sentences
	domains                     int
}

// sniffLines tells lists, tables and prose apart.
func sniffLines(head []byte, l layout, table bool) (Guess, layout, error) {
	n := countShapes(head)
	part := func(k int) bool { return k*10 >= n.lines*7 }
	prose := n.words*50 > n.lines
	l.domains = n.domains*4 >= n.lines
	switch {
	case len(head) == 0:
		return Guess{List, "empty"}, l, nil
	case n.lines == 0:
		return Guess{List, "nothing but comments"}, l, nil
	case part(n.hosts):
		return Guess{Hosts, "an address and a name per line"}, l, nil
	case part(n.rules):
		return Guess{Adblock, "a filter rule per line"}, l, nil
	case part(n.single) && !prose:
		return Guess{List, "one value per line"}, l, nil
	case table:
		return Guess{CSV, l.describe()}, l, nil
	case part(n.single+n.split) && !prose:
		return Guess{List, "one value per line"}, l, nil
	}
	return Guess{Text, "values taken from prose"}, l, nil
}

func countShapes(head []byte) (n shape) {
	if i := bytes.LastIndexByte(head, '\n'); i >= 0 && len(head) >= window {
		head = head[:i]
	}
	for len(head) > 0 && n.lines < sampleRows*5 {
		raw, rest, _ := bytes.Cut(head, []byte("\n"))
		head = rest
		line := trim(repair(raw))
		var row Row
		if skipLine(&row, line) {
			continue
		}
		n.lines++
		fields := strings.Fields(inlineComment(line))
		switch {
		case len(fields) > 1 && sinkAddress(fields[0]):
			n.hosts++
		case strings.HasPrefix(line, "||"), strings.HasPrefix(line, "@@||"), strings.HasPrefix(line, "[Adblock"):
			n.rules++
		case len(fields) == 0:
		case line[0] == '=' && strings.HasSuffix(fields[0], "="), fence(line):
			n.words++
		case len(fields) == 1 || aside(inlineComment(line), fields) && !strings.Contains(line, "\t") || numbered(fields):
			values, _, err := listLine(line)
			if len(values) > 0 && values[0].Type == stix.DomainName {
				n.domains++
			}
			switch {
			case err != nil || len(values) == 0:
			case strings.ContainsAny(line, ",;|") && line[0] != '/' && line[0] != '|':
				n.split++
			default:
				n.single++
			}
		case len(fields) > 2:
			n.words++
		}
	}
	return n
}

// numbered recognises value<TAB>count.
func numbered(fields []string) bool {
	return len(fields) == 2 && strings.Trim(fields[1], "0123456789") == ""
}
