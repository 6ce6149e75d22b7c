package protocol

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/fxamacker/cbor/v2"
)

// ErrInvalid is wrapped by every error about bytes that no honest node sends:
// malformed, not in canonical form, over a limit, or wrongly signed. Every
// implementation refuses them alike.
var ErrInvalid = errors.New("invalid")

// ErrUnsupported is wrapped when bytes are well formed but of a later version,
// or carry a critical extension this implementation does not know. They are
// held or ignored, never punished.
var ErrUnsupported = errors.New("not supported by this version")

// Core deterministic encoding (RFC 8949 section 4.2.1).
var encMode = must(cbor.EncOptions{
	Sort:        cbor.SortCoreDeterministic,
	IndefLength: cbor.IndefLengthForbidden,
	TagsMd:      cbor.TagsForbidden,
}.EncMode())

var decMode = must(cbor.DecOptions{
	DupMapKey:         cbor.DupMapKeyEnforcedAPF,
	IndefLength:       cbor.IndefLengthForbidden,
	TagsMd:            cbor.TagsForbidden,
	ExtraReturnErrors: cbor.ExtraDecErrorUnknownField,
	MaxNestedLevels:   8,
	MaxArrayElements:  maxArray,
	MaxMapPairs:       64,
}.DecMode())

// lateMode reads what it knows of a form that has grown since.
var lateMode = must(cbor.DecOptions{
	DupMapKey:        cbor.DupMapKeyEnforcedAPF,
	IndefLength:      cbor.IndefLengthForbidden,
	MaxArrayElements: maxArray,
}.DecMode())

const maxArray = 4096

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func encode(v any) []byte {
	return must(encMode.Marshal(v))
}

// decode reads b into v and accepts it only when v encodes to b again, so two
// different byte strings never decode to equal values.
func decode(b []byte, limit int, what string, v any) error {
	if len(b) > limit {
		return fmt.Errorf("%w %s: %d bytes, at most %d are allowed", ErrInvalid, what, len(b), limit)
	}
	if err := decMode.Unmarshal(b, v); err != nil {
		return fmt.Errorf("%w %s: %v", ErrInvalid, what, err)
	}
	again, err := encMode.Marshal(v)
	if err != nil {
		return fmt.Errorf("%w %s: %v", ErrInvalid, what, err)
	}
	if !bytes.Equal(again, b) {
		return fmt.Errorf("%w %s: not in canonical form", ErrInvalid, what)
	}
	return nil
}

// laterVersion turns err, why bytes are not a header of this version, into
// [ErrUnsupported] when their field 1 names a later version: nobody is to be
// punished for passing on what is newer than the receiver.
func laterVersion(b []byte, err error) error {
	var h struct {
		Version uint64 `cbor:"1,keyasint"`
	}
	if len(b) > MaxHeader || lateMode.Unmarshal(b, &h) != nil || h.Version <= Version {
		return err
	}
	return fmt.Errorf("header version %d: %w", h.Version, ErrUnsupported)
}

// laterKind does the same for a statement, whose one field is none of ours.
func laterKind(b []byte, err error) error {
	var s map[uint64]cbor.RawMessage
	if len(b) > MaxStatement || lateMode.Unmarshal(b, &s) != nil || len(s) != 1 {
		return err
	}
	for kind := range s {
		if kind > lastStatementKind {
			return fmt.Errorf("statement kind %d: %w", kind, ErrUnsupported)
		}
	}
	return err
}
