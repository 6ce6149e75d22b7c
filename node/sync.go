package node

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/tocsin-exchange/tocsin/protocol"
	"github.com/tocsin-exchange/tocsin/storage"
	"github.com/tocsin-exchange/tocsin/trust"
)

const (
	syncIdle      = 30 * time.Second // a session without progress ends
	syncLasts     = 5 * time.Minute  // any session ends; the next goes on
	syncSessions  = 4                // we hold at a time
	syncStreams   = 8                // we answer at a time for one peer
	wantBodies    = 8                // asked for at a time
	answerHeaders = 256              // sent for one want, then others have their turn
	answerBytes   = 1 << 20          // the same, in bytes
	answerSlack   = 4                // times that we take from others
	maxSummaries  = 16_384           // of one peer
	summaryBytes  = 4 << 20          // of one peer's summaries
	maxLacks      = 16               // told to an author at a time
	pullAgain     = 10 * time.Second // after a session that left out authors of whom much was asked for of late
)

// syncWith holds one session as its caller: digests first, and when they are
// equal and nobody has a gap no summaries. Then each side in turn asks for headers
// and bodies it lacks.
func (n *Node) syncWith(ctx context.Context, p peer.ID) (news int, err error) {
	c, err := n.openSync(ctx, p)
	if err != nil {
		return 0, err
	}
	defer c.end(&err)
	mine := n.summaries(p)
	digest := protocol.SummariesDigest(mine)
	if err := c.write(n.greeting(p, digest)); err != nil {
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
		n.compared(p, mine, mine, f.Lacks)
		if news, err = n.pullBodies(c, mine); err != nil {
			return news, err
		}
		if err := n.answer(c); err != nil && !errors.Is(err, io.EOF) { // closed: it wants nothing
			return news, err
		}
		return news, nil
	}
	if err := c.writeSummaries(mine); err != nil {
		return 0, err
	}
	theirs, err := c.readSummaries()
	if err != nil {
		return 0, err
	}
	n.ownShown(theirs)
	n.compared(p, mine, theirs, f.Lacks)
	if news, err = n.pull(c, mine, theirs); err != nil {
		return news, err
	}
	n.gotAll(p)
	if err := n.answer(c); err != nil {
		return news, err
	}
	n.tookAll(p, mine)
	return news, nil
}

// greeting is our digest, and what we lack of the peer's own word.
func (n *Node) greeting(p peer.ID, digest protocol.ID) protocol.SyncFrame {
	f := protocol.SyncFrame{Digest: &digest}
	node, _ := NodeID(p)
	if cert, known := n.look().Nodes[node]; known {
		if total, some := n.store.Lacking(cert.Org, maxLacks); total > 0 {
			f.Lacks = &protocol.Lacks{Total: uint64(total), Sample: some}
		}
	}
	return f
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
	return n.newConversation(s), nil
}

// serveSync answers: either a session, or single requests for bodies.
func (n *Node) serveSync(s network.Stream) {
	n.converse(s, func(c *conversation) error {
		first, err := c.read()
		switch {
		case err != nil:
			return err
		case first.Want != nil:
			if err := n.satisfy(c, first.Want); err != nil {
				return err
			}
			return n.answer(c)
		case first.Digest == nil:
			return fmt.Errorf("%w sync: neither digest nor want", protocol.ErrInvalid)
		}
		leave, err := n.takeSession(c)
		if err != nil {
			return err
		}
		defer leave()
		news, err := n.serveSession(c, first)
		if news > 0 {
			n.spread(c.peer)
		} else {
			n.gate.vain(c.peer, costSession+costByte*float64(c.got.bytes))
		}
		return err
	})
}

