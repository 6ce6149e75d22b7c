package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	libp2pprotocol "github.com/libp2p/go-libp2p/core/protocol"
	"github.com/libp2p/go-libp2p/p2p/net/swarm"
	"github.com/libp2p/go-libp2p/p2p/protocol/identify"
	ma "github.com/multiformats/go-multiaddr"
	manet "github.com/multiformats/go-multiaddr/net"

	"github.com/tocsin-exchange/tocsin/node"
	"github.com/tocsin-exchange/tocsin/protocol"
)

// attacks are the ways in which a member is hostile: each is one thing, done
// over and over as fast as it goes until the context ends.
var attacks = []struct {
	name string
	run  func(context.Context, *hostileMember)
}{
	{keepsQuiet, busy},
	{"garbage-gossip", gossiping(func(m *hostileMember, _ int) []byte { return noise(400) })},
	{"tiny-gossip", gossiping(func(m *hostileMember, _ int) []byte { return noise(8) })},
	{"bad-signatures", gossiping(func(m *hostileMember, i int) []byte {
		wire := slices.Clone(m.sample)
		rand.Read(wire[m.signature : m.signature+ed25519.SignatureSize])
		return wire
	})},
	{"over-quota", gossiping(func(m *hostileMember, i int) []byte { return m.said(i).Wire() })},
	{"repeats", gossiping(func(m *hostileMember, _ int) []byte { return m.sample })},
	{"subscriptions", subscribing},
	{"control", controlling},
	{"gossip-streams", parallel(4, func(ctx context.Context, m *hostileMember) error {
		s, err := m.open(ctx, protocol.GossipProtocol)
		if err != nil {
			return err
		}
		defer s.Reset()
		return writeRPC(s, m.subscribe)
	})},
	{"deaf", func(ctx context.Context, m *hostileMember) { <-ctx.Done() }},
	{"sessions", parallel(8, func(ctx context.Context, m *hostileMember) error {
		return m.frames(ctx, protocol.SyncFrame{Digest: &protocol.ID{1}})
	})},
	{"summaries", parallel(4, showing)},
	{"log", parallel(1, telling)},
	{"everything", parallel(8, wanting)},
	{"offers", parallel(8, func(ctx context.Context, m *hostileMember) error {
		return offering(ctx, m, func() (id protocol.ID) { rand.Read(id[:]); return id })
	})},
	{"known-offers", parallel(8, func(ctx context.Context, m *hostileMember) error {
		return offering(ctx, m, func() protocol.ID { return m.known })
	})},
	{"bare-streams", parallel(4, func(ctx context.Context, m *hostileMember) error {
		s, err := m.host.Network().NewStream(network.WithNoDial(ctx, "churn"), m.to.ID)
		if err != nil {
			return errors.Join(err, m.connect(ctx))
		}
		return s.Reset()
	})},
	{"identify", parallel(8, func(ctx context.Context, m *hostileMember) error {
		s, err := m.open(ctx, identify.ID)
		if err != nil {
			return err
		}
		defer s.Reset()
		_, err = io.Copy(io.Discard, s)
		return err
	})},
	{"identify-push", parallel(8, func(ctx context.Context, m *hostileMember) error {
		s, err := m.open(ctx, identify.IDPush)
		if err != nil {
			return err
		}
		defer s.Close()
		_, err = s.Write(proto(6, noise(20)))
		return err
	})},
	{"connections", parallel(1, func(ctx context.Context, m *hostileMember) error {
		err := m.connect(ctx)
		m.host.Network().ClosePeer(m.to.ID)
		return err
	})},
	{"bare-connections", parallel(4, func(ctx context.Context, m *hostileMember) error {
		c, err := manet.Dial(m.to.Addrs[0])
		if err != nil {
			return err
		}
		return c.Close()
	})},
}

// A hostileMember has keys, a host and a membership, and keeps no rule.
type hostileMember struct {
	host      host.Host
	key       ed25519.PrivateKey
	cert      protocol.Certificate
	community protocol.ID
	to        peer.AddrInfo
	deaf      bool // it does not read what gossip brings
	sent      atomic.Int64
	subscribe []byte // an RPC
	sample    []byte // a bulletin
	signature int    // where its signature begins
	known     protocol.ID
	streams   []protocol.ID
	last      protocol.ID // header of said
	log       [][]byte    // what it told
}

