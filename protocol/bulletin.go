package protocol

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"iter"
	"slices"
)

const bulletinDomain = "tocsin bulletin v1"

const saltSize = 16

// A Bulletin is a signed issue of objects under one label. [Sign] and [Open]
// are the only ways to obtain one, so holding a *Bulletin means that its
// signature, certificate, sizes and hashes were checked. It must not be changed.
type Bulletin struct {
	Header Header
	id     ID
	header []byte
	sig    Signature
	body   []byte   // nil when only the header is held
	leaves []byte   // the leaf list; into body
	salted [][]byte // salt || object, nil where erased; into body
}

// wire is the form a bulletin travels in.
type wire struct {
	_      struct{} `cbor:",toarray"`
	Header []byte
	Sig    Signature
	Body   []byte // null when it is not there
}

// Sign makes a bulletin of 1 to [MaxObjects] objects. Of h it uses what the
// author decides (kind, community, position, date, label, audience, drill,
// floor, extensions); version, certificate, count, size and root are its own.
// The key must be that of the certificate's node.
func Sign(key ed25519.PrivateKey, cert Certificate, h Header, objects [][]byte) (*Bulletin, error) {
	if NodeOf(key) != cert.Node {
		return nil, fmt.Errorf("%w: the certificate is not of the signing key", ErrInvalid)
	}
	for i, o := range objects {
		if len(o) == 0 || len(o) > MaxObject {
			return nil, fmt.Errorf("%w: object %d has %d bytes, 1 to %d are allowed", ErrInvalid, i, len(o), MaxObject)
		}
	}
	b := &Bulletin{Header: h}
	b.salt(objects)
	b.Header.Version, b.Header.Certificate = Version, cert
	b.Header.Count, b.Header.Size = uint64(len(objects)), uint64(len(b.body))
	if err := b.Header.check(); err != nil {
		return nil, err
	}
	b.header = encode(b.Header)
	if err := b.checkLength(); err != nil {
		return nil, err
	}
	b.id = sha256.Sum256(b.header)
	b.sig = sign(key, bulletinDomain, b.header)
	return b, nil
}

// salt builds the body and its root.
func (b *Bulletin) salt(objects [][]byte) {
	salts := make([]byte, saltSize*len(objects))
	rand.Read(salts)
	list := make([][]byte, 1, len(objects)+1)
	leaves := make([]byte, 0, sha256.Size*len(objects))
	for i, o := range objects {
		salted := append(bytes.Clone(salts[i*saltSize:(i+1)*saltSize]), o...)
		list = append(list, salted)
		leaf := Leaf(salted)
		leaves = append(leaves, leaf[:]...)
	}
	list[0] = leaves
	b.Header.Root = sha256.Sum256(leaves)
	b.body, b.leaves, b.salted = encode(list), leaves, list[1:]
}

// Leaf returns the hash of a salted object as it stands in the leaf list.
func Leaf(salted []byte) ID {
	h := sha256.New()
	h.Write([]byte{0})
	h.Write(salted)
	return ID(h.Sum(nil))
}

// Open reads a bulletin's wire form and verifies all that can be verified
// without memory: canonical form, limits, label rules, certificate, signature,
// root, leaves, and the size of a whole body. A body may be absent (only the
// header travelled), and an object of it may be (it was erased); whoever
// admits the bulletin decides whether that is in order.
func Open(b []byte) (*Bulletin, error) {
	var w wire
	if err := decode(b, MaxWire, "bulletin", &w); err != nil {
		return nil, err
	}
	bulletin, err := OpenHeader(w.Header, w.Sig)
	if err != nil || w.Body == nil {
		return bulletin, err
	}
	return bulletin.WithBody(w.Body)
}

// Peek returns the id a wire form claims to have and whether it carries a
// body, without verifying anything: for passing over what is held already.
func Peek(b []byte) (id ID, body bool, err error) {
	w, err := peek(b)
	return sha256.Sum256(w.Header), w.Body != nil, err
}

