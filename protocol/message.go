package protocol

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// Protocol ids of the streams between nodes, and of gossipsub itself.
const (
	JoinProtocol   = "/tocsin/join/1"
	SyncProtocol   = "/tocsin/sync/1"
	GossipProtocol = "/tocsin/meshsub/1.2.0"
)

// MaxFrame bounds a frame on any stream, in bytes: the largest is one whole
// bulletin, sealed.
const MaxFrame = maxSealed + maxEnc + 1024

const (
	secretSize = 16  // bytes of an invite's secret
	maxReason  = 512 // bytes of a refusal
	maxRanges  = 64  // heads or gaps of a summary, ranges of a want
	maxLacks   = 16  // of a greeting, so that it stays under a kilobyte
)

// ErrRefused is wrapped by the error a refusal frame becomes.
var ErrRefused = errors.New("refused by the peer")

// A JoinRequest opens a join stream. With a secret it burns an invite; without,
// it shows a certificate under a member's key.
type JoinRequest struct {
	Community   ID          `cbor:"1,keyasint"`
	Secret      []byte      `cbor:"2,keyasint,omitempty"` // 16 bytes, or none
	Certificate Certificate `cbor:"3,keyasint"`
	Name        string      `cbor:"4,keyasint"` // what the joiner calls itself
	Addrs       []string    `cbor:"5,keyasint,omitempty"`
}

// A JoinAnswer is the first frame back. Statements of the community follow, a
// bulletin a frame, until the stream ends.
type JoinAnswer struct {
	Refused string `cbor:"1,keyasint,omitzero"` // why not; all else is absent then
	Charter []byte `cbor:"2,keyasint,omitempty"`
	Count   uint64 `cbor:"3,keyasint,omitzero"` // bulletins that follow
}

func (j JoinRequest) check() error {
	if j.Community.IsZero() || len(j.Secret) != 0 && len(j.Secret) != secretSize {
		return fmt.Errorf("%w join request: it names no community, or its secret is not of %d bytes", ErrInvalid, secretSize)
	}
	if err := CheckName(j.Name); err != nil {
		return fmt.Errorf("join request: %w", err)
	}
	if err := checkAddrs(j.Addrs); err != nil {
		return fmt.Errorf("join request: %w", err)
	}
	return j.Certificate.Check()
}

func (j JoinAnswer) check() error {
	if (j.Refused == "") == (len(j.Charter) == 0) || j.Refused != "" && j.Count > 0 || len(j.Refused) > maxReason {
		return fmt.Errorf("%w join answer: neither a charter nor one short refusal", ErrInvalid)
	}
	return nil
}

// A Head is a header and its place.
type Head struct {
	Position Position `cbor:"1,keyasint"`
	ID       ID       `cbor:"2,keyasint"`
}

// A Range is a part of a stream: every header after From up to To.
type Range struct {
	From Position `cbor:"1,keyasint"` // exclusive
	To   Position `cbor:"2,keyasint"` // inclusive
}

// A Summary is what a node holds of one stream.
type Summary struct {
	Stream Stream  `cbor:"1,keyasint"`
	Heads  []Head  `cbor:"2,keyasint"`           // sorted by position, then id; 1 to 64
	Gaps   []Range `cbor:"3,keyasint,omitempty"` // at most 64
}

// A Want asks for headers of a stream by range, or for bodies by id.
type Want struct {
	Stream ID      `cbor:"1,keyasint,omitzero"`
	Ranges []Range `cbor:"2,keyasint,omitempty"` // at most 64
	Bodies []ID    `cbor:"3,keyasint,omitempty"` // at most 256
}

// An End ends a list, or one's turn.
type End struct {
	Rest []Range `cbor:"1,keyasint,omitempty"` // of a want: what it was too much to answer at once
}

// A Lack is one of the receiver's bulletins whose body the sender does not
// keep, although it holds the header.
type Lack struct {
	ID  ID      `cbor:"1,keyasint"`
	Why LackWhy `cbor:"2,keyasint"`
}

// LackWhy says why a body is not kept.
type LackWhy uint8

// Why a body is not kept.
const (
	LackWanted   LackWhy = 1 + iota // it has not come yet
	LackDeclined                    // by a rule of the holder's
	LackExpired                     // nothing in it counted any more
	LackPruned                      // to make room
	LackErased                      // at its author's request
)

// Lacks tells an author what became of its bulletins at one holder.
type Lacks struct {
	Total  uint64 `cbor:"1,keyasint"`           // how many there are
	Sample []Lack `cbor:"2,keyasint,omitempty"` // some of them, another choice every time; at most 16, sorted by id
}

// A SyncFrame is one message of a sync stream: exactly one field is set, but
// that Lacks goes with Digest.
type SyncFrame struct {
	Digest   *ID      `cbor:"1,keyasint,omitempty"` // of all summaries; opens a session
	Summary  *Summary `cbor:"2,keyasint,omitempty"`
	Want     *Want    `cbor:"3,keyasint,omitempty"`
	Bulletin []byte   `cbor:"4,keyasint,omitempty"` // wire form
	End      *End     `cbor:"5,keyasint,omitempty"`
	Refused  string   `cbor:"6,keyasint,omitzero"`
	Lacks    *Lacks   `cbor:"7,keyasint,omitempty"`
	Sealed   *Sealed  `cbor:"8,keyasint,omitempty"` // a bulletin above GREEN
}

