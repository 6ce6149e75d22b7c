package node

import (
	"crypto/ed25519"
	"fmt"
	"math"
	"net/netip"
	"time"

	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	rcmgr "github.com/libp2p/go-libp2p/p2p/host/resource-manager"
	"github.com/libp2p/go-libp2p/p2p/muxer/yamux"
	"github.com/libp2p/go-libp2p/p2p/net/connmgr"
	"github.com/libp2p/go-libp2p/p2p/security/noise"
	libp2pquic "github.com/libp2p/go-libp2p/p2p/transport/quic"
	"github.com/libp2p/go-libp2p/p2p/transport/tcp"
	"github.com/libp2p/go-libp2p/x/rate"
	ma "github.com/multiformats/go-multiaddr"
)

// HostConfig is what a libp2p host is made of.
type HostConfig struct {
	Key      ed25519.PrivateKey
	Listen   []string       // multiaddrs, /tcp/ or /quic-v1
	Announce []string       // what to tell others instead of what we listen on
	MaxPeers int            // 0: 200
	Trusted  []netip.Prefix // from which many members come (NAT, VPN): no limit per subnet
}

// NewHost makes a host with no more than a federation needs: TCP with Noise and
// yamux, QUIC, our gate, bounded resources. No relay, no discovery, no ping, no
// port sharing (a second daemon on a port fails), no metrics in a global
// registry. It fails unless every address is listened on.
func NewHost(c HostConfig, gate *Gate) (host.Host, error) {
	if c.MaxPeers == 0 {
		c.MaxPeers = 200
	}
	key, err := crypto.UnmarshalEd25519PrivateKey(c.Key)
	if err != nil {
		return nil, fmt.Errorf("node key: %w", err)
	}
	limits, err := resources(c)
	if err != nil {
		return nil, fmt.Errorf("resource limits: %w", err)
	}
	connections, err := connmgr.NewConnManager(c.MaxPeers, c.MaxPeers+c.MaxPeers/4, connmgr.WithGracePeriod(time.Minute))
	if err != nil {
		return nil, fmt.Errorf("connection manager: %w", err)
	}
	opts := []libp2p.Option{
		libp2p.Identity(key),
		libp2p.ListenAddrStrings(c.Listen...),
		libp2p.Transport(tcp.NewTCPTransport, tcp.DisableReuseport()),
		libp2p.Transport(libp2pquic.NewTransport),
		libp2p.Security(noise.ID, noise.New),
		libp2p.Muxer(yamux.ID, pacedMuxer{yamux.DefaultTransport, gate}),
		libp2p.ConnectionGater(gate),
		libp2p.ConnectionManager(connections),
		libp2p.ResourceManager(pacedNetwork{limits, gate}),
		libp2p.UserAgent("tocsin/1"),
		libp2p.Ping(false),
		libp2p.DisableRelay(),
		libp2p.DisableMetrics(),
		libp2p.DisableIdentifyAddressDiscovery(),
		libp2p.WithDialTimeout(10 * time.Second),
	}
	if len(c.Listen) == 0 {
		opts = append(opts, libp2p.NoListenAddrs)
	}
	if len(c.Announce) > 0 {
		announce, err := multiaddrs(c.Announce)
		if err != nil {
			return nil, err
		}
		opts = append(opts, libp2p.AddrsFactory(func([]ma.Multiaddr) []ma.Multiaddr { return announce }))
	}
	h, err := libp2p.New(opts...)
	if err != nil {
		return nil, fmt.Errorf("listen on %v: %w", c.Listen, err)
	}
	if got := len(h.Network().ListenAddresses()); got != len(c.Listen) { // libp2p is content with one of many
		listening := h.Network().ListenAddresses()
		h.Close()
		return nil, fmt.Errorf("listen: of %v only %v could be opened: is a port in use?", c.Listen, listening)
	}
	return h, nil
}

func multiaddrs(texts []string) ([]ma.Multiaddr, error) {
	var addrs []ma.Multiaddr
	for _, t := range texts {
		a, err := ma.NewMultiaddr(t)
		if err != nil {
			return nil, fmt.Errorf("address %q: %w", t, err)
		}
		addrs = append(addrs, a)
	}
	return addrs, nil
}

