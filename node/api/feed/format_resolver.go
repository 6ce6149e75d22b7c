package feed

import (
	"slices"
	"strconv"
	"strings"

	"github.com/tocsin-exchange/tocsin/protocol/stix"
)

// resolverFormats are files of those that answer or filter names.
func resolverFormats() []Format {
	return []Format{
		newFormat("hosts", "hosts(5), dnsmasq --addn-hosts, Pi-hole, pfBlockerNG", mediaText,
			sheet{parts: []part{names("0.0.0.0 ", "\n")}}),
		newFormat("adblock", "AdGuard Home and other filters of names", mediaText,
			sheet{parts: []part{adblock()}}),
		newFormat("dnsmasq", "dnsmasq --conf-file", mediaText,
			sheet{parts: []part{names("host-record=", ",0.0.0.0,::\n"), wildcards("address=/*.", "/\n")}}),
		newFormat("rpz", "a response policy zone, for BIND, Unbound, PowerDNS and Knot", "text/dns; charset=utf-8",
			sheet{head: rpzHead, parts: []part{rpz()}}),
	}
}

// adblock names single names as hosts files do, since "||name^" is also all that
// is under a name. Of wildcards it makes expressions that hold for names, and
// never for a URL with such a name in it.
func adblock() part {
	return part{types: []stix.Type{stix.DomainName}, line: func(b []byte, _ *Document, e *Entry) []byte {
		if !isWildcard(e) {
			return enclosed(b, "0.0.0.0 ", e.Value, "\n")
		}
		b = append(b, `/^[a-z0-9_.-]+`...)
		return append(appendExpression(b, e.Value[len("*"):]), "$/\n"...)
	}}
}

// rpzNames is the longest name of a zone, so that its own name has room for 64
// bytes: one that is too long would keep the whole zone from being loaded.
const rpzNames = 253 - 65

// rpzHead is the same every time but for its serial. Who asks for the zone by HTTP
// asks again after a minute.
func rpzHead(b []byte, d *Document) []byte {
	b = append(b, "$TTL 60\n@ IN SOA localhost. root.localhost. "...)
	b = strconv.AppendUint(b, uint64(uint32(d.Changed.Unix())), 10)
	return append(b, " 60 30 604800 60\n@ IN NS localhost.\n"...)
}

// rpz says of each value that there is no such name. What an answer holds is
// looked at as well, so an address is all names that have it.
func rpz() part {
	return part{types: []stix.Type{stix.IPv4Addr, stix.IPv6Addr, stix.DomainName}, line: func(b []byte, _ *Document, e *Entry) []byte {
		if e.Type == stix.DomainName {
			if len(e.Value) > rpzNames {
				return b
			}
			return enclosed(b, "", e.Value, " CNAME .\n")
		}
		p, _ := network(e)
		b = strconv.AppendInt(b, int64(p.Bits()), 10)
		sep := "."
		if p.Addr().Is6() {
			sep = ":"
		}
		// "zz" stands for the zeros that "::" leaves out; BIND wants the same ones.
		labels := strings.Split(strings.Trim(strings.Replace(p.Addr().String(), "::", ":zz:", 1), ":"), sep)
		for _, label := range slices.Backward(labels) {
			b = append(append(b, '.'), label...)
		}
		return append(b, ".rpz-ip CNAME .\n"...)
	}}
}
