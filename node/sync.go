package node

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/tocsin-exchange/tocsin/protocol"
	"github.com/tocsin-exchange/tocsin/storage"
)

const (
	syncIdle     = 30 * time.Second // a session without progress ends
	syncSessions = 4                // we hold at a time
	syncStreams  = 8                // we answer at a time for one peer
	wantBodies   = 32               // asked for at a time
	maxSummaries = 100_000          // of one peer
)

// runSync holds sessions: with whoever was asked for, and every so often with
// a random member. One session a peer at a time.
func (n *Node) runSync() {
	due, running := map[peer.ID]time.Time{}, map[peer.ID]bool{}
	finished := make(chan peer.ID, syncSessions)
	random := time.NewTimer(n.jitter(n.every))
	defer random.Stop()
	wake := time.NewTimer(time.Hour)
	defer wake.Stop()
	for {
		select {
		case <-n.ctx.Done():
			for len(running) > 0 {
				delete(running, <-finished)
			}
			return
		case r := <-n.syncs:
			for _, p := range n.wanted(r) {
				at := time.Now().Add(n.jitter(r.after))
				if was, is := due[p]; !is || at.Before(was) {
					due[p] = at
				}
			}
		case <-random.C:
			random.Reset(n.jitter(n.every))
			if p, ok := n.randomMember(); ok {
				due[p] = time.Now()
			}
		case p := <-finished:
			delete(running, p)
		case <-wake.C:
		}
		wake.Reset(n.beginDue(due, running, finished))
	}
}

// beginDue starts the sessions whose time has come, and returns how long until
// the next one.
func (n *Node) beginDue(due map[peer.ID]time.Time, running map[peer.ID]bool, finished chan<- peer.ID) time.Duration {
	next := time.Hour
	for p, at := range due {
		wait := time.Until(at)
		switch {
		case wait > 0:
			next = min(next, wait)
		case running[p] || len(running) >= syncSessions: // when one finishes
		default:
			delete(due, p)
			running[p] = true
			n.wg.Go(func() {
				n.session(p)
				finished <- p
			})
		}
	}
	return next
}

// session holds one session and spreads the word when it brought something.
func (n *Node) session(p peer.ID) {
	n.counters.syncSessions.Add(1)
	news, err := n.syncWith(n.ctx, p)
	if err != nil && n.ctx.Err() == nil {
		n.counters.syncFailures.Add(1)
		n.log.Debug("sync", "peer", p, "err", err)
	}
	if news > 0 {
		n.log.Info("sync", "peer", p, "new", news)
		n.spread(p)
	}
}

// spread lets the other connections know soon, after a session brought news.
func (n *Node) spread(except peer.ID) {
	for _, p := range n.host.Network().Peers() {
		if p != except && n.gate.member(p) {
			n.syncSoon(p, 2*time.Second)
		}
	}
}

type syncRequest struct {
	peer  peer.ID // "": every connected member
	after time.Duration
}

func (n *Node) syncSoon(p peer.ID, after time.Duration) {
	select {
	case n.syncs <- syncRequest{p, after}:
	default:
		n.counters.syncOverflow.Add(1)
	}
}

// syncAllSoon is called wherever something was lost without our knowing what.
func (n *Node) syncAllSoon() { n.syncSoon("", time.Second) }

func (n *Node) wanted(r syncRequest) []peer.ID {
	if r.peer != "" {
		return []peer.ID{r.peer}
	}
	var members []peer.ID
	for _, p := range n.host.Network().Peers() {
		if n.gate.member(p) {
			members = append(members, p)
		}
	}
	return members
}

func (n *Node) jitter(d time.Duration) time.Duration {
	if d <= 0 {
		return 0
	}
	return d/2 + rand.N(d)
}

// syncWith holds one session as its caller: digests first, and when they are
// equal and nobody has a gap that is all. Else summaries; then each side in
// turn asks for headers and bodies it lacks.
func (n *Node) syncWith(ctx context.Context, p peer.ID) (news int, err error) {
	c, err := n.openSync(ctx, p)
	if err != nil {
		return 0, err
	}
	defer c.end(&err)
	mine := n.summaries(p)
	digest := protocol.SummariesDigest(mine)
	if err := c.write(protocol.SyncFrame{Digest: &digest}); err != nil {
		return 0, err
	}
	f, err := c.read()
	if err != nil {
		return 0, err
	}
	if f.Digest == nil {
		return 0, fmt.Errorf("%w sync: no digest", protocol.ErrInvalid)
	}
	if *f.Digest == digest && !incomplete(mine) {
		n.counters.syncEqual.Add(1)
		return n.pullBodies(c, mine)
	}
	if err := c.writeSummaries(mine); err != nil {
		return 0, err
	}
	theirs, err := c.readSummaries()
	if err != nil {
		return 0, err
	}
	if news, err = n.pull(c, mine, theirs); err != nil {
		return news, err
	}
	return news, n.answer(c)
}

