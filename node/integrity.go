package node

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/tocsin-exchange/tocsin/protocol"
	"github.com/tocsin-exchange/tocsin/storage"
	"github.com/tocsin-exchange/tocsin/trust"
)

// This file keeps logs honest: those of others, whose faults are proven, told
// to the community and answered with quarantine; and our own, which goes on in
// a new epoch when somebody has seen more of it than we have.

const (
	maxProofs    = 500             // kept against one organisation; with so many it is not released any more
	accuseWithin = 3 * time.Second // all who find a proof wait up to so long before they publish it: one will do
	accuseAgain  = time.Minute     // when it could not be published
	maxLeap      = 24 * time.Hour  // ahead of our clock that an epoch may lie which a peer merely claims
)

// A proof is known from headers held here, or from a statement.
type proof struct {
	trust.Proof
	said bool // in its community
}

// accuse keeps a proof, and reports whether it is new. Of too many against one
// organisation the first are kept: it is quarantined all the same.
func (k *knowledge) accuse(p trust.Proof, said bool) bool {
	list := k.proofs[p.Org]
	if i := slices.IndexFunc(list, func(known proof) bool { return known.Proof == p }); i >= 0 {
		list[i].said = list[i].said || said
		return false
	}
	if len(list) >= maxProofs {
		return false
	}
	k.proofs[p.Org] = append(list, proof{p, said})
	return true
}

// takeProof reads a statement of equivocation. What it is worth stands in it:
// whoever says it, both headers bear their author's signature.
func (k *knowledge) takeProof(community protocol.ID, e *protocol.Equivocation) {
	a, errA := protocol.OpenHeader(e.HeaderA, e.SigA)
	b, errB := protocol.OpenHeader(e.HeaderB, e.SigB)
	if errA != nil || errB != nil || a.Header.Community != community {
		return
	}
	for _, p := range trust.Prove(a, b) {
		k.accuse(p, true)
	}
}

// loadProofs reads what was found here, and what was released. The two headers
// of a proof are in the store.
func (k *knowledge) loadProofs(s *storage.Store) {
	for key, value := range s.Table(tableReleased).All() {
		k.release(protocol.Org(key), splitIDs(value))
	}
	for key := range s.Table(tableProofs).All() {
		ids := splitIDs(key)
		a, _, errA := s.Header(ids[0])
		b, _, errB := s.Header(ids[1])
		if errA != nil || errB != nil { // fetched again, they are found again
			continue
		}
		for _, p := range trust.Prove(a, b) {
			k.accuse(p, false)
		}
	}
}

func splitIDs(b []byte) (ids []protocol.ID) {
	for part := range slices.Chunk(b, len(protocol.ID{})) {
		ids = append(ids, protocol.ID(part))
	}
	return ids
}

// findFaults looks for what new headers show of their authors. A header that
// breaks the log keeps its place in it: were it refused, honest nodes would
// hold different logs, by which of two headers came first.
func (n *Node) findFaults(entries []storage.Entry, results []storage.Result) (proofs []trust.Proof) {
	batch := make(map[protocol.ID]*protocol.Bulletin, len(entries)) // what is new of it
	for i, e := range entries {
		if results[i].New {
			batch[e.Bulletin.ID()] = e.Bulletin
		}
	}
	for i, r := range results {
		b := entries[i].Bulletin
		if n.store.Disowned(b.ID()) {
			continue // not its organisation's fault
		}
		if r.Equivocation != nil {
			n.counters.equivocations.Add(1)
			proofs = append(proofs, trust.Prove(b, r.Equivocation)...)
		}
		if r.New && entries[i].Reason != ownReason {
			proofs = append(proofs, n.findBackdating(b, batch)...)
		}
	}
	return proofs
}

// findBackdating compares a new header with those before and behind it, as far
// as they are held. Both are in memory when they came in the same batch.
func (n *Node) findBackdating(b *protocol.Bulletin, batch map[protocol.ID]*protocol.Bulletin) (proofs []trust.Proof) {
	h := &b.Header
	if prev := batch[h.Prev]; prev != nil {
		proofs = trust.Prove(prev, b)
	} else if h.Seq > 1 {
		if prev, _, err := n.store.Header(h.Prev); err == nil {
			proofs = trust.Prove(prev, b)
		}
	}
	behind, held := n.store.At(h.Stream().ID(), protocol.Position{Epoch: h.Epoch, Seq: h.Seq + 1})
	if !held || batch[behind] != nil {
		return proofs
	}
	if next, _, err := n.store.Header(behind); err == nil {
		proofs = append(proofs, trust.Prove(b, next)...)
	}
	return proofs
}

// accuse puts proofs found here in force, durably, and has them published.
func (n *Node) accuse(ctx context.Context, proofs []trust.Proof) error {
	var fresh []trust.Proof
	before := n.look()
	n.mu.Lock()
	for _, p := range proofs {
		if n.known.accuse(p, false) {
			fresh = append(fresh, p)
		}
	}
	n.mu.Unlock()
	if len(fresh) == 0 {
		return nil
	}
	n.learn(func(*knowledge) {})
	n.reportFaults(before)
	defer signal(n.accused)
	for _, p := range fresh {
		key := append(slices.Clone(p.Headers[0][:]), p.Headers[1][:]...)
		if err := n.store.Table(tableProofs).Set(ctx, key, []byte{byte(p.Fault)}); err != nil {
			return fmt.Errorf("keep proof against %s: %w", n.Name(p.Org), err)
		}
	}
	return nil
}

