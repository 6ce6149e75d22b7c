package storage

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// filesWith lists the files under dir that hold some bytes.
func filesWith(t *testing.T, dir string, needle []byte) (list []string) {
	t.Helper()
	err := fs.ErrNotExist
	for try := 0; try < 100 && errors.Is(err, fs.ErrNotExist); try++ { // one went meanwhile: what it held is elsewhere
		list, err = filesHolding(dir, needle)
	}
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func filesHolding(dir string, needle []byte) (list []string, err error) {
	err = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		if bytes.Contains(b, needle) {
			list = append(list, filepath.Base(path))
		}
		return err
	})
	return list, err
}

func rowsOf(s *Store, table string) (keys []string) {
	for key := range s.Table(table).All() {
		keys = append(keys, string(key))
	}
	return keys
}

// purgeable is a store with rows of three beginnings, earlier values and deleted
// rows among them, and what is to be looked for.
func purgeable(t *testing.T, dir string) (s *Store, gone, kept []byte) {
	t.Helper()
	s = openTest(t, dir)
	gone, kept = make([]byte, 64), make([]byte, 64)
	rand.Read(gone)
	rand.Read(kept)
	held := s.Table("held")
	set := func(key string, value []byte) {
		t.Helper()
		if err := held.Set(t.Context(), []byte(key), value); err != nil {
			t.Fatal(err)
		}
	}
	set("a1", gone)
	set("a2", bytes.Repeat(gone, 900)) // most of a row
	set("a2", []byte("a later value"))
	set("a3", gone)
	set("b1", kept)
	set("c1", gone)
	if err := held.Delete(t.Context(), []byte("a3")); err != nil {
		t.Fatal(err)
	}
	if len(filesWith(t, dir, gone)) == 0 {
		t.Fatal("what is to be purged is in no file: the search proves nothing")
	}
	return s, gone, kept
}

func TestPurge(t *testing.T) {
	dir := t.TempDir()
	s, gone, kept := purgeable(t, dir)
	held := s.Table("held")
	if err := held.Purge(t.Context(), []byte("a"), []byte("a1"), []byte("c")); err != nil {
		t.Fatal(err)
	}
	check := func(s *Store) {
		t.Helper()
		if got := fmt.Sprint(rowsOf(s, "held"), rowsOf(s, purgingTable)); got != "[b1] []" {
			t.Errorf("rows %s", got)
		}
		if files := filesWith(t, dir, gone); len(files) > 0 {
			t.Errorf("what was purged is in %v", files)
		}
		if len(filesWith(t, dir, kept)) == 0 {
			t.Error("what was kept is in no file")
		}
	}
	check(s)
	if err := held.Set(t.Context(), []byte("a1"), []byte("new")); err != nil {
		t.Fatal(err)
	}
	s.Close()
	s = openTest(t, dir)
	if got := fmt.Sprint(rowsOf(s, "held")); got != "[a1 b1]" {
		t.Errorf("rows %s after a restart", got)
	}
	if err := s.Table("held").Purge(t.Context(), nil); err == nil {
		t.Error("a purge of everything passes")
	}
}

// TestPurgeSurvivesACrash: at every step of it the next start has none of the
// rows, finishes, and finds the counts right.
func TestPurgeSurvivesACrash(t *testing.T) {
	keys := func() [][]byte {
		return [][]byte{(&rowChange{table: "held", key: []byte("a")}).storeKey(), (&rowChange{table: "held", key: []byte("c")}).storeKey()}
	}
	mark := func(s *Store) error {
		marks := map[string][]byte{}
		for _, key := range keys() {
			marks[string(key)] = []byte{}
		}
		return s.exchangeRows(marks, s.under(keys()))
	}
	for name, until := range map[string]func(*Store) error{
		"marked":  mark,
		"half":    func(s *Store) error { return errors.Join(mark(s), s.dropPrefix(keys()[:1])) },
		"dropped": func(s *Store) error { return errors.Join(mark(s), s.dropPrefix(keys())) },
		"done":    func(s *Store) error { return s.purge(keys()) },
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			s, gone, _ := purgeable(t, dir)
			if err := s.do(t.Context(), &job{run: func() error { return until(s) }}); err != nil {
				t.Fatal(err)
			}
			after := crash(t, dir)
			s = openTest(t, after)
			if got := fmt.Sprint(rowsOf(s, "held"), rowsOf(s, purgingTable)); got != "[b1] []" {
				t.Errorf("rows %s", got)
			}
			if files := filesWith(t, after, gone); len(files) > 0 {
				t.Errorf("what was purged is in %v", files)
			}
			s.Close()
			openTest(t, after)
		})
	}
}

// TestPurgeWaitsForReaders: while somebody reads the old files it is not done.
func TestPurgeWaitsForReaders(t *testing.T) {
	s, _, _ := purgeable(t, t.TempDir())
	r, err := s.begin()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := s.Table("held").Purge(ctx, []byte("a")); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("with a reader: %v", err)
	}
	if got := fmt.Sprint(rowsOf(s, "held")); got != "[b1 c1]" {
		t.Errorf("rows %s", got)
	}
	s.end(r)
	if err := s.Table("held").Purge(t.Context(), []byte("a")); err != nil {
		t.Error(err)
	}
}