// PeekAuthor returns the organisation whose word a wire form claims to be,
// without verifying anything: for passing over what its author may not say now.
func PeekAuthor(b []byte) (Org, error) {
	w, err := peek(b)
	if err != nil {
		return Org{}, err
	}
	var h Header
	if err := decode(w.Header, MaxHeader, "header", &h); err != nil {
		return Org{}, err
	}
	return h.Org(), nil
}

func peek(b []byte) (w wire, err error) {
	if len(b) > MaxWire {
		return w, fmt.Errorf("%w bulletin: %d bytes, at most %d are allowed", ErrInvalid, len(b), MaxWire)
	}
	if err := decMode.Unmarshal(b, &w); err != nil {
		return w, fmt.Errorf("%w bulletin: %v", ErrInvalid, err)
	}
	return w, nil
}

// OpenHeader verifies a header and its signature. It keeps header.
func OpenHeader(header []byte, sig Signature) (*Bulletin, error) {
	b, err := Reopen(header, sig)
	if err != nil {
		return nil, err
	}
	if err := b.Header.check(); err != nil {
		return nil, err
	}
	if !verify(b.Header.Certificate.Node, bulletinDomain, header, sig) {
		return nil, fmt.Errorf("%w bulletin %s: wrong signature", ErrInvalid, b.id)
	}
	return b, nil
}

// WithBody returns the bulletin with its body, verified against the header. It
// keeps body.
func (b *Bulletin) WithBody(body []byte) (*Bulletin, error) {
	var list [][]byte
	if err := decode(body, MaxBody, "body", &list); err != nil {
		return nil, err
	}
	if err := b.checkBody(body, list); err != nil {
		return nil, fmt.Errorf("%w body of %s: %v", ErrInvalid, b.id, err)
	}
	with := *b
	with.body, with.leaves, with.salted = body, list[0], list[1:]
	return &with, nil
}

func (b *Bulletin) checkBody(body []byte, list [][]byte) error {
	if len(list) == 0 || uint64(len(list)-1) != b.Header.Count || len(list[0]) != sha256.Size*(len(list)-1) {
		return fmt.Errorf("not %d leaves and objects", b.Header.Count)
	}
	if sha256.Sum256(list[0]) != b.Header.Root {
		return fmt.Errorf("the leaf list is not the one that was signed")
	}
	whole := true
	for i, salted := range list[1:] {
		if salted == nil {
			whole = false
			continue
		}
		if len(salted) <= saltSize || len(salted) > saltSize+MaxObject {
			return fmt.Errorf("object %d has a wrong size", i)
		}
		if leaf := Leaf(salted); !bytes.Equal(leaf[:], list[0][i*sha256.Size:(i+1)*sha256.Size]) {
			return fmt.Errorf("object %d is not the one that was signed", i)
		}
	}
	if whole && uint64(len(body)) != b.Header.Size {
		return fmt.Errorf("%d bytes, the header says %d", len(body), b.Header.Size)
	}
	return nil
}

// ID is the SHA-256 of the header: independent of signature, body and path.
func (b *Bulletin) ID() ID { return b.id }

// HasBody reports whether the body is here.
func (b *Bulletin) HasBody() bool { return b.body != nil }

// Whole reports whether the body is here with every object in it.
func (b *Bulletin) Whole() bool {
	for _, salted := range b.salted {
		if salted == nil {
			return false
		}
	}
	return b.body != nil
}

// Objects yields index and bytes of every object that is there.
func (b *Bulletin) Objects() iter.Seq2[int, []byte] {
	return func(yield func(int, []byte) bool) {
		for i, salted := range b.salted {
			if salted != nil && !yield(i, salted[saltSize:]) {
				return
			}
		}
	}
}

