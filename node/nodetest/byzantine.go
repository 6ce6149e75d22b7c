package nodetest

import (
	"crypto/ed25519"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/libp2p/go-libp2p/core/network"

	"github.com/tocsin-exchange/tocsin/protocol"
)

// patience is how long a Byzantine waits for the end of a stream.
const patience = time.Minute

// A Byzantine is a hostile host that is a member: it is sent what members are
// sent, opens what is sealed for it, keeps all of it and hands it to whoever
// talks to it. Honest nodes dial it, sync with it and deliver to it.
type Byzantine struct {
	*Raw
	Silent atomic.Bool // it takes what is delivered, and signs for nothing
	Lies   atomic.Bool // it signs for others, too, that it makes up

	seal *protocol.SealKey
	tap  *Tap

	mu    sync.Mutex
	got   map[protocol.ID]*protocol.Bulletin
	heads map[protocol.ID]protocol.Head // of its own streams
	shown map[protocol.ID]bool          // streams that summaries told it of
}

// Byzantine adds a hostile member that reaches the organisations named, which
// can dial it. The founder introduces it.
func (f *Federation) Byzantine(reaches ...string) *Byzantine {
	f.t.Helper()
	seal, err := protocol.NewSealKey(protocol.SuiteX25519)
	f.check(err)
	b := &Byzantine{Raw: f.Raw(), seal: seal, got: map[protocol.ID]*protocol.Bulletin{}, heads: map[protocol.ID]protocol.Head{}, shown: map[protocol.ID]bool{}}
	b.Host.SetStreamHandler(protocol.SyncProtocol, b.serveSync)
	b.Host.SetStreamHandler(protocol.DeliverProtocol, b.serveDeliver)
	b.tap = b.Listen(protocol.TopicOf(f.Community()), protocol.GossipProtocol)
	founder := f.founder()
	f.check(founder.node.Introduce(f.t.Context(), f.Community(), b.Cert, b.Name))
	f.Settle()
	charter, err := founder.node.Charter(f.Community())
	f.check(err)
	presence := []*protocol.Bulletin{b.Say(protocol.Header{Kind: protocol.Statements, Community: f.Community(), TLP: protocol.Green},
		string(protocol.Statement{Presence: &protocol.Presence{Certificate: b.Cert, Addrs: []string{b.Host.Addrs()[0].String()}}}.Encode()),
		string(protocol.Statement{EncryptionKey: seal.Public(b.Cert.Node)}.Encode()))}
	f.each(slices.Collect(maps.Values(f.orgs)), func(m *member) error {
		if !m.running {
			return nil
		}
		return m.node.Adopt(f.t.Context(), charter, presence)
	})
	for _, org := range reaches {
		b.Reach(org)
	}
	return b
}

// founder returns whoever founded the community.
func (f *Federation) founder() *member {
	for _, name := range f.graph.orgs {
		if !f.graph.stranger(name) && !f.graph.second(name) {
			return f.orgs[name]
		}
	}
	return nil
}

// Say signs the next bulletin of one of its own streams.
func (b *Byzantine) Say(h protocol.Header, objects ...string) *protocol.Bulletin {
	b.f.t.Helper()
	h.Certificate = b.Cert
	stream := h.Stream().ID()
	b.mu.Lock()
	last := b.heads[stream]
	b.mu.Unlock()
	h.Epoch, h.Seq, h.Prev = 1, last.Position.Seq+1, last.ID
	said := b.Bulletin(h, objects...)
	b.mu.Lock()
	b.heads[stream] = protocol.Head{Position: h.Position(), ID: said.ID()}
	b.got[said.ID()] = said
	b.mu.Unlock()
	return said
}

// Got returns what it holds, in order of issue: of some only the header.
func (b *Byzantine) Got() []*protocol.Bulletin {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.SortedFunc(maps.Values(b.got), func(x, y *protocol.Bulletin) int {
		return x.Header.Position().Compare(y.Header.Position())
	})
}

// Holds reports whether it was ever sent a bulletin with its body.
func (b *Byzantine) Holds(id protocol.ID) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.got[id] != nil && b.got[id].HasBody()
}

// Shown returns the streams that others' summaries have told it of.
func (b *Byzantine) Shown() []protocol.ID {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Collect(maps.Keys(b.shown))
}

// keep takes what it was sent, on whichever road, and looks at what it can read.
func (b *Byzantine) keep(x *protocol.Bulletin, err error, road string) {
	if err != nil {
		return
	}
	b.f.taps.scan(b.Name, road, x.Wire())
	b.mu.Lock()
	defer b.mu.Unlock()
	if held := b.got[x.ID()]; held == nil || x.HasBody() {
		b.got[x.ID()] = x
	}
}

// Gossip publishes bytes on the community's topic.
func (b *Byzantine) Gossip(wire []byte) { b.tap.Say(b.f.t.Context(), wire) }

