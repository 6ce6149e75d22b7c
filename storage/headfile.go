package storage

import (
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
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
	maskMagic  = "tocsin head v3\n" // of an encrypted store: the id is masked
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
	key    []byte // of the mask; nil: none
	head   head
	slot   int64     // the next write goes there
	synced time.Time // last
}

// openHeadFile opens a store's head file, or makes it. Where the store is
// encrypted, the file does not show which bulletin it speaks of.
func openHeadFile(path string, storeKey []byte) (*headFile, error) {
	h := &headFile{}
	if storeKey != nil {
		key, err := hkdf.Key(sha256.New, storeKey, nil, "tocsin store head v1", sha256.Size)
		if err != nil {
			return nil, fmt.Errorf("open head file: %w", err)
		}
		h.key = key
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open head file: %w", err)
	}
	h.f = f
	for slot := range int64(2) {
		b := make([]byte, headLength+tagSize)
		if n, _ := f.ReadAt(b, slot*headSlot); n < len(b) {
			continue
		}
		if v, ok := h.decode(b); ok && v.serial > h.head.serial {
			h.head, h.slot = v, 1-slot
		}
	}
	return h, nil
}

func (h *headFile) decode(b []byte) (v head, ok bool) {
	magic := string(b[:min(len(b), len(headMagic))])
	masked := magic == maskMagic && h.key != nil
	value, ok := unseal([]byte(magic), b)
	if !ok || len(value) != headLength || magic != headMagic && !masked {
		return v, false
	}
	d := decoder{b: value[len(headMagic):]}
	v = head{serial: d.uint64(), counts: d.counts()}
	copy(v.last[:], d.bytes(32))
	if masked {
		v.last = h.mask(v.serial, v.last)
	}
	return v, true
}

func (h *headFile) encode(v head) []byte {
	magic := headMagic
	if h.key != nil {
		magic, v.last = maskMagic, h.mask(v.serial, v.last)
	}
	b := append(make([]byte, 0, headLength+tagSize), magic...)
	b = v.counts.append(binary.BigEndian.AppendUint64(b, v.serial))
	return seal([]byte(magic), append(b, v.last[:]...))
}

// mask hides an id in the slot of a serial, or shows it again.
func (h *headFile) mask(serial uint64, id protocol.ID) protocol.ID {
	mac := hmac.New(sha256.New, h.key)
	mac.Write(binary.BigEndian.AppendUint64(nil, serial))
	subtle.XORBytes(id[:], id[:], mac.Sum(nil))
	return id
}

// write notes the counts of a commit that is durable. Without sync, what is
// noted outlives the process, and the machine only from the next sync on, a
// second later at most while anything is written.
func (h *headFile) write(c counts, last protocol.ID, sync bool) error {
	next := head{serial: h.head.serial + 1, counts: c, last: last}
	if _, err := h.f.WriteAt(h.encode(next), h.slot*headSlot); err != nil {
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
