package journal

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"
)

// Retention says what may be removed, and in whose name.
type Retention struct {
	Before time.Time // segments all of whose records are earlier; zero: none
	Bytes  int64     // the oldest segments while all together take more, the last one aside; 0: none

	Actor string // of the records that say so; "": the node
	Rule  string // which rule of the policy says it
}

// Prune removes whole segments, the oldest first, never the last one, and
// returns how many. Before one is removed a durable record says so, with its
// first and last number and the hash of its last line: with it what is left
// verifies, and says what was removed, when and by whom.
func (j *Journal) Prune(ctx context.Context, r Retention) (removed int, err error) {
	select {
	case j.pruning <- struct{}{}:
		defer func() { <-j.pruning }()
	case <-ctx.Done():
		return 0, fmt.Errorf("journal: prune: %w", ctx.Err())
	}
	names, _, err := j.segments()
	if err != nil {
		return 0, err
	}
	total, err := sizeOf(j.dir, names)
	if err != nil {
		return 0, err
	}
	for i := range len(names) - 1 {
		gone, err := j.pruneSegment(ctx, r, names[i], names[i+1], r.Bytes > 0 && total > r.Bytes)
		if err != nil || gone == 0 {
			return removed, err
		}
		total -= gone
		removed++
	}
	return removed, nil
}

func sizeOf(dir string, names []segmentName) (total int64, err error) {
	for _, n := range names {
		info, err := os.Stat(n.path(dir))
		if err != nil {
			return 0, fmt.Errorf("journal: %w", err)
		}
		total += info.Size()
	}
	return total, nil
}

// pruneSegment removes one segment if it is due, and returns the bytes it took.
func (j *Journal) pruneSegment(ctx context.Context, r Retention, n, next segmentName, over bool) (int64, error) {
	if !over && r.Before.IsZero() {
		return 0, nil
	}
	v := inspect(head{}, nil)
	if err := v.segment(j.files, n, false); err != nil {
		return 0, err
	}
	report := v.finish()
	if !over && !report.To.Before(r.Before) {
		return 0, nil
	}
	anchor := Mark{report.Head.Seq, report.Head.Hash}
	if first, ok := j.firstRecord(next); ok {
		anchor = Mark{first.Seq - 1, first.Prev}
	}
	err := j.AppendSync(ctx, Record{
		Act: ActPrune, Actor: r.Actor, Rule: r.Rule,
		Words:   map[string]string{"segment": n.String(), "hash": anchor.Hash.String()},
		Numbers: map[string]int64{"first": int64(report.First), "last": int64(anchor.Seq), "faults": int64(len(report.Faults) + report.More)},
	})
	if err != nil {
		return 0, err
	}
	if err := errors.Join(os.Remove(n.path(j.dir)), syncDir(j.dir)); err != nil {
		return 0, fmt.Errorf("journal: prune: %w", err)
	}
	return max(1, report.Segments[0].Bytes), nil
}

// firstRecord reads the first line of a segment.
func (f files) firstRecord(n segmentName) (r Record, ok bool) {
	f.readLines(n, func(l line) bool {
		var err error
		r, err = DecodeRecord(l.raw)
		ok = l.broken == "" && err == nil
		return false
	})
	return r, ok
}
