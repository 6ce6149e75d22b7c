package protocol

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"slices"
	"unicode"
	"unicode/utf8"
)

// Limits of a bulletin. SPEC.md gives the same numbers.
const (
	Version     = 1
	MaxAudience = 64                                          // entries
	MaxHeader   = headerBase + MaxAudience*headerPerRecipient // bytes
	MaxBody     = 768 << 10                                   // bytes
	MaxObjects  = 1000                                        // per bulletin
	MaxObject   = 256 << 10                                   // bytes, without salt
	MaxWire     = MaxHeader + MaxBody + 96                    // header, signature, body and their framing
	MaxWhole    = 60 << 10                                    // bytes of wire form that gossip carries whole
	MaxName     = 64                                          // characters of a name or a person

	headerBase         = 2 << 10 // bytes of a header without audience
	headerPerRecipient = 128     // bytes more for each entry
	maxExtensions      = 16
)

// Kind says what a bulletin's objects are.
type Kind uint8

const (
	Objects    Kind = 1 // STIX 2.1 objects
	Statements Kind = 2 // statements about keys, members, groups, erasures
)

// String returns "objects" or "statements".
func (k Kind) String() string {
	switch k {
	case Objects:
		return "objects"
	case Statements:
		return "statements"
	}
	return fmt.Sprintf("kind(%d)", uint8(k))
}

// A Recipient is one entry of an audience: an organisation, a version of a
// sharing group, or (RED) a person at an organisation.
type Recipient struct {
	Org     Org    `cbor:"1,keyasint,omitzero"`
	Group   ID     `cbor:"2,keyasint,omitzero"`
	Version uint64 `cbor:"3,keyasint,omitzero"` // of the group's roster
	Person  string `cbor:"4,keyasint,omitzero"`
}

// A Position is a place in a stream: where in which epoch.
type Position struct {
	Epoch uint64 `cbor:"1,keyasint"`
	Seq   uint64 `cbor:"2,keyasint"`
}

// Compare orders positions of one stream.
func (p Position) Compare(q Position) int {
	switch {
	case p == q:
		return 0
	case p.Epoch < q.Epoch, p.Epoch == q.Epoch && p.Seq < q.Seq:
		return -1
	}
	return 1
}

// Header is all that everyone in the audience sees of a bulletin, and all that
// the signature covers.
type Header struct {
	Version     uint64            `cbor:"1,keyasint"`
	Kind        Kind              `cbor:"2,keyasint"`
	Community   ID                `cbor:"3,keyasint,omitzero"` // none above GREEN
	Certificate Certificate       `cbor:"4,keyasint"`
	Epoch       uint64            `cbor:"5,keyasint"`
	Seq         uint64            `cbor:"6,keyasint"`          // from 1 in every epoch
	Prev        ID                `cbor:"7,keyasint,omitzero"` // the stream's header before this one
	Issued      uint64            `cbor:"8,keyasint"`          // Unix milliseconds
	TLP         TLP               `cbor:"9,keyasint"`
	PAP         PAP               `cbor:"10,keyasint,omitzero"`
	Audience    []Recipient       `cbor:"11,keyasint,omitempty"` // sorted, distinct; none up to GREEN
	Drill       string            `cbor:"12,keyasint,omitzero"`
	Count       uint64            `cbor:"13,keyasint"` // objects
	Size        uint64            `cbor:"14,keyasint"` // bytes of the body as signed
	Root        ID                `cbor:"15,keyasint"` // SHA-256 of the leaf list
	Floor       *Position         `cbor:"16,keyasint,omitempty"`
	Critical    map[uint64][]byte `cbor:"17,keyasint,omitempty"`
	Extensions  map[uint64][]byte `cbor:"18,keyasint,omitempty"`
}

// Position returns the header's place in its stream.
func (h *Header) Position() Position { return Position{h.Epoch, h.Seq} }

// Org returns the organisation that speaks.
func (h *Header) Org() Org { return h.Certificate.Org }

// Stream returns the description of the log the header belongs to.
func (h *Header) Stream() Stream {
	return Stream{Node: h.Certificate.Node, Kind: h.Kind, Community: h.Community, TLP: h.TLP, Audience: h.Audience}
}

// check applies every rule on a header that needs neither clock nor memory.
func (h *Header) check() error {
	if h.Version == 0 {
		return fmt.Errorf("%w header: version 0", ErrInvalid)
	}
	if h.Version != Version {
		return fmt.Errorf("bulletin version %d: %w", h.Version, ErrUnsupported)
	}
	if len(h.Critical) > 0 {
		return fmt.Errorf("bulletin with a critical extension: %w", ErrUnsupported)
	}
	for _, step := range []func() error{h.checkPlace, h.checkLabel, h.checkSizes, h.Certificate.Check} {
		if err := step(); err != nil {
			return fmt.Errorf("header: %w", err)
		}
	}
	return nil
}

func (h *Header) checkPlace() error {
	switch {
	case h.Epoch == 0 || h.Seq == 0:
		return fmt.Errorf("%w: epoch and number start at 1", ErrInvalid)
	case h.Seq > 1 && h.Prev.IsZero():
		return fmt.Errorf("%w: number %d names no header before it", ErrInvalid, h.Seq)
	case h.Issued > maxMillis || !h.Certificate.Covers(h.Issued):
		return fmt.Errorf("%w: issued outside the validity of its certificate", ErrInvalid)
	case h.Floor != nil && (h.Kind != Objects || h.Floor.Epoch == 0 || h.Floor.Seq == 0 || h.Floor.Compare(h.Position()) > 0):
		return fmt.Errorf("%w: a floor of zero, above its own position, or outside an object stream", ErrInvalid)
	}
	return nil
}

