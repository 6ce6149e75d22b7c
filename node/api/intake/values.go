package intake

import (
	"errors"
	"strings"
	"unicode"

	"github.com/tocsin-exchange/tocsin/protocol/stix"
)

// maxParts bounds the values taken from one cell or line.
const maxParts = 64

var errSeveral = errors.New("several words, and not all of them values")

// severalURLs reports whether a text holds a second URL after a separator, so
// that it must not be read as one long URL.
func severalURLs(text string) bool {
	i := strings.Index(text, "://")
	if i < 0 {
		return false
	}
	rest := text[i+3:]
	for {
		j := strings.IndexAny(rest, ",;|")
		if j < 0 {
			return false
		}
		rest = strings.TrimLeft(rest[j+1:], " ")
		if len(rest) > 4 && (strings.EqualFold(rest[:4], "http") || strings.EqualFold(rest[:4], "hxxp")) {
			return true
		}
	}
}

// splitValues reads a text of several values. With commas, semicolons, bars or
// line breaks between them the parts that are values count; with blanks alone
// all parts have to be values.
func splitValues(text string) (values []stix.Observable, skip string, err error) {
	strong := strings.ContainsAny(text, ",;|\n")
	parts := strings.FieldsFunc(text, func(r rune) bool {
		return r == ',' || r == ';' || r == '|' || r == '\n' || !strong && unicode.IsSpace(r)
	})
	if len(parts) > maxParts {
		return nil, "", errors.New("more than 64 parts in one value")
	}
	for _, part := range parts {
		o, err := stix.Detect(trim(part))
		switch {
		case err == nil:
			values = append(values, o)
		case !strong:
			return nil, "", errSeveral
		}
	}
	if len(values) == 0 {
		return nil, "", errSeveral
	}
	return values, "", nil
}

// pattern reads a STIX pattern found where a value should be. It reports
// whether the text is one at all.
func pattern(text string) (values []stix.Observable, err error, ok bool) {
	if len(text) < 8 || text[0] != '[' || !strings.HasSuffix(text, "]") || !strings.Contains(text, "=") || !strings.Contains(text, ":") {
		return nil, nil, false
	}
	p, err := stix.ParsePattern(text)
	if err != nil {
		return nil, err, true
	}
	if values = p.Observables(); len(values) == 0 {
		return nil, errors.New("STIX pattern that names no single value"), true
	}
	return values, nil, true
}

// columnWords splits a column name into small words: "C2Domain (IPv4)" gives
// c2, domain, ipv4.
func columnWords(name string) []string {
	var b strings.Builder
	before := rune(0)
	for _, r := range strings.ReplaceAll(name, "IoC", "Ioc") {
		lower := before >= 'a' && before <= 'z' || before >= '0' && before <= '9'
		if r >= 'A' && r <= 'Z' && lower {
			b.WriteByte(' ')
		}
		before = r
		if r >= 'A' && r <= 'Z' {
			r += 'a' - 'A'
		}
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r >= 0x80 {
			b.WriteRune(r)
		} else {
			b.WriteByte(' ')
		}
	}
	return strings.Fields(b.String())
}