// openSync opens a conversation with a member.
func (n *Node) openSync(ctx context.Context, p peer.ID) (*conversation, error) {
	if !n.gate.member(p) {
		return nil, fmt.Errorf("%w: no member", ErrRefused)
	}
	dial, cancel := context.WithTimeout(ctx, syncIdle)
	defer cancel()
	s, err := n.host.NewStream(network.WithNoDial(dial, "only dialNode dials"), p, protocol.SyncProtocol)
	if err != nil {
		return nil, fmt.Errorf("sync stream: %w", err)
	}
	return newConversation(n.ctx, s), nil
}

// serveSync answers: either a session, or single requests for bodies.
func (n *Node) serveSync(s network.Stream) {
	p := s.Conn().RemotePeer()
	if n.off&guardStream == 0 && !n.gate.member(p) || !n.takeStream(p) {
		s.Reset()
		return
	}
	defer n.leaveStream(p)
	c := newConversation(n.ctx, s)
	var err error
	defer func() {
		if err != nil {
			n.log.Debug("sync answered", "peer", p, "err", err)
		}
		c.end(&err)
	}()
	first, err := c.read()
	if err != nil {
		return
	}
	if first.Want != nil {
		if err = n.satisfy(c, first.Want); err == nil {
			err = n.answer(c)
		}
		return
	}
	if first.Digest == nil {
		err = fmt.Errorf("%w sync: neither digest nor want", protocol.ErrInvalid)
		return
	}
	var news int
	if news, err = n.serveSession(c, *first.Digest); news > 0 {
		n.spread(p)
	}
}

func (n *Node) serveSession(c *conversation, theirDigest protocol.ID) (int, error) {
	mine := n.summaries(c.peer)
	digest := protocol.SummariesDigest(mine)
	if err := c.write(protocol.SyncFrame{Digest: &digest}); err != nil {
		return 0, err
	}
	if digest == theirDigest && !incomplete(mine) {
		return 0, n.answer(c)
	}
	theirs, err := c.readSummaries()
	if err != nil {
		return 0, err
	}
	if err := c.writeSummaries(mine); err != nil {
		return 0, err
	}
	if err := n.answer(c); err != nil {
		return 0, err
	}
	return n.pull(c, mine, theirs)
}

// summaries returns what we hold of the streams both sides may see.
func (n *Node) summaries(p peer.ID) []protocol.Summary {
	node, ok := NodeID(p)
	if !ok {
		return nil
	}
	o, now := n.look(), time.Now()
	return n.store.Summaries(func(s protocol.Stream) bool {
		author, known := o.Nodes[s.Node]
		return known && o.MaySee(s, author.Org, node, now).Allowed
	})
}

func incomplete(summaries []protocol.Summary) bool {
	for _, s := range summaries {
		if len(s.Gaps) > 0 {
			return true
		}
	}
	return false
}

// pull asks for what the other side's summaries show and we lack: statements
// first, since they decide whom we know.
func (n *Node) pull(c *conversation, mine, theirs []protocol.Summary) (news int, err error) {
	held := map[protocol.ID]protocol.Summary{}
	for _, s := range mine {
		held[s.Stream.ID()] = s
	}
	for _, kind := range []protocol.Kind{protocol.Statements, protocol.Objects} {
		for _, s := range theirs {
			if s.Stream.Kind != kind {
				continue
			}
			id := s.Stream.ID()
			got, err := n.pullStream(c, id, n.missing(held[id], s))
			news += got
			if err != nil {
				return news, err
			}
		}
	}
	got, err := n.pullBodies(c, theirs)
	return news + got, err
}

func (n *Node) pullStream(c *conversation, stream protocol.ID, ranges []protocol.Range) (int, error) {
	if len(ranges) == 0 {
		return 0, nil
	}
	if err := c.write(protocol.SyncFrame{Want: &protocol.Want{Stream: stream, Ranges: ranges}}); err != nil {
		return 0, err
	}
	return n.take(c)
}

