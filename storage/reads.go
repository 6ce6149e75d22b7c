package storage

import (
	"context"
	"slices"
)

// reads are the reads of the database that began between two erasures. They
// are counted because badger keeps a file for as long as any of them uses it,
// also one that it has replaced.
type reads struct {
	under int           // way
	over  chan struct{} // closed when none is any more; nil until somebody waits
}

// begin guards a read against Close; the caller ends it with what it got.
func (s *Store) begin() (*reads, error) {
	s.readMu.Lock()
	defer s.readMu.Unlock()
	if s.closed {
		return nil, ErrClosed
	}
	s.reading.Add(1)
	s.reads.under++
	return s.reads, nil
}

func (s *Store) end(r *reads) {
	s.readMu.Lock()
	if r.under--; r.under == 0 && r.over != nil {
		close(r.over)
	}
	s.readMu.Unlock()
	s.reading.Done()
}

// outlast waits until every read that began before has ended.
func (s *Store) outlast(ctx context.Context) error {
	s.readMu.Lock()
	s.before = slices.DeleteFunc(s.before, func(r *reads) bool { return r.under == 0 })
	if s.reads.under > 0 {
		s.reads.over = make(chan struct{})
		s.before = append(s.before, s.reads)
		s.reads = &reads{}
	}
	earlier := slices.Clone(s.before)
	s.readMu.Unlock()
	for _, r := range earlier {
		select {
		case <-r.over:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}
