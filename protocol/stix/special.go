package stix

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"golang.org/x/net/publicsuffix"
)

// The widest blocks that can be an indicator.
const (
	minBits4 = 8
	minBits6 = 16
)

// SpecialUse says why the value must not become an active indicator, "" when
// nothing speaks against it: an address of an IANA special-purpose registry, a
// block that holds some or is too wide, a special-use or public-suffix name, a
// URL or port on such a host, the hash of an empty file, a private AS number.
//
// The ranges for documentation (192.0.2.0/24, 198.51.100.0/24, 203.0.113.0/24,
// 2001:db8::/32, 3fff::/20, .example) are not refused: drills and
// demonstrations live there.
func (o Observable) SpecialUse() string {
	switch o.Type {
	case IPv4Addr, IPv6Addr:
		if p, ok := o.Prefix(); ok {
			return specialPrefix(p)
		}
	case IPPort:
		if a, _ := addrOfPort(o.Value); a.IsValid() {
			return specialPrefix(netip.PrefixFrom(a, a.BitLen()))
		}
	case URL:
		return specialHost(urlHost(o.Value))
	case DomainName:
		if s := specialName(o.Value); s != "" {
			return s
		}
		return publicSuffix(o.Value)
	case DomainPort:
		host, _, _ := strings.Cut(o.Value, ":")
		return specialName(host)
	case EmailAddr:
		return specialName(o.Value[strings.LastIndexByte(o.Value, '@')+1:])
	case MD5, SHA1, SHA256, SHA512:
		return specialHash(o.Value)
	case AutonomousSystem:
		return specialAS(o.Value)
	}
	return ""
}

// specialRange is a block of a registry.
type specialRange struct {
	prefix netip.Prefix
	reason string
}

// special4 and special6 are the IANA special-purpose address registries with
// multicast, less the documentation ranges.
var (
	special4 = [...]specialRange{
		{netip.MustParsePrefix("0.0.0.0/8"), "this network (0.0.0.0/8)"},
		{netip.MustParsePrefix("10.0.0.0/8"), "private address"},
		{netip.MustParsePrefix("100.64.0.0/10"), "shared address space (100.64.0.0/10)"},
		{netip.MustParsePrefix("127.0.0.0/8"), "loopback"},
		{netip.MustParsePrefix("169.254.0.0/16"), "link-local address"},
		{netip.MustParsePrefix("172.16.0.0/12"), "private address"},
		{netip.MustParsePrefix("192.0.0.0/24"), "reserved (192.0.0.0/24)"},
		{netip.MustParsePrefix("192.31.196.0/24"), "AS112 (192.31.196.0/24)"},
		{netip.MustParsePrefix("192.52.193.0/24"), "AMT (192.52.193.0/24)"},
		{netip.MustParsePrefix("192.88.99.0/24"), "6to4 relay (192.88.99.0/24)"},
		{netip.MustParsePrefix("192.168.0.0/16"), "private address"},
		{netip.MustParsePrefix("192.175.48.0/24"), "AS112 (192.175.48.0/24)"},
		{netip.MustParsePrefix("198.18.0.0/15"), "benchmarking (198.18.0.0/15)"},
		{netip.MustParsePrefix("224.0.0.0/4"), "multicast"},
		{netip.MustParsePrefix("240.0.0.0/4"), "reserved (240.0.0.0/4)"},
	}
	special6 = [...]specialRange{
		{netip.MustParsePrefix("::1/128"), "loopback"},
		{netip.MustParsePrefix("::/128"), "unspecified address"},
		{netip.MustParsePrefix("::ffff:0:0/96"), "IPv4-mapped address"},
		{netip.MustParsePrefix("64:ff9b::/96"), "IPv4 translation (64:ff9b::/96)"},
		{netip.MustParsePrefix("64:ff9b:1::/48"), "IPv4 translation (64:ff9b:1::/48)"},
		{netip.MustParsePrefix("100::/64"), "discard (100::/64)"},
		{netip.MustParsePrefix("2001::/23"), "IETF assignments (2001::/23)"},
		{netip.MustParsePrefix("2002::/16"), "6to4 (2002::/16)"},
		{netip.MustParsePrefix("2620:4f:8000::/48"), "AS112 (2620:4f:8000::/48)"},
		{netip.MustParsePrefix("5f00::/16"), "segment routing (5f00::/16)"},
		{netip.MustParsePrefix("fc00::/7"), "private address (unique local)"},
		{netip.MustParsePrefix("fe80::/10"), "link-local address"},
		{netip.MustParsePrefix("ff00::/8"), "multicast"},
	}
	globalUnicast = netip.MustParsePrefix("2000::/3")
)

