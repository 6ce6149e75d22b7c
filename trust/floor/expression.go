package floor

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/tocsin-exchange/tocsin/protocol/stix"
)

const (
	// maxExpressions is how many substrings and regular expressions all lists
	// of a floor may hold: each is tried on each value.
	maxExpressions = 1000
	maxRegexp      = 512 // bytes
	minSubstring   = 3   // bytes
)

// expression is an entry that is tried on the text of a value.
type expression struct {
	entry string
	text  string         // in small letters
	regex *regexp.Regexp // instead of text
	list  listID
}

// checkExpressions tries the text of a value, and its host where it says all of
// that.
func (f *Floor) checkExpressions(o stix.Observable) (Hit, bool) {
	list := f.expressions[o.Type]
	if len(list) == 0 {
		return Hit{}, false
	}
	host := ""
	switch {
	case o.Type == stix.DomainName:
		host = strings.TrimPrefix(o.Value, "*.")
	case o.Type == stix.DomainPort, o.Type == stix.IPPort, o.Type == stix.URL && wholeSite(o.Value):
		host = hostOf(o)
	}
	folded := strings.ToLower(o.Value)
	for i := range list {
		e := &list[i]
		switch {
		case e.regex == nil && strings.Contains(folded, e.text):
			return f.hit("contains", e.entry, e.list), true
		case e.regex != nil && (e.regex.MatchString(o.Value) || host != "" && e.regex.MatchString(host)):
			return f.hit("matches", e.entry, e.list), true
		}
	}
	return Hit{}, false
}

func (l *List) addExpression(e expression) error {
	if len(l.expressions) == maxExpressions {
		return fmt.Errorf("more than %d substrings and regular expressions", maxExpressions)
	}
	l.expressions = append(l.expressions, e)
	l.entries++
	return nil
}

func (l *List) readSubstring(entry string) error {
	if len(entry) < minSubstring {
		return fmt.Errorf("a substring of less than %d bytes is in nearly everything", minSubstring)
	}
	return l.addExpression(expression{entry: entry, text: strings.ToLower(entry)})
}

// readRegexp reads an expression between delimiters with flags, as PHP writes
// it: /^abuse@/i.
func (l *List) readRegexp(entry string) error {
	if len(entry) > maxRegexp {
		return fmt.Errorf("a regular expression longer than %d bytes", maxRegexp)
	}
	body := entry
	if end := strings.LastIndexByte(entry, '/'); end > 0 && entry[0] == '/' {
		flags := entry[end+1:]
		if strings.Trim(flags, "imsu") != "" {
			return fmt.Errorf("flags %q: of a regular expression i, m, s and u are known", flags)
		}
		body = entry[1:end]
		if flags = strings.ReplaceAll(flags, "u", ""); flags != "" { // texts are UTF-8 anyway
			body = "(?" + flags + ")" + body
		}
	}
	re, err := regexp.Compile(body)
	if err != nil {
		return err
	}
	if re.MatchString("") {
		return fmt.Errorf("a regular expression that matches the empty text matches everything")
	}
	return l.addExpression(expression{entry: entry, regex: re})
}
