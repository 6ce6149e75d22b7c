package protocol

import (
	"bytes"
	"slices"

	"github.com/fxamacker/cbor/v2"
)

// A pair is an entry of a map as bytes, so that a map can be written wrongly.
type pair struct{ key, value []byte }

// pairsOf takes a canonical map with fewer than 24 entries apart.
func pairsOf(encoded []byte) []pair {
	var raw map[uint64]cbor.RawMessage
	if err := cbor.Unmarshal(encoded, &raw); err != nil {
		panic(err)
	}
	var list []pair
	for key, value := range raw {
		list = append(list, pair{encode(key), value})
	}
	slices.SortFunc(list, func(a, b pair) int { return bytes.Compare(a.key, b.key) })
	return list
}

func joined(head []byte, list []pair, tail ...byte) []byte {
	b := slices.Clone(head)
	for _, p := range list {
		b = append(append(b, p.key...), p.value...)
	}
	return append(b, tail...)
}

func mapOf(list []pair) []byte { return joined([]byte{0xa0 + byte(len(list))}, list) }

// with returns the map with the value of one key replaced, or the entry added
// at its place.
func with(list []pair, key uint64, value ...byte) []pair {
	list = slices.Clone(list)
	k := encode(key)
	i, found := slices.BinarySearchFunc(list, k, func(p pair, k []byte) int { return bytes.Compare(p.key, k) })
	if found {
		list[i].value = value
		return list
	}
	return slices.Insert(list, i, pair{k, value})
}

func cborVectors() []vector {
	plain := pairsOf(encode(bodied(green())))
	amber := pairsOf(encode(bodied(labelled(Amber, toOrg(3)))))
	b := must(OpenHeader(mapOf(plain), sign(seeded(2), bulletinDomain, mapOf(plain))))
	bad := func(name, reason, says string, header []byte) vector {
		return refuse(name, reason, says, signedHeader(header)...)
	}
	list := []vector{
		accept("canonical", append(signedHeader(mapOf(plain)), field{"id", b.ID().String()}, field{"stream", b.Header.Stream().ID().String()})...),
		bad("a number in two bytes", "seq 1 as 18 01", "canonical", mapOf(with(plain, 6, 0x18, 1))),
		bad("a number in three bytes", "seq 1 as 19 00 01", "canonical", mapOf(with(plain, 6, 0x19, 0, 1))),
		bad("a number in nine bytes", "seq 1 as 1b and eight bytes", "canonical", mapOf(with(plain, 6, 0x1b, 0, 0, 0, 0, 0, 0, 0, 1))),
		bad("a key in two bytes", "key 1 as 18 01", "canonical", mapOf(append([]pair{{[]byte{0x18, 1}, []byte{1}}}, plain[1:]...))),
		bad("a length in two bytes", "a map of 15 as b8 and a byte", "canonical", joined([]byte{0xb8, byte(len(plain))}, plain)),
		bad("keys out of order", "keys 1 and 2 swapped", "canonical", mapOf(append([]pair{plain[1], plain[0]}, plain[2:]...))),
		bad("keys in reverse", "keys from the highest to the lowest", "canonical", mapOf(reversed(plain))),
		bad("a key twice", "key 1 twice with one value", "duplicate", mapOf(append([]pair{plain[0]}, plain...))),
		bad("a key twice with other values", "TLP GREEN and CLEAR in one header", "duplicate", mapOf(twice(plain, 9, 1))),
		bad("a map of no fixed length", "bf ... ff", "indefinite", joined([]byte{0xbf}, plain, 0xff)),
		bad("a byte string of no fixed length", "the root in chunks", "indefinite", mapOf(with(plain, 15, chunked(plain)...))),
		bad("an array of no fixed length", "the audience as 9f ... ff", "indefinite", mapOf(with(amber, 11, indefinite(amber)...))),
		bad("an unknown field", "key 19", "unknown", mapOf(with(plain, 19, 0))),
		bad("a negative key", "key -1", "unknown", joined([]byte{0xa1 + byte(len(plain))}, append(slices.Clone(plain), pair{[]byte{0x20}, []byte{0}}))),
		bad("a text key", `key "tlp" beside key 9`, "unknown", joined([]byte{0xa1 + byte(len(plain))}, append(slices.Clone(plain), pair{encode("tlp"), []byte{1}}))),
		bad("a self-described header", "tag 55799 before the map", "tag", append([]byte{0xd9, 0xd9, 0xf7}, mapOf(plain)...)),
		bad("a tagged number", "issued with tag 1", "tag", mapOf(with(plain, 8, append([]byte{0xc1}, encode(uint64(someday))...)...))),
		bad("a big number", "seq 1 as tag 2", "tag", mapOf(with(plain, 6, 0xc2, 0x41, 1))),
		bad("a float", "seq 1.0 in two bytes", "header", mapOf(with(plain, 6, 0xf9, 0x3c, 0))),
		bad("a float of eight bytes", "seq 1.0 in eight bytes", "header", mapOf(with(plain, 6, 0xfb, 0x3f, 0xf0, 0, 0, 0, 0, 0, 0))),
		bad("a negative number", "seq -1", "header", mapOf(with(plain, 6, 0x20))),
		bad("a label over a byte", "TLP 258", "header", mapOf(with(plain, 9, 0x19, 1, 2))),
		bad("true for a number", "seq true", "header", mapOf(with(plain, 6, 0xf5))),
		bad("text for bytes", "the root as text", "header", mapOf(with(plain, 15, append([]byte{0x78, 32}, bytes.Repeat([]byte("a"), 32)...)...))),
		bad("bytes for text", "the drill as bytes", "header", mapOf(with(plain, 12, 0x45, 'd', 'r', 'i', 'l', 'l'))),
		bad("text that is no UTF-8", "the drill as ff", "UTF-8", mapOf(with(plain, 12, 0x61, 0xff))),
		bad("numbers for bytes", "the root as an array of numbers", "canonical", mapOf(with(plain, 15, numbers(rootOf(plain))...))),
		bad("a hash of 31 bytes", "the root is cut", "canonical", mapOf(with(plain, 15, append([]byte{0x58, 31}, rootOf(plain)[:31]...)...))),
		bad("a hash of 33 bytes", "the root is too long", "canonical", mapOf(with(plain, 15, append(append([]byte{0x58, 33}, rootOf(plain)...), 0)...))),
	}
	return append(list, absentVectors(plain, bad)...)
}