// beHostile is what the hostile member's process does: it joins, keeps quiet
// until it is told to begin, and attacks until its input ends.
func beHostile(b *testing.B, kind, invite string) {
	m := joinHostile(b, invite, kind == "deaf")
	ctx, cancel := context.WithCancel(b.Context())
	fmt.Println("\n" + saysReady)
	input := bufio.NewReader(os.Stdin)
	input.ReadString('\n')
	var wg sync.WaitGroup
	for _, a := range attacks {
		if a.name == kind {
			wg.Go(func() { a.run(ctx, m) })
		}
	}
	io.Copy(io.Discard, input)
	cancel()
	m.host.Close()
	wg.Wait()
	fmt.Printf("\n%s%d\n", saysDone, m.sent.Load())
}

// joinHostile makes a member out of an invite. It reads what gossip brings,
// unless it is deaf.
func joinHostile(b *testing.B, token string, deaf bool) *hostileMember {
	b.Helper()
	invite, err := protocol.ParseInvite(token)
	_, key, err2 := ed25519.GenerateKey(rand.Reader)
	_, org, err3 := ed25519.GenerateKey(rand.Reader)
	identity, err4 := crypto.UnmarshalEd25519PrivateKey(key)
	h, err5 := libp2p.New(libp2p.Identity(identity), libp2p.NoListenAddrs, libp2p.DisableMetrics(), libp2p.DisableRelay(), libp2p.Ping(false), libp2p.ResourceManager(&network.NullResourceManager{}))
	if err := errors.Join(err, err2, err3, err4, err5); err != nil {
		b.Fatal(err)
	}
	m := &hostileMember{
		host: h, key: key, community: invite.Community, deaf: deaf,
		cert:      protocol.Certify(org, protocol.NodeOf(key), time.Now().Add(-time.Hour), time.Now().Add(time.Hour)),
		to:        peer.AddrInfo{ID: node.PeerID(invite.Node), Addrs: invited(b, invite.Addrs)},
		subscribe: proto(1, []byte{1 << 3, 1}, proto(2, []byte(protocol.TopicOf(invite.Community)))),
	}
	first := m.said(0)
	_, signature := first.HeaderBytes()
	m.sample = first.Wire()
	m.signature = bytes.Index(m.sample, signature[:])
	h.SetStreamHandler(protocol.GossipProtocol, func(s network.Stream) {
		if !m.deaf {
			io.Copy(io.Discard, s)
		}
	})
	ctx, cancel := context.WithTimeout(b.Context(), startWithin)
	defer cancel()
	for err := m.join(ctx, invite); err != nil; err = m.join(ctx, invite) {
		if ctx.Err() != nil {
			b.Fatal(err)
		}
		pause(ctx, askEvery)
	}
	for err := m.stand(ctx); err != nil; err = m.stand(ctx) {
		if ctx.Err() != nil {
			b.Fatal(err)
		}
		pause(ctx, askEvery)
	}
	return m
}

// invited returns the addresses of an invite, those first where a rate of
// connections is kept.
func invited(b *testing.B, texts []string) (addrs []ma.Multiaddr) {
	b.Helper()
	for _, t := range texts {
		a, err := ma.NewMultiaddr(t)
		if err != nil {
			b.Fatal(err)
		}
		if manet.IsIPLoopback(a) {
			addrs = append(addrs, a)
		} else {
			addrs = append([]ma.Multiaddr{a}, addrs...)
		}
	}
	return addrs[:1]
}

// join shows the invite.
func (m *hostileMember) join(ctx context.Context, invite protocol.Invite) error {
	s, err := m.open(ctx, protocol.JoinProtocol)
	if err != nil {
		return err
	}
	defer s.Reset()
	request := protocol.JoinRequest{Community: m.community, Secret: invite.Secret[:], Certificate: m.cert, Name: fmt.Sprintf("hostile-%d", os.Getpid())}
	if err := protocol.WriteFrame(s, request); err != nil {
		return err
	}
	answer, err := protocol.ReadFrame[protocol.JoinAnswer](s, protocol.MaxFrame)
	if err == nil && answer.Refused != "" {
		err = errors.New(answer.Refused)
	}
	return err
}

