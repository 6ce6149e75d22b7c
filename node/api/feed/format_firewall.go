package feed

import (
	"fmt"

	"github.com/tocsin-exchange/tocsin/protocol/stix"
)

// firewallFormats are files that the packet filters of Linux load as a whole.
func firewallFormats() []Format {
	return []Format{
		newFormat("nftables", "nft -f: sets ipv4 and ipv6 of table inet tocsin, exchanged at once", mediaText,
			sheet{head: text(nftHead), parts: []part{nftSet("ipv4", stix.IPv4Addr), nftSet("ipv6", stix.IPv6Addr)}}),
		newFormat("ipset", "ipset restore -!: sets tocsin4 and tocsin6, each exchanged at once", mediaText,
			sheet{head: text(ipsetHead("tocsin4", "inet") + ipsetHead("tocsin6", "inet6")), tail: text(ipsetTail("tocsin4") + ipsetTail("tocsin6")), parts: []part{
				addressesOf("add tocsin4-new ", "\n", stix.IPv4Addr),
				addressesOf("add tocsin6-new ", "\n", stix.IPv6Addr),
			}}),
	}
}

// nftHead makes the sets where they are missing, so that rules that use them stay,
// and empties them. A file is one transaction, so nobody sees them empty.
const nftHead = `table inet tocsin {
	set ipv4 { type ipv4_addr; flags interval; auto-merge; }
	set ipv6 { type ipv6_addr; flags interval; auto-merge; }
}
flush set inet tocsin ipv4
flush set inet tocsin ipv6
`

// nftSet is one command for all elements: of several each would merge its own with
// all that went before.
func nftSet(set string, t stix.Type) part {
	p := addressesOf("\t", "", t)
	p.before, p.between, p.after = "add element inet tocsin "+set+" {\n", ",\n", "\n}\n"
	return p
}

// ipsetHead makes a set where it is missing, and another to fill in its place.
func ipsetHead(set, family string) string {
	const create = "create %s hash:net family %s maxelem %d\n"
	fresh := set + "-new"
	return fmt.Sprintf(create+create+"flush %s\n", set, family, MaxLines, fresh, family, MaxLines, fresh)
}

func ipsetTail(set string) string {
	return "swap " + set + "-new " + set + "\ndestroy " + set + "-new\n"
}
