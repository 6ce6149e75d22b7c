package protocol

import (
	"crypto/ed25519"
	"crypto/sha256"
	"fmt"
	"hash"
	"io"
)

const (
	archiveHeaderDomain  = "tocsin archive header v1"
	archiveTrailerDomain = "tocsin archive trailer v1"
)

// ArchiveVersion is the version of archives this package writes and reads.
const ArchiveVersion = 1

// MaxArchiveAudience bounds the organisations and the communities an archive names.
const MaxArchiveAudience = 64

// maxArchiveHeader bounds an encoded archive header with its signature, in bytes.
const maxArchiveHeader = 8 << 10

// An ArchiveHeader says whom an archive is for and who made it. It stands
// first, so that whoever reads the medium knows before anything else.
type ArchiveHeader struct {
	Version     uint64      `cbor:"1,keyasint"`
	Certificate Certificate `cbor:"2,keyasint"`          // of the node that signs the archive
	Exported    uint64      `cbor:"3,keyasint"`          // Unix milliseconds
	Since       uint64      `cbor:"4,keyasint,omitzero"` // objects that came to the exporter before are left out; 0: none are
	Communities []ID        `cbor:"5,keyasint"`          // sorted, 1 to 64
	Audience    []Org       `cbor:"6,keyasint"`          // who may read the medium; sorted, 1 to 64
}

// An ArchiveTrailer stands last: an archive without it was cut off.
type ArchiveTrailer struct {
	Count  uint64 `cbor:"1,keyasint"` // bulletins; one sealed to several nodes counts for each
	Digest ID     `cbor:"2,keyasint"` // SHA-256 of all bytes before the trailer's frame
}

// An ArchiveFrame is one frame of an archive: exactly one field is set.
type ArchiveFrame struct {
	Header   []byte `cbor:"1,keyasint,omitempty"` // signed
	Charter  []byte `cbor:"2,keyasint,omitempty"` // signed, as [DecodeCharter] reads it
	Bulletin []byte `cbor:"3,keyasint,omitempty"` // wire form
	Trailer  []byte `cbor:"4,keyasint,omitempty"` // signed
	Sealed   []byte `cbor:"5,keyasint,omitempty"` // as [DecodeArchiveSealed] reads it
}

// An ArchiveSealed is a bulletin above GREEN on a medium: for one node alone,
// since a medium may be lost. Whoever else has it sees the two names, the
// padded size, and nothing of what was said.
type ArchiveSealed struct {
	To     Node   `cbor:"1,keyasint"`
	Sealed Sealed `cbor:"2,keyasint"`
}

// DecodeArchiveSealed reads what a sealed frame holds. Whether it opens, its
// node alone can tell; see [SealKey.Open].
func DecodeArchiveSealed(b []byte) (*ArchiveSealed, error) {
	s := new(ArchiveSealed)
	if err := decode(b, MaxFrame, "archive, sealed bulletin", s); err != nil {
		return nil, err
	}
	return s, s.check()
}

func (s *ArchiveSealed) check() error {
	if err := CheckKey(s.To); err != nil {
		return fmt.Errorf("archive, sealed bulletin: %w", err)
	}
	return s.Sealed.check()
}

// archiveSigned carries a header or trailer with the node's signature.
type archiveSigned struct {
	_       struct{} `cbor:",toarray"`
	Content []byte
	Sig     Signature
}

func (h *ArchiveHeader) check() error {
	switch {
	case h.Version == 0:
		return fmt.Errorf("%w archive header: version 0", ErrInvalid)
	case h.Version != ArchiveVersion:
		return fmt.Errorf("archive version %d: %w", h.Version, ErrUnsupported)
	case h.Since > maxMillis || h.Exported > maxMillis || !h.Certificate.Covers(h.Exported):
		return fmt.Errorf("%w archive header: exported outside the validity of its certificate", ErrInvalid)
	case len(h.Communities) == 0 || len(h.Communities) > MaxArchiveAudience || !ascending(h.Communities, ID.Compare):
		return fmt.Errorf("%w archive header: 1 to %d communities, sorted, are allowed", ErrInvalid, MaxArchiveAudience)
	case len(h.Audience) == 0 || len(h.Audience) > MaxArchiveAudience || !ascending(h.Audience, Org.Compare):
		return fmt.Errorf("%w archive header: an audience of 1 to %d organisations, sorted, is allowed", ErrInvalid, MaxArchiveAudience)
	}
	for _, org := range h.Audience {
		if err := CheckKey(org); err != nil {
			return fmt.Errorf("archive header: %w", err)
		}
	}
	if err := h.Certificate.Check(); err != nil {
		return fmt.Errorf("archive header: %w", err)
	}
	return nil
}

