package protocol

import (
	"bytes"
	"errors"
	"testing"
)

// known fails for an error that a caller could not sort into its classes.
func known(t *testing.T, err error) {
	if !errors.Is(err, ErrInvalid) && !errors.Is(err, ErrUnsupported) {
		t.Fatalf("an error of no class: %v", err)
	}
}

func FuzzOpen(f *testing.F) {
	f.Add(fixed(green(), indicator(1)).Wire())
	f.Add(fixed(green(), "x").HeaderOnly().Wire())
	f.Add(fixed(labelled(Red, Recipient{Org: OrgOf(seeded(3)), Person: "Ada"}), "x", "y").Wire())
	f.Fuzz(func(t *testing.T, b []byte) {
		got, err := Open(b)
		if err != nil {
			known(t, err)
			return
		}
		if !bytes.Equal(got.Wire(), b) {
			t.Fatal("encodes to other bytes")
		}
		id, body, err := Peek(b)
		org, err2 := PeekAuthor(b)
		if err != nil || err2 != nil || id != got.ID() || body != got.HasBody() || org != got.Header.Org() {
			t.Fatal("another bulletin at first sight")
		}
	})
}

// FuzzHeader signs what the fuzzer made, so that it gets past the signature.
func FuzzHeader(f *testing.F) {
	full := green()
	full.PAP, full.Drill, full.Floor, full.Extensions = PAPRed, "drill", &Position{1, 1}, map[uint64][]byte{1: {1}}
	for _, h := range []Header{green(), full, labelled(Amber, toOrg(3), Recipient{Group: hashOf("group"), Version: 1})} {
		f.Add(encode(bodied(h)))
	}
	f.Fuzz(func(t *testing.T, header []byte) {
		b, err := OpenHeader(header, sign(seeded(2), bulletinDomain, header))
		if err != nil {
			known(t, err)
			return
		}
		if !bytes.Equal(encode(b.Header), header) {
			t.Fatal("encodes to other bytes")
		}
		if h := b.Header; (h.TLP > Green) != (len(h.Audience) > 0) || (h.TLP > Green) != h.Community.IsZero() || !h.TLP.Valid() {
			t.Fatalf("%s with community %s and an audience of %d", h.TLP.Label(), h.Community, len(h.Audience))
		}
		if again, err := Open(b.Wire()); err != nil || again.ID() != b.ID() {
			t.Fatalf("its own wire form: %v", err)
		}
	})
}

// FuzzBody signs a header for the body the fuzzer made.
func FuzzBody(f *testing.F) {
	b := fixed(green(), "one", "two")
	f.Add(b.Body(), uint16(2))
	f.Add(JoinBody([][]byte{nil, b.Salted()[1]}, b.Leaves()), uint16(2))
	f.Fuzz(func(t *testing.T, body []byte, count uint16) {
		h := green()
		h.Version, h.Certificate, h.Count, h.Size = Version, certOf(1, 2), uint64(count)%MaxObjects+1, uint64(min(len(body), MaxBody))
		var list [][]byte
		if err := decode(body, MaxBody, "body", &list); err == nil && len(list) > 0 {
			h.Root = hashOf(string(list[0]))
		}
		header := encode(h)
		only, err := OpenHeader(header, sign(seeded(2), bulletinDomain, header))
		if err != nil {
			t.Fatal(err)
		}
		got, err := only.WithBody(body)
		if err != nil {
			known(t, err)
			return
		}
		if !bytes.Equal(JoinBody(got.Salted(), got.Leaves()), body) {
			t.Fatal("encodes to other bytes")
		}
		for i, object := range got.Objects() {
			if len(object) == 0 || got.Reference(i).IsZero() {
				t.Fatalf("object %d is empty or has no leaf", i)
			}
		}
	})
}

func FuzzCertificate(f *testing.F) {
	f.Add(certOf(1, 2).Encode())
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := DecodeCertificate(b)
		if err != nil {
			known(t, err)
			return
		}
		if !bytes.Equal(c.Encode(), b) {
			t.Fatal("encodes to other bytes")
		}
	})
}

