package protocol

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// readArchive refuses what is not whole, as an importer reports it.
func readArchive(in map[string]string) (map[string]string, error) {
	u, err := unpack(bytes.NewReader(blob(in, "archive")), 100)
	switch {
	case err != nil:
		return nil, err
	case u.truncated:
		return nil, fmt.Errorf("%w archive: truncated", ErrInvalid)
	case len(u.because) > 0:
		return nil, u.because[0]
	case u.damaged > 0 || !u.intact:
		return nil, fmt.Errorf("%w archive: %d frames damaged, intact %v", ErrInvalid, u.damaged, u.intact)
	}
	var came []string
	for _, id := range u.bulletins {
		came = append(came, id.String())
	}
	return map[string]string{"bulletins": strings.Join(came, " ")}, nil
}

// sealing is an archive of one sealed frame that may break any rule; the
// plaintext may, too.
func sealing(change func(*ArchiveSealed), plaintext func([]byte) []byte) field {
	said := mixed(2)[1]
	padded := pad(said.Wire())
	if plaintext != nil {
		padded = plaintext(padded)
	}
	s := ArchiveSealed{NodeOf(seeded(4)), *sealedFor(said.ID(), padded)}
	if change != nil {
		change(&s)
	}
	return holding(ArchiveFrame{Sealed: encode(s)})
}

// holding is an archive of one frame.
func holding(f ArchiveFrame) field {
	var b bytes.Buffer
	w := must(NewArchiveWriter(&b, seeded(2), archiveHeader()))
	w.trailer.Count++
	must(0, errors.Join(w.write(f), w.Close()))
	return bytesField("archive", b.Bytes())
}

// headed is an archive of nothing under a header that may break any rule.
func headed(change func(*ArchiveHeader)) field {
	h := archiveHeader()
	change(&h)
	return framed(archiveHeaderDomain, encode(h))
}

func framed(domain string, content []byte) field {
	var b bytes.Buffer
	must(0, WriteBytes(&b, encode(ArchiveFrame{Header: encode(archiveSigned{Content: content, Sig: sign(seeded(2), domain, content)})})))
	trailer := encode(ArchiveTrailer{Digest: hashOf(b.String())})
	must(0, WriteBytes(&b, encode(ArchiveFrame{Trailer: encode(archiveSigned{Content: trailer, Sig: sign(seeded(2), archiveTrailerDomain, trailer)})})))
	return bytesField("archive", b.Bytes())
}

func archiveVectors() []vector { return slices.Concat(clearVectors(), sealedVectors()) }

func clearVectors() []vector {
	said := numbered(2)
	whole := archiveOf(said...)
	frame := archiveFrames(said[0])
	damaged := func(change func([]byte) []byte) field { return bytesField("archive", change(bytes.Clone(whole))) }
	return []vector{
		accept("archive", bytesField("archive", whole), field{"bulletins", said[0].ID().String() + " " + said[1].ID().String()}),
		accept("archive of nothing since a day", headed(func(h *ArchiveHeader) { h.Since = someday - 1 }), field{"bulletins", ""}),
		refuse("archive without audience", "1 to 64 organisations", "audience", headed(func(h *ArchiveHeader) { h.Audience = []Org{} })),
		refuse("archive for 65 organisations", "1 to 64 organisations", "audience", headed(func(h *ArchiveHeader) { h.Audience = make([]Org, 65) })),
		refuse("archive with an audience out of order", "ascending", "audience", headed(func(h *ArchiveHeader) { slices.Reverse(h.Audience) })),
		refuse("archive for no key", "not a key", "small order", headed(func(h *ArchiveHeader) { h.Audience = []Org{{}} })),
		refuse("archive without community", "1 to 64 communities", "communities", headed(func(h *ArchiveHeader) { h.Communities = []ID{} })),
		refuse("archive made after its certificate ended", "exported within the certificate", "validity", headed(func(h *ArchiveHeader) { h.Exported = year2027 + 1 })),
		refuse("archive with a false certificate", "the certificate's signature", "wrong signature", headed(func(h *ArchiveHeader) { h.Certificate = misCertified() })),
		refuse("archive signed for another purpose", "the header's own domain", "wrong signature", framed(archiveTrailerDomain, encode(archiveHeader()))),
		later("archive of version 2", "there is no version 2 yet", "version 2", headed(func(h *ArchiveHeader) { h.Version = 2 })),
		refuse("archive with a flipped bit", "a bulletin's signature", "wrong signature", damaged(func(b []byte) []byte { return flipped(b, bytes.Index(b, frame)+60) })),
		refuse("archive with a flipped length", "the lengths of a frame agree", "1 frames damaged", damaged(func(b []byte) []byte { return flipped(b, bytes.Index(b, frame)+3) })),
		refuse("archive without a bulletin", "the digest", "intact false", damaged(func(b []byte) []byte { return bytes.Replace(b, frame, nil, 1) })),
		refuse("archive with a bulletin too many", "nothing stands behind the trailer", "1 frames damaged", damaged(func(b []byte) []byte { return append(b, frame...) })),
		refuse("archive without trailer", "a trailer ends it", "truncated", damaged(func(b []byte) []byte { return bytes.TrimSuffix(b, trailerOf(b, said)) })),
	}
}

