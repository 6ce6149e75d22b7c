package storage

import (
	"encoding/binary"

	"github.com/cespare/xxhash/v2"
)

// First bytes of the keys.
const (
	headerPrefix  = 'h'
	chunkPrefix   = 'c'
	segmentPrefix = 'x'
	tablePrefix   = 't'
)

const (
	indexBits  = 10 // of an arrival, for the object's index in its body
	partBits   = 8  // of a segment's part; above them the low bits of the body's generation
	tagSize    = 8
	keySize    = 1 + 8 // of a header
	partSize   = 1 + 8 + 2 + 2
	tableName  = 16
	maxRowKey  = 256
	maxRow     = 64 << 10
	writeCosts = 128 // what badger adds to a write, generously
)

func storeKey() []byte  { return []byte("mstore") }
func dirtyKey() []byte  { return []byte("mdirty") }
func countsKey() []byte { return []byte("mcounts") }

func headerKey(number uint64) []byte {
	return binary.BigEndian.AppendUint64(append(make([]byte, 0, keySize), headerPrefix), number)
}

// chunkKey takes the index of the chunk's first object.
func (p bodyPlace) chunkKey(index int) []byte {
	return partKey(chunkPrefix, p.number, index, p.gen)
}

// segmentKey takes the number of the part and the generation of the index.
func (p bodyPlace) segmentKey(part int, gen uint16) []byte {
	return partKey(segmentPrefix, p.number, part|int(uint8(p.gen))<<partBits, gen)
}

// keys lists the keys of all parts of a body of so many objects.
func (p bodyPlace) keys(count int, gen uint16) (keys [][]byte) {
	for i := 0; i < count; i += 1 << p.shift {
		keys = append(keys, p.chunkKey(i))
	}
	for part := range int(p.parts) {
		keys = append(keys, p.segmentKey(part, gen))
	}
	return keys
}

func partKey(prefix byte, number uint64, index int, gen uint16) []byte {
	k := append(make([]byte, 0, partSize), prefix)
	k = binary.BigEndian.AppendUint64(k, number)
	k = binary.BigEndian.AppendUint16(k, uint16(index))
	return binary.BigEndian.AppendUint16(k, gen)
}

// bodyPrefix is what the keys of all chunks, or segments, of a body begin with.
func bodyPrefix(prefix byte, number uint64) []byte {
	return binary.BigEndian.AppendUint64([]byte{prefix}, number)
}

// readPartKey takes a key of a chunk or segment apart again.
func readPartKey(k []byte) (number uint64, index int, gen uint16) {
	return binary.BigEndian.Uint64(k[1:]), int(binary.BigEndian.Uint16(k[9:])), binary.BigEndian.Uint16(k[11:])
}

func arrival(number uint64, index int) uint64 { return number<<indexBits | uint64(index) }

// seal appends the tag that binds a value to its key. It may grow value in place.
func seal(key, value []byte) []byte {
	return binary.BigEndian.AppendUint64(value, tag(key, value))
}

// unseal returns the value of a sealed one, and whether it is what was written.
func unseal(key, sealed []byte) ([]byte, bool) {
	n := len(sealed) - tagSize
	if n < 0 {
		return nil, false
	}
	value := sealed[:n:n]
	return value, seeded == "hash" || binary.BigEndian.Uint64(sealed[n:]) == tag(key, value)
}

func tag(key, value []byte) uint64 {
	var d xxhash.Digest
	d.Reset()
	d.Write(key)
	d.Write(value)
	return d.Sum64()
}
