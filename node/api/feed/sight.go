package feed

import (
	"encoding/binary"

	"github.com/tocsin-exchange/tocsin/protocol"
	"github.com/tocsin-exchange/tocsin/storage"
	"github.com/tocsin-exchange/tocsin/trust"
)

// maxSights is how many kinds of headers are remembered; where there are more,
// all is read anew for every answer.
const maxSights = 1 << 15

// sights are what an asker's query said of headers, one of each kind. Queries
// go by who said something to whom under which label, not by when, so one
// header speaks for all that differ only in place, date and content.
type sights map[sightKey]sight

type sight struct {
	header  protocol.Header
	visible bool
}

// A sightKey is a kind of headers.
type sightKey struct {
	certificate protocol.Certificate
	community   protocol.ID
	tlp         protocol.TLP
	pap         protocol.PAP
	audience    string
}

func keyOf(h *protocol.Header) sightKey {
	k := sightKey{certificate: h.Certificate, community: h.Community, tlp: h.TLP, pap: h.PAP}
	if len(h.Audience) == 0 {
		return k
	}
	var b []byte
	for _, r := range h.Audience {
		b = append(append(b, r.Org[:]...), r.Group[:]...)
		b = binary.BigEndian.AppendUint64(b, r.Version)
		b = append(binary.BigEndian.AppendUint64(b, uint64(len(r.Person))), r.Person...)
	}
	k.audience = string(b)
	return k
}

// watch returns a query as lists ask it, which notes what it says.
func (s sights) watch(q storage.Query) storage.Query {
	asked := q
	q.Visible = func(h *protocol.Header) bool {
		if !trust.Listed(h) {
			return false
		}
		saw := sees(&asked, h)
		if key := keyOf(h); len(s) <= maxSights {
			s[key] = sight{*h, saw}
		}
		return saw
	}
	return q
}

// agree reports whether a query says the same of all.
func (s sights) agree(q *storage.Query) bool {
	for _, v := range s {
		if sees(q, &v.header) != v.visible {
			return false
		}
	}
	return true
}

// within reports whether a query makes all visible that is visible here.
func (s sights) within(q *storage.Query) bool {
	for _, v := range s {
		if v.visible && !sees(q, &v.header) {
			return false
		}
	}
	return true
}

func sees(q *storage.Query, h *protocol.Header) bool { return q.Visible == nil || q.Visible(h) }
