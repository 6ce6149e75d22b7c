package storage

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/tocsin-exchange/tocsin/protocol"
)

// Prune drops the bodies of objects that were issued before the moment of their
// label, the oldest first; a zero moment keeps all. Their headers stay, in state
// [Pruned]. Since one label's older versions go with or before the newer, none
// begins to stand again by it. It returns how many went, at most 4,000: call it
// again while there are. It reads every header that has a body, and writes wait
// while the files are rewritten: call it once a day.
func (s *Store) Prune(ctx context.Context, before func(protocol.TLP) time.Time) (int, error) {
	old, err := s.outlived(ctx, before)
	if err != nil || len(old) == 0 {
		return 0, err
	}
	dropped := 0
	err = s.do(ctx, &job{run: func() (err error) {
		dropped, err = s.prune(old)
		return err
	}})
	if err != nil {
		return 0, err // the writer may still be at it
	}
	return dropped, nil
}

// An outlived body was issued too long ago.
type outlived struct {
	ref            uint32
	number, issued uint64
}

// outlived finds the oldest bodies that are to go.
func (s *Store) outlived(ctx context.Context, before func(protocol.TLP) time.Time) (old []outlived, err error) {
	limits := map[protocol.TLP]uint64{}
	for label := protocol.Clear; label <= protocol.Red; label++ {
		if at := before(label); !at.IsZero() {
			limits[label] = protocol.Millis(at)
		}
	}
	if len(limits) == 0 {
		return nil, nil
	}
	for after := uint64(0); ctx.Err() == nil; {
		ref, b, ok := s.nextBody(after)
		if !ok {
			slices.SortFunc(old, func(a, b outlived) int {
				return cmp.Or(cmp.Compare(a.issued, b.issued), cmp.Compare(a.number, b.number))
			})
			return old[:min(len(old), sweepAtOnce)], nil
		}
		after = arrival(b.body.number, 1<<indexBits-1)
		if limits[s.labelOf(b)] == 0 {
			continue
		}
		r, err := s.record(b)
		if err != nil {
			continue // damaged: it is wanted anew, or nobody's
		}
		if h := &r.bulletin.Header; h.Issued < limits[h.TLP] {
			old = append(old, outlived{ref, b.body.number, h.Issued})
		}
	}
	return nil, ctx.Err()
}

func (s *Store) labelOf(b held) protocol.TLP {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.cat.streams[b.stream].desc.TLP
}

// prune drops those that nothing happened to meanwhile.
func (s *Store) prune(old []outlived) (int, error) {
	var gone []expired
	for _, o := range old {
		b := s.cat.bulletins[o.ref]
		if b.state != Held || b.damaged || b.body.number != o.number {
			continue
		}
		if postings, err := s.postings(b); err == nil {
			gone = append(gone, expired{o.ref, postings})
		}
	}
	if len(gone) == 0 {
		return 0, nil
	}
	return len(gone), s.dropBodies(gone, Pruned)
}
