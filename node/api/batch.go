package api

import (
	"context"
	"errors"
	"maps"
	"slices"

	"github.com/tocsin-exchange/tocsin/node"
	"github.com/tocsin-exchange/tocsin/node/api/intake"
	"github.com/tocsin-exchange/tocsin/protocol"
	"github.com/tocsin-exchange/tocsin/protocol/stix"
)

// When a batch is full: by things to say, by their bytes, by rows that say
// nothing in between.
const (
	batchDrafts = 5000
	batchBytes  = 4 << 20
	batchRows   = 20_000
)

// A batch is a run of rows on their way to the node. Once said, every row is
// accepted, skipped or refused for good.
type batch struct {
	rows     []intake.Row
	byLabel  map[protocol.TLP]*group
	drafts   int
	size     int
	refused  map[int]int // row -> how many of its drafts were not said
	receipts []node.Receipt
	held     []node.HeldDrafts // what waits for a person, by row
	waits    map[int]bool      // rows of which nothing was said, and something waits
	err      error             // what broke it off
	done     chan struct{}     // closed when it was said
}

// A group is the drafts of a batch under one label.
type group struct {
	drafts []stix.Draft
	row    []int // of each draft
}

func newBatch() *batch {
	return &batch{byLabel: map[protocol.TLP]*group{}, refused: map[int]int{}, waits: map[int]bool{}, done: make(chan struct{})}
}

func (b *batch) add(row intake.Row) {
	g := b.byLabel[row.TLP]
	if g == nil && len(row.Drafts) > 0 {
		g = &group{}
		b.byLabel[row.TLP] = g
	}
	for _, d := range row.Drafts {
		g.drafts, g.row = append(g.drafts, d), append(g.row, len(b.rows))
		b.size += len(d.Object) + 512
	}
	b.drafts += len(row.Drafts)
	b.rows = append(b.rows, row)
}

func (b *batch) full() bool {
	return b.drafts >= batchDrafts || b.size >= batchBytes || len(b.rows) >= batchRows
}

// say hands a batch to the node and waits until it is durable. What a rule
// refuses refuses its rows; any other failure breaks the batch off, and what
// was not said counts as refused.
func (d *Door) say(ctx context.Context, t terms, b *batch) {
	defer close(b.done)
	for _, label := range slices.Sorted(maps.Keys(b.byLabel)) {
		g := b.byLabel[label]
		said, err := d.node.Say(ctx, t.issue(label, g.drafts))
		switch {
		case errors.Is(err, node.ErrRefused):
			b.refuseAll(g, plain(err, node.ErrRefused))
		case err != nil:
			b.refuseAll(g, "the import broke off before it was stored")
			b.err = errors.Join(b.err, err)
		}
		for _, r := range said.Refusals {
			b.refuse(g.row[r.Index], r.Reason)
		}
		for _, h := range said.Held {
			b.hold(g, h)
		}
		b.receipts = append(b.receipts, said.Receipts...)
	}
}

func (b *batch) refuseAll(g *group, reason string) {
	for _, row := range g.row {
		b.refuse(row, reason)
	}
}

// refuse takes one draft of a row back. A row without any left is refused, one
// with some left has a note.
func (b *batch) refuse(i int, reason string) {
	row := &b.rows[i]
	b.refused[i]++
	if b.refused[i] < len(row.Drafts) {
		row.Note = reason
		return
	}
	row.Note, row.Refused = "", reason
}

// hold notes drafts that wait for a person. A row of which nothing else is left
// is skipped, not refused.
func (b *batch) hold(g *group, h node.HeldDrafts) {
	reason := "held for review: " + h.ID.String() + " (rule " + h.Rule + ")"
	for i, draft := range h.Index {
		h.Index[i] = g.row[draft]
		b.refuse(h.Index[i], reason)
		if row := &b.rows[h.Index[i]]; row.Refused != "" {
			row.Refused, row.Skipped = "", reason
			b.waits[h.Index[i]] = true
		}
	}
	b.held = append(b.held, h)
}

// count adds the rows of a batch that was said to a tally.
func (b *batch) count(t *intake.Tally) {
	for i, row := range b.rows {
		said := row.Refused == "" && !b.waits[i]
		if !said {
			row.Drafts = nil
		}
		t.Add(row)
		if said {
			t.Objects -= b.refused[i]
		}
	}
}
