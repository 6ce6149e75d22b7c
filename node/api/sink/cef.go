package sink

import (
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/tocsin-exchange/tocsin/protocol/stix"
)

const (
	cefVersion = "1"
	maxText    = 512 // bytes of a text somebody wrote
)

// cefLines writes an event as CEF, a line for each value that it names.
func cefLines(e *Event) []string {
	if len(e.Values) == 0 {
		return []string{cefLine(e, stix.Observable{})}
	}
	lines := make([]string, len(e.Values))
	for i, o := range e.Values {
		lines[i] = cefLine(e, o)
	}
	return lines
}

func cefLine(e *Event, o stix.Observable) string {
	var b strings.Builder
	b.WriteString("CEF:0|Tocsin|tocsin|" + cefVersion + "|" + cefClass(e.Op) + "|" + strconv.Itoa(cefSeverity(e.Tier)) + "|")
	field := func(key, value string) {
		if key != "" && value != "" {
			b.WriteString(key + "=" + cefEscape(value) + " ")
		}
	}
	field("act", e.Op)
	field("externalId", e.Object)
	field("cat", string(o.Type))
	field(cefKey(o), o.Value)
	labelled := func(n, label, value string) {
		if value != "" {
			field(n+"Label", label)
			field(n, value)
		}
	}
	labelled("cs1", "value", o.Value)
	if e.TLP.Valid() {
		labelled("cs2", "tlp", e.TLP.String())
	}
	labelled("cs3", "org", e.Org)
	labelled("cs4", "tier", e.Tier)
	if e.Confidence >= 0 {
		labelled("cn1", "confidence", strconv.Itoa(e.Confidence))
	}
	field("rt", cefTime(e.Issued))
	field("end", cefTime(e.ends()))
	field("msg", cut(e.Description, maxText))
	return strings.TrimSuffix(b.String(), " ")
}

// cefClass is the id and name of what happened. Neither holds a bar: parsers
// differ on how to escape one there.
func cefClass(op string) string {
	switch op {
	case "add":
		return "add|Indicator added"
	case "remove":
		return "remove|Indicator removed"
	}
	return "reset|Indicators are told anew"
}

func cefSeverity(tier string) int {
	switch tier {
	case "block":
		return 8
	case "alert":
		return 6
	case "observe":
		return 3
	}
	return 5
}

// cefKey is the key of CEF's dictionary that takes a value; "" for none.
func cefKey(o stix.Observable) string {
	switch o.Type {
	case stix.IPv4Addr, stix.IPv6Addr:
		if !strings.Contains(o.Value, "/") {
			return "dst"
		}
	case stix.DomainName:
		return "destinationDnsDomain"
	case stix.URL:
		return "request"
	case stix.MD5, stix.SHA1, stix.SHA256, stix.SHA512:
		return "fileHash"
	case stix.FileName:
		return "fname"
	case stix.EmailAddr:
		return "suser"
	}
	return ""
}

func cefTime(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return strconv.FormatInt(t.UnixMilli(), 10)
}

// cefEscape escapes what an extension may escape, and nothing else: some parsers
// refuse more. Other control characters become blanks.
func cefEscape(s string) string {
	var b strings.Builder
	for _, r := range s {
		switch {
		case r == '\\' || r == '=':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\r':
			b.WriteString(`\r`)
		case unicode.IsControl(r):
			b.WriteByte(' ')
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

// cut cuts a text to so many bytes, between characters.
func cut(s string, most int) string {
	if len(s) <= most {
		return s
	}
	for most > 0 && !utf8.RuneStart(s[most]) {
		most--
	}
	return s[:most]
}
