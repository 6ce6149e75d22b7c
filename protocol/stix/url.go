package stix

import (
	"net/netip"
	"strings"
)

// canonicalURL is scheme and host in small letters, the host in A-labels, no
// default port, "/" where a URL with a scheme has no path; everything after the
// host byte for byte as found: nothing is decoded and no case is changed.
//
// Without a scheme ("evil.example/a?b") it is kept without: the scheme nobody
// wrote down is not invented.
func canonicalURL(s string) (string, error) {
	if strings.HasSuffix(s, "…") || strings.HasSuffix(s, "...") {
		return "", notObservable("truncated URL")
	}
	scheme, rest, ok := cutScheme(s)
	switch {
	case ok:
		return schemeURL(scheme, rest)
	case len(s) > 8 && strings.EqualFold(s[:8], "magnet:?"):
		return "magnet:?" + s[8:], nil
	}
	authority, tail := cutAuthority(s)
	if tail == "" || authority == "" {
		return "", notObservable("neither a scheme nor a path")
	}
	host, port, err := canonicalHost(authority)
	if err != nil {
		return "", err
	}
	return join(host, port, tail, s), nil
}

// join puts the parts together, without a copy where s is the result.
func join(host, port, tail, s string) string {
	if port != "" {
		host += ":" + port
	}
	if len(s) == len(host)+len(tail) && s[:len(host)] == host {
		return s
	}
	return host + tail
}

// cutScheme splits "scheme://rest".
func cutScheme(s string) (scheme, rest string, ok bool) {
	i := strings.Index(s, "://")
	if i < 1 || i > 20 || !isAlpha(s[0]) {
		return "", "", false
	}
	for j := range i {
		if c := s[j]; !isAlnum(c) && c != '+' && c != '-' && c != '.' {
			return "", "", false
		}
	}
	return strings.ToLower(s[:i]), s[i+3:], true
}

func cutAuthority(s string) (authority, tail string) {
	if i := strings.IndexAny(s, "/?#"); i >= 0 {
		return s[:i], s[i:]
	}
	return s, ""
}

func schemeURL(scheme, rest string) (string, error) {
	authority, tail := cutAuthority(rest)
	before, after := "", ""
	if at := strings.LastIndexByte(authority, '@'); at >= 0 {
		if scheme == "file" { // WebDAV: host@SSL@port
			at = strings.IndexByte(authority, '@')
			authority, after = authority[:at], authority[at:]
		} else {
			before, authority = authority[:at+1], authority[at+1:]
		}
	}
	if strings.IndexFunc(before+after, invisible) >= 0 {
		return "", notObservable("blank before the path of a URL")
	}
	host, port, err := canonicalHost(authority)
	if err != nil {
		return "", err
	}
	if port != "" && port != defaultPort(scheme) {
		host += ":" + port
	}
	if tail == "" || tail[0] != '/' {
		tail = "/" + tail
	}
	return scheme + "://" + before + host + after + tail, nil
}

func defaultPort(scheme string) string {
	switch scheme {
	case "http", "ws":
		return "80"
	case "https", "wss":
		return "443"
	case "ftp":
		return "21"
	}
	return ""
}

// canonicalHost splits the authority of a URL into a canonical host (a name,
// an IPv4 address, an IPv6 address in brackets) and a port, if any.
func canonicalHost(s string) (host, port string, err error) {
	host = s
	if i := strings.LastIndexByte(s, ':'); i >= 0 && i > strings.LastIndexByte(s, ']') {
		host, port = s[:i], s[i+1:]
		if port != "" && !validPort(port) {
			return "", "", notObservable("port of a URL is not from 1 to 65535")
		}
	}
	if len(host) > 2 && host[0] == '[' && host[len(host)-1] == ']' {
		p, ok := parsePrefix(host[1 : len(host)-1])
		if !ok || !p.IsSingleIP() || p.Addr().Is4() {
			return "", "", notObservable("not an IPv6 address in brackets")
		}
		return "[" + p.Addr().String() + "]", port, nil
	}
	if a, err := netip.ParseAddr(host); err == nil && a.Is4() {
		return host, port, nil
	}
	host, err = canonicalDomain(host)
	return host, port, err
}

// canonicalURLPath is a path (and query) on whatever host, byte for byte.
func canonicalURLPath(s string) (string, error) {
	if s[0] != '/' || len(s) < 2 || s[1] == '/' {
		return "", notObservable("not a URL path")
	}
	return s, nil
}

// urlHost returns the host of a canonical URL without brackets, "" for one
// without.
func urlHost(s string) string {
	scheme, rest, ok := cutScheme(s)
	if !ok {
		rest = s
	}
	authority, _ := cutAuthority(rest)
	if scheme == "file" {
		authority, _, _ = strings.Cut(authority, "@")
	} else if at := strings.LastIndexByte(authority, '@'); at >= 0 {
		authority = authority[at+1:]
	}
	if strings.HasPrefix(authority, "[") {
		host, _, _ := strings.Cut(authority[1:], "]")
		return host
	}
	host, _, _ := strings.Cut(authority, ":")
	return host
}