// Deliver brings bulletins to an organisation's node, sealed to it, each with the
// forward that is made for it, if any. It returns those that were signed for.
func (b *Byzantine) Deliver(org string, forward func(*protocol.Bulletin) *protocol.Forward, list ...*protocol.Bulletin) (signed []protocol.ID) {
	s, err := b.stream(org, protocol.DeliverProtocol)
	if err != nil {
		return nil
	}
	defer s.Reset()
	list = list[:min(len(list), protocol.MaxOffer)]
	var ids []protocol.ID
	for _, x := range list {
		ids = append(ids, x.ID())
	}
	if len(ids) == 0 || protocol.WriteFrame(s, protocol.DeliverFrame{Offer: ids}) != nil {
		return nil
	}
	signed, wanted, ok := readAnswers(s)
	if !ok || len(wanted) == 0 {
		return signed
	}
	to := b.f.member(org)
	for _, x := range list {
		if !slices.Contains(wanted, x.ID()) {
			continue
		}
		sealed, err := protocol.Seal(to.seal.Public(to.cert.Node), x)
		if err != nil {
			return signed
		}
		if protocol.WriteFrame(s, protocol.DeliverFrame{Sealed: sealed, Forward: forward(x)}) != nil {
			return signed
		}
	}
	if protocol.WriteFrame(s, protocol.DeliverFrame{Want: &protocol.Wanted{}}) != nil {
		return signed
	}
	more, _, _ := readAnswers(s)
	return append(signed, more...)
}

// Probe offers what it may not have, and returns what the other side signed for
// at once: that it holds already.
func (b *Byzantine) Probe(org string, ids ...protocol.ID) (signed []protocol.ID) {
	s, err := b.stream(org, protocol.DeliverProtocol)
	if err != nil {
		return nil
	}
	defer s.Reset()
	if protocol.WriteFrame(s, protocol.DeliverFrame{Offer: ids}) != nil {
		return nil
	}
	signed, _, _ = readAnswers(s)
	return signed
}

// readAnswers reads receipts and refusals up to a want.
func readAnswers(s network.Stream) (signed, wanted []protocol.ID, ok bool) {
	for {
		f, err := protocol.ReadFrame[protocol.DeliverFrame](s, protocol.MaxFrame)
		switch {
		case err != nil:
			return signed, nil, false
		case f.Want != nil:
			return signed, f.Want.IDs, true
		case f.Receipt != nil:
			signed = append(signed, f.Receipt.Bulletin)
		}
	}
}

// Claim hands receipts to an organisation's node, as a forwarder does.
func (b *Byzantine) Claim(org string, receipts ...*protocol.Receipt) {
	s, err := b.stream(org, protocol.DeliverProtocol)
	if err != nil {
		return
	}
	defer s.Reset()
	for _, r := range receipts {
		if protocol.WriteFrame(s, protocol.DeliverFrame{Receipt: r}) != nil {
			return
		}
	}
	time.Sleep(time.Second) // it reads them
}

// serveDeliver takes all that is offered.
func (b *Byzantine) serveDeliver(s network.Stream) {
	stop := time.AfterFunc(patience, func() { s.Reset() })
	defer stop.Stop()
	defer s.Close()
	var taken []protocol.ID
	for {
		f, err := protocol.ReadFrame[protocol.DeliverFrame](s, protocol.MaxFrame)
		switch {
		case err != nil:
			return
		case len(f.Offer) > 0:
			taken = nil
			err = protocol.WriteFrame(s, protocol.DeliverFrame{Want: &protocol.Wanted{IDs: f.Offer}})
		case f.Sealed != nil:
			x, fault := b.seal.Open(b.Cert.Node, f.Sealed)
			b.keep(x, fault, "sealed on deliver")
			taken = append(taken, f.Sealed.Bulletin)
		case f.Want != nil:
			err = b.sign(s, taken)
		}
		if err != nil {
			s.Reset()
			return
		}
	}
}

// sign answers a delivery.
func (b *Byzantine) sign(s network.Stream, taken []protocol.ID) error {
	for _, id := range taken {
		if b.Silent.Load() {
			break
		}
		at := protocol.Millis(time.Now())
		receipts := []*protocol.Receipt{protocol.SignReceipt(b.Key, b.Cert, id, protocol.ReceiptHeld, at)}
		if b.Lies.Load() {
			key, cert := b.f.Invented()
			receipts = append(receipts, protocol.SignReceipt(key, cert, id, protocol.ReceiptHeld, at))
		}
		for _, r := range receipts {
			if err := protocol.WriteFrame(s, protocol.DeliverFrame{Receipt: r}); err != nil {
				return err
			}
		}
	}
	return protocol.WriteFrame(s, protocol.DeliverFrame{Want: &protocol.Wanted{}})
}

// Invented returns the key of a node, and the certificate of its organisation,
// that nobody ever heard of.
func (f *Federation) Invented() (ed25519.PrivateKey, protocol.Certificate) {
	f.t.Helper()
	_, org, err := ed25519.GenerateKey(nil)
	f.check(err)
	_, key, err := ed25519.GenerateKey(nil)
	f.check(err)
	now := time.Now()
	return key, protocol.Certify(org, protocol.NodeOf(key), now.Add(-time.Hour), now.Add(time.Hour))
}
