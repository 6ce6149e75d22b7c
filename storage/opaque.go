package storage

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
)

// OpaqueSize is by how many bytes an opaque text is longer than what it says,
// before both are written in base64.
const OpaqueSize = 16

// Opaque writes and reads texts that are shown outside and mean something to one
// store alone, such as cursors: encrypted under a tag of themselves, equal for
// equal content, and not to be made up.
type Opaque struct {
	block cipher.Block
	key   [32]byte // of the tag
}

// NewOpaque returns what writes the texts of a store for a purpose, which its
// texts for other purposes are not taken for.
func NewOpaque(purpose, storeID string) Opaque {
	sum := sha256.Sum256([]byte(purpose + "\x00" + storeID))
	block, err := aes.NewCipher(sum[:16])
	if err != nil {
		panic(err) // the key has 16 bytes
	}
	return Opaque{block, sha256.Sum256(sum[16:])}
}

func (o Opaque) tag(plain []byte) []byte {
	mac := hmac.New(sha256.New, o.key[:])
	mac.Write(plain)
	return mac.Sum(nil)[:OpaqueSize]
}

// Text writes something.
func (o Opaque) Text(plain []byte) string {
	b := append(o.tag(plain), plain...)
	cipher.NewCTR(o.block, b[:OpaqueSize]).XORKeyStream(b[OpaqueSize:], b[OpaqueSize:])
	return base64.RawURLEncoding.EncodeToString(b)
}

// Read reads what Text wrote. Of a text of another store, or for another purpose,
// ours is false and nothing but the length of plain means anything. An error is
// about what is no such text at all.
func (o Opaque) Read(text string) (plain []byte, ours bool, err error) {
	b, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || len(b) < OpaqueSize {
		return nil, false, errors.New("the text is damaged")
	}
	tag, plain := b[:OpaqueSize], b[OpaqueSize:]
	cipher.NewCTR(o.block, tag).XORKeyStream(plain, plain)
	return plain, hmac.Equal(tag, o.tag(plain)), nil
}
