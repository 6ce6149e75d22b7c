package taxii

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"

	"github.com/tocsin-exchange/tocsin/storage"
)

// A place is where the next page of an answer begins: all that is needed to go on,
// so that the server remembers nothing and the node may start anew in between.
type place struct {
	moment  storage.Moment // of the last object given
	silence uint64         // whose word did not count then
	of      string         // root, collection, kind and object asked for
	filter  string         // see [filter.text]
}

// places writes and reads places under the key of one store: encrypted under a
// tag of themselves, equal for equal places, and not to be made up.
type places struct {
	block cipher.Block
	key   [32]byte // of the tag
}

const (
	placeTag = 16
	maxNext  = 4 * maxFilter // characters: filters grow by three in their escapes
)

func newPlaces(storeID string) places {
	sum := sha256.Sum256([]byte("tocsin taxii next v1\x00" + storeID))
	block, err := aes.NewCipher(sum[:16])
	if err != nil {
		panic(err) // the key has 16 bytes
	}
	return places{block, sha256.Sum256(sum[16:])}
}

func (p places) tag(plain []byte) []byte {
	mac := hmac.New(sha256.New, p.key[:])
	mac.Write(plain)
	return mac.Sum(nil)[:placeTag]
}

func (p places) text(at place) string {
	b := make([]byte, placeTag, placeTag+2*8+2+len(at.of)+len(at.filter))
	b = binary.BigEndian.AppendUint64(b, uint64(at.moment))
	b = binary.BigEndian.AppendUint64(b, at.silence)
	b = binary.BigEndian.AppendUint16(b, uint16(len(at.of)))
	b = append(append(b, at.of...), at.filter...)
	copy(b, p.tag(b[placeTag:]))
	cipher.NewCTR(p.block, b[:placeTag]).XORKeyStream(b[placeTag:], b[placeTag:])
	return base64.RawURLEncoding.EncodeToString(b)
}

// read reads what text wrote.
func (p places) read(text string) (at place, err error) {
	b, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || len(text) > maxNext || len(b) < placeTag+2*8+2 {
		return at, fmt.Errorf("%w: next is damaged", ErrQuery)
	}
	tag, plain := b[:placeTag], b[placeTag:]
	cipher.NewCTR(p.block, tag).XORKeyStream(plain, plain)
	if !hmac.Equal(tag, p.tag(plain)) {
		return at, fmt.Errorf("%w: it is of another node's store, or from before this one was set up anew", ErrPlace)
	}
	at.moment, at.silence = storage.Moment(binary.BigEndian.Uint64(plain)), binary.BigEndian.Uint64(plain[8:])
	n, rest := int(binary.BigEndian.Uint16(plain[16:])), plain[18:]
	if n > len(rest) {
		return at, fmt.Errorf("%w: next is damaged", ErrQuery)
	}
	at.of, at.filter = string(rest[:n]), string(rest[n:])
	return at, nil
}

// name says what a question is about, for its places.
func (q *Question) name() string {
	return q.Root.Name + " " + q.Collection.ID + " " + string(q.Kind) + " " + q.Object
}
