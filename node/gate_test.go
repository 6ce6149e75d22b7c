package node

import (
	"crypto/ed25519"
	"testing"

	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/tocsin-exchange/tocsin/protocol"
)

// TestPeerID: our short way to an identity is the library's.
func TestPeerID(t *testing.T) {
	for range 20 {
		public, _, err := ed25519.GenerateKey(nil)
		if err != nil {
			t.Fatal(err)
		}
		key, err := crypto.UnmarshalEd25519PublicKey(public)
		if err != nil {
			t.Fatal(err)
		}
		want, err := peer.IDFromPublicKey(key)
		if err != nil {
			t.Fatal(err)
		}
		n := protocol.Node(public)
		if PeerID(n) != want {
			t.Fatalf("%v, want %v", PeerID(n), want)
		}
		if back, ok := NodeID(want); !ok || back != n {
			t.Fatal("another node came back")
		}
	}
	for _, bad := range []peer.ID{"", "x", PeerID(protocol.Node{}), peer.ID("\x12\x20" + string(make([]byte, 32)))} {
		if _, ok := NodeID(bad); ok {
			t.Errorf("%q is a node", string(bad))
		}
	}
}
