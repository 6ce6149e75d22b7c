package storage

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

func TestTable(t *testing.T) {
	dir := t.TempDir()
	s := openTest(t, dir)
	names, blocked := s.Table("petnames"), s.Table("blocked")
	for _, row := range []string{"b=2", "a=1", "c="} {
		k, v, _ := strings.Cut(row, "=")
		if err := names.Set(t.Context(), []byte(k), []byte(v)); err != nil {
			t.Fatal(err)
		}
	}
	if err := names.Delete(t.Context(), []byte("b")); err != nil {
		t.Fatal(err)
	}
	if err := names.Delete(t.Context(), []byte("never")); err != nil {
		t.Fatal(err)
	}
	check := func(s *Store) {
		t.Helper()
		var rows []string
		for k, v := range s.Table("petnames").All() {
			rows = append(rows, fmt.Sprintf("%s=%s", k, v))
		}
		if got := strings.Join(rows, " "); got != "a=1 c=" {
			t.Fatalf("rows: %s", got)
		}
		if _, ok, _ := s.Table("petnames").Load([]byte("b")); ok {
			t.Fatal("the deleted row is back")
		}
	}
	check(s)
	for range blocked.All() {
		t.Fatal("tables are not apart")
	}
	s.Close()
	check(openTest(t, dir))
}

func TestTableBurnsOnce(t *testing.T) {
	s := openTest(t, t.TempDir())
	invites := s.Table("invites")
	if err := invites.Set(t.Context(), []byte("secret"), []byte("open")); err != nil {
		t.Fatal(err)
	}
	burnt := errors.New("burnt already")
	var got atomic.Int32
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			err := invites.Update(t.Context(), []byte("secret"), func(old []byte, ok bool) ([]byte, error) {
				if !ok || !bytes.Equal(old, []byte("open")) {
					return nil, burnt
				}
				return []byte("used"), nil
			})
			switch {
			case err == nil:
				got.Add(1)
			case !errors.Is(err, burnt):
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if got.Load() != 1 {
		t.Fatalf("burnt %d times", got.Load())
	}
}

func TestTableLimits(t *testing.T) {
	s := openTest(t, t.TempDir())
	for _, c := range []struct {
		table      string
		key, value int
	}{{"", 1, 1}, {"a-name-of-17-byte", 1, 1}, {"t", 0, 1}, {"t", maxRowKey + 1, 1}, {"t", 1, maxRow + 1}} {
		if err := s.Table(c.table).Set(t.Context(), make([]byte, c.key), make([]byte, c.value)); err == nil {
			t.Errorf("%+v was taken", c)
		}
	}
	if err := s.Table("a-name-of-16-byt").Set(t.Context(), make([]byte, maxRowKey), make([]byte, maxRow)); err != nil {
		t.Fatal(err)
	}
}