// absentVectors write what is absent as something.
func absentVectors(plain []pair, bad func(name, reason, says string, header []byte) vector) []vector {
	zero := append([]byte{0x58, 32}, make([]byte, 32)...)
	return []vector{
		bad("a null prev", "an absent field is left out", "canonical", mapOf(with(plain, 7, 0xf6))),
		bad("a zero prev", "an absent field is left out", "canonical", mapOf(with(plain, 7, zero...))),
		bad("a PAP of 0", "an absent field is left out", "canonical", mapOf(with(plain, 10, 0))),
		bad("an empty audience", "an absent field is left out", "canonical", mapOf(with(plain, 11, 0x80))),
		bad("an empty drill", "an absent field is left out", "canonical", mapOf(with(plain, 12, 0x60))),
		bad("a null floor", "an absent field is left out", "canonical", mapOf(with(plain, 16, 0xf6))),
		bad("no extensions, yet the field", "an absent field is left out", "canonical", mapOf(with(plain, 18, 0xa0))),
		bad("no critical extensions, yet the field", "an absent field is left out", "canonical", mapOf(with(plain, 17, 0xa0))),
		bad("without count", "a field that must be there is missing", "canonical", mapOf(slices.DeleteFunc(slices.Clone(plain), func(p pair) bool { return p.key[0] == 13 }))),
		bad("without certificate", "a field that must be there is missing", "canonical", mapOf(slices.DeleteFunc(slices.Clone(plain), func(p pair) bool { return p.key[0] == 4 }))),
		bad("an array", "a header is a map", "header", joined([]byte{0x80 + byte(len(plain))}, valuesOf(plain))),
		bad("a byte behind the end", "trailing bytes", "extraneous", append(mapOf(plain), 0)),
		bad("cut short", "the last byte is missing", "unexpected EOF", mapOf(plain)[:len(mapOf(plain))-1]),
	}
}

func valuesOf(list []pair) []pair {
	var values []pair
	for _, p := range list {
		values = append(values, pair{nil, p.value})
	}
	return values
}

func reversed(list []pair) []pair {
	list = slices.Clone(list)
	slices.Reverse(list)
	return list
}

// twice repeats a key, the second time with another value.
func twice(list []pair, key byte, value byte) []pair {
	i := slices.IndexFunc(list, func(p pair) bool { return p.key[0] == key })
	return slices.Insert(slices.Clone(list), i, pair{[]byte{key}, []byte{value}})
}

func valueOf(list []pair, key byte) []byte {
	return list[slices.IndexFunc(list, func(p pair) bool { return p.key[0] == key })].value
}

func rootOf(list []pair) []byte { return slices.Clone(valueOf(list, 15)[2:]) }

// numbers is a byte string as an array of small numbers.
func numbers(b []byte) []byte {
	list := []byte{0x98, byte(len(b))}
	for _, n := range b {
		list = append(list, encode(uint64(n))...)
	}
	return list
}

func chunked(list []pair) []byte {
	root := rootOf(list)
	return slices.Concat([]byte{0x5f, 0x50}, root[:16], []byte{0x50}, root[16:], []byte{0xff})
}

func indefinite(list []pair) []byte {
	return slices.Concat([]byte{0x9f}, valueOf(list, 11)[1:], []byte{0xff})
}