func (h *Header) checkLabel() error {
	if h.PAP > PAPRed {
		return fmt.Errorf("%w: %s", ErrInvalid, h.PAP)
	}
	return h.Stream().check()
}

func (h *Header) checkSizes() error {
	switch {
	case h.Count == 0 || h.Count > MaxObjects:
		return fmt.Errorf("%w: %d objects, 1 to %d are allowed", ErrInvalid, h.Count, MaxObjects)
	case h.Size > MaxBody:
		return fmt.Errorf("%w: a body of %d bytes, at most %d are allowed", ErrInvalid, h.Size, MaxBody)
	case len(h.Extensions) > maxExtensions:
		return fmt.Errorf("%w: %d extensions, at most %d are allowed", ErrInvalid, len(h.Extensions), maxExtensions)
	}
	for key, value := range h.Extensions {
		if value == nil {
			return fmt.Errorf("%w: extension %d is null", ErrInvalid, key)
		}
	}
	if h.Drill != "" {
		return CheckName(h.Drill)
	}
	return nil
}

// CheckName accepts a name that can be shown on one line and told apart by
// eye: 1 to 64 printable characters of valid UTF-8 (Unicode 15), no space at
// either end, no control, format or private-use characters, and none that shows
// as nothing.
func CheckName(name string) error {
	if !utf8.ValidString(name) || name == "" || utf8.RuneCountInString(name) > MaxName {
		return fmt.Errorf("%w name: 1 to %d characters of UTF-8 are allowed", ErrInvalid, MaxName)
	}
	for _, r := range name {
		if !unicode.IsPrint(r) || r == '\u2800' || unicode.In(r, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector) {
			return fmt.Errorf("%w name: character %U cannot be shown", ErrInvalid, r)
		}
	}
	if name[0] == ' ' || name[len(name)-1] == ' ' {
		return fmt.Errorf("%w name: a space at its beginning or end", ErrInvalid)
	}
	return nil
}

// A Stream describes one append-only log: all bulletins of one node, kind,
// community, label and audience. Whoever may see one header of it may see all.
type Stream struct {
	Node      Node        `cbor:"1,keyasint"`
	Kind      Kind        `cbor:"2,keyasint"`
	Community ID          `cbor:"3,keyasint,omitzero"`
	TLP       TLP         `cbor:"4,keyasint"`
	Audience  []Recipient `cbor:"5,keyasint,omitempty"`
}

// ID returns the hash of the description. It is always derived, never sent.
func (s Stream) ID() ID {
	return sha256.Sum256(append([]byte("tocsin stream v1"), encode(s)...))
}

// check holds the rule by which label, community and audience go
// together: up to GREEN a community and no audience, above it the reverse.
func (s Stream) check() error {
	switch {
	case s.Kind != Objects && s.Kind != Statements:
		return fmt.Errorf("%w: %s", ErrInvalid, s.Kind)
	case !s.TLP.Valid():
		return fmt.Errorf("%w: %w: %d", ErrInvalid, ErrTLP, uint8(s.TLP))
	case s.TLP <= Green && s.Community.IsZero():
		return fmt.Errorf("%w: %s without a community", ErrInvalid, s.TLP.Label())
	case s.TLP <= Green && len(s.Audience) > 0:
		return fmt.Errorf("%w: %s with an audience", ErrInvalid, s.TLP.Label())
	case s.TLP > Green && !s.Community.IsZero():
		return fmt.Errorf("%w: %s with a community", ErrInvalid, s.TLP.Label())
	case s.TLP > Green && len(s.Audience) == 0:
		return fmt.Errorf("%w: %s without an audience", ErrInvalid, s.TLP.Label())
	case len(s.Audience) > MaxAudience:
		return fmt.Errorf("%w: an audience of %d, at most %d are allowed", ErrInvalid, len(s.Audience), MaxAudience)
	}
	return checkAudience(s.TLP, s.Audience)
}

func checkAudience(label TLP, audience []Recipient) error {
	for i, r := range audience {
		if err := r.check(label); err != nil {
			return err
		}
		if i > 0 && bytes.Compare(encode(audience[i-1]), encode(r)) >= 0 {
			return fmt.Errorf("%w: the audience is not sorted, or names somebody twice", ErrInvalid)
		}
	}
	return nil
}

func (r Recipient) check(label TLP) error {
	isOrg, isGroup := !r.Org.IsZero(), !r.Group.IsZero()
	if isOrg == isGroup || isGroup != (r.Version > 0) || (label == Red) != (isOrg && r.Person != "") {
		return fmt.Errorf("%w: an audience entry that does not fit %s", ErrInvalid, label.Label())
	}
	if isOrg {
		if err := CheckKey(r.Org); err != nil {
			return err
		}
	}
	if r.Person != "" {
		return CheckName(r.Person)
	}
	return nil
}

// SortAudience brings an audience into the order the wire wants.
func SortAudience(audience []Recipient) {
	slices.SortFunc(audience, func(a, b Recipient) int { return bytes.Compare(encode(a), encode(b)) })
}
