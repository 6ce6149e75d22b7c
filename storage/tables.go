package storage

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"math"
	"os"
	"path/filepath"

	"github.com/dgraph-io/badger/v4"
	"github.com/dgraph-io/badger/v4/fb"
)

// maxTable bounds what is read of one table file; badger's are a tenth of it.
const maxTable = 1 << 30

// checkTables looks at badger's table files before badger does: where their
// structure is damaged it panics in goroutines of its own and takes the process
// with it, again at every start. Damage within values is left to the records'
// own hashes. Of encrypted tables only the index can be checked; see walk.
func checkTables(o badger.Options) (err error) {
	defer survive(&err)
	f, err := os.Open(filepath.Join(o.Dir, badger.ManifestFilename))
	if err != nil {
		return nil // Open says so
	}
	defer f.Close()
	manifest, _, err := badger.ReplayManifestFile(f, o.ExternalMagicVersion, o)
	if err != nil {
		return fmt.Errorf("%w: MANIFEST: %v", ErrDamaged, err)
	}
	for id, table := range manifest.Tables {
		path := tablePath(o.Dir, id)
		info, err := os.Stat(path)
		if err != nil {
			return fmt.Errorf("%w: table: %v", ErrDamaged, err)
		}
		if info.Size() > maxTable {
			return fmt.Errorf("%w: table %s has %d bytes", ErrDamaged, path, info.Size())
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if err := checkTable(b, table.KeyID != 0); err != nil {
			return fmt.Errorf("%w: table %s: %v", ErrDamaged, path, err)
		}
	}
	return nil
}

// walk visits every block of an open database: of an encrypted one this is the
// first time that they are looked at.
func walk(db *badger.DB) (err error) {
	defer survive(&err)
	txn := db.NewTransactionAt(math.MaxUint64, false)
	defer txn.Discard()
	o := badger.DefaultIteratorOptions
	o.PrefetchValues, o.AllVersions = false, true
	it := txn.NewIterator(o)
	defer it.Close()
	for it.Rewind(); it.Valid(); it.Next() {
	}
	return nil
}

func tablePath(dir string, id uint64) string { return filepath.Join(dir, fmt.Sprintf("%06d.sst", id)) }

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// checkTable checks a table: blocks, index, size of the index, checksum of the
// index, size of the checksum.
func checkTable(b []byte, sealed bool) error {
	rest, sum, ok := cutChecksum(b)
	if !ok || len(rest) < 4 {
		return fmt.Errorf("its end is cut off")
	}
	rest, size := rest[:len(rest)-4], int64(binary.BigEndian.Uint32(rest[len(rest)-4:]))
	if size == 0 || size > int64(len(rest)) {
		return fmt.Errorf("an index of %d bytes", size)
	}
	blocks, index := rest[:int64(len(rest))-size], rest[int64(len(rest))-size:]
	if crc32.Checksum(index, castagnoli) != sum {
		return fmt.Errorf("its index is not what was written")
	}
	if sealed {
		return nil
	}
	t := fb.GetRootAsTableIndex(index, 0) // as it was written: its checksum says so
	for i := range t.OffsetsLength() {
		var o fb.BlockOffset
		if !t.Offsets(&o, i) {
			return fmt.Errorf("block %d is not in the index", i)
		}
		from, to := uint64(o.Offset()), uint64(o.Offset())+uint64(o.Len())
		if to > uint64(len(blocks)) {
			return fmt.Errorf("block %d is cut off", i)
		}
		if err := checkBlock(blocks[from:to]); err != nil {
			return fmt.Errorf("block %d: %w", i, err)
		}
	}
	return nil
}

// cutChecksum takes a checksum and its size from the end of b. A checksum is
// protobuf: tag of field 2, varint; CRC-32C is the algorithm that is left out.
func cutChecksum(b []byte) (rest []byte, sum uint32, ok bool) {
	if len(b) < 4 {
		return nil, 0, false
	}
	b, size := b[:len(b)-4], binary.BigEndian.Uint32(b[len(b)-4:])
	if size == 0 || size > 16 || int(size) > len(b) {
		return nil, 0, false
	}
	encoded := b[len(b)-int(size):]
	v, n := binary.Uvarint(encoded[1:])
	return b[:len(b)-int(size)], uint32(v), encoded[0] == 2<<3 && n > 0
}

// checkBlock accepts a block that is what was written, and one that is not but
// that badger can walk: entries, their offsets, how many, checksum.
func checkBlock(b []byte) error {
	rest, sum, ok := cutChecksum(b)
	if ok && crc32.Checksum(rest, castagnoli) == sum {
		return nil
	}
	if len(b) < 4 {
		return fmt.Errorf("%d bytes", len(b))
	}
	size := int64(binary.BigEndian.Uint32(b[len(b)-4:]))
	if size > int64(len(b))-8 {
		return fmt.Errorf("a checksum of %d bytes", size)
	}
	rest = b[:int64(len(b))-4-size]
	n := int64(binary.BigEndian.Uint32(rest[len(rest)-4:]))
	rest = rest[:len(rest)-4]
	if n == 0 || n*4 > int64(len(rest)) {
		return fmt.Errorf("%d entries", n)
	}
	offsets, entries := rest[int64(len(rest))-n*4:], rest[:int64(len(rest))-n*4]
	base := 0
	for i := range n {
		from, to := int64(binary.NativeEndian.Uint32(offsets[i*4:])), int64(len(entries))
		if i+1 < n {
			to = int64(binary.NativeEndian.Uint32(offsets[i*4+4:]))
		}
		if from > to || to > int64(len(entries)) {
			return fmt.Errorf("entry %d from %d to %d", i, from, to)
		}
		key, ok := checkEntry(entries[from:to], base)
		if !ok {
			return fmt.Errorf("entry %d has no key, or no value", i)
		}
		if i == 0 {
			base = key
		}
	}
	return nil
}

// checkEntry returns the length of an entry's key: shared with the block's
// first, its own, then the value's two flags, expiry and content.
func checkEntry(e []byte, base int) (key int, ok bool) {
	if len(e) < 4 {
		return 0, false
	}
	shared, own := int(binary.NativeEndian.Uint16(e)), int(binary.NativeEndian.Uint16(e[2:]))
	if shared > base || shared+own <= 8 || 4+own+2 > len(e) { // eight bytes are the version
		return 0, false
	}
	_, n := binary.Uvarint(e[4+own+2:])
	return shared + own, n > 0
}
