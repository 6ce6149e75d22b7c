package storage

import (
	"encoding/binary"
	"fmt"

	"github.com/klauspost/compress/zstd"
	"github.com/tocsin-exchange/tocsin/protocol"
)

const (
	maxShift    = 5 // 32 objects in a chunk
	chunkBytes  = 256 << 10
	chunkMemory = 1 << 20 // nothing decodes to more
)

// A chunk is a run of a body's objects, salted; nil where one was erased,
// whose leaf then stands in its place.
type chunk struct {
	salted [][]byte
	leaves []protocol.ID // nil when every object is there
}

// newCoders returns a coder for chunks each way. No checksum: records have one.
func newCoders() (*zstd.Encoder, *zstd.Decoder, error) {
	enc, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderCRC(false),
		zstd.WithWindowSize(128<<10), zstd.WithLowerEncoderMem(true))
	if err != nil {
		return nil, nil, err
	}
	dec, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(0), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxMemory(chunkMemory))
	return enc, dec, err
}

// chunkShift chooses the largest power of two of objects, up to 32, with which
// no chunk of several objects passes 256 KiB.
func chunkShift(salted [][]byte) uint8 {
	for shift := uint8(maxShift); shift > 0; shift-- {
		if fits(salted, 1<<shift) {
			return shift
		}
	}
	return 0
}

func fits(salted [][]byte, n int) bool {
	for start := 0; start < len(salted); start += n {
		size := 0
		for _, s := range salted[start:min(start+n, len(salted))] {
			size += max(len(s), len(protocol.ID{}))
		}
		if size > chunkBytes {
			return false
		}
	}
	return true
}

// encodeChunk returns the compressed form: count, sizes (0: erased), then the
// salted objects or leaves.
func encodeChunk(z *zstd.Encoder, salted [][]byte, leaf func(i int) protocol.ID) []byte {
	size := 8
	for _, s := range salted {
		size += 3 + max(len(s), len(protocol.ID{}))
	}
	plain := binary.AppendUvarint(make([]byte, 0, size), uint64(len(salted)))
	for _, s := range salted {
		plain = binary.AppendUvarint(plain, uint64(len(s)))
	}
	for i, s := range salted {
		if s == nil {
			id := leaf(i)
			plain = append(plain, id[:]...)
			continue
		}
		plain = append(plain, s...)
	}
	return z.EncodeAll(plain, make([]byte, 0, size/3+tagSize))
}

func decodeChunk(z *zstd.Decoder, b []byte) (chunk, error) {
	plain, err := z.DecodeAll(b, make([]byte, 0, min(6*len(b), chunkBytes)))
	if err != nil {
		return chunk{}, fmt.Errorf("%w: chunk: %v", ErrDamaged, err)
	}
	d := decoder{b: plain}
	n := d.uvarint()
	if n == 0 || n > 1<<maxShift {
		return chunk{}, fmt.Errorf("%w: chunk of %d objects", ErrDamaged, n)
	}
	var sizes [1 << maxShift]int
	for i := range n {
		sizes[i] = int(min(d.uvarint(), chunkMemory+1))
	}
	c := chunk{salted: make([][]byte, n)}
	for i := range n {
		if sizes[i] > 0 {
			c.salted[i] = d.bytes(sizes[i])
			continue
		}
		if c.leaves == nil {
			c.leaves = make([]protocol.ID, n)
		}
		copy(c.leaves[i][:], d.bytes(len(protocol.ID{})))
	}
	if d.bad || len(d.b) > 0 {
		return chunk{}, fmt.Errorf("%w: chunk whose sizes do not add up", ErrDamaged)
	}
	return c, nil
}
