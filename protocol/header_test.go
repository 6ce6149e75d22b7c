package protocol

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"unicode"
)

func TestLimitsOfAHeader(t *testing.T) {
	audience := func(n int) Header {
		var list []Recipient
		for i := range n {
			list = append(list, Recipient{Group: hashOf(fmt.Sprint(i)), Version: 1})
		}
		return labelled(Amber, list...)
	}
	padded := func(h Header, length int) Header {
		h.Extensions = map[uint64][]byte{1: make([]byte, 300)}
		spare := length - len(encode(bodied(h)))
		h.Extensions[1] = make([]byte, 300+spare)
		return h
	}
	for _, c := range []struct {
		name string
		h    Header
		ok   bool
	}{
		{"audience of 64", audience(MaxAudience), true},
		{"audience of 65", audience(MaxAudience + 1), false},
		{"2048 bytes without audience", padded(green(), headerBase), true},
		{"2049 bytes without audience", padded(green(), headerBase+1), false},
		{"2176 bytes with an audience of one", padded(audience(1), headerBase+headerPerRecipient), true},
		{"2177 bytes with an audience of one", padded(audience(1), headerBase+headerPerRecipient+1), false},
		{"the largest header", padded(audience(MaxAudience), MaxHeader), true},
		{"one byte over the largest", padded(audience(MaxAudience), MaxHeader+1), false},
	} {
		header := encode(bodied(c.h))
		_, err := OpenHeader(header, sign(seeded(2), bulletinDomain, header))
		if (err == nil) != c.ok || err != nil && !errors.Is(err, ErrInvalid) {
			t.Errorf("%s (%d bytes): %v", c.name, len(header), err)
		}
	}
}

func TestStreams(t *testing.T) {
	seen := map[ID]string{}
	for name, change := range map[string]func(*Stream){
		"itself":        func(*Stream) {},
		"node":          func(s *Stream) { s.Node = NodeOf(seeded(4)) },
		"kind":          func(s *Stream) { s.Kind = Statements },
		"community":     func(s *Stream) { s.Community = hashOf("another") },
		"label":         func(s *Stream) { s.TLP = Clear },
		"audience":      func(s *Stream) { s.Audience = []Recipient{toOrg(3)} },
		"other person":  func(s *Stream) { s.Audience = []Recipient{{Org: OrgOf(seeded(3)), Person: "Ada"}} },
		"group":         func(s *Stream) { s.Audience = []Recipient{{Group: hashOf("group"), Version: 1}} },
		"roster change": func(s *Stream) { s.Audience = []Recipient{{Group: hashOf("group"), Version: 2}} },
	} {
		h := green()
		s := h.Stream()
		change(&s)
		if other, dup := seen[s.ID()]; dup {
			t.Errorf("%s and %s are one stream", name, other)
		}
		seen[s.ID()] = name
	}
	a, b := green(), green()
	b.Epoch, b.Seq, b.Prev, b.Issued, b.PAP, b.Drill = 9, 9, hashOf("prev"), b.Issued+1, PAPRed, "drill"
	b.Certificate = Certify(seeded(3), NodeOf(seeded(2)), at(year2026), at(year2027))
	if a.Stream().ID() != b.Stream().ID() {
		t.Error("a stream depends on more than node, kind, community, label and audience")
	}
}

func TestPositions(t *testing.T) {
	ordered := []Position{{}, {0, 1}, {1, 0}, {1, 1}, {1, 2}, {1, 1<<64 - 1}, {2, 0}, {1<<64 - 1, 1}}
	for i, p := range ordered {
		for j, q := range ordered {
			want := 0
			if i != j {
				want = (i - j) / max(i-j, j-i)
			}
			if got := p.Compare(q); got != want {
				t.Errorf("%v and %v: %d, want %d", p, q, got, want)
			}
		}
	}
}

func TestNames(t *testing.T) {
	for _, name := range []string{"a", "bank", "Crédit & Cie. (Île-de-France)", "警報センター", "δοκιμή", strings.Repeat("é", MaxName), "a b", "🔔", "\u0301a"} {
		if err := CheckName(name); err != nil {
			t.Errorf("%q: %v", name, err)
		}
	}
	for _, name := range []string{
		"", strings.Repeat("a", MaxName+1), " a", "a ", " ", "a\tb", "a\nb", "a\x00", "a\x7f", "a\u0085", "\xff", "a\xc3", "\xed\xa0\x80",
		"a\u200bb", "a\u200d", "a\u202eb", "a\u2066b", "\ufeffa", "a\u00a0b", "a\u3000b", "a\u00ad", "a\u2028", "a\ue000", "a\U000e0041",
		"hospital\ufe0f", "\u3164", "\u115f", "\u2800", "a\u034fb", "a\U000e0100", "a\u0378", "\ufffe",
	} {
		if err := CheckName(name); !errors.Is(err, ErrInvalid) {
			t.Errorf("%q is accepted", name)
		}
	}
}

// What a name may hold decides whether a header is valid, so it must not change
// with the Go release: SPEC.md names the version of Unicode.
func TestUnicodeVersion(t *testing.T) {
	if unicode.Version != "15.0.0" {
		t.Errorf("Unicode %s: names are judged by 15.0.0; pin its tables before this Go release is used", unicode.Version)
	}
}