func FuzzStatement(f *testing.F) {
	for _, v := range goodStatements() {
		f.Add(blob(map[string]string{"statement": v.fields[0].value}, "statement"))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := DecodeStatement(b)
		if err != nil {
			known(t, err)
			return
		}
		if !bytes.Equal(s.Encode(), b) {
			t.Fatal("encodes to other bytes")
		}
	})
}

// FuzzCharter signs what the fuzzer made with the keys of its founders.
func FuzzCharter(f *testing.F) {
	f.Add(charterOf("isac", 1).content)
	f.Add(charterOf("isac", 1, 3, 5).content)
	f.Fuzz(func(t *testing.T, content []byte) {
		s := &SignedCharter{content: content}
		if decode(content, MaxCharter, "charter", &s.Charter) == nil {
			s.by = signCharter(s.Charter, 1, 3, 5).by
		}
		b := s.Encode()
		got, err := DecodeCharter(b)
		if err != nil {
			known(t, err)
		} else if !bytes.Equal(got.Encode(), b) || got.ID() != s.ID() {
			t.Fatal("encodes to other bytes")
		}
		if _, err := DecodeCharter(content); err == nil {
			t.Fatal("a charter without signatures")
		}
	})
}

// FuzzInvite reads what the fuzzer made as text, and as what text carries.
func FuzzInvite(f *testing.F) {
	f.Add(inviteOf().Text(), encode(inviteOf()))
	f.Fuzz(func(t *testing.T, text string, content []byte) {
		for _, s := range []string{text, token(content).value} {
			i, err := ParseInvite(s)
			if err != nil {
				known(t, err)
				continue
			}
			if again, err := ParseInvite(i.Text()); err != nil || again.Text() != i.Text() {
				t.Fatalf("its own text: %v", err)
			}
		}
		if i, err := ParseInvite(token(content).value); err == nil && !bytes.Equal(encode(i), content) {
			t.Fatal("encodes to other bytes")
		}
	})
}

func FuzzJoinRequest(f *testing.F) { fuzzFrame[JoinRequest](f, "request") }
func FuzzJoinAnswer(f *testing.F)  { fuzzFrame[JoinAnswer](f, "answer") }
func FuzzSyncFrame(f *testing.F)   { fuzzFrame[SyncFrame](f, "sync") }

func fuzzFrame[T frame](f *testing.F, key string) {
	for _, v := range frameVectors() {
		if v.expect == "accept" && v.fields[0].key == key {
			f.Add(blob(map[string]string{key: v.fields[0].value}, key))
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if err := rewritten[T](b); err != nil {
			known(t, err)
		}
	})
}

// FuzzReadFrame gives the fuzzer the length as well.
func FuzzReadFrame(f *testing.F) {
	f.Add([]byte("\x00\x00\x00\x03\xa1\x05\xa0"))
	f.Add([]byte("\xff\xff\xff\xff"))
	f.Fuzz(func(t *testing.T, b []byte) {
		got, err := ReadBytes(bytes.NewReader(b), 1000)
		if err == nil && (len(got) > 1000 || !bytes.Equal(got, b[4:4+len(got)])) {
			t.Fatal("read what was not sent")
		}
	})
}

func FuzzLabels(f *testing.F) {
	f.Add("TLP:AMBER+STRICT")
	f.Add("tlp:ex:chr")
	f.Fuzz(func(t *testing.T, s string) {
		if label, err := ParseTLP(s); (err == nil) != label.Valid() {
			t.Fatalf("%q is read as %s: %v", s, label.Label(), err)
		} else if err == nil {
			if again, err := ParseTLP(label.String()); err != nil || again != label {
				t.Fatalf("%s is written as another label", label.Label())
			}
		}
		if label, about, err := TagTLP(s); about && err != nil && label != Red {
			t.Fatalf("%q fails open, as %s", s, label.Label())
		}
	})
}

func FuzzName(f *testing.F) {
	f.Add("bank")
	f.Add("hospital\ufe0f")
	f.Fuzz(func(t *testing.T, name string) {
		if err := CheckName(name); err != nil {
			known(t, err)
			return
		}
		var again string
		if decode(encode(name), 1<<10, "name", &again) != nil || again != name {
			t.Fatalf("%q does not survive the wire", name)
		}
	})
}
