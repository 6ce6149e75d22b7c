package protocol

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"testing"
	"testing/iotest"

	"pgregory.net/rapid"
)

func archiveHeader() ArchiveHeader {
	h := ArchiveHeader{Version: ArchiveVersion, Certificate: certOf(1, 2), Exported: someday, Communities: []ID{charterOf("isac", 1).ID()}, Audience: []Org{OrgOf(seeded(3)), OrgOf(seeded(5))}}
	sortOrgs(h.Audience)
	return h
}

// archiveOf writes an archive of one charter and the bulletins; those above
// GREEN are sealed to node 4.
func archiveOf(bulletins ...*Bulletin) []byte {
	var b bytes.Buffer
	w := must(NewArchiveWriter(&b, seeded(2), archiveHeader()))
	errs := []error{w.Charter(charterOf("isac", 1))}
	for _, bulletin := range bulletins {
		if bulletin.Header.TLP > Green {
			errs = append(errs, w.Sealed(NodeOf(seeded(4)), sealedFor(bulletin.ID(), pad(bulletin.Wire()))))
		} else {
			errs = append(errs, w.Bulletin(bulletin))
		}
	}
	if err := errors.Join(append(errs, w.Close())...); err != nil {
		panic(err)
	}
	return b.Bytes()
}

func numbered(n int) []*Bulletin {
	list := make([]*Bulletin, n)
	for i := range list {
		h := green()
		h.Epoch += uint64(i)
		list[i] = fixed(h, indicator(i))
	}
	return list
}

// mixed are bulletins of which every other one is above GREEN.
func mixed(n int) []*Bulletin {
	list := numbered(n)
	for i := 1; i < n; i += 2 {
		h := labelled(Amber, toOrg(3))
		h.Epoch += uint64(i)
		list[i] = fixed(h, indicator(i))
	}
	return list
}

// An unpacked archive is what node 4 made of it.
type unpacked struct {
	header    ArchiveHeader
	bulletins []ID // that verify
	others    int  // sealed to other nodes
	damaged   int
	because   []error // of frames that are whole, and hold something damaged
	truncated bool
	intact    bool
	expected  uint64
}

// unpack reads an archive as an importer does, and checks that it comes to an end.
func unpack(r io.Reader, limit int) (u unpacked, err error) {
	a, err := NewArchiveReader(r)
	if err != nil {
		return u, err
	}
	u.header = a.Header()
	for range limit {
		f, err := a.Next()
		switch {
		case err == io.EOF:
			u.intact, u.expected = a.Intact(), a.Trailer().Count
			return u, nil
		case err == io.ErrUnexpectedEOF:
			u.truncated = true
			return u, nil
		case errors.Is(err, ErrInvalid):
			u.damaged++
			continue
		case err != nil:
			return u, err
		}
		if err := u.frame(f); err != nil {
			u.damaged++
			u.because = append(u.because, err)
		}
	}
	return u, fmt.Errorf("no end after %d frames", limit)
}

func (u *unpacked) frame(f ArchiveFrame) error {
	var b *Bulletin
	var err error
	switch {
	case f.Charter != nil:
		_, err = DecodeCharter(f.Charter)
		return err
	case f.Sealed != nil:
		s, err := DecodeArchiveSealed(f.Sealed)
		if err != nil {
			return err
		}
		if s.To != NodeOf(seeded(4)) {
			u.others++
			return nil
		}
		if b, err = opener().Open(s.To, &s.Sealed); err != nil {
			return err
		}
	default:
		if b, err = Open(f.Bulletin); err == nil && b.Header.TLP > Green {
			err = fmt.Errorf("%w archive: above GREEN, and not sealed", ErrInvalid)
		}
		if err != nil {
			return err
		}
	}
	u.bulletins = append(u.bulletins, b.ID())
	return nil
}

func ids(list []*Bulletin) []ID {
	var ids []ID
	for _, b := range list {
		ids = append(ids, b.ID())
	}
	return ids
}

func TestArchive(t *testing.T) {
	large := labelled(AmberStrict, toOrg(3))
	said := append(mixed(3), fixed(green(), indicators(MaxObjects)...), fixed(green(), "x").HeaderOnly(), fixed(large, indicators(MaxObjects)...).HeaderOnly(), fixed(large, indicators(MaxObjects)...))
	whole := archiveOf(said...)
	for name, r := range map[string]io.Reader{"whole": bytes.NewReader(whole), "byte by byte": iotest.OneByteReader(bytes.NewReader(whole))} {
		u, err := unpack(r, 100)
		if err != nil || !u.intact || u.damaged > 0 || u.expected != 7 || u.others > 0 || !slices.Equal(u.bulletins, ids(said)) {
			t.Errorf("%s: %+v, %v", name, u, err)
		}
		if want := archiveHeader(); !slices.Equal(u.header.Audience, want.Audience) || u.header.Certificate != want.Certificate {
			t.Errorf("%s: a header of %+v", name, u.header)
		}
	}
}

