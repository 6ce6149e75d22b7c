package protocol

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
)

const invitePrefix = "tocsin-invite-1-"

// An Invite is what an inviter hands over by a channel of its own choice, as
// one line of text. Whoever holds it may join, once, until it expires.
type Invite struct {
	Community ID       `cbor:"1,keyasint"`
	Name      string   `cbor:"2,keyasint"`           // of the community
	Org       Org      `cbor:"3,keyasint"`           // the inviter
	OrgName   string   `cbor:"4,keyasint"`           // what the inviter calls itself
	Node      Node     `cbor:"5,keyasint"`           // the node to dial
	Addrs     []string `cbor:"6,keyasint,omitempty"` // its multiaddrs, at most 16 of 256 bytes
	Secret    [16]byte `cbor:"7,keyasint"`
	Expires   uint64   `cbor:"8,keyasint"` // Unix milliseconds
}

// Text returns the invite as a token of letters, digits, - and _.
func (i Invite) Text() string {
	b := encode(i)
	sum := sha256.Sum256(b)
	return invitePrefix + base64.RawURLEncoding.EncodeToString(append(b, sum[:4]...))
}

// ParseInvite reads a token; blanks around and line breaks within are dropped.
// Its checksum catches a token that was cut or mistyped.
func ParseInvite(s string) (Invite, error) {
	s = strings.Join(strings.Fields(s), "")
	text, ok := strings.CutPrefix(s, invitePrefix)
	if !ok {
		return Invite{}, fmt.Errorf("%w invite: a token begins with %s", ErrInvalid, invitePrefix)
	}
	if len(text) > 8<<10 {
		return Invite{}, fmt.Errorf("%w invite: too long", ErrInvalid)
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || len(b) < 4 {
		return Invite{}, fmt.Errorf("%w invite: the token is damaged: copy it again", ErrInvalid)
	}
	b, tail := b[:len(b)-4], b[len(b)-4:]
	if sum := sha256.Sum256(b); !bytes.Equal(sum[:4], tail) {
		return Invite{}, fmt.Errorf("%w invite: the token is damaged: copy it again", ErrInvalid)
	}
	var i Invite
	if err := decode(b, 6<<10, "invite", &i); err != nil {
		return Invite{}, err
	}
	return i, i.check()
}

func (i Invite) check() error {
	if i.Community.IsZero() || i.Expires > maxMillis {
		return fmt.Errorf("%w invite: it names no community, or never expires", ErrInvalid)
	}
	if err := checkAddrs(i.Addrs); err != nil {
		return fmt.Errorf("invite: %w", err)
	}
	for _, name := range []string{i.Name, i.OrgName} {
		if err := CheckName(name); err != nil {
			return fmt.Errorf("invite: %w", err)
		}
	}
	if err := CheckKey(i.Org); err != nil {
		return fmt.Errorf("invite: %w", err)
	}
	return CheckKey(i.Node)
}

// checkAddrs bounds a list of multiaddrs; what they say is the dialler's to judge.
func checkAddrs(addrs []string) error {
	if len(addrs) > 16 {
		return fmt.Errorf("%w: %d addresses, at most 16 are allowed", ErrInvalid, len(addrs))
	}
	for _, a := range addrs {
		if len(a) == 0 || len(a) > 256 {
			return fmt.Errorf("%w: an address of %d bytes, 1 to 256 are allowed", ErrInvalid, len(a))
		}
	}
	return nil
}

func sortOrgs(orgs []Org) { slices.SortFunc(orgs, Org.Compare) }
