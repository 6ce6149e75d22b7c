package intake

import (
	"strings"

	"golang.org/x/net/publicsuffix"

	"github.com/tocsin-exchange/tocsin/protocol/stix"
)

// defanged reports whether a text carries a mark that people put into values
// to keep others from clicking on them. In a text that is as good as saying
// "this is an indicator".
func defanged(text string) bool {
	for i := 0; i+2 < len(text); i++ {
		switch text[i] {
		case '[', '(', '{':
			if c := text[i+1]; c == '.' || c == ':' || c == '@' && text[i+2] == ']' {
				return true
			}
			if word := text[i+1 : min(i+4, len(text))]; strings.EqualFold(word, "dot") || strings.EqualFold(word[:2], "at") && text[min(i+3, len(text)-1)] == "])}"[strings.IndexByte("[({", text[i])] {
				return true
			}
		case '.':
			if text[i+1] == ']' {
				return true
			}
		case 'h', 'H':
			if word := text[i:min(i+4, len(text))]; strings.EqualFold(word, "hxxp") || strings.EqualFold(word, "hxtp") {
				return true
			}
		case 'f', 'F':
			if strings.EqualFold(text[i:i+3], "fxp") && strings.HasPrefix(text[i+3:], ":") {
				return true
			}
		}
	}
	return false
}

// take decides whether a token in a text is an indicator. listed says that it
// stands where people list values, before is the word before it.
func (t topic) take(token string, listed bool, before string) (stix.Observable, bool) {
	if len(token) < 4 || !strings.ContainsAny(token, ".:-@") && len(token) < 32 {
		return stix.Observable{}, false
	}
	o, err := stix.Detect(token)
	if err != nil {
		return o, false
	}
	if strings.ContainsAny(o.Value, "<>") {
		return o, false // a place holder
	}
	if defanged(token) && networkValue(o.Type) {
		return o, true
	}
	switch o.Type {
	case stix.MD5, stix.SHA1, stix.SHA256, stix.SHA512, stix.SSDEEP, stix.TLSH:
		return t.hash(o), t != references
	case stix.IPv4Addr, stix.IPv6Addr, stix.IPPort:
		return o, listed || !saysVersion(before)
	case stix.URLPath, stix.FileName, stix.CVE:
		return o, false // a file, or what a report is about
	}
	if !listed || t == references || t == names {
		return o, false
	}
	return o, plausible(o, token)
}

// networkValue reports whether a type is one that people defang.
func networkValue(t stix.Type) bool {
	switch t {
	case stix.IPv4Addr, stix.IPv6Addr, stix.DomainName, stix.URL, stix.IPPort, stix.DomainPort, stix.EmailAddr:
		return true
	}
	return false
}

// hash turns a file hash into that of a certificate where the text is about
// certificates.
func (t topic) hash(o stix.Observable) stix.Observable {
	if t != certificates {
		return o
	}
	return certificate(o)
}

func certificate(o stix.Observable) stix.Observable {
	switch o.Type {
	case stix.MD5:
		o.Type = stix.X509MD5
	case stix.SHA1:
		o.Type = stix.X509SHA1
	case stix.SHA256:
		o.Type = stix.X509SHA256
	}
	return o
}

// saysVersion reports whether after this word what looks like an IPv4 address
// is a version number.
func saysVersion(word string) bool {
	switch strings.ToLower(strings.Trim(word, "(:,.")) {
	case "version", "versions", "ver", "v", "release", "build":
		return true
	}
	return false
}

// plausible reports whether a value written without defanging is likely to be
// a name on the network, and not of a file, a class or an Android package.
func plausible(o stix.Observable, token string) bool {
	host := o.Value
	switch o.Type {
	case stix.DomainName:
	case stix.DomainPort:
		host, _, _ = strings.Cut(host, ":")
	case stix.URL:
		if strings.Contains(host, "://") {
			return true
		}
		host, _, _ = strings.Cut(host, "/")
	default:
		return true
	}
	switch host[strings.LastIndexByte(host, '.')+1:] {
	case "onion", "i2p", "bit", "bazar", "coin", "emc", "lib", "example":
		return true // roots of their own, and the one of examples
	}
	suffix, icann := publicsuffix.PublicSuffix(host)
	if !icann && !strings.Contains(suffix, ".") || packageName(host) {
		return false
	}
	return !fileLike(host)
}

// packageName recognises names that begin where a domain name ends.
func packageName(host string) bool {
	first, rest, _ := strings.Cut(host, ".")
	switch first {
	case "com", "org", "net", "io", "edu", "gov":
		return strings.Contains(rest, ".") || len(rest) > 0 && first != "io"
	}
	return false
}

// fileLike recognises file names whose extension is also a top-level domain.
func fileLike(host string) bool {
	name, ext, _ := strings.Cut(host, ".")
	if strings.Contains(ext, ".") || name == "" {
		return false
	}
	switch ext {
	case "so", "sh", "py", "pl", "rs", "md", "zip", "mov", "ps", "java", "app", "run", "cab":
		return true
	}
	return false
}
