package storage

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"pgregory.net/rapid"
)

func TestCountsRoundTrip(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		n := rapid.Uint64()
		c := counts{n.Draw(rt, "commits"), n.Draw(rt, "headers"), n.Draw(rt, "rows"), n.Draw(rt, "sum")}
		if got, err := decodeCounts(c.encode()); err != nil || got != c {
			rt.Fatalf("%+v, %v", got, err)
		}
	})
}

func FuzzDecodeCounts(f *testing.F) {
	f.Add(counts{1, 2, 3, 4}.encode())
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		if c, err := decodeCounts(b); err == nil && !bytes.Equal(c.encode(), b) {
			t.Fatal("another encoding")
		}
	})
}

func FuzzDecodeHead(f *testing.F) {
	plain, masked := &headFile{}, &headFile{key: make([]byte, 32)}
	for _, h := range []*headFile{plain, masked} {
		f.Add(h.encode(head{1, counts{2, 3, 4, 5}, [32]byte{6}}))
	}
	f.Add([]byte(headMagic))
	f.Fuzz(func(t *testing.T, b []byte) {
		if v, ok := plain.decode(b); ok && !bytes.Equal(plain.encode(v), b) {
			t.Fatal("another encoding")
		}
		v, ok := masked.decode(b) // also one from before the store had masks
		if again, _ := masked.decode(masked.encode(v)); ok && again != v {
			t.Fatal("another meaning")
		}
	})
}

// TestLostEndIsTold: somebody else's bulletin, and a row, whose commits the
// database has lost although the head file saw them.
func TestLostEndIsTold(t *testing.T) {
	a := newAuthor("bank")
	for _, row := range []struct {
		name string
		do   func(t *testing.T, s *Store)
		err  error
		lost uint64
	}{
		{"others' word", func(t *testing.T, s *Store) { keep(t, s, whole(a.issue(t, green(0), indicator(t, "203.0.113.8")))) }, nil, 1},
		{"row", func(t *testing.T, s *Store) {
			if err := s.Table("blocked").Set(t.Context(), []byte("peer"), []byte("why")); err != nil {
				t.Fatal(err)
			}
		}, ErrDamaged, 1},
		{"nothing", func(*testing.T, *Store) {}, nil, 0},
	} {
		t.Run(row.name, func(t *testing.T) {
			dir := t.TempDir()
			s := openTest(t, dir)
			list := filled(t, s)
			old := crash(t, dir)
			row.do(t, s)
			now, err := os.ReadFile(filepath.Join(dir, headName)) // as a kill leaves it
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(old, headName), now, 0o600); err != nil {
				t.Fatal(err)
			}
			s, err = Open(old, Options{Small: true})
			if !errors.Is(err, row.err) {
				t.Fatalf("error: %v", err)
			}
			if err != nil {
				if s, err = Open(old, Options{Small: true, AcceptLoss: true}); err != nil {
					t.Fatal(err)
				}
			}
			checkAll(t, s, list)
			if s.Stats().Lost != row.lost {
				t.Fatalf("lost: %d", s.Stats().Lost)
			}
			// What is not made good stays told, until somebody accepts it.
			keep(t, s, whole(newAuthor("vendor").issue(t, green(0), indicator(t, "203.0.113.9")).HeaderOnly()))
			if err := s.Rebuild(t.Context(), nil); err != nil {
				t.Fatal(err)
			}
			s.Close()
			if s = openTest(t, old); s.Stats().Lost != 0 {
				t.Fatalf("lost after a rebuild: %d", s.Stats().Lost)
			}
			checkAll(t, s, list)
		})
	}
}

// TestLostMiddleIsTold takes a header, then a row, out of a database that was
// closed in good order.
func TestLostMiddleIsTold(t *testing.T) {
	dir := t.TempDir()
	s := openTest(t, dir)
	list := filled(t, s)
	if err := s.Table("blocked").Set(t.Context(), []byte("peer"), []byte("why")); err != nil {
		t.Fatal(err)
	}
	remove(t, s, headerKey(s.cat.bulletins[1].number))
	s.Close()
	s = openTest(t, dir)
	if s.Stats().Lost != 1 || s.Stats().Headers != 2 {
		t.Fatalf("%+v", s.Stats())
	}
	s.Close()
	if s = openTest(t, dir); s.Stats().Lost != 1 {
		t.Fatal("a loss is forgotten at the next start")
	}
	keep(t, s, whole(list[1])) // sync brings it
	s.Close()
	s = openTest(t, dir)
	if s.Stats().Lost != 0 {
		t.Fatalf("%+v", s.Stats())
	}
	remove(t, s, (&rowChange{table: "blocked", key: []byte("peer")}).storeKey())
	s.Close()
	if _, err := Open(dir, Options{Small: true}); !errors.Is(err, ErrDamaged) {
		t.Fatalf("a lost row: %v", err)
	}
}

// remove takes a key out as a lost block of a table file does.
func remove(t *testing.T, s *Store, key []byte) {
	t.Helper()
	if err := s.do(t.Context(), &job{run: func() error { return s.db.DropPrefix(key) }}); err != nil {
		t.Fatal(err)
	}
}
