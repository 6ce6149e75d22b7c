package intake

import (
	"strings"

	"github.com/tocsin-exchange/tocsin/protocol/stix"
)

// A passage is where in a text the reader stands: what the heading above is
// about, whether code is fenced off, and whether the line above was prose that
// this line may go on with.
type passage struct {
	topic  topic
	fenced bool
	prose  bool
	cited  bool // the line above says where to read more
}

// A topic is what a heading says about the values under it.
type topic int

const (
	anything     topic = iota
	references         // sources of the report: plain URLs are not indicators
	names              // packages, files, detections: what looks like a domain is none
	certificates       // hashes are of certificates
)

// text reads prose line by line.
func (s *source) text(next yield) {
	var at passage
	s.lines(next, func(row *Row, line string) {
		switch {
		case line == "":
			row.Skipped = skipBlank
			at.prose = false
		case conflictMarker(line) && line != "=======":
			row.Skipped = skipConflict
		default:
			s.mention(line)
			if values := at.values(line); len(values) > 0 {
				s.accept(row, values, meta{confidence: -1}, line)
			} else {
				row.Skipped = skipNothing
			}
			at.pass(line)
		}
	})
}

// values returns what a line says that stands here.
func (p *passage) values(line string) []stix.Observable {
	if fence(line) || line[0] == '#' && !strings.HasPrefix(line, "##") && p.topic == anything && !defanged(line) {
		return nil // a heading, or a comment
	}
	var found []stix.Observable
	t := p.topic
	switch lower := strings.ToLower(line); {
	case strings.Contains(lower, "thumbprint"), strings.Contains(lower, "certificate") && len(line) < 200:
		t = certificates
	case strings.Contains(lower, "serial number"), strings.Contains(lower, "commit "):
		t = references
	}
	if p.cited && strings.Contains(line, "://") && t == anything {
		t = references
	}
	listed := !(p.prose && !bulleted(line))
	for _, cell := range cells(line) {
		found = t.cell(found, cell, listed)
	}
	return found
}

// pass remembers what the line means for the next one.
func (p *passage) pass(line string) {
	if fence(line) {
		p.fenced = !p.fenced
		p.prose = false
		return
	}
	p.cited = cites(line) || p.cited && strings.Contains(line, "://")
	if signature(line) {
		p.topic = references
		return
	}
	if about, ok := heading(line); ok && !p.fenced {
		p.topic = about
		p.prose = false
		return
	}
	words := len(strings.Fields(line))
	p.prose = !p.fenced && words >= 4 && !strings.HasSuffix(line, ":") && len(cells(line)) == 1 && !defanged(line)
}

// signature recognises how mails end: what follows is the sender's own.
func signature(line string) bool {
	lower := strings.ToLower(line)
	for _, end := range []string{"regards", "best regards", "kind regards", "cheers", "sincerely", "sent from my"} {
		if strings.HasPrefix(lower, end) && len(line) < 60 {
			return true
		}
	}
	return line == "--"
}

// cites reports whether a sentence says where to read more, so that the URLs
// after it are no indicators.
func cites(line string) bool {
	lower := strings.ToLower(line)
	if !strings.Contains(lower, "available") && !strings.Contains(lower, "read more") && !strings.Contains(lower, "published") {
		return false
	}
	for _, word := range []string{"report", "blog", "article", "paper", "read more"} {
		if strings.Contains(lower, word) {
			return true
		}
	}
	return false
}

// fence recognises the lines that open and close a block of code.
func fence(line string) bool {
	return strings.HasPrefix(line, "```") || strings.HasPrefix(line, "~~~") ||
		len(line) >= 4 && strings.Trim(line, "-") == "" || len(line) >= 4 && strings.Trim(line, ".") == ""
}

// heading recognises headings and what they are about. A table's first row, a
// key of a YAML file and a line in capitals are headings too.
func heading(line string) (topic, bool) {
	body := strings.Trim(line, "#=*- ")
	switch {
	case body == "":
		return anything, false
	case line[0] == '#', line[0] == '=', strings.HasSuffix(line, ":") && len(line) < 100:
	case line == strings.ToUpper(line) && line != strings.ToLower(line) && len(strings.Fields(line)) < 12 && !strings.ContainsAny(line, "/@"):
		if _, err := stix.Detect(body); err == nil {
			return anything, false
		}
	default:
		return anything, false
	}
	if body == "names:" {
		return names, true
	}
	for _, word := range columnWords(body) {
		switch word {
		case "reference", "references", "source", "sources", "link", "links", "credits", "acknowledgements", "acknowledgments", "author", "authors", "contact", "reading":
			return references, true
		case "package", "packages", "detection", "detections", "filenames", "paths", "pdb", "yara", "sigma":
			return names, true
		case "certificate", "certificates", "thumbprints":
			return certificates, true
		}
	}
	return anything, true
}