// runIntegrity publishes proofs that nobody has published, and takes up what
// was dated ahead of our clock when its time has come.
func (n *Node) runIntegrity() {
	publish, waiting := time.NewTimer(rand.N(accuseWithin)), true
	defer publish.Stop()
	due := time.NewTimer(time.Hour)
	defer due.Stop()
	for {
		select {
		case <-n.ctx.Done():
			return
		case <-n.accused:
			if !waiting {
				waiting = true
				publish.Reset(rand.N(accuseWithin))
			}
		case <-publish.C:
			waiting = false
			if err := n.publishProofs(n.ctx); err != nil && n.ctx.Err() == nil {
				n.log.Warn("publish proof", "err", err)
				waiting = true
				publish.Reset(accuseAgain)
			}
		case <-n.later.news:
		case <-due.C:
			n.takeDue()
		}
		due.Reset(n.later.next(time.Now()))
	}
}

// takeDue judges again what was dated ahead, and lets the others have it:
// gossip did not pass it on.
func (n *Node) takeDue() {
	news, err := n.receive(n.ctx, n.later.take(time.Now()))
	if err != nil && n.ctx.Err() == nil {
		n.log.Error("admit what was dated ahead", "err", err)
	}
	if news > 0 {
		n.spread("")
	}
}

// publishProofs says in their communities what was found here and nobody has
// said: one proof against an organisation, until it is released.
func (n *Node) publishProofs(ctx context.Context) error {
	for _, p := range n.unsaid() {
		a, _, err := n.store.Header(p.Headers[0])
		if err != nil {
			return err
		}
		b, _, err := n.store.Header(p.Headers[1])
		if err != nil {
			return err
		}
		e := &protocol.Equivocation{}
		e.HeaderA, e.SigA = a.HeaderBytes()
		e.HeaderB, e.SigB = b.HeaderBytes()
		if err := n.accuseTo(ctx, &a.Header, protocol.Statement{Equivocation: e}); err != nil {
			return err
		}
	}
	return nil
}

// accuseTo says a proof to those who may see the headers in it. Those of RED
// are for few, and each finds the fault for itself.
func (n *Node) accuseTo(ctx context.Context, h *protocol.Header, s protocol.Statement) error {
	switch {
	case !trust.ToldOn(h.TLP):
		return nil
	case trust.Named(h.TLP):
		return n.stateTo(ctx, h.TLP, h.Audience, s)
	}
	_, err := n.state(ctx, h.Community, s)
	return err
}

// unsaid returns what to publish. A backdating is not published: whoever holds
// the log has found it.
func (n *Node) unsaid() (proofs []trust.Proof) {
	o := n.look()
	n.mu.Lock()
	defer n.mu.Unlock()
	type place struct {
		org       protocol.Org
		community protocol.ID
	}
	told := map[place]bool{}
	for _, already := range []bool{true, false} {
		for org, list := range n.known.proofs {
			for _, p := range list {
				at := place{org, p.Community}
				if p.said != already || told[at] || len(trust.Quarantine([]trust.Proof{p.Proof}, n.known.released)) == 0 {
					continue
				}
				// Above GREEN one audience is told, so that nobody is made to publish much.
				may := p.Fault == trust.Equivocation && (p.Community.IsZero() || o.MaySubmit(protocol.Green, p.Community).Allowed)
				if told[at] = p.said || may; may && !p.said {
					proofs = append(proofs, p.Proof)
				}
			}
		}
	}
	return proofs
}

// ownShown looks for our own streams among what a peer says it holds. When it
// knows more of the current epoch than we do, or one above it, this disk is an
// old copy: the next bulletin is signed in a new epoch. Nobody has signed what a
// peer claims, so an epoch far ahead of the clock is believed only when a header
// comes that shows it (see regain).
func (n *Node) ownShown(theirs []protocol.Summary) {
	ours, limit := n.author.epoch.Load(), uint64(time.Now().Add(maxLeap).Unix())
	for _, s := range theirs {
		if s.Stream.Node != n.cert.Node {
			continue
		}
		for _, h := range s.Heads {
			if h.Position.Epoch < ours || h.Position.Epoch>>32 > limit {
				continue
			}
			if held, _ := n.store.Has(h.ID); !held {
				n.author.surpass(h.Position.Epoch)
			}
		}
	}
}

// regain notes a header of our own that others gave back to us. One that is
// dated since our start, by more than clocks may differ, was not lost here: a
// second node speaks with our key.
func (n *Node) regain(b *protocol.Bulletin) {
	n.counters.regained.Add(1)
	n.author.surpass(b.Header.Epoch)
	if protocol.Time(b.Header.Issued).After(n.author.began.Add(trust.MaxAhead)) && n.author.double.CompareAndSwap(nil, b.HeaderOnly()) {
		n.log.Error("somebody else speaks with our key, or a copy of our disk runs elsewhere", "id", b.ID())
	}
}

// alarm says in words that our key is used by another, "" when we know nothing
// of the kind. It ends with a restart; a proof of it outlives that.
func (n *Node) alarm() string {
	if n.revoked() {
		return revokedText
	}
	b := n.author.double.Load()
	if b == nil {
		return ""
	}
	return fmt.Sprintf("bulletin %s, dated %s, is signed with this node's key and was not said here", b.ID(), protocol.Time(b.Header.Issued).UTC().Format(time.DateTime))
}
