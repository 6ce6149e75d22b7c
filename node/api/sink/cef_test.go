package sink

import (
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/tocsin-exchange/tocsin/protocol"
	"github.com/tocsin-exchange/tocsin/protocol/stix"
)

func TestCEF(t *testing.T) {
	at := time.UnixMilli(1_800_000_000_123)
	for _, row := range []struct {
		about string
		e     Event
		want  []string
	}{
		{"an address", Event{Op: "add", Object: "indicator--1", Values: []stix.Observable{{Type: stix.IPv4Addr, Value: "203.0.113.7"}}, Org: "bank", TLP: protocol.Green,
			Tier: "block", Confidence: 80, Issued: at, Expires: at.Add(time.Second), Description: "C2 = bad"},
			[]string{`CEF:0|Tocsin|tocsin|1|add|Indicator added|8|act=add externalId=indicator--1 cat=ipv4-addr dst=203.0.113.7 cs1Label=value cs1=203.0.113.7 ` +
				`cs2Label=tlp cs2=green cs3Label=org cs3=bank cs4Label=tier cs4=block cn1Label=confidence cn1=80 rt=1800000000123 end=1800000001123 msg=C2 \= bad`}},
		{"a block has no key of its own", Event{Op: "add", Values: []stix.Observable{{Type: stix.IPv4Addr, Value: "203.0.113.0/24"}}, TLP: protocol.Clear, Confidence: -1},
			[]string{`CEF:0|Tocsin|tocsin|1|add|Indicator added|5|act=add cat=ipv4-addr cs1Label=value cs1=203.0.113.0/24 cs2Label=tlp cs2=clear`}},
		{"a line a value", Event{Op: "remove", Values: []stix.Observable{{Type: stix.URL, Value: "http://x.example/?a=b"}, {Type: stix.DomainName, Value: "x.example"}}, TLP: protocol.Clear, Confidence: -1},
			[]string{`CEF:0|Tocsin|tocsin|1|remove|Indicator removed|5|act=remove cat=url request=http://x.example/?a\=b cs1Label=value cs1=http://x.example/?a\=b cs2Label=tlp cs2=clear`,
				`CEF:0|Tocsin|tocsin|1|remove|Indicator removed|5|act=remove cat=domain-name destinationDnsDomain=x.example cs1Label=value cs1=x.example cs2Label=tlp cs2=clear`}},
		{"a reset", resetEvent(1), []string{`CEF:0|Tocsin|tocsin|1|reset|Indicators are told anew|5|act=reset`}},
	} {
		if got := cefLines(&row.e); strings.Join(got, "\n") != strings.Join(row.want, "\n") {
			t.Errorf("%s:\n%s\nwant\n%s", row.about, strings.Join(got, "\n"), strings.Join(row.want, "\n"))
		}
	}
}

// readCEF reads the last field of a line, its escapes undone.
func readCEF(line string) (msg string, ok bool) {
	_, msg, ok = strings.Cut(line, " msg=")
	return strings.NewReplacer(`\\`, `\`, `\=`, "=", `\n`, "\n", `\r`, "\r").Replace(msg), ok
}

// FuzzCEF has any text come out of a line as it went in, but for control
// characters, and never end the line or begin a field of its own.
func FuzzCEF(f *testing.F) {
	for _, seed := range []string{"plain", "a=b", `back\slash`, "two\nlines\r\n", "bar | bar", "tab\there", "x cs1=forged", `\= \n`, "\x00\x7f", "ü日本", "act=remove\\"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if !utf8.ValidString(text) {
			t.Skip("JSON was UTF-8")
		}
		e := Event{Op: "add", TLP: protocol.Clear, Confidence: -1, Description: text}
		line := cefLines(&e)[0]
		if strings.ContainsAny(line, "\n\r\x00") || strings.Count(line, "|") < 7 {
			t.Errorf("line %q", line)
		}
		got, ok := readCEF(line)
		want := strings.Map(func(r rune) rune {
			if r != '\n' && r != '\r' && (r < ' ' || r >= 0x7f && r < 0xa0) {
				return ' '
			}
			return r
		}, cut(text, maxText))
		if !ok && strings.TrimSpace(want) == "" {
			return
		}
		if strings.TrimRight(got, " ") != strings.TrimRight(want, " ") {
			t.Errorf("read %q, want %q", got, want)
		}
		_, ext, _ := strings.Cut(line, "|5|")
		for i, r := range ext { // an = that is not escaped ends a key that we write
			if r == '=' && (i == 0 || ext[i-1] != '\\') {
				if key := ext[strings.LastIndexByte(ext[:i], ' ')+1 : i]; key != "act" && key != "cs2Label" && key != "cs2" && key != "msg" {
					t.Errorf("a field %q in %q", key, line)
				}
			}
		}
	})
}
