package policy

import (
	"fmt"
	"strings"
)

const (
	maxTable = 1 << 20 // bytes of a decision table
	maxLine  = 64 << 10
	maxCases = 10_000
)

// A Result is how one case of a decision table went.
type Result struct {
	Line   int    `json:"line"`
	Case   string `json:"case"` // as it is written, before the arrow
	Want   string `json:"want"` // as it is written, behind the arrow
	Got    string `json:"got"`  // what the policy says, in the same words
	Reason string `json:"reason"`
	Pass   bool   `json:"pass"`
}

// RunTable asks a policy every case of a decision table, of which the package
// comment has the grammar. An error is [Faults]: the lines that are no cases.
// Then there are no results.
func RunTable(p *Policy, text []byte) ([]Result, error) {
	if len(text) > maxTable {
		return nil, Faults{{Line: 1, Column: 1, Reason: fmt.Sprintf("the table has %d bytes, at most %d are allowed", len(text), maxTable), Hint: "split it"}}
	}
	var results []Result
	var faults Faults
	number := 0
	for line := range strings.Lines(string(text)) {
		number++
		line = strings.TrimRight(line, "\r\n")
		if len(results) == maxCases {
			faults = append(faults, &Fault{Line: number, Column: 1, Reason: fmt.Sprintf("more than %d cases", maxCases), Hint: "split the table"})
			break
		}
		c, err := parseCase(number, line)
		switch {
		case err != nil:
			faults = append(faults, err)
		case c != nil:
			results = append(results, c.run(p))
		}
	}
	if faults = faults.sorted(); len(faults) > 0 {
		return nil, faults
	}
	return results, nil
}

// A tableCase is one line of a table: ASK KEY=VALUE... -> OUTCOME [rule=NAME].
type tableCase struct {
	line       int
	ask        string
	given      []field
	want       []field
	asked, out string // the text on both sides of the arrow
}

// A field is one word of a line, or KEY=VALUE with the values between commas.
type field struct {
	column int
	key    string
	values []string
	keyed  bool // it has an equals sign
}

func (f field) value() string { return strings.Join(f.values, ",") }

func (c *tableCase) fault(column int, key, reason, hint string) *Fault {
	return &Fault{Line: c.line, Column: column, Key: key, Reason: reason, Hint: hint}
}

// parseCase reads a line; nil: it is empty, or a comment.
func parseCase(number int, line string) (*tableCase, *Fault) {
	c := &tableCase{line: number}
	if len(line) > maxLine {
		return nil, c.fault(1, "", "the line is too long", "")
	}
	fields, f := c.split(line)
	if f != nil || len(fields) == 0 {
		return nil, f
	}
	arrow := -1
	for i, field := range fields {
		if !field.keyed && field.value() == "->" {
			arrow = i
			break
		}
	}
	if arrow < 0 {
		return nil, c.fault(len(line)+1, "", "there is no outcome", "-> and what is expected, at the end of the line")
	}
	if arrow == 0 || fields[0].keyed {
		return nil, c.fault(fields[0].column, "", "it does not say what is asked", "admit, share or trust comes first")
	}
	if arrow == len(fields)-1 {
		return nil, c.fault(fields[arrow].column, "", "nothing is behind the arrow", "such as -> hold rule=finance")
	}
	c.ask, c.given, c.want = fields[0].value(), fields[1:arrow], fields[arrow+1:]
	at := fields[arrow].column - 1
	c.asked, c.out = squeeze(line[:at]), squeeze(line[at+len("->"):])
	return c, c.check()
}

// squeeze makes every run of blanks outside of quotation marks one.
func squeeze(s string) string {
	var b strings.Builder
	quoted, blank := false, false
	for i := range len(s) {
		ch := s[i]
		if !quoted && ch == '#' && (blank || i == 0) {
			break
		}
		if !quoted && (ch == ' ' || ch == '\t') {
			blank = true
			continue
		}
		if blank && b.Len() > 0 {
			b.WriteByte(' ')
		}
		if ch == '"' {
			quoted = !quoted
		}
		blank = false
		b.WriteByte(ch)
	}
	return b.String()
}

// split cuts a line into fields, at blanks outside of quotation marks. A hash
// sign at the start of a field begins a comment.
func (c *tableCase) split(line string) ([]field, *Fault) {
	var fields []field
	for i := 0; i < len(line); {
		switch line[i] {
		case ' ', '\t':
			i++
			continue
		case '#':
			return fields, nil
		}
		f, next, fault := c.field(line, i)
		if fault != nil {
			return nil, fault
		}
		fields = append(fields, f)
		i = next
	}
	return fields, nil
}

// field reads the field that starts at an offset.
func (c *tableCase) field(line string, start int) (field, int, *Fault) {
	f := field{column: start + 1}
	var b strings.Builder
	i := start
	for ; i < len(line) && line[i] != ' ' && line[i] != '\t'; i++ {
		switch ch := line[i]; {
		case ch == '"':
			end := strings.IndexByte(line[i+1:], '"')
			if end < 0 {
				return f, 0, c.fault(i+1, f.key, "a quotation mark is open", "close it; nothing is escaped within")
			}
			b.WriteString(line[i+1 : i+1+end])
			i += end + 1
		case ch == '=' && !f.keyed:
			f.key, f.keyed = b.String(), true
			b.Reset()
		case ch == ',' && f.keyed:
			f.values = append(f.values, b.String())
			b.Reset()
		default:
			b.WriteByte(ch)
		}
	}
	f.values = append(f.values, b.String())
	if f.keyed && len(f.values) == 1 && f.values[0] == "" {
		f.values = nil // KEY= is the empty list
	}
	return f, i, nil
}
