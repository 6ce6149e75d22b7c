package sink

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"
)

const (
	pollEvery   = 10 * time.Second // how long one wait for news takes
	sendWithin  = 30 * time.Second // a batch
	firstPause  = time.Second      // after a failure
	longestWait = 5 * time.Minute  // between two tries
)

// errRefused is a batch that its receiver will never take for what is in it.
var errRefused = errors.New("refused")

// A later is a failure after which the receiver wants to be left alone.
type later struct {
	error
	after time.Duration
}

// A receiver is where a sink's events go. It is used by one goroutine.
type receiver interface {
	// send returns when the receiver has all of a batch. Errors wrap errRefused
	// where it will not take that; after any other it is closed.
	send(ctx context.Context, batch []Event) error
	close()
}

// A runner hands the events of one sink on.
type runner struct {
	s    *Sinks
	rec  record
	stop context.CancelFunc
	done chan struct{} // closed when it has stopped
	to   receiver      // nil: not connected

	mu        sync.Mutex
	delivered uint64
	failures  int
	problem   string
	since     time.Time
}

func newRunner(s *Sinks, rec record, stop context.CancelFunc) *runner {
	return &runner{s: s, rec: rec, stop: stop, done: make(chan struct{})}
}

func (r *runner) report(st *State) {
	r.mu.Lock()
	defer r.mu.Unlock()
	st.Delivered, st.Failures, st.Problem, st.Since = r.delivered, r.failures, r.problem, r.since
}

// run works until ctx ends, or the sink was removed.
func (r *runner) run(ctx context.Context) {
	defer r.disconnect()
	for {
		err := r.step(ctx)
		if ctx.Err() != nil || errors.Is(err, ErrNotFound) {
			return
		}
		if err == nil {
			r.note(nil)
			continue
		}
		r.disconnect()
		pause := time.NewTimer(r.note(err))
		select {
		case <-ctx.Done():
		case <-pause.C:
		}
		pause.Stop()
	}
}

// note remembers how a step went, and returns how long to wait after it.
func (r *runner) note(err error) time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err == nil {
		if r.failures > 0 {
			r.s.Log.Info("a sink takes events again", "sink", r.rec.Name, "failures", r.failures)
		}
		r.failures, r.problem, r.since = 0, "", time.Time{}
		return 0
	}
	if r.failures++; r.failures == 1 {
		r.since = time.Now().UTC()
		r.s.Log.Warn("a sink does not take events", "sink", r.rec.Name, "err", err)
	}
	r.problem = err.Error()
	wait := min(firstPause<<min(r.failures-1, 20), longestWait)
	wait = wait/2 + rand.N(wait/2)
	if l, ok := errors.AsType[*later](err); ok {
		wait = max(wait, min(l.after, longestWait))
	}
	return wait
}

func (r *runner) disconnect() {
	if r.to != nil {
		r.to.close()
		r.to = nil
	}
}

// step hands on what there is, or waits a while for some.
func (r *runner) step(ctx context.Context) error {
	if err := r.letters(ctx); err != nil {
		return err
	}
	if r.rec.Resetting {
		if err := r.reset(ctx); err != nil {
			return err
		}
	}
	page, err := r.read(ctx, r.rec.Cursor, pollEvery)
	switch {
	case err != nil:
		return fmt.Errorf("read changes: %w", err)
	case page.Reset:
		rec := r.rec
		rec.Cursor, rec.Resetting, rec.Resets = "", true, rec.Resets+1
		return r.save(ctx, rec)
	}
	for batch := range slices.Chunk(page.Events, MaxBatch) { // one change may be many events
		if err := r.deliver(ctx, batch); err != nil {
			return err
		}
	}
	if page.Cursor == r.rec.Cursor {
		return nil
	}
	return r.advance(ctx, page.Cursor)
}

func (r *runner) read(ctx context.Context, after string, wait time.Duration) (Page, error) {
	page, err := r.s.Read(ctx, &r.rec.Config, after, wait)
	for i := range page.Events {
		page.Events[i].round = r.rec.Resets
	}
	return page, err
}