// Salted returns the salted objects, nil where erased: what a store keeps,
// with [Bulletin.Leaves], so that [JoinBody] can make the body again.
func (b *Bulletin) Salted() [][]byte { return b.salted }

// Leaves returns the leaf of every object, those of erased ones included, or
// nothing when only the header is here.
func (b *Bulletin) Leaves() []ID {
	leaves := make([]ID, len(b.salted))
	for i := range leaves {
		leaves[i] = b.Reference(i)
	}
	return leaves
}

// Reference returns the leaf of object i, by which other statements name it,
// also where the object was erased. It is zero when the body is not here.
func (b *Bulletin) Reference(i int) ID {
	if i < 0 || i >= len(b.salted) {
		return ID{}
	}
	return ID(b.leaves[i*sha256.Size : (i+1)*sha256.Size])
}

// Without returns the bulletin with these objects absent from its body, as
// their erasure leaves it: payload and salt are gone, the leaves stay. It is b
// itself when there is nothing to take out; numbers that no object has are
// passed over. What is returned shares no memory with the body of b.
func (b *Bulletin) Without(objects []uint64) *Bulletin {
	salted := slices.Clone(b.salted)
	changed := false
	for _, i := range objects {
		if i < uint64(len(salted)) && salted[i] != nil {
			salted[i], changed = nil, true
		}
	}
	if !changed {
		return b
	}
	less := *b
	less.body = JoinBody(salted, b.Leaves())
	less.leaves, less.salted = bytes.Clone(b.leaves), salted
	for i, kept := range salted {
		less.salted[i] = bytes.Clone(kept) // nil stays nil
	}
	return &less
}

// JoinBody makes a body of its salted objects. For an object that was erased
// (nil) the leaf must be given.
func JoinBody(salted [][]byte, leaves []ID) []byte {
	list := make([][]byte, 1, len(salted)+1)
	all := make([]byte, 0, sha256.Size*len(salted))
	for i, s := range salted {
		leaf := ID{}
		if s != nil {
			leaf = Leaf(s)
		} else if i < len(leaves) {
			leaf = leaves[i]
		}
		all = append(all, leaf[:]...)
		list = append(list, s)
	}
	list[0] = all
	return encode(list)
}

// HeaderBytes returns the signed bytes and their signature.
func (b *Bulletin) HeaderBytes() ([]byte, Signature) { return b.header, b.sig }

// Body returns the body's bytes, nil when only the header is here.
func (b *Bulletin) Body() []byte { return b.body }

// Wire returns the bulletin as it travels, with its body when it is here.
func (b *Bulletin) Wire() []byte { return encode(wire{Header: b.header, Sig: b.sig, Body: b.body}) }

// HeaderOnly returns the bulletin without its body.
func (b *Bulletin) HeaderOnly() *Bulletin {
	only := *b
	only.body, only.leaves, only.salted = nil, nil, nil
	return &only
}

// Reopen reads a header and signature that [OpenHeader] verified before and
// whose bytes have been kept under a hash since: it checks form and length, and
// neither rules nor signatures. It is for package storage alone.
func Reopen(header []byte, sig Signature) (*Bulletin, error) {
	b := &Bulletin{header: header, sig: sig, id: sha256.Sum256(header)}
	if err := decode(header, MaxHeader, "header", &b.Header); err != nil {
		return nil, laterVersion(header, err)
	}
	if err := b.checkLength(); err != nil {
		return nil, err
	}
	return b, nil
}

// checkLength bounds the header by its audience: whoever speaks to all must not
// make all hold what only a long audience needs.
func (b *Bulletin) checkLength() error {
	limit := headerBase + headerPerRecipient*min(len(b.Header.Audience), MaxAudience)
	if len(b.header) > limit {
		return fmt.Errorf("%w header: %d bytes, at most %d are allowed with an audience of %d",
			ErrInvalid, len(b.header), limit, len(b.Header.Audience))
	}
	return nil
}