// stand waits until the node takes it for a member, subscribes, and asks what
// the node holds.
func (m *hostileMember) stand(ctx context.Context) error {
	s, err := m.open(ctx, protocol.SyncProtocol)
	if err != nil {
		return err
	}
	defer s.Reset()
	digest, end := protocol.SyncFrame{Digest: &protocol.ID{1}}, protocol.SyncFrame{End: &protocol.End{}}
	if err := errors.Join(protocol.WriteFrame(s, digest), protocol.WriteFrame(s, end)); err != nil {
		return err
	}
	m.streams = nil
	for {
		f, err := protocol.ReadFrame[protocol.SyncFrame](s, protocol.MaxFrame)
		if err != nil {
			return err
		}
		if f.End != nil {
			break
		}
		if f.Summary != nil && len(f.Summary.Heads) > 0 {
			m.streams, m.known = append(m.streams, f.Summary.Stream.ID()), f.Summary.Heads[0].ID
		}
	}
	gossip, err := m.open(ctx, protocol.GossipProtocol)
	if err != nil {
		return err
	}
	return writeRPC(gossip, m.subscribe)
}

// open opens a stream, on a new connection where there is none.
func (m *hostileMember) open(ctx context.Context, id libp2pprotocol.ID) (network.Stream, error) {
	if err := m.connect(ctx); err != nil {
		return nil, err
	}
	return m.host.NewStream(ctx, m.to.ID, id)
}

// connect dials at once, however often that failed before.
func (m *hostileMember) connect(ctx context.Context) error {
	m.host.Network().(*swarm.Swarm).Backoff().Clear(m.to.ID)
	return m.host.Connect(ctx, m.to)
}

// said signs one bulletin of its own, the next in its log or the first.
func (m *hostileMember) said(i int) *protocol.Bulletin {
	h := protocol.Header{Kind: protocol.Objects, Community: m.community, TLP: protocol.Green, Epoch: 1, Seq: uint64(i) + 1, Issued: protocol.Millis(time.Now())}
	if i > 0 {
		h.Prev = m.last
	}
	b, err := protocol.Sign(m.key, m.cert, h, [][]byte{hostileIndicator(i)})
	if err != nil {
		panic(err)
	}
	m.last = b.ID()
	return b
}

func hostileIndicator(i int) []byte {
	return fmt.Appendf(nil, `{"created":"2026-01-01T00:00:00.000Z","id":"indicator--00000000-0000-4000-8000-%012d","modified":"2026-01-01T00:00:00.000Z","pattern":"[domain-name:value = 'hostile%d.example']","pattern_type":"stix","spec_version":"2.1","type":"indicator","valid_from":"2026-01-01T00:00:00.000Z"}`, i, i)
}

// busy does nothing to anybody: its processor is as warm as under an attack,
// which another processor of the same core feels.
func busy(ctx context.Context, m *hostileMember) {
	for block := noise(1 << 10); ctx.Err() == nil; {
		sum := sha256.Sum256(block)
		copy(block, sum[:])
	}
}

// parallel does a thing over and over on several streams at a time. What fails
// is tried again after a moment.
func parallel(workers int, do func(context.Context, *hostileMember) error) func(context.Context, *hostileMember) {
	return func(ctx context.Context, m *hostileMember) {
		var wg sync.WaitGroup
		for range workers {
			wg.Go(func() {
				for ctx.Err() == nil {
					if do(ctx, m) != nil {
						pause(ctx, time.Millisecond)
						continue
					}
					m.sent.Add(1)
				}
			})
		}
		wg.Wait()
	}
}

