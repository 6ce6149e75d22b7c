package stix

import (
	"cmp"
	"net/netip"
	"slices"
	"strings"
)

// Type is the kind of an observable. The names are stable: they are used in
// JSON, on the command line and in the index.
type Type string

const (
	IPv4Addr           Type = "ipv4-addr"            // 203.0.113.7, or a block 203.0.113.0/24
	IPv6Addr           Type = "ipv6-addr"            // 2001:db8::7, or a block 2001:db8::/32
	DomainName         Type = "domain-name"          // evil.example, or everything under it: *.evil.example
	URL                Type = "url"                  // https://evil.example/a, or without scheme: evil.example/a
	URLPath            Type = "url-path"             // /gate.php on any host
	IPPort             Type = "ip-port"              // 203.0.113.7:443, [2001:db8::7]:443
	DomainPort         Type = "domain-port"          // evil.example:8443
	EmailAddr          Type = "email-addr"           // sender@evil.example
	MD5                Type = "md5"                  // of a file, as are the hashes below
	SHA1               Type = "sha1"                 //
	SHA256             Type = "sha256"               //
	SHA512             Type = "sha512"               //
	SSDEEP             Type = "ssdeep"               // case matters
	TLSH               Type = "tlsh"                 // T1 and 70 upper-case hex digits
	FileName           Type = "file-name"            // as written; never guessed by Detect
	MACAddr            Type = "mac-addr"             // 00:00:5e:00:53:01
	AutonomousSystem   Type = "autonomous-system"    // AS64500
	Mutex              Type = "mutex"                // as written
	WindowsRegistryKey Type = "windows-registry-key" // hive in capitals, the rest in small letters
	UserAgent          Type = "user-agent"           // as written
	CVE                Type = "cve"                  // CVE-2024-1234
	X509MD5            Type = "x509-md5"             // fingerprints of certificates
	X509SHA1           Type = "x509-sha1"            //
	X509SHA256         Type = "x509-sha256"          //
	JA3                Type = "ja3"                  // fingerprints of TLS clients and servers
	JA3S               Type = "ja3s"                 //
	JA4                Type = "ja4"                  //
)

// maxValue is the longest value of any type, in bytes. Twice that, with every
// byte escaped, still fits in a pattern.
const maxValue = 4000

// Observable is a value one can look for, in canonical form: two spellings of
// the same thing are the same Observable, so it can be a map key. Obtain one
// from [Canonical], [Detect] or a parsed object.
type Observable struct {
	Type  Type   `json:"type"`
	Value string `json:"value"`
}

func (o Observable) String() string { return string(o.Type) + ":" + o.Value }

// Types returns every type, in a fixed order.
func Types() []Type {
	return []Type{
		IPv4Addr, IPv6Addr, DomainName, URL, URLPath, IPPort, DomainPort, EmailAddr,
		MD5, SHA1, SHA256, SHA512, SSDEEP, TLSH, FileName, MACAddr, AutonomousSystem,
		Mutex, WindowsRegistryKey, UserAgent, CVE, X509MD5, X509SHA1, X509SHA256,
		JA3, JA3S, JA4,
	}
}

// ParseType reads a type name or one of the names people and other tools use
// for it ("ip", "hostname", "sha-256"), in any case. "ip" and "ip-src" give
// [IPv4Addr]: the value decides which family it is, see [Detect].
func ParseType(s string) (Type, error) {
	name := strings.NewReplacer("_", "-", " ", "-").Replace(strings.ToLower(strings.TrimSpace(s)))
	if t := typeOf(name); t != "" {
		return t, nil
	}
	return "", notObservable("unknown type " + quoted(s))
}

func typeOf(name string) Type {
	switch name {
	case "ip", "ipv4", "ip4", "ip-addr", "ip-address", "ipv4-addr", "ipv4-address", "ip-src", "ip-dst", "cidr", "ipv4-cidr", "network":
		return IPv4Addr
	case "ipv6", "ip6", "ipv6-addr", "ipv6-address", "ipv6-cidr":
		return IPv6Addr
	case "domain", "domain-name", "hostname", "host", "fqdn", "domain-wildcard", "dns":
		return DomainName
	case "url", "uri", "link":
		return URL
	case "url-path", "path":
		return URLPath
	case "ip-port", "ip:port", "ip-dst|port", "ip-src|port", "ipv4-port", "socket":
		return IPPort
	case "domain-port", "domain:port", "hostname|port", "hostname-port":
		return DomainPort
	case "email", "e-mail", "mail", "email-addr", "email-address", "email-src", "email-dst":
		return EmailAddr
	case "md5", "file-md5", "filehash-md5", "hash-md5", "md5-hash":
		return MD5
	case "sha1", "sha-1", "file-sha1", "filehash-sha1", "hash-sha1", "sha1-hash":
		return SHA1
	case "sha256", "sha-256", "hash", "file-sha256", "filehash-sha256", "hash-sha256", "sha256-hash":
		return SHA256
	case "sha512", "sha-512", "file-sha512", "filehash-sha512", "hash-sha512", "sha512-hash":
		return SHA512
	case "ssdeep", "fuzzy-hash":
		return SSDEEP
	case "tlsh":
		return TLSH
	case "file-name", "filename":
		return FileName
	}
	return hostTypeOf(name)
}

