package storage

import (
	"encoding/binary"
	"fmt"
	"math"
	"time"
)

const (
	postingSize  = 16
	maxPostings  = 8192     // in one segment
	maxParts     = 1<<8 - 1 // segments of one body
	forever      = math.MaxUint32
	nameFlag     = 1 << 0 // of a STIX id, not of a value
	aliasFlag    = 1 << 1 // a foreign id the object stands for, not its own
	revokedFlag  = 1 << 2 // the object takes the claim back
	aboutFlag    = 1 << 3 // of the STIX id of another object, of which this one speaks
	knownFlags   = nameFlag | aliasFlag | revokedFlag | aboutFlag
	firstSixCode = 34 // prefix codes: 0 none, 1+bits for IPv4, 34+bits for IPv6
)

// A posting says that an object speaks of a value, has an id, or speaks of an
// object with that id.
type posting struct {
	hash    uint64
	expires uint32
	index   uint16
	prefix  uint8 // of an address block, see firstSixCode
	flags   uint8
}

// isObject is 1 for the posting of an object's own id, which each has, else 0.
func (p *posting) isObject() int {
	if p.flags&(nameFlag|aliasFlag) == nameFlag {
		return 1
	}
	return 0
}

// isVersion reports whether objects of one scope under the posting's hash are
// versions of which the newest counts.
func (p *posting) isVersion() bool { return p.flags&(aliasFlag|aboutFlag) == 0 }

// lastOf is when the last of so many objects expires; never, where one of them
// has no posting.
func lastOf(postings []posting, objects int) uint32 {
	expires := uint32(0)
	for _, p := range postings {
		if p.isObject() == 1 {
			objects--
			expires = max(expires, p.expires)
		}
	}
	if objects > 0 {
		return forever
	}
	return expires
}

func encodeSegment(postings []posting) []byte {
	b := make([]byte, 0, len(postings)*postingSize+tagSize)
	for _, p := range postings {
		b = binary.BigEndian.AppendUint64(b, p.hash)
		b = binary.BigEndian.AppendUint32(b, p.expires)
		b = binary.BigEndian.AppendUint16(b, p.index)
		b = append(b, p.prefix, p.flags)
	}
	return b
}

// decodeSegment appends the postings of a segment to list.
func decodeSegment(list []posting, b []byte) ([]posting, error) {
	if len(b)%postingSize != 0 || len(b) > maxPostings*postingSize {
		return list, fmt.Errorf("%w: index segment of %d bytes", ErrDamaged, len(b))
	}
	for d := (decoder{b: b}); len(d.b) > 0; {
		p := posting{d.uint64(), d.uint32(), d.uint16(), d.uint8(), d.uint8()}
		if p.index >= 1<<indexBits || p.prefix > firstSixCode+128 || p.flags&^knownFlags != 0 {
			return list, fmt.Errorf("%w: index segment with an impossible posting", ErrDamaged)
		}
		list = append(list, p)
	}
	return list, nil
}

// seconds rounds a date up to what a posting keeps.
func seconds(t time.Time) uint32 {
	s := t.Unix()
	if t.Nanosecond() > 0 {
		s++
	}
	return uint32(min(max(s, 0), forever))
}
