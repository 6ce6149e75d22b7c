package trust

import (
	"encoding/json"
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

var moreMutants = flag.Bool("mutants.all", false, "take the conditions of membership and of proofs, too: a minute more")

// decides returns the files whose every condition a test must need.
func decides() []string {
	files := []string{"view.go", "label.go", "group.go", "audience.go", "reader.go", "revocation.go", "remark.go"}
	if *moreMutants {
		files = append(files, "membership.go", "integrity.go")
	}
	return files
}

// A mutant is one condition of one function, changed: always true, always
// false, without its negation, or with its bound moved by one.
type mutant struct {
	site          int
	change        string // true, false, not, bound
	function, src string
}

func (m mutant) String() string { return m.function + ": " + m.change + ": " + m.src }

// selector is what the mutated package is given beside its own files: one binary
// holds all mutants, and the environment says which one it is.
const selector = `package trust

import "os"

var mutation = os.Getenv("TOCSIN_MUTANT")

func mutated(site string, is bool, bound ...bool) bool {
	switch mutation {
	case site + " true":
		return true
	case site + " false":
		return false
	case site + " not":
		return !is
	case site + " bound":
		return bound[0]
	}
	return is
}
`

// A mutator finds the conditions of one file and rewrites it so that each can be
// changed.
type mutator struct {
	t        *testing.T
	source   []byte
	files    *token.FileSet
	function string
	seen     map[ast.Expr]bool
	mutants  []mutant
	sites    int
	inserts  []insert
}

type insert struct {
	at, span int // offset; how far away the other end is: the wider opens first and closes last
	text     string
}

func (m *mutator) offset(p token.Pos) int { return m.files.Position(p).Offset }

func (m *mutator) text(e ast.Node) string {
	return string(m.source[m.offset(e.Pos()):m.offset(e.End())])
}

// site makes the changes given of one condition possible.
func (m *mutator) site(e ast.Expr, changes ...string) {
	m.sites++
	for _, change := range changes {
		if src := m.text(e); src != change {
			m.mutants = append(m.mutants, mutant{m.sites, change, m.function, strings.Join(strings.Fields(src), " ")})
		}
	}
	from, to := m.offset(e.Pos()), m.offset(e.End())
	end := ")"
	if moved := map[token.Token]string{token.LSS: "<=", token.LEQ: "<", token.GTR: ">=", token.GEQ: ">"}; slices.Contains(changes, "bound") {
		b := e.(*ast.BinaryExpr)
		end = ", " + m.text(b.X) + moved[b.Op] + m.text(b.Y) + ")"
	}
	m.inserts = append(m.inserts, insert{from, to - from, fmt.Sprintf("mutated(%q, ", fmt.Sprint(m.sites))}, insert{to, from - to, end})
}

// condition takes a boolean expression apart into what can be left out of it.
func (m *mutator) condition(e ast.Expr) {
	if m.seen[e] {
		return
	}
	m.seen[e] = true
	switch e := e.(type) {
	case *ast.ParenExpr:
		m.condition(e.X)
	case *ast.UnaryExpr:
		m.site(e, "true", "false", "not")
		if inner, is := e.X.(*ast.ParenExpr); is {
			m.condition(inner)
		}
		m.seen[e.X] = true
	case *ast.BinaryExpr:
		switch e.Op {
		case token.LAND, token.LOR:
			m.condition(e.X)
			m.condition(e.Y)
		case token.LSS, token.LEQ, token.GTR, token.GEQ:
			m.site(e, "true", "false", "bound")
		default:
			m.site(e, "true", "false")
			for _, side := range []ast.Expr{e.X, e.Y} {
				if inner, is := side.(*ast.ParenExpr); is {
					m.condition(inner)
				}
			}
		}
	default:
		m.site(e, "true", "false")
	}
}

// walk finds the conditions under a node; results are those of the function it
// is in.
func (m *mutator) walk(n ast.Node, results *ast.FieldList) {
	ast.Inspect(n, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.FuncLit:
			m.walk(n.Body, n.Type.Results)
			return false
		case *ast.IfStmt:
			m.condition(n.Cond)
		case *ast.ForStmt:
			if n.Cond != nil {
				m.seen[n.Cond] = true
				m.site(n.Cond, "false")
			}
		case *ast.SwitchStmt:
			if n.Tag != nil {
				m.t.Errorf("%s: a switch on %s: write its cases as conditions, so that each can be left out", m.function, m.text(n.Tag))
				return false
			}
		case *ast.CaseClause:
			for _, c := range n.List {
				m.condition(c)
			}
		case *ast.ReturnStmt:
			m.returned(n, results)
		case *ast.BinaryExpr:
			if n.Op == token.LAND || n.Op == token.LOR {
				m.condition(n)
			}
		case *ast.UnaryExpr:
			if n.Op == token.NOT {
				m.condition(n)
			}
		}
		return true
	})
}

