package policy

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/pelletier/go-toml/v2"
	"github.com/pelletier/go-toml/v2/unstable"
)

const (
	// MaxText is the most bytes a policy file may have.
	MaxText = 256 << 10

	maxDepth = 8 // tables and lists within each other
)

// place is where something stands in a file.
type place struct {
	offset, line, column int
	raw                  []byte // of a text or number, as it is written
}

// A document is a TOML file with the place of every key and value, and what was
// found wrong with it.
type document struct {
	text     []byte
	lines    []int            // offset of each line
	places   map[string]place // of values
	names    map[string]place // of keys
	elements map[string]bool  // which paths are elements of lists
	faults   Faults
	refs     []reference
	rules    map[string]int // the line of each rule, by name
}

// pathKey makes a path one map key. TOML has no control characters in bare keys,
// and none of ours is quoted with one.
func pathKey(path []string) string { return strings.Join(path, "\x00") }

// readDocument parses a file. Without content there are faults.
func readDocument(text []byte) (*document, map[string]any) {
	d := &document{text: text, places: map[string]place{}, names: map[string]place{}, elements: map[string]bool{}, rules: map[string]int{}}
	if len(text) > MaxText {
		d.faults = Faults{{Line: 1, Column: 1, Reason: fmt.Sprintf("the file has %d bytes, at most %d are allowed", len(text), MaxText),
			Hint: "keep long lists of values in files named by never-block.lists"}}
		return d, nil
	}
	if !utf8.Valid(text) {
		d.faults = Faults{{Line: 1, Column: 1, Reason: "the file is not UTF-8", Hint: "save it as UTF-8"}}
		return d, nil
	}
	d.lines = append(d.lines, 0)
	for i, c := range text {
		if c == '\n' {
			d.lines = append(d.lines, i+1)
		}
	}
	var content map[string]any
	if !d.locate() {
		return d, nil
	}
	if err := toml.Unmarshal(text, &content); err != nil {
		d.syntax(err)
		return d, nil
	}
	return d, content
}

func (d *document) syntax(err error) {
	f := &Fault{Line: 1, Column: 1, Reason: strings.TrimPrefix(err.Error(), "toml: "), Hint: "the file must be TOML"}
	var broken *toml.DecodeError
	if errors.As(err, &broken) {
		f.Line, f.Column = broken.Position()
		f.Key = strings.Join(broken.Key(), ".")
	}
	d.faults = append(d.faults, f)
}

func (d *document) at(offset int, raw []byte) place {
	line, exact := slices.BinarySearch(d.lines, offset)
	if !exact {
		line--
	}
	return place{offset: offset, line: line + 1, column: offset - d.lines[line] + 1, raw: raw}
}

// locate finds the place of every key and value; false: they are nested too
// deep. What is no TOML it leaves to the parser.
func (d *document) locate() bool {
	p := unstable.Parser{}
	p.Reset(d.text)
	w := walk{d: d, p: &p, tables: map[string]int{}}
	var base []string
	for p.NextExpression() {
		switch e := p.Expression(); e.Kind {
		case unstable.Table, unstable.ArrayTable:
			base = w.header(e)
		case unstable.KeyValue:
			w.keyValue(e, base)
		}
		if w.deep {
			return false
		}
	}
	return true
}

// walk goes through the expressions of a file.
type walk struct {
	d      *document
	p      *unstable.Parser
	tables map[string]int // of each array of tables so far
	deep   bool
}

// key returns the path of a key under a base, and notes where each part stands.
// The last table of an array stands for the array.
func (w *walk) key(it unstable.Iterator, base []string, inHeader bool) []string {
	path := slices.Clone(base)
	for it.Next() {
		path = append(path, string(it.Node().Data))
		w.note(path, w.d.at(int(it.Node().Raw.Offset), nil))
		if n := w.tables[pathKey(path)]; inHeader && n > 0 && !it.IsLast() {
			path = append(path, strconv.Itoa(n-1))
		}
	}
	return path
}

func (w *walk) note(path []string, at place) {
	if len(path) > maxDepth {
		if !w.deep {
			w.d.faults = append(w.d.faults, &Fault{Line: at.line, Column: at.column, Key: w.d.show(path[:2]) + "...", Reason: "nested too deep", Hint: "nothing in a policy is"})
		}
		w.deep = true
		return
	}
	if _, told := w.d.places[pathKey(path)]; !told {
		w.d.places[pathKey(path)], w.d.names[pathKey(path)] = at, at
	}
}

func (w *walk) header(e *unstable.Node) []string {
	path := w.key(e.Key(), nil, true)
	n := w.tables[pathKey(path)]
	if e.Kind == unstable.ArrayTable {
		w.tables[pathKey(path)]++
		it := e.Key()
		it.Next()
		path = append(path, strconv.Itoa(n))
		w.d.elements[pathKey(path)] = true
		w.note(path, w.d.at(int(it.Node().Raw.Offset), nil))
	} else if n > 0 {
		path = append(path, strconv.Itoa(n-1))
	}
	return path
}

func (w *walk) keyValue(e *unstable.Node, base []string) {
	path := w.key(e.Key(), base, false)
	if !w.deep {
		w.value(e.Value(), path)
	}
}

// value notes where a value stands: of a text or number its own place, of all
// else its key's.
func (w *walk) value(v *unstable.Node, path []string) {
	switch v.Kind {
	case unstable.InlineTable:
		w.note(path, w.d.at(int(v.Raw.Offset), nil))
		for it := v.Children(); it.Next() && !w.deep; {
			if it.Node().Kind == unstable.KeyValue {
				w.keyValue(it.Node(), path)
			}
		}
	case unstable.Array:
		i := 0
		for it := v.Children(); it.Next() && !w.deep; i++ {
			element := append(slices.Clone(path), strconv.Itoa(i))
			w.d.elements[pathKey(element)] = true
			w.note(element, w.d.places[pathKey(path)])
			w.value(it.Node(), element)
		}
	default:
		at := w.d.at(int(v.Raw.Offset), bytes.Clone(w.p.Raw(v.Raw)))
		if len(path) <= maxDepth {
			w.d.places[pathKey(path)] = at
		}
	}
}

// find returns where a path stands, or the nearest table around it.
func (d *document) find(path []string) place {
	for n := len(path); n > 0; n-- {
		if at, ok := d.places[pathKey(path[:n])]; ok {
			return at
		}
	}
	return place{line: 1, column: 1}
}

func (d *document) fault(path []string, reason, hint string) {
	d.faultAt(d.find(path), path, reason, hint)
}

// unknown reports a key that should not be there.
func (d *document) unknown(path []string, reason, hint string) {
	d.faultAt(d.names[pathKey(path)], path, reason, hint)
}

func (d *document) faultAt(at place, path []string, reason, hint string) {
	d.faults = append(d.faults, &Fault{Line: at.line, Column: at.column, Key: d.show(path), Reason: reason, Hint: hint})
}

// show writes a path as people read it: trust.org.hospital, admit[2].when.
// Elements are counted from 1.
func (d *document) show(path []string) string {
	var b strings.Builder
	for i, part := range path {
		if d.elements[pathKey(path[:i+1])] {
			n, _ := strconv.Atoi(part)
			fmt.Fprintf(&b, "[%d]", n+1)
			continue
		}
		if i > 0 {
			b.WriteByte('.')
		}
		b.WriteString(quoteKey(part))
	}
	return b.String()
}