// gossiping sends messages, as many in an RPC as it holds.
func gossiping(message func(m *hostileMember, i int) []byte) func(context.Context, *hostileMember) {
	return func(ctx context.Context, m *hostileMember) {
		topic, i := proto(4, []byte(protocol.TopicOf(m.community))), 0
		m.rpcs(ctx, func() (rpc []byte, count int) {
			for len(rpc) < 60_000 {
				data := message(m, i)
				rpc = append(rpc, proto(2, proto(2, data), topic)...)
				i, count = i+1, count+1
			}
			return rpc, count
		})
	}
}

// rpcs sends one RPC after the other on a gossip stream, and opens another when
// that is closed.
func (m *hostileMember) rpcs(ctx context.Context, next func() (rpc []byte, count int)) {
	for ctx.Err() == nil {
		s, err := m.open(ctx, protocol.GossipProtocol)
		if err != nil {
			pause(ctx, time.Millisecond)
			continue
		}
		stop := context.AfterFunc(ctx, func() { s.Reset() })
		for err = writeRPC(s, m.subscribe); err == nil; {
			rpc, count := next()
			if err = writeRPC(s, rpc); err == nil {
				m.sent.Add(int64(count))
			}
		}
		stop()
		s.Reset()
	}
}

// subscribing names topics that nobody knows, as many as a node looks at.
func subscribing(ctx context.Context, m *hostileMember) {
	i := 0
	m.rpcs(ctx, func() (rpc []byte, count int) {
		for range 64 {
			rpc = append(rpc, proto(1, []byte{1 << 3, 1}, proto(2, fmt.Appendf(nil, "made-up-%d", i)))...)
			i++
		}
		return rpc, 64
	})
}

// controlling sends grafts, prunes, offers and requests of messages that nobody
// has.
func controlling(ctx context.Context, m *hostileMember) {
	topic := proto(1, []byte(protocol.TopicOf(m.community)))
	m.rpcs(ctx, func() (rpc []byte, count int) {
		var have, want []byte
		for range 500 {
			id := noise(20)
			have, want = append(have, proto(2, id)...), append(want, proto(1, id)...)
		}
		return proto(3, proto(1, topic, have), proto(2, want), proto(3, topic), proto(4, topic), proto(5, want)), 1
	})
}

// frames opens a sync stream, sends frames and resets it.
func (m *hostileMember) frames(ctx context.Context, frames ...protocol.SyncFrame) error {
	s, err := m.open(ctx, protocol.SyncProtocol)
	if err != nil {
		return err
	}
	defer s.Reset()
	for _, f := range frames {
		if err := protocol.WriteFrame(s, f); err != nil {
			return err
		}
	}
	_, err = protocol.ReadFrame[protocol.SyncFrame](s, protocol.MaxFrame)
	return err
}

// showing begins a session and shows thousands of streams of its own.
func showing(ctx context.Context, m *hostileMember) error {
	list := []protocol.SyncFrame{{Digest: &protocol.ID{1}}}
	for i := range uint64(8000) {
		list = append(list, protocol.SyncFrame{Summary: &protocol.Summary{
			Stream: protocol.Stream{Node: m.cert.Node, Kind: protocol.Objects, Community: m.community, TLP: protocol.Green},
			Heads:  []protocol.Head{{Position: protocol.Position{Epoch: i + 1, Seq: 1}, ID: protocol.ID{byte(i), byte(i >> 8), 1}}},
		}})
	}
	return m.frames(ctx, append(list, protocol.SyncFrame{End: &protocol.End{}})...)
}

// telling begins a session, shows a log of its own without end, and hands it
// over as it is asked.
func telling(ctx context.Context, m *hostileMember) error {
	s, err := m.open(ctx, protocol.SyncProtocol)
	if err != nil {
		return err
	}
	defer s.Reset()
	defer context.AfterFunc(ctx, func() { s.Reset() })()
	end := protocol.SyncFrame{End: &protocol.End{}}
	shown := protocol.SyncFrame{Summary: &protocol.Summary{
		Stream: protocol.Stream{Node: m.cert.Node, Kind: protocol.Objects, Community: m.community, TLP: protocol.Green},
		Heads:  []protocol.Head{{Position: protocol.Position{Epoch: 1, Seq: 1 << 30}, ID: protocol.ID{1}}},
	}}
	for _, f := range []protocol.SyncFrame{{Digest: &protocol.ID{1}}, shown, end, end} { // and it wants nothing
		if err := protocol.WriteFrame(s, f); err != nil {
			return err
		}
	}
	for ended := 0; ended < 2; { // summaries, then wants
		f, err := protocol.ReadFrame[protocol.SyncFrame](s, protocol.MaxFrame)
		switch {
		case err != nil:
			return err
		case f.End != nil:
			ended++
		case f.Want != nil:
			if err := m.tell(s, f.Want); err != nil {
				return err
			}
		}
	}
	return nil
}

