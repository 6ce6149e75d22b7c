package protocol

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"time"
)

const charterDomain = "tocsin charter v1"

// MaxCharter bounds an encoded charter, in bytes.
const MaxCharter = 16 << 10

// A Charter founds a community: who reads GREEN in it, and who lets others in.
type Charter struct {
	Name     string `cbor:"1,keyasint"`
	Founders []Org  `cbor:"2,keyasint"` // sorted, 1 to 32
	Created  uint64 `cbor:"3,keyasint"` // Unix milliseconds
	Nonce    ID     `cbor:"4,keyasint"`
	// Monthly is how many organisations a member that is no founder may
	// introduce in a calendar month (UTC); founders have no limit.
	Monthly uint64 `cbor:"5,keyasint"`
	// Needed is how many members must introduce an organisation, at least 1.
	Needed uint64 `cbor:"6,keyasint"`
}

// A SignedCharter carries a charter with the signature of every founder.
type SignedCharter struct {
	Charter Charter
	content []byte
	by      []OrgSigning
}

type charterWire struct {
	_       struct{} `cbor:",toarray"`
	Content []byte
	By      []OrgSigning
}

// Found signs a new charter. The keys must be those of all its founders.
func Found(name string, now time.Time, founders ...ed25519.PrivateKey) (*SignedCharter, error) {
	c := Charter{Name: name, Created: Millis(now), Monthly: 5, Needed: 1}
	rand.Read(c.Nonce[:])
	for _, f := range founders {
		c.Founders = append(c.Founders, OrgOf(f))
	}
	sortOrgs(c.Founders)
	s := &SignedCharter{Charter: c, content: encode(c)}
	for _, org := range c.Founders {
		for _, f := range founders {
			if OrgOf(f) == org {
				s.by = append(s.by, OrgSigning{org, sign(f, charterDomain, s.content)})
			}
		}
	}
	return s, s.check()
}

// DecodeCharter reads a charter and verifies every founder's signature.
func DecodeCharter(b []byte) (*SignedCharter, error) {
	var w charterWire
	if err := decode(b, MaxCharter, "charter", &w); err != nil {
		return nil, err
	}
	s := &SignedCharter{content: w.Content, by: w.By}
	if err := decode(w.Content, MaxCharter, "charter", &s.Charter); err != nil {
		return nil, err
	}
	if err := s.check(); err != nil {
		return nil, err
	}
	return s, nil
}

func (s *SignedCharter) check() error {
	c := s.Charter
	if err := CheckName(c.Name); err != nil {
		return fmt.Errorf("charter: %w", err)
	}
	if len(c.Founders) == 0 || len(c.Founders) > 32 || !ascending(c.Founders, Org.Compare) {
		return fmt.Errorf("%w charter: 1 to 32 founders, sorted, are allowed", ErrInvalid)
	}
	if c.Needed == 0 || c.Needed > 32 || c.Created > maxMillis || len(s.by) != len(c.Founders) {
		return fmt.Errorf("%w charter: not signed by all its founders", ErrInvalid)
	}
	for i, by := range s.by {
		if err := CheckKey(by.Org); err != nil {
			return fmt.Errorf("charter: %w", err)
		}
		if by.Org != c.Founders[i] || !verify(by.Org, charterDomain, s.content, by.Signature) {
			return fmt.Errorf("%w charter: wrong signature of founder %s", ErrInvalid, c.Founders[i])
		}
	}
	return nil
}

// ID returns the community: a hash of the charter's content.
func (s *SignedCharter) ID() ID {
	return sha256.Sum256(append([]byte(charterDomain), s.content...))
}

// Encode returns the charter's bytes with its signatures.
func (s *SignedCharter) Encode() []byte { return encode(charterWire{Content: s.content, By: s.by}) }
