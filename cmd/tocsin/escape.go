package main

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// clean returns s so that it can be shown: nothing in it moves a cursor, rings
// a bell, ends a line, turns the direction of text or shows as nothing. What
// could is written as \n, \t, \xNN (a byte that is no UTF-8, a control
// character) or \u{N}. Everything from peers, files and flags passes here.
func clean(s string) string {
	if !strings.ContainsFunc(s, hidden) && utf8.ValidString(s) {
		return s
	}
	var b strings.Builder
	for len(s) > 0 {
		r, size := utf8.DecodeRuneInString(s)
		switch {
		case r == utf8.RuneError && size == 1:
			fmt.Fprintf(&b, `\x%02x`, s[0])
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\t':
			b.WriteString(`\t`)
		case r == '\r':
			b.WriteString(`\r`)
		case hidden(r) && r < 0x100:
			fmt.Fprintf(&b, `\x%02x`, r)
		case hidden(r):
			fmt.Fprintf(&b, `\u{%x}`, r)
		default:
			b.WriteRune(r)
		}
		s = s[size:]
	}
	return b.String()
}

// hidden reports whether a rune does something to a terminal or an eye other
// than showing itself.
func hidden(r rune) bool {
	if r < 0x7f {
		return r < ' '
	}
	return !unicode.IsPrint(r) || r == '\u2800' ||
		unicode.In(r, unicode.Bidi_Control, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector)
}

// field returns s as one field of a line: clean, and quoted where a reader who
// splits at blanks would not see its end.
func field(s string) string {
	if s != "" && !strings.ContainsAny(s, " \"") {
		return clean(s)
	}
	return quoted(s)
}

// quoted returns s as a clean JSON string.
func quoted(s string) string {
	text, err := jsonLine(s)
	if err != nil { // no string fails
		return `""`
	}
	return strings.TrimSuffix(string(text), "\n")
}

// cleanJSON returns JSON text that means the same and can be shown: every
// character that clean would escape becomes a \u escape. Outside of strings
// JSON has none of them but blanks and line breaks.
func cleanJSON(text []byte) []byte {
	out := make([]byte, 0, len(text)+1)
	for len(text) > 0 {
		r, size := utf8.DecodeRune(text)
		if r < ' ' || !hidden(r) {
			out = append(out, text[:size]...)
		} else if high, low := utf16.EncodeRune(r); high != unicode.ReplacementChar {
			out = fmt.Appendf(out, `\u%04x\u%04x`, high, low)
		} else {
			out = fmt.Appendf(out, `\u%04x`, r)
		}
		text = text[size:]
	}
	return out
}

// jsonLine returns v as one clean line of JSON.
func jsonLine(v any) ([]byte, error) {
	text, err := json.Marshal(v, json.Deterministic(true), jsontext.AllowInvalidUTF8(true))
	if err != nil {
		return nil, fmt.Errorf("write the answer as JSON: %w", err)
	}
	return append(cleanJSON(text), '\n'), nil
}
