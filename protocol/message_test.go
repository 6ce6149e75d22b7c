package protocol

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
)

func TestFrames(t *testing.T) {
	var stream bytes.Buffer
	b := signed(t, green(), indicators(MaxObjects)...)
	digest := hashOf("summaries")
	for _, f := range []SyncFrame{{Digest: &digest}, {Bulletin: b.Wire()}, {End: &End{}}} {
		if err := WriteFrame(&stream, f); err != nil {
			t.Fatal(err)
		}
	}
	first, err := ReadFrame[SyncFrame](&stream, MaxFrame)
	if err != nil || *first.Digest != digest {
		t.Fatal(err)
	}
	second, err := ReadFrame[SyncFrame](&stream, MaxFrame)
	if err != nil || !bytes.Equal(second.Bulletin, b.Wire()) {
		t.Fatal(err)
	}
	if third, err := ReadFrame[SyncFrame](&stream, MaxFrame); err != nil || third.End == nil {
		t.Fatal(err)
	}
	if _, err := ReadFrame[SyncFrame](&stream, MaxFrame); err != io.EOF {
		t.Errorf("behind the last frame: %v", err)
	}
}

func TestTheLargestBulletinFitsAFrame(t *testing.T) {
	if err := WriteFrame(io.Discard, SyncFrame{Bulletin: make([]byte, MaxWire)}); err != nil {
		t.Error(err)
	}
	if err := WriteFrame(io.Discard, SyncFrame{Bulletin: make([]byte, MaxFrame)}); !errors.Is(err, ErrInvalid) {
		t.Errorf("over the limit: %v", err)
	}
	wire := encode(wire{Header: make([]byte, MaxHeader), Body: make([]byte, MaxBody)})
	if len(wire) > MaxWire {
		t.Errorf("header and body at their limits make %d bytes, MaxWire is %d", len(wire), MaxWire)
	}
}

func TestBadFrames(t *testing.T) {
	good := bytes.Buffer{}
	if err := WriteFrame(&good, SyncFrame{Refused: "no"}); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, bytes string
		want        error
	}{
		{"nothing", "", io.EOF},
		{"half a length", "\x00\x00", io.ErrUnexpectedEOF},
		{"a length and nothing", "\x00\x00\x00\x01", io.ErrUnexpectedEOF},
		{"less than announced", good.String()[:good.Len()-1], io.ErrUnexpectedEOF},
		{"an empty frame", "\x00\x00\x00\x00", ErrInvalid},
		{"over the limit", "\x00\x00\x00\x65" + strings.Repeat("a", 0x65), ErrInvalid},
		{"the longest length", "\xff\xff\xff\xff", ErrInvalid},
		{"no CBOR", "\x00\x00\x00\x01\xff", ErrInvalid},
	} {
		if f, err := ReadFrame[SyncFrame](strings.NewReader(c.bytes), 100); !errors.Is(err, c.want) || f.Refused != "" {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
	}
	got, err := ReadBytes(bytes.NewReader(good.Bytes()), 100)
	if err != nil || !bytes.Equal(got, good.Bytes()[4:]) {
		t.Errorf("%x, %v", got, err)
	}
}

// A meter ends after its bytes and notes the largest buffer it was given.
type meter struct {
	bytes   []byte
	largest int
}

func (m *meter) Read(p []byte) (int, error) {
	m.largest = max(m.largest, len(p))
	if len(m.bytes) == 0 {
		return 0, io.EOF
	}
	n := copy(p, m.bytes)
	m.bytes = m.bytes[n:]
	return n, nil
}

func TestMemoryGrowsWithWhatArrives(t *testing.T) {
	for _, arrived := range []int{0, 1, 100, 10_000} {
		m := &meter{bytes: append(binary.BigEndian.AppendUint32(nil, MaxFrame), make([]byte, arrived)...)}
		if _, err := ReadBytes(m, MaxFrame); err != io.ErrUnexpectedEOF {
			t.Fatalf("%d bytes: %v", arrived, err)
		}
		if m.largest > 1024+2*arrived {
			t.Errorf("%d bytes arrived of %d announced, and a buffer of %d was made", arrived, MaxFrame, m.largest)
		}
	}
	perRun := testing.AllocsPerRun(10, func() {
		m := &meter{bytes: binary.BigEndian.AppendUint32(nil, MaxFrame)}
		if _, err := ReadBytes(m, MaxFrame); err == nil {
			t.Error("a frame out of nothing")
		}
	})
	if perRun > 8 {
		t.Errorf("%v allocations for an announced frame that never comes", perRun)
	}
}

func TestSummariesDigest(t *testing.T) {
	a := Summary{Stream: Stream{Node: NodeOf(seeded(2)), Kind: Objects, Community: hashOf("community"), TLP: Green}, Heads: []Head{{Position{1, 1}, hashOf("head")}}}
	b := a
	b.Heads = []Head{{Position{1, 2}, hashOf("head")}}
	c := a
	c.Gaps = []Range{{Position{}, Position{1, 0}}}
	seen := map[ID]bool{}
	for _, list := range [][]Summary{nil, {a}, {b}, {c}, {a, b}, {b, a}} {
		digest := SummariesDigest(list)
		if seen[digest] || digest != SummariesDigest(slices.Clone(list)) {
			t.Errorf("%v has the digest of another, or no fixed one", list)
		}
		seen[digest] = true
	}
}
