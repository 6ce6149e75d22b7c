package node

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/tocsin-exchange/tocsin/protocol"
	"github.com/tocsin-exchange/tocsin/protocol/stix"
	"github.com/tocsin-exchange/tocsin/storage"
	"github.com/tocsin-exchange/tocsin/trust"
)

// An arrival is a bulletin somebody handed us.
type arrival struct {
	bulletin *protocol.Bulletin
	from     peer.ID
	forward  *protocol.Forward // it was passed on to us as a client
}

const maxBatch = 256 // bulletins admitted in one go

// runAdmit takes what gossip brings and admits it in batches, so that one
// commit serves all that waited for the one before.
func (n *Node) runAdmit() {
	for {
		select {
		case <-n.ctx.Done():
			return
		case first := <-n.arrived:
			batch := []arrival{first}
			for more := true; more && len(batch) < maxBatch; {
				select {
				case a := <-n.arrived:
					batch = append(batch, a)
				default:
					more = false
				}
			}
			_, err := n.receive(n.ctx, batch)
			for _, a := range batch {
				n.waiting.drop(a.from, sizeOf(a.bulletin))
			}
			if err != nil && n.ctx.Err() == nil {
				n.counters.unstored.Add(1)
				if !errors.Is(err, storage.ErrReadOnly) { // the store has said that once
					n.log.Error("admit", "err", err)
				}
			}
			n.noticeGaps(batch)
		}
	}
}

// receive judges what others handed us and stores what may come in. It returns
// how many bulletins, or bodies of known ones, are new.
func (n *Node) receive(ctx context.Context, batch []arrival) (news int, err error) {
	defer n.admissions.begin()() // from here on it is decided what is left out as erased
	entries := n.judgeAll(batch)
	news, err = n.admit(ctx, entries)
	if late := n.lateErasures(ctx, entries); err == nil {
		err = late
	}
	for _, e := range entries {
		if err == nil && e.Body == storage.Absent && !n.store.Disowned(e.Bulletin.ID()) {
			n.fetchSoon(e.Bulletin.ID(), PeerID(e.From))
		}
	}
	return news, err
}

// judgeAll judges a batch, on as many cores as there are: reading the objects
// is most of the work of taking a bulletin in.
func (n *Node) judgeAll(batch []arrival) []storage.Entry {
	type judged struct {
		entry storage.Entry
		ok    bool
	}
	results := make([]judged, len(batch))
	var next atomic.Int64
	var wg sync.WaitGroup
	for range min(len(batch), runtime.GOMAXPROCS(0)) {
		wg.Go(func() {
			for i := next.Add(1) - 1; i < int64(len(batch)); i = next.Add(1) - 1 {
				results[i].entry, results[i].ok = n.judge(batch[i])
			}
		})
	}
	wg.Wait()
	var entries []storage.Entry
	for _, r := range results {
		if r.ok {
			entries = append(entries, r.entry)
		}
	}
	return entries
}

// judge asks trust, and turns its answer into an entry for the store.
func (n *Node) judge(a arrival) (storage.Entry, bool) {
	erased := n.erasedOf(a.bulletin)
	a.bulletin = a.bulletin.Without(erased)
	v := n.unlessDisowned(n.mayTake(a, time.Now()), a.bulletin)
	from, _ := NodeID(a.from)
	own := a.bulletin.Header.Certificate.Node == n.cert.Node // said before this disk was an old copy
	e := storage.Entry{Bulletin: a.bulletin, Reason: v.Rule, From: from, Received: time.Now(), Own: own}
	if a.forward != nil {
		e.Aside, e.Via = true, a.forward.Certificate.Org
	}
	switch v.Outcome {
	case trust.Admit:
		e.Body = storage.Absent
		if a.bulletin.HasBody() {
			e.Body, e.Reason, e.Objects = bodyState(a.bulletin, v.Rule, erased)
		}
		if e.Body == storage.Absent && nothingLeft(&a.bulletin.Header, erased) { // nobody has it to give
			e.Body, e.Reason = storage.Erased, "erased"
		}
	case trust.Decline:
		e.Body = storage.Declined
	case trust.Unknown:
		n.remember(a.bulletin.Header.Org(), a.from)
		n.noteRefusal(a.bulletin, a.from, v.Rule)
		n.counters.count(&n.counters.refused, &a.bulletin.Header)
		return e, false
	case trust.Later: // judged again when its time has come
		n.counters.datedAhead.Add(1)
		n.counters.laterOverflow.Add(uint64(n.later.add(a)))
		return e, false
	default:
		n.counters.count(&n.counters.refused, &a.bulletin.Header)
		n.noteRefusal(a.bulletin, a.from, v.Rule)
		n.log.Debug("refused", "id", a.bulletin.ID(), "rule", v.Rule, "peer", a.from)
		return e, false
	}
	if v.Outcome == trust.Admit {
		switch noHeader, noBody := n.overQuota(a.bulletin, e.Received); {
		case noHeader:
			n.noteRefusal(a.bulletin, a.from, ruleOverQuota)
			return e, false
		case noBody:
			e.Body, e.Reason = storage.Declined, ruleOverQuota
		}
	}
	if e.Body == storage.Held {
		n.byRules(&e, a)
	}
	if e.Body != storage.Held {
		e.Bulletin, e.Objects = a.bulletin.HeaderOnly(), nil
	}
	return e, true
}

