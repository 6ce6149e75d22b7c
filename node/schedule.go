package node

import (
	"math/rand/v2"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/tocsin-exchange/tocsin/protocol"
)

// runSync holds sessions: with whoever was asked for, and every so often with
// a random member. One session a peer at a time.
func (n *Node) runSync() {
	due, running := map[peer.ID]time.Time{}, map[peer.ID]bool{}
	had := map[protocol.Node]bool{} // their turn
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
			if p, ok := n.randomMember(had); ok {
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
	if n.ctx.Err() != nil {
		return
	}
	if news > 0 {
		n.log.Info("sync", "peer", p, "new", news)
		n.spread(p)
	}
	switch {
	case err != nil: // it goes on from here, or later where nothing came of it
		n.counters.syncFailures.Add(1)
		n.log.Debug("sync", "peer", p, "err", err)
		n.again(p, news > 0)
	case news > 0 && incomplete(n.summaries(p)): // more was missing than one session asks for
		n.again(p, true)
	}
}

// again holds another session with a peer that is still connected.
func (n *Node) again(p peer.ID, soon bool) {
	wait := 15 * time.Second
	if soon {
		wait = 500 * time.Millisecond
	}
	if n.host.Network().Connectedness(p) == network.Connected {
		n.syncSoon(p, wait)
	}
}

// spread lets all connections but one know soon that there is news.
func (n *Node) spread(except peer.ID) {
	for _, p := range n.host.Network().Peers() {
		if p != except && n.gate.member(p) {
			n.syncSoon(p, 2*time.Second)
		}
	}
}

// noticeGaps asks whoever brought a header for what lies before it and is not
// held.
func (n *Node) noticeGaps(batch []arrival) {
	for _, a := range batch {
		prev := a.bulletin.Header.Prev
		if prev.IsZero() || a.bulletin.Header.Floor != nil && a.bulletin.Header.Floor.Compare(a.bulletin.Header.Position()) == 0 {
			continue
		}
		if !n.holds(prev) {
			n.counters.gaps.Add(1)
			n.syncSoon(a.from, time.Second)
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
