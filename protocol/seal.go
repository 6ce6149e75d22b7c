package protocol

import (
	"bytes"
	"crypto/hpke"
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"
)

// Suites are the KEMs, by their numbers in the HPKE registry (RFC 9180), that a
// bulletin may be sealed with. HKDF-SHA256 and ChaCha20-Poly1305 go with both.
const (
	SuiteHybrid uint16 = 0x647a // ML-KEM-768 with X25519: safe while either is
	SuiteX25519 uint16 = 0x0020
)

const (
	sealDomain = "tocsin seal v1"
	maxEnc     = 2 << 10                  // bytes of an encapsulated key
	maxSealed  = MaxWire + MaxWire/8 + 64 // bytes of a sealed bulletin with its padding
	sealGrain  = 1 << 10                  // bytes; sizes on the wire are multiples of it, or of an eighth of the size
)

// A SealKey opens what was sealed for one node. It never leaves the node; its
// public half is told as an [EncryptionKey].
type SealKey struct {
	suite   uint16
	private hpke.PrivateKey
}

// NewSealKey makes a key of a suite.
func NewSealKey(suite uint16) (*SealKey, error) {
	kem, err := kemOf(uint64(suite))
	if err != nil {
		return nil, err
	}
	private, err := kem.GenerateKey()
	if err != nil {
		return nil, fmt.Errorf("seal key: %w", err)
	}
	return &SealKey{suite, private}, nil
}

// ParseSealKey reads what [SealKey.Bytes] wrote: two bytes of suite, big
// endian, then the key as the suite serialises it.
func ParseSealKey(b []byte) (*SealKey, error) {
	if len(b) < 2 {
		return nil, fmt.Errorf("%w seal key: %d bytes", ErrInvalid, len(b))
	}
	suite := binary.BigEndian.Uint16(b)
	kem, err := kemOf(uint64(suite))
	if err != nil {
		return nil, err
	}
	private, err := kem.NewPrivateKey(b[2:])
	if err != nil {
		return nil, fmt.Errorf("%w seal key: %v", ErrInvalid, err)
	}
	return &SealKey{suite, private}, nil
}

// Bytes returns the key to be kept, suite first.
func (k *SealKey) Bytes() ([]byte, error) {
	private, err := k.private.Bytes()
	if err != nil {
		return nil, fmt.Errorf("seal key: %w", err)
	}
	return append(binary.BigEndian.AppendUint16(nil, k.suite), private...), nil
}

// Suite returns the key's suite.
func (k *SealKey) Suite() uint16 { return k.suite }

// Public returns what others seal to, as the node says it.
func (k *SealKey) Public(of Node) *EncryptionKey {
	return &EncryptionKey{Node: of, Suite: uint64(k.suite), Key: k.private.PublicKey().Bytes()}
}

func kemOf(suite uint64) (hpke.KEM, error) {
	if suite != uint64(SuiteHybrid) && suite != uint64(SuiteX25519) {
		return nil, fmt.Errorf("encryption suite %#x: %w", suite, ErrUnsupported)
	}
	return hpke.NewKEM(uint16(suite))
}

// A Sealed is a bulletin that one node alone can read. The id is under the
// encryption, so that one bulletin's text cannot be passed off as another's.
type Sealed struct {
	Bulletin ID     `cbor:"1,keyasint"`
	Enc      []byte `cbor:"2,keyasint"` // the encapsulated key, at most 2 KiB
	Text     []byte `cbor:"3,keyasint"`
}

// Seal encrypts a bulletin to a node. Padding hides its exact size.
func Seal(to *EncryptionKey, b *Bulletin) (*Sealed, error) {
	kem, err := kemOf(to.Suite)
	if err != nil {
		return nil, err
	}
	public, err := kem.NewPublicKey(to.Key)
	if err != nil {
		return nil, fmt.Errorf("%w encryption key of %s: %v", ErrInvalid, to.Node, err)
	}
	enc, sender, err := hpke.NewSender(public, hpke.HKDFSHA256(), hpke.ChaCha20Poly1305(), sealInfo(to.Node))
	if err != nil {
		return nil, fmt.Errorf("seal %s: %w", b.id, err)
	}
	text, err := sender.Seal(b.id[:], pad(b.Wire()))
	if err != nil {
		return nil, fmt.Errorf("seal %s: %w", b.id, err)
	}
	return &Sealed{b.id, enc, text}, nil
}

// Open decrypts and verifies a bulletin that was sealed for node.
func (k *SealKey) Open(node Node, s *Sealed) (*Bulletin, error) {
	r, err := hpke.NewRecipient(s.Enc, k.private, hpke.HKDFSHA256(), hpke.ChaCha20Poly1305(), sealInfo(node))
	if err != nil {
		return nil, fmt.Errorf("%w sealed bulletin %s: %v", ErrInvalid, s.Bulletin, err)
	}
	padded, err := r.Open(s.Bulletin[:], s.Text)
	if err != nil {
		return nil, fmt.Errorf("%w sealed bulletin %s: it was not sealed with this key for this node", ErrInvalid, s.Bulletin)
	}
	wire, err := unpad(padded)
	if err != nil {
		return nil, err
	}
	b, err := Open(wire)
	if err != nil {
		return nil, err
	}
	if b.id != s.Bulletin {
		return nil, fmt.Errorf("%w sealed bulletin %s: it holds another", ErrInvalid, s.Bulletin)
	}
	return b, nil
}

func sealInfo(node Node) []byte { return append([]byte(sealDomain), node[:]...) }

func (s *Sealed) check() error {
	if s.Bulletin.IsZero() || len(s.Enc) == 0 || len(s.Enc) > maxEnc || len(s.Text) == 0 || len(s.Text) > maxSealed {
		return fmt.Errorf("%w sealed bulletin: no id, or %d and %d bytes", ErrInvalid, len(s.Enc), len(s.Text))
	}
	return nil
}

// pad puts the length in front and zeros behind.
func pad(wire []byte) []byte {
	size := 4 + len(wire)
	grain := max(sealGrain, 1<<bits.Len(uint(size))>>4)
	padded := make([]byte, (size+grain-1)/grain*grain)
	binary.BigEndian.PutUint32(padded, uint32(len(wire)))
	copy(padded[4:], wire)
	return padded
}

var errPadding = errors.New("its padding is not of zeros, or its length is wrong")

func unpad(padded []byte) ([]byte, error) {
	if len(padded) < 4 || uint64(binary.BigEndian.Uint32(padded)) > uint64(len(padded)-4) {
		return nil, fmt.Errorf("%w sealed bulletin: %v", ErrInvalid, errPadding)
	}
	wire := padded[4 : 4+binary.BigEndian.Uint32(padded)]
	if !bytes.Equal(padded, pad(wire)) {
		return nil, fmt.Errorf("%w sealed bulletin: %v", ErrInvalid, errPadding)
	}
	return wire, nil
}
