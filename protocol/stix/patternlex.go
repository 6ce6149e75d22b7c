package stix

import (
	"encoding/base64"
	"strings"
	"unicode/utf8"
)

// Kinds of token; punctuation is its own byte.
const (
	tokEnd    byte = 0
	tokWord   byte = 'w' // identifier or keyword
	tokString byte = 's'
	tokInt    byte = 'i'
	tokFloat  byte = 'f'
	tokBinary byte = 'b'
	tokHex    byte = 'h'
	tokTime   byte = 't'
	tokOp     byte = '='
)

// token is one word of a pattern. text is unquoted, raw is as written.
type token struct {
	kind      byte
	offset    int
	text, raw string
}

func (t token) describe() string {
	if t.kind == tokEnd {
		return "the end"
	}
	return quoted(t.raw)
}

func describeKind(kind byte) string {
	switch kind {
	case tokString:
		return "a string"
	case tokTime:
		return "a timestamp t'...'"
	}
	return string(rune(kind))
}

// lexer cuts the text into tokens, one ahead. The first error stays.
type lexer struct {
	text string
	pos  int
	tok  token
	err  error
}

func (l *lexer) fail(reason string) {
	if l.err == nil {
		l.err = &PatternError{l.tok.offset, reason}
	}
	l.tok = token{kind: tokEnd, offset: l.tok.offset}
}

func (l *lexer) next() {
	if l.err != nil {
		return
	}
	l.skipBlank()
	l.tok = token{offset: l.pos}
	if l.err != nil || l.pos == len(l.text) {
		return
	}
	c := l.text[l.pos]
	quote := l.pos+1 < len(l.text) && l.text[l.pos+1] == '\''
	switch {
	case c == '\'':
		l.quotedString()
	case quote && (c == 't' || c == 'b' || c == 'h'):
		l.quotedConstant(c)
	case isAlpha(c) || c == '_':
		end := l.pos
		for end < len(l.text) && (isAlnum(l.text[end]) || l.text[end] == '_' || l.text[end] == '-') {
			end++
		}
		l.take(tokWord, end)
	case isDigit(c) || c == '+' || c == '-' || c == '.' && l.pos+1 < len(l.text) && isDigit(l.text[l.pos+1]):
		l.number()
	case c == '=' || c == '!' || c == '<' || c == '>':
		l.operatorToken()
	case strings.IndexByte("[]():.,*", c) >= 0:
		l.take(c, l.pos+1)
	default:
		l.fail("unexpected character " + quoted(l.text[l.pos:min(len(l.text), l.pos+8)]))
	}
}

// take makes text[pos:end] the current token.
func (l *lexer) take(kind byte, end int) {
	l.tok.kind, l.tok.raw = kind, l.text[l.pos:end]
	l.tok.text = l.tok.raw
	l.pos = end
}

// skipBlank skips white space and comments.
func (l *lexer) skipBlank() {
	for l.pos < len(l.text) {
		rest := l.text[l.pos:]
		switch c := rest[0]; {
		case c == ' ' || c >= '\t' && c <= '\r':
			l.pos++
		case strings.HasPrefix(rest, "//"):
			if n := strings.IndexAny(rest, "\r\n"); n >= 0 {
				l.pos += n
			} else {
				l.pos = len(l.text)
			}
		case strings.HasPrefix(rest, "/*"):
			n := strings.Index(rest[2:], "*/")
			if n < 0 {
				l.tok = token{offset: l.pos}
				l.fail("comment without an end")
				return
			}
			l.pos += n + 4
		case c >= utf8.RuneSelf:
			r, size := utf8.DecodeRuneInString(rest)
			if !invisible(r) || zeroWidth(r) {
				return
			}
			l.pos += size
		default:
			return
		}
	}
}