// Limits of one peer on the network. libp2p's own grow with the machine: on a
// large one a peer may have it hold gigabytes.
const (
	peerConns       = 8       // TCP and QUIC, and dials to several addresses at once
	peerConnsIn     = 4       // that it may open
	peerStreams     = 64      // that it has open with us
	peerStreamsOf   = 16      // the same, of any one protocol
	peerBuffers     = 8 << 20 // bytes received for it and not read yet
	addrConns       = 16      // from one IPv4 address, unless trusted
	netConns        = 32      // from one IPv6 /56, unless trusted
	handshakesIn    = 128     // connections under way whose peer is not known yet
	handshakesOut   = 128     // the same, dialled: others' cannot use these up
	handshakeMemory = 32 << 20
)

// resources bounds connections, streams and memory, of all and of each peer.
// libp2p's limits per subnet would bite organisations behind one NAT; those are
// configured.
func resources(c HostConfig) (network.ResourceManager, error) {
	limits := rcmgr.DefaultLimits
	libp2p.SetDefaultServiceLimits(&limits)
	n := rcmgr.LimitVal(2 * c.MaxPeers) // TCP and QUIC
	system := rcmgr.PartialLimitConfig{System: rcmgr.ResourceLimits{
		Conns: 2 * n, ConnsInbound: n, ConnsOutbound: n, Streams: 32 * n, StreamsInbound: 16 * n, StreamsOutbound: 16 * n, Memory: 256 << 20,
	}, Transient: rcmgr.ResourceLimits{
		Conns: handshakesIn + handshakesOut, ConnsInbound: handshakesIn, ConnsOutbound: handshakesOut,
		Streams: 512, StreamsInbound: 256, StreamsOutbound: 256, Memory: handshakeMemory,
	}, PeerDefault: rcmgr.ResourceLimits{
		Conns: peerConns, ConnsInbound: peerConnsIn, ConnsOutbound: peerConns,
		Streams: 2 * peerStreams, StreamsInbound: peerStreams, StreamsOutbound: peerStreams, Memory: peerBuffers,
	}, ProtocolPeerDefault: rcmgr.ResourceLimits{
		Streams: 2 * peerStreamsOf, StreamsInbound: peerStreamsOf, StreamsOutbound: peerStreamsOf, Memory: peerBuffers,
	}, Conn: rcmgr.ResourceLimits{Memory: peerBuffers}}
	var v4, v6 []rcmgr.NetworkPrefixLimit
	var rates []rate.PrefixLimit
	for _, p := range append(c.Trusted, netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")) {
		limit := rcmgr.NetworkPrefixLimit{Network: p, ConnCount: math.MaxInt}
		if p.Addr().Is4() {
			v4 = append(v4, limit)
		} else {
			v6 = append(v6, limit)
		}
		rates = append(rates, rate.PrefixLimit{Prefix: p})
	}
	return newResourceManager(system.Build(limits.AutoScale()), v4, v6, rates)
}

func newResourceManager(limits rcmgr.ConcreteLimitConfig, v4, v6 []rcmgr.NetworkPrefixLimit, rates []rate.PrefixLimit) (network.ResourceManager, error) {
	return rcmgr.NewResourceManager(rcmgr.NewFixedLimiter(limits),
		rcmgr.WithNetworkPrefixLimit(v4, v6),
		rcmgr.WithLimitPerSubnet([]rcmgr.ConnLimitPerSubnet{{PrefixLength: 32, ConnCount: addrConns}}, []rcmgr.ConnLimitPerSubnet{{PrefixLength: 56, ConnCount: netConns}}),
		rcmgr.WithConnRateLimiters(&rate.Limiter{NetworkPrefixLimits: rates, SubnetRateLimiter: rate.SubnetLimiter{
			IPv4SubnetLimits: []rate.SubnetLimit{{PrefixLength: 32, Limit: rate.Limit{RPS: 1, Burst: 32}}},
			IPv6SubnetLimits: []rate.SubnetLimit{{PrefixLength: 56, Limit: rate.Limit{RPS: 1, Burst: 64}}},
			GracePeriod:      time.Minute,
		}}),
		rcmgr.WithMetricsDisabled())
}
