package api

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"

	"github.com/tocsin-exchange/tocsin/storage"
)

// cursors writes and reads positions in a store's order of arrival. A cursor
// is one block of AES over a version, the store's mark and the position: what
// another store wrote, or nobody, does not decrypt to the mark, and nobody can
// count by cursors what lies between two claims it may see.
type cursors struct {
	block cipher.Block
	mark  [7]byte // of the store
}

const cursorVersion = 1

func newCursors(storeID string) cursors {
	sum := sha256.Sum256([]byte("tocsin cursor v1\x00" + storeID))
	block, err := aes.NewCipher(sum[:16])
	if err != nil {
		panic(err) // the key has 16 bytes
	}
	return cursors{block, [7]byte(sum[16:])}
}

func (c cursors) text(position uint64) string {
	var b [16]byte
	b[0] = cursorVersion
	copy(b[1:], c.mark[:])
	binary.BigEndian.PutUint64(b[8:], position)
	c.block.Encrypt(b[:], b[:])
	return base64.RawURLEncoding.EncodeToString(b[:])
}

// position reads a cursor; "" is the beginning and "now" the end.
func (c cursors) position(text string, store *storage.Store) (uint64, error) {
	switch text {
	case "":
		return 0, nil
	case "now":
		return store.Position(), nil
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || len(b) != 16 {
		return 0, kindUsage.problem(fmt.Sprintf("cursor %q: it is damaged", shown(text)), "copy it again, or begin without one")
	}
	c.block.Decrypt(b, b)
	position := binary.BigEndian.Uint64(b[8:])
	switch {
	case b[0] != cursorVersion || [7]byte(b[1:]) != c.mark:
		return 0, kindCursor.problem("the cursor is not of this node's store, or from before it was set up anew", "begin again without a cursor")
	case position > store.Position():
		return 0, kindCursor.problem("the cursor is ahead of this node's store, which was restored from a backup", "begin again without a cursor")
	}
	return position, nil
}
