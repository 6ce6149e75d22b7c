package protocol

import (
	"crypto/ed25519"
	"encoding/hex"
	"errors"
	"math/big"
	"slices"
	"strings"
	"testing"
)

func TestSmallOrderTable(t *testing.T) {
	computed := smallOrder()
	if len(computed) != len(smallOrderY) {
		t.Fatalf("%d y coordinates of small order are computed, %d stand in the table", len(computed), len(smallOrderY))
	}
	for _, y := range smallOrderY {
		b := slices.Clone(y[:])
		slices.Reverse(b)
		if !slices.ContainsFunc(computed, func(c *big.Int) bool { return c.Cmp(new(big.Int).SetBytes(b)) == 0 }) {
			t.Errorf("%x is not of small order", y)
		}
	}
}

// Why keys are checked at all: under the identity as a key one signature is
// good for every message, and the standard library says so.
func TestOneSignatureForEveryMessage(t *testing.T) {
	key := Org{1}
	forged := Signature{1} // R is the identity, S is zero
	for _, message := range []string{"", "one", "another"} {
		if !ed25519.Verify(key[:], []byte(message), forged[:]) {
			t.Errorf("%q: the standard library refuses: the check of keys may be lifted", message)
		}
	}
	if err := CheckKey(key); !errors.Is(err, ErrInvalid) {
		t.Errorf("the identity is accepted as a key: %v", err)
	}
}

func TestEveryGeneratedKeyIsAccepted(t *testing.T) {
	for i := range byte(200) {
		if err := CheckKey(OrgOf(seeded(i))); err != nil {
			t.Errorf("seed %d: %v", i, err)
		}
	}
}

func TestKeysAsText(t *testing.T) {
	text, err := OrgOf(seeded(1)).MarshalText()
	if err != nil {
		t.Fatal(err)
	}
	var org Org
	if err := org.UnmarshalText(text); err != nil || org != OrgOf(seeded(1)) {
		t.Errorf("%s: %v", text, err)
	}
	var node Node
	var id ID
	for _, bad := range []string{"", "00", string(text[1:]), string(text) + "00", strings.Repeat("zz", 32), strings.Repeat("é", 32)} {
		for name, err := range map[string]error{
			"org": org.UnmarshalText([]byte(bad)), "node": node.UnmarshalText([]byte(bad)), "id": id.UnmarshalText([]byte(bad)),
		} {
			if !errors.Is(err, ErrInvalid) {
				t.Errorf("%s %q: %v", name, bad, err)
			}
		}
	}
	for _, small := range []string{hex.EncodeToString(make([]byte, 32)), strings.Repeat("ff", 32)} {
		if org.UnmarshalText([]byte(small)) == nil || node.UnmarshalText([]byte(small)) == nil {
			t.Errorf("%s is taken for a key", small)
		}
		if err := id.UnmarshalText([]byte(small)); err != nil {
			t.Errorf("%s is an id: %v", small, err)
		}
	}
}

func TestFingerprint(t *testing.T) {
	a, b := OrgOf(seeded(1)).Fingerprint(), OrgOf(seeded(3)).Fingerprint()
	for _, f := range []string{a, b} {
		groups := strings.Fields(f)
		if len(groups) != 6 || len(f) != 35 || strings.Trim(f, "0123456789 ") != "" {
			t.Errorf("not six groups of five digits: %q", f)
		}
	}
	if a == b {
		t.Error("two organisations have one fingerprint")
	}
}

// A signature under one domain must never be one under another, which holds as
// long as no domain begins with another.
func TestDomainsArePrefixFree(t *testing.T) {
	domains := []string{bulletinDomain, certificateDomain, charterDomain, removalDomain, revocationDomain}
	for i, a := range domains {
		for j, b := range domains {
			if i != j && strings.HasPrefix(a, b) {
				t.Errorf("%q begins with %q", a, b)
			}
		}
	}
}

func TestCertificate(t *testing.T) {
	c := certOf(1, 2)
	got, err := DecodeCertificate(c.Encode())
	if err != nil || got != c {
		t.Fatalf("%v, %v", got, err)
	}
	for millis, want := range map[uint64]bool{year2026 - 1: false, year2026: true, someday: true, year2027: true, year2027 + 1: false, 0: false, 1<<64 - 1: false} {
		if c.Covers(millis) != want {
			t.Errorf("covers %d: %v", millis, !want)
		}
	}
	if at(maxMillis+1) != at(maxMillis) || Millis(at(someday)) != someday || Millis(at(0).Add(-1)) != 0 {
		t.Error("dates of the wire and times differ")
	}
}
