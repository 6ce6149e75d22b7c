package nodetest

import (
	"crypto/rand"
	"slices"
	"time"

	"github.com/libp2p/go-libp2p/core/network"

	"github.com/tocsin-exchange/tocsin/protocol"
)

// Converse holds one sync session with an organisation's node: it shows all it
// holds, hands it over in the clear when asked, with the wires added to each
// answer, and asks for everything, by the wants given too.
func (b *Byzantine) Converse(org string, asks []protocol.Want, wires ...[]byte) {
	s, err := b.stream(org, protocol.SyncProtocol)
	if err != nil {
		return
	}
	c := talk{b, s, wires}
	defer s.Reset()
	if c.write(protocol.SyncFrame{Digest: random()}) != nil {
		return
	}
	if f, err := c.read(); err != nil || f.Digest == nil || !c.show() {
		return
	}
	theirs, ok := c.shown()
	if !ok || !c.ask(theirs, asks) {
		return
	}
	c.answer()
}

// serveSync answers a session, or single requests, with all that it holds.
func (b *Byzantine) serveSync(s network.Stream) {
	stop := time.AfterFunc(patience, func() { s.Reset() })
	defer stop.Stop()
	defer s.Close()
	c := talk{b, s, nil}
	f, err := c.read()
	switch {
	case err != nil:
		return
	case f.Want != nil:
		if c.satisfy(f.Want) {
			c.answer()
		}
		return
	}
	if c.write(protocol.SyncFrame{Digest: random()}) != nil {
		return
	}
	if theirs, ok := c.shown(); ok && c.show() && c.answer() {
		c.ask(theirs, nil)
	}
}

func random() *protocol.ID {
	var id protocol.ID
	rand.Read(id[:])
	return &id
}

// A talk is one sync stream of a Byzantine.
type talk struct {
	b      *Byzantine
	stream network.Stream
	wires  [][]byte
}

func (c talk) write(f protocol.SyncFrame) error { return protocol.WriteFrame(c.stream, f) }

func (c talk) read() (protocol.SyncFrame, error) {
	return protocol.ReadFrame[protocol.SyncFrame](c.stream, protocol.MaxFrame)
}

// show sends a summary of every stream of which it holds something.
func (c talk) show() bool {
	newest := map[protocol.ID]*protocol.Bulletin{}
	for _, x := range c.b.Got() {
		newest[x.Header.Stream().ID()] = x
	}
	for _, x := range newest {
		summary := &protocol.Summary{Stream: x.Header.Stream(), Heads: []protocol.Head{{Position: x.Header.Position(), ID: x.ID()}}}
		if c.write(protocol.SyncFrame{Summary: summary}) != nil {
			return false
		}
	}
	return c.write(protocol.SyncFrame{End: &protocol.End{}}) == nil
}

// shown reads the other side's summaries.
func (c talk) shown() (list []protocol.Summary, ok bool) {
	for {
		f, err := c.read()
		switch {
		case err != nil:
			return nil, false
		case f.Summary == nil:
			return list, f.End != nil
		}
		list = append(list, *f.Summary)
		c.b.mu.Lock()
		c.b.shown[f.Summary.Stream.ID()] = true
		c.b.mu.Unlock()
	}
}

// ask wants everything of every stream, and what else it was told to.
func (c talk) ask(theirs []protocol.Summary, asks []protocol.Want) bool {
	for _, s := range theirs {
		asks = append(asks, Everything(s.Stream.ID()))
	}
	for _, want := range asks {
		if c.write(protocol.SyncFrame{Want: &want}) != nil {
			return false
		}
		for {
			f, err := c.read()
			if err != nil {
				return false
			}
			if f.End != nil {
				break
			}
			c.take(f)
		}
	}
	return c.write(protocol.SyncFrame{End: &protocol.End{}}) == nil
}

// Everything asks for all of a stream.
func Everything(stream protocol.ID) protocol.Want {
	return protocol.Want{Stream: stream, Ranges: []protocol.Range{{To: protocol.Position{Epoch: 1<<63 - 1, Seq: 1}}}}
}

func (c talk) take(f protocol.SyncFrame) {
	if f.Sealed != nil {
		x, err := c.b.seal.Open(c.b.Cert.Node, f.Sealed)
		c.b.keep(x, err, "sealed on sync")
	} else if f.Bulletin != nil {
		x, err := protocol.Open(f.Bulletin)
		c.b.keep(x, err, "sync")
	}
}

// answer hands over what is asked for until the other side has enough.
func (c talk) answer() bool {
	for {
		f, err := c.read()
		switch {
		case err != nil:
			return false
		case f.Want == nil:
			return f.End != nil
		case !c.satisfy(f.Want):
			return false
		}
	}
}

func (c talk) satisfy(w *protocol.Want) bool {
	var wires [][]byte
	for _, x := range c.b.Got() {
		if slices.Contains(w.Bodies, x.ID()) || x.Header.Stream().ID() == w.Stream {
			wires = append(wires, x.Wire())
		}
	}
	if len(w.Ranges) > 0 {
		wires = append(wires, c.wires...)
	}
	for _, wire := range wires {
		if c.write(protocol.SyncFrame{Bulletin: wire}) != nil {
			return false
		}
	}
	return c.write(protocol.SyncFrame{End: &protocol.End{}}) == nil
}
