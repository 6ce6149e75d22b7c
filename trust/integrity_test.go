package trust

import (
	"crypto/ed25519"
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/tocsin-exchange/tocsin/protocol"
)

// A signer writes headers wherever it likes.
type signer struct {
	key  ed25519.PrivateKey
	cert protocol.Certificate
}

func newSigner(name string) signer {
	org := ed25519.NewKeyFromSeed(seed("org " + name))
	key := ed25519.NewKeyFromSeed(seed("node " + name))
	return signer{key, protocol.Certify(org, protocol.NodeOf(key), worldNow.Add(-time.Hour), worldNow.Add(time.Hour))}
}

func seed(name string) []byte { s := nodeNamed(name); return s[:] }

func (s signer) sign(t testing.TB, h protocol.Header) *protocol.Bulletin {
	t.Helper()
	h.Kind, h.TLP = protocol.Objects, max(h.TLP, protocol.Clear)
	if h.Community.IsZero() {
		h.Community = communityNamed("isac")
	}
	if h.Issued == 0 {
		h.Issued = protocol.Millis(worldNow)
	}
	b, err := protocol.Sign(s.key, s.cert, h, [][]byte{[]byte("{}")})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestProve: which two headers prove something.
func TestProve(t *testing.T) {
	bank, shop := newSigner("bank"), newSigner("shop")
	now := protocol.Millis(worldNow)
	one := bank.sign(t, protocol.Header{Epoch: 7, Seq: 1})
	two := bank.sign(t, protocol.Header{Epoch: 7, Seq: 2, Prev: one.ID()})
	rotated := bank
	rotated.cert = protocol.Certify(ed25519.NewKeyFromSeed(seed("another org")), protocol.NodeOf(bank.key), worldNow.Add(-time.Hour), worldNow.Add(time.Hour))
	for _, c := range []struct {
		name string
		a, b *protocol.Bulletin
		want Fault
		orgs int
	}{
		{"the same", one, one, 0, 0},
		{"two at one place", one, bank.sign(t, protocol.Header{Epoch: 7, Seq: 1}), Equivocation, 1},
		{"two at one place, of one node under two organisations", one, rotated.sign(t, protocol.Header{Epoch: 7, Seq: 1}), Equivocation, 2},
		{"one after the other", one, two, 0, 0},
		{"another epoch", one, bank.sign(t, protocol.Header{Epoch: 8, Seq: 1}), 0, 0},
		{"another label", one, bank.sign(t, protocol.Header{Epoch: 7, Seq: 1, TLP: protocol.Green}), 0, 0},
		{"another community", one, bank.sign(t, protocol.Header{Epoch: 7, Seq: 1, Community: communityNamed("other")}), 0, 0},
		{"another node", one, shop.sign(t, protocol.Header{Epoch: 7, Seq: 1}), 0, 0},
		{"dated before the one it follows", one, bank.sign(t, protocol.Header{Epoch: 7, Seq: 2, Prev: one.ID(), Issued: now - 1}), Backdating, 1},
		{"dated before one it does not follow", one, bank.sign(t, protocol.Header{Epoch: 7, Seq: 3, Prev: two.ID(), Issued: now - 1}), 0, 0},
		{"dated before the one it follows, in a new epoch", one, bank.sign(t, protocol.Header{Epoch: 8, Seq: 1, Prev: one.ID(), Issued: now - 1}), 0, 0},
	} {
		proofs := Prove(c.a, c.b)
		if len(proofs) != c.orgs || c.orgs > 0 && (proofs[0].Fault != c.want || proofs[0].Node != bank.cert.Node || proofs[0].Community != c.a.Header.Community) {
			t.Errorf("%s: %+v, want %d of %q", c.name, proofs, c.orgs, c.want)
		}
		again := Prove(c.b, c.a)
		for _, p := range proofs {
			if !slices.Contains(again, p) {
				t.Errorf("%s: the other way round it proves %+v", c.name, again)
			}
		}
	}
}

// TestProofNamesTheEarlierFirst: of a backdating the earlier place comes first,
// of two headers at one place the lower name, whichever way they are compared.
func TestProofNamesTheEarlierFirst(t *testing.T) {
	bank := newSigner("bank")
	now := protocol.Millis(worldNow)
	higher, lower := 0, 0
	for i := range uint64(64) {
		one := bank.sign(t, protocol.Header{Epoch: 7, Seq: 1, Issued: now + i})
		two := bank.sign(t, protocol.Header{Epoch: 7, Seq: 2, Prev: one.ID(), Issued: now - 1 - i})
		twin := bank.sign(t, protocol.Header{Epoch: 7, Seq: 1, Issued: now - 1 - i})
		pair := [2]protocol.ID{one.ID(), twin.ID()}
		if pair[0].Compare(pair[1]) > 0 {
			pair[0], pair[1] = pair[1], pair[0]
		}
		if one.ID().Compare(two.ID()) > 0 {
			higher++
		} else {
			lower++
		}
		for _, c := range []struct {
			proofs  []Proof
			fault   Fault
			headers [2]protocol.ID
		}{
			{Prove(one, two), Backdating, [2]protocol.ID{one.ID(), two.ID()}}, {Prove(two, one), Backdating, [2]protocol.ID{one.ID(), two.ID()}},
			{Prove(one, twin), Equivocation, pair}, {Prove(twin, one), Equivocation, pair},
		} {
			if len(c.proofs) != 1 || c.proofs[0].Fault != c.fault || c.proofs[0].Headers != c.headers {
				t.Errorf("%+v, want that it %s by %v", c.proofs, c.fault, c.headers)
			}
		}
	}
	if higher == 0 || lower == 0 {
		t.Errorf("%d headers have a higher name than the next, %d a lower: try more", higher, lower)
	}
}

func TestFaultsInWords(t *testing.T) {
	for fault, want := range map[Fault]string{
		Equivocation: "said two things at one place", Backdating: "dated a bulletin before the one it follows", 0: "broke its log",
	} {
		if got := fault.String(); got != want {
			t.Errorf("fault %d %s, want %q", fault, got, want)
		}
	}
}

// TestQuarantineIsAFunctionOfTheSet: order and repetition make no difference to
// who is quarantined; more proofs never free anybody, and a release frees
// exactly those all of whose headers it names.
func TestQuarantineIsAFunctionOfTheSet(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		header := func() protocol.ID { return refNumbered(fmt.Sprint(rapid.IntRange(0, 5).Draw(t, "header"))) }
		var proofs []Proof
		for range rapid.IntRange(0, 12).Draw(t, "proofs") {
			org := orgNamed(fmt.Sprint(rapid.IntRange(0, 3).Draw(t, "org")))
			proofs = append(proofs, Proof{Fault: Equivocation, Org: org, Headers: [2]protocol.ID{header(), header()}})
		}
		released := map[protocol.Org]map[protocol.ID]bool{}
		for range rapid.IntRange(0, 12).Draw(t, "released") {
			org := orgNamed(fmt.Sprint(rapid.IntRange(0, 3).Draw(t, "org")))
			if released[org] == nil {
				released[org] = map[protocol.ID]bool{}
			}
			released[org][header()] = true
		}
		got := Quarantine(proofs, released)
		again := Quarantine(append(rapid.Permutation(proofs).Draw(t, "order"), proofs...), released)
		for org := range got {
			if _, is := again[org]; !is {
				t.Fatal("another order, another quarantine")
			}
		}
		if len(again) != len(got) {
			t.Fatal("another order, another quarantine")
		}
		for _, p := range proofs {
			_, is := got[p.Org]
			if bad := !released[p.Org][p.Headers[0]] || !released[p.Org][p.Headers[1]]; bad && !is {
				t.Fatal("a proof that was not released quarantines nobody")
			}
		}
		for org, p := range got {
			if p.Org != org || released[org][p.Headers[0]] && released[org][p.Headers[1]] {
				t.Fatal("quarantined by a proof that was released, or of another")
			}
			first := slices.IndexFunc(proofs, func(p Proof) bool {
				return p.Org == org && !(released[org][p.Headers[0]] && released[org][p.Headers[1]])
			})
			if p != proofs[first] {
				t.Fatal("quarantined by another proof than the first")
			}
		}
	})
}
