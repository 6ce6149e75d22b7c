package node

import (
	"context"
	"fmt"
	"iter"
	"reflect"
	"slices"
	"time"

	"github.com/tocsin-exchange/tocsin/protocol"
	"github.com/tocsin-exchange/tocsin/storage"
	"github.com/tocsin-exchange/tocsin/storage/journal"
	"github.com/tocsin-exchange/tocsin/trust"
	"github.com/tocsin-exchange/tocsin/trust/floor"
	"github.com/tocsin-exchange/tocsin/trust/policy"
	"github.com/tocsin-exchange/tocsin/trust/score"
)

// A History reads a journal back.
type History = func(journal.Query) iter.Seq2[journal.Record, error]

// A hindsight makes judges of moments that have passed: by what was held then,
// by whoever was a member then, and by what the journal says of that moment. What
// it cannot know is as now: never-block lists, node keys, rosters of groups; and
// what was erased or disowned since, or expired and was swept, is nowhere. It is
// for one goroutine.
type hindsight struct {
	n           *Node
	received    map[protocol.ID]int64 // bulletins
	roots       map[protocol.ID]int64 // bulletins, by the root of their body
	communities map[membership]*trust.Community
	benches     map[int64]*bench
	rules       map[*policy.Policy]*Rules
}

// A membership is how many statements of a community's history were held.
type membership struct {
	community               protocol.ID
	introductions, removals int
}

func (n *Node) hindsight() *hindsight {
	return &hindsight{n, map[protocol.ID]int64{}, map[protocol.ID]int64{}, map[membership]*trust.Community{}, map[int64]*bench{}, map[*policy.Policy]*Rules{}}
}

// JudgesAt returns who judged at a moment that has passed, for an asker that may
// see a record. Errors wrap [ErrNotFound] where the journal says nothing of that
// moment.
func (n *Node) JudgesAt(ctx context.Context, at time.Time, r Record) (*Judges, error) {
	h := n.hindsight()
	j, known, err := h.judges(ctx, at, r)
	if err != nil || known {
		return j, err
	}
	begins := n.recorder.timeline.begins()
	if begins.IsZero() {
		return nil, fmt.Errorf("%w: no journal says how values were judged", ErrNotFound)
	}
	return nil, fmt.Errorf("%w: the journal does not say how values were judged at %s: it begins at %s", ErrNotFound,
		at.UTC().Format(time.RFC3339), begins.Format(time.RFC3339))
}

// judges returns who judged at a moment; known is false where the rules, levels
// and outcomes of now have to do.
func (h *hindsight) judges(ctx context.Context, at time.Time, r Record) (j *Judges, known bool, err error) {
	select {
	case <-h.n.recorder.ready:
	case <-ctx.Done():
		return nil, false, ctx.Err()
	}
	b, known := h.bench(at)
	if !known {
		b = h.n.bench()
	}
	j = &Judges{n: h.n, bench: b, judge: b.judge(at, r), by: r, now: at.UnixMilli(), Mark: b.mark, hindsight: h}
	j.until = j.now
	return j, known, nil
}

func (h *hindsight) bench(at time.Time) (*bench, bool) {
	if b, made := h.benches[at.UnixMilli()]; made {
		return b, b != nil
	}
	was, known := h.n.recorder.timeline.at(at)
	if !known {
		h.benches[at.UnixMilli()] = nil
		return nil, false
	}
	b := &bench{rules: h.rulesOf(was.policy), outlook: h.outlook(at.UnixMilli(), was.orgs), outcomes: was.outcomes, model: was.policy.Model(), noted: was.orgs}
	b.voices = score.NewVoices(func(org protocol.Org) score.Level { return b.level(org, "") }, b.members())
	h.benches[at.UnixMilli()] = b
	return b, true
}

