package journal

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// The head file holds two slots, each in its own disk sector and written in
// turns, so a write cut short leaves the other. Between them are zeros.
const (
	headName  = "journal.head"
	slotSize  = 512
	slotPlace = 4096 // of the second slot
	headSize  = slotPlace + slotSize
)

// A head says how far the journal goes. It is written after what it speaks of
// is durable, so a chain that ends before it was cut.
type head struct {
	journal string // id, 32 hex digits
	serial  uint64 // of the write, one more than the other slot's
	mark    Mark   // the last durable record; seq 0: none yet
	closed  bool   // nothing was written after it
}

// line is what a slot says: one line of JSON with its own sum.
func (h head) line() []byte {
	return appendSum(fmt.Appendf(make([]byte, 0, slotSize), `{"journal":"%s","serial":%d,"seq":%d,"hash":"%s","closed":%t`,
		h.journal, h.serial, h.mark.Seq, h.mark.Hash, h.closed))
}

// appendSum ends a line of JSON with the hash of what stands before.
func appendSum(b []byte) []byte { return fmt.Appendf(b, `,"sum":"%x"}`, sha256.Sum256(b)) }

// parseHead reads what line wrote.
func parseHead(b []byte) (head, bool) {
	s := scanner{rest: b}
	var h head
	s.want(`{"journal":"`)
	h.journal = s.quoted()
	s.want(`,"serial":`)
	h.serial, _ = strconv.ParseUint(s.number(), 10, 64)
	s.want(`,"seq":`)
	h.mark.Seq, _ = strconv.ParseUint(s.number(), 10, 64)
	s.want(`,"hash":"`)
	s.hash(&h.mark.Hash)
	s.want(`","closed":`)
	h.closed = s.take("true")
	return h, !s.failed && isJournalID(h.journal) && string(h.line()) == string(b)
}

func newJournalID() string {
	var id [16]byte
	rand.Read(id[:])
	return hex.EncodeToString(id[:])
}

func isJournalID(s string) bool {
	b, err := hex.DecodeString(s)
	return err == nil && len(b) == 16 && hex.EncodeToString(b) == s
}

// loadHead reads the head file of a journal: the newer head, and what is wrong
// with the file, or "". A file that is not there is os.ErrNotExist; one that
// is of another key wraps ErrKey.
func (f files) loadHead() (h head, wrong string, err error) {
	b, err := readAtMost(filepath.Join(f.dir, headName), headSize+1)
	if err != nil {
		return head{}, "", err
	}
	full := make([]byte, headSize)
	copy(full, b)
	one, okOne := f.seal.decodeHead(full[:slotSize])
	two, okTwo := f.seal.decodeHead(full[slotPlace:])
	if !okOne || okTwo && two.serial > one.serial {
		h = two
	} else {
		h = one
	}
	switch {
	case !okOne && !okTwo:
		return head{}, "both slots are damaged", f.otherKey(full[:slotSize], full[slotPlace:])
	case !okOne || !okTwo:
		wrong = "one of its slots is damaged"
	case one.journal != two.journal || one.serial-two.serial != 1 && two.serial-one.serial != 1:
		wrong = "its slots are of different times"
	case len(b) != headSize || strings.Trim(string(b[slotSize:slotPlace]), "\x00") != "":
		wrong = "something else is in it"
	}
	return h, wrong, nil
}

// otherKey is why neither slot could be read, where both say that they are of
// another key, or of none.
func (f files) otherKey(one, two []byte) error {
	by, ok := sealedBy(one)
	too, okToo := sealedBy(two)
	if !ok || !okToo || by != too || by == f.seal.name() {
		return nil
	}
	return f.wrongKey(by != "")
}

// wrongKey says which of the two is sealed, the journal or what is asked for.
func (f files) wrongKey(sealed bool) error {
	switch {
	case !sealed:
		return fmt.Errorf("%w: %s was begun without one, and is not sealed: keep it elsewhere, where it verifies as it is, and another is begun", ErrKey, f.dir)
	case f.seal == nil:
		return fmt.Errorf("%w: %s is sealed, and none was given", ErrKey, f.dir)
	}
	return fmt.Errorf("%w: %s is sealed under another", ErrKey, f.dir)
}

func readAtMost(path string, limit int) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, int64(limit)))
}

// A headFile is the open head file.
type headFile struct {
	f    *os.File
	seal *seal
	head head
}

// makeHead writes a head file whose slots agree, in the place of what there is.
func (f files) makeHead(h head) (*headFile, error) {
	path := filepath.Join(f.dir, headName)
	open, err := os.OpenFile(path+".new", os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, fmt.Errorf("journal: head file: %w", err)
	}
	file := &headFile{f: open, seal: f.seal, head: h}
	err = errors.Join(file.write(h.mark, h.closed), file.write(h.mark, h.closed))
	if err == nil {
		err = errors.Join(os.Rename(path+".new", path), syncDir(f.dir))
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("journal: head file: %w", err), open.Close())
	}
	return file, nil
}

// openHead goes on in a head file that is whole: it takes no room on the disk.
func (f files) openHead(was, is head) (*headFile, error) {
	open, err := os.OpenFile(filepath.Join(f.dir, headName), os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("journal: head file: %w", err)
	}
	file := &headFile{f: open, seal: f.seal, head: was}
	if err := file.write(is.mark, is.closed); err != nil {
		return nil, errors.Join(err, open.Close())
	}
	return file, nil
}

// write notes the end of what is durable, and syncs it.
func (h *headFile) write(m Mark, closed bool) error {
	next := h.head
	next.serial++
	next.mark, next.closed = m, closed
	place := int64(next.serial%2) * slotPlace
	if _, err := h.f.WriteAt(h.seal.encodeHead(next), place); err != nil {
		return fmt.Errorf("journal: write head file: %w", err)
	}
	if err := h.f.Sync(); err != nil {
		return fmt.Errorf("journal: sync head file: %w", err)
	}
	h.head = next
	return nil
}
