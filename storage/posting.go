package storage

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"time"

	"github.com/klauspost/compress/zstd"
	"github.com/tocsin-exchange/tocsin/protocol"
	"github.com/tocsin-exchange/tocsin/protocol/stix"
	"github.com/tocsin-exchange/tocsin/trust"
)

// An indexer makes the postings of one life of the index.
type indexer struct {
	secret [32]byte
	gen    uint16 // of the segments
}

// hash is a keyed hash of a value or id. The secret keeps those who choose the
// values from making collisions.
func (x *indexer) hash(kind, value string) uint64 {
	var room [160]byte
	b := append(room[:0], x.secret[:]...)
	b = append(b, kind...)
	b = append(b, 0)
	b = append(b, value...)
	sum := sha256.Sum256(b)
	return binary.BigEndian.Uint64(sum[:])
}

func (x *indexer) value(o stix.Observable) uint64 { return x.hash(string(o.Type), o.Value) }
func (x *indexer) name(id string) uint64          { return x.hash("id", id) }
func (x *indexer) about(id string) uint64         { return x.hash("about", id) }

// prepare makes a body ready to be written. It gets its number from the writer.
func (x *indexer) prepare(z *zstd.Encoder, b *protocol.Bulletin, parsed []stix.Object) (*content, error) {
	salted := b.Salted()
	c := &content{by: x, bulletin: b, place: bodyPlace{shift: chunkShift(salted), expires: forever}}
	c.cut(z)
	if b.Header.Kind != protocol.Objects {
		return c, nil
	}
	return c, x.post(c, b, parsed)
}

// cut encodes the chunks.
func (c *content) cut(z *zstd.Encoder) {
	salted, n := c.bulletin.Salted(), 1<<c.place.shift
	for start := 0; start < len(salted); start += n {
		part := salted[start:min(start+n, len(salted))]
		c.chunks = append(c.chunks, encodeChunk(z, part, func(i int) protocol.ID { return c.bulletin.Reference(start + i) }))
	}
}

// post derives a body's postings and packs them into segments.
func (x *indexer) post(c *content, b *protocol.Bulletin, parsed []stix.Object) error {
	c.postings = make([]posting, 0, 2*b.Header.Count)
	var expires uint32
	n := 0
	for i, raw := range b.Objects() {
		var o stix.Object
		if n < len(parsed) && bytes.Equal(parsed[n].Raw, raw) {
			o = parsed[n]
		} else {
			var err error
			if o, err = stix.Parse(raw); err != nil {
				return fmt.Errorf("object %d of %s: %w", i, b.ID(), err)
			}
		}
		n++
		c.postings = x.appendPostings(c.postings, i, &o, &b.Header)
		expires = max(expires, seconds(lastExpiry(&o, &b.Header)))
	}
	if n > 0 {
		c.place.expires = expires
	}
	return c.pack()
}

// pack encodes the segments.
func (c *content) pack() error {
	c.segments = nil
	for rest := c.postings; len(rest) > 0; {
		part := rest[:min(len(rest), maxPostings)]
		rest = rest[len(part):]
		c.segments = append(c.segments, encodeSegment(part))
	}
	if len(c.segments) > maxParts {
		return fmt.Errorf("%w: %d values in one bulletin", protocol.ErrInvalid, len(c.postings))
	}
	c.place.parts = uint8(len(c.segments))
	return nil
}

func (x *indexer) appendPostings(list []posting, i int, o *stix.Object, h *protocol.Header) []posting {
	p := posting{index: uint16(i)}
	if o.Revoked {
		p.flags = revokedFlag
	}
	for _, claim := range o.Claims {
		v := p
		v.hash, v.prefix, v.expires = x.value(claim), prefixCode(claim), seconds(expiry(o, claim.Type, h))
		list = append(list, v)
	}
	p.flags |= nameFlag
	p.hash, p.expires = x.name(o.ID), seconds(lastExpiry(o, h))
	list = append(list, p)
	for _, alias := range o.Aliases {
		if alias == o.ID {
			continue
		}
		p.hash, p.flags = x.name(alias), p.flags|aliasFlag
		list = append(list, p)
	}
	for _, id := range o.About() {
		p.hash, p.flags = x.about(id), aboutFlag|p.flags&revokedFlag
		list = append(list, p)
	}
	return list
}

// expiry is when a claim stops answering: its valid_until, else the lifetime
// of its type from its issue, or from valid_from where that is later.
func expiry(o *stix.Object, t stix.Type, h *protocol.Header) time.Time {
	if !o.ValidUntil.IsZero() {
		return o.ValidUntil
	}
	from := protocol.Time(h.Issued)
	if o.ValidFrom.After(from) {
		from = o.ValidFrom
	}
	return from.Add(trust.Lifetime(t))
}

// lastExpiry is when nothing an object says counts any more: never, for what
// neither makes a claim by nature nor speaks of others. What speaks of others
// ends a year after its issue, so no version outlives a newer one.
func lastExpiry(o *stix.Object, h *protocol.Header) time.Time {
	if len(o.About()) > 0 {
		return protocol.Time(h.Issued).Add(aboutLasts)
	}
	if o.Type != "indicator" {
		return endOfTime
	}
	if len(o.Claims) == 0 {
		return expiry(o, "", h)
	}
	var last time.Time
	for _, claim := range o.Claims {
		if e := expiry(o, claim.Type, h); e.After(last) {
			last = e
		}
	}
	return last
}

// aboutLasts is how long a sighting or an opinion is kept, and counts at most.
const aboutLasts = 365 * 24 * time.Hour

// endOfTime is the end of the year 9999: never.
var endOfTime = time.UnixMilli(253402300799999).UTC()

// prefixCode says which address block an observable is, 0 for anything else.
func prefixCode(o stix.Observable) uint8 {
	p, ok := o.Prefix()
	switch {
	case !ok || p.IsSingleIP():
		return 0
	case p.Addr().Is4():
		return uint8(1 + p.Bits())
	}
	return uint8(firstSixCode + p.Bits())
}