func (n *Node) serveSession(c *conversation, first protocol.SyncFrame) (int, error) {
	mine := n.summaries(c.peer)
	digest := protocol.SummariesDigest(mine)
	if err := c.write(n.greeting(c.peer, digest)); err != nil {
		return 0, err
	}
	if digest == *first.Digest && !incomplete(mine) {
		n.compared(c.peer, mine, mine, first.Lacks)
		if err := n.answer(c); err != nil || !n.wantsOf(mine) {
			return 0, err
		}
		return n.pullBodies(c, mine) // heads say nothing of bodies
	}
	theirs, err := c.readSummaries()
	if err != nil {
		return 0, err
	}
	n.ownShown(theirs)
	n.compared(c.peer, mine, theirs, first.Lacks)
	if err := c.writeSummaries(mine); err != nil {
		return 0, err
	}
	if err := n.answer(c); err != nil {
		return 0, err
	}
	n.tookAll(c.peer, mine)
	news, err := n.pull(c, mine, theirs)
	if err == nil {
		n.gotAll(c.peer)
	}
	return news, err
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
// first, since they decide whom we know, then every stream in turn, a slice of
// each at a time, so that a flood in one does not keep a trickle in another
// waiting.
func (n *Node) pull(c *conversation, mine, theirs []protocol.Summary) (news int, err error) {
	o, held := n.look(), map[protocol.ID]protocol.Summary{}
	for _, s := range mine {
		held[s.Stream.ID()] = s
	}
	for _, kind := range []protocol.Kind{protocol.Statements, protocol.Objects} {
		var turns []turn
		for _, s := range theirs {
			id := s.Stream.ID()
			if ranges := protocol.Missing(held[id], s, n.holds); s.Stream.Kind == kind && len(ranges) > 0 {
				turns = append(turns, turn{protocol.Want{Stream: id, Ranges: ranges}, s.Stream, o.Nodes[s.Stream.Node].Org})
			}
		}
		got, err := n.pullHeaders(c, turns)
		news += got
		if err != nil {
			return news, err
		}
	}
	got, err := n.pullBodies(c, theirs)
	return news + got, err
}

// A turn is one slice of an author's stream to ask for.
type turn struct {
	want   protocol.Want
	stream protocol.Stream
	author protocol.Org // zero: not known yet
}

func (n *Node) pullHeaders(c *conversation, turns []turn) (news int, err error) {
	for len(turns) > 0 {
		t, want := turns[0], turns[0].want
		turns = turns[1:]
		if now := time.Now(); n.quota.shut(t.stream, t.author, n.counters.load.others(t.author, now), now) {
			n.syncSoon(c.peer, pullAgain) // the rest another time: it is missed until then
			continue
		}
		if err := c.write(protocol.SyncFrame{Want: &want}); err != nil {
			return news, err
		}
		got, rest, err := n.take(c, answerSlack*answerHeaders, answerSlack*answerBytes)
		news += got
		if err != nil {
			return news, err
		}
		if len(rest) == 0 {
			continue
		}
		if !shorter(rest, want.Ranges) {
			return news, fmt.Errorf("%w sync: an answer that leaves as much as was wanted", protocol.ErrInvalid)
		}
		turns = append(turns, turn{protocol.Want{Stream: want.Stream, Ranges: rest}, t.stream, t.author})
	}
	return news, nil
}

// shorter reports whether rest is the end of what was asked for, so that
// asking on comes to an end.
func shorter(rest, asked []protocol.Range) bool {
	skip := len(asked) - len(rest)
	if skip < 0 || !slices.Equal(rest[1:], asked[skip+1:]) {
		return false
	}
	first := asked[skip]
	return rest[0].To == first.To && (skip > 0 || rest[0].From.Compare(first.From) > 0) && rest[0].From.Compare(first.From) >= 0
}

// take admits what comes until the list ends, and returns how much of it was
// new and what of the want is left to ask for. More bulletins than were asked
// for, or more bytes and one bulletin, are no answer.
func (n *Node) take(c *conversation, most, mostBytes int) (news int, rest []protocol.Range, err error) {
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
			return news, nil, errors.Join(err, flush()) // what came before the cut need not come again
		case f.End != nil:
			return news, f.End.Rest, flush()
		case f.Bulletin == nil && f.Sealed == nil:
			return news, nil, fmt.Errorf("%w sync: a bulletin was due", protocol.ErrInvalid)
		case most <= 0 || mostBytes <= 0:
			return news, nil, errors.Join(fmt.Errorf("%w sync: more than was asked for", protocol.ErrInvalid), flush())
		}
		b, bytes, err := n.open(f)
		most, mostBytes = most-1, mostBytes-bytes
		if errors.Is(err, protocol.ErrUnsupported) { // of a later version: a gap until we are
			continue
		}
		if err != nil {
			return news, nil, errors.Join(err, flush())
		}
		if b == nil {
			continue
		}
		n.quota.pulled(&b.Header, time.Now())
		batch, size = append(batch, arrival{bulletin: b, from: c.peer}), size+bytes
		if len(batch) >= maxBatch || size > 2<<20 {
			if err := flush(); err != nil {
				return news, nil, err
			}
		}
	}
}

// open verifies the bulletin of a frame; nil for one that would bring nothing.
func (n *Node) open(f protocol.SyncFrame) (b *protocol.Bulletin, bytes int, err error) {
	if f.Sealed != nil {
		if n.have(f.Sealed.Bulletin, true) {
			return nil, len(f.Sealed.Text), nil
		}
		b, err = n.unseal(f.Sealed)
		return b, len(f.Sealed.Text), err
	}
	if id, body, err := protocol.Peek(f.Bulletin); err == nil && n.have(id, body) {
		return nil, len(f.Bulletin), nil
	}
	b, err = protocol.Open(f.Bulletin)
	if err == nil && trust.Named(b.Header.TLP) {
		err = fmt.Errorf("%w sync: %s that is not sealed", protocol.ErrInvalid, b.Header.TLP.Label())
	}
	return b, len(f.Bulletin), err
}

