package protocol

import (
	"bytes"
	"errors"
	"testing"

	"pgregory.net/rapid"
)

func sealedSample(t testing.TB) *Bulletin {
	t.Helper()
	b, err := Sign(seeded(2), certOf(1, 2), labelled(AmberStrict, toOrg(3)), [][]byte{[]byte(`{"type":"note"}`)})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestSealOpensForOneNodeOnly(t *testing.T) {
	for _, suite := range []uint16{SuiteHybrid, SuiteX25519} {
		key, err := NewSealKey(suite)
		if err != nil {
			t.Fatal(err)
		}
		kept, err := key.Bytes()
		if err != nil {
			t.Fatal(err)
		}
		if key, err = ParseSealKey(kept); err != nil {
			t.Fatal(err)
		}
		b := sealedSample(t)
		me, other := NodeOf(seeded(7)), NodeOf(seeded(8))
		sealed, err := Seal(key.Public(me), b)
		if err != nil {
			t.Fatal(err)
		}
		opened, err := key.Open(me, sealed)
		if err != nil || opened.ID() != b.ID() || !bytes.Equal(opened.Wire(), b.Wire()) {
			t.Fatalf("suite %#x: opened %v, %v", suite, opened, err)
		}
		if _, err := key.Open(other, sealed); !errors.Is(err, ErrInvalid) {
			t.Errorf("suite %#x: opened as another node: %v", suite, err)
		}
		stranger, _ := NewSealKey(suite)
		if _, err := stranger.Open(me, sealed); !errors.Is(err, ErrInvalid) {
			t.Errorf("suite %#x: opened with another key: %v", suite, err)
		}
		renamed := *sealed
		renamed.Bulletin[0] ^= 1
		if _, err := key.Open(me, &renamed); !errors.Is(err, ErrInvalid) {
			t.Errorf("suite %#x: opened under another id: %v", suite, err)
		}
		for i := range sealed.Text {
			flipped := *sealed
			flipped.Text = bytes.Clone(sealed.Text)
			flipped.Text[i] ^= 1
			if _, err := key.Open(me, &flipped); err == nil {
				t.Fatalf("suite %#x: opened with byte %d changed", suite, i)
			}
		}
	}
}

func TestSealKeyOfUnknownSuite(t *testing.T) {
	if _, err := NewSealKey(0x0010); !errors.Is(err, ErrUnsupported) {
		t.Errorf("made: %v", err)
	}
	if _, err := Seal(&EncryptionKey{Suite: 0x10020, Key: make([]byte, 32)}, sealedSample(t)); !errors.Is(err, ErrUnsupported) {
		t.Errorf("sealed: %v", err)
	}
}

func TestPaddingIsUndoneExactly(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		wire := rapid.SliceOfN(rapid.Byte(), 0, 9000).Draw(t, "wire")
		padded := pad(wire)
		if len(padded)%sealGrain != 0 || len(padded) > len(wire)+len(wire)/8+sealGrain+4 {
			t.Fatalf("%d bytes padded to %d", len(wire), len(padded))
		}
		back, err := unpad(padded)
		if err != nil || !bytes.Equal(back, wire) {
			t.Fatalf("got %d bytes back of %d: %v", len(back), len(wire), err)
		}
	})
}

func TestReceiptIsTheNodesWord(t *testing.T) {
	cert := certOf(1, 2)
	r := SignReceipt(seeded(2), cert, ID{1}, ReceiptErased, 5000)
	back, err := DecodeReceipt(r.Encode())
	if err != nil || *back != *r {
		t.Fatalf("got %v, %v", back, err)
	}
	for _, change := range []func(*Receipt){
		func(r *Receipt) { r.Bulletin[0]++ },
		func(r *Receipt) { r.State = ReceiptHeld },
		func(r *Receipt) { r.At++ },
		func(r *Receipt) { r.Certificate = certOf(1, 3) },
	} {
		forged := *r
		change(&forged)
		if _, err := DecodeReceipt(forged.Encode()); !errors.Is(err, ErrInvalid) {
			t.Errorf("accepted %+v: %v", forged, err)
		}
	}
}

func TestForwardIsForOneOrganisation(t *testing.T) {
	cert := certOf(1, 2)
	f := SignForward(seeded(2), cert, ID{1}, OrgOf(seeded(4)))
	if err := f.check(); err != nil {
		t.Fatal(err)
	}
	f.To = OrgOf(seeded(5))
	if err := f.check(); !errors.Is(err, ErrInvalid) {
		t.Errorf("accepted for another: %v", err)
	}
}

func TestGroupBelongsToItsOwner(t *testing.T) {
	owner, salt := OrgOf(seeded(1)), ID{9}
	r := &Roster{Group: GroupOf(owner, salt), Version: 1, Name: "g", Members: []Org{owner}, Owner: owner, Salt: salt}
	if err := r.check(); err != nil {
		t.Fatal(err)
	}
	r.Owner = OrgOf(seeded(2))
	if err := r.check(); !errors.Is(err, ErrInvalid) {
		t.Errorf("another owner was accepted: %v", err)
	}
}

func FuzzDeliverFrame(f *testing.F) {
	cert := certOf(1, 2)
	for _, seed := range []DeliverFrame{
		{Offer: []ID{{1}, {2}}}, {Want: &Wanted{IDs: []ID{{1}}}}, {Want: &Wanted{}}, {Refused: "not now"},
		{Receipt: SignReceipt(seeded(2), cert, ID{1}, ReceiptHeld, 1)},
		{Sealed: &Sealed{ID{1}, []byte{1}, []byte{2}}, Forward: SignForward(seeded(2), cert, ID{1}, OrgOf(seeded(4)))},
	} {
		f.Add(encode(seed))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var v DeliverFrame
		if decode(b, MaxFrame, "frame", &v) == nil && v.check() == nil && !bytes.Equal(encode(v), b) {
			t.Fatalf("%x encodes to other bytes", b)
		}
	})
}
