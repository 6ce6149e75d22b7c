package node_test

import (
	"encoding/binary"
	"fmt"
	"io"
	"runtime"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	libp2p "github.com/libp2p/go-libp2p/core/protocol"

	"github.com/tocsin-exchange/tocsin/node/nodetest"
	"github.com/tocsin-exchange/tocsin/protocol"
)

// mostHeap is what one hostile peer may have a node hold.
const mostHeap = 16 << 20

// heap returns the bytes in use, garbage excluded.
func heap() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC() // what finalizers and pools let go
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// costs checks how much more a node holds after an attack, while the attacker
// is still connected.
func costs(t *testing.T, before int64) {
	t.Helper()
	grown := heap() - before
	t.Logf("heap grew by %d KiB", grown>>10)
	if grown > mostHeap {
		t.Errorf("heap grew by %d MiB, at most %d may be held for one peer", grown>>20, mostHeap>>20)
	}
}

// besieged starts a federation with a hostile member at the bank.
func besieged(t *testing.T) (*nodetest.Federation, *nodetest.Raw) {
	t.Helper()
	fed := nodetest.New(t, pair)
	raw := fed.Raw("bank")
	enrol(t, fed, raw)
	if err := raw.Connect("bank"); err != nil {
		t.Fatal(err)
	}
	fed.Settle()
	return fed, raw
}

// stillServes checks that the others go on as if nothing happened.
func stillServes(t *testing.T, fed *nodetest.Federation, value string) {
	t.Helper()
	said := fed.Submit("hospital", value, protocol.Green)
	fed.Settle()
	fed.HeldBy(said, "bank", "hospital")
}

// field writes one field of a protocol buffer: gossip is framed by hand here, so
// that no library keeps us from being rude.
func field(number byte, content ...[]byte) []byte {
	b := slices.Concat(content...)
	return append(binary.AppendUvarint([]byte{number<<3 | 2}, uint64(len(b))), b...)
}

func writeRPC(w io.Writer, rpc []byte) error {
	_, err := w.Write(append(binary.AppendUvarint(nil, uint64(len(rpc))), rpc...))
	return err
}

// TestSubscriptionFlood: 1.2 million subscriptions to topics that nobody knows,
// as few and as many at a time as a call takes, then control messages about
// topics and ids that nobody knows.
func TestSubscriptionFlood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fed, raw := besieged(t)
		before := heap()
		sent := 0
		for _, each := range []int{64, 1000} {
			s, err := raw.Open("bank", protocol.GossipProtocol)
			if err != nil {
				t.Fatal(err)
			}
			for target := sent + 600_000; sent < target; {
				var rpc []byte
				for range each {
					rpc = append(rpc, field(1, []byte{1 << 3, 1}, field(2, fmt.Appendf(nil, "made-up-%d", sent)))...)
					sent++
				}
				if err := writeRPC(s, rpc); err != nil { // closed: it comes again
					raw.Connect("bank")
					if s, err = raw.Open("bank", protocol.GossipProtocol); err != nil {
						t.Fatalf("after %d subscriptions: %v", sent, err)
					}
				}
			}
		}
		s, err := raw.Open("bank", protocol.GossipProtocol)
		if err != nil {
			t.Fatal(err)
		}
		for i := range 20_000 {
			topic, ids := field(1, fmt.Appendf(nil, "made-up-%d", i)), [2][]byte{}
			for k := range 100 {
				id := fmt.Appendf(nil, "id-%d-%d", i, k)
				ids[0], ids[1] = append(ids[0], field(1, id)...), append(ids[1], field(2, id)...)
			}
			rpc := field(3, field(1, topic, ids[1]), field(2, ids[0]), field(3, topic), field(4, topic), field(5, ids[0]))
			if err := writeRPC(s, rpc); err != nil {
				break // it has had enough
			}
		}
		fed.Settle()
		costs(t, before)
		if sent < 1_200_000 {
			t.Errorf("only %d subscriptions were sent", sent)
		}
		stillServes(t, fed, "203.0.113.7")
	})
}