func specialPrefix(p netip.Prefix) string {
	table, least := special4[:], minBits4
	if p.Addr().Is6() {
		table, least = special6[:], minBits6
	}
	inside := ""
	for _, r := range table {
		if r.prefix.Bits() <= p.Bits() && r.prefix.Contains(p.Addr()) {
			return r.reason
		}
		if inside == "" && p.Bits() < r.prefix.Bits() && p.Contains(r.prefix.Addr()) {
			inside = "holds special addresses: " + r.reason
		}
	}
	if p.Bits() < least {
		return "prefix too short (/" + strconv.Itoa(p.Bits()) + ")"
	}
	if inside == "" && p.Addr().Is6() && !globalUnicast.Contains(p.Addr()) {
		return "reserved (outside 2000::/3)"
	}
	return inside
}

func specialHost(host string) string {
	if a, err := netip.ParseAddr(host); err == nil {
		return specialPrefix(netip.PrefixFrom(a, a.BitLen()))
	}
	return specialName(host)
}

// specialName knows the special-use names (RFC 6761 and later) that never
// belong to somebody else's host.
func specialName(name string) string {
	switch tld := name[strings.LastIndexByte(name, '.')+1:]; tld {
	case "localhost", "localdomain", "local", "internal", "invalid", "test", "arpa":
		return "special-use name (." + tld + ")"
	}
	return ""
}

// publicSuffix refuses names under which the whole world registers: co.uk, and
// wildcards over them or over a top-level domain. The suffixes of companies
// (duckdns.org, web.app) are left to the trust of whoever reads them.
func publicSuffix(name string) string {
	base := strings.TrimPrefix(name, "*.")
	if strings.Count(base, ".") > 3 {
		return "" // no suffix of the registries is that long
	}
	suffix, icann := publicsuffix.PublicSuffix(base)
	if suffix != base || !icann && strings.Contains(base, ".") {
		return ""
	}
	return "public suffix (" + suffix + ")"
}

func specialHash(s string) string {
	switch s {
	case "d41d8cd98f00b204e9800998ecf8427e", "da39a3ee5e6b4b0d3255bfef95601890afd80709",
		"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
		"cf83e1357eefb8bdf1542850d66d8007d620e4050b5715dc83f4a921d36ce9ce47d0d13c5d85f2b0ff8318d2877eec2f63b931bd47417a81a538327af927da3e":
		return "hash of the empty file"
	}
	if strings.Count(s, s[:1]) == len(s) {
		return "placeholder, no hash"
	}
	return ""
}

// specialAS knows the numbers nobody announces (RFC 6996, 7300, 7607, 6793).
func specialAS(s string) string {
	n, err := strconv.ParseUint(strings.TrimPrefix(s, "AS"), 10, 32)
	switch {
	case err != nil:
		return fmt.Sprintf("no AS number (%q)", s)
	case n >= 64512 && n <= 65534, n >= 4200000000 && n < 1<<32-1:
		return "private AS number"
	case n == 0, n == 65535, n == 1<<32-1, n == 23456:
		return "reserved AS number"
	}
	return ""
}
