package node

import (
	"context"
	"errors"
	"time"

	"github.com/tocsin-exchange/tocsin/storage/journal"
)

// Consult opens a node's memory to be asked about, and nothing else: it has no
// host, says nothing, takes nothing in and runs nothing. Of the configuration it
// takes Key, Certificate, Name, Store, Log, Rules and History, all of which is
// read at once. What it can do is what reads: [Node.Judges], [Node.JudgesAt],
// [Node.Query], [Node.Name], [Node.Rules] and the like. Nobody closes it.
func Consult(ctx context.Context, c Config) (*Node, HistoryReport, error) {
	n := &Node{
		gate: NewGate(), key: c.Key, cert: c.Certificate, title: c.Name, store: c.Store, log: c.Log, desk: newDesk(c.Store.Table(tableHeld)),
		known: newKnowledge(), enforce: make(chan struct{}, 1), outbox: newOutbox(), recorder: newBasisRecorder(),
	}
	n.ctx, n.cancel = context.WithCancel(context.WithoutCancel(ctx))
	n.cancel() // nothing is to be waited for
	n.rules.Store(c.Rules)
	n.audit = newAudit(Config{Key: c.Key})
	err := errors.Join(n.load(ctx), n.desk.load())
	if err != nil {
		return nil, HistoryReport{}, err
	}
	n.known.petnames[n.cert.Org] = n.title
	if n.reckon, err = n.newReckoning(); err != nil {
		return nil, HistoryReport{}, err
	}
	n.gate.outlook.Store(n.survey(n.cert))
	report, t := HistoryReport{}, n.recorder.timeline
	for r, err := range c.History(journal.Query{}) {
		if err := ctx.Err(); err != nil {
			return nil, report, err
		}
		switch {
		case err != nil || t.take(&r) != nil:
			report.Damaged++
		case r.Act == journal.ActGap:
			report.Dropped += r.Count
		}
	}
	close(n.recorder.ready)
	report.Begins, report.Ends = t.begins(), t.ends()
	return n, report, nil
}

// A HistoryReport is how far a journal tells how values were judged.
type HistoryReport struct {
	Begins  time.Time // zero: it does not tell at all
	Ends    time.Time // the moment of the last record
	Damaged int       // records that cannot be read
	Dropped int64     // records the node could not write
}
