package stix

import (
	"net/netip"
	"strconv"
	"strings"
)

// parsePrefix reads an address or an address block. Host bits are cleared; a
// zone is refused.
func parsePrefix(s string) (netip.Prefix, bool) {
	host, bits, block := strings.Cut(s, "/")
	a, err := netip.ParseAddr(host)
	if err != nil || a.Zone() != "" {
		return netip.Prefix{}, false
	}
	n := a.BitLen()
	if block {
		if n, err = strconv.Atoi(bits); err != nil || n < 0 || n > a.BitLen() || len(bits) > 3 || bits[0] == '+' || len(bits) > 1 && bits[0] == '0' {
			return netip.Prefix{}, false
		}
	}
	return netip.PrefixFrom(a, n).Masked(), true
}

func formatPrefix(p netip.Prefix) string {
	if p.IsSingleIP() {
		return p.Addr().String()
	}
	return p.String()
}

func canonicalIP(s string, six bool) (string, error) {
	if len(s) > 2 && s[0] == '[' && s[len(s)-1] == ']' {
		s = s[1 : len(s)-1]
	}
	p, ok := parsePrefix(s)
	switch {
	case !ok && octalIPv4(s):
		return "", notObservable("leading zeros: octal or decimal IPv4")
	case !ok:
		return "", notObservable("not an IP address")
	case p.Addr().Is4() == six:
		return "", notObservable("IP address of the other family")
	case p.Addr().Is4() && p.IsSingleIP() && len(p.Addr().String()) == len(s):
		return s, nil // dotted decimal has one spelling
	}
	return formatPrefix(p), nil
}

// octalIPv4 reports four all-digit parts of which one has a leading zero.
func octalIPv4(s string) bool {
	parts, zero := 1, false
	for i, start := 0, 0; i <= len(s); i++ {
		if i < len(s) && isDigit(s[i]) {
			continue
		}
		if i == start || i < len(s) && s[i] != '.' {
			return false
		}
		zero = zero || s[start] == '0' && i-start > 1
		if i < len(s) {
			parts++
		}
		start = i + 1
	}
	return parts == 4 && zero
}

// cutPort splits "host:port"; the port is 1 to 65535 in decimal.
func cutPort(s string) (host, port string, ok bool) {
	i := strings.LastIndexByte(s, ':')
	if i <= 0 || !validPort(s[i+1:]) {
		return "", "", false
	}
	return s[:i], s[i+1:], true
}

func validPort(s string) bool {
	if s == "" || len(s) > 5 || s[0] == '0' {
		return false
	}
	n := 0
	for i := range len(s) {
		if !isDigit(s[i]) {
			return false
		}
		n = n*10 + int(s[i]-'0')
	}
	return n <= 65535
}

func canonicalIPPort(s string) (string, error) {
	host, port, ok := cutPort(s)
	if !ok {
		return "", notObservable("no port from 1 to 65535")
	}
	bracketed := host[0] == '['
	if bracketed {
		if host[len(host)-1] != ']' {
			return "", notObservable("not an IP address")
		}
		host = host[1 : len(host)-1]
	}
	p, ok := parsePrefix(host)
	if !ok || strings.IndexByte(host, '/') >= 0 {
		return "", notObservable("not an IP address")
	}
	if p.Addr().Is4() == bracketed {
		return "", notObservable("an IPv6 address before a port stands in brackets, an IPv4 address does not")
	}
	if bracketed {
		return "[" + p.Addr().String() + "]:" + port, nil
	}
	return s, nil
}

// addrOfPort returns the address of a canonical ip-port.
func addrOfPort(s string) (netip.Addr, string) {
	a, err := netip.ParseAddrPort(s)
	if err != nil {
		return netip.Addr{}, ""
	}
	return a.Addr(), strconv.Itoa(int(a.Port()))
}
