package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/tocsin-exchange/tocsin/"

// staircase lists the rooms from the ground up, a floor a line. A room may
// import rooms on floors below its own only.
var staircase = [][]string{
	{"protocol/stix"},
	{"protocol"},
	{"trust", "trust/floor"},
	{"trust/score"},
	{"trust/policy"},
	{"storage", "storage/journal"},
	{"node", "node/api/intake", "node/api/feed", "node/api/crowdsec", "node/api/sink", "node/api/source", "node/api/taxii"},
	{"node/api"},
	{"node/nodetest"},
	{"cmd/tocsin"},
}

// only lists the calls that may stand nowhere but in the files named: the one
// way into the store, and the ways out of the node.
var only = []struct {
	call  string
	files []string
}{
	{"store.Put", []string{"node/admit.go"}},
	{"host.NewStream", []string{"node/sync.go", "node/join.go", "node/deliver.go", "node/nodetest/hostile.go"}},
	{"protocol.NewArchiveWriter", []string{"node/archive.go"}},
	{"topic.Publish", []string{"node/release.go", "node/nodetest/hostile.go"}},
	{"protocol.Reopen", []string{"storage/"}},
}

func TestHouse(t *testing.T) {
	root := "../.."
	fset := token.NewFileSet()
	comments := map[string]int{}
	err := filepath.WalkDir(root, func(file string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := filepath.ToSlash(strings.TrimPrefix(file, root+string(filepath.Separator)))
		if d.IsDir() && (strings.HasPrefix(d.Name(), ".") && file != root || d.Name() == "testdata") {
			return filepath.SkipDir
		}
		if d.IsDir() || !strings.HasSuffix(name, ".go") || strings.HasPrefix(name, "examples/") {
			return nil
		}
		f, err := parser.ParseFile(fset, file, nil, parser.ParseComments)
		if err != nil {
			return err
		}
		if strings.HasSuffix(name, "_test.go") {
			checkSleeps(t, fset, name, f)
			return nil
		}
		if f.Doc != nil {
			comments[path.Dir(name)]++
		}
		checkRoom(t, name, f)
		checkDeclarations(t, fset, name, f)
		checkCalls(t, fset, name, f)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, rooms := range staircase {
		for _, room := range rooms {
			if comments[room] != 1 {
				t.Errorf("%s has %d package comments, want 1", room, comments[room])
			}
		}
	}
}

// floorOf returns where a room is, -1 when it is not in the house.
func floorOf(room string) int {
	return slices.IndexFunc(staircase, func(rooms []string) bool { return slices.Contains(rooms, room) })
}

func checkRoom(t *testing.T, name string, f *ast.File) {
	room := path.Dir(name)
	floor := floorOf(room)
	if floor < 0 {
		t.Errorf("%s: %s is not in the house", name, room)
	}
	for _, spec := range f.Imports {
		imported, _ := strconv.Unquote(spec.Path.Value)
		if below, ours := strings.CutPrefix(imported, module); ours && floorOf(below) >= floor {
			t.Errorf("%s: %s must not look up to %s", name, room, below)
		}
		if imported == module[:len(module)-1]+"/node/nodetest" {
			t.Errorf("%s: nodetest is for tests", name)
		}
	}
	if base := path.Base(name); slices.Contains([]string{"util.go", "utils.go", "helpers.go", "common.go", "misc.go", "types_util.go"}, base) {
		t.Errorf("%s: a file is named by its concept", name)
	}
}

func checkDeclarations(t *testing.T, fset *token.FileSet, name string, f *ast.File) {
	for _, d := range f.Decls {
		fn, ok := d.(*ast.FuncDecl)
		if !ok {
			continue
		}
		if fn.Recv == nil && fn.Name.Name == "init" {
			t.Errorf("%s: init function", fset.Position(fn.Pos()))
		}
		if fn.Recv != nil && strings.HasPrefix(fn.Name.Name, "Get") {
			t.Errorf("%s: getter %s", fset.Position(fn.Pos()), fn.Name.Name)
		}
	}
	if lines := fset.File(f.Pos()).LineCount(); lines > 500 {
		t.Errorf("%s: %d lines, want at most 500", name, lines)
	}
}

// checkCalls compares calls by their last two names, such as store.Put.
func checkCalls(t *testing.T, fset *token.FileSet, name string, f *ast.File) {
	ast.Inspect(f, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok {
			return true
		}
		called := lastNames(call.Fun)
		for _, o := range only {
			if called == o.call && !slices.ContainsFunc(o.files, func(allowed string) bool { return strings.HasPrefix(name, allowed) }) {
				t.Errorf("%s: %s belongs in %v", fset.Position(call.Pos()), o.call, o.files)
			}
		}
		return true
	})
}

func lastNames(e ast.Expr) string {
	sel, ok := e.(*ast.SelectorExpr)
	if !ok {
		return ""
	}
	switch x := sel.X.(type) {
	case *ast.Ident:
		return x.Name + "." + sel.Sel.Name
	case *ast.SelectorExpr:
		return x.Sel.Name + "." + sel.Sel.Name
	}
	return ""
}

// checkSleeps keeps real sleeps out of tests: time.Sleep is for files whose
// tests run in a synctest bubble.
func checkSleeps(t *testing.T, fset *token.FileSet, name string, f *ast.File) {
	bubbles := slices.ContainsFunc(f.Imports, func(s *ast.ImportSpec) bool { return s.Path.Value == `"testing/synctest"` })
	ast.Inspect(f, func(n ast.Node) bool {
		if call, ok := n.(*ast.CallExpr); ok && lastNames(call.Fun) == "time.Sleep" && !bubbles {
			t.Errorf("%s: a sleep outside a bubble", fset.Position(call.Pos()))
		}
		return true
	})
}
