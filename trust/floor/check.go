package floor

import (
	"net/netip"
	"strconv"
	"strings"

	"github.com/tocsin-exchange/tocsin/protocol/stix"
)

// Check reports whether a value must never act, and why. The value is to be
// canonical ([stix.Canonical]); one that is not never acts.
func (f *Floor) Check(o stix.Observable) (Hit, bool) {
	if o.Value == "" {
		return notReadable(o)
	}
	if why := o.SpecialUse(); why != "" {
		return Hit{List: specialUse, Reason: why}, true
	}
	if hit, ok := f.checkHost(o); ok {
		return hit, true
	}
	if list := f.values[o]; list != 0 {
		return f.hit("is", o.Value, list), true
	}
	if hit, ok := f.checkExpressions(o); ok {
		return hit, true
	}
	if c, err := stix.Canonical(o.Type, o.Value); err != nil || c != o {
		return notReadable(o)
	}
	return Hit{}, false
}

func notReadable(o stix.Observable) (Hit, bool) {
	return Hit{List: unreadable, Reason: "no canonical " + string(o.Type)}, true
}

func (f *Floor) hit(relation, entry string, list listID) Hit {
	name := f.lists[list-1].name
	return Hit{List: name, Entry: entry, Reason: relation + " " + entry + " of " + name}
}

// checkHost checks the address or name that a value is, or is on.
func (f *Floor) checkHost(o stix.Observable) (Hit, bool) {
	switch o.Type {
	case stix.IPv4Addr, stix.IPv6Addr:
		p, ok := o.Prefix()
		if !ok {
			return notReadable(o)
		}
		return f.checkNetwork(p)
	case stix.DomainName:
		return f.checkName(strings.TrimPrefix(o.Value, "*."))
	case stix.IPPort, stix.DomainPort:
		return f.checkSite(hostOf(o))
	case stix.URL:
		return f.checkURL(o)
	case stix.EmailAddr:
		return f.checkMail(hostOf(o))
	}
	return Hit{}, false
}

func (f *Floor) checkNetwork(p netip.Prefix) (Hit, bool) {
	if b, inside, ok := f.blocks.find(p); ok {
		relation := "holds"
		switch {
		case b.prefix == p:
			relation = "is"
		case inside:
			relation = "in"
		}
		return f.hit(relation, entryOf(b.prefix), b.list), true
	}
	least := f.minBits4
	if p.Addr().Is6() {
		least = f.minBits6
	}
	if p.Bits() < least {
		return Hit{List: minimumPrefix, Reason: "wider than /" + strconv.Itoa(least)}, true
	}
	return Hit{}, false
}

// entryOf writes a block as people do: a block of one address as the address.
func entryOf(p netip.Prefix) string {
	if p.IsSingleIP() {
		return p.Addr().String()
	}
	return p.String()
}

// checkSite checks all that is on a host.
func (f *Floor) checkSite(host string) (Hit, bool) {
	if a, err := netip.ParseAddr(host); err == nil {
		return f.checkNetwork(netip.PrefixFrom(a, a.BitLen()))
	}
	if why := (stix.Observable{Type: stix.DomainName, Value: host}).SpecialUse(); why != "" {
		return Hit{List: specialUse, Reason: why}, true
	}
	return f.checkName(host)
}

// checkName checks a name with all that is under it, in both directions: many
// tools that are told to block a name block what is under it too.
func (f *Floor) checkName(name string) (Hit, bool) {
	if hit, ok := f.over(&f.own, name, ""); ok {
		return hit, true
	}
	if hit, ok := f.over(&f.hosts, name, boundary(name, f.wholeSuffixes)); ok {
		return hit, true
	}
	lower, ok := f.own.above[name]
	if !ok {
		lower, ok = f.hosts.above[name]
	}
	if ok {
		return f.hit("parent of", lower.name, lower.list), true
	}
	if suffix := suffixUnder(name); suffix != "" {
		return Hit{List: specialUse, Reason: "parent of public suffixes (" + suffix + ")"}, true
	}
	return Hit{}, false
}

// over checks a name against the listed names it is or is under.
func (f *Floor) over(x *nameIndex, name, boundary string) (Hit, bool) {
	entry, list := x.over(name, boundary)
	switch {
	case list == 0:
		return Hit{}, false
	case entry == name:
		return f.hit("is", entry, list), true
	}
	return f.hit("under", entry, list), true
}

// checkURL lets a URL on a popular host act, since everybody can put a page
// there, unless it says the whole site; nothing on an own host or on a listed
// address may act.
func (f *Floor) checkURL(o stix.Observable) (Hit, bool) {
	host := hostOf(o)
	if host == "" {
		return Hit{}, false
	}
	if _, err := netip.ParseAddr(host); err == nil || wholeSite(o.Value) {
		return f.checkSite(host)
	}
	return f.over(&f.own, host, "")
}

func (f *Floor) checkMail(host string) (Hit, bool) {
	if hit, ok := f.over(&f.own, host, ""); ok {
		return hit, true
	}
	return f.over(&f.mailHosts, host, boundary(host, f.wholeSuffixes))
}
