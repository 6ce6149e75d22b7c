package protocol

import (
	"bytes"
	"reflect"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func drawID(t *rapid.T, label string) ID {
	return ID(rapid.SliceOfN(rapid.Byte(), 32, 32).Draw(t, label))
}

func drawName(t *rapid.T, label string) string {
	return rapid.StringMatching(`[a-zA-Zé警0-9][a-zA-Z é警0-9]{0,20}[a-z]`).Draw(t, label)
}

func drawAudience(t *rapid.T, label TLP) []Recipient {
	one := rapid.Custom(func(t *rapid.T) Recipient {
		org := Recipient{Org: OrgOf(seeded(rapid.ByteRange(10, 60).Draw(t, "org")))}
		switch {
		case label == Red:
			org.Person = drawName(t, "person")
			return org
		case rapid.Bool().Draw(t, "group"):
			group := drawID(t, "id")
			group[0] |= 1 // not zero
			return Recipient{Group: group, Version: rapid.Uint64Min(1).Draw(t, "version")}
		}
		return org
	})
	list := rapid.SliceOfNDistinct(one, 1, MaxAudience/2, func(r Recipient) string { return string(encode(r)) }).Draw(t, "audience")
	SortAudience(list)
	return list
}

// drawHeader draws a header that keeps every rule.
func drawHeader(t *rapid.T) Header {
	h := green()
	h.Kind = Kind(rapid.Uint8Range(1, 2).Draw(t, "kind"))
	h.Epoch, h.Seq = rapid.Uint64Min(1).Draw(t, "epoch"), rapid.Uint64Min(1).Draw(t, "seq")
	if h.Seq > 1 || rapid.Bool().Draw(t, "prev") {
		h.Prev = drawID(t, "prev")
		h.Prev[0] |= 1
	}
	h.Issued = rapid.Uint64Range(year2026, year2027).Draw(t, "issued")
	h.TLP, h.PAP = TLP(rapid.Uint8Range(1, 5).Draw(t, "tlp")), PAP(rapid.Uint8Range(0, 4).Draw(t, "pap"))
	if h.TLP > Green {
		h.Community, h.Audience = ID{}, drawAudience(t, h.TLP)
	}
	if rapid.Bool().Draw(t, "drill") {
		h.Drill = drawName(t, "name")
	}
	if h.Kind == Objects && rapid.Bool().Draw(t, "floor") {
		h.Floor = &Position{h.Epoch, rapid.Uint64Range(1, h.Seq).Draw(t, "from")}
	}
	if rapid.Bool().Draw(t, "extended") {
		h.Extensions = rapid.MapOfN(rapid.Uint64(), rapid.SliceOfN(rapid.Byte(), 0, 40), 1, 8).Draw(t, "extensions")
	}
	return h
}

func drawObjects(t *rapid.T) [][]byte {
	return rapid.SliceOfN(rapid.SliceOfN(rapid.Byte(), 1, 60), 1, 30).Draw(t, "objects")
}

func TestWhatIsSignedIsOpened(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h, objects := drawHeader(t), drawObjects(t)
		b, err := Sign(seeded(2), h.Certificate, h, objects)
		if err != nil {
			t.Fatal(err)
		}
		got, err := Open(b.Wire())
		if err != nil {
			t.Fatal(err)
		}
		h.Count, h.Size, h.Root = b.Header.Count, b.Header.Size, b.Header.Root
		if !reflect.DeepEqual(got.Header, h) {
			t.Fatalf("signed %+v\nopened %+v", h, got.Header)
		}
		var opened [][]byte
		for _, o := range got.Objects() {
			opened = append(opened, o)
		}
		if !reflect.DeepEqual(opened, objects) || !bytes.Equal(got.Wire(), b.Wire()) || got.ID() != b.ID() {
			t.Fatal("opened something else than was signed")
		}
	})
}

func TestAnyObjectsCanBeErased(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b, err := Sign(seeded(2), certOf(1, 2), green(), drawObjects(t))
		if err != nil {
			t.Fatal(err)
		}
		salted, erased := slices.Clone(b.Salted()), 0
		for i := range salted {
			if rapid.Bool().Draw(t, "erase") {
				salted[i] = nil
				erased++
			}
		}
		got, err := Open(must(b.HeaderOnly().WithBody(JoinBody(salted, b.Leaves()))).Wire())
		if err != nil {
			t.Fatal(err)
		}
		left := 0
		for i, o := range got.Objects() {
			left++
			if !bytes.Equal(o, b.Salted()[i][saltSize:]) {
				t.Fatalf("object %d changed", i)
			}
		}
		if left != len(salted)-erased || got.Whole() != (erased == 0) || !slices.Equal(got.Leaves(), b.Leaves()) {
			t.Fatalf("%d of %d erased, %d left", erased, len(salted), left)
		}
	})
}

func TestAForeignSignatureNeverOpens(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, err := Sign(seeded(2), certOf(1, 2), drawHeader(t), drawObjects(t))
		if err != nil {
			t.Fatal(err)
		}
		header, _ := a.HeaderBytes()
		forger := rapid.ByteRange(3, 200).Draw(t, "forger")
		if _, err := OpenHeader(header, sign(seeded(forger), bulletinDomain, header)); err == nil {
			t.Fatalf("signed by %d, accepted as said by node 2", forger)
		}
	})
}

func TestInvitesSurvive(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		i := inviteOf()
		i.Name, i.OrgName, i.Expires = drawName(t, "name"), drawName(t, "org"), rapid.Uint64Max(maxMillis).Draw(t, "expires")
		i.Addrs = rapid.SliceOfN(rapid.StringN(1, 60, 256), 1, 16).Draw(t, "addrs")
		i.Secret = [16]byte(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "secret"))
		got, err := ParseInvite(i.Text())
		if err != nil || !reflect.DeepEqual(got, i) {
			t.Fatalf("%+v\n%+v\n%v", i, got, err)
		}
	})
}

// TestNothingPanics mutates good bytes of every kind.
func TestNothingPanics(t *testing.T) {
	good := [][]byte{fixed(green(), indicator(1)).Wire(), certOf(1, 2).Encode(), charterOf("isac", 1).Encode()}
	for _, v := range goodStatements() {
		good = append(good, blob(map[string]string{"s": v.fields[0].value}, "s"))
	}
	rapid.Check(t, func(t *rapid.T) {
		b := slices.Clone(rapid.SampledFrom(good).Draw(t, "good"))
		for range rapid.IntRange(1, 4).Draw(t, "changes") {
			b[rapid.IntRange(0, len(b)-1).Draw(t, "place")] = rapid.Byte().Draw(t, "value")
		}
		b = b[:rapid.IntRange(0, len(b)).Draw(t, "length")]
		_, _ = Open(b)
		_, _ = DecodeCertificate(b)
		_, _ = DecodeCharter(b)
		_, _ = DecodeStatement(b)
		_, _ = OpenHeader(b, Signature{})
		_ = rewritten[SyncFrame](b)
	})
}
