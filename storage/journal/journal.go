package journal

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

const (
	queueRecords = 4096                   // that wait for the writer; 8 KiB each at most
	blockFor     = 50 * time.Millisecond  // Append waits so long for room in a full queue
	syncEvery    = 100 * time.Millisecond // a record is durable after, at most
	closeWithin  = 5 * time.Second
)

// Options of a journal. The zero value is what a node uses.
type Options struct {
	Key         []byte       // 32 bytes that the files are sealed under, for this use alone; nil: they are not
	Log         *slog.Logger // of faults, drops and errors of the disk; nil: none
	SegmentSize int64        // bytes from which on another segment is begun; 0: 64 MiB

	write func(*os.File, []byte, int64) (int, error) // in place of WriteAt, in tests
	sync  func(*os.File) error                       // in place of Sync
}

// complete sets what is not.
func (o Options) complete() Options {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.SegmentSize <= 0 {
		o.SegmentSize = segmentSize
	}
	if o.write == nil {
		o.write = (*os.File).WriteAt
	}
	if o.sync == nil {
		o.sync = (*os.File).Sync
	}
	return o
}

// A Journal is an open journal. Its methods are safe for concurrent use. Only
// one may be open in a directory; the caller sees to it.
type Journal struct {
	files
	log *slog.Logger

	queue   chan entry
	quit    chan struct{} // closed when Close begins: nobody waits for room any more
	ending  chan struct{} // closed when nothing more comes into the queue
	stopped chan struct{} // closed when the writer has ended
	failed  chan struct{} // closed at the first error of the disk that is not a full one
	pruning chan struct{} // held by Prune

	mu     sync.RWMutex // guards closed, and sending against it; never held across I/O
	closed bool

	dropped atomic.Uint64 // since Open
	gap     atomic.Uint64 // dropped, and no record says so yet
	stats   atomic.Pointer[Stats]

	closing  sync.Once
	closeErr error
}

// An entry is a record on its way, all but what the writer knows.
type entry struct {
	at   time.Time
	tail []byte
	done chan error // nil: nobody waits
}

// Files are those of a journal, to be read whether or not it is open.
type Files struct {
	Dir string
	Key []byte // they are sealed under; nil: they are not sealed
}

func (f Files) open() (files, error) {
	s, err := newSeal(f.Key)
	return files{dir: f.Dir, seal: s}, err
}

// Verify is the function of that name for this journal.
func (j *Journal) Verify(known ...Mark) (Report, error) { return j.files.verifySteady(known) }

// Stats say how a journal is doing.
type Stats struct {
	Journal string // id
	Durable Mark   // the last record on the disk, as the head file names it
	Written uint64 // records since Open, durable or soon
	Syncs   uint64 // of segments
	Dropped uint64 // records lost since Open: a full queue, a full disk, a failed one
	Waiting int    // records in the queue
	Failed  error  // wraps ErrFailed; nil: none
}

// Open opens the journal in dir and makes it when there is none. It reads the
// last segment, under a second. An unfinished line that a crash left at the end
// is cut off, and a record says so. Whatever else is wrong with what it read is
// the rule of a "fault" record and logged; the damaged files stay as they are,
// the chain goes on in another, and [Files.Verify] names every place. Errors wrap
// [ErrKey] where the journal is sealed under another key than o's, or is not
// sealed and o has one, or is and o has none.
func Open(dir string, o Options) (*Journal, error) {
	o = o.complete()
	inside, err := Files{Dir: dir, Key: o.Key}.open()
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("journal: %w", err)
	}
	w, notes, err := inside.resume(o)
	if err != nil {
		return nil, err
	}
	j := &Journal{
		files: inside, log: o.Log, queue: make(chan entry, queueRecords),
		quit: make(chan struct{}), ending: make(chan struct{}), stopped: make(chan struct{}), failed: make(chan struct{}),
		pruning: make(chan struct{}, 1),
	}
	j.stats.Store(&Stats{Journal: w.head.head.journal, Durable: w.head.head.mark})
	go j.run(w)
	for _, r := range notes {
		j.log.Warn("audit journal", "act", r.Act, "rule", r.Rule)
		if err := j.AppendSync(context.Background(), r); errors.Is(err, ErrFailed) {
			return nil, errors.Join(err, j.Close())
		}
	}
	return j, nil
}

