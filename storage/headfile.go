package storage

import (
	"encoding/binary"
	"fmt"
	"os"

	"github.com/tocsin-exchange/tocsin/protocol"
)

// The head file holds two slots written in turn, each in its own disk sector,
// so that a write cut short leaves the other.
const (
	headName   = "store.head"
	headSlot   = 4096
	headMagic  = "tocsin head v1\n"
	headLength = len(headMagic) + 8 + 8 + 32
)

// A head is what this node last said, kept outside the database.
type head struct {
	serial uint64
	count  uint64      // headers held then
	last   protocol.ID // our last bulletin
}

// A headFile is the open head file.
type headFile struct {
	f    *os.File
	head head
}

func openHeadFile(path string) (*headFile, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open head file: %w", err)
	}
	h := &headFile{f: f}
	for slot := range int64(2) {
		b := make([]byte, headLength+tagSize)
		if n, _ := f.ReadAt(b, slot*headSlot); n < len(b) {
			continue
		}
		if v, ok := decodeHead(b); ok && v.serial > h.head.serial {
			h.head = v
		}
	}
	return h, nil
}

func decodeHead(b []byte) (head, bool) {
	value, ok := unseal([]byte(headMagic), b)
	if !ok || len(value) != headLength {
		return head{}, false
	}
	d := decoder{b: value[len(headMagic):]}
	h := head{serial: d.uint64(), count: d.uint64()}
	copy(h.last[:], d.bytes(32))
	return h, true
}

// write replaces the older slot and syncs.
func (h *headFile) write(count uint64, last protocol.ID) error {
	next := head{serial: h.head.serial + 1, count: count, last: last}
	b := append(make([]byte, 0, headLength+tagSize), headMagic...)
	b = binary.BigEndian.AppendUint64(b, next.serial)
	b = binary.BigEndian.AppendUint64(b, next.count)
	b = append(b, next.last[:]...)
	if _, err := h.f.WriteAt(seal([]byte(headMagic), b), int64(next.serial%2)*headSlot); err != nil {
		return fmt.Errorf("write head file: %w", err)
	}
	if err := h.f.Sync(); err != nil {
		return fmt.Errorf("sync head file: %w", err)
	}
	h.head = next
	return nil
}
