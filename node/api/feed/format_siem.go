package feed

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/tocsin-exchange/tocsin/protocol/stix"
)

// siemFormats are lines for SIEMs and requests for the interfaces of two.
func siemFormats() []Format {
	cef := func(frame func(b []byte, d *Document, e *Entry) []byte) sheet {
		return sheet{parts: []part{{types: listedTypes(), line: func(b []byte, d *Document, e *Entry) []byte {
			return appendCEF(frame(b, d, e), d, e)
		}}}}
	}
	return []Format{
		newFormat("cef", "ArcSight and other readers of CEF", mediaText, cef(func(b []byte, _ *Document, _ *Entry) []byte { return b })),
		newFormat("cef.syslog", "the same in RFC 5424 frames", mediaText, cef(appendFrame)),
		newFormat("ecs", "Elastic Common Schema, threat.indicator.*: a document a line", mediaNDJSON,
			sheet{parts: []part{{types: listedTypes(), line: appendECS}}}),
		sentinelFormat(), crowdstrikeFormat(),
	}
}

func quoted(s string) string {
	b, _ := jsontext.AppendQuote(nil, s) // bad UTF-8 is replaced
	return string(b)
}

// appendFrame appends the header of RFC 5424: facility local0, severity notice.
func appendFrame(b []byte, d *Document, _ *Entry) []byte {
	host := strings.Map(func(r rune) rune {
		if r <= ' ' || r > '~' {
			return '_'
		}
		return r
	}, d.Source)
	if host == "" || len(host) > 255 {
		host = "-"
	}
	return fmt.Appendf(appendMoment(append(b, "<133>1 "...), d.Changed), " %s tocsin - indicator - ", host)
}

// appendCEF appends an indicator as an event. The value is always cs1, and also
// where ArcSight looks for values of its type; these keys hold no blocks and no
// wildcards.
func appendCEF(b []byte, d *Document, e *Entry) []byte {
	b = fmt.Appendf(b, "CEF:0|Tocsin|Tocsin|1|indicator|Threat indicator|%d|cs1Label=indicator cs1=", min(max(e.Score, 0), 100)/10)
	b = fmt.Appendf(appendCEFText(b, e.Value), " cs2Label=type cs2=%s cs3Label=tlp cs3=%s cs4Label=tier cs4=%s cn1Label=score cn1=%d start=%d", e.Type, e.TLP, d.Tier, e.Score, e.Since.UnixMilli())
	if !e.Until.IsZero() {
		b = strconv.AppendInt(append(b, " end="...), e.Until.UnixMilli(), 10)
	}
	if d.Source != "" {
		b = appendCEFText(append(b, " cs5Label=source cs5="...), d.Source)
	}
	if single(e) {
		b = appendCEFText(enclosed(b, " ", cefKey(e.Type), "="), e.Value)
	}
	return append(b, '\n')
}

func cefKey(t stix.Type) string {
	switch t {
	case stix.IPv4Addr:
		return "dst"
	case stix.IPv6Addr:
		return "c6a3Label=indicator c6a3"
	case stix.DomainName:
		return "destinationDnsDomain"
	case stix.URL:
		return "request"
	}
	return "fileHash"
}

// appendCEFText appends a value of the extension.
func appendCEFText(b []byte, s string) []byte {
	for i := range len(s) {
		switch c := s[i]; c {
		case '\\', '=':
			b = append(b, '\\', c)
		case '\n':
			b = append(b, '\\', 'n')
		case '\r':
			b = append(b, '\\', 'r')
		default:
			b = append(b, c)
		}
	}
	return b
}

// appendECS appends a document. Blocks and wildcards are in the name only, as
// the fields of addresses and names hold none.
func appendECS(b []byte, d *Document, e *Entry) []byte {
	b = append(appendMoment(append(b, `{"@timestamp":"`...), d.Changed), `","event":{"kind":"enrichment","category":["threat"],"type":["indicator"],"dataset":"tocsin.indicator","id":"`...)
	b = append(append(b, nameUUID("ecs", d.Source, string(e.Type), e.Value)...), `"},"threat":{"feed":{"name":`...)
	b = append(b, quoted(d.Source)...)
	if d.URL != "" {
		b = append(append(b, `,"reference":`...), quoted(d.URL)...)
	}
	b = fmt.Appendf(b, `},"indicator":{"name":%s,"type":"%s","confidence":"%s","first_seen":"`, quoted(e.Value), ecsType(e.Type), ecsConfidence(e.Score))
	b = fmt.Appendf(appendMoment(b, e.Since), `","marking":{"tlp":"%s"}`, strings.ToUpper(e.TLP.String()))
	if single(e) {
		b = append(b, ecsField(e)...)
	}
	b = fmt.Appendf(b, `}},"labels":{"tier":"%s"`, d.Tier)
	if !e.Until.IsZero() {
		b = append(appendMoment(append(b, `,"valid_until":"`...), e.Until), '"')
	}
	return append(b, "}}\n"...)
}

func ecsType(t stix.Type) string {
	if t == stix.IPv4Addr || t == stix.IPv6Addr || t == stix.DomainName || t == stix.URL {
		return string(t)
	}
	return "file"
}

func ecsField(e *Entry) string {
	value := quoted(e.Value)
	switch e.Type {
	case stix.IPv4Addr, stix.IPv6Addr:
		return `,"ip":` + value
	case stix.DomainName:
		return `,"url":{"domain":` + value + `}`
	case stix.URL:
		return `,"url":{"original":` + value + `}`
	}
	return `,"file":{"hash":{"` + string(e.Type) + `":` + value + `}}`
}

// ecsConfidence is a score as STIX 2.1, appendix A, says it in words.
func ecsConfidence(score int) string {
	switch {
	case score >= 70:
		return "High"
	case score >= 30:
		return "Medium"
	case score >= 1:
		return "Low"
	}
	return "None"
}
