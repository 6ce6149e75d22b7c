package policy

import (
	"go/ast"
	"go/parser"
	"go/token"
	"strings"
	"testing"
)

// manual returns an indented block of the package comment, from the line that
// starts with first to the one that starts with last.
func manual(t *testing.T, first, last string) []byte {
	t.Helper()
	f, err := parser.ParseFile(token.NewFileSet(), "doc.go", nil, parser.ParseComments|parser.PackageClauseOnly)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	inside := false
	for line := range strings.Lines(rawComment(f.Doc)) {
		text, indented := strings.CutPrefix(line, "\t")
		inside = inside || indented && strings.HasPrefix(text, first)
		if inside {
			b.WriteString(text)
		}
		if inside && strings.HasPrefix(text, last) {
			return []byte(b.String())
		}
	}
	t.Fatalf("the package comment has nothing from %q to %q", first, last)
	return nil
}

func rawComment(doc *ast.CommentGroup) string {
	var b strings.Builder
	for _, c := range doc.List {
		b.WriteString(strings.TrimPrefix(strings.TrimPrefix(c.Text, "//"), " ") + "\n")
	}
	return b.String()
}

// The example of the manual is a policy, and its table holds for it.
func TestManual(t *testing.T) {
	p, err := Parse(manual(t, "# Organisations that AMBER", "tokens = true"))
	if err != nil {
		t.Fatal(err)
	}
	results, err := RunTable(p, manual(t, "admit tlp=green org=hospital", "trust org=lab"))
	if err != nil {
		t.Fatal(err)
	}
	if len(results) != 7 {
		t.Errorf("%d cases", len(results))
	}
	fail(t, "doc.go", results)
}

// The manual names every field of conditions and every key of tables.
func TestManualIsComplete(t *testing.T) {
	f, err := parser.ParseFile(token.NewFileSet(), "doc.go", nil, parser.ParseComments|parser.PackageClauseOnly)
	if err != nil {
		t.Fatal(err)
	}
	words := map[string]bool{}
	for _, w := range strings.FieldsFunc(rawComment(f.Doc), func(r rune) bool { return strings.ContainsRune(" ,\n\t", r) }) {
		words[w] = true
	}
	for _, w := range append(arrivalWords(), submissionWords()...) {
		if !words[w.name] {
			t.Errorf("the manual lacks the field %s", w.name)
		}
	}
	for _, ask := range []string{"admit", "share", "trust"} {
		c := tableCase{ask: ask}
		line := string(manual(t, ask+"  ", ask+"  "))
		for key := range c.target(nil) {
			if !strings.Contains(line+" ", " "+key) {
				t.Errorf("the manual lacks the key %s of %s", key, ask)
			}
		}
	}
}
