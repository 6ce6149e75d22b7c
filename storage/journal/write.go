package journal

import (
	"errors"
	"fmt"
	"syscall"
	"time"
)

// run is the writer: the one goroutine that writes the files. It ends when the
// journal is closed and the queue is empty.
func (j *Journal) run(w *writer) {
	defer close(j.stopped)
	timer := time.NewTimer(syncEvery)
	timer.Stop()
	for {
		select {
		case e := <-j.queue:
			if j.group(w, e) {
				timer.Stop()
			} else if w.unsynced && !w.armed {
				w.armed = true
				timer.Reset(syncEvery)
			}
		case <-timer.C:
			j.settle(w)
		case <-j.ending:
			timer.Stop()
			j.end(w)
			return
		}
	}
}

// group writes an entry and what waits behind it. It reports whether it synced,
// as it does when somebody waits.
func (j *Journal) group(w *writer, e entry) bool {
	if w.broken != nil {
		j.refuse(w.broken, []entry{e})
		return true
	}
	before, gap := w.kept, j.gap.Swap(0)
	err := w.gather(gap, e, j.queue)
	if err == nil {
		err = w.flush()
	}
	if err == nil && w.urgent {
		err = w.sync(false)
	}
	if err == nil {
		j.acknowledge(w, w.taken)
		return w.urgent
	}
	if w.rollBack(); w.kept == before {
		j.gap.Add(gap)
	}
	lost := w.taken
	if w.landed > 0 && w.sync(false) == nil {
		j.acknowledge(w, lost[:w.landed])
		lost = lost[w.landed:]
	}
	j.refuse(j.judge(w, err), lost)
	return false
}

// acknowledge tells who waits that their records are durable.
func (j *Journal) acknowledge(w *writer, taken []entry) {
	w.written += uint64(len(taken))
	j.publish(w)
	for i, e := range taken {
		if e.done != nil {
			e.done <- nil
		}
		taken[i] = entry{}
	}
}

// refuse counts what could not be written, and tells who waits.
func (j *Journal) refuse(err error, lost []entry) {
	j.drop(len(lost))
	for i, e := range lost {
		if e.done != nil {
			e.done <- err
		}
		lost[i] = entry{}
	}
}

// judge tells a full disk, which may have room again, from one that is broken.
func (j *Journal) judge(w *writer, err error) error {
	if errors.Is(err, syscall.ENOSPC) && !w.unsure {
		if !w.full {
			j.log.Error("audit journal: records are dropped until there is room", "err", err)
		}
		w.full = true
		return fmt.Errorf("%w: %w", ErrFull, err)
	}
	return j.fail(w, err)
}

// fail notes an error of the disk: from now on nothing is written.
func (j *Journal) fail(w *writer, err error) error {
	if w.broken == nil {
		w.broken = fmt.Errorf("%w: %w; look at the disk, start again", ErrFailed, err)
		j.publish(w)
		j.log.Error("audit journal", "err", w.broken)
		close(j.failed)
	}
	return w.broken
}

func (j *Journal) publish(w *writer) {
	j.stats.Store(&Stats{
		Journal: w.head.head.journal, Durable: w.head.head.mark, Written: w.written, Syncs: w.syncs, Failed: w.broken,
	})
}

// settle makes durable what is written.
func (j *Journal) settle(w *writer) {
	if w.broken != nil || !w.unsynced {
		return
	}
	if err := w.sync(false); err != nil {
		j.fail(w, err)
		return
	}
	j.publish(w)
}

// end writes what still waits, and says in the head file that nothing follows.
func (j *Journal) end(w *writer) {
	for more := true; more; {
		select {
		case e := <-j.queue:
			j.group(w, e)
		default:
			more = false
		}
	}
	if gap := j.gap.Swap(0); gap > 0 && (w.broken != nil || w.lastGap(gap) != nil) {
		j.gap.Add(gap)
	}
	err := w.broken
	if err == nil {
		err = w.sync(true)
	}
	if closeErr := errors.Join(w.f.Close(), w.head.f.Close()); err != nil || closeErr != nil {
		j.fail(w, errors.Join(err, closeErr))
		return
	}
	j.publish(w)
}
