package protocol

import (
	"bytes"
	"errors"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

func TestSignAndOpen(t *testing.T) {
	b := signed(t, green(), indicators(20)...)
	got, err := Open(b.Wire())
	if err != nil {
		t.Fatal(err)
	}
	if got.ID() != b.ID() || !bytes.Equal(got.Wire(), b.Wire()) || !got.Whole() || !got.HasBody() {
		t.Error("what was opened is not what was signed")
	}
	for i, object := range got.Objects() {
		if string(object) != indicator(i) {
			t.Errorf("object %d is %q", i, object)
		}
		if got.Reference(i) != Leaf(b.Salted()[i]) {
			t.Errorf("reference of object %d", i)
		}
	}
}

func TestTheSameObjectsMakeAnotherBulletin(t *testing.T) {
	if signed(t, green(), "same").ID() == signed(t, green(), "same").ID() {
		t.Error("salts repeat: an erased object could be guessed from its leaf")
	}
}

func TestHeaderOnly(t *testing.T) {
	b := signed(t, green(), "one", "two")
	only, err := Open(b.HeaderOnly().Wire())
	if err != nil {
		t.Fatal(err)
	}
	if only.HasBody() || only.Whole() || only.Body() != nil || len(only.Leaves()) != 0 || only.ID() != b.ID() {
		t.Error("a header without body has something of a body")
	}
	for range only.Objects() {
		t.Error("an object without body")
	}
	if !only.Reference(0).IsZero() || !b.Reference(-1).IsZero() || !b.Reference(2).IsZero() {
		t.Error("a reference to what is not there")
	}
	if again, err := only.WithBody(b.Body()); err != nil || !bytes.Equal(again.Wire(), b.Wire()) {
		t.Errorf("its own body is refused: %v", err)
	}
	if !b.HasBody() {
		t.Error("HeaderOnly took the body from the original")
	}
}

func TestWrongBody(t *testing.T) {
	b, other := signed(t, green(), "one", "two"), signed(t, green(), "one", "two")
	for name, body := range map[string][]byte{"other salts": other.Body(), "none": nil, "cut": b.Body()[:len(b.Body())-1]} {
		if with, err := b.HeaderOnly().WithBody(body); !errors.Is(err, ErrInvalid) || with != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestErasedObjects(t *testing.T) {
	b := signed(t, green(), "one", "two", "three")
	salted := slices.Clone(b.Salted())
	salted[1] = nil
	got, err := b.HeaderOnly().WithBody(JoinBody(salted, b.Leaves()))
	if err != nil {
		t.Fatal(err)
	}
	var left []string
	for i, object := range got.Objects() {
		left = append(left, string(object))
		if i == 1 {
			t.Error("the erased object is yielded")
		}
	}
	if !slices.Equal(left, []string{"one", "three"}) || got.Whole() || !got.HasBody() {
		t.Errorf("left %q", left)
	}
	if got.Reference(1) != b.Reference(1) || !slices.Equal(got.Leaves(), b.Leaves()) {
		t.Error("an erased object lost its leaf")
	}
	if bytes.Contains(got.Wire(), []byte("two")) {
		t.Error("the erased object is still in the wire form")
	}
	if again, err := Open(got.Wire()); err != nil || !bytes.Equal(again.Wire(), got.Wire()) {
		t.Errorf("opened again: %v", err)
	}
	if _, err := b.HeaderOnly().WithBody(JoinBody(salted, nil)); !errors.Is(err, ErrInvalid) {
		t.Errorf("an erased object without its leaf: %v", err)
	}
}

func TestWithoutObjects(t *testing.T) {
	b := signed(t, green(), "one", "two", "three")
	wire := b.Wire()
	less := b.Without([]uint64{1, 99, 1})
	again, err := Open(less.Wire())
	if err != nil {
		t.Fatal(err)
	}
	for name, got := range map[string]*Bulletin{"made": less, "opened": again} {
		left := map[int]string{}
		for i, object := range got.Objects() {
			left[i] = string(object)
		}
		if !maps.Equal(left, map[int]string{0: "one", 2: "three"}) || got.Whole() || got.ID() != b.ID() || !slices.Equal(got.Leaves(), b.Leaves()) {
			t.Errorf("%s: left %v", name, left)
		}
		if bytes.Contains(got.Wire(), []byte("two")) || bytes.Contains(got.Wire(), b.Salted()[1][:saltSize]) {
			t.Errorf("%s: payload or salt is still in it", name)
		}
	}
	if !bytes.Equal(b.Wire(), wire) || !b.Whole() {
		t.Error("the original was changed")
	}
	if less.Without([]uint64{1}) != less || b.Without(nil) != b || b.HeaderOnly().Without([]uint64{0}).HasBody() {
		t.Error("nothing to take out makes another bulletin")
	}
	none := less.Without([]uint64{0, 2})
	for range none.Objects() {
		t.Error("an object is left of none")
	}
	if again, err := Open(none.Wire()); err != nil || !slices.Equal(again.Leaves(), b.Leaves()) {
		t.Errorf("a body without any object: %v", err)
	}
}

func TestEveryBitCounts(t *testing.T) {
	for name, b := range map[string]*Bulletin{
		"body": signed(t, green(), indicator(1)), "header only": signed(t, labelled(Amber, toOrg(3)), "x").HeaderOnly(),
	} {
		wire := b.Wire()
		for i := range len(wire) * 8 {
			refusesFlip(t, name, wire, i)
		}
	}
}

func TestBitsOfALargeBulletin(t *testing.T) {
	wire := signed(t, green(), indicators(MaxObjects)...).Wire()
	random := rand.New(rand.NewPCG(1, 2))
	for range 300 {
		refusesFlip(t, "large", wire, random.IntN(len(wire)*8))
	}
}

func refusesFlip(t *testing.T, name string, wire []byte, bit int) {
	wire[bit/8] ^= 1 << (bit % 8)
	if _, err := Open(wire); err == nil {
		t.Errorf("%s: bit %d of byte %d is not covered", name, bit%8, bit/8)
	} else if !errors.Is(err, ErrInvalid) && !errors.Is(err, ErrUnsupported) {
		t.Errorf("%s: bit %d of byte %d: an error of no class: %v", name, bit%8, bit/8, err)
	}
	wire[bit/8] ^= 1 << (bit % 8)
}

func TestSignRefuses(t *testing.T) {
	cert := certOf(1, 2)
	sign := func(h Header, objects ...string) error {
		var list [][]byte
		for _, o := range objects {
			list = append(list, []byte(o))
		}
		b, err := Sign(seeded(2), cert, h, list)
		if (b == nil) != (err != nil) {
			t.Errorf("bulletin %v with error %v", b, err)
		}
		return err
	}
	late := green()
	late.Issued = year2027 + 1
	unlabelled := green()
	unlabelled.TLP = Unlabelled
	for name, err := range map[string]error{
		"no objects":               sign(green()),
		"an empty object":          sign(green(), "one", ""),
		"too many objects":         sign(green(), indicators(MaxObjects+1)...),
		"an object over its limit": sign(green(), strings.Repeat("x", MaxObject+1)),
		"a body over its limit":    sign(green(), slices.Repeat([]string{strings.Repeat("x", MaxObject)}, 3)...),
		"an expired certificate":   sign(late, "one"),
		"no label":                 sign(unlabelled, "one"),
	} {
		if !errors.Is(err, ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := Sign(seeded(4), cert, green(), [][]byte{[]byte("x")}); !errors.Is(err, ErrInvalid) {
		t.Errorf("the key of another node: %v", err)
	}
}

func TestLimitsOfABulletin(t *testing.T) {
	list := signed(t, green(), indicators(MaxObjects)...)
	if got, err := Open(list.Wire()); err != nil || len(got.Salted()) != MaxObjects {
		t.Errorf("%d objects: %v", MaxObjects, err)
	}
	rest := MaxObject - 1000 // then as much as still fits beside two of the largest
	probe := signed(t, green(), strings.Repeat("x", MaxObject), strings.Repeat("y", MaxObject), strings.Repeat("z", rest))
	rest += MaxBody - len(probe.Body())
	full := signed(t, green(), strings.Repeat("x", MaxObject), strings.Repeat("y", MaxObject), strings.Repeat("z", rest))
	if len(full.Body()) != MaxBody {
		t.Fatalf("a body of %d bytes, want %d", len(full.Body()), MaxBody)
	}
	if _, err := Open(full.Wire()); err != nil {
		t.Errorf("the largest body: %v", err)
	}
	_, err := Sign(seeded(2), certOf(1, 2), green(), [][]byte{
		bytes.Repeat([]byte("x"), MaxObject), bytes.Repeat([]byte("y"), MaxObject), bytes.Repeat([]byte("z"), rest+1)})
	if !errors.Is(err, ErrInvalid) {
		t.Errorf("one byte over the largest body: %v", err)
	}
	if _, err := Open(make([]byte, MaxWire+1)); err == nil || !strings.Contains(err.Error(), "at most") {
		t.Errorf("over the wire's limit: %v", err)
	}
}

func TestReopen(t *testing.T) {
	header, sig := signed(t, green(), "one").HeaderBytes()
	b, err := Reopen(header, sig)
	if err != nil || b.Header.Seq != 1 {
		t.Fatal(err)
	}
	if b, err := Reopen(header[:len(header)-1], sig); !errors.Is(err, ErrInvalid) || b != nil {
		t.Errorf("a damaged header: %v", err)
	}
}
