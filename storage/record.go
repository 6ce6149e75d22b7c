package storage

import (
	"encoding/binary"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/tocsin-exchange/tocsin/protocol"
)

const (
	recordVersion = 1
	maxReason     = 512 // bytes; longer ones are cut
)

// BodyState says what became of a body whose header is held.
type BodyState uint8

const (
	Absent   BodyState = iota // wanted, not here yet
	Held                      // here
	Declined                  // not wanted, by our own rule
	Expired                   // dropped by a sweep: nothing in it counted any more
	Pruned                    // dropped to make room
	Erased                    // destroyed at its author's request
	states   = 6
)

// String returns the state in lower case.
func (s BodyState) String() string {
	if s < states {
		return [states]string{"absent", "held", "declined", "expired", "pruned", "erased"}[s]
	}
	return fmt.Sprintf("state(%d)", uint8(s))
}

// A record is what is stored under a header's number.
type record struct {
	state    BodyState
	body     bodyPlace
	own      bool
	from     protocol.Node
	received uint64 // Unix milliseconds
	reason   string
	bulletin *protocol.Bulletin // header only
}

// A bodyPlace is where a body's parts lie and until when it may matter.
type bodyPlace struct {
	number  uint64 // 0: none
	gen     uint16
	shift   uint8  // a chunk holds 1<<shift objects
	parts   uint8  // segments
	expires uint32 // Unix seconds; never: [forever]
}

func (r *record) encode() []byte {
	header, sig := r.bulletin.HeaderBytes()
	reason := strings.ToValidUTF8(r.reason[:min(len(r.reason), maxReason)], "")
	b := make([]byte, 0, 128+len(reason)+len(header)+tagSize)
	b = append(b, recordVersion, byte(r.state))
	b = binary.BigEndian.AppendUint64(b, r.body.number)
	b = binary.BigEndian.AppendUint16(b, r.body.gen)
	b = append(b, r.body.shift, r.body.parts)
	b = binary.BigEndian.AppendUint32(b, r.body.expires)
	b = append(b, boolByte(r.own))
	b = append(b, r.from[:]...)
	b = binary.BigEndian.AppendUint64(b, r.received)
	b = appendCounted(b, []byte(reason))
	b = append(b, sig[:]...)
	return append(b, header...)
}

// decodeRecord reads a record. The bytes are kept by the record's bulletin.
func decodeRecord(b []byte) (*record, error) {
	d := decoder{b: b}
	version := d.uint8()
	r := &record{state: BodyState(d.uint8())}
	r.body.number, r.body.gen = d.uint64(), d.uint16()
	r.body.shift, r.body.parts, r.body.expires = d.uint8(), d.uint8(), d.uint32()
	own := d.uint8()
	r.own = own == 1
	copy(r.from[:], d.bytes(len(r.from)))
	r.received = d.uint64()
	r.reason = string(d.counted())
	var sig protocol.Signature
	copy(sig[:], d.bytes(len(sig)))
	if d.bad || version != recordVersion || r.state >= states || r.body.shift > maxShift || own > 1 || len(r.reason) > maxReason || !utf8.ValidString(r.reason) {
		return nil, fmt.Errorf("%w: header record of version %d", ErrDamaged, version)
	}
	bulletin, err := protocol.Reopen(d.b, sig)
	if err != nil {
		return nil, fmt.Errorf("%w: %v", ErrDamaged, err)
	}
	r.bulletin = bulletin
	return r, nil
}

func boolByte(b bool) byte {
	if b {
		return 1
	}
	return 0
}
