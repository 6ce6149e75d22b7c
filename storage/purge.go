package storage

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"
)

// purgingTable lists what is being purged: beginnings of rows' keys in the
// database. What lies under one of them is in no table any more.
const purgingTable = "purging"

// Purge deletes the rows whose keys begin with one of these, and destroys them:
// when it returns without error no file of the store holds their bytes, and
// those of their earlier values and of rows deleted before. A crash in between
// never brings one back. Writes wait while files are rewritten, and it waits for
// reads that began earlier, as [Store.EraseAll] does; when ctx ends first, the
// rows are gone but may be in files until those reads have ended: call it again.
func (t Table) Purge(ctx context.Context, prefixes ...[]byte) error {
	for some := range slices.Chunk(prefixes, eraseAtOnce) {
		var keys [][]byte
		for _, prefix := range some {
			if len(prefix) == 0 || len(prefix) > maxRowKey-1-tableName {
				return fmt.Errorf("table %q: purge: a prefix has 1 to %d bytes", t.name, maxRowKey-1-tableName)
			}
			keys = append(keys, (&rowChange{table: t.name, key: prefix}).storeKey())
		}
		if err := t.s.do(ctx, &job{size: groupBytes, run: func() error { return t.s.purge(keys) }}); err != nil {
			return fmt.Errorf("table %q: purge: %w", t.name, err)
		}
	}
	if err := t.s.outlast(ctx); err != nil {
		return fmt.Errorf("table %q: purge: reads of the old files have not ended: %w", t.name, err)
	}
	return nil
}

// purge takes rows out of their tables and then drops them. Dropping is not one
// step for badger: until it is done a row says what is to go, and the next start
// leaves that out.
func (s *Store) purge(keys [][]byte) error {
	marks := map[string][]byte{}
	for _, key := range keys {
		marks[string(key)] = []byte{}
	}
	if err := s.exchangeRows(marks, s.under(keys)); err != nil {
		return err
	}
	return s.finishPurge()
}

// finishPurge drops what is marked, and then the marks.
func (s *Store) finishPurge() error {
	var keys [][]byte
	marks := map[string][]byte{}
	for key := range s.tables[purgingTable] {
		keys = append(keys, []byte(key))
		marks[key] = nil
	}
	if len(keys) == 0 || s.room.full.Load() {
		return nil
	}
	slices.SortFunc(keys, bytes.Compare)
	if err := s.dropPrefix(keys); err != nil {
		return err
	}
	return s.exchangeRows(marks, nil)
}

// under lists the rows in memory that lie under keys of the database.
func (s *Store) under(keys [][]byte) (rows []rowChange) {
	for _, key := range keys {
		table, prefix := tableOf(key), string(key[1+tableName:])
		for row := range s.tables[table] {
			if strings.HasPrefix(row, prefix) {
				rows = append(rows, rowChange{table: table, key: []byte(row), write: true})
			}
		}
	}
	return rows
}

// exchangeRows writes marks, nil to delete one, and takes rows out of memory and
// of the counts, in one transaction.
func (s *Store) exchangeRows(marks map[string][]byte, gone []rowChange) error {
	w := s.newWriter()
	defer w.discard()
	counts := s.counts
	counts.commits++
	seen := map[string]bool{}
	gone = slices.DeleteFunc(gone, func(r rowChange) bool { // prefixes may overlap
		id := r.table + "\x00" + string(r.key)
		twice := seen[id]
		seen[id] = true
		return twice
	})
	for _, r := range gone {
		counts.exchange(r.table, r.key, s.tables[r.table][string(r.key)], nil)
	}
	for key, value := range marks {
		r := rowChange{table: purgingTable, key: []byte(key), value: value}
		counts.exchange(r.table, r.key, s.tables[r.table][key], value)
		w.set(r.storeKey(), r.encode())
	}
	w.set(countsKey(), counts.encode())
	if w.flush(); w.err != nil {
		return s.fail(w.err)
	}
	if err := s.note(counts, [32]byte{}); err != nil {
		return s.fail(err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range gone {
		s.applyRow(&gone[i])
	}
	for key, value := range marks {
		s.applyRow(&rowChange{table: purgingTable, key: []byte(key), value: value, write: true})
	}
	return nil
}

// leaveOut forgets the rows that were being purged when the process ended.
func (s *Store) leaveOut() {
	for key := range s.tables[purgingTable] {
		if len(key) <= 1+tableName {
			continue
		}
		for _, r := range s.under([][]byte{[]byte(key)}) {
			s.applyRow(&r)
		}
	}
}
