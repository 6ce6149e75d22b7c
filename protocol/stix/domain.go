package stix

import (
	"strings"
	"unicode/utf8"

	"golang.org/x/net/idna"
)

const maxDomain = 253 // bytes, without the final dot

// canonicalDomainName is a host name, or "*." and a name for everything under
// it.
func canonicalDomainName(s string) (string, error) {
	if rest, ok := strings.CutPrefix(s, "*."); ok {
		if strings.IndexByte(rest, '.') < 0 {
			return "", notObservable("wildcard over a top-level domain")
		}
		d, err := canonicalDomain(rest)
		if err != nil || s == "*."+d {
			return s, err
		}
		return "*." + d, nil
	}
	return canonicalDomain(s)
}

// canonicalDomain is a name of at least two labels in small letters, A-labels
// and no final dot.
//
// Names seen in the wild hold underscores, runs of hyphens and hyphens at the
// ends of labels; they are kept. There is no list of top-level domains: .onion
// and alternative roots carry real command and control.
func canonicalDomain(s string) (string, error) {
	s = strings.TrimSuffix(s, ".")
	ascii, upper, aLabel := scanDomain(s)
	if !ascii || aLabel {
		var err error
		if s, err = toASCII(s, ascii); err != nil {
			return "", err
		}
	} else if upper {
		s = strings.ToLower(s)
	}
	return s, checkDomain(s)
}

func scanDomain(s string) (ascii, upper, aLabel bool) {
	ascii = true
	for i := range len(s) {
		c := s[i]
		ascii = ascii && c < utf8.RuneSelf
		upper = upper || c >= 'A' && c <= 'Z'
		if c|0x20 == 'x' && len(s)-i > 3 && s[i+2] == '-' && s[i+3] == '-' && s[i+1]|0x20 == 'n' && (i == 0 || s[i-1] == '.') {
			aLabel = true
		}
	}
	return ascii, upper, aLabel
}

// lookup is how names are mapped; it is never changed.
var lookup = idna.New(idna.MapForLookup(), idna.Transitional(false), idna.StrictDomainName(false), idna.CheckHyphens(false))

// toASCII is UTS 46, non-transitional, without the rules that refuse names in
// use: STD3 (underscores) and hyphens in the third and fourth place.
func toASCII(s string, ascii bool) (string, error) {
	if len(s) > 4*maxDomain { // the mapping is slow, and no name gets that much shorter
		return "", notObservable("name longer than 253 bytes")
	}
	if !ascii {
		last := s[strings.LastIndexByte(s, '.')+1:]
		r, size := utf8.DecodeLastRuneInString(last)
		if r >= utf8.RuneSelf && len(last) > size && isASCII(last[:len(last)-size]) {
			return "", notObservable("a single foreign letter at the end")
		}
	}
	out, err := lookup.ToASCII(s)
	if err != nil {
		return "", notObservable("invalid internationalised name")
	}
	return strings.TrimSuffix(strings.ToLower(out), "."), nil
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// checkDomain checks a name in small ASCII letters.
func checkDomain(s string) error {
	if len(s) > maxDomain {
		return notObservable("name longer than 253 bytes")
	}
	start, seen := 0, 0
	for i := 0; i <= len(s); i++ {
		if i < len(s) && s[i] != '.' {
			c := s[i]
			if !(c >= 'a' && c <= 'z' || isDigit(c) || c == '-' || c == '_') {
				return notObservable("character not allowed in a domain name")
			}
			continue
		}
		if i == start || i-start > 63 {
			return notObservable("empty or too long label in a domain name")
		}
		seen++
		if i < len(s) {
			start = i + 1
		}
	}
	if seen < 2 {
		return notObservable("no top-level domain")
	}
	if seen == 4 && strings.Trim(s, "0123456789.") == "" {
		return notObservable("numbers are no domain name, and above 255 no IPv4 address")
	}
	return checkTLD(s[start:])
}

// checkTLD refuses last labels no root can hold: numbers, hyphens, single
// letters.
func checkTLD(s string) error {
	if strings.HasPrefix(s, "xn--") && len(s) > 4 {
		return nil
	}
	for i := range len(s) {
		if s[i] < 'a' || s[i] > 'z' {
			return notObservable("no top-level domain")
		}
	}
	if len(s) < 2 {
		return notObservable("no top-level domain")
	}
	return nil
}

func canonicalDomainPort(s string) (string, error) {
	host, port, ok := cutPort(s)
	if !ok {
		return "", notObservable("no port from 1 to 65535")
	}
	d, err := canonicalDomain(host)
	if err != nil {
		return "", err
	}
	return d + ":" + port, nil
}

// canonicalEmail is an address in small letters. RFC 5321 lets the local part
// depend on case; no mail system in use does.
func canonicalEmail(s string) (string, error) {
	if len(s) > 7 && strings.EqualFold(s[:7], "mailto:") {
		s = s[7:]
	}
	at := strings.LastIndexByte(s, '@')
	if at <= 0 || at > 128 {
		return "", notObservable("not an e-mail address")
	}
	for _, r := range s[:at] {
		if invisible(r) || strings.ContainsRune(`@<>()[],;:\"/`, r) {
			return "", notObservable("not an e-mail address")
		}
	}
	d, err := canonicalDomain(s[at+1:])
	if err != nil {
		return "", err
	}
	return strings.ToLower(s[:at]) + "@" + d, nil
}
