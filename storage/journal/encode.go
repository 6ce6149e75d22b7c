package journal

import (
	"encoding/hex"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// timeLayout has one length for every year from 0 to 9999.
const timeLayout = "2006-01-02T15:04:05.000Z"

// Encode returns the record's line, with its end. What passes the limits is
// cut and mended, so it always returns one that [DecodeRecord] takes.
func (r Record) Encode() []byte {
	return r.appendTail(appendChain(make([]byte, 0, 512), r.Prev, r.Seq))
}

// appendChain writes the members the writer knows.
func appendChain(b []byte, prev Hash, seq uint64) []byte {
	b = append(b, `{"prev":"`...)
	b = hex.AppendEncode(b, prev[:])
	b = append(b, `","seq":`...)
	return strconv.AppendUint(b, seq, 10)
}

// appendTail writes the members the caller knows, and the line's end.
func (r *Record) appendTail(b []byte) []byte {
	b = append(b, `,"at":"`...)
	b = clamp(r.At).AppendFormat(b, timeLayout)
	b = append(b, `","act":"`...)
	b = append(b, name(string(r.Act), maxAct)...)
	b = append(b, '"')
	actor := r.Actor
	if actor == "" {
		actor = Node
	}
	b = appendMember(b, "actor", text(actor, maxID))
	b = appendMember(b, "org", text(r.Org, maxID))
	b = appendMember(b, "peer", text(r.Peer, maxID))
	b = appendMember(b, "community", text(r.Community, maxID))
	b = appendMember(b, "bulletin", text(r.Bulletin, maxID))
	b = appendMember(b, "tlp", text(r.TLP, maxLabel))
	b = appendMember(b, "rule", text(r.Rule, maxRule))
	if r.Count != 0 {
		b = append(b, `,"count":`...)
		b = strconv.AppendInt(b, r.Count, 10)
	}
	b = appendNumbers(b, r.Numbers)
	b = appendWords(b, r.Words)
	return append(b, '}', '\n')
}

func appendMember(b []byte, key, value string) []byte {
	if value == "" {
		return b
	}
	b = append(b, ',', '"')
	b = append(b, key...)
	return append(appendQuoted(append(b, '"', ':', '"'), value), '"')
}

func appendQuoted(b []byte, s string) []byte {
	for i := range len(s) {
		if s[i] == '"' || s[i] == '\\' {
			b = append(b, '\\')
		}
		b = append(b, s[i])
	}
	return b
}

func appendNumbers(b []byte, numbers map[string]int64) []byte {
	return appendObject(b, "numbers", numbers, func(b []byte, n int64) []byte { return strconv.AppendInt(b, n, 10) })
}

func appendWords(b []byte, words map[string]string) []byte {
	left := maxWords
	return appendObject(b, "words", words, func(b []byte, word string) []byte {
		word = text(word, min(maxWord, left))
		left -= len(word)
		return append(appendQuoted(append(b, '"'), word), '"')
	})
}

// appendObject writes the members of a map in the order of their names. Names
// that are the same once mended count once.
func appendObject[V any](b []byte, member string, m map[string]V, value func([]byte, V) []byte) []byte {
	if len(m) == 0 {
		return b
	}
	b = append(b, ',', '"')
	b = append(b, member...)
	b = append(b, '"', ':')
	opening, last, n := byte('{'), "", 0
	for _, key := range keysOf(m) {
		mended := name(key, maxKey)
		if n == maxDetails || mended <= last {
			continue
		}
		b = append(b, opening, '"')
		b = append(b, mended...)
		b = value(append(b, '"', ':'), m[key])
		opening, last, n = ',', mended, n+1
	}
	return append(b, '}')
}

// keysOf returns the names of a map in order: of what they are mended to first,
// then of what they are.
func keysOf[V any](m map[string]V) []string {
	return slices.SortedFunc(maps.Keys(m), func(a, b string) int {
		if c := strings.Compare(name(a, maxKey), name(b, maxKey)); c != 0 {
			return c
		}
		return strings.Compare(a, b)
	})
}

// clamp brings a time within what the layout can write.
func clamp(t time.Time) time.Time {
	t = t.UTC()
	switch {
	case t.Year() < 0:
		return time.Date(0, 1, 1, 0, 0, 0, 0, time.UTC)
	case t.Year() > 9999:
		return time.Date(9999, 12, 31, 23, 59, 59, 999e6, time.UTC)
	}
	return t
}

// name mends an act or the name of a detail: a to z, 0 to 9, - and _.
func name(s string, limit int) string {
	if s == "" {
		return "_"
	}
	if len(s) > limit {
		s = s[:limit]
	}
	for i := range len(s) {
		if !isName(s[i]) {
			return strings.Map(func(r rune) rune {
				if r < utf8.RuneSelf && isName(byte(r)) {
					return r
				}
				return '_'
			}, s)
		}
	}
	return s
}

func isName(c byte) bool {
	return 'a' <= c && c <= 'z' || '0' <= c && c <= '9' || c == '-' || c == '_'
}

// text mends a text: what cannot be printed becomes U+FFFD, so a name can
// neither begin a line nor turn the order of a terminal's letters; what is too
// long is cut, and ends in "…".
func text(s string, limit int) string {
	if !printable(s) {
		s = strings.Map(func(r rune) rune {
			if unicode.IsPrint(r) {
				return r
			}
			return utf8.RuneError
		}, s)
	}
	if len(s) <= limit {
		return s
	}
	const cut = "…"
	if limit < len(cut) {
		return ""
	}
	end := limit - len(cut)
	for !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:end] + cut
}

func printable(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] < utf8.RuneSelf {
			if s[i] < ' ' || s[i] == 0x7f {
				return false
			}
			continue
		}
		if !utf8.ValidString(s) {
			return false
		}
		return strings.IndexFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) < 0
	}
	return true
}