func (r *runner) save(ctx context.Context, rec record) error {
	if err := r.s.records.save(ctx, rec); err != nil {
		return err
	}
	r.rec = rec
	return nil
}

func (r *runner) advance(ctx context.Context, cursor string) error {
	rec := r.rec
	rec.Cursor = cursor
	return r.save(ctx, rec)
}

// reset tells that all is told anew. The dead letters are of what was told before.
func (r *runner) reset(ctx context.Context) error {
	if err := r.send(ctx, []Event{resetEvent(r.rec.Resets)}); err != nil && !errors.Is(err, errRefused) {
		return err
	}
	if _, err := r.s.Drop(ctx, r.rec.Name); err != nil {
		return err
	}
	rec := r.rec
	rec.Resetting = false
	return r.save(ctx, rec)
}

// deliver hands a batch on. One that is refused goes in halves, so that the rest
// is not kept back by one event.
func (r *runner) deliver(ctx context.Context, batch []Event) error {
	if len(batch) == 0 {
		return nil
	}
	err := r.send(ctx, batch)
	switch {
	case err == nil:
		r.count(len(batch))
		for i := len(batch) - 1; i >= 0; i-- {
			if !batch[i].More {
				return r.advance(ctx, batch[i].Cursor)
			}
		}
		return nil
	case !errors.Is(err, errRefused):
		return err
	case len(batch) == 1:
		return r.bury(ctx, &batch[0], err)
	}
	if err := r.deliver(ctx, batch[:len(batch)/2]); err != nil {
		return err
	}
	return r.deliver(ctx, batch[len(batch)/2:])
}

func (r *runner) count(events int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.delivered += uint64(events)
}

func (r *runner) send(ctx context.Context, batch []Event) error {
	ctx, cancel := context.WithTimeout(ctx, sendWithin)
	defer cancel()
	if r.to == nil {
		to, err := r.s.connect(ctx, &r.rec)
		if err != nil {
			return err
		}
		r.to = to
	}
	return r.to.send(ctx, batch)
}

// bury makes a dead letter of an event and goes on behind it.
func (r *runner) bury(ctx context.Context, e *Event, why error) error {
	letters, err := r.s.records.letters(&r.rec)
	if err != nil {
		return err
	}
	if len(letters) >= MaxLetters {
		return fmt.Errorf("%d events were refused and wait as dead letters, and another is: %w", len(letters), why)
	}
	rec := r.rec
	if !slices.ContainsFunc(letters, func(l Letter) bool { return l.Event == e.ID() }) { // it was buried before a crash
		rec.Letters++
		l := Letter{Number: rec.Letters, Event: e.ID(), After: r.rec.Cursor, Reason: why.Error(), At: time.Now().UTC().Truncate(time.Second)}
		if err := r.s.records.putLetter(ctx, &rec, l); err != nil {
			return err
		}
		r.s.Log.Warn("an event was refused", "sink", r.rec.Name, "event", l.Event, "err", why)
	}
	if !e.More {
		rec.Cursor = e.Cursor
	}
	return r.save(ctx, rec)
}

// letters tries those again that somebody asked for.
func (r *runner) letters(ctx context.Context) error {
	list, err := r.s.records.letters(&r.rec)
	for i := 0; i < len(list) && err == nil; i++ {
		if list[i].Due {
			err = r.letter(ctx, list[i])
		}
	}
	return err
}

// letter tries one again. An event that is told no more, since it was superseded,
// taken back or erased, is dead for good.
func (r *runner) letter(ctx context.Context, l Letter) error {
	page, err := r.read(ctx, l.After, 0)
	if err != nil {
		return err
	}
	for i := range page.Events {
		if page.Events[i].ID() != l.Event {
			continue
		}
		err := r.send(ctx, page.Events[i:i+1])
		if errors.Is(err, errRefused) {
			l.Due, l.Reason, l.At = false, err.Error(), time.Now().UTC().Truncate(time.Second)
			return r.s.records.putLetter(ctx, &r.rec, l)
		}
		if err != nil {
			return err
		}
		r.count(1)
		break
	}
	return r.s.records.dropLetter(ctx, &r.rec, l.Number)
}
