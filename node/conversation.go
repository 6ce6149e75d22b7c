package node

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
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
	stop   func() bool
}

func newConversation(ctx context.Context, s network.Stream) *conversation {
	reset := func() { s.Reset() }
	return &conversation{
		peer: s.Conn().RemotePeer(), stream: s, in: bufio.NewReaderSize(s, 16<<10),
		idle: time.AfterFunc(syncIdle, reset), stop: context.AfterFunc(ctx, reset),
	}
}

// end closes the stream, or resets it when the conversation failed.
func (c *conversation) end(err *error) {
	c.idle.Stop()
	c.stop()
	if *err != nil && !errors.Is(*err, io.EOF) {
		c.stream.Reset()
		return
	}
	c.stream.Close()
}

func (c *conversation) write(f protocol.SyncFrame) error {
	c.idle.Reset(syncIdle)
	return protocol.WriteFrame(c.stream, f)
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
	return c.write(protocol.SyncFrame{End: &struct{}{}})
}

func (c *conversation) readSummaries() ([]protocol.Summary, error) {
	var list []protocol.Summary
	for {
		f, err := c.read()
		switch {
		case err != nil:
			return nil, err
		case f.End != nil:
			return list, nil
		case f.Summary == nil || len(list) >= maxSummaries:
			return nil, fmt.Errorf("%w sync: a summary was due, at most %d of them", protocol.ErrInvalid, maxSummaries)
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
