package storage

import (
	"bytes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"time"

	"golang.org/x/crypto/chacha20poly1305"
)

// A backup is a header, frames of records, and a trailer.
//
//	header   magic, 1 when sealed, store id (16), salt (16), Unix milliseconds (8)
//	frame    0, length (4), payload: whole records
//	trailer  1, length (4), records (8), damaged (8), SHA-256 of all before, when sealed a tag
//
// Sealed, a frame's payload is XChaCha20-Poly1305 under HKDF-SHA256(store key,
// salt), with the salt and the frame's number as nonce and the header as
// additional data; the SHA-256 is additional data of a last, empty one.
const (
	backupMagic  = "tocsin backup v1\n"
	backupHeader = len(backupMagic) + 1 + 16 + 16 + 8
	frameBytes   = 256 << 10 // a frame ends with the record that passes it
	maxFrame     = 2 << 20
	recordsFrame = 0
	trailerFrame = 1
	trailerSize  = 8 + 8 + sha256.Size
)

// backupSeal is the cipher of a sealed backup.
type backupSeal struct {
	aead   cipher.AEAD
	header []byte
	salt   [16]byte
	frames uint64
}

func newBackupSeal(key, header []byte, salt [16]byte) (*backupSeal, error) {
	derived, err := hkdf.Key(sha256.New, key, salt[:], "tocsin backup v1", chacha20poly1305.KeySize)
	if err != nil {
		return nil, err
	}
	aead, err := chacha20poly1305.NewX(derived)
	if err != nil {
		return nil, err
	}
	return &backupSeal{aead: aead, header: header, salt: salt}, nil
}

func (b *backupSeal) nonce() []byte {
	b.frames++
	return binary.BigEndian.AppendUint64(bytes.Clone(b.salt[:]), b.frames)
}

func (b *backupSeal) seal(payload []byte) []byte {
	return b.aead.Seal(nil, b.nonce(), payload, b.header)
}

func (b *backupSeal) open(payload []byte) ([]byte, error) {
	plain, err := b.aead.Open(nil, b.nonce(), payload, b.header)
	if err != nil {
		return nil, fmt.Errorf("%w: sealed under another key, or altered", ErrKey)
	}
	return plain, nil
}

// tag signs the hash of all there is.
func (b *backupSeal) tag(sum []byte) []byte {
	return b.aead.Seal(nil, b.nonce(), nil, append(bytes.Clone(b.header), sum...))
}

// A backupWriter writes a backup.
type backupWriter struct {
	w       io.Writer
	sum     hash.Hash
	seal    *backupSeal // nil: not sealed
	pending []byte
	report  BackupReport
}

func newBackupWriter(w io.Writer, store string, key []byte) (*backupWriter, error) {
	id, err := hex.DecodeString(store)
	if err != nil || len(id) != 16 {
		return nil, fmt.Errorf("store id %q", store)
	}
	now := time.Now()
	b := &backupWriter{w: w, sum: sha256.New(), report: BackupReport{Store: store, Made: time.UnixMilli(now.UnixMilli()).UTC(), Sealed: len(key) > 0}}
	var salt [16]byte
	rand.Read(salt[:])
	header := append(make([]byte, 0, backupHeader), backupMagic...)
	header = append(append(header, boolByte(b.report.Sealed)), id...)
	header = binary.BigEndian.AppendUint64(append(header, salt[:]...), uint64(now.UnixMilli()))
	if b.report.Sealed {
		if b.seal, err = newBackupSeal(key, header, salt); err != nil {
			return nil, err
		}
	}
	return b, b.write(header)
}

// write writes bytes that the trailer's hash covers.
func (b *backupWriter) write(p []byte) error {
	b.sum.Write(p)
	if _, err := b.w.Write(p); err != nil {
		return fmt.Errorf("write backup: %w", err)
	}
	return nil
}

func (b *backupWriter) add(key, value []byte) error {
	b.pending = appendBackupRecord(b.pending, key, value)
	b.report.Records++
	if len(b.pending) < frameBytes {
		return nil
	}
	return b.frame()
}

// appendBackupRecord writes what decoder.record reads.
func appendBackupRecord(b, key, value []byte) []byte {
	b = binary.BigEndian.AppendUint16(b, uint16(len(key)))
	b = binary.BigEndian.AppendUint32(b, uint32(len(value)))
	return append(append(b, key...), value...)
}

// frame writes the records gathered.
func (b *backupWriter) frame() error {
	payload := b.pending
	if b.seal != nil {
		payload = b.seal.seal(payload)
	}
	b.pending = b.pending[:0]
	return b.write(append(frameHead(recordsFrame, len(payload)), payload...))
}

