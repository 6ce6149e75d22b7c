package protocol

import (
	"crypto/ed25519"
	"fmt"
	"time"
)

const certificateDomain = "tocsin certificate v1"

// A Certificate is an organisation's word that a node is its own, from one
// moment to another. Every bulletin carries one, so it can be verified anywhere.
type Certificate struct {
	Org       Org       `cbor:"1,keyasint"`
	Node      Node      `cbor:"2,keyasint"`
	NotBefore uint64    `cbor:"3,keyasint"` // Unix milliseconds
	NotAfter  uint64    `cbor:"4,keyasint"` // Unix milliseconds
	Signature Signature `cbor:"5,keyasint"` // by the organisation, over fields 1 to 4
}

type certificateContent struct {
	Org       Org    `cbor:"1,keyasint"`
	Node      Node   `cbor:"2,keyasint"`
	NotBefore uint64 `cbor:"3,keyasint"`
	NotAfter  uint64 `cbor:"4,keyasint"`
}

func (c Certificate) content() []byte {
	return encode(certificateContent{c.Org, c.Node, c.NotBefore, c.NotAfter})
}

// Certify signs a certificate for node.
func Certify(org ed25519.PrivateKey, node Node, from, until time.Time) Certificate {
	c := Certificate{Org: OrgOf(org), Node: node, NotBefore: uint64(from.UnixMilli()), NotAfter: uint64(until.UnixMilli())}
	c.Signature = sign(org, certificateDomain, c.content())
	return c
}

// Check verifies keys, dates and signature. It says nothing of today: see Covers.
func (c Certificate) Check() error {
	if err := CheckKey(c.Org); err != nil {
		return fmt.Errorf("certificate: %w", err)
	}
	if err := CheckKey(c.Node); err != nil {
		return fmt.Errorf("certificate: %w", err)
	}
	if [32]byte(c.Org) == [32]byte(c.Node) {
		return fmt.Errorf("%w certificate: organisation and node are one key", ErrInvalid)
	}
	if c.NotAfter <= c.NotBefore || c.NotAfter > maxMillis {
		return fmt.Errorf("%w certificate: it ends before it begins", ErrInvalid)
	}
	if !verify(c.Org, certificateDomain, c.content(), c.Signature) {
		return fmt.Errorf("%w certificate: wrong signature", ErrInvalid)
	}
	return nil
}

// Covers reports whether the certificate is valid at the moment (Unix milliseconds).
func (c Certificate) Covers(millis uint64) bool { return c.NotBefore <= millis && millis <= c.NotAfter }

// Encode returns the certificate's bytes.
func (c Certificate) Encode() []byte { return encode(c) }

// DecodeCertificate reads and checks a certificate.
func DecodeCertificate(b []byte) (Certificate, error) {
	var c Certificate
	if err := decode(b, 512, "certificate", &c); err != nil {
		return Certificate{}, err
	}
	return c, c.Check()
}

// maxMillis is the end of the year 9999, far enough for any date and small
// enough that no arithmetic on it overflows.
const maxMillis = 253402300799999

// Time turns the Unix milliseconds of the wire into a time.
func Time(millis uint64) time.Time { return time.UnixMilli(int64(min(millis, maxMillis))).UTC() }

// Millis turns a time into the Unix milliseconds of the wire.
func Millis(t time.Time) uint64 { return uint64(max(0, t.UnixMilli())) }
