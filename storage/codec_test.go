package storage

import (
	"bytes"
	"crypto/rand"
	"errors"
	"slices"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/tocsin-exchange/tocsin/protocol"
	"pgregory.net/rapid"
)

func coders(t testing.TB) (*zstd.Encoder, *zstd.Decoder) {
	t.Helper()
	enc, dec, err := newCoders()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { enc.Close(); dec.Close() })
	return enc, dec
}

func TestChunkRoundTrip(t *testing.T) {
	enc, dec := coders(t)
	rapid.Check(t, func(rt *rapid.T) {
		salted := make([][]byte, rapid.IntRange(1, 32).Draw(rt, "objects"))
		leaves := make([]protocol.ID, len(salted))
		erased := false
		for i := range salted {
			if rapid.IntRange(0, 5).Draw(rt, "erased") == 0 {
				leaves[i] = protocol.ID(rapid.SliceOfN(rapid.Byte(), 32, 32).Draw(rt, "leaf"))
				erased = true
				continue
			}
			salted[i] = rapid.SliceOfN(rapid.Byte(), 17, 200).Draw(rt, "salted")
		}
		c, err := decodeChunk(dec, encodeChunk(enc, salted, func(i int) protocol.ID { return leaves[i] }))
		if err != nil {
			rt.Fatal(err)
		}
		if !slices.EqualFunc(c.salted, salted, bytes.Equal) || erased && !slices.Equal(c.leaves, leaves) || !erased && c.leaves != nil {
			rt.Fatal("a chunk changed on its way")
		}
	})
}

func TestSegmentRoundTrip(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		list := make([]posting, rapid.IntRange(0, 50).Draw(rt, "postings"))
		for i := range list {
			list[i] = posting{
				hash: rapid.Uint64().Draw(rt, "hash"), expires: rapid.Uint32().Draw(rt, "expires"),
				index: rapid.Uint16Range(0, 1023).Draw(rt, "index"), prefix: rapid.Uint8Range(0, firstSixCode+128).Draw(rt, "prefix"),
				flags: rapid.Uint8Range(0, knownFlags).Draw(rt, "flags"),
			}
		}
		got, err := decodeSegment(nil, encodeSegment(list))
		if err != nil || !slices.Equal(got, list) {
			rt.Fatal("a segment changed on its way")
		}
	})
}

// FuzzChunk: any bytes are a chunk of bounded size or an error.
func FuzzChunk(f *testing.F) {
	enc, dec := coders(f)
	f.Add(encodeChunk(enc, [][]byte{[]byte("0123456789abcdef{}"), nil}, func(int) protocol.ID { return protocol.ID{1} }))
	f.Add(enc.EncodeAll([]byte{33, 1, 1}, nil))
	f.Add(enc.EncodeAll([]byte{1, 0xff, 0xff, 0xff, 0xff, 0x7f, 'x'}, nil))
	f.Add(enc.EncodeAll(make([]byte, 4<<20), nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := decodeChunk(dec, b)
		if err != nil {
			if !errors.Is(err, ErrDamaged) {
				t.Fatalf("error: %v", err)
			}
			return
		}
		size := 0
		for _, s := range c.salted {
			size += len(s)
		}
		if size > chunkMemory || len(c.salted) == 0 || len(c.salted) > 1<<maxShift {
			t.Fatalf("a chunk of %d objects, %d bytes", len(c.salted), size)
		}
		again, err := decodeChunk(dec, encodeChunk(enc, c.salted, func(i int) protocol.ID { return c.leaves[i] }))
		if err != nil || !slices.EqualFunc(c.salted, again.salted, bytes.Equal) {
			t.Fatal("a chunk that does not encode to itself")
		}
	})
}

// FuzzSegment: what decodes encodes to the same bytes.
func FuzzSegment(f *testing.F) {
	f.Add(encodeSegment([]posting{{hash: 1, expires: 2, index: 3, prefix: 4, flags: 5}}))
	f.Add(encodeSegment([]posting{{hash: 1, expires: forever, flags: nameFlag}, {hash: 2, expires: 2, flags: aboutFlag | revokedFlag}}))
	f.Add([]byte("0123456789abcde"))
	f.Fuzz(func(t *testing.T, b []byte) {
		list, err := decodeSegment(nil, b)
		if err == nil && !bytes.Equal(encodeSegment(list), b) {
			t.Fatal("a segment that does not encode to itself")
		}
	})
}

// FuzzRecord: what decodes encodes to the same bytes.
func FuzzRecord(f *testing.F) {
	b := newAuthor("bank").issue(f, green(0), indicator(f, "203.0.113.7"))
	r := &record{state: Held, body: bodyPlace{number: 1, shift: 5, parts: 1, expires: forever}, own: true, reason: "own", bulletin: b.HeaderOnly()}
	f.Add(r.encode())
	for _, more := range []record{
		{aside: true, via: protocol.Org{1}}, {aside: true}, {state: Erased, erasure: 7}, {aside: true, via: protocol.Org{2}, erasure: 1 << 40},
		{body: bodyPlace{number: 1, moment: 7}}, {aside: true, body: bodyPlace{number: 1, moment: 1 << 50}},
	} {
		more.bulletin = b.HeaderOnly()
		f.Add(more.encode())
	}
	f.Add([]byte{recordVersion})
	f.Add([]byte{moreVersion})
	f.Add([]byte{datedVersion})
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := decodeRecord(b)
		if err == nil && !bytes.Equal(r.encode(), b) {
			t.Fatal("a record that does not encode to itself")
		}
	})
}

