package node

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tocsin-exchange/tocsin/protocol"
	"github.com/tocsin-exchange/tocsin/protocol/stix"
	"github.com/tocsin-exchange/tocsin/storage"
	"github.com/tocsin-exchange/tocsin/trust"
	"github.com/tocsin-exchange/tocsin/trust/policy"
	"github.com/tocsin-exchange/tocsin/trust/score"
)

// Why a body was declined, as its receipt has it; a rule or a person follows.
// What a person or time decided stays; the rest may be asked for again.
const (
	ruledOut     = "policy:"         // by an admit rule
	ruledHeld    = "held:"           // for a person, by an admit rule
	ruledFull    = "review-full:"    // to be held, and there was no room
	ruledReject  = "rejected:"       // by a person
	ruledAccept  = "accepted:"       // by a person; of a body that is held
	ruledExpired = "review-expired:" // nobody decided in time
)

func decidedForGood(reason string) bool {
	return strings.HasPrefix(reason, ruledReject) || strings.HasPrefix(reason, ruledExpired)
}

// byRules has the admit rules decide on a body that is here and that trust lets
// in. Our own organisation's word is not asked about, nor what is held already,
// nor what a person has decided on.
func (n *Node) byRules(e *storage.Entry, a arrival) {
	b := a.bulletin
	if b.Header.Kind != protocol.Objects || b.Header.Org() == n.cert.Org {
		return
	}
	header, state := n.store.Has(b.ID())
	if header && state != storage.Absent && state != storage.Declined {
		return
	}
	if header && state == storage.Declined {
		if r, err := n.store.Receipt(b.ID()); err == nil && decidedForGood(r.Reason) {
			e.Body, e.Reason = storage.Declined, r.Reason
			return
		}
	}
	switch state, by := n.desk.state(b.ID()); state {
	case stateAccepted:
		e.Reason = ruledAccept + by
		return
	case stateRejected:
		e.Body, e.Reason = storage.Declined, ruledReject+by
		return
	}
	p := n.rules.Load().Policy
	if len(p.Admits) == 0 {
		return
	}
	switch r := p.Admit(n.facts(a, e.Objects, e.Received)); r.Do {
	case policy.Admit:
	case policy.Hold:
		e.Body, e.Reason = storage.Declined, n.hold(a, r, p.Review.Limit)
	default:
		n.desk.declined.Add(1)
		e.Body, e.Reason = storage.Declined, ruledOut+r.Rule
	}
}

// hold keeps a bulletin for a person, and returns the reason of its receipt. What
// cannot be kept is declined, and asked for again when there is room.
func (n *Node) hold(a arrival, r policy.Ruling, limit int) string {
	from, _ := NodeID(a.from)
	b := a.bulletin
	record := heldRecord{Kind: kindAdmission, Rule: r.Rule, Reason: r.Reason, At: time.Now(), Count: objectsOf(b), From: from, Forward: a.forward, Header: b.Header}
	kept, err := n.desk.add(n.ctx, b.ID(), record, b.Wire(), limit)
	if err != nil && n.ctx.Err() == nil {
		n.log.Error("hold for review", "id", b.ID(), "tlp", b.Header.TLP, "err", err)
	}
	if !kept {
		return ruledFull + r.Rule
	}
	return ruledHeld + r.Rule
}

// parsed are the objects of a bulletin that can be read.
func parsed(b *protocol.Bulletin) (objects []stix.Object) {
	for _, raw := range b.Objects() {
		if o, err := stix.Parse(raw); err == nil {
			objects = append(objects, o)
		}
	}
	return objects
}

func objectsOf(b *protocol.Bulletin) (count int) {
	for range b.Objects() {
		count++
	}
	return count
}

// facts are what the admit rules are asked about. Of an author who is believed
// differently in the types that it speaks of, the lowest level counts.
func (n *Node) facts(a arrival, objects []stix.Object, now time.Time) policy.Arrival {
	h, b := &a.bulletin.Header, n.bench()
	f := policy.Arrival{
		TLP: h.TLP, PAP: h.PAP, Kind: "objects", Drill: h.Drill != "", Count: int(h.Count), Age: max(0, now.Sub(protocol.Time(h.Issued))),
	}
	if c := b.outlook.Communities[h.Community]; c != nil {
		f.Community = c.Charter.Name
	}
	if node, ok := NodeID(a.from); ok {
		if cert, known := b.outlook.Nodes[node]; known {
			f.From = b.outlook.name(cert.Org)
		}
	}
	for i := range objects {
		for _, o := range objects[i].Claims {
			f.Types = append(f.Types, string(o.Type))
		}
		f.Tags = append(f.Tags, objects[i].Labels...)
	}
	f.Types, f.Tags = distinct(f.Types), distinct(f.Tags)
	f.Source = b.source(h, f.Types, now)
	return f
}

