package storage

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
)

func backup(t testing.TB, s *Store) []byte {
	t.Helper()
	var b bytes.Buffer
	report, err := s.Backup(context.Background(), &b)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := VerifyBackup(bytes.NewReader(b.Bytes())); err != nil || again != report {
		t.Fatalf("%+v, then %+v, %v", report, again, err)
	}
	return b.Bytes()
}

func restored(t *testing.T, b []byte, o Options) (*Store, string) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "new", "store")
	if _, err := Restore(t.Context(), dir, bytes.NewReader(b), o); err != nil {
		t.Fatal(err)
	}
	s, err := Open(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s, dir
}

func TestBackupAndRestore(t *testing.T) {
	for _, key := range [][]byte{nil, bytes.Repeat([]byte{7}, 32)} {
		o := Options{Small: true, Key: key}
		s, err := Open(t.TempDir(), o)
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		list := filled(t, s)
		if err := s.Table("blocked").Set(t.Context(), []byte("peer"), []byte("canary-in-a-row")); err != nil {
			t.Fatal(err)
		}
		b := backup(t, s)
		if bytes.Contains(b, []byte("canary-in-a-row")) != (key == nil) {
			t.Fatal("a sealed backup in clear text, or a clear one that is not")
		}
		after, dir := restored(t, b, o)
		checkAll(t, after, list)
		if v, ok, _ := after.Table("blocked").Load([]byte("peer")); !ok || string(v) != "canary-in-a-row" {
			t.Fatalf("row: %q", v)
		}
		if after.ID() == s.ID() || after.Position() != s.Position() || after.Stats().Lost != 0 {
			t.Fatalf("id %s, was %s; position %d, was %d; %+v", after.ID(), s.ID(), after.Position(), s.Position(), after.Stats())
		}
		if r := check(t, after); !r.Sound() {
			t.Fatalf("%+v", r)
		}
		keep(t, after, whole(newAuthor("vendor").issue(t, green(0), indicator(t, "203.0.113.99"))))
		after.Close()
		os.Remove(filepath.Join(dir, "badger", "MANIFEST"))
		if _, err := Open(dir, o); !errors.Is(err, ErrMissing) {
			t.Fatalf("the head file does not know what was restored: %v", err)
		}
	}
}

