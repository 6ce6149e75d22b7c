package node

import (
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/tocsin-exchange/tocsin/protocol"
	"github.com/tocsin-exchange/tocsin/storage"
	"github.com/tocsin-exchange/tocsin/trust"
)

const (
	deliverSessions = 8               // deliveries under way at a time
	deliverAgain    = 5 * time.Minute // the longest between attempts at a connected node
	maxRelays       = 4096            // receipts of clients kept for their authors
)

// An outbox knows what named recipients are still owed: nothing is put into it.
// A bulletin of ours above GREEN, an erasure of ours, and what goes on to a
// client are owed to every node that may have them until its signed receipt is
// here. So it is as durable as the bulletins and the receipts are.
type outbox struct {
	news chan struct{} // something may be owed

	mu      sync.Mutex
	settled map[protocol.Node]map[protocol.ID]protocol.Position // by node and stream: nothing is owed up to there
	late    uint64                                              // how often something came that may lie before such a place
	tries   map[protocol.Node]*attempt
	waiting map[protocol.Node]bool // owed something, and not connected
	relays  []relay                // receipts of clients, for the authors of what we passed on
	dropped uint64                 // relays there was no room for
}

// An attempt is how delivering to a node went.
type attempt struct {
	failures int
	next     time.Time
	reason   string // why something was not taken; "" when all was
}

func newOutbox() *outbox {
	return &outbox{
		news: make(chan struct{}, 1), settled: map[protocol.Node]map[protocol.ID]protocol.Position{},
		tries: map[protocol.Node]*attempt{}, waiting: map[protocol.Node]bool{},
	}
}

// runDeliver brings nodes what they are owed, one session a node at a time.
func (n *Node) runDeliver() {
	n.loadRelays()
	running, finished := map[protocol.Node]bool{}, make(chan protocol.Node, deliverSessions)
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-n.ctx.Done():
			for len(running) > 0 {
				delete(running, <-finished)
			}
			return
		case node := <-finished:
			delete(running, node)
		case <-n.outbox.news:
		case <-timer.C:
		}
		timer.Reset(n.beginDeliveries(running, finished))
	}
}

// beginDeliveries starts what is due and returns how long until something else is.
func (n *Node) beginDeliveries(running map[protocol.Node]bool, finished chan<- protocol.Node) time.Duration {
	o, now, next := n.look(), time.Now(), time.Minute
	named := n.namedStreams()
	for node := range o.Nodes {
		if node == n.cert.Node || running[node] {
			continue
		}
		owed := len(n.owed(o, named, node, 1)) > 0 || n.outbox.hasRelays(o.Nodes[node].Org)
		connected := n.connected(node)
		if n.outbox.wait(node, owed && !connected) {
			signal(n.redial)
		}
		wait := n.outbox.due(node).Sub(now)
		switch {
		case !owed || !connected: // a connection says so itself
		case wait > 0:
			next = min(next, wait)
		case len(running) < deliverSessions:
			running[node] = true
			n.wg.Go(func() {
				n.deliver(node)
				finished <- node
			})
		}
	}
	return next
}

// wait notes whether a node is owed something that only a connection brings,
// and reports whether that is new.
func (x *outbox) wait(node protocol.Node, waits bool) (began bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	began = waits && !x.waiting[node]
	if waits {
		x.waiting[node] = true
	} else {
		delete(x.waiting, node)
	}
	return began
}

// awaits reports whether a node should be connected for the sake of what it is owed.
func (x *outbox) awaits(node protocol.Node) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.waiting[node]
}

func (x *outbox) due(node protocol.Node) time.Time {
	x.mu.Lock()
	defer x.mu.Unlock()
	if t := x.tries[node]; t != nil {
		return t.next
	}
	return time.Time{}
}

// tried notes how a session went: after a failure, or when something was not
// taken, the next one is put off, for longer each time.
func (x *outbox) tried(node protocol.Node, reason string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	t := x.tries[node]
	if t == nil {
		t = &attempt{}
		x.tries[node] = t
	}
	t.reason = reason
	if reason == "" {
		t.failures, t.next = 0, time.Time{}
		return
	}
	t.failures++
	t.next = time.Now().Add(time.Second/2 + rand.N(min(deliverAgain, time.Second<<min(t.failures, 10))))
}

// reason says why a node has not taken all it is owed.
func (x *outbox) reason(node protocol.Node) string {
	x.mu.Lock()
	defer x.mu.Unlock()
	if t := x.tries[node]; t != nil {
		return t.reason
	}
	return ""
}

