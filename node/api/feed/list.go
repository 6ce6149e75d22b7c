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

// listed reports whether values of a type are in any list.
func listed(t stix.Type) bool {
	switch t {
	case stix.IPv4Addr, stix.IPv6Addr, stix.DomainName, stix.URL, stix.MD5, stix.SHA1, stix.SHA256, stix.SHA512:
		return true
	}
	return false
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
	Held    time.Time // the list stands still until then; zero: it does not
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