// TestSlowStreams: a guest and a member open as many streams as they can, send
// a byte on each and hold them.
func TestSlowStreams(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fed, member := besieged(t)
		before, idle := heap(), runtime.NumGoroutine()
		var open []network.Stream
		for _, c := range []struct {
			id   libp2p.ID
			most int
		}{{protocol.JoinProtocol, 2}, {protocol.SyncProtocol, 8}, {protocol.DeliverProtocol, 8}} {
			alive := 0
			for range 100 {
				s, err := member.Open("bank", c.id)
				if err != nil {
					continue
				}
				s.Write([]byte{0})
				open = append(open, s)
			}
			time.Sleep(time.Second)
			for _, s := range fed.Streams("bank", member) {
				if s == c.id {
					alive++
				}
			}
			if alive > c.most || alive == 0 {
				t.Errorf("%s: %d streams of one peer are held, at most %d may be", c.id, alive, c.most)
			}
		}
		stillServes(t, fed, "203.0.113.7")
		costs(t, before)
		time.Sleep(time.Minute)
		for _, id := range fed.Streams("bank", member) {
			if id != protocol.GossipProtocol {
				t.Errorf("a stream of %s is still held after a minute", id)
			}
		}
		for _, s := range open {
			s.Reset()
		}
		time.Sleep(time.Second)
		if n := runtime.NumGoroutine(); n > idle+20 {
			t.Errorf("%d goroutines, %d before", n, idle)
		}
		if fed.Node("bank").Counts()["streams_refused"] == 0 {
			t.Error("no stream was refused and counted")
		}
	})
}

// TestStreamsAreOpenedAtARate: whoever opens and closes streams without end is
// answered no more than so often, then closed.
func TestStreamsAreOpenedAtARate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fed, raw := besieged(t)
		before := fed.Node("bank").Counts()["streams_refused"]
		for range 1000 {
			if s, err := raw.Open("bank", protocol.SyncProtocol); err == nil {
				s.Write([]byte{0}) // only now the other side knows its protocol
				time.Sleep(time.Millisecond)
				s.Reset()
			}
		}
		counts := fed.Node("bank").Counts()
		if refused := counts["streams_refused"] - before; refused == 0 || refused > 50 || counts["peers_suspended"] != 1 {
			t.Errorf("%d of 1000 streams within a second were refused, %d peers suspended", refused, counts["peers_suspended"])
		}
		stillServes(t, fed, "203.0.113.7")
	})
}

// TestBrokenFramesSuspend: whoever hands over broken things is closed, kept out
// for a while, and let in again.
func TestBrokenFramesSuspend(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fed, raw := besieged(t)
		b := raw.Bulletin(protocol.Header{Community: fed.Community(), TLP: protocol.Green}, "{}")
		wire := b.Wire()
		wire[len(wire)/2] ^= 1
		for range 30 {
			raw.Sync("bank", protocol.SyncFrame{Bulletin: wire})
		}
		time.Sleep(time.Second)
		counts := fed.Node("bank").Counts()
		if counts["peers_suspended"] != 1 || raw.Connected("bank") {
			t.Errorf("suspended: %d; connected: %v", counts["peers_suspended"], raw.Connected("bank"))
		}
		raw.Connect("bank")
		time.Sleep(time.Second)
		if raw.Connected("bank") {
			t.Error("a suspended peer came in again at once")
		}
		time.Sleep(6 * time.Minute)
		raw.Connect("bank")
		time.Sleep(time.Second)
		if !raw.Connected("bank") {
			t.Error("it stays out for ever")
		}
		stillServes(t, fed, "203.0.113.7")
	})
}

// TestBrokenGossipIsSoonUnheard: of a flood of messages with broken signatures
// few are checked at all.
func TestBrokenGossipIsSoonUnheard(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fed, raw := besieged(t)
		tap := raw.Listen(protocol.TopicOf(fed.Community()), ours...)
		raw.Host.Network().ClosePeer(fed.Peer("bank"))
		time.Sleep(time.Second)
		raw.Connect("bank")
		fed.Settle()
		for i := range 500 {
			b := raw.Bulletin(protocol.Header{Community: fed.Community(), TLP: protocol.Green, Epoch: uint64(i) + 1, Seq: 1}, "{}")
			wire := b.Wire()
			wire[len(wire)-1] ^= 1
			tap.Say(t.Context(), wire)
			time.Sleep(10 * time.Millisecond)
		}
		if checked := fed.Node("bank").Counts()["gossip_rejected"]; checked == 0 || checked > 50 {
			t.Errorf("%d of 500 broken messages were looked at", checked)
		}
		stillServes(t, fed, "203.0.113.7")
	})
}

// TestStrangersShare: one member cannot fill the table of unknown authors.
func TestStrangersShare(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fed, raw := besieged(t)
		tap := raw.Listen(protocol.TopicOf(fed.Community()), ours...)
		raw.Host.Network().ClosePeer(fed.Peer("bank"))
		time.Sleep(time.Second)
		raw.Connect("bank")
		fed.Settle()
		for range 100 {
			unknown := fed.Raw()
			b := unknown.Bulletin(protocol.Header{Community: fed.Community(), TLP: protocol.Green}, "{}")
			tap.Say(t.Context(), b.Wire())
			time.Sleep(10 * time.Millisecond)
		}
		time.Sleep(time.Second)
		if over := fed.Node("bank").Counts()["strangers_over_share"]; over != 100-64 {
			t.Errorf("%d of 100 unknown authors were over the share of one peer, want 36", over)
		}
	})
}
