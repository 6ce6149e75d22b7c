package protocol

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"strings"
)

// ID is a SHA-256: of a header (a bulletin's id), a charter (a community's), a
// leaf (a statement's) or a stream's description.
type ID [32]byte

// Org is an organisation: the Ed25519 public key that certifies its nodes.
type Org [32]byte

// Node is a node: the Ed25519 public key of its libp2p identity.
type Node [32]byte

// Signature is an Ed25519 signature.
type Signature [64]byte

func (id ID) String() string   { return hex.EncodeToString(id[:]) }
func (o Org) String() string   { return hex.EncodeToString(o[:]) }
func (n Node) String() string  { return hex.EncodeToString(n[:]) }
func (id ID) IsZero() bool     { return id == ID{} }
func (o Org) IsZero() bool     { return o == Org{} }
func (n Node) IsZero() bool    { return n == Node{} }
func (id ID) Compare(b ID) int { return bytes.Compare(id[:], b[:]) }
func (o Org) Compare(b Org) int {
	return bytes.Compare(o[:], b[:])
}

// MarshalText writes the id as 64 hexadecimal digits.
func (id ID) MarshalText() ([]byte, error) { return []byte(id.String()), nil }

// UnmarshalText reads 64 hexadecimal digits.
func (id *ID) UnmarshalText(b []byte) error { return parseHex(id[:], b, "id") }

// MarshalText writes the key as 64 hexadecimal digits.
func (o Org) MarshalText() ([]byte, error) { return []byte(o.String()), nil }

// UnmarshalText reads 64 hexadecimal digits and checks the key ([CheckKey]).
func (o *Org) UnmarshalText(b []byte) error {
	if err := parseHex(o[:], b, "organisation key"); err != nil {
		return err
	}
	return CheckKey(*o)
}

// MarshalText writes the key as 64 hexadecimal digits.
func (n Node) MarshalText() ([]byte, error) { return []byte(n.String()), nil }

// UnmarshalText reads 64 hexadecimal digits and checks the key ([CheckKey]).
func (n *Node) UnmarshalText(b []byte) error {
	if err := parseHex(n[:], b, "node key"); err != nil {
		return err
	}
	return CheckKey(*n)
}

func parseHex(dst, text []byte, what string) error {
	if len(text) != 2*len(dst) {
		return fmt.Errorf("%w %s: want %d hexadecimal digits, got %d characters", ErrInvalid, what, 2*len(dst), len(text))
	}
	if _, err := hex.Decode(dst, text); err != nil {
		return fmt.Errorf("%w %s: %v", ErrInvalid, what, err)
	}
	return nil
}

// Fingerprint is what two people read to each other over the telephone: six
// groups of five digits, from the SHA-256 of the key under its own prefix.
func (o Org) Fingerprint() string {
	sum := sha256.Sum256(append([]byte("tocsin fingerprint v1"), o[:]...))
	groups := make([]string, 6)
	for i := range groups {
		n := uint64(binary.BigEndian.Uint32(sum[5*i:]))<<8 | uint64(sum[5*i+4])
		groups[i] = fmt.Sprintf("%05d", n%100000)
	}
	return strings.Join(groups, " ")
}

// CheckKey refuses public keys under which a signature would prove nothing:
// encodings that are not canonical (y >= p) and points of small order, for
// which one signature verifies many messages. Go and libp2p accept them.
func CheckKey[K Org | Node](k K) error {
	if err := checkPoint([32]byte(k)); err != nil {
		return fmt.Errorf("%w key %x: %v", ErrInvalid, k[:4], err)
	}
	return nil
}

func checkPoint(k [32]byte) error {
	y := k
	y[31] &= 0x7f // the top bit is the sign of x
	if !below(y, fieldPrime) {
		return fmt.Errorf("not a canonical point encoding")
	}
	for _, small := range smallOrderY {
		if y == small {
			return fmt.Errorf("a point of small order")
		}
	}
	return nil
}

// below compares little-endian numbers.
func below(a, b [32]byte) bool {
	for i := 31; i >= 0; i-- {
		if a[i] != b[i] {
			return a[i] < b[i]
		}
	}
	return false
}

// fieldPrime is 2^255-19, little endian.
var fieldPrime = func() (p [32]byte) {
	for i := range p {
		p[i] = 0xff
	}
	p[0], p[31] = 0xed, 0x7f
	return p
}()

// smallOrderY lists the y coordinates below p of the eight points of small
// order: 1 (the identity), p-1 (order 2), 0 (order 4), and two of order 8.
var smallOrderY = [][32]byte{
	{1},
	func() (y [32]byte) { y = fieldPrime; y[0]--; return y }(),
	{},
	[32]byte(must(hex.DecodeString("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"))),
	[32]byte(must(hex.DecodeString("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a"))),
}

// verify checks an Ed25519 signature the way Go does (cofactorless), which is
// normative, over a domain prefix and a message.
func verify(key [32]byte, domain string, message []byte, sig Signature) bool {
	return ed25519.Verify(key[:], append([]byte(domain), message...), sig[:])
}

func sign(key ed25519.PrivateKey, domain string, message []byte) Signature {
	return Signature(ed25519.Sign(key, append([]byte(domain), message...)))
}

// OrgOf returns the organisation a private key is.
func OrgOf(key ed25519.PrivateKey) Org { return Org(key.Public().(ed25519.PublicKey)) }

// NodeOf returns the node a private key is.
func NodeOf(key ed25519.PrivateKey) Node { return Node(key.Public().(ed25519.PublicKey)) }
