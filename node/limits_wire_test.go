package node_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	libp2p "github.com/libp2p/go-libp2p/core/protocol"

	"github.com/tocsin-exchange/tocsin/node"
	"github.com/tocsin-exchange/tocsin/node/nodetest"
	"github.com/tocsin-exchange/tocsin/protocol"
)

// oversized are frames that announce more than they hold.
func oversized() map[string][]byte {
	frame := func(b ...byte) []byte { return append(binary.BigEndian.AppendUint32(nil, uint32(len(b))), b...) }
	long := []byte{0x9b, 0, 0, 0, 1, 0, 0, 0, 0}             // an array of 2^32
	longer := []byte{0x9b, 0x80, 0, 0, 0, 0, 0, 0, 0}        // of 2^63
	mapped := []byte{0xbb, 0, 0, 0, 1, 0, 0, 0, 0}           // a map of 2^32 pairs
	text := []byte{0x5b, 0x7f, 0xff, 0xff, 0xff, 0, 0, 0, 0} // a byte string of nearly 2^63
	in := func(key byte, b []byte) []byte { return frame(append([]byte{0xa1, key}, b...)...) }
	return map[string][]byte{
		"a frame of 4 GiB":            {0xff, 0xff, 0xff, 0xff, 0xa1},
		"a frame as large as allowed": append(binary.BigEndian.AppendUint32(nil, protocol.MaxFrame), bytes.Repeat([]byte{0x81}, 1000)...),
		"an array of 2^32":            frame(long...),
		"a map of 2^32":               frame(mapped...),
		"a bulletin of 2^63 bytes":    in(4, text),
		"a want of 2^32 ranges":       in(3, append([]byte{0xa1, 2}, long...)),
		"a want of 2^63 bodies":       in(3, append([]byte{0xa1, 3}, longer...)),
		"a summary of 2^32 heads":     in(2, append([]byte{0xa1, 2}, long...)),
		"a summary of 2^32 gaps":      in(2, append([]byte{0xa1, 3}, long...)),
		"lacks of 2^63":               in(7, append([]byte{0xa1, 2}, longer...)),
		"an end of 2^32 ranges":       in(5, append([]byte{0xa1, 1}, long...)),
		"arrays within arrays":        frame(bytes.Repeat([]byte{0x81}, 100_000)...),
		"maps within maps":            frame(bytes.Repeat([]byte{0xa1, 1}, 100_000)...),
		"a refusal without end":       in(6, append([]byte{0x7f}, bytes.Repeat([]byte{0x61, 'x'}, 100_000)...)),
		"compressed (gzip)":           frame(0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff),
		"compressed (zstd)":           frame(0x28, 0xb5, 0x2f, 0xfd, 0xa4, 0, 0, 0, 0x80),
	}
}

// TestOversizedCounts: what the wire announces is believed by nobody, on any
// protocol, and nothing is unpacked: a compressed frame is a broken one.
func TestOversizedCounts(t *testing.T) {
	for name, b := range oversized() {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				fed, raw := besieged(t)
				before := heap()
				for _, id := range []libp2p.ID{protocol.SyncProtocol, protocol.JoinProtocol, protocol.DeliverProtocol} {
					s, err := raw.Open("bank", id)
					if err != nil {
						t.Fatal(err)
					}
					s.Write(b)
					s.CloseWrite()
					if _, err := io.Copy(io.Discard, s); err == nil && id != protocol.JoinProtocol {
						t.Errorf("%s: the stream was ended as if all were well", id)
					}
				}
				costs(t, before)
				stillServes(t, fed, "203.0.113.7")
			})
		})
	}
}

// TestEndlessAnswers: a member that we ask answers without end.
func TestEndlessAnswers(t *testing.T) {
	for name, answer := range map[string]func(fed *nodetest.Federation, raw *nodetest.Raw, s network.Stream) error{
		"summaries":              endlessSummaries,
		"bulletins nobody wants": endlessBulletins,
		"a rest that stays":      endlessRest,
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				fed, raw := besieged(t)
				stopped := make(chan error, 1024)
				raw.Host.SetStreamHandler(protocol.SyncProtocol, func(s network.Stream) {
					err := answer(fed, raw, s)
					s.Reset()
					select {
					case stopped <- err:
					default:
					}
				})
				before := heap()
				time.Sleep(5 * time.Minute) // it is asked now and then
				costs(t, before)
				if err := <-stopped; err == nil {
					t.Error("it was listened to until the end")
				}
				stillServes(t, fed, "203.0.113.7")
			})
		})
	}
}

// made returns a stream of the hostile host's own, one for each epoch asked for.
func made(fed *nodetest.Federation, raw *nodetest.Raw, i int) protocol.Summary {
	stream := protocol.Stream{Node: raw.Cert.Node, Kind: protocol.Objects, Community: fed.Community(), TLP: protocol.Green}
	s := protocol.Summary{Stream: stream}
	for k := range uint64(64) {
		s.Heads = append(s.Heads, protocol.Head{Position: protocol.Position{Epoch: uint64(i) + 1, Seq: k + 1}, ID: protocol.ID{byte(k), 1}})
	}
	return s
}

