package storage

import "github.com/dgraph-io/badger/v4"

// A writer gathers the writes of one transaction. After an error it does nothing.
type writer struct {
	s       *Store
	txn     *badger.Txn
	pending int
	err     error
}

func (s *Store) newWriter() *writer {
	return &writer{s: s, txn: s.db.NewTransactionAt(s.stamp, true)}
}

func (w *writer) discard() { w.txn.Discard() }

// set writes value, which it seals and keeps, under key.
func (w *writer) set(key, value []byte) {
	if w.err != nil {
		return
	}
	e := badger.NewEntry(key, seal(key, value))
	err := w.txn.SetEntry(e)
	if err == badger.ErrTxnTooBig && w.pending > 0 {
		if w.flush(); w.err != nil {
			return
		}
		err = w.txn.SetEntry(e)
	}
	w.pending++
	w.err = err
}

// flush commits what was gathered and starts anew.
func (w *writer) flush() {
	if w.err != nil {
		return
	}
	w.s.stamp++
	if w.err = w.txn.CommitAt(w.s.stamp, nil); w.err != nil {
		return
	}
	w.s.db.SetDiscardTs(w.s.stamp)
	w.txn, w.pending = w.s.db.NewTransactionAt(w.s.stamp, true), 0
}

// setContent writes a body's chunks and segments.
func (w *writer) setContent(j *job) {
	if j.content == nil {
		return
	}
	if j.replaces {
		w.s.dirty = true // the damaged parts are dropped at the next start
		w.set(dirtyKey(), []byte{1})
	}
	place := j.content.place
	for i, c := range j.content.chunks {
		w.set(place.chunkKey(i<<place.shift), c)
	}
	for i, x := range j.content.segments {
		w.set(place.segmentKey(i, w.s.index.Load().gen), x)
	}
}

// setTruth writes a header's record, or a row.
func (w *writer) setTruth(j *job) {
	switch {
	case j.row != nil:
		if j.row.write {
			w.set(j.row.storeKey(), j.row.encode())
		}
	case !j.idle:
		w.set(headerKey(j.number), j.record.encode())
	}
}
