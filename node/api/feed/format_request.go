package feed

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/tocsin-exchange/tocsin/protocol"
	"github.com/tocsin-exchange/tocsin/protocol/stix"
	"github.com/tocsin-exchange/tocsin/trust/score"
)

// Formats of products that read nothing and are written to: the body of a
// request on each line.

func sentinelFormat() Format {
	r := requests{most: 100, fits: inSentinel, object: appendSTIX, head: func(d *Document) string {
		return `{"sourcesystem":` + quoted(d.Source) + `,"stixobjects":[`
	}}
	return r.format("sentinel", "Microsoft Sentinel's upload interface: a request of at most 100 objects a line", listedTypes())
}

func crowdstrikeFormat() Format {
	r := requests{most: 200, fits: single, object: appendIOC, head: func(*Document) string { return `{"indicators":[` }}
	return r.format("crowdstrike", "CrowdStrike's IOC interface: a request of at most 200 indicators a line",
		[]stix.Type{stix.IPv4Addr, stix.IPv6Addr, stix.DomainName, stix.MD5, stix.SHA256})
}

// requests are bodies of a list of objects.
type requests struct {
	most   int // objects in one
	fits   func(e *Entry) bool
	head   func(d *Document) string // up to the list, the last in the body
	object func(b []byte, d *Document, e *Entry) []byte
}

func (r requests) format(name, about string, types []stix.Type) Format {
	f := Format{Name: name, About: about, Media: mediaNDJSON, Types: types, fits: r.fits}
	f.write = func(w io.Writer, d *Document, file string) error {
		if file != "" {
			return noFile(name, file)
		}
		s := sheet{parts: []part{{types: types, line: r.line(), after: "]}\n"}}}
		return s.write(w, d)
	}
	return f
}

// line appends objects, and what goes between them, from the first on.
func (r requests) line() func(b []byte, d *Document, e *Entry) []byte {
	n := 0
	return func(b []byte, d *Document, e *Entry) []byte {
		if !r.fits(e) {
			return b
		}
		switch {
		case n == 0:
			b = append(b, r.head(d)...)
		case n%r.most == 0:
			b = append(append(b, "]}\n"...), r.head(d)...)
		default:
			b = append(b, ',')
		}
		n++
		return r.object(b, d, e)
	}
}

// inSentinel reports what an indicator of STIX 2.1 can say: it ends after it began.
func inSentinel(e *Entry) bool { return e.Until.IsZero() || e.Until.After(e.Since) }

// appendSTIX appends an indicator of the node's own, on what it makes of the
// claims: it has another id than any of them.
func appendSTIX(b []byte, d *Document, e *Entry) []byte {
	changed := d.Changed
	if changed.Before(e.Since) {
		changed = e.Since
	}
	b = stix.Indicator{
		ID: stix.IndicatorID([]byte("feed\n"+d.Source), []stix.Observable{e.Observable}), Observable: e.Observable, Name: e.Value,
		Labels: []string{"tlp:" + e.TLP.String(), "tier:" + d.Tier.String()}, Confidence: min(max(e.Score, 0), 100),
		Created: e.Since, Modified: changed, ValidFrom: e.Since, ValidUntil: e.Until,
	}.AppendJSON(b)
	if id := protocol.MarkingID(e.TLP); id != "" {
		b = append(append(append(b[:len(b)-1], `,"object_marking_refs":["`...), id...), `"]}`...)
	}
	return b
}

// appendIOC appends an indicator of CrowdStrike, which blocks by hash alone.
func appendIOC(b []byte, d *Document, e *Entry) []byte {
	action := "detect"
	switch {
	case d.Tier == score.Observe:
		action = "no_action"
	case d.Tier == score.Block && slices.Contains(digestTypes(), e.Type):
		action = "prevent"
	}
	kind := string(e.Type)
	switch e.Type {
	case stix.IPv4Addr:
		kind = "ipv4"
	case stix.IPv6Addr:
		kind = "ipv6"
	case stix.DomainName:
		kind = "domain"
	}
	b = fmt.Appendf(b, `{"type":"%s","value":%s,"action":"%s","severity":"%s","platforms":["windows","mac","linux"],"applied_globally":true,"source":%s,"tags":["tlp:%s","tier:%s"]`,
		kind, quoted(e.Value), action, iocSeverity(e.Score), quoted(d.Source), e.TLP, d.Tier)
	if !e.Until.IsZero() {
		b = append(appendMoment(append(b, `,"expiration":"`...), e.Until), '"')
	}
	return append(b, '}')
}

func iocSeverity(score int) string {
	if score < 1 {
		return "informational"
	}
	return strings.ToLower(ecsConfidence(score))
}