func openArchiveHeader(b []byte) (ArchiveHeader, error) {
	var w archiveSigned
	var h ArchiveHeader
	if err := decode(b, maxArchiveHeader, "archive header", &w); err != nil {
		return h, err
	}
	if err := decode(w.Content, maxArchiveHeader, "archive header", &h); err != nil {
		return ArchiveHeader{}, laterVersion(w.Content, err)
	}
	if err := h.check(); err != nil {
		return ArchiveHeader{}, err
	}
	if !verify(h.Certificate.Node, archiveHeaderDomain, w.Content, w.Sig) {
		return ArchiveHeader{}, fmt.Errorf("%w archive header: wrong signature", ErrInvalid)
	}
	return h, nil
}

func openArchiveTrailer(by Node, b []byte) (ArchiveTrailer, error) {
	var w archiveSigned
	var t ArchiveTrailer
	if err := decode(b, maxArchiveHeader, "archive trailer", &w); err != nil {
		return t, err
	}
	if err := decode(w.Content, maxArchiveHeader, "archive trailer", &t); err != nil {
		return ArchiveTrailer{}, err
	}
	if !verify(by, archiveTrailerDomain, w.Content, w.Sig) {
		return ArchiveTrailer{}, fmt.Errorf("%w archive trailer: wrong signature", ErrInvalid)
	}
	return t, nil
}

// An ArchiveWriter writes an archive: header, charters, bulletins, trailer. It
// asks nobody whether a bulletin may be in it; whoever exports does.
type ArchiveWriter struct {
	w       io.Writer
	key     ed25519.PrivateKey
	sum     hash.Hash
	trailer ArchiveTrailer
}

// NewArchiveWriter writes the header. The key must be that of the
// certificate's node; version is the writer's own.
func NewArchiveWriter(w io.Writer, key ed25519.PrivateKey, h ArchiveHeader) (*ArchiveWriter, error) {
	h.Version = ArchiveVersion
	if err := h.check(); err != nil {
		return nil, err
	}
	if NodeOf(key) != h.Certificate.Node {
		return nil, fmt.Errorf("%w archive header: the certificate is not of the signing key", ErrInvalid)
	}
	a := &ArchiveWriter{w: w, key: key, sum: sha256.New()}
	content := encode(h)
	return a, a.write(ArchiveFrame{Header: encode(archiveSigned{Content: content, Sig: sign(key, archiveHeaderDomain, content)})})
}

// Charter writes a community's charter.
func (a *ArchiveWriter) Charter(c *SignedCharter) error {
	return a.write(ArchiveFrame{Charter: c.Encode()})
}

// Bulletin writes a bulletin, with its body where it has one. Above GREEN it
// refuses: nothing of that lies on a medium in the clear.
func (a *ArchiveWriter) Bulletin(b *Bulletin) error {
	if b.Header.TLP > Green {
		return fmt.Errorf("%w archive: %s is %s: seal it to each node", ErrInvalid, b.id, b.Header.TLP.Label())
	}
	a.trailer.Count++
	return a.write(ArchiveFrame{Bulletin: b.Wire()})
}

// Sealed writes a bulletin that was sealed to a node.
func (a *ArchiveWriter) Sealed(to Node, sealed *Sealed) error {
	s := ArchiveSealed{To: to, Sealed: *sealed}
	if err := s.check(); err != nil {
		return err
	}
	a.trailer.Count++
	return a.write(ArchiveFrame{Sealed: encode(s)})
}

// Close writes the trailer. It closes nothing else.
func (a *ArchiveWriter) Close() error {
	a.trailer.Digest = ID(a.sum.Sum(nil))
	content := encode(a.trailer)
	return a.write(ArchiveFrame{Trailer: encode(archiveSigned{Content: content, Sig: sign(a.key, archiveTrailerDomain, content)})})
}

func (a *ArchiveWriter) write(f ArchiveFrame) error {
	return WriteBytes(io.MultiWriter(a.w, a.sum), encode(f))
}
