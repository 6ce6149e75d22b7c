package policy

import (
	"strings"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/cost"
	"cel.dev/cel-go/common/env"
)

// Limits of a condition. A unit of cost is about what one comparison of short
// texts takes; Kubernetes counts the same way, with limits of the same order.
const (
	maxCondition   = 4096       // bytes of text
	maxNodes       = 1024       // of its syntax tree
	maxNesting     = 32         // of parentheses and calls
	maxLoops       = 2          // all, exists, map, filter within each other
	maxRegexp      = 200        // instructions of a regular expression
	maxEstimate    = 10_000_000 // units that its worst input would cost
	maxCost        = 1_000_000  // units that it may cost on one input
	maxTotalCost   = 4_000_000  // units that all rules together may
	maxValuesAsked = 4096       // entries of the longest list it is asked about
)

// A word is a field that conditions speak of.
type word struct {
	name    string
	of      *cel.Type
	entries int             // the most a list has
	bytes   int             // the most a text has, or an entry of a list
	known   func() []string // all that it can be; nil: anything
	refers  Kind            // what its texts are names of
}

// arrivalWords are what admit rules speak of, [Arrival] says what they mean.
func arrivalWords() []word {
	texts := cel.ListType(cel.StringType)
	return []word{
		{name: "bulletin.tlp", of: cel.StringType, bytes: 16, known: labels},
		{name: "bulletin.pap", of: cel.StringType, bytes: 16, known: levels},
		{name: "bulletin.kind", of: cel.StringType, bytes: 16, known: kinds},
		{name: "bulletin.community", of: cel.StringType, bytes: 256, refers: Community},
		{name: "bulletin.drill", of: cel.BoolType},
		{name: "bulletin.count", of: cel.IntType},
		{name: "bulletin.age", of: cel.IntType},
		{name: "org.name", of: cel.StringType, bytes: 256, refers: Org},
		{name: "org.level", of: cel.IntType},
		{name: "org.anchor", of: cel.BoolType},
		{name: "org.chosen", of: cel.BoolType},
		{name: "org.introduced_by", of: texts, entries: 64, bytes: 256, refers: Org},
		{name: "from", of: cel.StringType, bytes: 256, refers: Org},
		{name: "types", of: texts, entries: 64, bytes: 32, known: typeNames},
		{name: "tags", of: texts, entries: 1024, bytes: 256},
	}
}

// submissionWords are what share rules speak of, [Submission] says what they
// mean.
func submissionWords() []word {
	texts := cel.ListType(cel.StringType)
	return []word{
		{name: "tlp", of: cel.StringType, bytes: 16, known: labels},
		{name: "pap", of: cel.StringType, bytes: 16, known: levels},
		{name: "community", of: cel.StringType, bytes: 256, refers: Community},
		{name: "drill", of: cel.BoolType},
		{name: "count", of: cel.IntType},
		{name: "confidence", of: cel.IntType},
		{name: "types", of: texts, entries: 64, bytes: 32, known: typeNames},
		{name: "tags", of: texts, entries: 1024, bytes: 256},
		{name: "values", of: texts, entries: maxValuesAsked, bytes: 4000},
		{name: "person", of: cel.StringType, bytes: 256},
		{name: "role", of: cel.StringType, bytes: 16, known: roles},
		{name: "group", of: cel.StringType, bytes: 256, refers: Group},
		{name: "to", of: texts, entries: 64, bytes: 512},
	}
}

// A language is what the conditions of one list of rules are written in.
type language struct {
	env   *cel.Env
	words []word
}

// timed are the functions of standard CEL that are about times.
func timed() []string {
	return []string{
		"timestamp", "duration", "getFullYear", "getMonth", "getDayOfYear", "getDayOfMonth", "getDate", "getDayOfWeek",
		"getHours", "getMinutes", "getSeconds", "getMilliseconds",
	}
}

// newLanguage makes a language of standard CEL without times.
func newLanguage(words []word) (*language, error) {
	var without []*env.Function
	for _, name := range timed() {
		without = append(without, &env.Function{Name: name})
	}
	options := []cel.EnvOption{
		cel.StdLib(cel.StdLibSubset(&env.LibrarySubset{ExcludeFunctions: without})),
		cel.ParserExpressionSizeLimit(maxCondition), cel.ParserRecursionLimit(maxNesting), cel.ExpressionNodeLimit(maxNodes),
		cel.RegexProgramSizeLimit(maxRegexp),
		cel.ASTValidators(cel.ValidateRegexLiterals(), cel.ValidateHomogeneousAggregateLiterals(), cel.ValidateComprehensionNestingLimit(maxLoops)),
	}
	for _, w := range words {
		options = append(options, cel.Variable(w.name, w.of))
	}
	e, err := cel.NewCustomEnv(options...)
	return &language{e, words}, err
}

// language makes the language of a list of rules; nil: it cannot be made.
func (f *form) language(words []word) *language {
	l, err := newLanguage(words)
	if err != nil {
		f.doc.fault(f.path, "conditions cannot be compiled: "+err.Error(), "")
		return nil
	}
	return l
}

// word returns the field of a name.
func (l *language) word(name string) (word, bool) {
	for _, w := range l.words {
		if w.name == name {
			return w, true
		}
	}
	return word{}, false
}

func (l *language) names() []string {
	names := make([]string, len(l.words))
	for i, w := range l.words {
		names[i] = w.name
	}
	return names
}

// EstimateSize tells the checker how large a field can be.
func (l *language) EstimateSize(node cost.AstNode) *cost.SizeEstimate {
	path := node.Path()
	entry := len(path) > 1 && path[len(path)-1] == "@items"
	if entry {
		path = path[:len(path)-1]
	}
	w, ok := l.word(strings.Join(path, "."))
	if !ok {
		return nil
	}
	size := cost.RangedSizeEstimate(0, uint64(w.bytes))
	if w.entries > 0 && !entry {
		size = cost.ListSizeEstimate(cost.RangedSizeEstimate(0, uint64(w.entries)), size)
	}
	return &size
}

// EstimateCallCost leaves all functions to CEL.
func (l *language) EstimateCallCost(_, _ string, _ *cost.AstNode, _ []cost.AstNode) *cost.CallEstimate {
	return nil
}
