package node

import (
	"context"
	"sync"
	"time"

	"github.com/tocsin-exchange/tocsin/protocol"
	"github.com/tocsin-exchange/tocsin/storage"
)

// Quotas of the disk. What an organisation may have us store grows evenly with
// time, up to sixteen days' worth, so that whoever comes new can take in the
// past of the others. Counting begins anew when the node starts.
const (
	dailyQuota = 256 << 20 // bytes of objects a day, unless configured
	quotaBurst = 16        // days' worth at once
	quotaEvery = time.Hour // between looks at who has room again

	// An organisation's headers, and its statements, have a quarter of this each,
	// and the statements of one node key a sixteenth of that: a stolen key cannot
	// use up what its owner needs to revoke it.
	shareOfHeaders, shareOfStatements, shareOfNode = 4, 4, 64

	ruleOverQuota = "over-quota" // why a body was declined
)

// A quota counts the bytes that organisations have us store.
type quota struct {
	daily                                float64
	objects, statements, byNode, headers budget
	pulls                                budget // bulletins asked for in sessions

	mu   sync.Mutex
	over map[protocol.Org]bool // had bodies declined that were not asked for again yet
}

func newQuota(daily int64) *quota {
	if daily <= 0 {
		daily = dailyQuota
	}
	return &quota{daily: float64(daily), over: map[protocol.Org]bool{}}
}

func (q *quota) share(part float64) allowance {
	return allowance{q.daily / part / (24 * time.Hour).Seconds(), q.daily / part * quotaBurst}
}

// takeHeader charges a header to its author; false: it has used up its quota.
func (q *quota) takeHeader(b *protocol.Bulletin, now time.Time) bool {
	bytes, _ := b.HeaderBytes()
	return q.headers.spend(b.Header.Org(), float64(len(bytes)), q.share(shareOfHeaders), now)
}

// takeBody charges a body to its author; false: it is to be declined.
func (q *quota) takeBody(b *protocol.Bulletin, now time.Time) (ok bool) {
	org, size := b.Header.Org(), float64(len(b.Body()))
	if b.Header.Kind == protocol.Statements {
		ok = q.byNode.spend(b.Header.Certificate.Node, size, q.share(shareOfNode), now) && q.statements.spend(org, size, q.share(shareOfStatements), now)
	} else {
		ok = q.objects.spend(org, size, q.share(1), now)
	}
	if !ok {
		q.mark(org)
	}
	return ok
}

func (q *quota) mark(org protocol.Org) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.over[org] = true
}

// shut reports whether nothing of a stream is to be asked for now: its author has
// no quota left for headers, or said so much of late that others come first.
func (q *quota) shut(s protocol.Stream, org protocol.Org, now time.Time) bool {
	return !q.headers.has(org, protocol.MaxHeader, q.share(shareOfHeaders), now) || !q.pulls.has(puller(s, org), 1, pullRate, now)
}

// pulled counts a bulletin that a session brought.
func (q *quota) pulled(h *protocol.Header, now time.Time) {
	q.pulls.owe(puller(h.Stream(), h.Org()), 1, pullRate, now)
}

// puller is whose pulls those of a stream count as: its organisation's, or its
// node's where a stolen key must not use up what its owner needs to revoke it.
func puller(s protocol.Stream, org protocol.Org) [32]byte {
	if s.Kind == protocol.Statements {
		return s.Node
	}
	return org
}

// roomy returns who had bodies declined and has room for half a day's again.
func (q *quota) roomy(now time.Time) (orgs []protocol.Org) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for org := range q.over {
		if q.objects.has(org, q.daily/2, q.share(1), now) {
			orgs = append(orgs, org)
			delete(q.over, org)
		}
	}
	return orgs
}

// overQuota says whether what trust lets in is too much of its author's, and of
// what: then no header, or the header alone.
func (n *Node) overQuota(b *protocol.Bulletin, now time.Time) (header, body bool) {
	if b.Header.Org() == n.cert.Org {
		return false, false
	}
	held, state := n.store.Has(b.ID())
	if !held && !n.quota.takeHeader(b, now) {
		n.counters.overHeaders.Add(1)
		return true, true
	}
	if b.HasBody() && state != storage.Held && !n.quota.takeBody(b, now) {
		n.counters.overQuota.Add(1)
		return false, true
	}
	return false, false
}

// runQuota asks again for bodies that were over their author's quota, once
// there is room: also for those declined before a restart.
func (n *Node) runQuota() {
	n.counters.served.keep(int(n.store.Stats().DiskBytes) * packed)
	for _, s := range n.store.Streams() {
		if s.Bodies[storage.Declined] > 0 {
			n.quota.mark(s.Org)
		}
	}
	tick := time.NewTicker(quotaEvery)
	defer tick.Stop()
	for {
		select {
		case <-n.ctx.Done():
			return
		case <-tick.C:
		}
		for _, org := range n.quota.roomy(time.Now()) {
			if err := n.askAgain(n.ctx, org); err != nil && n.ctx.Err() == nil {
				n.log.Error("bodies over quota are not asked for again", "err", err)
			}
		}
	}
}

// askAgain turns an organisation's bodies declined for its quota into wanted ones.
func (n *Node) askAgain(ctx context.Context, org protocol.Org) error {
	var again []storage.Entry
	for _, s := range n.store.Streams() {
		if s.Org != org || s.Bodies[storage.Declined] == 0 {
			continue
		}
		for b, err := range n.store.Headers(s.ID, protocol.Range{To: s.Last}) {
			if err != nil {
				return err
			}
			if _, state := n.store.Has(b.ID()); state != storage.Declined {
				continue
			}
			if r, err := n.store.Receipt(b.ID()); err == nil && r.Reason == ruleOverQuota {
				again = append(again, storage.Entry{Bulletin: b, Body: storage.Absent, Reason: "within-quota", Again: true})
			}
		}
	}
	if len(again) == 0 {
		return nil
	}
	defer n.syncAllSoon()
	_, err := n.admit(ctx, again)
	return err
}