// Append notes an act. It returns at once, 50 ms later at most when the queue is
// full; the record is durable 100 ms after it was written. One that had to be
// dropped is counted in [Stats], and a "gap" record says how many were as soon
// as one can be written again.
func (j *Journal) Append(r Record) {
	if err := j.send(context.Background(), j.entry(r, nil), blockFor); err != nil {
		j.drop(1)
	}
}

// AppendSync notes an act and returns nil when it is durable. What waits is
// written and synced with it. Errors wrap [ErrFull], [ErrFailed], [ErrClosed]
// or that of ctx, after which the record may be written all the same.
func (j *Journal) AppendSync(ctx context.Context, r Record) error {
	done := make(chan error, 1)
	if err := j.send(ctx, j.entry(r, done), 0); err != nil {
		j.drop(1)
		return err
	}
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return fmt.Errorf("journal: wait for the disk: %w", ctx.Err())
	}
}

func (j *Journal) entry(r Record, done chan error) entry {
	r.At = time.Now()
	return entry{at: r.At, tail: r.appendTail(make([]byte, 0, 320)), done: done}
}

// send puts an entry in the queue; where that is full it waits, for ever when
// patience is 0.
func (j *Journal) send(ctx context.Context, e entry, patience time.Duration) error {
	j.mu.RLock()
	defer j.mu.RUnlock()
	if j.closed {
		return ErrClosed
	}
	select {
	case <-j.failed:
		return j.Stats().Failed
	default:
	}
	select {
	case j.queue <- e:
		return nil
	default:
		return j.queueUp(ctx, e, patience)
	}
}

// queueUp waits for room in the queue.
func (j *Journal) queueUp(ctx context.Context, e entry, patience time.Duration) error {
	var late <-chan time.Time
	if patience > 0 {
		timer := time.NewTimer(patience)
		defer timer.Stop()
		late = timer.C
	}
	select {
	case j.queue <- e:
		return nil
	case <-late:
		return ErrFull
	case <-j.failed:
		return j.Stats().Failed
	case <-j.quit:
		return ErrClosed
	case <-ctx.Done():
		return fmt.Errorf("journal: wait for the queue: %w", ctx.Err())
	}
}

func (j *Journal) drop(n int) {
	j.dropped.Add(uint64(n))
	j.gap.Add(uint64(n))
}

// Failed is closed when the disk has reported an error other than being full:
// nothing is written any more, and [Stats] has the cause.
func (j *Journal) Failed() <-chan struct{} { return j.failed }

// Stats returns how the journal is doing.
func (j *Journal) Stats() Stats {
	s := *j.stats.Load()
	s.Dropped, s.Waiting = j.dropped.Load(), len(j.queue)
	return s
}

// Close writes what waits, notes in the head file that nothing follows, and
// closes the files. It returns within 5 seconds, with an error when something
// was lost or still hangs. Only the first call does anything; all return the
// same.
func (j *Journal) Close() error {
	j.closing.Do(func() {
		close(j.quit)
		j.mu.Lock()
		j.closed = true
		j.mu.Unlock()
		close(j.ending)
		late := time.NewTimer(closeWithin)
		defer late.Stop()
		select {
		case <-j.stopped:
			j.closeErr = j.Stats().Failed
			if n := j.gap.Load(); n > 0 {
				j.closeErr = errors.Join(j.closeErr, fmt.Errorf("journal: %d records were lost, and none says so", n))
			}
		case <-late.C:
			j.closeErr = fmt.Errorf("journal: not closed within %s: given up", closeWithin)
		}
	})
	return j.closeErr
}
