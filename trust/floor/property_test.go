package floor

import (
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/tocsin-exchange/tocsin/protocol/stix"
)

// drawPrefix draws blocks that often hold each other: of few first bits.
func drawPrefix(t *rapid.T, six bool) netip.Prefix {
	var b [16]byte
	binary.BigEndian.PutUint32(b[:], rapid.Uint32().Draw(t, "bits")&0xf7070303|0x20000000)
	if six {
		binary.BigEndian.PutUint32(b[12:], rapid.Uint32Range(0, 7).Draw(t, "low"))
		return netip.PrefixFrom(netip.AddrFrom16(b), rapid.IntRange(12, 128).Draw(t, "len")).Masked()
	}
	return netip.PrefixFrom(netip.AddrFrom4([4]byte(b[:4])), rapid.IntRange(6, 32).Draw(t, "len")).Masked()
}

// drawName draws names that are often under each other and under suffixes of
// both kinds, one of them of no registry.
func drawName(t *rapid.T) string {
	labels := rapid.SliceOfN(rapid.SampledFrom([]string{"a", "b", "www", "google"}), 0, 3).Draw(t, "labels")
	tail := rapid.SampledFrom([]string{"example", "com", "co.uk", "github.io", "web.core.windows.net", "kawasaki.jp", "hedmark.no",
		"amazonaws.com", "s3.amazonaws.com", "compute.amazonaws.com", "lan", "own.example", "bank.example"}).Draw(t, "tail")
	return strings.Join(append(labels, tail), ".")
}

// drawList draws a list of one kind that a file could hold.
func drawList(t *rapid.T, name string) *List {
	l := &List{name: name, types: typesOf([]string{"ip-src", "domain", "url"})}
	kind := rapid.SampledFrom([]string{"cidr", "hostname", "string"}).Draw(t, "kind")
	read, _ := l.reader(kind)
	for range rapid.IntRange(0, 6).Draw(t, "entries") {
		entry := drawPrefix(t, rapid.Bool().Draw(t, "six")).String()
		if kind != "cidr" {
			entry = rapid.SampledFrom([]string{"", "."}).Draw(t, "dot") + drawName(t)
		}
		if err := read(entry); err != nil {
			t.Fatalf("%s of %s: %v", entry, kind, err)
		}
	}
	return l
}

func drawFloor(t *rapid.T) (*Floor, []*List, Own) {
	var lists []*List
	for i := range rapid.IntRange(0, 3).Draw(t, "lists") {
		lists = append(lists, drawList(t, strconv.Itoa(i)))
	}
	own := Own{
		MinBits4: rapid.SampledFrom([]int{0, 8, 24}).Draw(t, "min4"), MinBits6: rapid.SampledFrom([]int{0, 16, 64}).Draw(t, "min6"),
		WholeSuffixes: rapid.Bool().Draw(t, "whole"),
		Domains:       []string{"own.example", ".s3.amazonaws.com"}[:rapid.IntRange(0, 2).Draw(t, "domains")],
	}
	f, err := New(own, lists...)
	if err != nil {
		t.Fatal(err)
	}
	return f, lists, own
}

func isHit(f *Floor, o stix.Observable) bool {
	_, ok := f.Check(o)
	return ok
}

// TestBlocksAndAddresses: in a free block every address, and every ip-port and
// URL on it, is free; and whatever holds a hit is one.
func TestBlocksAndAddresses(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f, _, _ := drawFloor(t)
		for range 20 {
			p := drawPrefix(t, rapid.Bool().Draw(t, "six of the claim"))
			a := addressIn(t, p)
			address := ofPrefix(netip.PrefixFrom(a, a.BitLen()))
			if isHit(f, address) && !isHit(f, ofPrefix(p)) {
				t.Fatalf("%s is a hit and %s around it is free", a, p)
			}
			inner := netip.PrefixFrom(a, rapid.IntRange(p.Bits(), a.BitLen()).Draw(t, "inner")).Masked()
			if isHit(f, ofPrefix(inner)) && !isHit(f, ofPrefix(p)) {
				t.Fatalf("%s is a hit and %s around it is free", inner, p)
			}
			port := netip.AddrPortFrom(a, 8443).String()
			for _, on := range []stix.Observable{{Type: stix.IPPort, Value: port}, {Type: stix.URL, Value: "https://" + port + "/a"}} {
				if isHit(f, on) != isHit(f, address) {
					t.Fatalf("%s is not what %s is", on, a)
				}
			}
		}
	})
}

