package storage

import (
	"context"
	"errors"
	"strings"
	"testing"
)

func check(t *testing.T, s *Store) Report {
	t.Helper()
	r, err := s.Check(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestCheckFindsNothingWrong(t *testing.T) {
	s := openTest(t, t.TempDir())
	filled(t, s)
	keep(t, s, Entry{Bulletin: newAuthor("vendor").issue(t, green(0), indicator(t, "203.0.113.8")), Body: Declined})
	if err := s.Table("x").Set(t.Context(), []byte("k"), []byte("v")); err != nil {
		t.Fatal(err)
	}
	r := check(t, s)
	if !r.Sound() || r.Headers != 4 || r.Bodies != 3 || r.Objects != 81 || r.Segments != 3 || r.Rows != 1 {
		t.Fatalf("%+v", r)
	}
}

// TestCheckFindsEveryFault flips a bit in each kind of record of an open
// store, which knows nothing of it yet.
func TestCheckFindsEveryFault(t *testing.T) {
	for _, row := range []struct {
		prefix       byte
		what, repair string
		named        bool
		faults       int
	}{
		{headerPrefix, "the header: ", repairRestart, true, 3},
		{chunkPrefix, "the body: ", repairSync, true, 3},
		{segmentPrefix, "its index disagrees", repairRebuild, true, 3},
		{tablePrefix, `a row of table "x"`, repairBackup, false, 1},
		{'m', "identity", repairRebuild, false, 1},
	} {
		t.Run(string(row.prefix), func(t *testing.T) {
			s := openTest(t, t.TempDir())
			list := filled(t, s)
			if err := s.Table("x").Set(t.Context(), []byte("k"), []byte("v")); err != nil {
				t.Fatal(err)
			}
			spoilOpen(t, s, row.prefix)
			r := check(t, s)
			if len(r.Faults) != row.faults {
				t.Fatalf("%d faults: %+v", len(r.Faults), r.Faults)
			}
			for _, f := range r.Faults {
				if !strings.Contains(f.What, row.what) || f.Repair != row.repair || (f.Bulletin != nil) != row.named {
					t.Fatalf("fault: %+v", f)
				}
			}
			if row.prefix == chunkPrefix && len(s.Wanted(10)) != len(list) {
				t.Fatal("what cannot be read is not wanted")
			}
		})
	}
}

// spoilOpen flips a bit of every value under a prefix, behind the store's back.
func spoilOpen(t *testing.T, s *Store, prefix byte) {
	t.Helper()
	change := flip(prefix)
	err := s.do(t.Context(), &job{run: func() error {
		txn := s.db.NewTransactionAt(s.stamp, true)
		defer txn.Discard()
		err := s.scan(prefix, true, func(key, value []byte, _ bool) error {
			if string(key) == string(dirtyKey()) || string(key) == string(countsKey()) {
				return nil
			}
			return txn.Set(key, change(key, seal(key, value)))
		})
		s.stamp++
		return errors.Join(err, txn.CommitAt(s.stamp, nil))
	}})
	if err != nil {
		t.Fatal(err)
	}
}

// TestCheckFindsUnknownHeaders: a header that was damaged when the store was
// opened is a fault without a name.
func TestCheckFindsUnknownHeaders(t *testing.T) {
	dir := t.TempDir()
	s := openTest(t, dir)
	filled(t, s)
	s.Close()
	spoil(t, dir, flip(headerPrefix))
	s = openTest(t, dir)
	r := check(t, s)
	if r.Sound() || r.Headers != 0 || r.Lost != 3 || len(r.Faults) != 4 || r.Faults[1].Bulletin != nil || r.Faults[1].Repair != repairSync {
		t.Fatalf("%+v", r)
	}
}

func TestCheckEndsWithItsCaller(t *testing.T) {
	s := openTest(t, t.TempDir())
	filled(t, s)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Check(ctx); !errors.Is(err, context.Canceled) {
		t.Fatalf("error: %v", err)
	}
	s.Close()
	if _, err := s.Check(t.Context()); !errors.Is(err, ErrClosed) {
		t.Fatalf("error: %v", err)
	}
}
