package feed

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/tocsin-exchange/tocsin/protocol/stix"
)

func isWildcard(e *Entry) bool { return e.Type == stix.DomainName && strings.HasPrefix(e.Value, "*.") }

// network reads an address or a block, and reports whether it is one address.
// It returns the zero prefix for IPv4 written as IPv6, which tools take for IPv4.
func network(e *Entry) (p netip.Prefix, one bool) {
	if a, err := netip.ParseAddr(e.Value); err == nil {
		p, one = netip.PrefixFrom(a, a.BitLen()), true
	} else if p, err = netip.ParsePrefix(e.Value); err != nil || p != p.Masked() {
		return netip.Prefix{}, false
	}
	if p.Addr().Is4() != (e.Type == stix.IPv4Addr) || p.Addr().Is4In6() || p.Addr().Zone() != "" {
		return netip.Prefix{}, false
	}
	return p, one
}

// isPlain reports letters and digits, which mean themselves everywhere.
func isPlain(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
}

// plainHTTP splits a URL that a sensor sees as such on the wire, over HTTP and
// not under TLS, into the Host header and the path with the query. A URL
// without a scheme stands for any. One with a user or a fragment is never sent
// as it is written.
func plainHTTP(e *Entry) (host, path string, ok bool) {
	rest, _ := strings.CutPrefix(e.Value, "http://")
	i := strings.IndexByte(rest, '/')
	if i <= 0 || strings.IndexByte(rest, '#') >= 0 {
		return "", "", false
	}
	for _, c := range []byte(rest[:i]) {
		if !isPlain(c) && strings.IndexByte("-_.:[]", c) < 0 {
			return "", "", false
		}
	}
	return rest[:i], rest[i:], rest[i-1] != ':' // the end of another scheme
}

// noFile is the error of a format that has no such file.
func noFile(format, file string) error {
	return fmt.Errorf("%w: %s has no file %q", ErrUnknown, format, file)
}