// TestDamagedArchive: whatever happens to one place costs what stands there,
// is told, and nothing else is lost.
func TestDamagedArchive(t *testing.T) {
	said := mixed(5)
	whole := archiveOf(said...)
	first := len(whole) - len(archiveFrames(said...)) - trailerSize(t, whole, said)
	rapid.Check(t, func(t *rapid.T) {
		at := rapid.IntRange(first, len(whole)-1).Draw(t, "at")
		broken := bytes.Clone(whole)
		broken[at] ^= byte(rapid.IntRange(1, 255).Draw(t, "flip"))
		u, err := unpack(bytes.NewReader(broken), 1000)
		if err != nil || u.intact || len(u.bulletins) < len(said)-1 {
			t.Fatalf("byte %d flipped: %d of %d bulletins, intact %v, %v", at, len(u.bulletins), len(said), u.intact, err)
		}
		if u.damaged == 0 && !u.truncated && u.others == 0 {
			t.Fatalf("byte %d flipped, and nobody was told", at)
		}
	})
	rapid.Check(t, func(t *rapid.T) {
		at := rapid.IntRange(first, len(whole)-1).Draw(t, "cut")
		u, err := unpack(bytes.NewReader(whole[:at]), 1000)
		if err != nil || u.intact || !u.truncated {
			t.Fatalf("cut at %d: %+v, %v", at, u, err)
		}
		if n := len(u.bulletins); !slices.Equal(u.bulletins, ids(said)[:n]) || n < len(said) && at >= first+len(archiveFrames(said[:n+1]...)) {
			t.Fatalf("cut at %d: %d bulletins came", at, n)
		}
	})
}

// archiveFrames is bulletins as they stand in an archive.
func archiveFrames(bulletins ...*Bulletin) []byte {
	var b bytes.Buffer
	for _, bulletin := range bulletins {
		f := ArchiveFrame{Bulletin: bulletin.Wire()}
		if bulletin.Header.TLP > Green {
			f = ArchiveFrame{Sealed: encode(ArchiveSealed{NodeOf(seeded(4)), *sealedFor(bulletin.ID(), pad(bulletin.Wire()))})}
		}
		must(0, WriteBytes(&b, encode(f)))
	}
	return b.Bytes()
}

func trailerSize(t *testing.T, whole []byte, said []*Bulletin) int {
	frames := archiveFrames(said...)
	at := bytes.Index(whole, frames)
	if at < 0 {
		t.Fatal("the bulletins do not stand in a row")
	}
	return len(whole) - at - len(frames)
}

// TestAlteredArchive: what was left out, doubled, exchanged or added by somebody else is told.
func TestAlteredArchive(t *testing.T) {
	said := mixed(4)
	whole, frame := archiveOf(said[:3]...), func(b *Bulletin) []byte { return archiveFrames(b) }
	for _, c := range []struct {
		name    string
		archive []byte
		want    []*Bulletin
	}{
		{"one left out", bytes.Replace(whole, frame(said[1]), nil, 1), []*Bulletin{said[0], said[2]}},
		{"one doubled", bytes.Replace(whole, frame(said[1]), append(frame(said[1]), frame(said[1])...), 1), []*Bulletin{said[0], said[1], said[1], said[2]}},
		{"one exchanged", bytes.Replace(whole, frame(said[1]), frame(said[3]), 1), []*Bulletin{said[0], said[3], said[2]}},
		{"the trailer of another", append(bytes.TrimSuffix(whole, trailerOf(whole, said[:3])), trailerOf(archiveOf(said...), said)...), said[:3]},
		{"something behind its end", append(bytes.Clone(whole), frame(said[3])...), said[:3]},
		{"two in one", append(bytes.Clone(whole), whole...), said[:3]},
	} {
		u, err := unpack(bytes.NewReader(c.archive), 100)
		if err != nil || u.intact || !slices.Equal(u.bulletins, ids(c.want)) {
			t.Errorf("%s: %d bulletins, intact %v, %v", c.name, len(u.bulletins), u.intact, err)
		}
	}
}

func trailerOf(whole []byte, said []*Bulletin) []byte {
	frames := archiveFrames(said...)
	return whole[bytes.Index(whole, frames)+len(frames):]
}