func hostTypeOf(name string) Type {
	switch name {
	case "mac", "mac-addr", "mac-address":
		return MACAddr
	case "as", "asn", "autonomous-system":
		return AutonomousSystem
	case "mutex":
		return Mutex
	case "windows-registry-key", "registry-key", "registry", "regkey":
		return WindowsRegistryKey
	case "user-agent", "useragent", "ua":
		return UserAgent
	case "cve", "vulnerability":
		return CVE
	case "x509-md5", "x509-fingerprint-md5":
		return X509MD5
	case "x509-sha1", "x509-fingerprint-sha1":
		return X509SHA1
	case "x509-sha256", "x509-fingerprint-sha256":
		return X509SHA256
	case "ja3", "ja3-fingerprint-md5":
		return JA3
	case "ja3s":
		return JA3S
	case "ja4":
		return JA4
	}
	return ""
}

// Canonical reads value as one of type t: invisible characters at its ends
// are trimmed, defanging marks of network types undone, the syntax checked and
// the canonical spelling chosen. IPv4Addr and IPv6Addr stand for either
// family only in the name: an address of the other family is refused.
//
// Canonical(o.Type, o.Value) returns o for every o it returns. An error wraps
// [ErrNotObservable] and says why in a few words.
func Canonical(t Type, value string) (Observable, error) {
	v := trimInvisible(value)
	if v == "" {
		return Observable{}, notObservable("empty")
	}
	if len(v) > maxValue {
		return Observable{}, notObservable("longer than 4000 bytes")
	}
	if err := checkText(v); err != nil {
		return Observable{}, err
	}
	c, err := canonicalValue(t, v)
	if err != nil {
		return Observable{}, err
	}
	return Observable{Type: t, Value: c}, nil
}

func canonicalValue(t Type, v string) (string, error) {
	switch t {
	case IPv4Addr, IPv6Addr, DomainName, URL, URLPath, IPPort, DomainPort, EmailAddr:
		v = trimInvisible(Refang(v))
	}
	return canonicalRefanged(t, v)
}

func canonicalRefanged(t Type, v string) (string, error) {
	switch t {
	case IPv4Addr, IPv6Addr:
		return canonicalIP(v, t == IPv6Addr)
	case DomainName:
		return canonicalDomainName(v)
	case URL:
		return canonicalURL(v)
	case URLPath:
		return canonicalURLPath(v)
	case IPPort:
		return canonicalIPPort(v)
	case DomainPort:
		return canonicalDomainPort(v)
	case EmailAddr:
		return canonicalEmail(v)
	case MD5, SHA1, SHA256, SHA512, JA3, JA3S:
		return canonicalHash(v, hashDigits(t))
	case X509MD5, X509SHA1, X509SHA256:
		return canonicalFingerprint(v, hashDigits(t))
	case SSDEEP:
		return canonicalSSDEEP(v)
	case TLSH:
		return canonicalTLSH(v)
	}
	return canonicalHostValue(t, v)
}

// Parents returns the names a domain-name stands under, nearest first, down to
// the top-level one: for a.b.evil.example b.evil.example, evil.example and
// example. A wildcard starts with the name it stands for. Other types have
// none.
func (o Observable) Parents() []string {
	if o.Type != DomainName {
		return nil
	}
	rest, parents := o.Value, make([]string, 0, strings.Count(o.Value, "."))
	for {
		_, after, more := strings.Cut(rest, ".")
		if !more {
			return parents
		}
		parents = append(parents, after)
		rest = after
	}
}

// Prefix returns the addresses an ipv4-addr or ipv6-addr stands for; a single
// address has a prefix of its full length.
func (o Observable) Prefix() (netip.Prefix, bool) {
	if o.Type != IPv4Addr && o.Type != IPv6Addr {
		return netip.Prefix{}, false
	}
	return parsePrefix(o.Value)
}

func compareObservables(a, b Observable) int {
	return cmp.Or(strings.Compare(string(a.Type), string(b.Type)), strings.Compare(a.Value, b.Value))
}

// sortObservables sorts and removes duplicates in place.
func sortObservables(list []Observable) []Observable {
	if len(list) < 2 {
		return list
	}
	slices.SortFunc(list, compareObservables)
	return slices.Compact(list)
}