// owed lists up to limit bulletins that a node may have and has not signed for:
// statements first, since they say who may read the rest.
func (n *Node) owed(o *outlook, named []storage.StreamState, node protocol.Node, limit int) (ids []protocol.ID) {
	now := time.Now()
	cert, known := o.Nodes[node]
	if !known || !o.MayConnect(node, now).Allowed {
		return nil
	}
	for _, kind := range []protocol.Kind{protocol.Statements, protocol.Objects} {
		for _, s := range named {
			if s.Stream.Kind != kind || len(ids) >= limit {
				continue
			}
			ours := s.Stream.Node == n.cert.Node && o.MaySee(s.Stream, s.Org, node, now).Allowed
			if ours || o.MayForward(s.Stream, s.Org, cert.Org).Allowed {
				ids = n.owedOf(s, node, ids, limit)
			}
		}
		if kind == protocol.Statements {
			ids = n.owedErasures(o, node, ids, limit)
		}
	}
	return ids
}

// namedStreams lists what was said above GREEN, by us or to us.
func (n *Node) namedStreams() []storage.StreamState {
	return slices.DeleteFunc(n.store.Streams(), func(s storage.StreamState) bool { return !trust.Named(s.Stream.TLP) })
}

// owedOf walks one stream from where all is settled.
func (n *Node) owedOf(s storage.StreamState, node protocol.Node, ids []protocol.ID, limit int) []protocol.ID {
	from, late := n.outbox.settledTo(node, s.ID)
	all := true
	for b, err := range n.store.Headers(s.ID, protocol.Range{From: from, To: s.Last}) {
		if len(ids) >= limit {
			break
		}
		owes := err == nil && n.owes(b.ID(), node)
		if owes {
			ids = append(ids, b.ID())
		}
		if all = all && err == nil && !owes; all {
			n.outbox.settle(node, s.ID, b.Header.Position(), late)
		}
	}
	return ids
}

// owes reports whether a bulletin that can be delivered lacks a node's receipt.
func (n *Node) owes(id protocol.ID, node protocol.Node) bool {
	if _, body := n.store.Has(id); body != storage.Held {
		return false
	}
	_, signed, err := n.store.Table(tableReceipts).Load(receiptKey(id, node))
	return err == nil && !signed
}

// owedErasures adds our erasures under CLEAR and GREEN: gossip and sync carry
// them, and every member signs that it has carried them out.
func (n *Node) owedErasures(o *outlook, node protocol.Node, ids []protocol.ID, limit int) []protocol.ID {
	for _, id := range n.ownErasures() {
		if len(ids) >= limit {
			break
		}
		if b, _, err := n.store.Header(id); err == nil && o.MayReceive(&b.Header, node, time.Now()).Allowed && n.owes(id, node) {
			ids = append(ids, id)
		}
	}
	return ids
}

func (x *outbox) settledTo(node protocol.Node, stream protocol.ID) (p protocol.Position, late uint64) {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.settled[node][stream], x.late
}

// settle is for whoever has looked at a stream since settledTo.
func (x *outbox) settle(node protocol.Node, stream protocol.ID, p protocol.Position, late uint64) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if late != x.late {
		return // something came meanwhile, perhaps before p
	}
	if x.settled[node] == nil {
		x.settled[node] = map[protocol.ID]protocol.Position{}
	}
	x.settled[node][stream] = p
}

// reopen is told of a body that came: after its header, or into a gap, so that
// others were held to owe nothing up to beyond it.
func (x *outbox) reopen(stream protocol.ID, p protocol.Position) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.late++
	for _, settled := range x.settled {
		if to, is := settled[stream]; is && to.Compare(p) >= 0 {
			settled[stream] = before(p)
		}
	}
}

// A relay is a client's receipt on its way to the author of what we passed on.
type relay struct {
	to      protocol.Org
	receipt *protocol.Receipt
}

func (x *outbox) relay(r relay) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if len(x.relays) >= maxRelays {
		x.dropped++
		return
	}
	x.relays = append(x.relays, r)
}

// takeRelays takes the receipts that are for an organisation.
func (x *outbox) takeRelays(org protocol.Org) (list []relay) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.relays = slices.DeleteFunc(x.relays, func(r relay) bool {
		if r.to == org {
			list = append(list, r)
		}
		return r.to == org
	})
	return list
}

func (x *outbox) hasRelays(org protocol.Org) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	return slices.ContainsFunc(x.relays, func(r relay) bool { return r.to == org })
}

// authorOf returns who said a bulletin, nobody when it is not held.
func (n *Node) authorOf(id protocol.ID) protocol.Org {
	b, _, err := n.store.Header(id)
	if err != nil {
		return protocol.Org{}
	}
	return b.Header.Org()
}

// loadRelays finds the clients' receipts that may not have reached the authors.
func (n *Node) loadRelays() {
	for _, value := range n.store.Table(tableReceipts).All() {
		r, err := protocol.DecodeReceipt(value)
		if err != nil {
			continue
		}
		if author := n.authorOf(r.Bulletin); author != n.cert.Org {
			n.outbox.relay(relay{author, r})
		}
	}
}
