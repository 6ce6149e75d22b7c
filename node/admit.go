package node

import (
	"context"
	"errors"
	"fmt"
	"runtime"
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
			if _, err := n.receive(n.ctx, batch); err != nil && n.ctx.Err() == nil {
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
	entries := n.judgeAll(batch)
	news, err = n.admit(ctx, entries)
	for _, e := range entries {
		if err == nil && e.Body == storage.Absent {
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
	v := n.look().MayAdmit(&a.bulletin.Header, time.Now())
	from, _ := NodeID(a.from)
	own := a.bulletin.Header.Certificate.Node == n.cert.Node // said before this disk was an old copy
	e := storage.Entry{Bulletin: a.bulletin, Reason: v.Rule, From: from, Received: time.Now(), Own: own}
	switch v.Outcome {
	case trust.Admit:
		e.Body = storage.Absent
		if a.bulletin.HasBody() {
			e.Body, e.Reason, e.Objects = bodyState(a.bulletin, v.Rule)
		}
	case trust.Decline:
		e.Body = storage.Declined
	case trust.Unknown:
		n.remember(a.bulletin.Header.Org(), a.from)
		n.counters.refused.Add(1)
		return e, false
	case trust.Later: // judged again when its time has come
		n.counters.datedAhead.Add(1)
		n.counters.laterOverflow.Add(uint64(n.later.add(a)))
		return e, false
	default:
		n.counters.refused.Add(1)
		n.log.Debug("refused", "id", a.bulletin.ID(), "rule", v.Rule, "peer", a.from)
		return e, false
	}
	if e.Body != storage.Held {
		e.Bulletin, e.Objects = a.bulletin.HeaderOnly(), nil
	}
	return e, true
}

// bodyState says whether a body can be kept. One that its author signed but
// that is no list of STIX objects under its label is declined, not held; the
// header keeps its place, so that nobody waits for it. Statements are kept
// whatever they say: a later version may understand more of them.
func bodyState(b *protocol.Bulletin, rule string) (storage.BodyState, string, []stix.Object) {
	if !b.Whole() {
		return storage.Absent, "incomplete", nil
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
	results, err := n.store.Put(ctx, entries...)
	if err != nil {
		err = fmt.Errorf("store %d bulletins: %w", len(entries), err)
	}
	var statements []*protocol.Bulletin
	for i, r := range results {
		b := entries[i].Bulletin
		if r.New || r.BodyNew {
			n.counters.admitted.Add(1)
			news++
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
	return news, err
}

// heed puts new statements in force.
func (n *Node) heed(bulletins []*protocol.Bulletin) {
	before := n.look()
	n.learn(func(k *knowledge) {
		for _, b := range bulletins {
			k.take(b)
		}
	})
	n.reportFaults(before)
	n.recall()
}
