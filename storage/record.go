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
	moreVersion   = 2   // of a record that says more than version 1 can
	datedVersion  = 3   // of one that also says when its body arrived
	maxReason     = 512 // bytes; longer ones are cut
	asideFlag     = 1 << 0
	erasedFlag    = 1 << 1
)

// BodyState says what became of a body whose header is held.
type BodyState uint8

const (
	Absent   BodyState = iota // wanted, not here yet
	Held                      // here
	Declined                  // not wanted, by our own rule
	Expired                   // dropped by a sweep: nothing in it counted any more
	Pruned                    // dropped because it was too old, by our own rule
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
	aside    bool               // it stands outside its stream
	via      protocol.Org       // who forwarded it, when aside
	erasure  uint64             // number of the last erasure of objects of it; 0: none
	bulletin *protocol.Bulletin // header only
}

// A bodyPlace is where a body's parts lie and until when it may matter.
type bodyPlace struct {
	number  uint64 // 0: none
	moment  Moment // of its first object; 0 on the disk: an earlier release wrote it
	gen     uint16 // how often objects of it were erased
	shift   uint8  // a chunk holds 1<<shift objects
	parts   uint8  // segments
	expires uint32 // Unix seconds; never: [forever]
}

func (r *record) encode() []byte {
	header, sig := r.bulletin.HeaderBytes()
	reason := strings.ToValidUTF8(r.reason[:min(len(r.reason), maxReason)], "")
	b := make([]byte, 0, 128+len(reason)+len(header)+tagSize)
	b = append(b, r.version(), byte(r.state))
	b = binary.BigEndian.AppendUint64(b, r.body.number)
	b = binary.BigEndian.AppendUint16(b, r.body.gen)
	b = append(b, r.body.shift, r.body.parts)
	b = binary.BigEndian.AppendUint32(b, r.body.expires)
	b = append(b, boolByte(r.own))
	b = append(b, r.from[:]...)
	b = binary.BigEndian.AppendUint64(b, r.received)
	b = appendCounted(b, []byte(reason))
	b = r.appendMore(b)
	b = append(b, sig[:]...)
	return append(b, header...)
}

// version is the oldest that can say what the record says.
func (r *record) version() byte {
	switch {
	case r.body.moment > 0:
		return datedVersion
	case r.aside || r.erasure > 0:
		return moreVersion
	}
	return recordVersion
}

// appendMore writes what only later versions have: flags and what they announce,
// then the moment.
func (r *record) appendMore(b []byte) []byte {
	if r.version() == recordVersion {
		return b
	}
	flags := len(b)
	b = append(b, 0)
	if r.aside {
		b[flags] |= asideFlag
		b = append(b, r.via[:]...)
	}
	if r.erasure > 0 {
		b[flags] |= erasedFlag
		b = binary.BigEndian.AppendUint64(b, r.erasure)
	}
	if r.version() == datedVersion {
		b = binary.BigEndian.AppendUint64(b, uint64(r.body.moment))
	}
	return b
}

// more reads what appendMore wrote.
func (r *record) more(d *decoder, version byte) {
	flags := d.uint8()
	if r.aside = flags&asideFlag != 0; r.aside {
		copy(r.via[:], d.bytes(len(r.via)))
	}
	if flags&erasedFlag != 0 {
		r.erasure = d.uint64()
		d.bad = d.bad || r.erasure == 0
	}
	d.bad = d.bad || flags == 0 && version == moreVersion || flags&^(asideFlag|erasedFlag) != 0
	if version == datedVersion {
		r.body.moment = Moment(d.uint64())
		d.bad = d.bad || r.body.moment == 0
	}
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
	if version == moreVersion || version == datedVersion {
		r.more(&d, version)
	}
	var sig protocol.Signature
	copy(sig[:], d.bytes(len(sig)))
	if d.bad || version < recordVersion || version > datedVersion || r.state >= states || r.body.shift > maxShift || own > 1 || len(r.reason) > maxReason || !utf8.ValidString(r.reason) {
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
