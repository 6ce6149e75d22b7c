package stix

import "strings"

// Limits of a pattern. They bound work and memory; every pattern of a
// published report seen so far is a tenth of them.
const (
	MaxPattern     = 8 << 10 // bytes
	MaxNesting     = 32      // parentheses inside each other
	MaxComparisons = 256
)

// Comparison is one test of a pattern: path, operator and operand as they are
// written ("file:hashes.MD5", "=", "'...'"). An operand of IN is the whole list.
// Of EXISTS the operand is empty.
type Comparison struct {
	Path, Op, Value string
	Negated         bool // NOT

	object string   // the object type: "file"
	keys   []string // the rest of the path, unquoted: "hashes", "MD5"; an index is "[*]"
	values []literal
}

// literal is one constant. The text of a string is unquoted.
type literal struct {
	kind byte // 's' string, 'i' integer, 'f' float, 'b' binary, 'h' hex, 't' timestamp, 'l' bool
	text string
}

// Pattern is a parsed STIX pattern. Its zero value says nothing.
type Pattern struct {
	text        string
	root        node
	comparisons []Comparison
}

// node is an inner part of a pattern: of comparisons inside brackets and of
// observations outside.
type node struct {
	op        byte // 'c' one comparison, '&' AND, '|' OR, '>' FOLLOWEDBY
	qualified bool // WITHIN, REPEATS or START stands behind it
	index     int  // of the comparison
	kids      []node
}

// String returns the text the pattern was parsed from.
func (p Pattern) String() string { return p.text }

// Comparisons returns the comparisons in the order of the text.
func (p Pattern) Comparisons() []Comparison { return p.comparisons }

// Observables returns the values of which each alone makes the pattern match,
// canonical, sorted and without duplicates: comparisons with "=" or IN, blocks
// given by ISSUBSET, "%.host" given by LIKE, and the AND of an address or name
// and a port that [Observable.Pattern] writes, alone or as an alternative of OR.
//
// What needs more than one value (AND, FOLLOWEDBY), what is negated,
// qualified, or compared in another way yields none, and neither does a value
// that is not valid for its type.
func (p Pattern) Observables() []Observable {
	if len(p.comparisons) == 0 {
		return nil
	}
	return sortObservables(p.collect(nil, &p.root))
}

func (p Pattern) collect(list []Observable, n *node) []Observable {
	if n.qualified {
		return list
	}
	switch n.op {
	case 'c':
		return p.comparisons[n.index].observables(list)
	case '|':
		for i := range n.kids {
			list = p.collect(list, &n.kids[i])
		}
	case '&':
		if o, ok := p.endpoint(n); ok {
			list = append(list, o)
		}
	}
	return list
}

// endpoint reads the AND of one network-traffic destination and its port.
func (p Pattern) endpoint(n *node) (Observable, bool) {
	var kind, host, port string
	for i := range n.kids {
		k := &n.kids[i]
		if k.op != 'c' || k.qualified {
			return Observable{}, false
		}
		c := &p.comparisons[k.index]
		if c.object != "network-traffic" || c.Op != "=" || c.Negated {
			return Observable{}, false
		}
		into := &host
		switch strings.Join(c.keys, ".") {
		case "dst_ref.type":
			into = &kind
		case "dst_port":
			into = &port
		case "dst_ref.value", "dst_ip":
		default:
			return Observable{}, false
		}
		if *into != "" {
			return Observable{}, false
		}
		*into = c.values[0].text
	}
	return hostAndPort(kind, host, port)
}

func hostAndPort(kind, host, port string) (Observable, bool) {
	host = trimInvisible(Refang(host))
	p, isIP := parsePrefix(host)
	t := IPPort
	switch {
	case host == "" || port == "":
		return Observable{}, false
	case isIP && p.Addr().Is4():
		if kind != "" && kind != string(IPv4Addr) {
			return Observable{}, false
		}
	case isIP:
		if kind != "" && kind != string(IPv6Addr) {
			return Observable{}, false
		}
		host = "[" + host + "]"
	default:
		if kind != "" && kind != string(DomainName) {
			return Observable{}, false
		}
		t = DomainPort
	}
	o, err := Canonical(t, host+":"+port)
	return o, err == nil
}

