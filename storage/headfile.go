package storage

import (
	"encoding/binary"
	"fmt"
	"os"
	"time"

	"github.com/tocsin-exchange/tocsin/protocol"
)

// The head file holds two slots, each in its own disk sector. Until a slot is
// synced the other, which is, is left alone: a write cut short, or never done,
// leaves it.
const (
	headName   = "store.head"
	headSlot   = 4096
	headMagic  = "tocsin head v2\n"
	headLength = len(headMagic) + 8 + countsSize + 32
	headEvery  = time.Second // between two syncs for what others say
)

// A head is what this node last kept, noted outside the database.
type head struct {
	serial uint64
	counts
	last protocol.ID // our last bulletin
}

// A headFile is the open head file.
type headFile struct {
	f      *os.File
	head   head
	slot   int64     // the next write goes there
	synced time.Time // last
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
			h.head, h.slot = v, 1-slot
		}
	}
	return h, nil
}

func decodeHead(b []byte) (head, bool) {
	value, ok := unseal([]byte(headMagic), b)
	if !ok || len(value) != headLength || string(value[:len(headMagic)]) != headMagic {
		return head{}, false
	}
	d := decoder{b: value[len(headMagic):]}
	h := head{serial: d.uint64(), counts: d.counts()}
	copy(h.last[:], d.bytes(32))
	return h, true
}

func (h head) encode() []byte {
	b := append(make([]byte, 0, headLength+tagSize), headMagic...)
	b = h.counts.append(binary.BigEndian.AppendUint64(b, h.serial))
	return seal([]byte(headMagic), append(b, h.last[:]...))
}

// write notes the counts of a commit that is durable. Without sync, what is
// noted outlives the process, and the machine only from the next sync on, a
// second later at most while anything is written.
func (h *headFile) write(c counts, last protocol.ID, sync bool) error {
	next := head{serial: h.head.serial + 1, counts: c, last: last}
	if _, err := h.f.WriteAt(next.encode(), h.slot*headSlot); err != nil {
		return fmt.Errorf("write head file: %w", err)
	}
	h.head = next
	if sync || time.Since(h.synced) >= headEvery {
		return h.sync()
	}
	return nil
}

func (h *headFile) sync() error {
	if err := h.f.Sync(); err != nil {
		return fmt.Errorf("sync head file: %w", err)
	}
	h.slot, h.synced = 1-h.slot, time.Now()
	return nil
}
