package feed

import (
	"net/netip"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/tocsin-exchange/tocsin/protocol/stix"
)

// lookupFormats are tables in which logs are looked up, key by key.
func lookupFormats() []Format {
	return []Format{
		newFormat("rsyslog", "rsyslog, lookup_table of type string: type, score and label of a value", "application/json",
			sheet{head: text(`{"version":1,"nomatch":"","type":"string","table":[`), tail: text("\n]}\n"), parts: []part{rsyslog()}}),
		newFormat("wazuh", "Wazuh and OSSEC, CDB lists: the score of a value", mediaText,
			sheet{name: "addresses", parts: []part{{types: []stix.Type{stix.IPv4Addr, stix.IPv6Addr}, line: cdbAddress}}},
			sheet{name: "names", parts: []part{cdb(stix.DomainName)}},
			sheet{name: "urls", parts: []part{cdb(stix.URL)}},
			sheet{name: "hashes", parts: []part{cdb(stix.MD5, stix.SHA1, stix.SHA256, stix.SHA512)}}),
	}
}

// rsyslog looks a text up as it is, so blocks and wildcards have no place.
func rsyslog() part {
	return part{types: kept(), between: ",", line: func(b []byte, _ *Document, e *Entry) []byte {
		if !single(e) {
			return b
		}
		quoted, err := jsontext.AppendQuote(append(b, "\n{\"index\":"...), e.Value)
		if err != nil {
			return b
		}
		b = append(append(quoted, `,"value":"`...), e.Type...)
		b = strconv.AppendInt(append(b, ' '), int64(e.Score), 10)
		return append(append(append(b, ' '), e.TLP.String()...), `"}`...)
	}}
}

// cdb writes a key and its score. A key with a colon in it stands in quotes, which
// only Wazuh reads; one with a quote in it cannot be said.
func cdb(types ...stix.Type) part {
	return part{types: types, line: func(b []byte, _ *Document, e *Entry) []byte {
		if !single(e) || strings.ContainsAny(e.Value, `"\`) {
			return b
		}
		return appendCDB(b, e.Value, e.Score)
	}}
}

func appendCDB(b []byte, key string, score int) []byte {
	if strings.Contains(key, ":") {
		b = enclosed(b, `"`, key, `"`)
	} else {
		b = append(b, key...)
	}
	return append(strconv.AppendInt(append(b, ':'), int64(score), 10), '\n')
}

// cdbAddress writes an address, or the blocks of whole octets that a block is made
// of, at most 128 of them: "203.0.113." is all that begins so. For IPv6 there is
// no such key.
func cdbAddress(b []byte, _ *Document, e *Entry) []byte {
	p, one := network(e)
	if one {
		return appendCDB(b, e.Value, e.Score)
	}
	if e.Type == stix.IPv6Addr {
		return b
	}
	octets := (p.Bits() + 7) / 8
	first := p.Addr().As4()
	for i := range 1 << (8*octets - p.Bits()) {
		key := first
		key[octets-1] += byte(i)
		b = appendCDB(b, octetKey(key, octets), e.Score)
	}
	return b
}

// octetKey is the key of so many octets of an address.
func octetKey(a [4]byte, octets int) string {
	if octets == len(a) {
		return netip.AddrFrom4(a).String()
	}
	key := ""
	for _, octet := range a[:octets] {
		key += strconv.Itoa(int(octet)) + "."
	}
	return key
}