// holds reports whether a header is held.
func (n *Node) holds(id protocol.ID) bool {
	held, _ := n.store.Has(id)
	return held
}

// have reports whether a bulletin would bring nothing: cheaper to know than
// its signature is to verify.
func (n *Node) have(id protocol.ID, body bool) bool {
	held, state := n.store.Has(id)
	return held && (!body || state == storage.Held) || n.later.holds(id, body)
}

// wantsOf reports whether we lack bodies of some streams.
func (n *Node) wantsOf(summaries []protocol.Summary) bool {
	streams := map[protocol.ID]bool{}
	for _, w := range n.store.Wanted(4096) {
		streams[w.Stream] = true
	}
	return slices.ContainsFunc(summaries, func(s protocol.Summary) bool { return streams[s.Stream.ID()] })
}

// pullBodies asks for bodies of headers we hold, of the streams the other side
// has, and says that our turn is over.
func (n *Node) pullBodies(c *conversation, theirs []protocol.Summary) (news int, err error) {
	streams := map[protocol.ID]bool{}
	for _, s := range theirs {
		streams[s.Stream.ID()] = true
	}
	asked, skipped := map[protocol.ID]bool{}, 0
	for {
		var ids []protocol.ID
		for _, w := range n.store.Wanted(4096) {
			if streams[w.Stream] && !asked[w.ID] {
				ids = append(ids, w.ID)
				asked[w.ID] = true
			}
		}
		if len(ids) == 0 {
			if skipped > 0 { // whoever was asked for them may not bring them
				n.syncSoon(c.peer, askedFor)
			}
			return news, c.write(protocol.SyncFrame{End: &protocol.End{}})
		}
		for all := range slices.Chunk(ids, wantBodies) {
			some := n.asking.claim(all, time.Now())
			if skipped += len(all) - len(some); len(some) == 0 {
				continue
			}
			got, err := n.pullSome(c, some)
			n.asking.end(some)
			news += got
			if err != nil {
				return news, err
			}
		}
	}
}

func (n *Node) pullSome(c *conversation, ids []protocol.ID) (news int, err error) {
	if err := c.write(protocol.SyncFrame{Want: &protocol.Want{Bodies: ids}}); err != nil {
		return 0, err
	}
	news, _, err = n.take(c, len(ids), len(ids)*protocol.MaxFrame)
	return news, err
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

// satisfy sends what was asked for, as far as the peer may have it now, and no
// more headers than one turn is worth.
func (n *Node) satisfy(c *conversation, w *protocol.Want) error {
	n.standBack(c.peer)
	headers, bytes := 0, 0
	defer func() { n.serves(c.peer, bytes) }()
	for _, id := range w.Bodies {
		if f, size := n.release(id, c.peer, true); size > 0 {
			bytes += size
			n.handedBody(c, id)
			if err := c.write(f); err != nil {
				return err
			}
		}
	}
	for i, r := range w.Ranges {
		for b, err := range n.store.Headers(w.Stream, r) {
			if err != nil {
				continue // damaged here: a gap there, until another brings it
			}
			if headers >= answerHeaders || bytes >= answerBytes {
				rest := slices.Clone(w.Ranges[i:])
				rest[0].From = before(b.Header.Position())
				return c.write(protocol.SyncFrame{End: &protocol.End{Rest: rest}})
			}
			sent, err := n.sendHeader(c, b)
			if err != nil {
				return err
			}
			headers, bytes = headers+1, bytes+sent
		}
	}
	return c.write(protocol.SyncFrame{End: &protocol.End{}})
}

// before returns the place that a range from p on is exclusive of.
func before(p protocol.Position) protocol.Position {
	return protocol.Position{Epoch: p.Epoch, Seq: p.Seq - 1}
}

// sendHeader sends a header, with its body where that is here and small.
func (n *Node) sendHeader(c *conversation, b *protocol.Bulletin) (bytes int, err error) {
	whole := b.Header.Size <= protocol.MaxWhole
	if _, body := n.store.Has(b.ID()); body != storage.Held {
		whole = false
	}
	f, size := n.release(b.ID(), c.peer, whole)
	if size == 0 {
		return 0, nil
	}
	c.handed(&b.Header, whole)
	return size, c.write(f)
}
