package feed

import (
	"crypto/sha256"
	"encoding/binary"
	"io"
	"strconv"

	"github.com/tocsin-exchange/tocsin/protocol/stix"
)

// suricataFormats are rules alone, rules with the sets they look up, and IP
// reputation.
func suricataFormats() []Format {
	rules := Format{
		Name: "suricata.rules", About: "Suricata 7.0.3 and later: a rule an address or URL, three a name", Media: mediaText,
		Types: networkTypes(), fits: inRules, write: writeRules,
	}
	sets := Format{
		Name: "suricata.tar.gz", About: "suricata-update: rules and the data sets they look up", Media: mediaGzip,
		Types: archiveTypes(), fits: inArchive, write: writeArchive,
	}
	sum := Format{
		Name: "suricata.tar.gz.md5", About: "suricata-update: whether suricata.tar.gz has changed", Media: mediaText,
		Types: archiveTypes(), fits: inArchive, write: writeArchiveSum,
	}
	return []Format{rules, sets, sum, newFormat("iprep", "Suricata's IP reputation: one category, the score as 1 to 127", mediaText,
		sheet{name: "categories.txt", head: text("1,Tocsin,Addresses and blocks of the feed\n")},
		sheet{name: "reputation.list", parts: []part{{types: []stix.Type{stix.IPv4Addr, stix.IPv6Addr}, line: appendReputation}}},
	)}
}

func appendReputation(b []byte, _ *Document, e *Entry) []byte {
	b = append(append(b, e.Value...), ",1,"...)
	return append(strconv.AppendInt(b, int64(max(1, min(e.Score, 100)*127/100)), 10), '\n')
}

func writeRules(w io.Writer, d *Document, file string) error {
	if file != "" {
		return noFile("suricata.rules", file)
	}
	s := sheet{parts: []part{{types: networkTypes(), line: newSIDs().appendRules}}}
	return s.write(w, d)
}

// maxContent is the longest text a rule can look for, in bytes.
const maxContent = 255

// inRules reports what a rule can look for.
func inRules(e *Entry) bool {
	if e.Type == stix.URL {
		host, path, ok := plainHTTP(e)
		return ok && len(host) <= maxContent && len(path) <= maxContent
	}
	return true
}

// Numbers of rules. A value has those of a slot of its own, of four, so that
// who silences a rule or counts its alarms finds it again.
const (
	sidSets  = 1_100_000_000 // and up: the rules that look up sets
	sidRange = 100_000_000   // as many for each type
	sidSlots = sidRange / 4
)

// sidBase is where the numbers of a type begin.
func sidBase(t stix.Type) uint32 {
	switch t {
	case stix.IPv4Addr:
		return 1_200_000_000
	case stix.IPv6Addr:
		return 1_300_000_000
	case stix.DomainName:
		return 1_400_000_000
	}
	return 1_500_000_000 // URLs
}

// sids gives out slots. That of a value comes of its SHA-256; where two values
// of a feed come to the same the later one has the next that is free.
type sids struct {
	t     stix.Type
	taken []uint64 // a bit a slot, of the type above
}

func newSIDs() *sids { return &sids{taken: make([]uint64, sidSlots/64+1)} }

func slotOf(value string) uint32 {
	sum := sha256.Sum256([]byte(value))
	return uint32(binary.BigEndian.Uint64(sum[:8]) % sidSlots)
}

// next returns the number of the first rule of a value. Values come type by type.
func (s *sids) next(o stix.Observable) uint32 {
	if s.t != o.Type {
		s.t = o.Type
		clear(s.taken)
	}
	slot := slotOf(o.Value)
	for s.taken[slot/64]>>(slot%64)&1 == 1 {
		slot = (slot + 1) % sidSlots
	}
	s.taken[slot/64] |= 1 << (slot % 64)
	return sidBase(o.Type) + 4*slot
}

// A place is where on the wire Suricata sees a name.
type place struct {
	proto, flow, msg string
	buffer           string
	fold             string // the transformation that makes its capitals small
	nocase           string // and what does so for a comparison
}

func namePlaces() [3]place {
	return [3]place{
		{"dns", "", "Tocsin: DNS query for a listed name", "dns.query;", " to_lowercase;", " nocase;"},
		{"tls", " flow:established,to_server;", "Tocsin: TLS to a listed name", "tls.sni;", " to_lowercase;", " nocase;"},
		{"http", " flow:established,to_server;", "Tocsin: HTTP to a listed name", "http.host;", "", ""}, // small by itself
	}
}

// appendRules appends the rules of one value.
func (s *sids) appendRules(b []byte, d *Document, e *Entry) []byte {
	if !inRules(e) {
		return b
	}
	sid := s.next(e.Observable)
	switch e.Type {
	case stix.IPv4Addr, stix.IPv6Addr:
		b = enclosed(b, "alert ip any any <> ", e.Value, ` any (msg:"Tocsin: traffic with a listed address";`)
	case stix.DomainName:
		for n, p := range namePlaces() {
			b = enclosed(enclosed(b, "alert ", p.proto, ` any any -> any any (msg:"`), p.msg, `";`, p.flow)
			b = appendName(enclosed(b, " ", p.buffer, " "), e, p.nocase)
			b = appendTail(b, d, e, sid+uint32(n))
		}
		return b
	default:
		host, path, _ := plainHTTP(e)
		b = append(b, `alert http any any -> any any (msg:"Tocsin: listed URL"; flow:established,to_server; http.host.raw; `...)
		b = appendSize(append(appendContent(b, host), " nocase;"...), host)
		b = appendSize(appendContent(append(b, " http.uri.raw; "...), path), path)
	}
	return appendTail(b, d, e, sid)
}

// appendTail appends what rules end with.
func appendTail(b []byte, d *Document, e *Entry, sid uint32) []byte {
	b = enclosed(b, " metadata:tlp ", e.TLP.String(), "")
	b = enclosed(b, ", tier ", d.Tier.String(), "; sid:")
	return append(strconv.AppendUint(b, uint64(sid), 10), "; rev:1;)\n"...)
}

func appendSize(b []byte, text string) []byte {
	return append(strconv.AppendInt(append(b, " bsize:"...), int64(len(text)), 10), ';')
}

// appendName appends the comparison with a name, or with what ends in it: for
// a wildcard the name itself does not, as it has no dot in front.
func appendName(b []byte, e *Entry, nocase string) []byte {
	if isWildcard(e) {
		return append(append(appendContent(b, e.Value[len("*"):]), nocase...), " endswith;"...)
	}
	return appendSize(append(appendContent(b, e.Value), nocase...), e.Value)
}

const hexDigits = "0123456789abcdef"

// appendContent appends what to look for, in hexadecimal what could mean
// something in a rule.
func appendContent(b []byte, s string) []byte {
	b = append(b, `content:"`...)
	for i := range len(s) {
		if c := s[i]; isPlain(c) || c == '.' || c == '-' || c == '_' || c == '/' {
			b = append(b, c)
		} else {
			b = append(b, '|', hexDigits[c>>4], hexDigits[c&15], '|')
		}
	}
	return append(b, `";`...)
}
