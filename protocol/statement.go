package protocol

import (
	"crypto/ed25519"
	"crypto/sha256"
	"fmt"
	"slices"
)

// MaxStatement bounds an encoded statement, in bytes.
const MaxStatement = 48 << 10

const lastStatementKind = 8 // the highest key of a Statement

const (
	removalDomain    = "tocsin removal v1"
	revocationDomain = "tocsin node revocation v1"
)

// A Statement is one object of a bulletin of kind statements: exactly one of
// its fields is set. Its reference is its leaf in that bulletin.
type Statement struct {
	Introduction  *Introduction  `cbor:"1,keyasint,omitempty"`
	Removal       *Removal       `cbor:"2,keyasint,omitempty"`
	Presence      *Presence      `cbor:"3,keyasint,omitempty"`
	Revocation    *Revocation    `cbor:"4,keyasint,omitempty"`
	EncryptionKey *EncryptionKey `cbor:"5,keyasint,omitempty"`
	Roster        *Roster        `cbor:"6,keyasint,omitempty"`
	Erasure       *Erasure       `cbor:"7,keyasint,omitempty"`
	Equivocation  *Equivocation  `cbor:"8,keyasint,omitempty"`
}

// An Introduction brings an organisation into the community of its bulletin.
// The certificate shows that whoever holds the organisation's key asked.
type Introduction struct {
	Name        string      `cbor:"1,keyasint"` // what the introducer calls it
	Certificate Certificate `cbor:"2,keyasint"` // of its first node
}

// A Removal ends introductions (by reference) or a founder's seat for good. It
// counts by its signatures alone: of the organisation removed, of its
// introducer, or of founders.
type Removal struct {
	Community     ID           `cbor:"1,keyasint"`
	Introductions []ID         `cbor:"2,keyasint,omitempty"` // at most 64, sorted
	Seat          Org          `cbor:"3,keyasint,omitzero"`
	Reason        string       `cbor:"4,keyasint,omitzero"`
	By            []OrgSigning `cbor:"5,keyasint,omitempty"` // over fields 1 to 4; sorted by organisation, at most 64
}

// OrgSigning is one organisation's signature over something.
type OrgSigning struct {
	Org       Org       `cbor:"1,keyasint"`
	Signature Signature `cbor:"2,keyasint"`
}

// A Presence spreads a node's certificate and where it listens.
type Presence struct {
	Certificate Certificate `cbor:"1,keyasint"`
	Addrs       []string    `cbor:"2,keyasint,omitempty"` // multiaddrs, at most 16 of 256 bytes
}

// A Revocation ends a node key. Only the headers named and those before them
// count of what it ever signed, whatever their date.
type Revocation struct {
	Org       Org       `cbor:"1,keyasint"`
	Node      Node      `cbor:"2,keyasint"`
	Last      []ID      `cbor:"3,keyasint,omitempty"` // last good headers, at most 64, sorted
	Signature Signature `cbor:"4,keyasint"`           // by the organisation, over fields 1 to 3
}

// An EncryptionKey is where to seal what only this node may read.
type EncryptionKey struct {
	Node  Node   `cbor:"1,keyasint"`
	Suite uint64 `cbor:"2,keyasint"` // KEM of RFC 9180's registry
	Key   []byte `cbor:"3,keyasint"` // at most 2 KiB
}

// A Roster is one version of a sharing group, owned by the organisation that says it.
type Roster struct {
	Group   ID     `cbor:"1,keyasint"`
	Version uint64 `cbor:"2,keyasint"`
	Name    string `cbor:"3,keyasint"`
	Members []Org  `cbor:"4,keyasint,omitempty"` // sorted, at most 512
	History uint64 `cbor:"5,keyasint,omitzero"`  // members may see versions from this one on
	Owner   Org    `cbor:"6,keyasint"`
	Salt    ID     `cbor:"7,keyasint"` // with the owner it makes the group's id
}

