package feed

import (
	"cmp"
	"slices"
	"strconv"

	"github.com/tocsin-exchange/tocsin/protocol/stix"
	"github.com/tocsin-exchange/tocsin/trust/score"
)

const zeekHead = "#fields\tindicator\tindicator_type\tmeta.source\tmeta.desc\tmeta.url\tmeta.do_notice\n"

// zeekFormat is a file of Zeek's intelligence framework, which Sagan reads too.
func zeekFormat() Format {
	return newFormat("zeek", "Zeek (intel.dat) and Sagan", mediaText, sheet{
		head:  text(zeekHead),
		parts: []part{{types: slices.Concat(networkTypes(), digestTypes()), line: appendIntel}},
	})
}

func appendIntel(b []byte, d *Document, e *Entry) []byte {
	value, kind := intel(e)
	if kind == "" {
		return b
	}
	notice := "F" // a value to be shown and not to raise alarms
	if d.Tier >= score.Alert {
		notice = "T"
	}
	b = enclosed(appendZeek(b, value), "\t", kind, "\t")
	b = enclosed(appendZeek(b, cmp.Or(d.Source, "tocsin")), "\t", e.TLP.Label(), " score ")
	b = enclosed(strconv.AppendInt(b, int64(e.Score), 10), " tier ", d.Tier.String(), "\t")
	return enclosed(appendZeek(b, d.URL), "\t", notice, "\n")
}

// intel is a value with its type as Zeek has them, and no type where it knows
// none: it has no wildcards, and sees URLs without TLS only and without their
// scheme.
func intel(e *Entry) (value, kind string) {
	switch e.Type {
	case stix.IPv4Addr, stix.IPv6Addr:
		if single(e) {
			return e.Value, "Intel::ADDR"
		}
		return e.Value, "Intel::SUBNET"
	case stix.DomainName:
		if single(e) {
			return e.Value, "Intel::DOMAIN"
		}
	case stix.URL:
		if host, path, ok := plainHTTP(e); ok {
			return host + path, "Intel::URL"
		}
	default:
		return e.Value, "Intel::FILE_HASH"
	}
	return "", ""
}

// appendZeek appends a field. What would end it, or begin an escape, goes in
// hexadecimal, as does a text that stands for none; "-" is that.
func appendZeek(b []byte, s string) []byte {
	if s == "" {
		return append(b, '-')
	}
	for i := range len(s) {
		if c := s[i]; c < ' ' || c == 0x7f || c == '\\' || i == 0 && (s == "-" || s == "(empty)") {
			b = append(b, '\\', 'x', hexDigits[c>>4], hexDigits[c&15])
		} else {
			b = append(b, c)
		}
	}
	return b
}
