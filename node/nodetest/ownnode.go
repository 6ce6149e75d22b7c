package nodetest

import (
	"crypto/ed25519"

	"github.com/tocsin-exchange/tocsin/node"
	"github.com/tocsin-exchange/tocsin/protocol"
)

// Keys returns what makes an organisation's node the one it is.
func (f *Federation) Keys(name string) (org, key ed25519.PrivateKey, cert protocol.Certificate) {
	f.t.Helper()
	m := f.member(name)
	return m.org, m.key, m.cert
}

// Equip gives a node that is down other keys, and an entry for its next start.
// Its organisation stays the same.
func (f *Federation) Equip(name string, key ed25519.PrivateKey, cert protocol.Certificate, entry *node.Entry) {
	f.t.Helper()
	m := f.member(name)
	if m.running {
		f.t.Fatalf("nodetest: %s is running: stop or kill it first", name)
	}
	if cert.Org != protocol.OrgOf(m.org) {
		f.t.Fatalf("nodetest: the certificate of %s is by another organisation", name)
	}
	m.key, m.cert, m.entry = key, cert, entry
}

// Enter starts another node of an organisation for the first time. It knows
// where the first one listens, and the community.
func (f *Federation) Enter(name string) {
	f.t.Helper()
	m, first := f.member(name), f.member(f.graph.seconds[name])
	peer := first.addr.String() + "/p2p/" + first.host.ID().String()
	m.entry = &node.Entry{Communities: []protocol.ID{f.Community()}, Peers: []string{peer}}
	f.Restart(name)
}
