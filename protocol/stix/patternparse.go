package stix

// ParsePattern reads a pattern of the STIX 2.1 patterning language within the
// limits of this package. Nothing is evaluated and no regular expression is
// run. An error is a [*PatternError].
func ParsePattern(s string) (Pattern, error) {
	if len(s) > MaxPattern {
		return Pattern{}, &PatternError{MaxPattern, "longer than 8192 bytes"}
	}
	p := patternParser{lexer: lexer{text: s}}
	p.next()
	root := p.observations()
	if p.err == nil && p.tok.kind != tokEnd {
		p.fail("expected the end, found " + p.tok.describe())
	}
	if p.err != nil {
		return Pattern{}, p.err
	}
	return Pattern{text: s, root: root, comparisons: p.comparisons}, nil
}

// patternParser is a recursive descent over the grammar of the specification,
// loosest operator first. After an error every token is the end.
type patternParser struct {
	lexer
	depth       int
	comparisons []Comparison
}

// observations = orTerms *( FOLLOWEDBY orTerms ), orTerms = andTerms *( OR
// andTerms ), andTerms = observation *( AND observation )
func (p *patternParser) observations() node { return p.chain(levelFollowed) }

// comparisonsOr is the same inside brackets, without FOLLOWEDBY.
func (p *patternParser) comparisonsOr() node { return p.chain(levelComparisonOr) }

// level is a binary operator of the grammar; the next one binds tighter.
type level int

const (
	levelFollowed level = iota
	levelOr
	levelAnd
	levelObservation
	levelComparisonOr
	levelComparisonAnd
	levelComparison
)

func (l level) operator() (word string, op byte) {
	switch l {
	case levelFollowed:
		return "FOLLOWEDBY", '>'
	case levelOr, levelComparisonOr:
		return "OR", '|'
	}
	return "AND", '&'
}

// chain reads operands joined by the operator of a level; a single operand is
// itself.
func (p *patternParser) chain(l level) node {
	switch l {
	case levelObservation:
		return p.observation()
	case levelComparison:
		return p.comparison()
	}
	first := p.chain(l + 1)
	word, op := l.operator()
	if !p.isWord(word) {
		return first
	}
	n := node{op: op, kids: []node{first}}
	for p.isWord(word) {
		p.next()
		n.kids = append(n.kids, p.chain(l+1))
	}
	return n
}

// observation = ( "[" comparisons "]" / "(" observations ")" ) *qualifier
func (p *patternParser) observation() node {
	var n node
	simple := p.tok.kind == '['
	switch p.tok.kind {
	case '[':
		p.next()
		n = p.comparisonsOr()
		p.expect(']')
	case '(':
		p.enter()
		n = p.observations()
		p.leave()
	default:
		p.fail("expected [ or (, found " + p.tok.describe())
	}
	seen := 0
	for p.err == nil {
		bit := p.qualifier()
		if bit == 0 {
			break
		}
		if simple && seen&bit != 0 {
			p.fail("the same qualifier twice on one observation")
		}
		seen |= bit
		n = node{op: n.op, index: n.index, kids: n.kids, qualified: true}
	}
	return n
}

// qualifier reads one WITHIN, REPEATS or START and returns a bit for its kind.
func (p *patternParser) qualifier() int {
	switch {
	case p.isWord("WITHIN"):
		p.next()
		if t := p.tok; t.kind != tokInt && t.kind != tokFloat || t.text[0] == '-' {
			p.fail("expected a number of seconds, found " + t.describe())
		}
		p.next()
		p.expectWord("SECONDS")
		return 1
	case p.isWord("REPEATS"):
		p.next()
		if t := p.tok; t.kind != tokInt || t.text[0] == '-' {
			p.fail("expected a number of times, found " + t.describe())
		}
		p.next()
		p.expectWord("TIMES")
		return 2
	case p.isWord("START"):
		p.next()
		p.expect(tokTime)
		p.expectWord("STOP")
		p.expect(tokTime)
		return 4
	}
	return 0
}

// comparison = "(" comparisons ")" / EXISTS path / path [NOT] operator operand
func (p *patternParser) comparison() node {
	if p.tok.kind == '(' {
		p.enter()
		n := p.comparisonsOr()
		p.leave()
		return n
	}
	if len(p.comparisons) == MaxComparisons {
		p.fail("more than 256 comparisons")
	}
	var c Comparison
	if p.isWord("EXISTS") {
		c.Op = "EXISTS"
		p.next()
		p.path(&c)
	} else {
		p.path(&c)
		if p.isWord("NOT") {
			c.Negated = true
			p.next()
		}
		p.operator(&c)
	}
	if p.err == nil {
		p.checkHashes(&c)
		p.comparisons = append(p.comparisons, c)
	}
	return node{op: 'c', index: len(p.comparisons) - 1}
}

// operator reads the operator and its operand.
func (p *patternParser) operator(c *Comparison) {
	c.Op = p.tok.text
	switch {
	case p.tok.kind == tokOp:
		switch c.Op {
		case "==":
			c.Op = "="
		case "<>":
			c.Op = "!="
		}
		ordered := c.Op != "=" && c.Op != "!="
		p.next()
		c.Value = p.tok.raw
		c.values = []literal{p.constant(!ordered)}
	case p.isWord("IN"):
		p.next()
		p.set(c)
	case p.isWord("LIKE"), p.isWord("MATCHES"), p.isWord("ISSUBSET"), p.isWord("ISSUPERSET"):
		p.next()
		c.Value = p.tok.raw
		c.values = []literal{{'s', p.tok.text}}
		p.expect(tokString)
	default:
		p.fail("expected an operator, found " + p.tok.describe())
	}
}

// set = "(" [ constant *( "," constant ) ] ")"
func (p *patternParser) set(c *Comparison) {
	start := p.tok.offset
	p.expect('(')
	for p.err == nil && p.tok.kind != ')' {
		c.values = append(c.values, p.constant(true))
		if p.tok.kind != ',' {
			break
		}
		p.next()
		if p.tok.kind == ')' {
			p.fail("expected a value, found )")
		}
	}
	if p.tok.kind == ')' {
		c.Value = p.text[start : p.tok.offset+1]
	}
	p.expect(')')
}

func (p *patternParser) constant(boolean bool) literal {
	t := p.tok
	kind := byte(0)
	switch {
	case t.kind == tokString:
		kind = 's'
	case t.kind == tokInt:
		kind = 'i'
	case t.kind == tokFloat:
		kind = 'f'
	case t.kind == tokBinary:
		kind = 'b'
	case t.kind == tokHex:
		kind = 'h'
	case t.kind == tokTime:
		kind = 't'
	case boolean && (p.isWord("true") || p.isWord("false")):
		kind = 'l'
	default:
		p.fail("expected a value, found " + t.describe())
	}
	p.next()
	return literal{kind, t.text}
}

func (p *patternParser) enter() {
	if p.depth++; p.depth > MaxNesting {
		p.fail("nested deeper than 32")
	}
	p.next()
}

func (p *patternParser) leave() {
	p.depth--
	p.expect(')')
}

func (p *patternParser) isWord(w string) bool { return p.tok.kind == tokWord && p.tok.text == w }

func (p *patternParser) expect(kind byte) {
	if p.tok.kind != kind {
		p.fail("expected " + describeKind(kind) + ", found " + p.tok.describe())
	}
	p.next()
}

func (p *patternParser) expectWord(w string) {
	if !p.isWord(w) {
		p.fail("expected " + w + ", found " + p.tok.describe())
	}
	p.next()
}
