package floor

import (
	"cmp"
	"net/netip"
	"slices"
	"sort"
)

// block is a listed address block.
type block struct {
	prefix netip.Prefix
	list   listID
	outer  int32 // the place of the next wider block around it, -1 for none
}

// blockTable holds blocks by first address, wider before narrower. Blocks nest
// or are apart, so that whatever holds a block is the one before it in this
// order or one around that.
type blockTable []block

// unmapped is an IPv4 block where an IPv6 one only writes IPv4 addresses.
func unmapped(p netip.Prefix) netip.Prefix {
	if a := p.Addr(); a.Is4In6() && p.Bits() >= 96 {
		return netip.PrefixFrom(a.Unmap(), p.Bits()-96)
	}
	return p
}

func comparePrefixes(a, b netip.Prefix) int {
	return cmp.Or(a.Addr().Compare(b.Addr()), cmp.Compare(a.Bits(), b.Bits()))
}

// ordered sorts the table, keeps the first list of each block and links the
// blocks to the ones around them.
func (t blockTable) ordered() blockTable {
	slices.SortFunc(t, func(a, b block) int { return cmp.Or(comparePrefixes(a.prefix, b.prefix), cmp.Compare(a.list, b.list)) })
	t = slices.CompactFunc(t, func(a, b block) bool { return a.prefix == b.prefix })
	for i := range t {
		outer := int32(i) - 1
		for outer >= 0 && !t[outer].prefix.Contains(t[i].prefix.Addr()) {
			outer = t[outer].outer
		}
		t[i].outer = outer
	}
	return t
}

// find returns a block that p is in, or, failing that, one that p holds: of the
// blocks around p the one of the first list, of those in p the first.
func (t blockTable) find(p netip.Prefix) (found block, inside, ok bool) {
	after := sort.Search(len(t), func(i int) bool { return comparePrefixes(t[i].prefix, p) > 0 })
	for i := int32(after) - 1; i >= 0; i = t[i].outer {
		b := t[i]
		if b.prefix.Bits() <= p.Bits() && b.prefix.Contains(p.Addr()) && (!ok || b.list < found.list) {
			found, ok = b, true
		}
	}
	if ok {
		return found, true, true
	}
	if after < len(t) && p.Contains(t[after].prefix.Addr()) {
		return t[after], false, true
	}
	return block{}, false, false
}
