package journal

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

func TestPruneByAge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		j := open(t, dir, Options{})
		for n := 1; n <= 12; n++ { // two a month
			write(t, j, n, n)
			time.Sleep(31 * 24 * time.Hour / 2)
		}
		before := whole(t, dir, -1)
		limit := time.Now().AddDate(0, -3, 0)
		n, err := j.Prune(t.Context(), Retention{Before: limit, Actor: "operator:k1", Rule: "retention 90d"})
		if err != nil || n < 2 {
			t.Fatal(n, err)
		}
		r := whole(t, dir, -1)
		if r.Pruned == nil || r.Pruned.Last != r.First-1 || r.Pruned.Actor != "operator:k1" || r.Pruned.Rule != "retention 90d" || !r.Pruned.At.Equal(time.Now()) {
			t.Fatalf("%+v", r.Pruned)
		}
		if r.First != before.Segments[n].First || !before.Segments[n-1].To.Before(limit) || before.Segments[n].To.Before(limit) {
			t.Fatalf("%d segments before %s went of %+v", n, limit, before.Segments)
		}
		if again, err := j.Prune(t.Context(), Retention{Before: limit}); again != 0 || err != nil {
			t.Fatal(again, err)
		}
		closed(t, j)
		testPrunedDamage(t, dir, r)
	})
}

// testPrunedDamage: who removes more than was pruned, or the record that says
// so, is found out.
func testPrunedDamage(t *testing.T, dir string, r Report) {
	j := open(t, dir, Options{})
	write(t, j, 13, 13)
	closed(t, j)
	whole(t, dir, -1)
	first := filepath.Join(dir, r.Segments[0].Name)
	b, err := os.ReadFile(first)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(first); err != nil {
		t.Fatal(err)
	}
	if got := (sample{}).firstFault(t, dir); got != r.Segments[1].Name+":1" {
		t.Fatalf("first fault at %q", got)
	}
	if err := os.WriteFile(first, b, 0o600); err != nil {
		t.Fatal(err)
	}
	whole(t, dir, -1)
}

func TestPruneBySize(t *testing.T) {
	dir := t.TempDir()
	j := open(t, dir, Options{SegmentSize: 2000})
	for round := range 20 {
		write(t, j, 20*round+1, 20*round+20)
		if _, err := j.Prune(t.Context(), Retention{Bytes: 10_000}); err != nil {
			t.Fatal(err)
		}
		whole(t, dir, -1)
		names, _, err := files{dir: dir}.segments()
		if err != nil {
			t.Fatal(err)
		}
		if size, err := sizeOf(dir, names); err != nil || size > 20_000 {
			t.Fatalf("round %d: %d bytes in %d segments, %v", round, size, len(names), err)
		}
	}
	got := acts(t, dir, Query{Newest: true})
	slices.Reverse(got)
	for i, n := range got {
		if n != 400-len(got)+i+1 {
			t.Fatalf("%v", got)
		}
	}
	if r := whole(t, dir, -1); r.Pruned == nil || r.First < 100 {
		t.Fatalf("%+v", r)
	}
}

// TestPruneNeedsItsRecord: nothing is removed that no durable record speaks of,
// and an end between the record and the removal is no fault.
func TestPruneNeedsItsRecord(t *testing.T) {
	dir := t.TempDir()
	broken := false
	j := open(t, dir, Options{SegmentSize: 1000, write: func(f *os.File, b []byte, at int64) (int, error) {
		if broken {
			return 0, syscall.ENOSPC
		}
		return f.WriteAt(b, at)
	}})
	for n := range 12 {
		write(t, j, n+1, n+1)
	}
	before := whole(t, dir, -1)
	kept, err := os.ReadFile(filepath.Join(dir, before.Segments[0].Name))
	if err != nil {
		t.Fatal(err)
	}
	broken = true
	if n, err := j.Prune(t.Context(), Retention{Before: time.Now().Add(time.Hour)}); n != 0 || !errors.Is(err, ErrFull) {
		t.Fatal(n, err)
	}
	broken = false
	whole(t, dir, int(before.Records))
	n, err := j.Prune(t.Context(), Retention{Before: time.Now().Add(time.Hour)})
	if err != nil || n < len(before.Segments)-1 {
		t.Fatal(n, err)
	}
	whole(t, dir, -1)
	closed(t, j)
	if err := os.WriteFile(filepath.Join(dir, before.Segments[0].Name), kept, 0o600); err != nil {
		t.Fatal(err)
	}
	if got := (sample{}).firstFault(t, dir); got == "" {
		t.Fatal("segments between are missing, and nobody says so")
	}
}
