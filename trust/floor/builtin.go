package floor

import (
	"net/netip"
	"strings"
)

// builtin makes the lists that every floor holds. They are short on purpose:
// what is here must be harmful to act on for everybody. The rest is for the
// operator and for warninglists.
func builtin() []*List {
	return []*List{
		written("public resolvers", publicResolvers()),
		written("root servers", rootServers()),
		written("registries", registries()),
		written("certificate status", certificateStatus()),
		written("time servers", timeServers()),
		written("software updates", softwareUpdates()),
		written("shared services", sharedServices()),
		written("shared networks", sharedNetworks()),
		trivialFiles(),
	}
}

// written makes a list of addresses, blocks, and names: ".x" with what is under
// it, "x" alone. It panics on anything else, as MustParse does.
func written(name string, entries []string) *List {
	l := &List{name: name}
	for _, e := range entries {
		base, dotted := strings.CutPrefix(e, ".")
		switch a, err := netip.ParseAddr(e); {
		case err == nil:
			l.addNetwork(netip.PrefixFrom(a, a.BitLen()))
		case strings.ContainsRune(e, '/'):
			l.addNetwork(netip.MustParsePrefix(e))
		case strings.ContainsRune(base, '.'):
			l.names = append(l.names, listedName{name: base, whole: dotted})
			l.entries++
		default:
			panic("floor: " + e + " of " + name)
		}
	}
	return l
}

// publicResolvers are what laptops, phones and branch offices ask for names.
// Whole /24s where the operator announces them for nothing else.
func publicResolvers() []string {
	return []string{
		"8.8.8.0/24", "8.8.4.0/24", "2001:4860:4860::/64", ".dns.google", // Google
		"1.1.1.0/24", "1.0.0.0/24", "2606:4700:4700::/48", ".one.one.one.one", ".cloudflare-dns.com", // Cloudflare
		"9.9.9.0/24", "149.112.112.0/24", "2620:fe::/48", ".quad9.net", // Quad9
		"208.67.220.0/24", "208.67.222.0/24", "2620:119:35::/48", "2620:119:53::/48", ".opendns.com", // OpenDNS
		"94.140.14.0/24", "94.140.15.0/24", "2a10:50c0::ad1:ff", "2a10:50c0::ad2:ff", ".adguard-dns.com", // AdGuard
		"4.2.2.0/29", "64.6.64.6", "64.6.65.6", // Level 3, Verisign: in old routers for good
		"185.228.168.0/24", "185.228.169.0/24", ".cleanbrowsing.org", // CleanBrowsing
		"45.90.28.0/24", "45.90.30.0/24", ".dns.nextdns.io", // NextDNS
		"76.76.2.0/24", "76.76.10.0/24", ".controld.com", // Control D
		"194.242.2.0/24", ".dns.mullvad.net", // Mullvad
		"74.82.42.42", "2001:470:20::2", // Hurricane Electric
		"8.26.56.26", "8.20.247.20", // Comodo
		"77.88.8.1", "77.88.8.8", "2a02:6b8::feed:ff", "2a02:6b8:0:1::feed:ff", // Yandex
		"223.5.5.5", "223.6.6.6", "2400:3200::1", "2400:3200:baba::1", // AliDNS
		"114.114.114.114", "114.114.115.115", "119.29.29.29", // 114DNS, DNSPod
	}
}

// rootServers are the servers of the root and of com and net, a to m each.
// Without them no name resolves anywhere.
func rootServers() []string {
	return []string{
		".root-servers.net", ".gtld-servers.net",
		"198.41.0.4", "2001:503:ba3e::2:30", // a
		"170.247.170.2", "2801:1b8:10::b", "199.9.14.201", "2001:500:200::b", // b, and where it was until 2023
		"192.33.4.12", "2001:500:2::c",
		"199.7.91.13", "2001:500:2d::d",
		"192.203.230.10", "2001:500:a8::e",
		"192.5.5.241", "2001:500:2f::f",
		"192.112.36.4", "2001:500:12::d0d",
		"198.97.190.53", "2001:500:1::53",
		"192.36.148.17", "2001:7fe::53",
		"192.58.128.30", "2001:503:c27::2:30",
		"193.0.14.129", "2001:7fd::1",
		"199.7.83.42", "2001:500:9f::42",
		"202.12.27.33", "2001:dc3::35", // m
		"192.5.6.30", "192.33.14.30", "192.26.92.30", "192.31.80.30", "192.12.94.30", "192.35.51.30", "192.42.93.30",
		"192.54.112.30", "192.43.172.30", "192.48.79.30", "192.52.178.30", "192.41.162.30", "192.55.83.30",
		"2001:503:a83e::2:30", "2001:503:231d::2:30", "2001:503:83eb::30", "2001:500:856e::30", "2001:502:1ca1::30",
		"2001:503:d414::30", "2001:503:eea3::30", "2001:502:8cc::30", "2001:503:39c1::30", "2001:502:7094::30",
		"2001:503:d2d::30", "2001:500:d937::30", "2001:501:b1f9::30",
	}
}

// registries hold the registrations of names and addresses, and the last names
// that are over public suffixes without being one: municipalities register
// under the counties of Norway.
func registries() []string {
	return []string{
		".iana.org", ".icann.org", ".internic.net", ".nic.arpa",
		".arin.net", ".ripe.net", ".apnic.net", ".lacnic.net", ".afrinic.net",
		".verisign-grs.com", ".afilias-nst.info", ".nic.uk", ".denic.de", ".eurid.eu", ".nic.fr", ".switch.ch", ".norid.no",
		"akershus.no", "buskerud.no", "hedmark.no", "hordaland.no", "more-og-romsdal.no", "xn--mre-og-romsdal-qqb.no",
		"nordland.no", "ostfold.no", "xn--stfold-9xa.no", "telemark.no", "vestfold.no",
	}
}
