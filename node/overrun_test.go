package node_test

import (
	"testing"

	"github.com/libp2p/go-libp2p/core/network"
)

// TestStreamsWithoutEnd: on real sockets a member opens streams of no protocol,
// which no handler ever sees, until it is cut off. Others are heard.
func TestStreamsWithoutEnd(t *testing.T) {
	bank, hospital, at, community := couple(t)
	h, _, _ := hostileMember(t, bank, at, community)
	eventually(t, "it is cut off", func() bool {
		for range 1000 {
			s, err := h.Network().NewStream(network.WithNoDial(t.Context(), "streams only"), at.ID())
			if err != nil {
				h.Connect(t.Context(), at.Peerstore().PeerInfo(at.ID()))
				break
			}
			s.Reset()
		}
		return bank.Counts()["peers_suspended"] == 1 && at.Network().Connectedness(h.ID()) != network.Connected
	})
	arrive(t, bank, say1(t, hospital, "after.example"))
	arrive(t, hospital, say1(t, bank, "back.example"))
}
