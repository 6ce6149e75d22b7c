package storage

import (
	"errors"
	"fmt"
	"time"
)

// closeWithin leaves a daemon that must end within ten seconds two for the rest.
const closeWithin = 8 * time.Second

// errSlowClose ends a Close that would wait for ever.
var errSlowClose = fmt.Errorf("the database did not close within %s: given up; what was acknowledged is on the disk", closeWithin)

// Close waits for the writer to finish what waits, and closes the database. It
// returns within 8 seconds, with an error when something still hangs; the
// process should end then. Only the first call does anything; all return the
// same.
func (s *Store) Close() error {
	s.closing.Do(func() {
		close(s.quit)
		done := make(chan error, 1)
		go func() { done <- s.shut() }()
		late := time.NewTimer(closeWithin)
		defer late.Stop()
		select {
		case s.closeErr = <-done:
		case <-late.C:
			s.closeErr = errSlowClose
		}
	})
	return s.closeErr
}

// shut does the work of Close.
func (s *Store) shut() error {
	<-s.stopped
	s.readMu.Lock()
	s.closed = true
	s.readMu.Unlock()
	s.reading.Wait()
	err := errors.Join(s.head.sync(), s.closeDatabase())
	err = errors.Join(err, s.head.f.Close(), s.enc.Close())
	s.dec.Close()
	return err
}

// closeDatabase leaves the database open where closing it would write into a
// full disk: the log holds everything.
func (s *Store) closeDatabase() error {
	if err := s.room.prepareClose(s.db.Opts()); err != nil {
		return err
	}
	return s.db.Close()
}
