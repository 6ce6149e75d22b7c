package node

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"sync/atomic"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/tocsin-exchange/tocsin/protocol"
)

// A conversation is a stream with a watch on it: without progress for a while,
// or when the node closes, it is reset. It works on networks whose streams
// know no deadline, too. What is broken counts against the peer, and so do the
// bytes of all its conversations: beyond its allowance it has to wait.
type conversation struct {
	peer   peer.ID
	stream network.Stream
	in     *bufio.Reader
	idle   *time.Timer
	lasts  *time.Timer
	stop   func() bool
	count  *atomic.Uint64 // bytes written
	got    meteredReader
	over   chan struct{} // closed when a session we answered is over
	broke  func()
	note   func(*conversation) // puts on record what it carried
	pace   func(bytes int)     // waits where the peer has had more than its share

	handouts map[protocol.ID]*handout // what it carried, by stream
}

// A meteredReader counts what is read from a stream.
type meteredReader struct {
	stream network.Stream
	bytes  int            // since it was last set to 0
	count  *atomic.Uint64 // of all streams
	pace   func(bytes int)
}

// Read reads from the stream.
func (r *meteredReader) Read(b []byte) (int, error) {
	n, err := r.stream.Read(b)
	r.bytes += n
	r.count.Add(uint64(n))
	r.pace(n)
	return n, err
}

func (n *Node) newConversation(s network.Stream) *conversation {
	reset, p := func() { s.Reset() }, s.Conn().RemotePeer()
	pace := func(bytes int) { n.pace(p, bytes) }
	c := &conversation{
		peer: p, stream: s, count: &n.counters.syncSent, over: make(chan struct{}), broke: func() { n.broke(p) }, note: n.noteHandouts, pace: pace,
		idle: time.AfterFunc(syncIdle, reset), lasts: time.AfterFunc(syncLasts, reset), stop: context.AfterFunc(n.ctx, reset),
		got: meteredReader{stream: s, count: &n.counters.syncReceived, pace: pace},
	}
	c.in = bufio.NewReaderSize(&c.got, 16<<10)
	return c
}

// pace waits until a peer's streams are within their allowances again.
func (n *Node) pace(p peer.ID, bytes int) {
	node, _ := NodeID(p)
	wait := n.counters.streamed.owe(node, float64(bytes), streamBytes, time.Now())
	if wait = max(wait, n.gate.vain(p, 0)); wait <= 0 {
		return
	}
	n.counters.streamPaced.Add(1)
	n.pause(wait)
}

// end closes the stream, or resets it when the conversation failed.
func (c *conversation) end(err *error) {
	c.idle.Stop()
	c.lasts.Stop()
	c.stop()
	c.note(c)
	if errors.Is(*err, protocol.ErrInvalid) {
		c.broke()
	}
	if *err != nil && !errors.Is(*err, io.EOF) {
		c.stream.Reset()
		return
	}
	c.stream.Close()
}

func (c *conversation) write(f protocol.SyncFrame) error {
	c.idle.Reset(syncIdle)
	return protocol.WriteFrame(c, f)
}

// Write writes to the stream and counts.
func (c *conversation) Write(b []byte) (int, error) {
	n, err := c.stream.Write(b)
	c.count.Add(uint64(n))
	c.pace(n)
	return n, err
}

func (c *conversation) read() (protocol.SyncFrame, error) {
	c.idle.Reset(syncIdle)
	f, err := protocol.ReadFrame[protocol.SyncFrame](c.in, protocol.MaxFrame)
	if err == nil && f.Refused != "" {
		err = fmt.Errorf("%w: %s", protocol.ErrRefused, f.Refused)
	}
	return f, err
}

func (c *conversation) writeSummaries(list []protocol.Summary) error {
	for _, s := range list {
		if err := c.write(protocol.SyncFrame{Summary: &s}); err != nil {
			return err
		}
	}
	return c.write(protocol.SyncFrame{End: &protocol.End{}})
}

func (c *conversation) readSummaries() ([]protocol.Summary, error) {
	var list []protocol.Summary
	c.got.bytes = 0
	for {
		f, err := c.read()
		switch {
		case err != nil:
			return nil, err
		case f.End != nil:
			return list, nil
		case f.Summary == nil || len(list) >= maxSummaries || c.got.bytes > summaryBytes:
			return nil, fmt.Errorf("%w sync: a summary was due, at most %d of them in %d bytes", protocol.ErrInvalid, maxSummaries, summaryBytes)
		}
		list = append(list, *f.Summary)
	}
}

// converse answers a stream that a peer has opened, when it is a member and has
// not too many of them.
func (n *Node) converse(s network.Stream, answer func(*conversation) error) {
	p := s.Conn().RemotePeer()
	if n.off&guardStream == 0 && !n.gate.member(p) || !n.takeStream(s) {
		s.Reset()
		return
	}
	defer n.leaveStream(s)
	c := n.newConversation(s)
	err := answer(c)
	if err != nil && err != io.EOF {
		n.log.Debug("stream answered", "peer", p, "protocol", s.Protocol(), "err", err)
	}
	c.end(&err)
}

// takeStream counts a stream that a peer has opened, and takes it when the peer
// has neither too many of its protocol open nor opened too many of late; who goes
// on opening them all the same is suspended. Whoever gets true calls leaveStream.
func (n *Node) takeStream(s network.Stream) bool {
	l := lane{s.Conn().RemotePeer(), s.Protocol()}
	node, _ := NodeID(l.peer)
	limit, all := syncStreams, math.MaxInt
	if l.protocol == protocol.JoinProtocol {
		limit, all = joinStreams, joinStreamsAll
	}
	often := !n.counters.opened.take(node, streamRate, time.Now())
	if often { // refusing costs something, too
		n.broke(l.peer)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	total := 0
	for other, open := range n.streams {
		if other.protocol == l.protocol {
			total += open
		}
	}
	if often || n.streams[l] >= limit || total >= all {
		n.counters.streamsRefused.Add(1)
		return false
	}
	n.streams[l]++
	return true
}

func (n *Node) leaveStream(s network.Stream) {
	l := lane{s.Conn().RemotePeer(), s.Protocol()}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.streams[l]--; n.streams[l] <= 0 {
		delete(n.streams, l)
	}
}

// takeSession lets one session a peer be answered at a time, since sessions
// hold the other side's summaries. A new one ends the one before: that may be
// on a connection which is dead without our knowing.
func (n *Node) takeSession(c *conversation) (leave func(), err error) {
	for {
		n.mu.Lock()
		before := n.sessions[c.peer]
		if before == nil {
			n.sessions[c.peer] = c
			n.mu.Unlock()
			return func() { n.leaveSession(c) }, nil
		}
		n.mu.Unlock()
		before.stream.Reset()
		select {
		case <-before.over:
		case <-n.ctx.Done():
			return nil, ErrClosed
		}
	}
}

func (n *Node) leaveSession(c *conversation) {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.sessions, c.peer)
	close(c.over)
}
