package taxii

import (
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

// places writes and reads places as texts of one store.
type places struct{ opaque storage.Opaque }

const maxNext = 4 * maxFilter // characters: filters grow by three in their escapes

func newPlaces(storeID string) places {
	return places{storage.NewOpaque("tocsin taxii next v1", storeID)}
}

func (p places) text(at place) string {
	b := make([]byte, 0, 2*8+2+len(at.of)+len(at.filter))
	b = binary.BigEndian.AppendUint64(b, uint64(at.moment))
	b = binary.BigEndian.AppendUint64(b, at.silence)
	b = binary.BigEndian.AppendUint16(b, uint16(len(at.of)))
	return p.opaque.Text(append(append(b, at.of...), at.filter...))
}

// read reads what text wrote.
func (p places) read(text string) (at place, err error) {
	if len(text) > maxNext {
		return at, fmt.Errorf("%w: next is damaged", ErrQuery)
	}
	plain, ours, err := p.opaque.Read(text)
	switch {
	case err != nil || len(plain) < 2*8+2:
		return at, fmt.Errorf("%w: next is damaged", ErrQuery)
	case !ours:
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
