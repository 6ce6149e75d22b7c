package nodetest

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"sync/atomic"
	"time"

	pubsub "github.com/libp2p/go-libp2p-pubsub"
	pb "github.com/libp2p/go-libp2p-pubsub/pb"
	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	libp2p "github.com/libp2p/go-libp2p/core/protocol"
	ma "github.com/multiformats/go-multiaddr"

	"github.com/tocsin-exchange/tocsin/protocol"
)

// Raw is a hostile host: it has keys and a network, and keeps no rule.
type Raw struct {
	f    *Federation
	Name string // as Leaked lists it
	Org  ed25519.PrivateKey
	Key  ed25519.PrivateKey
	Cert protocol.Certificate
	Host host.Host
	ps   *pubsub.PubSub

	reaches []string // linked at the first Connect: nobody dials a host that is not ready
}

// Raw adds a hostile host that can reach the organisations named. It is in no
// community.
func (f *Federation) Raw(reaches ...string) *Raw {
	f.t.Helper()
	f.raws++
	m := f.found(fmt.Sprintf("raw%d", f.raws))
	key, err := crypto.UnmarshalEd25519PrivateKey(m.key)
	f.check(err)
	h, err := f.net.AddPeer(key, m.addr)
	f.check(err)
	f.note(h)
	r := &Raw{f: f, Name: m.name, Org: m.org, Key: m.key, Cert: m.cert, Host: f.taps.tapped(m.name, h), reaches: reaches}
	f.closers = append(f.closers, func() { h.Close() })
	return r
}

// Connect dials an organisation's node. It may be closed again at once.
func (r *Raw) Connect(org string) error {
	to := r.f.member(org)
	if i := slices.Index(r.reaches, org); i >= 0 {
		r.reaches = slices.Delete(r.reaches, i, i+1)
		if _, err := r.f.net.LinkPeers(r.Host.ID(), to.host.ID()); err != nil {
			return err
		}
	}
	return r.Host.Connect(r.f.t.Context(), peer.AddrInfo{ID: to.host.ID(), Addrs: []ma.Multiaddr{to.addr}})
}

// Connected reports whether a connection to org stands.
func (r *Raw) Connected(org string) bool {
	return r.Host.Network().Connectedness(r.f.member(org).host.ID()) == network.Connected
}

// A Tap counts what a hostile host hears on a topic.
type Tap struct {
	Heard atomic.Int64
	topic *pubsub.Topic
}

// Listen subscribes to a topic with a router that speaks the protocols given,
// without any filter, before or after the connection stands.
func (r *Raw) Listen(topic string, protocols ...libp2p.ID) *Tap {
	r.f.t.Helper()
	quiet := slog.New(slog.NewTextHandler(io.Discard, nil))
	options := []pubsub.Option{
		pubsub.WithMessageSignaturePolicy(pubsub.StrictNoSign), pubsub.WithNoAuthor(),
		pubsub.WithMessageIdFn(func(m *pb.Message) string { return string(m.GetData()) }),
		pubsub.WithLogger(quiet), pubsub.WithRPCLogger(quiet),
		pubsub.WithGossipSubProtocols(protocols, func(f pubsub.GossipSubFeature, p libp2p.ID) bool { return p != pubsub.FloodSubID }),
	}
	ctx, cancel := context.WithCancel(r.f.t.Context())
	var err error
	r.ps, err = pubsub.NewGossipSub(ctx, r.Host, options...)
	r.f.check(err)
	t, err := r.ps.Join(topic)
	r.f.check(err)
	sub, err := t.Subscribe(pubsub.WithBufferSize(1024))
	r.f.check(err)
	tap, done := &Tap{topic: t}, make(chan struct{})
	go func() {
		defer close(done)
		for {
			m, err := sub.Next(ctx)
			if err != nil {
				return
			}
			if m.ReceivedFrom != r.Host.ID() {
				tap.Heard.Add(1)
			}
		}
	}()
	r.f.closers = append(r.f.closers, func() { cancel(); <-done })
	return tap
}

// Say publishes bytes on the topic.
func (t *Tap) Say(ctx context.Context, b []byte) error { return t.topic.Publish(ctx, b) }