// mayTake asks trust, by the road on which a bulletin came. A roster that is
// not known yet says itself whom it is for.
func (n *Node) mayTake(a arrival, now time.Time) trust.Admission {
	o, h := n.look(), &a.bulletin.Header
	if a.forward != nil {
		return o.AdmitForwarded(h, a.forward, now)
	}
	v := o.MayAdmit(h, now)
	if v.Outcome == trust.Unknown && h.Kind == protocol.Statements && trust.Named(h.TLP) {
		v = o.AdmitRoster(a.bulletin, now)
	}
	return v
}

// bodyState says whether a body can be kept. One that its author signed but
// that is no list of STIX objects under its label is declined, not held; the
// header keeps its place, so that nobody waits for it. It may lack what its
// author has had erased, and nothing else. Statements are kept whatever they
// say: a later version may understand more of them.
func bodyState(b *protocol.Bulletin, rule string, erased []uint64) (storage.BodyState, string, []stix.Object) {
	for i, salted := range b.Salted() {
		if _, gone := slices.BinarySearch(erased, uint64(i)); salted == nil && !gone {
			return storage.Absent, "incomplete", nil
		}
	}
	if b.Header.Kind == protocol.Statements {
		return storage.Held, rule, nil
	}
	var objects []stix.Object
	for i, bytes := range b.Objects() {
		o, err := stix.Parse(bytes)
		if err == nil {
			err = protocol.CheckMarkings(b.Header.TLP, o.MarkingRefs)
		}
		if err != nil {
			return storage.Declined, fmt.Sprintf("malformed: object %d: %v", i, err), nil
		}
		objects = append(objects, o)
	}
	return storage.Held, rule, objects
}

// admit is the only way into the store, for our own word and for others'.
// It returns once everything is durable, with how many entries brought news.
// What could be kept counts, whatever the error says of the rest.
func (n *Node) admit(ctx context.Context, entries []storage.Entry) (news int, err error) {
	if len(entries) == 0 {
		return 0, nil
	}
	defer n.admissions.begin()()
	results, err := n.store.Put(ctx, entries...)
	if err != nil {
		err = fmt.Errorf("store %d bulletins: %w", len(entries), err)
	}
	var statements, bodies []*protocol.Bulletin
	for i, r := range results {
		b := entries[i].Bulletin
		n.noteAdmission(&entries[i], r)
		if r.New || r.BodyNew {
			n.counters.count(&n.counters.admitted, &b.Header)
			n.counters.served.keep(sizeOf(b))
			n.worked(b)
			news++
		}
		if r.BodyNew {
			bodies = append(bodies, b)
		}
		if r.BodyNew && trust.Named(b.Header.TLP) && entries[i].Reason != ownReason { // clients may be owed it
			n.outbox.reopen(b.Header.Stream().ID(), b.Header.Position())
			signal(n.outbox.news)
		}
		if r.BodyNew && b.Header.Kind == protocol.Statements {
			statements = append(statements, b)
		}
		if r.New && entries[i].Own && entries[i].Reason != ownReason {
			n.regain(b)
		}
	}
	if proofs := n.findFaults(entries, results); len(proofs) > 0 {
		if err := n.accuse(ctx, proofs); err != nil {
			n.log.Error("quarantine", "err", err)
		}
	}
	if len(statements) > 0 {
		n.heed(statements)
	}
	if n.completes(entries, results) {
		if err := n.relearn(ctx); err != nil {
			n.log.Error("statements of a revoked key", "err", err)
		}
	}
	return news, errors.Join(err, n.carryOut(ctx, bodies))
}

// heed puts new statements in force.
func (n *Node) heed(bulletins []*protocol.Bulletin) {
	before := n.look()
	n.learn(func(k *knowledge) {
		for _, b := range bulletins {
			k.take(b)
		}
	})
	if err := n.revoke(n.ctx); err != nil && n.ctx.Err() == nil {
		n.log.Error("revocation", "err", err)
	}
	if slices.ContainsFunc(bulletins, func(b *protocol.Bulletin) bool { return trust.Named(b.Header.TLP) }) {
		n.syncAllSoon() // a roster may open the past of its group to us
	}
	n.cutOutsiders() // whoever is out now gets nothing more, not even what comes next in this call
	n.reportFaults(before)
	n.recall()
}