// rulesOf are the rules of a policy with the never-block lists of now.
func (h *hindsight) rulesOf(p *policy.Policy) *Rules {
	if r := h.rules[p]; r != nil {
		return r
	}
	now := h.n.rules.Load()
	r := &Rules{p, now.Floor}
	if !reflect.DeepEqual(p.NeverBlock, now.Policy.NeverBlock) {
		if anew, err := NewRules(p, now.lists()...); err == nil { // else it could not have been in force
			r = anew
		}
	}
	h.rules[p] = r
	return r
}

// lists are the never-block lists that were read from files.
func (r *Rules) lists() []*floor.List {
	all := r.Floor.Lists()
	own, err := r.Policy.NeverBlock.Own()
	if err != nil {
		return all
	}
	built, err := floor.New(own)
	if err != nil {
		return all
	}
	return slices.DeleteFunc(all, func(l *floor.List) bool {
		return slices.ContainsFunc(built.Lists(), func(b *floor.List) bool { return b.Name() == l.Name() })
	})
}

// outlook is who was a member at a moment, and who was heard.
func (h *hindsight) outlook(at int64, orgs map[protocol.Org]standing) *outlook {
	now := h.n.look()
	o := &outlook{View: trust.View{
		Self: now.Self, Communities: map[protocol.ID]*trust.Community{}, Nodes: now.Nodes, Blocked: map[protocol.Org]bool{},
		Quarantined: map[protocol.Org]trust.Proof{}, Revocations: now.Revocations, Groups: now.Groups, Clients: now.Clients,
	}}
	for id, c := range now.Communities {
		o.Communities[id] = h.community(id, c, at)
	}
	for org, s := range orgs {
		switch s.unsaid {
		case blocked:
			o.Blocked[org] = true
		case quarantined:
			o.Quarantined[org] = now.Quarantined[org]
		}
	}
	return o
}

// community is a community as it was by the statements held at a moment.
func (h *hindsight) community(id protocol.ID, now *trust.Community, at int64) *trust.Community {
	was := trust.History{Charter: now.Charter}
	for _, i := range now.History.Introductions {
		if h.came(i.Bulletin) <= at {
			was.Introductions = append(was.Introductions, i)
		}
	}
	for _, r := range now.History.Removals {
		if h.came(r.Bulletin) <= at {
			was.Removals = append(was.Removals, r)
		}
	}
	m := membership{id, len(was.Introductions), len(was.Removals)}
	if m.introductions == len(now.History.Introductions) && m.removals == len(now.History.Removals) {
		return now
	}
	if h.communities[m] == nil {
		h.communities[m] = trust.NewCommunity(was)
	}
	return h.communities[m]
}

// came is when a bulletin was received; never for one that is not held.
func (h *hindsight) came(id protocol.ID) int64 {
	at, known := h.received[id]
	if !known {
		at = 1<<63 - 1
		if r, err := h.n.store.Receipt(id); err == nil {
			at = int64(r.Received)
		}
		h.received[id] = at
	}
	return at
}

// cameUnder is when what is under a header was received. Of what stands outside
// its stream it takes the word of its author.
func (h *hindsight) cameUnder(header *protocol.Header) int64 {
	at, known := h.roots[header.Root]
	if !known {
		at = int64(header.Issued)
		s := header.Stream()
		if id, held := h.n.store.At(s.ID(), header.Position()); held {
			at = h.came(id)
		}
		h.roots[header.Root] = at
	}
	return at
}

// met notes when a bulletin was received.
func (h *hindsight) met(header *protocol.Header, received int64) { h.roots[header.Root] = received }

// Query is what the judges look at: what counts, and was here at their moment.
func (j *Judges) Query() storage.Query {
	return storage.Query{Now: time.UnixMilli(j.now), Visible: func(h *protocol.Header) bool { return j.bench.outlook.MayAnswer(h) && j.held(h) }}
}

// held reports whether what is under a header was here at the moment of the
// judges.
func (j *Judges) held(h *protocol.Header) bool {
	return j.until == 0 || j.hindsight.cameUnder(h) <= j.until
}