func sealedVectors() []vector {
	said := mixed(2)
	red := fixed(labelled(Red, Recipient{Org: OrgOf(seeded(3)), Person: "anna"}), "x").HeaderOnly()
	three := encode(map[int]any{1: NodeOf(seeded(4)), 2: *sealedFor(said[1].ID(), pad(said[1].Wire())), 3: 1})
	return []vector{
		accept("archive with a sealed bulletin", bytesField("archive", archiveOf(said...)), field{"bulletins", said[0].ID().String() + " " + said[1].ID().String()}),
		accept("archive with a sealed header", bytesField("archive", archiveOf(red)), field{"bulletins", red.ID().String()}),
		accept("archive sealed to another node", sealing(func(s *ArchiveSealed) { s.To = NodeOf(seeded(6)) }, nil), field{"bulletins", ""}),
		refuse("archive with AMBER in the clear", "above GREEN it is sealed", "not sealed", holding(ArchiveFrame{Bulletin: said[1].Wire()})),
		refuse("archive sealed to no key", "not a key", "small order", sealing(func(s *ArchiveSealed) { s.To = Node{} }, nil)),
		refuse("archive with a sealed bulletin without id", "it has an id", "no id", sealing(func(s *ArchiveSealed) { s.Sealed.Bulletin = ID{} }, nil)),
		refuse("archive with an encapsulated key of 2049 bytes", "at most 2048", "2049", sealing(func(s *ArchiveSealed) { s.Sealed.Enc = make([]byte, maxEnc+1) }, nil)),
		refuse("archive with a sealed bulletin without text", "it has a text", "0 bytes", sealing(func(s *ArchiveSealed) { s.Sealed.Text = []byte{} }, nil)),
		refuse("archive with a third entry in a sealed frame", "two entries", "archive, sealed bulletin", holding(ArchiveFrame{Sealed: three})),
		refuse("archive with a flipped bit in a sealed text", "the text is authentic", "not sealed with this key", sealing(func(s *ArchiveSealed) { s.Sealed.Text[100] ^= 1 }, nil)),
		refuse("archive with a sealed bulletin under another id", "the id is under the encryption", "not sealed with this key", sealing(func(s *ArchiveSealed) { s.Sealed.Bulletin[0] ^= 1 }, nil)),
		refuse("archive with other padding", "zeros up to the next grain", "padding", sealing(nil, func(b []byte) []byte { b[len(b)-1] = 1; return b })),
		refuse("archive with more padding", "no more zeros than that", "padding", sealing(nil, func(b []byte) []byte { return append(b, make([]byte, sealGrain)...) })),
		refuse("archive with a length above the plaintext", "the length is that of the wire form", "padding", sealing(nil, func(b []byte) []byte { b[0] = 0xff; return b })),
		refuse("archive with another bulletin sealed", "its id is the one it is sealed under", "it holds another", sealing(nil, func([]byte) []byte { return pad(said[0].Wire()) })),
	}
}
