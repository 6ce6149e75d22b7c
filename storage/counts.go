package storage

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/cespare/xxhash/v2"
)

// counts are what a store ought to hold. They are written with every commit, in
// the same transaction, so that the database says by itself when something in
// the middle of it has gone; and to the head file, so that a database which has
// lost its end is told from one that a crash kept from getting there.
type counts struct {
	commits uint64 // transactions that brought something
	headers uint64 // held, ever
	rows    uint64 // of tables, not deleted
	rowSum  uint64 // of their hashes
}

const countsSize = 4 * 8

func (c counts) encode() []byte { return c.append(make([]byte, 0, countsSize+tagSize)) }

func (c counts) append(b []byte) []byte {
	for _, n := range []uint64{c.commits, c.headers, c.rows, c.rowSum} {
		b = binary.BigEndian.AppendUint64(b, n)
	}
	return b
}

func (d *decoder) counts() counts { return counts{d.uint64(), d.uint64(), d.uint64(), d.uint64()} }

func decodeCounts(b []byte) (counts, error) {
	d := decoder{b: b}
	c := d.counts()
	if d.bad || len(d.b) > 0 {
		return counts{}, fmt.Errorf("%w: counts of %d bytes", ErrDamaged, len(b))
	}
	return c, nil
}

// exchange notes that a row has another value now; nil: none.
func (c *counts) exchange(table string, key, before, after []byte) {
	if before != nil {
		c.rows--
		c.rowSum -= rowHash(table, key, before)
	}
	if after != nil {
		c.rows++
		c.rowSum += rowHash(table, key, after)
	}
}

func rowHash(table string, key, value []byte) uint64 {
	var d xxhash.Digest
	d.Reset()
	d.WriteString(table)
	for _, part := range [][]byte{key, value} {
		var size [8]byte
		binary.BigEndian.PutUint64(size[:], uint64(len(part)))
		d.Write(size[:])
		d.Write(part)
	}
	return d.Sum64()
}

// after returns the counts once a group is committed.
func (s *Store) after(group []*job) counts {
	c := s.counts
	c.commits++
	headers := uint64(len(s.cat.bulletins))
	for _, j := range group {
		switch {
		case j.row != nil && j.row.write:
			c.exchange(j.row.table, j.row.key, s.tables[j.row.table][string(j.row.key)], j.row.value)
		case j.record != nil && !j.known:
			headers++
		}
	}
	c.headers = max(c.headers, headers)
	return c
}

// compareCounts finds out whether the database has lost what it, or the head
// file, knows. Lost bulletins are fetched from peers; lost rows may have been
// what kept somebody out, and keep the store shut unless that is accepted.
func (s *Store) compareCounts(accept bool) error {
	known, err := s.loadCounts()
	if err != nil {
		return err
	}
	here := counts{headers: uint64(len(s.cat.bulletins))}
	for table, rows := range s.tables {
		for key, value := range rows {
			here.exchange(table, []byte(key), nil, value)
		}
	}
	h := s.head.head
	behind := known != nil && known.commits < h.commits
	if known == nil {
		known = &h.counts
	}
	rowsGone := known.commits > 0 && !here.sameRows(*known) || behind && !here.sameRows(h.counts)
	if rowsGone && !accept {
		return fmt.Errorf("%w: changes to tables are lost, which may have kept somebody out; restore a backup of the store, or accept what is left with `tocsin store rebuild --accept-loss`", ErrDamaged)
	}
	s.counts = here
	s.counts.commits, s.counts.headers = max(known.commits, h.commits), max(known.headers, h.headers, here.headers)
	s.compareHead(behind, here.headers)
	return nil
}

func (c counts) sameRows(other counts) bool { return c.rows == other.rows && c.rowSum == other.rowSum }

// loadCounts reads the counts; nil where there are none that can be read.
func (s *Store) loadCounts() (*counts, error) {
	value, err := s.get(countsKey())
	var c counts
	if err == nil {
		c, err = decodeCounts(value)
	}
	switch {
	case err == nil:
		return &c, nil
	case errors.Is(err, errNoKey) && s.head.head.commits > 0:
		return &counts{}, nil // the head file has seen some
	case errors.Is(err, errNoKey):
		return nil, nil
	case errors.Is(err, ErrDamaged):
		s.damage("the record of counts", err)
		return nil, nil
	}
	return nil, err
}

// compareHead sets how much is lost, and says so.
func (s *Store) compareHead(behind bool, held uint64) {
	s.lost = s.counts.headers - held
	_, lastHeld := s.cat.ids[s.head.head.last]
	if behind || !s.head.head.last.IsZero() && !lastHeld {
		s.lost = max(s.lost, 1)
	}
	if s.lost > 0 {
		s.log.Error("the store has lost bulletins it had kept; they are fetched from peers where these hold them",
			"lost", s.lost, "last own bulletin", s.head.head.last)
	}
}

// accept makes what is here the measure, and rows that cannot be read deleted
// ones: for a Rebuild, whose caller was told.
func (s *Store) accept() error {
	s.counts.commits++
	s.counts.headers = uint64(len(s.cat.bulletins))
	w := s.newWriter()
	defer w.discard()
	err := s.scan(tablePrefix, true, func(key, value []byte, ok bool) error {
		if ok {
			_, err := decodeRow(key, value)
			ok = err == nil
		}
		if !ok {
			w.set(key, (&rowChange{}).encode()) // deleted
		}
		return nil
	})
	w.set(countsKey(), s.counts.encode())
	if w.flush(); err != nil || w.err != nil {
		return errors.Join(err, w.err)
	}
	last := s.head.head.last
	if _, held := s.cat.ids[last]; !held {
		last = [32]byte{}
	}
	return s.head.write(s.counts, last, true)
}
