package node

import (
	"sync"
	"time"

	"github.com/tocsin-exchange/tocsin/protocol"
	"github.com/tocsin-exchange/tocsin/storage"
	"github.com/tocsin-exchange/tocsin/trust/policy"
)

// Quotas of the disk and of what counts. What an organisation may have us store,
// in bytes and in objects, grows evenly with time, up to sixteen days' worth, so
// that whoever comes new can take in the past of the others. The policy says how
// much that is a day. Counting begins anew when the node starts.
const (
	quotaBurst = 16        // days' worth at once
	quotaEvery = time.Hour // between looks at who has room again

	// An organisation's headers, and its statements, have a quarter of this each,
	// and the statements of one node key a sixteenth of that: a stolen key cannot
	// use up what its owner needs to revoke it.
	shareOfHeaders, shareOfStatements, shareOfNode = 4, 4, 64

	ruleOverQuota = "over-quota" // why a body was declined
)

// A quota counts what organisations have us store.
type quota struct {
	daily                                func(protocol.Org) policy.Allowance
	objects, statements, byNode, headers budget // bytes
	count                                budget // objects
	pulls, busyPulls                     budget // bulletins asked for in sessions

	mu   sync.Mutex
	over map[protocol.Org]bool // had bodies declined that were not asked for again yet
}

func newQuota(daily func(protocol.Org) policy.Allowance) *quota {
	return &quota{daily: daily, over: map[protocol.Org]bool{}}
}

// daily is what the policy lets an organisation have us store a day.
func (n *Node) daily(org protocol.Org) policy.Allowance {
	b := n.bench()
	return b.rules.Policy.Quota.Of(b.bound.Names[org])
}

// share is a part of the bytes of an organisation.
func (q *quota) share(org protocol.Org, part float64) allowance {
	return ofDay(float64(q.daily(org).Bytes) / part)
}

func ofDay(much float64) allowance {
	return allowance{much / (24 * time.Hour).Seconds(), much * quotaBurst}
}

// takeHeader charges a header to its author; false: it has used up its quota.
func (q *quota) takeHeader(b *protocol.Bulletin, now time.Time) bool {
	bytes, _ := b.HeaderBytes()
	return q.headers.spend(b.Header.Org(), float64(len(bytes)), q.share(b.Header.Org(), shareOfHeaders), now)
}

// takeBody charges a body to its author; false: it is to be declined.
func (q *quota) takeBody(b *protocol.Bulletin, now time.Time) (ok bool) {
	org, size := b.Header.Org(), float64(len(b.Body()))
	if b.Header.Kind == protocol.Statements {
		ok = q.byNode.spend(b.Header.Certificate.Node, size, q.share(org, shareOfNode), now) && q.statements.spend(org, size, q.share(org, shareOfStatements), now)
	} else {
		ok = q.count.spend(org, float64(b.Header.Count), ofDay(float64(q.daily(org).Indicators)), now) && q.objects.spend(org, size, q.share(org, 1), now)
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
// no quota left for headers, or said so much of late that others come first; busy
// says that others have work for us.
func (q *quota) shut(s protocol.Stream, org protocol.Org, busy bool, now time.Time) bool {
	return !q.headers.has(org, protocol.MaxHeader, q.share(org, shareOfHeaders), now) || !q.pulls.has(puller(s, org), 1, pullRate, now) ||
		busy && !q.busyPulls.has(puller(s, org), 1, busyPulls, now)
}

// pulled counts a bulletin that a session brought.
func (q *quota) pulled(h *protocol.Header, now time.Time) {
	q.pulls.owe(puller(h.Stream(), h.Org()), 1, pullRate, now)
	q.busyPulls.owe(puller(h.Stream(), h.Org()), 1, busyPulls, now)
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
		day := q.daily(org)
		if q.objects.has(org, float64(day.Bytes)/2, q.share(org, 1), now) && q.count.has(org, float64(day.Indicators)/2, ofDay(float64(day.Indicators)), now) {
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
			if err := n.judgeAgain(n.ctx, func(b *protocol.Bulletin, reason string) bool {
				return b.Header.Org() == org && reason == ruleOverQuota
			}); err != nil && n.ctx.Err() == nil {
				n.log.Error("bodies over quota are not asked for again", "err", err)
			}
		}
	}
}
