package feed

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/tocsin-exchange/tocsin/protocol/stix"
)

// Limits of a list.
const (
	MaxLines = 2_000_000
	MaxBytes = 128 << 20
)

var (
	// ErrUnknown: there is no feed of that name.
	ErrUnknown = errors.New("no such feed")
	// ErrTooLong: a list has more lines or bytes than a list may have.
	ErrTooLong = errors.New("the feed is too long")
)

// Names returns the names of all feeds, in a fixed order.
func Names() []string {
	return []string{"ip", "ipv4", "ipv6", "domain", "url", "hash", "md5", "sha1", "sha256", "sha512"}
}

// typesOf returns what a list is made of, nil for what is none.
func typesOf(name string) []stix.Type {
	switch name {
	case "ip":
		return []stix.Type{stix.IPv4Addr, stix.IPv6Addr}
	case "ipv4":
		return []stix.Type{stix.IPv4Addr}
	case "ipv6":
		return []stix.Type{stix.IPv6Addr}
	case "domain":
		return []stix.Type{stix.DomainName}
	case "url":
		return []stix.Type{stix.URL}
	case "hash":
		return []stix.Type{stix.MD5, stix.SHA1, stix.SHA256, stix.SHA512}
	case "md5", "sha1", "sha256", "sha512":
		return []stix.Type{stix.Type(name)}
	}
	return nil
}

// kept returns the types whose values are kept, in their order: those of the
// lists, and those that only some formats carry.
func kept() []stix.Type {
	return []stix.Type{
		stix.IPv4Addr, stix.IPv6Addr, stix.DomainName, stix.URL, stix.MD5, stix.SHA1, stix.SHA256, stix.SHA512,
		stix.IPPort, stix.DomainPort, stix.EmailAddr, stix.URLPath, stix.SSDEEP, stix.TLSH, stix.X509MD5, stix.X509SHA1, stix.X509SHA256, stix.JA3, stix.JA3S, stix.JA4,
	}
}

// listed reports whether values of a type are kept.
func listed(t stix.Type) bool { return slices.Contains(kept(), t) }

// nameOf names the values of one type: the list of them alone, or the type where
// there is none.
func nameOf(t stix.Type) string {
	switch t {
	case stix.IPv4Addr:
		return "ipv4"
	case stix.IPv6Addr:
		return "ipv6"
	case stix.DomainName:
		return "domain"
	}
	return string(t)
}

// Guarded returns the names by which what stands still is let go: those of the
// lists, and of the types that are in none.
func Guarded() []string {
	names := Names()
	for _, t := range kept() {
		if name := nameOf(t); !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

// meant returns the types that a name of a list or of a type means, nil for none.
func meant(name string) []stix.Type {
	if types := typesOf(name); types != nil {
		return types
	}
	if t := stix.Type(name); listed(t) {
		return []stix.Type{t}
	}
	return nil
}

// fits reports whether a value is a line of its own and nothing but that.
func fits(value string) bool {
	return value != "" && value[0] != '#' && utf8.ValidString(value) && !strings.ContainsFunc(value, func(r rune) bool { return !unicode.IsGraphic(r) || unicode.IsSpace(r) })
}

// A List is the content of one feed at one moment.
type List struct {
	ETag  string // strong, with its quotes
	Lines int
	Size  int      // bytes
	Parts [][]byte // the text, in order; not to be changed

	LeftOut int       // values that are in the tier and not in the list: it would have too many lines
	Held    time.Time // some of it stands still until then; zero: nothing does
}

// newList puts columns together.
func newList(columns []*column) (List, error) {
	l := List{}
	for _, c := range columns {
		l.Lines += len(c.ends)
		l.Size += len(c.text)
		l.Parts = append(l.Parts, c.text)
	}
	long := slices.ContainsFunc(columns, func(c *column) bool { return c.long })
	if long || l.Lines > MaxLines || l.Size > MaxBytes {
		return List{}, ErrTooLong
	}
	h := sha256.New()
	for _, part := range l.Parts {
		h.Write(part)
	}
	l.ETag = `"` + hex.EncodeToString(h.Sum(nil)) + `"`
	return l, nil
}