// Bulletin signs something in the hostile host's name, at any place, with any
// header it likes.
func (r *Raw) Bulletin(h protocol.Header, objects ...string) *protocol.Bulletin {
	r.f.t.Helper()
	list := make([][]byte, len(objects))
	for i, o := range objects {
		list[i] = []byte(o)
	}
	if h.Kind == 0 {
		h.Kind = protocol.Objects
	}
	if h.Epoch == 0 {
		h.Epoch, h.Seq = 1, 1
	}
	if h.Issued == 0 {
		h.Issued = protocol.Millis(time.Now())
	}
	b, err := protocol.Sign(r.Key, r.Cert, h, list)
	r.f.check(err)
	return b
}

// Sync opens a sync stream, sends frames and returns what comes back until the
// stream ends or a second passes.
func (r *Raw) Sync(org string, frames ...protocol.SyncFrame) ([]protocol.SyncFrame, error) {
	s, err := r.stream(org, protocol.SyncProtocol)
	if err != nil {
		return nil, err
	}
	wrote := make(chan struct{})
	go func() { // while reading: neither side waits for the other
		defer close(wrote)
		for _, f := range frames {
			if protocol.WriteFrame(s, f) != nil {
				return
			}
		}
	}()
	defer func() { s.Reset(); <-wrote }()
	var got []protocol.SyncFrame
	for {
		f, err := protocol.ReadFrame[protocol.SyncFrame](s, protocol.MaxFrame)
		if err != nil {
			if errors.Is(err, io.EOF) {
				err = nil
			}
			return got, err
		}
		got = append(got, f)
	}
}

// Join opens a join stream and returns the answer.
func (r *Raw) Join(org string, request protocol.JoinRequest) (protocol.JoinAnswer, error) {
	s, err := r.stream(org, protocol.JoinProtocol)
	if err != nil {
		return protocol.JoinAnswer{}, err
	}
	defer s.Reset()
	if err := protocol.WriteFrame(s, request); err != nil {
		return protocol.JoinAnswer{}, err
	}
	return protocol.ReadFrame[protocol.JoinAnswer](s, protocol.MaxFrame)
}

// Open opens a stream and leaves it to the test, until the federation closes.
func (r *Raw) Open(org string, id libp2p.ID) (network.Stream, error) {
	ctx, cancel := context.WithTimeout(r.f.t.Context(), time.Second)
	defer cancel()
	s, err := r.Host.NewStream(ctx, r.f.member(org).host.ID(), id)
	if err != nil {
		return nil, err
	}
	r.f.closers = append(r.f.closers, func() { s.Reset() })
	return s, nil
}

// Invite returns the token of an invite to this host, into a community that it
// may have made up.
func (r *Raw) Invite(community protocol.ID) string {
	i := protocol.Invite{
		Community: community, Name: "trap", Org: r.Cert.Org, OrgName: "raw", Node: r.Cert.Node,
		Addrs: []string{r.Host.Addrs()[0].String()}, Expires: protocol.Millis(time.Now().Add(time.Hour)),
	}
	return i.Text()
}

// Peer returns the libp2p identity of an organisation's node.
func (f *Federation) Peer(org string) peer.ID { return f.member(org).host.ID() }

// Streams returns the protocols of the streams that a hostile host has open
// with an organisation's node, as that node sees it.
func (f *Federation) Streams(org string, raw *Raw) (open []libp2p.ID) {
	for _, c := range f.member(org).host.Network().ConnsToPeer(raw.Host.ID()) {
		for _, s := range c.GetStreams() {
			if s.Stat().Direction == network.DirInbound {
				open = append(open, s.Protocol())
			}
		}
	}
	return open
}

// Reach links an organisation's node to the hostile host, so that it can dial.
func (r *Raw) Reach(org string) {
	r.f.t.Helper()
	_, err := r.f.net.LinkPeers(r.Host.ID(), r.f.member(org).host.ID())
	r.f.check(err)
}

func (r *Raw) stream(org string, id libp2p.ID) (network.Stream, error) {
	ctx, cancel := context.WithTimeout(r.f.t.Context(), time.Second)
	defer cancel()
	s, err := r.Host.NewStream(ctx, r.f.member(org).host.ID(), id)
	if err != nil {
		return nil, err
	}
	stop := time.AfterFunc(5*time.Second, func() { s.Reset() })
	r.f.closers = append(r.f.closers, func() { stop.Stop() })
	return s, nil
}
