package policy

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/types"
)

// A condition is the compiled "when" of a rule. It may be asked by many at once.
type condition struct {
	language *language
	run      cel.Program // on full input
	try      cel.Program // on input of which some is unknown
}

// condition reads and compiles the when of a rule; nil: it is missing or broken.
func (f *form) condition(when *string, l *language) *condition {
	if !f.need("when", when, func(s string) (string, error) { return s, nil }, `when = 'bulletin.tlp == "amber"'`) {
		return nil
	}
	if len(*when) > maxCondition {
		f.fault("when", fmt.Sprintf("the condition has %d bytes, at most %d are allowed", len(*when), maxCondition), "make two rules of it")
		return nil
	}
	tree, issues := l.env.Compile(*when)
	if issues.Err() != nil {
		for _, e := range issues.Errors() {
			f.inside("when", *when, e.Location.Line(), e.Location.Column(), readable(e.Message), l.hint(e.Message))
		}
		return nil
	}
	if !tree.OutputType().IsExactType(cel.BoolType) {
		f.fault("when", "the condition gives "+tree.OutputType().String()+", and must give true or false", "compare it with something")
		return nil
	}
	if !f.lint(tree, l, *when) {
		return nil
	}
	estimate, err := l.env.EstimateCost(tree, l)
	if err != nil || estimate.Max > maxEstimate {
		f.fault("when", fmt.Sprintf("the condition would cost up to %d units on large input, at most %d are allowed", estimate.Max, maxEstimate),
			"fewer loops within each other, and simpler expressions within them")
		return nil
	}
	c, err := l.program(tree)
	if err != nil {
		f.fault("when", "the condition cannot be run: "+err.Error(), "make it simpler")
		return nil
	}
	return c
}

func (l *language) program(tree *cel.Ast) (*condition, error) {
	run, err := l.env.Program(tree, cel.EvalOptions(cel.OptOptimize), cel.CostLimit(maxCost))
	if err != nil {
		return nil, err
	}
	try, err := l.env.Program(tree, cel.EvalOptions(cel.OptPartialEval), cel.CostLimit(maxCost))
	return &condition{l, run, try}, err
}

// readable writes the operators in a message of CEL as people write them.
func readable(message string) string {
	message, _, _ = strings.Cut(message, " (did you mean")
	if before, rest, ok := strings.Cut(message, "overload for '"); ok {
		if name, after, ok := strings.Cut(rest, "'"); ok {
			if symbol, ok := operators.FindReverse(name); ok && symbol != "" {
				return before + "overload for '" + symbol + "'" + after
			}
		}
	}
	return message
}

// hint says which field was meant where one is not known.
func (l *language) hint(message string) string {
	_, name, ok := strings.Cut(message, "undeclared reference to '")
	if !ok {
		return ""
	}
	name, _, _ = strings.Cut(name, "'")
	var under []string
	for _, known := range l.names() {
		if strings.HasPrefix(known, name+".") {
			under = append(under, known)
		}
	}
	if len(under) > 0 {
		return "known here: " + strings.Join(under, ", ")
	}
	if slices.Contains(timed(), name) {
		return "conditions have no times; bulletin.age is a number of hours"
	}
	return suggest(name, l.names())
}

// inside reports what is wrong at a place inside a text: lines from 1, columns
// from 0. Where escapes hide the place, it reports the text.
func (f *form) inside(key, text string, line, column int, reason, hint string) {
	at := f.doc.find(f.at(key))
	raw := string(at.raw)
	long := strings.HasPrefix(raw, `'''`) || strings.HasPrefix(raw, `"""`)
	start := strings.Index(raw, text)
	switch {
	case start < 0 || line < 1:
	case long:
		offset := start + lineStart(text, line) + column
		at = f.doc.at(at.offset+min(offset, len(raw)), nil)
	default:
		at.column += start + column
	}
	f.doc.faults = append(f.doc.faults, &Fault{Line: at.line, Column: at.column, Key: f.doc.show(f.at(key)), Reason: firstLine(reason), Hint: hint})
}

// lineStart returns the offset of a line, counted from 1.
func lineStart(text string, line int) int {
	offset := 0
	for ; line > 1; line-- {
		next := strings.IndexByte(text[offset:], '\n')
		if next < 0 {
			break
		}
		offset += next + 1
	}
	return offset
}

func firstLine(s string) string {
	s, _, _ = strings.Cut(s, "\n")
	return s
}

// matches asks the condition about full input. It returns what that cost, also
// with an error.
func (c *condition) matches(input map[string]any) (bool, uint64, error) {
	out, details, err := c.run.Eval(input)
	spent := uint64(0)
	if details != nil && details.ActualCost() != nil {
		spent = *details.ActualCost()
	}
	if err != nil {
		return false, spent, errors.New(firstLine(err.Error()))
	}
	yes, ok := out.Value().(bool)
	if !ok {
		return false, spent, fmt.Errorf("it gives %v", out.Type())
	}
	return yes, spent, nil
}

// tested is what a condition gives when little or nothing is known.
type tested int

const (
	depends tested = iota
	always
	never
)

func (c *condition) constant() tested { return c.test(nil) }

// mayMatch reports whether input that has this in it may match.
func (c *condition) mayMatch(known map[string]any) bool { return c.test(known) != never }

func (c *condition) test(known map[string]any) tested {
	var unknown []*cel.AttributePatternType
	for _, w := range c.language.words {
		if _, ok := known[w.name]; !ok {
			unknown = append(unknown, cel.AttributePattern(w.name))
		}
	}
	if known == nil {
		known = map[string]any{}
	}
	input, err := cel.PartialVars(known, unknown...)
	if err != nil {
		return depends
	}
	switch out, _, err := c.try.Eval(input); {
	case err != nil:
		return depends
	case out == types.True:
		return always
	case out == types.False:
		return never
	}
	return depends
}