func frameHead(kind byte, size int) []byte {
	return binary.BigEndian.AppendUint32([]byte{kind}, uint32(size))
}

func (b *backupWriter) finish() error {
	if len(b.pending) > 0 {
		if err := b.frame(); err != nil {
			return err
		}
	}
	size := trailerSize
	if b.seal != nil {
		size += chacha20poly1305.Overhead
	}
	trailer := binary.BigEndian.AppendUint64(frameHead(trailerFrame, size), b.report.Records)
	if err := b.write(binary.BigEndian.AppendUint64(trailer, b.report.Damaged)); err != nil {
		return err
	}
	sum := b.sum.Sum(nil)
	if b.seal != nil {
		sum = append(sum, b.seal.tag(sum)...)
	}
	return b.write(sum)
}

// A backupReader reads a backup frame by frame.
type backupReader struct {
	r      io.Reader
	sum    hash.Hash
	header []byte
	seal   *backupSeal
	tag    []byte // of the end
	frames uint64
	report BackupReport
}

func newBackupReader(r io.Reader) (*backupReader, error) {
	b := &backupReader{r: r, sum: sha256.New(), header: make([]byte, backupHeader)}
	if _, err := io.ReadFull(r, b.header); err != nil {
		return b, cutOff(err)
	}
	d := decoder{b: b.header}
	magic, sealed := d.bytes(len(backupMagic)), d.uint8()
	if string(magic) != backupMagic || sealed > 1 {
		return b, fmt.Errorf("%w: it does not begin like one", ErrBackup)
	}
	b.sum.Write(b.header)
	b.report.Sealed, b.report.Store = sealed == 1, storeID([16]byte(d.bytes(16)))
	d.bytes(16)
	b.report.Made = time.UnixMilli(int64(d.uint64())).UTC()
	return b, nil
}

// unlock makes ready to open a sealed backup.
func (b *backupReader) unlock(key []byte) (err error) {
	if !b.report.Sealed {
		return nil
	}
	if len(key) == 0 {
		return fmt.Errorf("%w: the backup is sealed, and this node has no store key", ErrKey)
	}
	b.seal, err = newBackupSeal(key, b.header, [16]byte(b.header[len(b.header)-24:]))
	return err
}

// next returns the payload of the next frame, opened where there is a key, and
// io.EOF after a trailer that agrees with all that came before it.
func (b *backupReader) next() ([]byte, error) {
	head := make([]byte, 5)
	if _, err := io.ReadFull(b.r, head); err != nil {
		return nil, cutOff(err)
	}
	size := binary.BigEndian.Uint32(head[1:])
	if head[0] > trailerFrame || size == 0 || size > maxFrame {
		return nil, fmt.Errorf("%w: frame %d of %d bytes", ErrBackup, b.frames, size)
	}
	var payload bytes.Buffer // grows by what comes
	if _, err := io.CopyN(&payload, b.r, int64(size)); err != nil {
		return nil, cutOff(err)
	}
	if head[0] == trailerFrame {
		return nil, b.end(head, payload.Bytes())
	}
	b.frames++
	b.sum.Write(head)
	b.sum.Write(payload.Bytes())
	if b.seal == nil {
		return payload.Bytes(), nil
	}
	return b.seal.open(payload.Bytes())
}

// end compares the trailer, and demands that nothing follows.
func (b *backupReader) end(head, trailer []byte) error {
	d := decoder{b: trailer}
	b.report.Records, b.report.Damaged = d.uint64(), d.uint64()
	sum := d.bytes(sha256.Size)
	tag := 0
	if b.report.Sealed {
		tag = chacha20poly1305.Overhead
	}
	if d.bad || len(d.b) != tag {
		return fmt.Errorf("%w: an end of %d bytes", ErrBackup, len(trailer))
	}
	b.sum.Write(head)
	b.sum.Write(trailer[:trailerSize-sha256.Size])
	if !bytes.Equal(sum, b.sum.Sum(nil)) {
		return fmt.Errorf("%w: its hash is another", ErrBackup)
	}
	b.tag = d.b
	if n, _ := io.ReadFull(b.r, make([]byte, 1)); n > 0 {
		return fmt.Errorf("%w: something follows its end", ErrBackup)
	}
	return io.EOF
}

// trailerSigned reports whether a sealed backup's trailer is its author's.
func (b *backupReader) trailerSigned() error {
	if b.seal == nil {
		return nil
	}
	if !bytes.Equal(b.seal.tag(b.sum.Sum(nil)), b.tag) {
		return fmt.Errorf("%w: the end is sealed under another key, or altered", ErrKey)
	}
	return nil
}

func cutOff(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("%w: it ends too early", ErrBackup)
	}
	return fmt.Errorf("read backup: %w", err)
}