// missing returns the ranges of a stream to ask for: our gaps, and what lies
// between what we hold and each of their heads that we do not.
func (n *Node) missing(mine, theirs protocol.Summary) []protocol.Range {
	ranges := slices.Clone(mine.Gaps)
	var newest protocol.Position
	if len(mine.Heads) > 0 {
		newest = mine.Heads[len(mine.Heads)-1].Position
	}
	for _, h := range theirs.Heads {
		if held, _ := n.store.Has(h.ID); held {
			continue
		}
		from := newest
		if h.Position.Compare(newest) <= 0 { // a branch below our newest: all of its epoch
			from = protocol.Position{Epoch: h.Position.Epoch}
		}
		ranges = append(ranges, protocol.Range{From: from, To: h.Position})
	}
	return ranges[:min(len(ranges), 64)]
}

// take admits what comes until the list ends.
func (n *Node) take(c *conversation) (news int, err error) {
	var batch []arrival
	size := 0
	flush := func() error {
		got, err := n.receive(n.ctx, batch)
		news, batch, size = news+got, batch[:0], 0
		return err
	}
	for {
		f, err := c.read()
		switch {
		case err != nil:
			return news, err
		case f.End != nil:
			return news, flush()
		case f.Bulletin == nil:
			return news, fmt.Errorf("%w sync: a bulletin was due", protocol.ErrInvalid)
		}
		if id, body, err := protocol.Peek(f.Bulletin); err == nil && n.have(id, body) {
			continue
		}
		b, err := protocol.Open(f.Bulletin)
		if errors.Is(err, protocol.ErrUnsupported) { // of a later version: a gap until we are
			continue
		}
		if err != nil {
			return news, err
		}
		batch, size = append(batch, arrival{b, c.peer}), size+len(f.Bulletin)
		if len(batch) >= maxBatch || size > 2<<20 {
			if err := flush(); err != nil {
				return news, err
			}
		}
	}
}

// have reports whether a bulletin would bring nothing: cheaper to know than
// its signature is to verify.
func (n *Node) have(id protocol.ID, body bool) bool {
	held, state := n.store.Has(id)
	return held && (!body || state == storage.Held)
}

// pullBodies asks for bodies of headers we hold, of the streams the other side
// has, and says that our turn is over.
func (n *Node) pullBodies(c *conversation, theirs []protocol.Summary) (news int, err error) {
	streams := map[protocol.ID]bool{}
	for _, s := range theirs {
		streams[s.Stream.ID()] = true
	}
	asked := map[protocol.ID]bool{}
	for {
		var ids []protocol.ID
		for _, id := range n.store.Wanted(4096) {
			b, state, err := n.store.Header(id)
			if err == nil && state == storage.Absent && !asked[id] && streams[b.Header.Stream().ID()] && len(ids) < wantBodies {
				ids = append(ids, id)
				asked[id] = true
			}
		}
		if len(ids) == 0 {
			return news, c.write(protocol.SyncFrame{End: &struct{}{}})
		}
		if err := c.write(protocol.SyncFrame{Want: &protocol.Want{Bodies: ids}}); err != nil {
			return news, err
		}
		got, err := n.take(c)
		news += got
		if err != nil {
			return news, err
		}
	}
}

// answer satisfies the other side's wants until its turn is over.
func (n *Node) answer(c *conversation) error {
	for {
		f, err := c.read()
		switch {
		case err != nil:
			return err
		case f.End != nil:
			return nil
		case f.Want == nil:
			return fmt.Errorf("%w sync: a want was due", protocol.ErrInvalid)
		}
		if err := n.satisfy(c, f.Want); err != nil {
			return err
		}
	}
}

// satisfy sends what was asked for, as far as the peer may have it now.
func (n *Node) satisfy(c *conversation, w *protocol.Want) error {
	for _, id := range w.Bodies {
		if wire := n.release(id, c.peer, true); wire != nil {
			if err := c.write(protocol.SyncFrame{Bulletin: wire}); err != nil {
				return err
			}
		}
	}
	for _, r := range w.Ranges {
		for b, err := range n.store.Headers(w.Stream, r) {
			if err != nil {
				return err
			}
			whole := b.Header.Size <= protocol.MaxWhole
			if _, body := n.store.Has(b.ID()); body != storage.Held {
				whole = false
			}
			if wire := n.release(b.ID(), c.peer, whole); wire != nil {
				if err := c.write(protocol.SyncFrame{Bulletin: wire}); err != nil {
					return err
				}
			}
		}
	}
	return c.write(protocol.SyncFrame{End: &struct{}{}})
}