// TestRecordsOfAllVersions: a record is of the version it needs, and says the
// same when it is read again; one of version 1 is what earlier releases wrote.
func TestRecordsOfAllVersions(t *testing.T) {
	b := newAuthor("bank").issue(t, green(0), indicator(t, "203.0.113.7")).HeaderOnly()
	for _, r := range []record{
		{state: Held}, {aside: true, via: protocol.Org{1}}, {aside: true}, {state: Erased, erasure: 7}, {aside: true, via: protocol.Org{2}, erasure: 8},
		{body: bodyPlace{number: 1, moment: 9}}, {body: bodyPlace{number: 1, moment: 9}, erasure: 8},
	} {
		r.bulletin = b
		encoded := r.encode()
		want := byte(moreVersion)
		switch {
		case r.state == Held:
			want = recordVersion
		case r.body.moment > 0:
			want = datedVersion
		}
		got, err := decodeRecord(encoded)
		if err != nil || encoded[0] != want || got.aside != r.aside || got.via != r.via || got.erasure != r.erasure || got.body.moment != r.body.moment || got.state != r.state {
			t.Errorf("%+v: version %d, %+v, %v", r, encoded[0], got, err)
		}
	}
	more := (&record{aside: true, bulletin: b}).encode()
	const flags = 2 + 8 + 2 + 2 + 4 + 1 + 32 + 8 + 2 // behind an empty reason
	for _, wrong := range []byte{0, 4, asideFlag | 0x80} {
		bad := bytes.Clone(more)
		if bad[flags] = wrong; wrong == 0 {
			bad = append(bad[:flags+1], bad[flags+33:]...)
		}
		if _, err := decodeRecord(bad); !errors.Is(err, ErrDamaged) {
			t.Errorf("flags %d: %v", wrong, err)
		}
	}
}

// FuzzRow: what decodes encodes to the same bytes.
func FuzzRow(f *testing.F) {
	r := rowChange{table: "petnames", key: []byte("k"), value: []byte("v")}
	f.Add(r.storeKey(), r.encode())
	f.Add([]byte("t"), []byte{0})
	f.Fuzz(func(t *testing.T, key, value []byte) {
		r, err := decodeRow(key, value)
		if err != nil {
			return
		}
		if r.value != nil && !bytes.Equal(r.encode(), value) {
			t.Fatal("a row that does not encode to itself")
		}
	})
}

// TestBodiesOfEverySize keeps bodies at the limits: one object of 256 KiB, a
// thousand small ones, and 768 KiB that cannot be compressed.
func TestBodiesOfEverySize(t *testing.T) {
	dir := t.TempDir()
	s := openTest(t, dir)
	a := newAuthor("bank")
	large := func(n int) []byte {
		text := make([]byte, n)
		rand.Read(text)
		for i := range text {
			text[i] = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_."[text[i]%64]
		}
		return statementBytes(string(text))
	}
	var thousand [][]byte
	for range protocol.MaxObjects {
		thousand = append(thousand, statementBytes("x"))
	}
	var list []*protocol.Bulletin
	for _, objects := range [][][]byte{
		{large(protocol.MaxObject - 400)},
		{large(200 << 10), large(200 << 10), large(200 << 10), large(150 << 10)},
		{large(1), large(250 << 10), large(2), large(3)},
		thousand,
	} {
		b := a.issue(t, green(0), objects...)
		list = append(list, b)
		if r := keep(t, s, whole(b)); !r[0].BodyNew {
			t.Fatalf("result: %+v", r[0])
		}
	}
	s.Close()
	s = openTest(t, dir)
	for _, b := range list {
		got, state, err := s.Bulletin(b.ID())
		if err != nil || state != Held || !bytes.Equal(got.Wire(), b.Wire()) {
			t.Fatalf("%v, %v", state, err)
		}
	}
	s.scan(chunkPrefix, true, func(key, value []byte, ok bool) error {
		if len(value) > 512<<10 {
			t.Errorf("a chunk of %d bytes", len(value))
		}
		return nil
	})
}

func TestErasedObjectsStayErased(t *testing.T) {
	s := openTest(t, t.TempDir())
	b := newAuthor("bank").issue(t, green(0), indicator(t, "203.0.113.7"), indicator(t, "203.0.113.8"))
	salted := slices.Clone(b.Salted())
	leaf := protocol.Leaf(salted[0])
	salted[0] = nil
	part, err := b.HeaderOnly().WithBody(protocol.JoinBody(salted, []protocol.ID{leaf, {}}))
	if err != nil {
		t.Fatal(err)
	}
	keep(t, s, whole(part))
	got, _, err := s.Bulletin(b.ID())
	if err != nil || !bytes.Equal(got.Wire(), part.Wire()) || got.Whole() {
		t.Fatalf("bulletin: %v", err)
	}
	if len(lookup(t, s, "203.0.113.7", start)) != 0 || len(lookup(t, s, "203.0.113.8", start)) != 1 {
		t.Fatal("the erased object answers, or the other does not")
	}
	for c, err := range s.Changes(0, Query{Now: start}) {
		if err != nil || c.Claim.Index != 1 {
			t.Fatalf("%+v, %v", c, err)
		}
	}
}
