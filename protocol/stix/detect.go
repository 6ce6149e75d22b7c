package stix

import (
	"net/netip"
	"strings"
	"unicode/utf8"
)

// Detect guesses the type of one value as a person wrote it down, and returns
// it in canonical form: quotes, back quotes, brackets, bullets and sentence
// marks around it are stripped and defanging undone first. A STIX pattern that
// says exactly one value is that value.
//
// It never narrows: a URL does not become its host, nor an address with a port
// the address. Mutexes, user agents, file names and fingerprints cannot be
// told from other text and are only read by [Canonical]. An error wraps
// [ErrNotObservable] and says why in a few words.
func Detect(s string) (Observable, error) {
	s = trimInvisible(s)
	if len(s) > maxValue {
		return Observable{}, notObservable("longer than 4000 bytes")
	}
	if o, ok := detectHash(s); ok {
		return o, nil
	}
	if o, ok := detectPattern(s); ok {
		return o, nil
	}
	if strings.HasPrefix(s, ">>>>>>>") || strings.HasPrefix(s, "<<<<<<<") {
		return Observable{}, notObservable("merge conflict marker")
	}
	bare := unwrap(s)
	if bare == "" {
		return Observable{}, notObservable("empty")
	}
	if err := checkText(bare); err != nil {
		return Observable{}, err
	}
	plain := trimInvisible(Refang(bare))
	if plain == "" {
		return Observable{}, notObservable("empty")
	}
	t, err := guess(plain)
	if err != nil {
		return Observable{}, err
	}
	v, err := canonicalRefanged(t, plain)
	if err == nil && plain == bare && t == DomainName {
		err = fileOrDomain(v)
	}
	if err != nil {
		return Observable{}, err
	}
	return Observable{Type: t, Value: v}, nil
}

// detectHash is the short way for the most common values.
func detectHash(s string) (Observable, bool) {
	if t := hashOfDigits(len(s)); t != "" && allHex(s) {
		return Observable{Type: t, Value: strings.ToLower(s)}, true
	}
	return Observable{}, false
}

func detectPattern(s string) (Observable, bool) {
	if len(s) < 5 || s[0] != '[' || s[len(s)-1] != ']' || strings.IndexByte(s, '=') < 0 {
		return Observable{}, false
	}
	p, err := ParsePattern(s)
	if err != nil {
		return Observable{}, false
	}
	if list := p.Observables(); len(list) == 1 {
		return list[0], true
	}
	return Observable{}, false
}

// guess looks at the shape of a refanged value. Its answer is checked by
// Canonical, except where only a successful parse tells two types apart.
func guess(s string) (Type, error) {
	if s[0]|0x20 == 'h' && strings.IndexByte(s, '\\') > 0 {
		return WindowsRegistryKey, nil // may hold blanks
	}
	if strings.IndexFunc(s, invisible) >= 0 {
		return "", notObservable("more than one word")
	}
	if t := guessMarked(s); t != "" {
		return t, nil
	}
	if t := guessIP(s); t != "" {
		return t, nil
	}
	if t := guessFingerprint(s); t != "" {
		return t, nil
	}
	if strings.IndexByte(s, '\\') >= 0 {
		return "", notObservable("file path")
	}
	if i := strings.IndexAny(s, "/?#"); i >= 0 {
		return guessSchemeless(s, i)
	}
	if i := strings.IndexByte(s, ':'); i >= 0 {
		if octalIPv4(s[:i]) {
			return "", notObservable("leading zeros: octal or decimal IPv4")
		}
		return DomainPort, nil
	}
	if octalIPv4(s) {
		return "", notObservable("leading zeros: octal or decimal IPv4")
	}
	if err := checkNotFile(s); err != nil {
		return "", err
	}
	return DomainName, nil
}

// guessMarked knows the types that carry a mark of their own.
func guessMarked(s string) Type {
	switch {
	case hashOfDigits(len(s)) != "" && allHex(s):
		return hashOfDigits(len(s))
	case s[0] == '/':
		return URLPath
	case len(s) > 8 && strings.EqualFold(s[:8], "magnet:?"):
		return URL
	}
	colon, slash, at := strings.Index(s, "://"), strings.IndexAny(s, "/?#"), strings.IndexByte(s, '@')
	switch {
	case colon > 0 && slash == colon+1:
		return URL
	case at > 0 && (slash < 0 || at < slash):
		return EmailAddr
	}
	return ""
}