func (f SyncFrame) check() error {
	set := 0
	for _, is := range []bool{f.Digest != nil, f.Summary != nil, f.Want != nil, f.Bulletin != nil, f.End != nil, f.Refused != "", f.Sealed != nil} {
		if is {
			set++
		}
	}
	if set != 1 || len(f.Refused) > maxReason {
		return fmt.Errorf("%w sync frame: %d messages in one, or a long refusal", ErrInvalid, set)
	}
	switch {
	case f.Lacks != nil && f.Digest == nil:
		return fmt.Errorf("%w sync frame: what is lacking goes with a digest", ErrInvalid)
	case f.Lacks != nil:
		return f.Lacks.check()
	case f.Summary != nil:
		return f.Summary.check()
	case f.Want != nil:
		return f.Want.check()
	case f.End != nil:
		return checkRanges(f.End.Rest)
	case f.Sealed != nil:
		return f.Sealed.check()
	}
	return nil
}

func (l *Lacks) check() error {
	if l.Total == 0 || len(l.Sample) > maxLacks || uint64(len(l.Sample)) > l.Total ||
		!ascending(l.Sample, func(a, b Lack) int { return a.ID.Compare(b.ID) }) {
		return fmt.Errorf("%w lacks: %d of %d: at most %d, sorted by id, are allowed, and none of none", ErrInvalid, len(l.Sample), l.Total, maxLacks)
	}
	for _, lack := range l.Sample {
		if lack.Why < LackWanted || lack.Why > LackErased {
			return fmt.Errorf("%w lacks: reason %d", ErrInvalid, lack.Why)
		}
	}
	return nil
}

func (s *Summary) check() error {
	if len(s.Heads) == 0 || len(s.Heads) > maxRanges || !ascending(s.Heads, Head.Compare) {
		return fmt.Errorf("%w summary: %d heads: 1 to %d, sorted, are allowed", ErrInvalid, len(s.Heads), maxRanges)
	}
	for _, h := range s.Heads {
		if h.Position.Epoch == 0 || h.Position.Seq == 0 {
			return fmt.Errorf("%w summary: a head at position %d of epoch %d", ErrInvalid, h.Position.Seq, h.Position.Epoch)
		}
	}
	if err := checkRanges(s.Gaps); err != nil {
		return fmt.Errorf("summary: %w", err)
	}
	if err := CheckKey(s.Stream.Node); err != nil {
		return fmt.Errorf("summary: %w", err)
	}
	return s.Stream.check()
}

func (w *Want) check() error {
	if len(w.Bodies) > 256 || w.Stream.IsZero() != (len(w.Ranges) == 0) {
		return fmt.Errorf("%w want: %d bodies, %d ranges of stream %s", ErrInvalid, len(w.Bodies), len(w.Ranges), w.Stream)
	}
	return checkRanges(w.Ranges)
}

// checkRanges refuses a range that holds nothing: whoever asks for one would
// wait for ever for what it lacks.
func checkRanges(ranges []Range) error {
	if len(ranges) > maxRanges {
		return fmt.Errorf("%w: %d ranges, at most %d are allowed", ErrInvalid, len(ranges), maxRanges)
	}
	for _, r := range ranges {
		if r.From.Compare(r.To) >= 0 {
			return fmt.Errorf("%w: a range that ends where it begins, or before", ErrInvalid)
		}
	}
	return nil
}

// Compare orders heads of one stream by position, then id.
func (h Head) Compare(o Head) int { return cmp.Or(h.Position.Compare(o.Position), h.ID.Compare(o.ID)) }

// SummariesDigest returns the hash that two nodes holding the same compare.
// The summaries must be sorted by stream id.
func SummariesDigest(summaries []Summary) ID {
	h := sha256.New()
	h.Write([]byte("tocsin summaries v1"))
	for _, s := range summaries {
		h.Write(encode(s))
	}
	return ID(h.Sum(nil))
}

// frame is what the join and sync streams carry.
type frame interface {
	JoinRequest | JoinAnswer | SyncFrame | DeliverFrame
	check() error
}

// WriteFrame writes v behind its length, four bytes big endian.
func WriteFrame[T frame](w io.Writer, v T) error {
	return WriteBytes(w, encode(v))
}

// ReadFrame reads one frame of at most limit bytes. The caller sets the
// deadline. Memory grows with what arrives, not with what is announced.
func ReadFrame[T frame](r io.Reader, limit int) (T, error) {
	var v, none T
	b, err := ReadBytes(r, limit)
	if err != nil {
		return none, err
	}
	if err := decode(b, limit, "frame", &v); err != nil {
		return none, err
	}
	if err := v.check(); err != nil {
		return none, err
	}
	return v, nil
}

// WriteBytes writes b as one frame, as the join stream carries its bulletins.
func WriteBytes(w io.Writer, b []byte) error {
	if len(b) > MaxFrame {
		return fmt.Errorf("%w frame: %d bytes, at most %d are allowed", ErrInvalid, len(b), MaxFrame)
	}
	_, err := w.Write(append(binary.BigEndian.AppendUint32(make([]byte, 0, 4+len(b)), uint32(len(b))), b...))
	return err
}

// ReadBytes reads one such frame of at most limit bytes. The error is io.EOF
// when the stream ended before it, io.ErrUnexpectedEOF when within.
func ReadBytes(r io.Reader, limit int) ([]byte, error) {
	var head [4]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return nil, err
	}
	n := binary.BigEndian.Uint32(head[:])
	if uint64(n) > uint64(limit) {
		return nil, fmt.Errorf("%w frame: %d bytes, at most %d are allowed", ErrInvalid, n, limit)
	}
	b, err := io.ReadAll(io.LimitReader(r, int64(n)))
	if err != nil {
		return nil, err
	}
	if uint64(len(b)) < uint64(n) {
		return nil, io.ErrUnexpectedEOF
	}
	return b, nil
}