func distinct(list []string) []string {
	slices.Sort(list)
	return slices.Compact(list)
}

// source is the author of a bulletin, as rules know it.
func (b *bench) source(h *protocol.Header, types []string, now time.Time) policy.Source {
	org := h.Org()
	l := b.level(org, "")
	s := policy.Source{Name: b.outlook.name(org), Anchor: l.Role == score.Anchor, Chosen: l.Chosen(), Level: int(b.trust(org, "", WholeRecord, now).Value)}
	for i, kind := range types {
		level := int(b.trust(org, stix.Type(kind), WholeRecord, now).Value)
		if i == 0 || level < s.Level {
			s.Level = level
		}
	}
	for id, c := range b.outlook.Communities {
		if h.Community.IsZero() || id == h.Community {
			for _, introduction := range c.Members[org].By {
				s.IntroducedBy = append(s.IntroducedBy, b.outlook.name(introduction.By))
			}
		}
	}
	s.IntroducedBy = distinct(s.IntroducedBy)
	return s
}

// eraseHeld destroys what is asked to be erased of bulletins that are held for a
// person, and all that is left in files of what was decided on.
func (n *Node) eraseHeld(ctx context.Context, all []storage.Erasure) error {
	type shrunk struct {
		id     protocol.ID
		record heldRecord
		left   *protocol.Bulletin
	}
	var again []shrunk
	var ids []protocol.ID
	for _, e := range all {
		r, is := n.desk.find(e.ID)
		if !is || r.Kind != kindAdmission {
			continue
		}
		b, err := n.heldBulletin(e.ID, &r)
		if err != nil {
			ids = append(ids, e.ID)
			continue
		}
		less := b.Without(e.Objects)
		if less == b {
			continue
		}
		ids, again = append(ids, e.ID), append(again, shrunk{e.ID, r, less})
	}
	for _, id := range n.desk.over() {
		ids = append(ids, id)
	}
	slices.SortFunc(ids, protocol.ID.Compare)
	if err := n.desk.purge(ctx, slices.Compact(ids)); err != nil {
		return fmt.Errorf("held for review: %w", err)
	}
	var gone []storage.Entry
	for _, s := range again {
		if s.record.Count = objectsOf(s.left); s.record.Count == 0 {
			gone = append(gone, n.redecided(s.id, &s.record, storage.Erased, "erased")...)
		} else if s.record.State == stateHeld {
			if _, err := n.desk.add(ctx, s.id, s.record, s.left.Wire(), n.rules.Load().Policy.Review.Limit+1); err != nil {
				return err
			}
		}
	}
	_, err := n.admit(ctx, gone)
	return err
}

// heldBulletin reads a bulletin that is held for a person.
func (n *Node) heldBulletin(id protocol.ID, r *heldRecord) (*protocol.Bulletin, error) {
	content, err := n.desk.content(id, r)
	if err != nil {
		return nil, err
	}
	b, err := protocol.Open(content)
	if err == nil && b.ID() != id {
		err = errNotHeld(id)
	}
	return b, err
}

// redecided are the entries that change why the body of a declined header is
// not here.
func (n *Node) redecided(id protocol.ID, r *heldRecord, body storage.BodyState, reason string) []storage.Entry {
	b, _, err := n.store.Header(id)
	if err != nil {
		return nil // it was never stored: a crash came between
	}
	e := storage.Entry{Bulletin: b, Body: storage.Absent, Reason: reason, From: r.From, Received: r.At, Again: true}
	if r.Forward != nil {
		e.Aside, e.Via = true, r.Forward.Certificate.Org
	}
	last := e
	last.Body, last.Again = body, false
	return []storage.Entry{e, last}
}

// lateErasures destroys what an erasure asked for that came while a bulletin was
// on its way to be held.
func (n *Node) lateErasures(ctx context.Context, entries []storage.Entry) error {
	var all []storage.Erasure
	for _, e := range entries {
		if e.Body != storage.Declined || !strings.HasPrefix(e.Reason, ruledHeld) {
			continue
		}
		r, is := n.desk.find(e.Bulletin.ID())
		if !is {
			continue
		}
		if b, err := n.heldBulletin(e.Bulletin.ID(), &r); err == nil {
			all = append(all, n.erasuresIn(b)...)
		}
	}
	if len(all) == 0 {
		return nil
	}
	return n.erase(ctx, all)
}

