package storage

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tocsin-exchange/tocsin/protocol"
	"github.com/tocsin-exchange/tocsin/protocol/stix"
)

// An Entry is one bulletin to be kept, with the verdict on it.
type Entry struct {
	Bulletin *protocol.Bulletin // with its body, which may lack objects that were erased, or the header only
	Body     BodyState          // Held when the body is here and to be kept, else why it is not
	Reason   string             // the rule that decided, kept as receipt; at most 512 bytes
	From     protocol.Node      // who handed it over; zero: ourselves
	Received time.Time          // zero: now
	Own      bool               // our own word: the head file says so before Put returns
	Again    bool               // a body that was declined is wanted after all: with Body Absent
	Aside    bool               // it is kept outside its stream, see the package comment
	Via      protocol.Org       // who forwarded it, with Aside

	// Objects may carry what [stix.Parse] made of the bulletin's objects, one
	// each in their order, so that it need not be done again.
	Objects []stix.Object
}

// A Result says what an entry changed.
type Result struct {
	New          bool               // the header was not held
	BodyNew      bool               // the body was not held
	Arrival      uint64             // of the body's first object, when BodyNew
	Equivocation *protocol.Bulletin // another header held at the same place; both stay
}

// Put keeps bulletins and returns when they are durable, with one result an
// entry. A header that is held already is not written again; a body that comes
// for a held header is added and arrives now, when it was absent, or declined
// and is now wanted. For a held header whose body is absent, an entry without
// body and another state than Absent and Held sets that state. A body without
// any object left is Erased. A header that was kept aside enters its stream when
// it comes without Aside, and never leaves it.
//
// Whether a body may lack what it lacks, and whether what was erased may come
// again, is for the caller to judge, see [Store.WasErased]; a body that is held,
// or Erased, is never replaced by a fuller one.
//
// Entries are independent: when one cannot be kept (an object that is not
// STIX), the others are, and the error names the first that was not; its
// result is zero. When ctx ends first, or with [ErrFailed] and [ErrClosed],
// those without a result may or may not have been kept.
func (s *Store) Put(ctx context.Context, entries ...Entry) ([]Result, error) {
	results := make([]Result, len(entries))
	jobs := make([]*job, len(entries))
	prepared, errs := s.prepareAll(entries)
	var first error
	for i := range entries {
		j, err := prepared[i], errs[i]
		if err == nil {
			err = s.enqueue(ctx, j)
		}
		if err != nil {
			first = fmt.Errorf("keep bulletin %d of %d: %w", i+1, len(entries), err)
			if ctx.Err() != nil || errors.Is(err, ErrFailed) || errors.Is(err, ErrClosed) {
				break
			}
			continue
		}
		jobs[i] = j
	}
	for i, j := range jobs {
		if j == nil {
			continue
		}
		err := s.await(ctx, j)
		switch {
		case err == nil:
			results[i] = j.result
		case first == nil:
			first = err
		}
	}
	return results, first
}

// A job is one thing for the writer to do: keep a bulletin, change a row of a
// table, or run something while nobody writes.
type job struct {
	record   *record
	stream   protocol.ID
	place    protocol.Position
	content  *content // nil: no body to keep
	row      *rowChange
	run      func() error
	reads    bool // run writes nothing: a full disk is no matter
	size     int64
	done     chan struct{}
	err      error
	result   Result
	known    bool // the plan: the header is held already
	ref      uint32
	number   uint64
	replaces bool // the body replaces a damaged one
	idle     bool // nothing is to be written
	again    bool // a declined body is wanted after all
	enters   bool // what stood aside enters its stream
	still    bool // its body stays as it is
}

// content is a body made ready to be written.
type content struct {
	by       *indexer
	bulletin *protocol.Bulletin
	place    bodyPlace
	chunks   [][]byte
	segments [][]byte
	postings []posting
}

// prepareAll prepares entries on as many cores as there are: compressing and
// indexing is most of the work of a Put.
func (s *Store) prepareAll(entries []Entry) ([]*job, []error) {
	jobs, errs := make([]*job, len(entries)), make([]error, len(entries))
	var next atomic.Int64
	var wg sync.WaitGroup
	for range min(len(entries), runtime.GOMAXPROCS(0)) {
		wg.Go(func() {
			for i := next.Add(1) - 1; i < int64(len(entries)); i = next.Add(1) - 1 {
				jobs[i], errs[i] = s.prepare(&entries[i])
			}
		})
	}
	wg.Wait()
	return jobs, errs
}

func (s *Store) prepare(e *Entry) (*job, error) {
	b := e.Bulletin
	if e.Body >= states {
		return nil, fmt.Errorf("%s: unknown %s", b.ID(), e.Body)
	}
	received := e.Received
	if received.IsZero() {
		received = time.Now()
	}
	r := &record{state: e.Body, own: e.Own, from: e.From, received: protocol.Millis(received), reason: e.Reason, bulletin: b.HeaderOnly()}
	if r.aside = e.Aside; r.aside {
		r.via = e.Via
	}
	r.body.expires = forever
	j := &job{record: r, stream: b.Header.Stream().ID(), place: b.Header.Position(), again: e.Again, done: make(chan struct{})}
	header, _ := b.HeaderBytes()
	j.size = int64(len(header)+len(e.Reason)) + 3*writeCosts
	if e.Body == Held && !b.HasBody() {
		r.state = Absent
	}
	if r.state == Held && emptied(b) {
		r.state = Erased
	}
	if r.state != Held || s.bodyHeld(b.ID()) {
		return j, nil
	}
	c, err := s.index.Load().prepare(s.enc, b, e.Objects)
	if err != nil {
		return nil, err
	}
	j.content = c
	for _, parts := range [][][]byte{c.chunks, c.segments} {
		for _, p := range parts {
			j.size += int64(len(p)) + writeCosts
		}
	}
	return j, nil
}

// emptied reports whether a body has no object left.
func emptied(b *protocol.Bulletin) bool {
	for range b.Objects() {
		return false
	}
	return true
}

// bodyHeld reports whether there is no use in preparing a body.
func (s *Store) bodyHeld(id protocol.ID) bool {
	header, body := s.Has(id)
	return header && body != Absent && body != Declined
}

// enqueue hands a job to the writer, waiting while too much waits there.
func (s *Store) enqueue(ctx context.Context, j *job) error {
	j.size = min(j.size, queueBytes)
	if err := s.budget.Acquire(ctx, j.size); err != nil {
		return err
	}
	select {
	case <-s.quit:
		s.budget.Release(j.size)
		return ErrClosed
	case <-ctx.Done():
		s.budget.Release(j.size)
		return ctx.Err()
	case s.jobs <- j:
		return nil
	}
}

// await waits until the writer is done with a job.
func (s *Store) await(ctx context.Context, j *job) error {
	select {
	case <-j.done:
		return j.err
	case <-ctx.Done():
		return ctx.Err()
	case <-s.stopped:
	}
	select {
	case <-j.done:
		return j.err
	default: // it came too late, and stays in the queue
		s.budget.Release(j.size)
		return ErrClosed
	}
}

// do runs one job and waits for it.
func (s *Store) do(ctx context.Context, j *job) error {
	j.done = make(chan struct{})
	if err := s.enqueue(ctx, j); err != nil {
		return err
	}
	return s.await(ctx, j)
}
