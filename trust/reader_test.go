package trust

import (
	"os"
	"strings"
	"testing"

	"github.com/tocsin-exchange/tocsin/protocol"
)

func TestReaders(t *testing.T) {
	text, err := os.ReadFile("testdata/readers.txt")
	if err != nil {
		t.Fatal(err)
	}
	asked := 0
	for line := range strings.Lines(string(text)) {
		question, want, ok := strings.Cut(strings.TrimSpace(line), " => ")
		if !ok || strings.HasPrefix(line, "#") {
			continue
		}
		asked++
		bulletin, reader, _ := strings.Cut(question, " to ")
		h := shownHeader(t, strings.Fields(bulletin))
		if got := spell(MayShow(&h, orgNamed("bank"), readerOf(t, strings.Fields(reader)))); got != want {
			t.Errorf("%s => %s, want %s", question, got, want)
		}
	}
	if asked < 30 {
		t.Errorf("only %d questions", asked)
	}
}

func shownHeader(t *testing.T, words []string) protocol.Header {
	h := protocol.Header{TLP: labelNamed(t, words[0])}
	for _, word := range words[1:] {
		if level, is := strings.CutPrefix(word, "pap:"); is {
			h.PAP = levelNamed(t, level)
		} else if org, person, is := strings.Cut(word, "/"); is {
			h.Audience = append(h.Audience, protocol.Recipient{Org: orgNamed(org), Person: person})
		}
	}
	return h
}

func readerOf(t *testing.T, words []string) (r Reader) {
	if words[0] != "nothing" {
		r.Clearance = labelNamed(t, words[0])
	}
	r.PAP = levelNamed(t, strings.TrimPrefix(words[1], "pap:"))
	if len(words) > 2 {
		r.Person = words[2]
	}
	return r
}

func levelNamed(t *testing.T, name string) protocol.PAP {
	if name == "none" {
		return protocol.PAPNone
	}
	level, err := protocol.ParsePAP(name)
	if err != nil {
		t.Fatal(err)
	}
	return level
}

// TestMoreClearanceShowsMore: whoever is cleared for more sees all that one
// with less does, and a person no less than nobody.
func TestMoreClearanceShowsMore(t *testing.T) {
	self := orgNamed("bank")
	for label := protocol.Unlabelled; label <= protocol.Red; label++ {
		for level := protocol.PAPNone; level <= protocol.PAPRed; level++ {
			h := protocol.Header{TLP: label, PAP: level, Audience: []protocol.Recipient{{Org: self, Person: "alice"}}}
			for clearance := protocol.Unlabelled; clearance < protocol.Red; clearance++ {
				for pap := protocol.PAPNone; pap < protocol.PAPRed; pap++ {
					less := MayShow(&h, self, Reader{clearance, pap, ""}).Allowed
					for _, more := range []Reader{{clearance + 1, pap, ""}, {clearance, pap + 1, ""}, {clearance, pap, "alice"}} {
						if less && !MayShow(&h, self, more).Allowed {
							t.Errorf("%s pap %s is shown to %+v, not to %+v", label.Label(), level, Reader{clearance, pap, ""}, more)
						}
					}
				}
			}
		}
	}
}
