package stix

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// quoted returns s as a Go string literal of at most some 60 bytes, for
// messages.
func quoted(s string) string {
	if len(s) > 60 {
		s = s[:60] + "..."
	}
	return strconv.QuoteToASCII(s)
}

// invisible reports whether a reader cannot see r: blanks, zero-width and
// direction marks, the byte order mark.
func invisible(r rune) bool {
	switch {
	case r <= ' ', r == 0x7f, r == 0x85, r == 0xa0, zeroWidth(r):
		return true
	case r == 0x1680, r >= 0x2000 && r <= 0x200a, r == 0x2028, r == 0x2029, r == 0x202f, r == 0x205f, r == 0x3000:
		return true
	}
	return false
}

// zeroWidth reports whether r takes no room and has no place in any value.
func zeroWidth(r rune) bool {
	return r == 0xad || r == 0x180e || r >= 0x200b && r <= 0x200f || r >= 0x202a && r <= 0x202e ||
		r >= 0x2060 && r <= 0x2069 || r == 0xfeff
}

func trimInvisible(s string) string {
	if s == "" || visibleASCII(s[0]) && visibleASCII(s[len(s)-1]) {
		return s
	}
	return strings.TrimFunc(s, invisible)
}

func visibleASCII(c byte) bool { return c > ' ' && c < 0x7f }

// checkText refuses what no value of any type holds: bytes that are not UTF-8
// and control characters.
func checkText(s string) error {
	ascii := true
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c < ' ' || c == 0x7f {
			return notObservable("control character")
		}
		ascii = ascii && c < utf8.RuneSelf
	}
	if !ascii && !utf8.ValidString(s) {
		return notObservable("not UTF-8")
	}
	return nil
}

// Refang undoes the marks people put into addresses so that nobody clicks on
// them: hxxp, fxp, [.], (dot), half brackets "[.", [:], [://], [at], a
// backslash before a dot. It also drops zero-width characters. It changes
// nothing else, and nothing twice: Refang(Refang(s)) == Refang(s). A text
// longer than any value may be, or with marks more than eight deep in each
// other, is returned as it is.
func Refang(s string) string {
	if len(s) > maxValue || !defanged(s) {
		return s
	}
	t := s
	for range maxMarks + 1 {
		next := refangMarks(refangScheme(t))
		if next == t {
			return t
		}
		t = next
	}
	return s
}

// maxMarks is how deep marks may nest ("[[.]]" is two): it bounds the work.
const maxMarks = 8

// defanged reports whether s may hold any mark at all; most values do not.
func defanged(s string) bool {
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '[' || c == ']' || c == '(' || c == '{' || c == '\\' || c >= utf8.RuneSelf:
			return true
		}
	}
	return len(s) > 3 && (s[0] == 'h' || s[0] == 'H' || s[0] == 'f' || s[0] == 'F') && refangScheme(s) != s
}

// refangScheme restores a defanged scheme at the start of s.
func refangScheme(s string) string {
	n := 0
	for n < len(s) && n < 8 && (isAlpha(s[n]) || s[n] == '*') {
		n++
	}
	if n < 3 || n == len(s) || s[n] != ':' && s[n] != '[' && s[n] != '(' {
		return s
	}
	switch strings.ToLower(s[:n]) {
	case "hxxp", "hxxxp", "htxp", "hxtp", "h**p":
		return "http" + s[n:]
	case "hxxps", "hxxxps", "htxps", "hxtps", "h**ps":
		return "https" + s[n:]
	case "fxp", "f*p":
		return "ftp" + s[n:]
	case "fxps":
		return "ftps" + s[n:]
	}
	return s
}

// marks are the ways to hide a character, longest first where they overlap.
// The letters are matched in any case.
var marks = [...]struct{ mark, plain string }{
	{"[://]", "://"}, {"(://)", "://"}, {"[:]//", "://"}, {"[:/]/", "://"}, {"[//]", "//"},
	{"[dot]", "."}, {"(dot)", "."}, {"{dot}", "."},
	{"[at]", "@"}, {"(at)", "@"}, {"{at}", "@"},
	{"[.]", "."}, {"(.)", "."}, {"{.}", "."}, {"[.", "."},
	{"[:]", ":"}, {"(:)", ":"}, {"[@]", "@"}, {"(@)", "@"}, {"[/]", "/"},
	{"\\.", "."},
}

func refangMarks(s string) string {
	var b strings.Builder
	copied := 0 // everything before this is in b
	for i := 0; i < len(s); {
		plain, n := markAt(s, i)
		if n == 0 {
			i++
			continue
		}
		b.WriteString(s[copied:i])
		b.WriteString(plain)
		i += n
		copied = i
	}
	if copied == 0 {
		return s
	}
	b.WriteString(s[copied:])
	return b.String()
}

// markAt returns what the mark at s[i:] stands for and its length, 0 if there
// is none.
func markAt(s string, i int) (plain string, n int) {
	switch c := s[i]; {
	case c == '[' || c == '(' || c == '{' || c == '\\':
		for _, m := range marks {
			if len(s)-i >= len(m.mark) && strings.EqualFold(s[i:i+len(m.mark)], m.mark) {
				return m.plain, len(m.mark)
			}
		}
	case c == '.' && i+2 < len(s) && s[i+1] == ']' && isAlnum(s[i+2]):
		return ".", 2 // the other half bracket
	case c >= utf8.RuneSelf:
		r, size := utf8.DecodeRuneInString(s[i:])
		if zeroWidth(r) {
			return "", size
		}
		if r == 0x2024 { // ONE DOT LEADER
			return ".", size
		}
	}
	return "", 0
}

func isAlpha(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' }
func isDigit(c byte) bool { return c >= '0' && c <= '9' }
func isAlnum(c byte) bool { return isAlpha(c) || isDigit(c) }
func isHex(c byte) bool   { return isDigit(c) || c|0x20 >= 'a' && c|0x20 <= 'f' }
