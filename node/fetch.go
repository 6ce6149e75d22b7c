package node

import (
	"context"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/tocsin-exchange/tocsin/protocol"
	"github.com/tocsin-exchange/tocsin/storage"
)

// A fetch is a body to ask for: of whoever passed on its header, then of others.
type fetch struct {
	id    protocol.ID
	from  peer.ID
	tries int
}

const (
	fetchTries   = 3
	fetchWorkers = 4
	fetchWaiting = 16384
	fetchBodies  = 32 // asked for in one stream
)

func (n *Node) fetchSoon(id protocol.ID, from peer.ID) {
	select {
	case n.fetches <- fetch{id: id, from: from}:
	default:
		n.counters.fetchOverflow.Add(1)
		n.syncAllSoon()
	}
}

// runFetch asks for bodies, for one peer's in one stream.
func (n *Node) runFetch() {
	waiting, running, count := map[peer.ID][]fetch{}, map[peer.ID]bool{}, 0
	finished := make(chan fetched, fetchWorkers)
	for {
		select {
		case <-n.ctx.Done():
			for len(running) > 0 {
				delete(running, (<-finished).from)
			}
			return
		case f := <-n.fetches:
			if count >= fetchWaiting { // sync brings it
				n.counters.fetchOverflow.Add(1)
				n.syncAllSoon()
				continue
			}
			waiting[f.from], count = append(waiting[f.from], f), count+1
		case done := <-finished:
			delete(running, done.from)
			for _, f := range done.missed {
				waiting[f.from], count = append(waiting[f.from], f), count+1
			}
		}
		for p, list := range waiting {
			if running[p] || len(running) >= fetchWorkers {
				continue
			}
			batch := list[:min(len(list), fetchBodies)]
			count -= len(batch)
			if waiting[p] = list[len(batch):]; len(waiting[p]) == 0 {
				delete(waiting, p)
			}
			running[p] = true
			n.wg.Go(func() { finished <- fetched{p, n.fetchFrom(p, batch)} })
		}
	}
}

type fetched struct {
	from   peer.ID
	missed []fetch
}

// fetchFrom asks p and returns what is still missing, to be asked of others.
func (n *Node) fetchFrom(p peer.ID, batch []fetch) []fetch {
	ctx, cancel := context.WithTimeout(n.ctx, 2*time.Minute)
	defer cancel()
	var ids []protocol.ID
	for _, f := range batch {
		if _, body := n.store.Has(f.id); body == storage.Absent {
			ids = append(ids, f.id)
		}
	}
	ids = n.asking.claim(ids, time.Now())
	if len(ids) > 0 {
		if err := n.askBodies(ctx, p, ids); err != nil {
			n.log.Debug("fetch", "peer", p, "err", err)
		}
		n.asking.end(ids)
	}
	var missed []fetch
	for _, f := range batch {
		if _, body := n.store.Has(f.id); body != storage.Absent || n.ctx.Err() != nil || !slices.Contains(ids, f.id) {
			continue // it is here, or a session asks for it
		}
		f.tries++
		other, ok := n.otherMember(f.from)
		if f.tries >= fetchTries || !ok {
			n.syncAllSoon()
			continue
		}
		f.from = other
		missed = append(missed, f)
	}
	return missed
}

func (n *Node) askBodies(ctx context.Context, p peer.ID, ids []protocol.ID) (err error) {
	c, err := n.openSync(ctx, p)
	if err != nil {
		return err
	}
	defer c.end(&err)
	if err := c.write(protocol.SyncFrame{Want: &protocol.Want{Bodies: ids}}); err != nil {
		return err
	}
	if _, _, err := n.take(c, len(ids), len(ids)*protocol.MaxFrame); err != nil {
		return err
	}
	return c.write(protocol.SyncFrame{End: &protocol.End{}})
}

// otherMember returns a random connected member that is not p.
func (n *Node) otherMember(p peer.ID) (peer.ID, bool) {
	var others []peer.ID
	for _, q := range n.host.Network().Peers() {
		if q != p && n.gate.member(q) {
			others = append(others, q)
		}
	}
	if len(others) == 0 {
		return "", false
	}
	return others[rand.N(len(others))], true
}