// tell answers a want with the next of its log.
func (m *hostileMember) tell(s network.Stream, w *protocol.Want) error {
	answer := protocol.SyncFrame{End: &protocol.End{}}
	if len(w.Ranges) > 0 {
		r := w.Ranges[0]
		next := int(r.From.Seq)
		for range 1000 {
			for len(m.log) <= next {
				m.log = append(m.log, m.said(len(m.log)).Wire())
			}
			if err := protocol.WriteFrame(s, protocol.SyncFrame{Bulletin: m.log[next]}); err != nil {
				return err
			}
			m.sent.Add(1)
			next++
		}
		answer.End.Rest = append([]protocol.Range{{From: protocol.Position{Epoch: 1, Seq: uint64(next)}, To: r.To}}, w.Ranges[1:]...)
	}
	return protocol.WriteFrame(s, answer)
}

// wanting asks for everything, again and again.
func wanting(ctx context.Context, m *hostileMember) error {
	s, err := m.open(ctx, protocol.SyncProtocol)
	if err != nil {
		return err
	}
	defer s.Reset()
	defer context.AfterFunc(ctx, func() { s.Reset() })()
	for i := 0; ; i++ {
		stream := m.streams[i%len(m.streams)]
		want := protocol.Want{Stream: stream, Ranges: []protocol.Range{{To: protocol.Position{Epoch: 1<<63 - 1, Seq: 1}}}}
		if err := protocol.WriteFrame(s, protocol.SyncFrame{Want: &want}); err != nil {
			return err
		}
		for {
			f, err := protocol.ReadFrame[protocol.SyncFrame](s, protocol.MaxFrame)
			if err != nil {
				return err
			}
			if f.End != nil {
				break
			}
		}
		m.sent.Add(1)
	}
}

// offering offers bulletins on one stream and reads the answers, as long as
// there are any.
func offering(ctx context.Context, m *hostileMember, next func() protocol.ID) error {
	s, err := m.open(ctx, protocol.DeliverProtocol)
	if err != nil {
		return err
	}
	defer s.Reset()
	defer context.AfterFunc(ctx, func() { s.Reset() })()
	for {
		offer := make([]protocol.ID, protocol.MaxOffer)
		for i := range offer {
			offer[i] = next()
		}
		if err := protocol.WriteFrame(s, protocol.DeliverFrame{Offer: offer}); err != nil {
			return err
		}
		if err := settle(s); err != nil {
			return err
		}
		m.sent.Add(1)
	}
}

// settle reads answers until the node wants something or is done, and then says
// that nothing comes.
func settle(s network.Stream) error {
	for {
		f, err := protocol.ReadFrame[protocol.DeliverFrame](s, protocol.MaxFrame)
		switch {
		case err != nil:
			return err
		case f.Want == nil:
		case len(f.Want.IDs) == 0:
			return nil
		default:
			if err := protocol.WriteFrame(s, protocol.DeliverFrame{Want: &protocol.Wanted{}}); err != nil {
				return err
			}
		}
	}
}

// noise returns random bytes.
func noise(size int) []byte {
	b := make([]byte, size)
	rand.Read(b)
	return b
}

// proto writes one field of a protocol buffer: gossip is framed by hand, so that
// no library keeps us from being rude.
func proto(number byte, content ...[]byte) []byte {
	b := slices.Concat(content...)
	return append(binary.AppendUvarint([]byte{number<<3 | 2}, uint64(len(b))), b...)
}

func writeRPC(w io.Writer, rpc []byte) error {
	_, err := w.Write(append(binary.AppendUvarint(nil, uint64(len(rpc))), rpc...))
	return err
}
