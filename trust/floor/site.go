package floor

import (
	"strings"

	"github.com/tocsin-exchange/tocsin/protocol/stix"
)

// hostOf returns the host a value is on, an IPv6 address without brackets, ""
// where it is on none.
func hostOf(o stix.Observable) string {
	switch o.Type {
	case stix.IPPort, stix.DomainPort:
		return withoutPort(o.Value)
	case stix.EmailAddr:
		return o.Value[strings.LastIndexByte(o.Value, '@')+1:]
	case stix.URL:
		scheme, authority, _ := cutURL(o.Value)
		if scheme == "file" { // host@SSL@port
			authority, _, _ = strings.Cut(authority, "@")
		}
		return withoutPort(authority[strings.LastIndexByte(authority, '@')+1:])
	}
	return ""
}

func withoutPort(authority string) string {
	if rest, ok := strings.CutPrefix(authority, "["); ok {
		host, _, _ := strings.Cut(rest, "]")
		return host
	}
	host, _, _ := strings.Cut(authority, ":")
	return host
}

// cutURL splits a canonical URL. The "host" of a magnet is "magnet", which is
// nobody's.
func cutURL(url string) (scheme, authority, tail string) {
	scheme, rest, ok := strings.Cut(url, "://")
	if !ok || strings.ContainsAny(scheme, "/?#") {
		scheme, rest = "", url // evil.example/a?to=http://b
	}
	if i := strings.IndexAny(rest, "/?#"); i >= 0 {
		rest, tail = rest[:i], rest[i:]
	}
	return scheme, rest, tail
}

// wholeSite reports a URL that says all of its host: no query, and no path but
// what a browser or a proxy takes for the root ("/", "/./", "/%2e/", "/*").
func wholeSite(url string) bool {
	_, _, tail := cutURL(url)
	tail, _, _ = strings.Cut(tail, "#")
	path, query, _ := strings.Cut(tail, "?")
	path = strings.ReplaceAll(strings.ReplaceAll(path, "%2e", "."), "%2E", ".")
	return strings.Trim(path, "/.*") == "" && strings.Trim(query, "*") == ""
}
