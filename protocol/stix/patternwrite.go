package stix

import (
	"strings"
)

// Pattern returns the STIX pattern that says the value and nothing else.
// ParsePattern(o.Pattern()).Observables() is [o].
func (o Observable) Pattern() string { return string(o.appendPattern(nil)) }

func (o Observable) appendPattern(b []byte) []byte {
	switch o.Type {
	case IPv4Addr, IPv6Addr:
		if strings.IndexByte(o.Value, '/') >= 0 {
			return appendComparison(b, string(o.Type)+":value ISSUBSET ", o.Value)
		}
	case DomainName:
		if rest, ok := strings.CutPrefix(o.Value, "*"); ok {
			return appendComparison(b, "domain-name:value LIKE ", "%"+rest)
		}
	case AutonomousSystem:
		return append(append(append(b, "[autonomous-system:number = "...), strings.TrimPrefix(o.Value, "AS")...), ']')
	case IPPort:
		a, port := addrOfPort(o.Value)
		t := IPv4Addr
		if a.Is6() {
			t = IPv6Addr
		}
		return appendEndpoint(b, t, a.String(), port)
	case DomainPort:
		host, port, _ := strings.Cut(o.Value, ":")
		return appendEndpoint(b, DomainName, host, port)
	}
	return appendComparison(b, pathOf(o.Type)+" = ", o.Value)
}

// pathOf is the object path a value of the type stands under. STIX has none
// for fingerprints of TLS: x_ja3, x_ja3s and x_ja4 are our own.
func pathOf(t Type) string {
	switch t {
	case IPv4Addr, IPv6Addr, DomainName, URL, EmailAddr, MACAddr:
		return string(t) + ":value"
	case URLPath:
		return "url:value"
	case MD5:
		return "file:hashes.MD5"
	case SHA1:
		return "file:hashes.'SHA-1'"
	case SHA256:
		return "file:hashes.'SHA-256'"
	case SHA512:
		return "file:hashes.'SHA-512'"
	case SSDEEP:
		return "file:hashes.SSDEEP"
	case TLSH:
		return "file:hashes.TLSH"
	case FileName:
		return "file:name"
	case Mutex:
		return "mutex:name"
	case WindowsRegistryKey:
		return "windows-registry-key:key"
	case UserAgent:
		return "network-traffic:extensions.'http-request-ext'.request_header.'User-Agent'"
	case CVE:
		return "vulnerability:name"
	case X509MD5:
		return "x509-certificate:hashes.MD5"
	case X509SHA1:
		return "x509-certificate:hashes.'SHA-1'"
	case X509SHA256:
		return "x509-certificate:hashes.'SHA-256'"
	}
	return "network-traffic:x_" + string(t)
}

func appendEndpoint(b []byte, t Type, host, port string) []byte {
	b = append(b, "[network-traffic:dst_ref.type = '"...)
	b = append(b, t...)
	b = append(b, "' AND network-traffic:dst_ref.value = '"...)
	b = append(b, host...)
	b = append(b, "' AND network-traffic:dst_port = "...)
	b = append(b, port...)
	return append(b, ']')
}

func appendComparison(b []byte, head, value string) []byte {
	b = append(b, '[')
	b = append(b, head...)
	b = append(b, '\'')
	for i := range len(value) {
		if c := value[i]; c == '\'' || c == '\\' {
			b = append(b, '\\')
		}
		b = append(b, value[i])
	}
	return append(b, "']"...)
}
