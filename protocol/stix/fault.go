package stix

import (
	"errors"
	"fmt"
)

var (
	// ErrInvalid is what every refusal of an object or a pattern wraps.
	ErrInvalid = errors.New("not valid STIX 2.1")
	// ErrNotObservable is what [Canonical] and [Detect] wrap when a text is no
	// value of a known type; the message carries a short reason.
	ErrNotObservable = errors.New("not an observable")
	// ErrAmbiguous is the case of ErrNotObservable where a bare name may be a
	// file or a domain ("invoice.zip"): [Detect] refuses it, and a caller who
	// knows that the column holds domains may ask [Canonical] instead.
	ErrAmbiguous = fmt.Errorf("%w: file name or domain name", ErrNotObservable)
)

// Fault is why an object was refused: the JSON pointer (RFC 6901) of the
// place, empty for the object as a whole, and the reason. It wraps
// [ErrInvalid].
type Fault struct{ Pointer, Reason string }

func (f *Fault) Error() string {
	if f.Pointer == "" {
		return f.Reason
	}
	return "at " + f.Pointer + ": " + f.Reason
}

// Unwrap returns ErrInvalid.
func (f *Fault) Unwrap() error { return ErrInvalid }

// PatternError is why a pattern was refused: the byte offset in its text and
// the reason. It wraps [ErrInvalid].
type PatternError struct {
	Offset int
	Reason string
}

func (e *PatternError) Error() string { return fmt.Sprintf("offset %d: %s", e.Offset, e.Reason) }

// Unwrap returns ErrInvalid.
func (e *PatternError) Unwrap() error { return ErrInvalid }

// reason is an ErrNotObservable with its reason.
type reason string

func (r reason) Error() string { return "not an observable: " + string(r) }
func (r reason) Unwrap() error { return ErrNotObservable }

func notObservable(why string) error { return reason(why) }
