package intake

import (
	"net/netip"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/tocsin-exchange/tocsin/protocol/stix"
)

// An attribute is what we read of a MISP attribute. What names a person (who
// created the event) is not even looked at. The case of the names that hold a
// row back does not matter.
type attribute struct {
	Type         string         `json:"type"`
	Category     string         `json:"category"`
	Value        string         `json:"value"`
	Comment      string         `json:"comment"`
	FirstSeen    jsontext.Value `json:"first_seen"`
	ToIDs        jsontext.Value `json:"to_ids,case:ignore"`
	Deleted      jsontext.Value `json:"deleted,case:ignore"`
	Distribution jsontext.Value `json:"distribution,case:ignore"`
	Tag          jsontext.Value `json:"Tag,case:ignore"`
}

// attribute reads one MISP attribute under what its event says.
func (s *source) attribute(raw []byte, env envelope) (row Row) {
	var a attribute
	if err := json.Unmarshal(raw, &a); err != nil {
		refuse(&row, "invalid attribute: "+excerpt(err.Error()), string(raw[:min(len(raw), maxExcerpt)]))
		return row
	}
	env.distribution(a.Distribution)
	if a.Tag != nil {
		env.tags(a.Tag)
	}
	if truth(a.Deleted) {
		env.skip = "deleted in MISP"
	}
	values, skip, err := attributeValues(a.Type, a.Value)
	switch {
	case env.skip != "":
		row.Skipped = env.skip
	case skip != "":
		row.Skipped = skip
	case env.refuse != "":
		refuse(&row, env.refuse, a.Value)
	case !truth(a.ToIDs) && !s.o.Context:
		row.Skipped = "context only (to_ids is false)"
	case a.Category == "Targeting data":
		row.Skipped = "names a target, not an attacker"
	case err != nil:
		refuse(&row, reason(err, a.Value), a.Value)
	default:
		s.accept(&row, values, a.meta(env), a.Value)
	}
	return row
}

// meta is what an attribute and its event say about the value.
func (a attribute) meta(env envelope) meta {
	m := meta{tlp: env.tlp, confidence: -1, labels: env.labels, description: env.info}
	if more := description(a.Comment); more != "" {
		m.description = cutAt(strings.TrimPrefix(m.description+": "+more, ": "), maxDescription)
	}
	m.from, _ = parseDate(strings.Trim(string(a.FirstSeen), `"`), false)
	return m
}

// attributeValues reads the value of an attribute of a type. Composite values
// have a bar between their parts.
func attributeValues(kind, value string) (values []stix.Observable, skip string, err error) {
	left, right, both := strings.Cut(value, "|")
	last := value[strings.LastIndexByte(value, '|')+1:]
	switch kind {
	case "ip-src", "ip-dst":
		return one(addressType(value), value)
	case "ip-src|port", "ip-dst|port":
		return one(stix.IPPort, joinPort(left, right, both))
	case "hostname|port":
		return one(stix.DomainPort, strings.Replace(value, "|", ":", 1))
	case "domain|ip":
		name, _, err := one(stix.DomainName, left)
		if err != nil {
			return nil, "", err
		}
		address, _, err := one(addressType(right), right)
		return append(name, address...), "", err
	case "regkey|value":
		return one(stix.WindowsRegistryKey, left)
	case "link":
		return nil, "reference, not an indicator", nil
	case "uri":
		if strings.HasPrefix(value, "/") {
			return one(stix.URLPath, value)
		}
		return one(stix.URL, value)
	case "email":
		return one(stix.EmailAddr, value)
	case "filename":
		return one(stix.FileName, value)
	}
	if name, hash, ok := strings.Cut(kind, "|"); ok && name == "filename" {
		kind, value = hash, last
	}
	t, ok := attributeType(kind)
	if !ok {
		return nil, "type that names no value: " + excerpt(kind), nil
	}
	return one(t, value)
}

// attributeType is what a MISP type of one part is here.
func attributeType(kind string) (stix.Type, bool) {
	switch kind {
	case "domain", "hostname":
		return stix.DomainName, true
	case "url":
		return stix.URL, true
	case "md5":
		return stix.MD5, true
	case "sha1":
		return stix.SHA1, true
	case "sha256":
		return stix.SHA256, true
	case "sha512":
		return stix.SHA512, true
	case "ssdeep":
		return stix.SSDEEP, true
	case "tlsh":
		return stix.TLSH, true
	case "email-src", "email-dst", "email-reply-to":
		return stix.EmailAddr, true
	case "mutex":
		return stix.Mutex, true
	case "regkey":
		return stix.WindowsRegistryKey, true
	case "user-agent":
		return stix.UserAgent, true
	case "AS":
		return stix.AutonomousSystem, true
	case "mac-address":
		return stix.MACAddr, true
	case "vulnerability":
		return stix.CVE, true
	case "x509-fingerprint-md5":
		return stix.X509MD5, true
	case "x509-fingerprint-sha1":
		return stix.X509SHA1, true
	case "x509-fingerprint-sha256":
		return stix.X509SHA256, true
	case "ja3-fingerprint-md5":
		return stix.JA3, true
	}
	return "", false
}

// one is the list of one value. A host where a URL is expected, and a URL
// where a host is, are told apart by the value itself.
func one(t stix.Type, value string) ([]stix.Observable, string, error) {
	o, err := stix.Canonical(t, value)
	if err != nil {
		if d, e := stix.Detect(value); e == nil && networkValue(t) && networkValue(d.Type) {
			return []stix.Observable{d}, "", nil
		}
		return nil, "", err
	}
	return []stix.Observable{o}, "", nil
}

// addressType is the family of an address as found.
func addressType(value string) stix.Type {
	address, _, _ := strings.Cut(stix.Refang(trim(value)), "/")
	if a, err := netip.ParseAddr(address); err == nil && a.Is6() {
		return stix.IPv6Addr
	}
	return stix.IPv4Addr
}

// joinPort writes an address and a port as one value.
func joinPort(address, port string, ok bool) string {
	if !ok {
		return address
	}
	if addressType(address) == stix.IPv6Addr {
		address = "[" + address + "]"
	}
	return address + ":" + port
}
