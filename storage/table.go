package storage

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
)

// A Table is a small local table of a store: petnames, blocked peers, invites,
// tokens. All of it is in memory; a change is durable when its method returns.
// A damaged row keeps the store from opening, since it may have been what kept
// somebody out.
type Table struct {
	s    *Store
	name string
}

// Table returns the table of that name, 1 to 16 bytes. It needs no making.
func (s *Store) Table(name string) Table { return Table{s, name} }

// A rowChange is what a job does to one row.
type rowChange struct {
	table  string
	key    []byte
	change func(old []byte, ok bool) ([]byte, error)
	value  []byte // nil: the row is deleted
	write  bool
}

// Set writes a row. A key has 1 to 256 bytes, a value at most 64 KiB.
func (t Table) Set(ctx context.Context, key, value []byte) error {
	value = append([]byte{}, value...)
	return t.Update(ctx, key, func([]byte, bool) ([]byte, error) { return value, nil })
}

// Delete removes a row; that there was none is no error.
func (t Table) Delete(ctx context.Context, key []byte) error {
	return t.Update(ctx, key, func([]byte, bool) ([]byte, error) { return nil, nil })
}

// Update changes a row in one step: change is given the row, or false when
// there is none, and returns the new one, or nil to delete it. Nobody else
// changes the table meanwhile, so an invite can be burnt exactly once. When
// change fails, nothing is written and its error is returned. It runs in
// another goroutine, perhaps after ctx has ended, and must not use the store.
func (t Table) Update(ctx context.Context, key []byte, change func(old []byte, ok bool) ([]byte, error)) error {
	if len(t.name) == 0 || len(t.name) > tableName || len(key) == 0 || len(key) > maxRowKey {
		return fmt.Errorf("table %q: a name has 1 to %d bytes, a key 1 to %d", t.name, tableName, maxRowKey)
	}
	j := &job{row: &rowChange{table: t.name, key: bytes.Clone(key), change: change}, size: maxRow}
	return t.s.do(ctx, j)
}

// Load returns a row, and whether there is one.
func (t Table) Load(key []byte) ([]byte, bool, error) {
	t.s.mu.RLock()
	defer t.s.mu.RUnlock()
	v, ok := t.s.tables[t.name][string(key)]
	return bytes.Clone(v), ok, nil
}

// All yields the rows there are now, sorted by key.
func (t Table) All() iter.Seq2[[]byte, []byte] {
	return func(yield func([]byte, []byte) bool) {
		t.s.mu.RLock()
		rows := maps.Clone(t.s.tables[t.name]) // values are never changed in place
		t.s.mu.RUnlock()
		for _, k := range slices.Sorted(maps.Keys(rows)) {
			if !yield([]byte(k), bytes.Clone(rows[k])) {
				return
			}
		}
	}
}

// planRow asks for the new row. Its failure is the caller's, not the disk's.
func (j *job) planRow(s *Store) {
	old, ok := s.tables[j.row.table][string(j.row.key)]
	value, err := j.row.change(bytes.Clone(old), ok)
	if err == nil && len(value) > maxRow {
		err = fmt.Errorf("table %q: a row of %d bytes, at most %d are allowed", j.row.table, len(value), maxRow)
	}
	j.err = err
	j.row.value = value
	j.row.write = err == nil && (ok || value != nil)
}

func (s *Store) applyRow(r *rowChange) {
	if !r.write {
		return
	}
	if r.value == nil {
		delete(s.tables[r.table], string(r.key))
		return
	}
	if s.tables[r.table] == nil {
		s.tables[r.table] = make(map[string][]byte)
	}
	s.tables[r.table][string(r.key)] = r.value
}

func (r *rowChange) storeKey() []byte {
	k := make([]byte, 1+tableName, 1+tableName+len(r.key))
	k[0] = tablePrefix
	copy(k[1:], r.table)
	return append(k, r.key...)
}

// tableOf reads the table's name from a row's key.
func tableOf(key []byte) string {
	return string(bytes.TrimRight(key[min(1, len(key)):min(len(key), 1+tableName)], "\x00"))
}

// encode marks a deleted row: badger's own deletes are not relied upon.
func (r *rowChange) encode() []byte {
	if r.value == nil {
		return append(make([]byte, 0, 1+tagSize), 0)
	}
	return append(append(make([]byte, 0, 1+len(r.value)+tagSize), 1), r.value...)
}

var errRow = errors.New("row of no known form")

// decodeRow reads what storeKey and encode wrote.
func decodeRow(key, value []byte) (*rowChange, error) {
	if len(key) <= 1+tableName || len(value) == 0 || value[0] > 1 {
		return nil, errRow
	}
	r := &rowChange{
		table: tableOf(key), key: bytes.Clone(key[1+tableName:]), write: true,
	}
	if value[0] == 1 {
		r.value = append([]byte{}, value[1:]...)
	}
	return r, nil
}

// Prefix yields the rows there are now whose keys begin with prefix, sorted by key.
func (t Table) Prefix(prefix []byte) iter.Seq2[[]byte, []byte] {
	return func(yield func([]byte, []byte) bool) {
		t.s.mu.RLock()
		rows := map[string][]byte{}
		for k, v := range t.s.tables[t.name] {
			if strings.HasPrefix(k, string(prefix)) {
				rows[k] = v
			}
		}
		t.s.mu.RUnlock()
		for _, k := range slices.Sorted(maps.Keys(rows)) {
			if !yield([]byte(k), bytes.Clone(rows[k])) {
				return
			}
		}
	}
}
