package protocol

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"slices"
	"testing"
)

func TestRemovalSignatures(t *testing.T) {
	r := Removal{Community: hashOf("community"), Introductions: sortedIDs("a"), Reason: "merged"}
	for _, n := range []byte{5, 1, 3, 1} {
		r.Sign(seeded(n))
	}
	if len(r.By) != 3 || !slices.IsSortedFunc(r.By, OrgSigning.compare) {
		t.Fatalf("four signings by three organisations leave %d", len(r.By))
	}
	if _, err := DecodeStatement(Statement{Removal: &r}.Encode()); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*Removal){
		"community":     func(r *Removal) { r.Community = hashOf("another") },
		"introductions": func(r *Removal) { r.Introductions = sortedIDs("b") },
		"seat":          func(r *Removal) { r.Introductions, r.Seat = nil, OrgOf(seeded(9)) },
		"reason":        func(r *Removal) { r.Reason = "" },
		"signature":     func(r *Removal) { r.By[1].Signature[0] ^= 1 },
		"signer":        func(r *Removal) { r.By[2].Org = OrgOf(seeded(7)) },
	} {
		c := r
		c.By = slices.Clone(r.By)
		change(&c)
		if _, err := DecodeStatement(Statement{Removal: &c}.Encode()); !errors.Is(err, ErrInvalid) {
			t.Errorf("changed after signing: %s: %v", name, err)
		}
	}
}

// One who signs twice must not weigh as two.
func TestARemovalCountsAnOrganisationOnce(t *testing.T) {
	r := removalOf(Removal{Community: hashOf("community"), Introductions: sortedIDs("a")}, 1)
	r.By = append(r.By, r.By[0])
	if _, err := DecodeStatement(Statement{Removal: &r}.Encode()); !errors.Is(err, ErrInvalid) {
		t.Errorf("two signatures of one organisation: %v", err)
	}
}

func TestEquivocation(t *testing.T) {
	a, b := signed(t, green(), "one"), signed(t, green(), "two")
	headerA, sigA := a.HeaderBytes()
	headerB, sigB := b.HeaderBytes()
	proof := Statement{Equivocation: &Equivocation{headerA, sigA, headerB, sigB}}
	if _, err := DecodeStatement(proof.Encode()); err != nil {
		t.Errorf("two headers at one place: %v", err)
	}
	next := green()
	next.Seq, next.Prev = 2, a.ID()
	amber := labelled(Amber, toOrg(3))
	other := green()
	other.Certificate = certOf(1, 4)
	stranger, err := Sign(seeded(4), other.Certificate, other, [][]byte{[]byte("two")})
	if err != nil {
		t.Fatal(err)
	}
	for name, second := range map[string]*Bulletin{
		"the same": a, "the next number": signed(t, next, "two"), "another stream": signed(t, amber, "two"), "another node": stranger,
	} {
		header, sig := second.HeaderBytes()
		s := Statement{Equivocation: &Equivocation{headerA, sigA, header, sig}}
		if _, err := DecodeStatement(s.Encode()); !errors.Is(err, ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Two certificates of one node do not make two streams, so a node cannot say
// two things at one place by renewing its certificate.
func TestEquivocationAcrossCertificates(t *testing.T) {
	renewed := green()
	renewed.Certificate = Certify(seeded(1), NodeOf(seeded(2)), at(year2026+1), at(year2027+1))
	proof := equivocationOf(green(), renewed)
	if _, err := DecodeStatement(Statement{Equivocation: &proof}.Encode()); err != nil {
		t.Error(err)
	}
}

func TestLimitsOfStatements(t *testing.T) {
	if _, err := DecodeStatement(make([]byte, MaxStatement+1)); !errors.Is(err, ErrInvalid) {
		t.Errorf("over the limit: %v", err)
	}
	roster := func(n int) Statement {
		r := rosterOf(1, "big")
		for i := range n {
			r.Members = append(r.Members, Org{byte(i), byte(i >> 8), 9})
		}
		sortOrgs(r.Members)
		return Statement{Roster: &r}
	}
	erasure := func(n int) Statement {
		e := Erasure{Bulletin: hashOf("bulletin")}
		for i := range n {
			e.Objects = append(e.Objects, uint64(i))
		}
		return Statement{Erasure: &e}
	}
	for _, c := range []struct {
		name string
		s    Statement
		ok   bool
	}{
		{"roster of 512", roster(512), true},
		{"roster of 513", roster(513), false},
		{"erasure of 1000", erasure(MaxObjects), true},
		{"erasure of 1001", erasure(MaxObjects + 1), false},
	} {
		got, err := DecodeStatement(c.s.Encode())
		if (err == nil) != c.ok || err == nil && !bytes.Equal(got.Encode(), c.s.Encode()) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

func TestCharter(t *testing.T) {
	s, err := Found("isac", at(someday), seeded(3), seeded(1))
	if err != nil {
		t.Fatal(err)
	}
	got, err := DecodeCharter(s.Encode())
	if err != nil || got.ID() != s.ID() || got.Charter.Monthly != 5 || got.Charter.Needed != 1 || len(got.Charter.Founders) != 2 {
		t.Fatalf("%+v, %v", got, err)
	}
	again, err := Found("isac", at(someday), seeded(3), seeded(1))
	if err != nil || again.ID() == s.ID() {
		t.Errorf("two communities of one name, founders and moment are one: %v", err)
	}
	if TopicOf(s.ID()) == TopicOf(again.ID()) {
		t.Error("two communities have one topic")
	}
	for name, founders := range map[string][]byte{"none": nil, "one twice": {1, 1}, "33": slices.Collect(numbersTo(33))} {
		var keys []ed25519.PrivateKey
		for _, n := range founders {
			keys = append(keys, seeded(n))
		}
		if _, err := Found("isac", at(someday), keys...); !errors.Is(err, ErrInvalid) {
			t.Errorf("founders: %s: %v", name, err)
		}
	}
	if _, err := DecodeCharter(make([]byte, MaxCharter+1)); !errors.Is(err, ErrInvalid) {
		t.Errorf("over the limit: %v", err)
	}
	if _, err := DecodeCharter(charterOf("full", slices.Collect(numbersTo(32))...).Encode()); err != nil {
		t.Errorf("32 founders: %v", err)
	}
}

func numbersTo(n byte) func(func(byte) bool) {
	return func(yield func(byte) bool) {
		for i := range n {
			if !yield(i + 1) {
				return
			}
		}
	}
}