// quotedString reads '...' with \' and \\ as its only escapes.
func (l *lexer) quotedString() {
	escaped := false
	for i := l.pos + 1; i < len(l.text); i++ {
		switch l.text[i] {
		case '\'':
			l.take(tokString, i+1)
			l.tok.text = l.tok.raw[1 : len(l.tok.raw)-1]
			if escaped {
				l.tok.text = unescape(l.tok.text)
			}
			return
		case '\\':
			escaped = true
			if i++; i == len(l.text) || l.text[i] != '\'' && l.text[i] != '\\' {
				l.tok.offset = i - 1
				l.fail(`a backslash in a string stands before ' or \ only`)
				return
			}
		}
	}
	l.fail("string without an end")
}

func unescape(s string) string {
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' {
			i++
		}
		b = append(b, s[i])
	}
	return string(b)
}

// quotedConstant reads t'...', b'...' and h'...'.
func (l *lexer) quotedConstant(kind byte) {
	n := strings.IndexByte(l.text[l.pos+2:], '\'')
	if n < 0 {
		l.fail("constant without an end")
		return
	}
	inner := l.text[l.pos+2 : l.pos+2+n]
	ok := false
	switch kind {
	case tokTime:
		ok = patternTime(inner)
	case tokBinary:
		_, err := base64.StdEncoding.DecodeString(inner)
		ok = err == nil && !strings.ContainsAny(inner, "\r\n")
	case tokHex:
		ok = len(inner)%2 == 0 && (inner == "" || allHex(inner))
	}
	if !ok {
		l.tok.raw = l.text[l.pos : l.pos+3+n]
		l.fail("not a valid constant: " + quoted(l.tok.raw))
		return
	}
	l.take(kind, l.pos+3+n)
	l.tok.text = inner
}

// patternTime checks the form only: a 30 February passes, as it does the
// grammar of the specification.
func patternTime(s string) bool {
	const form = "0000-00-00T00:00:00"
	if len(s) < len(form)+1 || s[len(s)-1] != 'Z' {
		return false
	}
	for i := range len(form) {
		if form[i] == '0' != isDigit(s[i]) || form[i] != '0' && form[i] != s[i] {
			return false
		}
	}
	if fraction := s[len(form) : len(s)-1]; fraction != "" && (fraction[0] != '.' || !allDigits(fraction[1:])) {
		return false
	}
	in := func(i, low, high int) bool {
		n := int(s[i]-'0')*10 + int(s[i+1]-'0')
		return n >= low && n <= high
	}
	return in(5, 1, 12) && in(8, 1, 31) && in(11, 0, 23) && in(14, 0, 59) && in(17, 0, 60)
}

func allDigits(s string) bool {
	for i := range len(s) {
		if !isDigit(s[i]) {
			return false
		}
	}
	return s != ""
}

// number = [ "+" / "-" ] ( "0" / digits ) or [ sign ] [ digits ] "." digits
func (l *lexer) number() {
	i := l.pos
	if l.text[i] == '+' || l.text[i] == '-' {
		i++
	}
	start := i
	for i < len(l.text) && isDigit(l.text[i]) {
		i++
	}
	digits := i - start
	if i+1 < len(l.text) && l.text[i] == '.' && isDigit(l.text[i+1]) {
		for i++; i < len(l.text) && isDigit(l.text[i]); i++ {
		}
		l.take(tokFloat, i)
		return
	}
	if digits == 0 || digits > 1 && l.text[start] == '0' {
		l.fail("not a number")
		return
	}
	l.take(tokInt, i)
}

// operatorToken reads = == != <> < <= > >=.
func (l *lexer) operatorToken() {
	n := 1
	if l.pos+1 < len(l.text) {
		switch l.text[l.pos : l.pos+2] {
		case "==", "!=", "<>", "<=", ">=":
			n = 2
		}
	}
	if n == 1 && l.text[l.pos] == '!' {
		l.fail("unexpected character \"!\"")
		return
	}
	l.take(tokOp, l.pos+n)
}
