package trust

import (
	"encoding/binary"
	"strings"
	"testing"

	"github.com/tocsin-exchange/tocsin/protocol"
)

func TestRevokedNode(t *testing.T) {
	for _, c := range []struct {
		org, node string // whose revocation, of which key
		asked     string
		want      string
	}{
		{"hospital", "hospital", "connect hospital", "no node-revoked"},
		{"hospital", "hospital", "topic hospital isac", "no node-revoked"},
		{"hospital", "hospital", "send objects green isac of bank to hospital", "no node-revoked"},
		{"hospital", "hospital", "send statements clear isac of bank to hospital", "no node-revoked"},
		{"hospital", "hospital", "connect vendor", "yes member"},
		{"hospital", "hospital", "answer isac of hospital", "yes -"}, // what it left standing
		{"bank", "bank2", "connect bank2", "no node-revoked"},
		{"bank", "bank2", "connect hospital", "yes member"},
		{"lapsed", "lapsed", "connect lapsed", "no node-revoked"},
		{"mallory", "hospital", "connect hospital", "yes member"}, // nobody ends another's node
		{"hospital", "mallory", "connect mallory", "no unknown-node"},
	} {
		v := world()
		v.Revocations = Revocations{}
		if _, news := v.Revocations.Add(&protocol.Revocation{Org: orgNamed(c.org), Node: nodeNamed(c.node)}); !news {
			t.Fatal("the first revocation is no news")
		}
		if got := ask(t, v, strings.Fields(c.asked)); got != c.want {
			t.Errorf("%s revoked %s: %s => %s, want %s", c.org, c.node, c.asked, got, c.want)
		}
	}
}

func TestRevocationsAddUp(t *testing.T) {
	said := func(i int) *protocol.Revocation {
		var id protocol.ID
		binary.BigEndian.PutUint64(id[:], uint64(i)+1)
		return &protocol.Revocation{Org: orgNamed("bank"), Node: nodeNamed("bank"), Last: []protocol.ID{id}}
	}
	r, key := Revocations{}, NodeKey{orgNamed("bank"), nodeNamed("bank")}
	for i := range MaxRevocations {
		if last, news := r.Add(said(i)); !news || len(last) != 1 {
			t.Fatalf("revocation %d: %v, news %v", i, last, news)
		}
		if _, again := r.Add(said(i)); again {
			t.Errorf("revocation %d is news twice", i)
		}
	}
	before := r[key]
	if last, news := r.Add(said(MaxRevocations)); !news || len(last) != 0 {
		t.Errorf("of a key revoked too often %v counts, news %v", last, news)
	}
	if _, news := r.Add(said(MaxRevocations + 1)); news || len(r[key]) != MaxRevocations+1 {
		t.Errorf("%d revocations of one key are kept", len(r[key]))
	}
	if len(before) != MaxRevocations {
		t.Error("a view that was handed out changed")
	}
	if _, news := r.Add(&protocol.Revocation{Org: orgNamed("bank"), Node: nodeNamed("bank2")}); !news {
		t.Error("the revocation of another key is no news")
	}
}
