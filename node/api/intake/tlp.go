package intake

import (
	"bytes"
	"strings"

	"github.com/tocsin-exchange/tocsin/protocol"
)

// mentions looks for labels in the first window of a text, so that one in the
// footer of a short report counts for its first line too. In tables and lists
// only comments speak about the file.
func (s *source) mentions(head []byte, commentsOnly bool) {
	for len(head) > 0 {
		line, rest, _ := bytes.Cut(head, []byte("\n"))
		head = rest
		if text := trim(repair(line)); text != "" && (!commentsOnly || strings.IndexByte("#!;/", text[0]) >= 0) {
			s.mention(text)
		}
	}
}

// mention takes the labels in a line: the strictest so far narrows what
// follows, and one that stands alone labels it. A word right after "TLP:" that
// is no level counts as RED.
func (s *source) mention(line string) {
	for from := 0; ; {
		i := indexTLP(line[from:])
		if i < 0 {
			return
		}
		i += from
		from = i + len("tlp:")
		word := strings.TrimLeft(line[from:], " ")
		apart := len(line) - from - len(word)
		word = labelWord(word)
		if word == "" || i > 0 && isWordByte(line[i-1]) {
			continue
		}
		t, about, err := protocol.TagTLP("tlp:" + word)
		if !about || err != nil && apart > 0 {
			continue
		}
		s.said = s.said.Stricter(t)
		if err == nil && strings.Trim(line, "#;!/*=-[](). |`\"") == line[i:from+apart+len(word)] {
			s.alone = s.alone.Stricter(t)
		}
	}
}

// indexTLP finds "tlp:" in any case.
func indexTLP(line string) int {
	for i := 0; i+4 <= len(line); i++ {
		if line[i+3] == ':' && line[i]|0x20 == 't' && strings.EqualFold(line[i:i+3], "tlp") {
			return i
		}
	}
	return -1
}

func isWordByte(c byte) bool {
	return c|0x20 >= 'a' && c|0x20 <= 'z' || c >= '0' && c <= '9' || c == '_' || c == '-'
}

// labelWord is the level at the start of s, as far as a level may reach:
// "amber+strict", and also "ex:chr", which is none.
func labelWord(s string) string {
	n := 0
	for n < len(s) && (s[n]|0x20 >= 'a' && s[n]|0x20 <= 'z' || strings.IndexByte("+-_:", s[n]) >= 0) {
		n++
	}
	return strings.TrimRight(s[:n], "+-_:")
}