// GroupOf returns the id of the group that an organisation founds with a random
// salt. Nobody else can say a roster of it.
func GroupOf(owner Org, salt ID) ID {
	return sha256.Sum256(slices.Concat([]byte("tocsin group v1"), owner[:], salt[:]))
}

// An Erasure asks every holder to destroy objects for good.
type Erasure struct {
	Bulletin ID       `cbor:"1,keyasint"`
	Objects  []uint64 `cbor:"2,keyasint"` // indices, ascending
}

// An Equivocation is proof that a node said two things at one place: two signed headers.
type Equivocation struct {
	HeaderA []byte    `cbor:"1,keyasint"`
	SigA    Signature `cbor:"2,keyasint"`
	HeaderB []byte    `cbor:"3,keyasint"`
	SigB    Signature `cbor:"4,keyasint"`
}

// Encode returns the statement's bytes, to be an object of a bulletin.
func (s Statement) Encode() []byte { return encode(s) }

// DecodeStatement reads a statement and checks its form and the signatures it
// carries itself. Whether it counts is for package trust.
func DecodeStatement(b []byte) (Statement, error) {
	var s Statement
	if err := decode(b, MaxStatement, "statement", &s); err != nil {
		return Statement{}, laterKind(b, err)
	}
	if err := s.check(); err != nil {
		return Statement{}, fmt.Errorf("statement: %w", err)
	}
	return s, nil
}

func (s Statement) check() error {
	set, err := 0, error(nil)
	count := func(is bool, check func() error) {
		if is {
			set++
			if err == nil {
				err = check()
			}
		}
	}
	count(s.Introduction != nil, func() error { return s.Introduction.check() })
	count(s.Removal != nil, func() error { return s.Removal.check() })
	count(s.Presence != nil, func() error { return s.Presence.check() })
	count(s.Revocation != nil, func() error { return s.Revocation.check() })
	count(s.EncryptionKey != nil, func() error { return s.EncryptionKey.check() })
	count(s.Roster != nil, func() error { return s.Roster.check() })
	count(s.Erasure != nil, func() error { return s.Erasure.check() })
	count(s.Equivocation != nil, func() error { return s.Equivocation.check() })
	if set != 1 {
		return fmt.Errorf("%w: %d kinds in one statement", ErrInvalid, set)
	}
	return err
}

func (i *Introduction) check() error {
	if err := CheckName(i.Name); err != nil {
		return err
	}
	return i.Certificate.Check()
}

type removalContent struct {
	Community     ID     `cbor:"1,keyasint"`
	Introductions []ID   `cbor:"2,keyasint,omitempty"`
	Seat          Org    `cbor:"3,keyasint,omitzero"`
	Reason        string `cbor:"4,keyasint,omitzero"`
}

func (r *Removal) content() []byte {
	return encode(removalContent{r.Community, r.Introductions, r.Seat, r.Reason})
}

// Sign adds an organisation's signature, or replaces the one it gave before.
func (r *Removal) Sign(org ed25519.PrivateKey) {
	signing := OrgSigning{OrgOf(org), sign(org, removalDomain, r.content())}
	i, signed := slices.BinarySearchFunc(r.By, signing, OrgSigning.compare)
	if signed {
		r.By[i] = signing
		return
	}
	r.By = slices.Insert(r.By, i, signing)
}

func (s OrgSigning) compare(t OrgSigning) int { return s.Org.Compare(t.Org) }

func (r *Removal) check() error {
	if r.Community.IsZero() || len(r.Introductions) > 64 || len(r.By) == 0 || len(r.By) > 64 ||
		(len(r.Introductions) == 0) == r.Seat.IsZero() {
		return fmt.Errorf("%w removal: it must name a community, introductions or a seat, and be signed", ErrInvalid)
	}
	if !ascending(r.Introductions, ID.Compare) {
		return fmt.Errorf("%w removal: introductions are not sorted", ErrInvalid)
	}
	if !ascending(r.By, OrgSigning.compare) {
		return fmt.Errorf("%w removal: signatures are not sorted, or one organisation signs twice", ErrInvalid)
	}
	if r.Reason != "" {
		if err := CheckName(r.Reason); err != nil {
			return err
		}
	}
	content := r.content()
	for _, by := range r.By {
		if err := CheckKey(by.Org); err != nil {
			return err
		}
		if !verify(by.Org, removalDomain, content, by.Signature) {
			return fmt.Errorf("%w removal: wrong signature of %s", ErrInvalid, by.Org)
		}
	}
	return nil
}

