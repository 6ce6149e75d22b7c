package protocol

import (
	"bytes"
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
	case u.damaged > 0 || !u.intact:
		return nil, fmt.Errorf("%w archive: %d frames damaged, intact %v", ErrInvalid, u.damaged, u.intact)
	}
	var came []string
	for _, id := range u.bulletins {
		came = append(came, id.String())
	}
	return map[string]string{"bulletins": strings.Join(came, " ")}, nil
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

func archiveVectors() []vector {
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
		refuse("archive with a flipped bit", "a bulletin's signature", "1 frames damaged", damaged(func(b []byte) []byte { return flipped(b, bytes.Index(b, frame)+60) })),
		refuse("archive with a flipped length", "the lengths of a frame agree", "1 frames damaged", damaged(func(b []byte) []byte { return flipped(b, bytes.Index(b, frame)+3) })),
		refuse("archive without a bulletin", "the digest", "intact false", damaged(func(b []byte) []byte { return bytes.Replace(b, frame, nil, 1) })),
		refuse("archive with a bulletin too many", "nothing stands behind the trailer", "1 frames damaged", damaged(func(b []byte) []byte { return append(b, frame...) })),
		refuse("archive without trailer", "a trailer ends it", "truncated", damaged(func(b []byte) []byte { return bytes.TrimSuffix(b, trailerOf(b, said)) })),
	}
}