func addressIn(t *rapid.T, p netip.Prefix) netip.Addr {
	b := p.Addr().AsSlice()
	random := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "address"), 0))
	for bit := p.Bits(); bit < len(b)*8; bit++ {
		if random.IntN(4) == 0 {
			b[bit/8] |= 0x80 >> (bit % 8)
		}
	}
	a, _ := netip.AddrFromSlice(b)
	return a
}

// TestNamesOverNames: under a free name every name is free, and every name over
// a hit is one; a port or a whole site is what its name is, and any page of a
// free site is free.
func TestNamesOverNames(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f, _, _ := drawFloor(t)
		for range 20 {
			name := drawName(t)
			hit := isHit(f, stix.Observable{Type: stix.DomainName, Value: name})
			if over := parent(name); hit && over != "" && !isHit(f, stix.Observable{Type: stix.DomainName, Value: over}) {
				t.Fatalf("%s is a hit and %s over it is free", name, over)
			}
			if !strings.Contains(name, ".") {
				continue
			}
			if wildcard := "*." + name; isHit(f, stix.Observable{Type: stix.DomainName, Value: wildcard}) != hit {
				t.Fatalf("%s is not what %s is (%t)", wildcard, name, hit)
			}
			if port := name + ":8443"; isHit(f, stix.Observable{Type: stix.DomainPort, Value: port}) != hit {
				t.Fatalf("%s is not what %s is (%t)", port, name, hit)
			}
			if site := "https://" + name + "/"; isHit(f, stix.Observable{Type: stix.URL, Value: site}) != hit {
				t.Fatalf("%s is not what %s is (%t)", site, name, hit)
			}
			if page := "https://" + name + "/a"; isHit(f, stix.Observable{Type: stix.URL, Value: page}) && !hit {
				t.Fatalf("%s is a hit and %s is free", page, name)
			}
		}
	})
}

// TestOrderOfLists: the same lists in another order give the same answers, and
// one more list never frees anything.
func TestOrderOfLists(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f, lists, own := drawFloor(t)
		other, err := New(own, rapid.Permutation(lists).Draw(t, "order")...)
		if err != nil {
			t.Fatal(err)
		}
		more, err := New(own, slices.Concat(lists, []*List{drawList(t, "more")})...)
		if err != nil {
			t.Fatal(err)
		}
		for range 20 {
			o := stix.Observable{Type: stix.DomainName, Value: drawName(t)}
			if rapid.Bool().Draw(t, "address") {
				o = ofPrefix(drawPrefix(t, rapid.Bool().Draw(t, "six of the claim")))
			}
			hit, ok := f.Check(o)
			if again, okAgain := other.Check(o); again != hit || okAgain != ok {
				t.Fatalf("%s: %v, in another order %v", o, hit, again)
			}
			if ok && !isHit(more, o) {
				t.Fatalf("%s is free with one more list", o)
			}
		}
	})
}

// TestFindAgainstAll compares the search in the table with a look at every block.
func TestFindAgainstAll(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var table blockTable
		for range rapid.IntRange(0, 40).Draw(t, "blocks") {
			list := listID(rapid.IntRange(1, 3).Draw(t, "list"))
			table = append(table, block{prefix: drawPrefix(t, rapid.Bool().Draw(t, "six")), list: list})
		}
		table = table.ordered()
		p := drawPrefix(t, rapid.Bool().Draw(t, "six of the claim"))
		var best listID
		holds := false
		for _, b := range table {
			switch {
			case b.prefix.Bits() <= p.Bits() && b.prefix.Contains(p.Addr()):
				best = first(best, b.list)
			case p.Contains(b.prefix.Addr()):
				holds = true
			}
		}
		found, inside, ok := table.find(p)
		if ok != (best != 0 || holds) || inside != (best != 0) || best != 0 && found.list != best || ok && !found.prefix.Overlaps(p) {
			t.Fatalf("%s: %v %t %t, want list %d or one inside (%t)", p, found, inside, ok, best, holds)
		}
	})
}
