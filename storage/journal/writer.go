package journal

import (
	"errors"
	"fmt"
	"os"
	"time"
)

// groupBytes is what is written in one go, at least one record.
const groupBytes = 1 << 20

// A writer is the open end of a journal.
type writer struct {
	Options
	files
	head *headFile

	f    *os.File
	name segmentName
	size int64 // of the file, as far as it is written

	end  Mark   // the last record, written or in buf
	kept Mark   // the last record written
	text []byte // the line made last, before it is sealed
	buf  []byte // what is to be written

	unsynced bool // written since the last sync
	armed    bool // the timer runs
	unsure   bool // what the file holds behind size is not known
	full     bool // the last write found no room
	broken   error
	written  uint64
	syncs    uint64

	taken  []entry // of the group under way
	landed int     // of them are written
	urgent bool    // somebody waits for one of them
}

// line puts a record behind the others.
func (w *writer) line(tail []byte) {
	w.text = append(appendChain(w.text[:0], w.end.Hash, w.end.Seq+1), tail...)
	w.buf = w.seal.appendLine(w.buf, w.text)
	w.end = Mark{w.end.Seq + 1, sha(w.text)}
}

// gather puts an entry and what waits behind it in the buffer.
func (w *writer) gather(gap uint64, e entry, queue <-chan entry) error {
	w.taken, w.landed, w.urgent = w.taken[:0], 0, false
	if err := w.addGap(gap, e.at); err != nil {
		w.taken = append(w.taken, e)
		return err
	}
	for {
		w.taken, w.urgent = append(w.taken, e), w.urgent || e.done != nil
		if err := w.add(e.at, e.tail); err != nil {
			return err
		}
		if len(w.buf) >= groupBytes {
			return nil
		}
		select {
		case e = <-queue:
		default:
			return nil
		}
	}
}

// add puts a record behind the others, in another segment where that is due.
func (w *writer) add(at time.Time, tail []byte) error {
	if month := monthOf(at); month.After(w.name.month) || w.size+int64(len(w.buf)) >= w.SegmentSize {
		if err := w.flush(); err != nil {
			return err
		}
		w.landed = max(0, len(w.taken)-1)
		if err := w.rotate(month); err != nil {
			return err
		}
	}
	if w.size == 0 && len(w.buf) == 0 {
		opening := Record{At: at, Act: ActSegment, Words: map[string]string{"journal": w.head.head.journal, "segment": w.name.String()}}
		w.line(opening.appendTail(nil))
	}
	w.line(tail)
	return nil
}

// addGap says how many records were dropped.
func (w *writer) addGap(n uint64, at time.Time) error {
	if n == 0 {
		return nil
	}
	r := Record{At: at, Act: ActGap, Count: int64(n)}
	return w.add(at, r.appendTail(nil))
}

// lastGap says it at the end.
func (w *writer) lastGap(n uint64) error {
	err := w.addGap(n, time.Now())
	if err == nil {
		err = w.flush()
	}
	if err != nil {
		w.rollBack()
	}
	return err
}

// flush writes what is in the buffer. The file is as before when it fails, or
// nobody knows.
func (w *writer) flush() error {
	if len(w.buf) == 0 {
		return nil
	}
	if _, err := w.write(w.f, w.buf, w.size); err != nil {
		if cut := w.f.Truncate(w.size); cut != nil {
			w.unsure = true
			err = errors.Join(err, cut)
		}
		return fmt.Errorf("journal: write %s: %w", w.name, err)
	}
	w.size += int64(len(w.buf))
	w.buf, w.kept, w.unsynced, w.full = w.buf[:0], w.end, true, false
	return nil
}

// rollBack forgets what was not written.
func (w *writer) rollBack() { w.buf, w.end = w.buf[:0], w.kept }

// sync makes durable what is written, and notes it in the head file. After an
// error nobody knows what the disk holds.
func (w *writer) sync(closed bool) error {
	w.armed = false
	if w.unsynced {
		if err := w.Options.sync(w.f); err != nil {
			w.unsure = true
			return fmt.Errorf("journal: sync %s: %w", w.name, err)
		}
		w.syncs++
	}
	if !w.unsynced && w.head.head.closed == closed {
		return nil
	}
	if err := w.head.write(w.kept, closed); err != nil {
		w.unsure = true
		return err
	}
	w.unsynced = false
	return nil
}

// rotate goes on in another segment. The old one is durable before there is a
// new one, so only the last can end in the middle of a line.
func (w *writer) rotate(month time.Time) error {
	if month.Before(w.name.month) {
		month = w.name.month // the clock was set back: names stay in order
	}
	if w.size == 0 {
		return w.rename(segmentName{serial: w.name.serial, month: month, sealed: w.seal != nil})
	}
	if err := w.sync(false); err != nil {
		return err
	}
	next := segmentName{serial: w.name.serial + 1, month: month, sealed: w.seal != nil}
	f, err := createSegment(w.dir, next)
	if err != nil {
		return err
	}
	err = w.f.Close()
	w.f, w.name, w.size = f, next, 0
	if err != nil {
		w.unsure = true
		return fmt.Errorf("journal: %w", err)
	}
	return nil
}

// rename gives an empty segment the month its first record is of.
func (w *writer) rename(to segmentName) error {
	if err := errors.Join(os.Rename(w.name.path(w.dir), to.path(w.dir)), syncDir(w.dir)); err != nil {
		w.unsure = true
		return fmt.Errorf("journal: %w", err)
	}
	w.name = to
	return nil
}

func createSegment(dir string, n segmentName) (*os.File, error) {
	if n.serial > maxSerial {
		return nil, fmt.Errorf("journal: %d segments are as many as there can be", maxSerial)
	}
	f, err := os.OpenFile(n.path(dir), os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, fmt.Errorf("journal: %w", err)
	}
	if err := syncDir(dir); err != nil {
		return nil, errors.Join(fmt.Errorf("journal: %w", err), f.Close(), os.Remove(n.path(dir)))
	}
	return f, nil
}