// TestBackupIsOfOneMoment writes, sweeps and rebuilds while a backup is read
// slowly: it holds what was there when it began, and nothing else.
func TestBackupIsOfOneMoment(t *testing.T) {
	s := openTest(t, t.TempDir())
	list := filled(t, s)
	if err := s.Table("n").Set(t.Context(), []byte("k"), []byte("before")); err != nil {
		t.Fatal(err)
	}
	r, w := io.Pipe()
	done := make(chan error, 1)
	go func() {
		_, err := s.Backup(context.Background(), w)
		w.CloseWithError(err)
		done <- err
	}()
	var b bytes.Buffer
	if _, err := io.CopyN(&b, r, 20); err != nil { // it has begun
		t.Fatal(err)
	}
	late := newAuthor("late")
	for range 20 {
		keep(t, s, whole(late.issue(t, green(0), indicator(t, "203.0.113.9"))))
		if err := s.Table("n").Set(t.Context(), []byte("k"), []byte("after")); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Rebuild(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(&b, r); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	then, _ := restored(t, b.Bytes(), Options{Small: true})
	checkAll(t, then, list)
	if v, _, _ := then.Table("n").Load([]byte("k")); then.Stats().Headers != len(list) || string(v) != "before" {
		t.Fatalf("%+v, row %q", then.Stats(), v)
	}
}

// TestBackupDamageIsFound changes, cuts and lengthens backups, everywhere.
func TestBackupDamageIsFound(t *testing.T) {
	for _, key := range [][]byte{nil, bytes.Repeat([]byte{7}, 32)} {
		s, err := Open(t.TempDir(), Options{Small: true, Key: key})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		keep(t, s, whole(newAuthor("bank").issue(t, green(0), indicator(t, "203.0.113.7"))))
		b := backup(t, s)
		read := func(b []byte) error {
			_, err := readBackup(bytes.NewReader(b), key, func(_, _ []byte) error { return nil })
			return err
		}
		if err := read(b); err != nil {
			t.Fatal(err)
		}
		for i := range b {
			bad := bytes.Clone(b)
			bad[i] ^= 1 << (i % 8)
			if err := read(bad); !errors.Is(err, ErrBackup) && !errors.Is(err, ErrKey) {
				t.Fatalf("byte %d of %d: %v", i, len(b), err)
			}
			if _, err := VerifyBackup(bytes.NewReader(bad)); err == nil && (key == nil || i < len(b)-16) {
				t.Fatalf("byte %d of %d is not covered", i, len(b))
			}
			if err := read(b[:i]); !errors.Is(err, ErrBackup) {
				t.Fatalf("cut at %d of %d: %v", i, len(b), err)
			}
		}
		if err := read(append(bytes.Clone(b), 0)); !errors.Is(err, ErrBackup) {
			t.Fatalf("lengthened: %v", err)
		}
	}
}

func TestRestoreRefuses(t *testing.T) {
	key := bytes.Repeat([]byte{7}, 32)
	s, err := Open(t.TempDir(), Options{Small: true, Key: key})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	filled(t, s)
	b := backup(t, s)
	full, empty := t.TempDir(), t.TempDir()
	used := openTest(t, full)
	list := filled(t, used)
	used.Close()
	openTest(t, empty).Close() // a store with nothing in it, as init makes it
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	for _, row := range []struct {
		name string
		ctx  context.Context
		dir  string
		b    []byte
		o    Options
		want error
	}{
		{"a store with something in it", t.Context(), full, b, Options{Small: true}, ErrNotEmpty},
		{"no key", t.Context(), empty, b, Options{Small: true}, ErrKey},
		{"another key", t.Context(), filepath.Join(empty, "x"), b, Options{Small: true, Key: bytes.Repeat([]byte{8}, 32)}, ErrKey},
		{"half a backup", t.Context(), filepath.Join(empty, "x"), b[:len(b)/2], Options{Small: true, Key: key}, ErrBackup},
		{"something else", t.Context(), filepath.Join(empty, "x"), []byte("PK\x03\x04"), Options{Small: true, Key: key}, ErrBackup},
		{"a full disk", t.Context(), filepath.Join(empty, "x"), b, Options{Small: true, Key: key, LowSpace: 1 << 62}, ErrReadOnly},
		{"nobody waits", cancelled, filepath.Join(empty, "x"), b, Options{Small: true, Key: key}, context.Canceled},
	} {
		if _, err := Restore(row.ctx, row.dir, bytes.NewReader(row.b), row.o); !errors.Is(err, row.want) {
			t.Errorf("%s: %v", row.name, err)
		}
		if left, _ := filepath.Glob(filepath.Join(filepath.Dir(row.dir), "*.restore-*")); len(left) > 0 {
			t.Errorf("%s: left %v", row.name, left)
		}
	}
	checkAll(t, openTest(t, full), list)
	plain, err := Open(filepath.Join(t.TempDir(), "plain"), Options{Small: true})
	if err != nil {
		t.Fatal(err)
	}
	defer plain.Close()
	list = filled(t, plain)
	if _, err := Restore(t.Context(), empty, bytes.NewReader(backup(t, plain)), Options{Small: true}); err != nil {
		t.Fatal(err)
	}
	checkAll(t, openTest(t, empty), list)
}

// TestBackupOfADamagedStore copies what cannot be read as it is, and says so;
// and a full disk is no reason not to.
func TestBackupOfADamagedStore(t *testing.T) {
	s := openTest(t, t.TempDir())
	list := filled(t, s)
	spoilOpen(t, s, chunkPrefix)
	gauged(t, s, &gauge{free: 1, total: 1 << 40})
	var b bytes.Buffer
	report, err := s.Backup(t.Context(), &b)
	if err != nil || report.Damaged != 5 {
		t.Fatalf("%+v, %v", report, err)
	}
	after, _ := restored(t, b.Bytes(), Options{Small: true})
	if _, _, err := after.Bulletin(list[0].ID()); !errors.Is(err, ErrDamaged) || len(check(t, after).Faults) != 3 {
		t.Fatalf("error: %v", err)
	}
	gauged(t, s, &gauge{free: 1 << 39, total: 1 << 40})
}

func TestBackupEnds(t *testing.T) {
	s := openTest(t, t.TempDir())
	filled(t, s)
	if _, err := s.Backup(t.Context(), failingWriter{}); !errors.Is(err, io.ErrClosedPipe) {
		t.Fatalf("error: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Backup(ctx, io.Discard); !errors.Is(err, context.Canceled) {
		t.Fatalf("error: %v", err)
	}
	s.Close()
	if _, err := s.Backup(t.Context(), io.Discard); !errors.Is(err, ErrClosed) {
		t.Fatalf("error: %v", err)
	}
}

type failingWriter struct{}

func (failingWriter) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }

// FuzzReadBackup: what is read as a whole backup is written again byte for
// byte from its frames.
func FuzzReadBackup(f *testing.F) {
	var b bytes.Buffer
	w, err := newBackupWriter(&b, storeID([16]byte{1}), nil)
	if err != nil {
		f.Fatal(err)
	}
	w.add(headerKey(1), []byte("not even sealed"))
	w.add((&rowChange{table: "x", key: []byte("k")}).storeKey(), bytes.Repeat([]byte{1}, 300))
	w.add(countsKey(), nil)
	if err := w.finish(); err != nil {
		f.Fatal(err)
	}
	f.Add(b.Bytes())
	f.Add([]byte(backupMagic))
	f.Fuzz(func(t *testing.T, b []byte) {
		var records, frames []byte
		report, err := readBackup(bytes.NewReader(b), nil, func(k, v []byte) error {
			records = appendBackupRecord(records, k, v)
			return nil
		})
		if err != nil {
			return
		}
		in, err := newBackupReader(bytes.NewReader(b))
		if err != nil || in.report.Store != report.Store {
			t.Fatal(err)
		}
		for {
			payload, err := in.next()
			if err != nil {
				break
			}
			frames = append(frames, payload...)
		}
		if !bytes.Equal(records, frames) {
			t.Fatal("records are written in another way than they were read")
		}
	})
}