// rulesRow is the row of the table that says by which rules was declined what is
// declined.
var rulesRow = []byte("rules")

// rulesMark is the same for rules that admit the same, while people say the same
// of how far everybody is believed.
func rulesMark(p *policy.Policy, levels map[protocol.Org]level) []byte {
	if len(p.Admits) == 0 {
		return nil
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "%v\n%v\n%v", p.Admits, p.Trust, levels)) // maps are printed in order
	return sum[:]
}

// askAgainByRules asks the rules again about what is held for a person, and turns
// bodies that may be let in now into wanted ones: those that other rules declined,
// those there was no room for, and those that should be held for a person and are
// not. Whatever comes is judged anew. Rules are others when the policy is, or when
// people say otherwise how far somebody is believed; what outcomes make of that
// alone is no reason to ask again.
func (n *Node) askAgainByRules(ctx context.Context, first bool) error {
	p := n.rules.Load().Policy
	mark := rulesMark(p, n.look().levels)
	was, _, err := n.desk.table.Load(rulesRow)
	if err != nil {
		return err
	}
	changed, roomy := !bytes.Equal(mark, was), n.desk.roomy(p.Review.Limit) || first
	if !changed && !roomy {
		return nil
	}
	if changed {
		if err := n.judgeHeld(ctx, p); err != nil {
			return err
		}
	}
	err = n.judgeAgain(ctx, func(b *protocol.Bulletin, reason string) bool {
		state, _ := n.desk.state(b.ID())
		return changed && strings.HasPrefix(reason, ruledOut) || roomy && strings.HasPrefix(reason, ruledFull) ||
			strings.HasPrefix(reason, ruledHeld) && state == ""
	})
	if err != nil || !changed {
		return err
	}
	return n.desk.table.Set(ctx, rulesRow, mark)
}

// judgeHeld has the rules decide again on what is held for a person. What they
// hold still waits as before; the rest is let in or declined as if it came now.
func (n *Node) judgeHeld(ctx context.Context, p *policy.Policy) (err error) {
	for id, r := range n.desk.waiting(stateHeld) {
		if r.Kind != kindAdmission {
			continue
		}
		b, failed := n.heldBulletin(id, &r)
		if failed != nil {
			err = errors.Join(err, failed)
			continue
		}
		v := n.mayStand(b, &r)
		ruling := p.Admit(n.facts(arrival{bulletin: b, from: PeerID(r.From), forward: r.Forward}, parsed(b), r.At))
		d := decision{state: stateAccepted, ruled: v.Rule}
		switch {
		case v.Outcome != trust.Admit || ruling.Do == policy.Hold:
			continue
		case ruling.Do != policy.Admit:
			d = decision{state: stateRejected, ruled: ruledOut + ruling.Rule}
			n.desk.declined.Add(1)
		}
		r, failed = n.desk.decide(ctx, id, d)
		if errors.Is(failed, ErrNotFound) {
			continue // a person was faster
		}
		if failed == nil {
			_, _, failed = n.carryOutReview(ctx, id, &r)
		}
		if errors.Is(failed, ErrRefused) { // its author fell meanwhile
			failed = n.desk.undecide(ctx, id)
		}
		err = errors.Join(err, failed)
	}
	return err
}

// judgeAgain turns declined bodies into wanted ones, by the reason of their receipts.
func (n *Node) judgeAgain(ctx context.Context, again func(b *protocol.Bulletin, reason string) bool) error {
	var entries []storage.Entry
	for _, s := range n.store.Streams() {
		if s.Bodies[storage.Declined] == 0 {
			continue
		}
		for b, err := range n.store.Headers(s.ID, protocol.Range{To: s.Last}) {
			if err != nil {
				return err
			}
			if _, state := n.store.Has(b.ID()); state != storage.Declined {
				continue
			}
			r, err := n.store.Receipt(b.ID())
			if err == nil && again(b, r.Reason) {
				entries = append(entries, storage.Entry{
					Bulletin: b, Body: storage.Absent, Reason: "judged-anew", Again: true, From: r.From, Received: protocol.Time(r.Received), Aside: r.Aside, Via: r.Via,
				})
			}
		}
	}
	if len(entries) == 0 {
		return nil
	}
	defer n.syncAllSoon()
	_, err := n.admit(ctx, entries)
	return err
}

// mayStand says whether what was held may be let in now: its author may have
// been blocked, removed, or found to lie since.
func (n *Node) mayStand(b *protocol.Bulletin, r *heldRecord) trust.Admission {
	from := PeerID(r.From)
	return n.unlessDisowned(n.mayTake(arrival{bulletin: b, from: from, forward: r.Forward}, time.Now()), b)
}