func TestNoArchive(t *testing.T) {
	whole := archiveOf(numbered(1)...)
	for name, b := range map[string][]byte{
		"nothing": nil, "text": []byte("203.0.113.7\nevil.example\n"), "a bulletin": fixed(green(), "x").Wire(),
		"half a header": whole[:100], "a flipped bit in its header": flipped(whole, 60), "bulletins without a header": archiveFrames(numbered(1)...),
		"the longest length": bytes.Repeat([]byte{0xff}, 100),
	} {
		if _, err := NewArchiveReader(bytes.NewReader(b)); !errors.Is(err, ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	broken := errors.New("the medium is broken")
	a, err := NewArchiveReader(io.MultiReader(bytes.NewReader(whole[:len(whole)-10]), iotest.ErrReader(broken)))
	for err == nil {
		_, err = a.Next()
	}
	if !errors.Is(err, broken) {
		t.Errorf("a reader that fails: %v", err)
	}
}

func flipped(b []byte, at int) []byte {
	b = bytes.Clone(b)
	b[at] ^= 1
	return b
}

func TestArchiveWriterRefuses(t *testing.T) {
	for name, change := range map[string]func(*ArchiveHeader){
		"no audience":         func(h *ArchiveHeader) { h.Audience = nil },
		"an unsorted one":     func(h *ArchiveHeader) { slices.Reverse(h.Audience) },
		"somebody twice":      func(h *ArchiveHeader) { h.Audience[1] = h.Audience[0] },
		"no community":        func(h *ArchiveHeader) { h.Communities = nil },
		"after its time":      func(h *ArchiveHeader) { h.Exported = year2027 + 1 },
		"another node's name": func(h *ArchiveHeader) { h.Certificate = certOf(3, 4) },
	} {
		h := archiveHeader()
		change(&h)
		if _, err := NewArchiveWriter(io.Discard, seeded(2), h); !errors.Is(err, ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestWriterSealsAboveGreen: nothing of it goes into an archive in the clear, nor
// to whom nobody can be.
func TestWriterSealsAboveGreen(t *testing.T) {
	var b bytes.Buffer
	w := must(NewArchiveWriter(&b, seeded(2), archiveHeader()))
	empty := b.Len()
	for _, label := range []TLP{Amber, AmberStrict, Red} {
		said := fixed(labelled(label, Recipient{Org: OrgOf(seeded(3)), Person: map[bool]string{true: "anna"}[label == Red]}), "x")
		for _, said := range []*Bulletin{said, said.HeaderOnly()} {
			if err := w.Bulletin(said); !errors.Is(err, ErrInvalid) {
				t.Errorf("%s in the clear: %v", label.Label(), err)
			}
			if err := w.Sealed(Node{}, sealedFor(said.ID(), pad(said.Wire()))); !errors.Is(err, ErrInvalid) {
				t.Errorf("%s to no node: %v", label.Label(), err)
			}
		}
	}
	if b.Len() > empty {
		t.Error("and written all the same")
	}
}

func FuzzArchiveSealed(f *testing.F) {
	said := mixed(2)[1]
	f.Add(encode(ArchiveSealed{NodeOf(seeded(4)), *sealedFor(said.ID(), pad(said.Wire()))}))
	f.Add(encode(ArchiveSealed{NodeOf(seeded(4)), Sealed{ID{1}, []byte{1}, []byte{2}}}))
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := DecodeArchiveSealed(b)
		if err != nil {
			known(t, err)
			return
		}
		if !bytes.Equal(encode(s), b) {
			t.Fatalf("%x encodes to other bytes", b)
		}
		if _, err := opener().Open(s.To, &s.Sealed); err != nil {
			known(t, err)
		}
	})
}

func FuzzArchive(f *testing.F) {
	whole := archiveOf(mixed(2)...)
	f.Add(whole)
	f.Add(whole[:len(whole)-5])
	f.Add(flipped(whole, 700))
	f.Add(append(bytes.Clone(whole), whole...))
	f.Fuzz(func(t *testing.T, b []byte) {
		a, err := NewArchiveReader(bytes.NewReader(b))
		if err != nil {
			known(t, err)
			return
		}
		var again bytes.Buffer
		frames := 0
		for ; err != io.EOF && err != io.ErrUnexpectedEOF; frames++ {
			if frames > len(b) {
				t.Fatal("no end")
			}
			began := a.Offset()
			var frame ArchiveFrame
			if frame, err = a.Next(); err == nil {
				must(0, WriteBytes(&again, encode(frame)))
				if at := a.Offset(); at < began || !bytes.HasPrefix(b[at:], again.Bytes()) {
					t.Fatal("encodes to other bytes")
				}
				again.Reset()
			} else if err != io.EOF && err != io.ErrUnexpectedEOF {
				known(t, err)
			}
		}
		if a.Intact() && err != io.EOF {
			t.Fatal("intact without an end")
		}
	})
}
