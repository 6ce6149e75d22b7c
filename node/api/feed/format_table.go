package feed

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/tocsin-exchange/tocsin/protocol/stix"
	"github.com/tocsin-exchange/tocsin/trust/score"
)

const csvMedia = "text/csv; charset=utf-8"

// tableFormats are those with a value a row and columns about it.
func tableFormats() []Format {
	return []Format{
		newFormat("csv", "anything that reads CSV with a header: value,type,score,tlp,tier,first_seen,expires", csvMedia,
			sheet{head: text("value,type,score,tlp,tier,first_seen,expires\n"), parts: []part{{types: kept(), line: csvRow}}}),
		newFormat("checkpoint", "Check Point, custom intelligence feeds", csvMedia,
			sheet{head: text("# UNIQ-NAME,VALUE,TYPE,CONFIDENCE,SEVERITY,PRODUCT,COMMENT\n"), parts: []part{{
				types: []stix.Type{stix.IPv4Addr, stix.DomainName, stix.URL, stix.MD5, stix.SHA1, stix.SHA256}, line: checkPointRow}}}),
		newFormat("splunk", "Splunk Enterprise Security, local threat intelligence lookups", csvMedia,
			splunk("ip_intel.csv", "ip", "description,ip,weight", stix.IPv4Addr, stix.IPv6Addr),
			splunk("domain_intel.csv", "domain", "description,domain,weight", stix.DomainName),
			splunk("file_intel.csv", "file_hash", "description,file_hash,file_name,weight", stix.MD5, stix.SHA1, stix.SHA256, stix.SHA512),
			splunk("http_intel.csv", "url", "description,http_referrer,http_user_agent,url,weight", stix.URL),
			splunk("email_intel.csv", "src_user", "description,src_user,subject,weight", stix.EmailAddr)),
	}
}

// appendCell appends a field as RFC 4180 has it.
func appendCell(b []byte, s string) []byte {
	if !strings.ContainsAny(s, "\",\r\n") {
		return append(b, s...)
	}
	b = append(b, '"')
	b = append(b, strings.ReplaceAll(s, `"`, `""`)...)
	return append(b, '"')
}

// computed reports whether a spreadsheet would take a value for something to be
// computed: such a cell can start programs. A name has nothing to compute with.
func computed(e *Entry) bool {
	return e.Type != stix.DomainName && strings.IndexByte("=+-@", e.Value[0]) >= 0
}

func csvRow(b []byte, d *Document, e *Entry) []byte {
	if computed(e) {
		return b
	}
	b = append(appendCell(b, e.Value), ',')
	b = append(append(b, e.Type...), ',')
	b = append(strconv.AppendInt(b, int64(e.Score), 10), ',')
	b = append(append(b, e.TLP.String()...), ',')
	b = append(append(b, d.Tier.String()...), ',')
	b = append(appendMoment(b, e.Since), ',')
	return append(appendMoment(b, e.Until), '\n')
}

// appendMoment appends a moment to the second, nothing for none.
func appendMoment(b []byte, t time.Time) []byte {
	if t.IsZero() {
		return b
	}
	return t.UTC().AppendFormat(b, "2006-01-02T15:04:05Z")
}

// checkPointRow has no empty field, since with one the gateway loads nothing of the
// file. It knows no IPv6 and no wildcards, and blocks by their first and last address.
func checkPointRow(b []byte, d *Document, e *Entry) []byte {
	kind, product, value := "", "AB", e.Value
	switch e.Type {
	case stix.IPv4Addr:
		p, one := network(e)
		if kind = "IP"; !one {
			kind, value = "IP Range", p.Addr().String()+"-"+lastIPv4(p).String()
		}
	case stix.DomainName:
		kind = "Domain"
	case stix.URL:
		kind = "URL"
	default:
		kind, product = strings.ToUpper(string(e.Type)), "AV"
	}
	if isWildcard(e) || computed(e) {
		return b
	}
	sum := sha256.Sum256([]byte(e.Observable.String()))
	b = append(hex.AppendEncode(append(b, "tocsin-"...), sum[:8]), ',')
	b = append(appendCell(b, value), ',')
	for _, field := range []string{kind, degree(e.Score), severity(d.Tier), product} {
		b = append(append(b, field...), ',')
	}
	return append(append(b, e.TLP.Label()...), '\n')
}

// degree is a score as products have it that know three.
func degree(score int) string {
	switch {
	case score >= 70:
		return "high"
	case score >= 40:
		return "medium"
	}
	return "low"
}

func severity(tier score.Tier) string {
	switch tier {
	case score.Block:
		return "high"
	case score.Alert:
		return "medium"
	}
	return "low"
}

// splunk is a lookup: a description, the weight, the value in its column, and
// nothing in the others.
func splunk(name, value, columns string, types ...stix.Type) sheet {
	line := func(b []byte, d *Document, e *Entry) []byte {
		// "*" is any text to a lookup that matches wildcards: of a name it is
		// said so, of others it is not.
		if computed(e) || strings.Contains(e.Value, "*") && !isWildcard(e) {
			return b
		}
		for column := range strings.SplitSeq(columns, ",") {
			switch column {
			case "description":
				b = append(append(append(b, e.TLP.Label()...), ' '), d.Tier.String()...)
			case value:
				b = appendCell(b, e.Value)
			case "weight":
				b = strconv.AppendInt(b, int64(max(1, e.Score)), 10)
			}
			b = append(b, ',')
		}
		b[len(b)-1] = '\n'
		return b
	}
	return sheet{name: name, head: text(columns + "\n"), parts: []part{{types: types, line: line}}}
}

// lastIPv4 is the last address of a block.
func lastIPv4(p netip.Prefix) netip.Addr {
	a := p.Addr().As4()
	binary.BigEndian.PutUint32(a[:], binary.BigEndian.Uint32(a[:])|^uint32(0)>>p.Bits())
	return netip.AddrFrom4(a)
}