// guessIP knows addresses, blocks and addresses with a port.
func guessIP(s string) Type {
	colon := strings.IndexByte(s, ':') >= 0
	if !colon && !isDigit(s[0]) {
		return ""
	}
	if p, ok := parsePrefix(s); ok {
		if p.Addr().Is4() {
			return IPv4Addr
		}
		return IPv6Addr
	}
	if colon {
		if _, err := canonicalIPPort(s); err == nil {
			return IPPort
		}
	}
	return ""
}

func guessFingerprint(s string) Type {
	switch c := s[0] | 0x20; {
	case c == 'a' && len(s) > 2 && len(s) < 14 && s[1]|0x20 == 's':
		if _, err := canonicalAS(s); err == nil {
			return AutonomousSystem
		}
	case len(s) == 36 && s[10] == '_':
		if _, err := canonicalJA4(s); err == nil {
			return JA4
		}
	case c == 'c' && len(s) > 4 && s[3] == '-':
		if _, err := canonicalCVE(s); err == nil {
			return CVE
		}
	case len(s) == 72 && c == 't' || len(s) == 70 && allHex(s):
		if _, err := canonicalTLSH(s); err == nil {
			return TLSH
		}
	}
	if len(s) == 17 && s[2] == s[5] || len(s) == 14 && s[4] == s[9] {
		if _, err := canonicalMAC(s); err == nil {
			return MACAddr
		}
	}
	if isDigit(s[0]) && strings.IndexByte(s, ':') > 0 {
		if _, err := canonicalSSDEEP(s); err == nil {
			return SSDEEP
		}
	}
	return ""
}

// guessSchemeless: a host that stands before a path makes a URL without
// scheme, a lone question mark after it is punctuation.
func guessSchemeless(s string, i int) (Type, error) {
	host, _, err := canonicalHost(s[:i])
	if err != nil {
		return "", err
	}
	if strings.IndexByte(host, '.') < 0 && host[0] != '[' {
		return "", notObservable("no top-level domain")
	}
	return URL, nil
}

// wrappers are stripped from both ends, marks of a sentence from the end.
const (
	leading  = "\"'`+*-•·<([{|,;«“”‘’\\=>"
	trailing = "\"'`+*?<>)]}|,;.!»“”‘’"
)

// unwrap strips what people and mark-up put around a value. What belongs to
// the value stays: the star of a wildcard, a bracket that closes one inside,
// the brackets of an IPv6 address with a port.
func unwrap(s string) string {
	for {
		t := trimInvisible(s)
		t = stripFront(t)
		t = stripBack(t)
		if t == s {
			return s
		}
		s = t
	}
}

func stripFront(s string) string {
	if s == "" {
		return s
	}
	r, size := utf8.DecodeRuneInString(s)
	if !strings.ContainsRune(leading, r) || r == utf8.RuneError {
		return s
	}
	switch {
	case r == '*' && len(s) > 1 && (s[1] == '.' || s[1] == ':'):
		return s // *.evil.example
	case r == '-' && len(s) > 1 && s[1] != ' ' && s[1] != '-':
		return s // no bullet
	case r == '[' && bracketedHost(s):
		return s
	}
	return s[size:]
}

// bracketedHost reports whether s starts with an IPv6 address in brackets that
// something follows.
func bracketedHost(s string) bool {
	end := strings.IndexByte(s, ']')
	if end < 2 || end == len(s)-1 {
		return false
	}
	a, err := netip.ParseAddr(s[1:end])
	return err == nil && a.Is6()
}

func stripBack(s string) string {
	if s == "" {
		return s
	}
	r, size := utf8.DecodeLastRuneInString(s)
	if r == utf8.RuneError || !strings.ContainsRune(trailing, r) || strings.HasSuffix(s, "...") {
		return s
	}
	open := byte(0)
	switch r {
	case '?':
		if strings.IndexByte(s, '/') >= 0 || strings.IndexByte(s, '?') < len(s)-1 {
			return s // the mark of an empty query
		}
	case '*':
		if strings.HasSuffix(s, "/*") {
			return s
		}
	case ')':
		open = '('
	case ']':
		open = '['
	case '}':
		open = '{'
	}
	if open != 0 && strings.Count(s, string(open)) >= strings.Count(s, string(r)) {
		return s // it closes one that belongs to the value
	}
	return s[:len(s)-size]
}