// bulleted reports whether a line is an item of a list or a row of a table.
func bulleted(line string) bool {
	return line != "" && strings.IndexByte("-*+|>", line[0]) >= 0 || strings.HasPrefix(line, "•")
}

// cells splits a line at what separates columns: bars, tabs, long dashes
// between blanks, runs of blanks.
func cells(line string) []string {
	line = trim(strings.TrimLeft(line, "-*+>• "))
	if strings.IndexAny(line, "|\t") < 0 && !strings.Contains(line, " -- ") && !strings.Contains(line, "  ") {
		return []string{line}
	}
	line = strings.NewReplacer("|", "\t", " -- ", "\t", "  ", "\t").Replace(line)
	list := strings.FieldsFunc(line, func(r rune) bool { return r == '\t' })
	kept := list[:0]
	for _, cell := range list {
		if cell = trim(cell); cell != "" {
			kept = append(kept, cell)
		}
	}
	return kept
}

// cell adds the values of one cell. listed says that a cell which is one
// token was put there as a value.
func (t topic) cell(found []stix.Observable, cell string, listed bool) []stix.Observable {
	alone := strings.IndexByte(cell, ' ') < 0
	before := ""
	for i, span := range strings.Split(cell, "`") {
		code := i%2 == 1
		if code {
			if o, ok := t.take(span, true, ""); ok {
				found = append(found, o)
				continue
			}
		}
		tokens := strings.Fields(span)
		for j, token := range tokens {
			n := len(found)
			found = t.token(found, token, listed && (alone || code && len(tokens) == 1), before)
			if len(found) == n+1 {
				found[n] = portInWords(found[n], tokens[j+1:])
			}
			if len(found) >= maxParts {
				return found
			}
			before = token
		}
	}
	return found
}

// portInWords adds the port to an address that "port 443" follows.
func portInWords(o stix.Observable, after []string) stix.Observable {
	if len(after) > 2 && (after[0] == "on" || strings.EqualFold(after[0], "tcp") || strings.EqualFold(after[0], "udp")) {
		after = after[1:]
	}
	if len(after) < 2 || !strings.EqualFold(after[0], "port") {
		return o
	}
	return atPort(o, strings.TrimRight(after[1], ".,;)"))
}

// atPort joins an address or a domain name with a port, where that makes sense.
func atPort(o stix.Observable, port string) stix.Observable {
	t, host := stix.IPPort, o.Value
	switch o.Type {
	case stix.IPv4Addr:
	case stix.IPv6Addr:
		host = "[" + host + "]"
	case stix.DomainName:
		t = stix.DomainPort
	default:
		return o
	}
	joined, err := stix.Canonical(t, host+":"+port)
	if err != nil {
		return o
	}
	return joined
}

// token adds the value of a token, which may still have something in front of
// it or be several values with commas between them.
func (t topic) token(found []stix.Observable, token string, listed bool, before string) []stix.Observable {
	if o, ok := t.take(token, listed, before); ok {
		return append(found, o)
	}
	if text, target, ok := strings.Cut(token, "]("); ok && defanged(target) { // [text](target)
		return t.token(t.token(found, text, false, before), target, false, "")
	}
	if i := strings.IndexAny(token, ":="); i > 0 && i < 20 && !strings.HasPrefix(token[i+1:], "//") && letters(token[:i]) {
		if o, ok := t.take(token[i+1:], false, before); ok {
			return append(found, o)
		}
	}
	if !strings.ContainsAny(token, ",;") {
		return found
	}
	for _, part := range strings.FieldsFunc(token, func(r rune) bool { return r == ',' || r == ';' }) {
		if o, ok := t.take(part, false, before); ok && len(found) < maxParts {
			found = append(found, o)
		}
	}
	return found
}

func letters(s string) bool {
	for _, r := range s {
		if (r|0x20 < 'a' || r|0x20 > 'z') && (r < '0' || r > '9') && r != '-' && r != '_' {
			return false
		}
	}
	return true
}

// prose returns the values of a line of running text that stands nowhere in
// particular.
func prose(line string) []stix.Observable {
	return anything.cell(nil, line, false)
}
