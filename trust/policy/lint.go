package policy

import (
	"fmt"
	"slices"
	"strings"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/types"
)

// lint refuses comparisons with words that do not exist, such as the label
// "orange", and regular expressions that come with the input; false: it did.
// Names of organisations, groups and communities are kept for [Policy.Bind].
func (f *form) lint(tree *cel.Ast, l *language, when string) bool {
	before := len(f.doc.faults)
	checked := tree.NativeRep()
	v := linter{f, l, checked, when}
	ast.PreOrderVisit(checked.Expr(), ast.NewExprVisitor(func(e ast.Expr) {
		if e.Kind() == ast.CallKind {
			v.call(e)
		}
	}))
	return len(f.doc.faults) == before
}

type linter struct {
	f    *form
	l    *language
	tree *ast.AST
	when string
}

func (v *linter) fault(e ast.Expr, reason, hint string) {
	at := v.tree.SourceInfo().GetStartLocation(e.ID())
	v.f.inside("when", v.when, at.Line(), at.Column(), reason, hint)
}

func (v *linter) call(e ast.Expr) {
	call := e.AsCall()
	args := call.Args()
	switch call.FunctionName() {
	case operators.Equals, operators.NotEquals:
		v.compare(args[0], args[1])
		v.compare(args[1], args[0])
	case operators.In:
		v.compare(args[1], args[0])
		if args[1].Kind() == ast.ListKind {
			for _, element := range args[1].AsList().Elements() {
				v.compare(args[0], element)
			}
		}
	case "matches":
		if pattern := args[len(args)-1]; pattern.Kind() != ast.LiteralKind {
			v.fault(pattern, "a regular expression must be written out here", `such as tag.matches("^fin-[0-9]+$")`)
		}
	}
}

// compare looks at a field that is compared with a text.
func (v *linter) compare(field, text ast.Expr) {
	w, ok := v.l.word(fieldName(field))
	if !ok || text.Kind() != ast.LiteralKind {
		return
	}
	s, ok := text.AsLiteral().(types.String)
	if !ok {
		return
	}
	if w.known != nil && !slices.Contains(w.known(), string(s)) {
		hint := suggest(string(s), w.known())
		if w.name == "types" {
			hint = suggestType(string(s))
		}
		v.fault(text, fmt.Sprintf("%s is never %q", w.name, string(s)), hint)
	}
	if w.refers != "" && s != "" {
		v.f.refer(w.refers, string(s), "when")
	}
}

// fieldName returns the dotted name that an expression is, "" for any other.
func fieldName(e ast.Expr) string {
	switch e.Kind() {
	case ast.IdentKind:
		return strings.TrimPrefix(e.AsIdent(), ".")
	case ast.SelectKind:
		if s := e.AsSelect(); !s.IsTestOnly() {
			if base := fieldName(s.Operand()); base != "" {
				return base + "." + s.FieldName()
			}
		}
	}
	return ""
}
