package journal

import (
	"bytes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"

	"golang.org/x/crypto/chacha20poly1305"
)

const (
	// KeySize is the length of a key that a journal is sealed under.
	KeySize = 32

	padLine  = 256 // a sealed line says its length only in these steps
	padHead  = 288 // the head's line, whatever its numbers
	maxOpen  = (maxLine + padLine - 1) / padLine * padLine
	sealedID = 8 // bytes that tell one key from another

	purposeLine, purposeHead = "tocsin journal line v1", "tocsin journal head v1"
)

// maxSealed is the longest line of a sealed segment, with its end.
var maxSealed = encoding.EncodedLen(chacha20poly1305.NonceSizeX+maxOpen+chacha20poly1305.Overhead) + 1

var encoding = base64.RawStdEncoding.Strict()

// ErrKey: the journal is sealed under another key, or under none, or it is sealed
// and no key was given.
var ErrKey = errors.New("wrong key for the journal")

// A seal keeps what is on the disk from whoever has not its key. nil: the files
// are not sealed.
type seal struct {
	aead cipher.AEAD
	id   string // of the key, in hex; the head file says it
}

// newSeal returns the seal of a key; nil for none.
func newSeal(key []byte) (*seal, error) {
	if key == nil {
		return nil, nil
	}
	if len(key) != KeySize {
		return nil, fmt.Errorf("journal: %w: %d bytes, %d are needed", ErrKey, len(key), KeySize)
	}
	id, err := hkdf.Key(sha256.New, key, nil, "tocsin journal key id v1", sealedID)
	if err != nil {
		return nil, fmt.Errorf("journal: %w", err)
	}
	aead, err := chacha20poly1305.NewX(key)
	if err != nil {
		return nil, fmt.Errorf("journal: %w", err)
	}
	return &seal{aead: aead, id: hex.EncodeToString(id)}, nil
}

// append adds what is on the disk for a text that ends in a line feed: padded,
// under a nonce of its own, in base64 without the padding of that.
func (s *seal) append(b []byte, purpose string, text []byte, step int) []byte {
	size := (len(text) + step - 1) / step * step
	sealed := make([]byte, chacha20poly1305.NonceSizeX, chacha20poly1305.NonceSizeX+size+chacha20poly1305.Overhead)
	rand.Read(sealed)
	padded := make([]byte, size)
	copy(padded, text)
	return encoding.AppendEncode(b, s.aead.Seal(sealed, sealed, padded, []byte(purpose)))
}

// open returns the text, with its line feed. It takes what append wrote and
// nothing else.
func (s *seal) open(purpose string, b []byte) ([]byte, bool) {
	if bytes.IndexByte(b, '\r') >= 0 || bytes.IndexByte(b, '\n') >= 0 { // a decoder passes them
		return nil, false
	}
	sealed, err := encoding.AppendDecode(nil, b)
	if err != nil || len(sealed) < chacha20poly1305.NonceSizeX {
		return nil, false
	}
	nonce, rest := sealed[:chacha20poly1305.NonceSizeX], sealed[chacha20poly1305.NonceSizeX:]
	padded, err := s.aead.Open(rest[:0], nonce, rest, []byte(purpose))
	if err != nil {
		return nil, false
	}
	end := bytes.IndexByte(padded, '\n') + 1
	return padded[:end], end > 0 && len(bytes.Trim(padded[end:], "\x00")) == 0
}

// appendLine adds a record's line to what goes to the disk.
func (s *seal) appendLine(b, text []byte) []byte {
	if s == nil {
		return append(b, text...)
	}
	return append(s.append(b, purposeLine, text, padLine), '\n')
}

// limit is the longest line of a segment.
func (s *seal) limit() int {
	if s == nil {
		return maxLine
	}
	return maxSealed
}

// unsealed is a line of a segment as it was before it was sealed. What has no
// end yet, or is too long, stays as it is.
func (s *seal) unsealed(l line) line {
	if s == nil || l.broken != "" {
		return l
	}
	text, ok := s.open(purposeLine, bytes.TrimSuffix(l.raw, []byte("\n")))
	switch {
	case !ok:
		l.broken = shut
	case len(text) > maxLine:
		l.broken = tooLong
	default:
		l.raw = text
	}
	return l
}

// shut is why a line does not open.
const shut = "changed, or not sealed under this key"

// headPrefix begins a sealed slot; the id of the key and a space follow.
const headPrefix = "sealed "

// encodeHead returns a slot.
func (s *seal) encodeHead(h head) []byte {
	b := make([]byte, 0, slotSize)
	if s == nil {
		b = append(b, h.line()...)
	} else {
		b = append(append(append(b, headPrefix...), s.id...), ' ')
		b = s.append(b, purposeHead, append(h.line(), '\n'), padHead)
	}
	return append(append(b, bytes.Repeat([]byte{' '}, slotSize-1-len(b))...), '\n')
}

// decodeHead reads a slot.
func (s *seal) decodeHead(b []byte) (head, bool) {
	text, end := bytes.CutSuffix(b, []byte("\n"))
	text = bytes.TrimRight(text, " ")
	if !end || len(b) != slotSize {
		return head{}, false
	}
	if s != nil {
		sealed, ours := bytes.CutPrefix(text, []byte(headPrefix+s.id+" "))
		opened, ok := s.open(purposeHead, sealed)
		if text = bytes.TrimSuffix(opened, []byte("\n")); !ours || !ok {
			return head{}, false
		}
	}
	return parseHead(text)
}

// sealedBy is the id of the key a slot was sealed under, "" for a slot that was
// not; ok is false where it cannot be told.
func sealedBy(slot []byte) (id string, ok bool) {
	if bytes.HasPrefix(slot, []byte(headerBegin)) {
		return "", true
	}
	rest, is := bytes.CutPrefix(slot, []byte(headPrefix))
	name, _, end := bytes.Cut(rest, []byte(" "))
	if !is || !end || len(name) != 2*sealedID {
		return "", false
	}
	_, err := hex.Decode(make([]byte, sealedID), name)
	return string(name), err == nil
}

// name is the id of the key as sealedBy tells it, "" for none.
func (s *seal) name() string {
	if s == nil {
		return ""
	}
	return s.id
}
