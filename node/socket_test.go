package node_test

import (
	"context"
	"crypto/ed25519"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/tocsin-exchange/tocsin/node"
	"github.com/tocsin-exchange/tocsin/protocol"
	"github.com/tocsin-exchange/tocsin/storage"
)

// real starts a node with real sockets on loopback.
func real(t *testing.T, listen string) (*node.Node, host.Host) {
	t.Helper()
	_, org, _ := ed25519.GenerateKey(nil)
	_, key, _ := ed25519.GenerateKey(nil)
	gate := node.NewGate()
	h, err := node.NewHost(node.HostConfig{Key: key, Listen: []string{listen}}, gate)
	if err != nil {
		t.Fatal(err)
	}
	quiet := slog.New(slog.DiscardHandler)
	store, err := storage.Open(t.TempDir(), storage.Options{Small: true, Log: quiet})
	if err != nil {
		t.Fatal(err)
	}
	n, err := node.Start(t.Context(), node.Config{
		Host: h, Gate: gate, Key: key, Org: org, Name: "bank", Store: store, Log: quiet,
		Certificate: protocol.Certify(org, protocol.NodeOf(key), time.Now().Add(-time.Hour), time.Now().Add(time.Hour)),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { n.Close(); store.Close() })
	return n, h
}

// TestStrangersAtTheGate: on real sockets the gate itself turns strangers away,
// all but a few guests; and a second node cannot listen on a port in use.
func TestStrangersAtTheGate(t *testing.T) {
	for _, listen := range []string{"/ip4/127.0.0.1/tcp/0", "/ip4/127.0.0.1/udp/0/quic-v1"} {
		t.Run(listen, func(t *testing.T) {
			_, h := real(t, listen)
			inside := 0
			for range 10 {
				stranger, err := libp2p.New(libp2p.NoListenAddrs, libp2p.DisableMetrics(), libp2p.DisableRelay())
				if err != nil {
					t.Fatal(err)
				}
				defer stranger.Close()
				if standsAt(stranger, h) {
					inside++
				}
			}
			if inside > 2 {
				t.Errorf("%d of 10 strangers stand inside, at most 2 guests may", inside)
			}
			if n := len(h.Network().Peers()); n > 2 {
				t.Errorf("%d peers are connected", n)
			}
			_, key, _ := ed25519.GenerateKey(nil)
			taken := fmt.Sprint(h.Network().ListenAddresses()[0])
			if second, err := node.NewHost(node.HostConfig{Key: key, Listen: []string{taken}}, node.NewGate()); err == nil {
				second.Close()
				t.Errorf("a second node listens on %s too", taken)
			}
		})
	}
}

// standsAt dials h and reports whether a stream can be opened: a dial that
// returns nil proves nothing, since the refusal may come later.
func standsAt(stranger, h host.Host) bool {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	if stranger.Connect(ctx, peer.AddrInfo{ID: h.ID(), Addrs: h.Addrs()}) != nil {
		return false
	}
	s, err := stranger.NewStream(network.WithNoDial(ctx, "test"), h.ID(), protocol.JoinProtocol)
	if err != nil {
		return false
	}
	s.Reset()
	return true
}
