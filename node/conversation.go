package node

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"sync/atomic"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/tocsin-exchange/tocsin/protocol"
)

// A conversation is a stream with a watch on it: without progress for a while,
// or when the node closes, it is reset. It works on networks whose streams
// know no deadline, too.
type conversation struct {
	peer   peer.ID
	stream network.Stream
	in     *bufio.Reader
	idle   *time.Timer
	lasts  *time.Timer
	stop   func() bool
	count  *atomic.Uint64 // bytes written
	got    meteredReader
}

// A meteredReader counts what is read from a stream.
type meteredReader struct {
	stream network.Stream
	bytes  int            // since it was last set to 0
	count  *atomic.Uint64 // of all streams
}

// Read reads from the stream.
func (r *meteredReader) Read(b []byte) (int, error) {
	n, err := r.stream.Read(b)
	r.bytes += n
	r.count.Add(uint64(n))
	return n, err
}

func (n *Node) newConversation(s network.Stream) *conversation {
	reset := func() { s.Reset() }
	c := &conversation{
		peer: s.Conn().RemotePeer(), stream: s, count: &n.counters.syncSent,
		idle: time.AfterFunc(syncIdle, reset), lasts: time.AfterFunc(syncLasts, reset), stop: context.AfterFunc(n.ctx, reset),
		got: meteredReader{stream: s, count: &n.counters.syncReceived},
	}
	c.in = bufio.NewReaderSize(&c.got, 16<<10)
	return c
}

// end closes the stream, or resets it when the conversation failed.
func (c *conversation) end(err *error) {
	c.idle.Stop()
	c.lasts.Stop()
	c.stop()
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

// takeStream counts the streams one peer has open with us.
func (n *Node) takeStream(p peer.ID) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.streams[p] >= syncStreams {
		return false
	}
	n.streams[p]++
	return true
}

func (n *Node) leaveStream(p peer.ID) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.streams[p]--; n.streams[p] <= 0 {
		delete(n.streams, p)
	}
}