func (m *mutator) returned(n *ast.ReturnStmt, results *ast.FieldList) {
	i := 0
	for _, field := range results.List {
		for range max(1, len(field.Names)) {
			if id, is := field.Type.(*ast.Ident); is && id.Name == "bool" && i < len(n.Results) {
				m.condition(n.Results[i])
			}
			i++
		}
	}
}

// file mutates one file and returns its new text.
func (m *mutator) file(name string) []byte {
	source, err := os.ReadFile(name)
	if err != nil {
		m.t.Fatal(err)
	}
	m.source, m.files, m.seen, m.inserts = source, token.NewFileSet(), map[ast.Expr]bool{}, nil
	parsed, err := parser.ParseFile(m.files, name, source, parser.SkipObjectResolution)
	if err != nil {
		m.t.Fatal(err)
	}
	for _, d := range parsed.Decls {
		if f, is := d.(*ast.FuncDecl); is && f.Name.Name != "String" { // words for people decide nothing
			m.function = f.Name.Name
			if f.Recv != nil {
				m.function = strings.TrimPrefix(m.text(f.Recv.List[0].Type), "*") + "." + m.function
			}
			results := f.Type.Results
			if results == nil {
				results = &ast.FieldList{}
			}
			m.walk(f.Body, results)
		}
	}
	slices.SortStableFunc(m.inserts, func(a, b insert) int {
		if a.at != b.at {
			return a.at - b.at
		}
		return b.span - a.span // closing ones are negative: the narrower closes first
	})
	var text []byte
	last := 0
	for _, i := range m.inserts {
		text = append(append(text, source[last:i.at]...), i.text...)
		last = i.at
	}
	return append(text, source[last:]...)
}

// build writes the mutated package beside the real one and compiles its tests.
func (m *mutator) build(dir string) string {
	here, err := os.Getwd()
	if err != nil {
		m.t.Fatal(err)
	}
	replace := map[string]string{filepath.Join(here, "mutated.go"): filepath.Join(dir, "mutated.go")}
	write := func(name string, text []byte) {
		replace[filepath.Join(here, name)] = filepath.Join(dir, name)
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			m.t.Fatal(err)
		}
	}
	write("mutated.go", []byte(selector))
	for _, name := range decides() {
		write(name, m.file(name))
	}
	overlay, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		m.t.Fatal(err)
	}
	list, binary := filepath.Join(dir, "overlay.json"), filepath.Join(dir, "mutants.test")
	if err := os.WriteFile(list, overlay, 0o600); err != nil {
		m.t.Fatal(err)
	}
	if out, err := exec.CommandContext(m.t.Context(), "go", "test", "-c", "-vet=off", "-overlay", list, "-o", binary, ".").CombinedOutput(); err != nil {
		m.t.Fatalf("the mutated package does not build: %v\n%s", err, out)
	}
	return binary
}