func (p *Presence) check() error {
	if err := checkAddrs(p.Addrs); err != nil {
		return fmt.Errorf("presence: %w", err)
	}
	return p.Certificate.Check()
}

type revocationContent struct {
	Org  Org  `cbor:"1,keyasint"`
	Node Node `cbor:"2,keyasint"`
	Last []ID `cbor:"3,keyasint,omitempty"`
}

// Sign signs the revocation with the organisation's key.
func (r *Revocation) Sign(org ed25519.PrivateKey) {
	r.Org = OrgOf(org)
	r.Signature = sign(org, revocationDomain, encode(revocationContent{r.Org, r.Node, r.Last}))
}

func (r *Revocation) check() error {
	if err := CheckKey(r.Org); err != nil {
		return err
	}
	if err := CheckKey(r.Node); err != nil {
		return err
	}
	if len(r.Last) > 64 || !ascending(r.Last, ID.Compare) {
		return fmt.Errorf("%w revocation: its last headers are not sorted, or more than 64", ErrInvalid)
	}
	if !verify(r.Org, revocationDomain, encode(revocationContent{r.Org, r.Node, r.Last}), r.Signature) {
		return fmt.Errorf("%w revocation: wrong signature", ErrInvalid)
	}
	return nil
}

func (k *EncryptionKey) check() error {
	if len(k.Key) == 0 || len(k.Key) > 2<<10 {
		return fmt.Errorf("%w encryption key: %d bytes", ErrInvalid, len(k.Key))
	}
	return CheckKey(k.Node)
}

func (r *Roster) check() error {
	if r.Group != GroupOf(r.Owner, r.Salt) {
		return fmt.Errorf("%w roster: the group is not of its owner", ErrInvalid)
	}
	if r.Version == 0 || len(r.Members) > 512 || r.History > r.Version || !ascending(r.Members, Org.Compare) {
		return fmt.Errorf("%w roster: no version, or members not sorted", ErrInvalid)
	}
	for _, m := range r.Members {
		if err := CheckKey(m); err != nil {
			return err
		}
	}
	return CheckName(r.Name)
}

func (e *Erasure) check() error {
	if e.Bulletin.IsZero() || len(e.Objects) == 0 || len(e.Objects) > MaxObjects {
		return fmt.Errorf("%w erasure: it names nothing", ErrInvalid)
	}
	for i, o := range e.Objects {
		if o >= MaxObjects || i > 0 && o <= e.Objects[i-1] {
			return fmt.Errorf("%w erasure: objects are not ascending indices", ErrInvalid)
		}
	}
	return nil
}

func (e *Equivocation) check() error {
	a, err := OpenHeader(e.HeaderA, e.SigA)
	if err != nil {
		return err
	}
	b, err := OpenHeader(e.HeaderB, e.SigB)
	if err != nil {
		return err
	}
	if a.ID() == b.ID() || a.Header.Stream().ID() != b.Header.Stream().ID() || a.Header.Position() != b.Header.Position() {
		return fmt.Errorf("%w equivocation: the headers do not contradict each other", ErrInvalid)
	}
	return nil
}

func ascending[T any](list []T, compare func(a, b T) int) bool {
	for i := 1; i < len(list); i++ {
		if compare(list[i-1], list[i]) >= 0 {
			return false
		}
	}
	return true
}

// TopicOf returns the gossipsub topic of a community. It is a hash, so that a
// subscription tells a stranger nothing.
func TopicOf(community ID) string {
	sum := sha256.Sum256(append([]byte("tocsin topic v1"), community[:]...))
	return "/tocsin/1/" + ID(sum).String()
}
