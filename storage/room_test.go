package storage

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// A gauge stands for a disk whose free space a test sets.
type gauge struct{ free, total uint64 }

func (g *gauge) space(string) (uint64, uint64, error) { return g.free, g.total, nil }

// gauged gives an open store a disk of its own making.
func gauged(t *testing.T, s *Store, g *gauge) {
	t.Helper()
	if err := s.do(t.Context(), &job{reads: true, run: func() error { s.room.measure = g.space; s.room.looked = time.Time{}; return nil }}); err != nil {
		t.Fatal(err)
	}
}

// TestReadOnlyAndBack: below the low mark nothing is written and everything is
// read; above the high mark, not before, it goes on by itself.
func TestReadOnlyAndBack(t *testing.T) {
	dir := t.TempDir()
	s, err := Open(dir, Options{Small: true, LowSpace: 100 << 20, HighSpace: 200 << 20, Ballast: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	list := filled(t, s)
	late := newAuthor("vendor").issue(t, green(0), indicator(t, "203.0.113.99"))
	g := &gauge{free: 99 << 20, total: 1 << 40}
	gauged(t, s, g)
	for _, step := range []struct {
		free uint64
		full bool
	}{{99 << 20, true}, {150 << 20, true}, {201 << 20, false}, {150 << 20, false}, {0, true}} {
		g.free = step.free
		s.room.looked = time.Time{}
		_, err := s.Put(t.Context(), whole(late))
		if full := errors.Is(err, ErrReadOnly); full != step.full || !full && err != nil {
			t.Fatalf("put with %d MiB free: %v", step.free>>20, err)
		}
		if st := s.Stats(); st.ReadOnly != step.full || st.Free != step.free {
			t.Fatalf("with %d MiB free: %+v", step.free>>20, st)
		}
		checkAll(t, s, list)
	}
	if err := s.Table("x").Set(t.Context(), []byte("k"), nil); !errors.Is(err, ErrReadOnly) || !strings.Contains(err.Error(), "free space and it goes on by itself") {
		t.Fatalf("row: %v", err)
	}
	if _, err := s.Sweep(t.Context(), start); !errors.Is(err, ErrReadOnly) {
		t.Fatalf("sweep: %v", err)
	}
	if err := s.Rebuild(t.Context(), nil); !errors.Is(err, ErrReadOnly) {
		t.Fatalf("rebuild: %v", err)
	}
	select {
	case <-s.Failed():
		t.Fatal("a full disk is no failed disk")
	default:
	}
}

// TestLooksAreBounded: the disk is looked at once a second or 8 MB, not at
// every write.
func TestLooksAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		looks := 0
		r := newRoom(t.TempDir(), Options{Small: true}, 8<<20, testLog())
		r.measure = func(string) (uint64, uint64, error) { looks++; return 1 << 40, 1 << 41, nil }
		for range 100 {
			if err := r.claim(1 << 20); err != nil {
				t.Fatal(err)
			}
		}
		if looks < 10 || looks > 14 {
			t.Fatalf("%d looks for 100 MB", looks)
		}
		looks = 0
		for range 10 {
			time.Sleep(500 * time.Millisecond)
			r.claim(1)
		}
		if looks != 5 {
			t.Fatalf("%d looks in 5 s", looks)
		}
	})
}

// TestBallastMakesRoom: what is too little with the ballast on the disk is
// enough without it, at open and at close, and it comes back with the space.
func TestBallastMakesRoom(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, ballastName)
	r := newRoom(dir, Options{Ballast: 3 << 20}, 8<<20, testLog())
	there := func() bool {
		info, err := os.Stat(path)
		return err == nil && info.Size() == 3<<20 && allocated(info) >= 3<<20
	}
	r.reload(1 << 40)
	if !there() {
		t.Fatal("no ballast, or one without blocks")
	}
	space := uint64(2 << 20)
	r.measure = func(string) (uint64, uint64, error) {
		if there() {
			return space, 1 << 40, nil
		}
		return space + 3<<20, 1 << 40, nil
	}
	b := badgerOptions(filepath.Join(dir, "badger"), Options{Small: true}, testLog())
	if err := r.prepareOpen(b); err != nil || there() || !r.full.Load() {
		t.Fatalf("%v, ballast still there: %v", err, there())
	}
	space = 0
	if err := r.prepareOpen(b); !errors.Is(err, ErrReadOnly) || !strings.Contains(err.Error(), "takes 4 MiB and 3 MiB are free") {
		t.Fatalf("error: %v", err)
	}
	if err := r.prepareClose(b); !errors.Is(err, ErrReadOnly) {
		t.Fatalf("close: %v", err)
	}
	space = 1 << 39
	if r.claim(1); !there() || r.full.Load() {
		t.Fatal("the ballast did not come back")
	}
}

// TestCloseGivesUp: a read that never ends does not keep the process.
func TestCloseGivesUp(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		s, err := Open(dir, Options{Small: true})
		if err != nil {
			t.Fatal(err)
		}
		hangs, err := s.begin()
		if err != nil {
			t.Fatal(err)
		}
		begun := time.Now()
		if err := s.Close(); !errors.Is(err, errSlowClose) || time.Since(begun) != closeWithin {
			t.Fatalf("%v after %s", err, time.Since(begun))
		}
		s.end(hangs)
		synctest.Wait()
	})
	s := openTest(t, dir) // it did close in the end
	if s.Stats().Lost != 0 {
		t.Fatal("lost")
	}
}

// TestUnclosedForLackOfSpace: closing without room loses nothing.
func TestUnclosedForLackOfSpace(t *testing.T) {
	dir := t.TempDir()
	s := openTest(t, dir)
	list := filled(t, s)
	gauged(t, s, &gauge{free: 1, total: 1 << 40})
	if err := s.Close(); !errors.Is(err, ErrReadOnly) || !bytes.Contains([]byte(err.Error()), []byte("nothing is lost")) {
		t.Fatalf("close: %v", err)
	}
	checkAll(t, openTest(t, crash(t, dir)), list)
	if err := s.db.Close(); err != nil {
		t.Fatal(err)
	}
}