// open reads our digest, sends another, and reads what we hold.
func greet(s network.Stream) error {
	if _, err := protocol.ReadFrame[protocol.SyncFrame](s, protocol.MaxFrame); err != nil {
		return err
	}
	if err := protocol.WriteFrame(s, protocol.SyncFrame{Digest: &protocol.ID{1}}); err != nil {
		return err
	}
	for {
		if f, err := protocol.ReadFrame[protocol.SyncFrame](s, protocol.MaxFrame); err != nil || f.End != nil {
			return err
		}
	}
}

func endlessSummaries(fed *nodetest.Federation, raw *nodetest.Raw, s network.Stream) error {
	if err := greet(s); err != nil {
		return err
	}
	for i := range 200_000 {
		summary := made(fed, raw, i)
		if err := protocol.WriteFrame(s, protocol.SyncFrame{Summary: &summary}); err != nil {
			return err
		}
	}
	return nil
}

// TestSummariesHeld: a member shows as much as may be shown, in the dearest
// form, on every stream that it can open, and then says nothing more.
func TestSummariesHeld(t *testing.T) {
	for name, heads := range map[string]int{"many small ones": 1, "large ones": 64} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				fed, raw := besieged(t)
				before := heap()
				for range 8 {
					s, err := raw.Open("bank", protocol.SyncProtocol)
					if err != nil {
						t.Fatal(err)
					}
					go func() {
						protocol.WriteFrame(s, protocol.SyncFrame{Digest: &protocol.ID{1}})
						protocol.ReadFrame[protocol.SyncFrame](s, protocol.MaxFrame)
						for i, size := 0, 0; i < 16_000 && size < 4<<20-10_000; i++ {
							summary := made(fed, raw, i)
							summary.Heads = summary.Heads[:heads]
							var frame bytes.Buffer
							protocol.WriteFrame(&frame, protocol.SyncFrame{Summary: &summary})
							size += frame.Len()
							if _, err := s.Write(frame.Bytes()); err != nil {
								return
							}
						}
					}()
				}
				time.Sleep(time.Second)
				costs(t, before)
				if !slices.Contains(fed.Streams("bank", raw), protocol.SyncProtocol) {
					t.Error("no session is held: nothing was measured")
				}
				time.Sleep(time.Minute)
				stillServes(t, fed, "203.0.113.7")
			})
		})
	}
}

// offer shows one stream and reads the want that comes of it.
func offer(fed *nodetest.Federation, raw *nodetest.Raw, s network.Stream) (protocol.SyncFrame, error) {
	if err := greet(s); err != nil {
		return protocol.SyncFrame{}, err
	}
	summary := made(fed, raw, 0)
	err := errors.Join(protocol.WriteFrame(s, protocol.SyncFrame{Summary: &summary}), protocol.WriteFrame(s, protocol.SyncFrame{End: &protocol.End{}}))
	if err != nil {
		return protocol.SyncFrame{}, err
	}
	return protocol.ReadFrame[protocol.SyncFrame](s, protocol.MaxFrame)
}

func endlessBulletins(fed *nodetest.Federation, raw *nodetest.Raw, s network.Stream) error {
	if _, err := offer(fed, raw, s); err != nil {
		return err
	}
	b := raw.Bulletin(protocol.Header{Community: fed.Community(), TLP: protocol.Green, Epoch: 7, Seq: 1}, "{}")
	for range 100_000 {
		if err := protocol.WriteFrame(s, protocol.SyncFrame{Bulletin: b.Wire()}); err != nil {
			return err
		}
	}
	return nil
}

func endlessRest(fed *nodetest.Federation, raw *nodetest.Raw, s network.Stream) error {
	f, err := offer(fed, raw, s)
	for range 100_000 {
		if err != nil || f.Want == nil {
			return errors.Join(err, io.EOF)
		}
		if err := protocol.WriteFrame(s, protocol.SyncFrame{End: &protocol.End{Rest: f.Want.Ranges}}); err != nil {
			return err
		}
		f, err = protocol.ReadFrame[protocol.SyncFrame](s, protocol.MaxFrame)
	}
	return nil
}

// TestJoinAnswerOfALiar: an inviter announces 2^63 bulletins, and sends few.
func TestJoinAnswerOfALiar(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fed := nodetest.New(t, pair)
		raw := fed.Raw()
		raw.Reach("bank")
		charter, err := fed.Node("bank").Charter(fed.Community())
		if err != nil {
			t.Fatal(err)
		}
		raw.Host.SetStreamHandler(protocol.JoinProtocol, func(s network.Stream) {
			protocol.ReadFrame[protocol.JoinRequest](s, protocol.MaxFrame)
			protocol.WriteFrame(s, protocol.JoinAnswer{Charter: charter.Encode(), Count: 1 << 63})
			s.Close()
		})
		before := heap()
		if _, _, err := fed.Node("hospital").Join(t.Context(), raw.Invite(fed.Community())); err == nil {
			t.Error("hospital cannot reach it, and joined")
		}
		if _, _, err := fed.Node("bank").Join(t.Context(), raw.Invite(fed.Community())); err == nil || !errors.Is(err, node.ErrRefused) {
			t.Errorf("an answer of 2^63 bulletins: %v", err)
		}
		costs(t, before)
	})
}