// observables appends what the comparison alone says.
func (c *Comparison) observables(list []Observable) []Observable {
	if c.Negated {
		return list
	}
	switch c.Op {
	case "=", "IN":
		for _, v := range c.values {
			if o, ok := c.observable(v); ok {
				list = append(list, o)
			}
		}
	case "ISSUBSET":
		o, ok := c.observable(c.values[0])
		if ok && (o.Type == IPv4Addr || o.Type == IPv6Addr) {
			list = append(list, o)
		}
	case "LIKE":
		rest, ok := strings.CutPrefix(c.values[0].text, "%.")
		if ok && c.object == "domain-name" && len(c.keys) == 1 && c.keys[0] == "value" {
			if o, err := Canonical(DomainName, "*."+rest); err == nil {
				list = append(list, o)
			}
		}
	}
	return list
}

func (c *Comparison) observable(v literal) (Observable, bool) {
	if v.kind != 's' && (v.kind != 'i' || c.object != "autonomous-system") {
		return Observable{}, false
	}
	t := c.observableType(v.text)
	if t == "" {
		return Observable{}, false
	}
	o, err := Canonical(t, v.text)
	if err != nil && onNetwork(t) {
		return mistyped(v.text)
	}
	return o, err == nil
}

func onNetwork(t Type) bool {
	return t == IPv4Addr || t == IPv6Addr || t == DomainName || t == URL
}

// mistyped reads a value that its publisher put under the wrong network type:
// published sets hold addresses as domain names and bare hosts as URLs. What
// was written is what is meant; nothing is narrowed to a part of it.
func mistyped(value string) (Observable, bool) {
	v := trimInvisible(Refang(value))
	if v == "" {
		return Observable{}, false
	}
	t, err := guess(v)
	if err != nil || !onNetwork(t) && t != IPPort && t != DomainPort {
		return Observable{}, false
	}
	o, err := Canonical(t, v)
	return o, err == nil
}

// observableType is the type the path speaks of; for an address either family
// is given as IPv4Addr.
func (c *Comparison) observableType(value string) Type {
	switch len(c.keys) {
	case 1:
		return c.plainType(value)
	case 2:
		switch {
		case c.keys[0] == "hashes":
			return hashType(c.object, c.keys[1])
		case c.keys[1] != "value":
			return ""
		case c.object == "network-traffic" && (c.keys[0] == "dst_ref" || c.keys[0] == "src_ref"):
			return addressOrName(value)
		case c.object == "email-message" && (c.keys[0] == "from_ref" || c.keys[0] == "sender_ref"):
			return EmailAddr
		}
	case 4:
		if c.object == "network-traffic" && c.keys[0] == "extensions" && c.keys[1] == "http-request-ext" &&
			c.keys[2] == "request_header" && strings.EqualFold(c.keys[3], "user-agent") {
			return UserAgent
		}
	}
	return ""
}

// addressOrName is IPv4Addr for addresses of both families.
func addressOrName(value string) Type {
	if _, ok := parsePrefix(trimInvisible(Refang(value))); ok {
		return IPv4Addr
	}
	return DomainName
}

func (c *Comparison) plainType(value string) Type {
	switch c.object + ":" + c.keys[0] {
	case "ipv4-addr:value", "ipv6-addr:value":
		return IPv4Addr
	case "domain-name:value":
		return DomainName
	case "url:value":
		if strings.HasPrefix(value, "/") {
			return URLPath
		}
		return URL
	case "email-addr:value":
		return EmailAddr
	case "file:name":
		return FileName
	case "mac-addr:value":
		return MACAddr
	case "autonomous-system:number":
		return AutonomousSystem
	case "mutex:name":
		return Mutex
	case "windows-registry-key:key", "win-registry-key:key":
		return WindowsRegistryKey
	case "vulnerability:name":
		return CVE
	case "network-traffic:x_ja3":
		return JA3
	case "network-traffic:x_ja3s":
		return JA3S
	case "network-traffic:x_ja4":
		return JA4
	}
	return ""
}

// hashType knows the spellings of hash keys: SHA-256, sha256, Sha_256.
func hashType(object, key string) Type {
	name := strings.ToLower(strings.NewReplacer("-", "", "_", "").Replace(key))
	switch object {
	case "file", "artifact":
		switch t := Type(name); t {
		case MD5, SHA1, SHA256, SHA512, SSDEEP, TLSH:
			return t
		}
	case "x509-certificate":
		switch t := Type("x509-" + name); t {
		case X509MD5, X509SHA1, X509SHA256:
			return t
		}
	}
	return ""
}
