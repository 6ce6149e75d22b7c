package journal

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

func TestSyncInterval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := open(t, t.TempDir(), Options{})
		for n := range 30 { // three a 30 ms
			j.Append(act(n))
			if n%3 == 2 {
				time.Sleep(30 * time.Millisecond)
			}
		}
		synctest.Wait()
		if s := j.Stats(); s.Written != 30 || s.Syncs != 2 || s.Durable.Seq != 1+24 {
			t.Fatalf("after 300 ms: %+v", s) // at 100 and at 220 twelve each
		}
		time.Sleep(40 * time.Millisecond)
		synctest.Wait()
		if s := j.Stats(); s.Syncs != 3 || s.Durable.Seq != 31 {
			t.Fatalf("after 340 ms: %+v", s)
		}
		time.Sleep(time.Hour)
		if s := j.Stats(); s.Syncs != 3 {
			t.Fatalf("an hour later: %+v", s)
		}
		at := time.Now()
		write(t, j, 31, 40) // nine and one that waits
		if s := j.Stats(); s.Syncs != 4 || s.Durable.Seq != 41 || !time.Now().Equal(at) {
			t.Fatalf("urgent: %+v", s)
		}
		closed(t, j)
	})
}

func TestMonthChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // it is the first of January 2000
		dir := t.TempDir()
		j := open(t, dir, Options{})
		write(t, j, 1, 1)
		time.Sleep(31*24*time.Hour - time.Millisecond)
		write(t, j, 2, 2)
		time.Sleep(time.Millisecond)
		j.Append(act(3))
		j.Append(act(4))
		time.Sleep(40 * 24 * time.Hour) // nothing in between
		closed(t, j)
		j = open(t, dir, Options{})
		write(t, j, 5, 5)
		closed(t, j)
		var got []string
		for _, s := range whole(t, dir, 8).Segments {
			got = append(got, fmt.Sprintf("%s %d", s.Name, s.Records))
		}
		want := "00000001-2000-01.jsonl 3, 00000002-2000-02.jsonl 3, 00000003-2000-03.jsonl 2"
		if strings.Join(got, ", ") != want {
			t.Fatalf("%v", got)
		}
		since := Query{Since: time.Date(2000, 2, 1, 0, 0, 0, 0, time.UTC)}
		if got := acts(t, dir, since); len(got) != 3 || got[0] != 3 {
			t.Fatalf("since February: %v", got)
		}
	})
}

// TestEmptySegmentTakesItsMonth: the name is what no record is later than.
func TestEmptySegmentTakesItsMonth(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		j := open(t, dir, Options{})
		time.Sleep(32 * 24 * time.Hour)
		write(t, j, 1, 1)
		closed(t, j)
		if r := whole(t, dir, 2); len(r.Segments) != 1 || r.Segments[0].Name != "00000001-2000-02.jsonl" {
			t.Fatalf("%+v", r.Segments)
		}
	})
}

// TestFullQueue: the disk hangs, callers wait a little and go on, and how many
// records were dropped is in the journal.
func TestFullQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hang := make(chan struct{})
		dir := t.TempDir()
		j := open(t, dir, Options{write: func(f *os.File, b []byte, at int64) (int, error) {
			<-hang
			return f.WriteAt(b, at)
		}})
		j.Append(act(1))
		synctest.Wait()
		for n := range queueRecords {
			j.Append(act(2 + n))
		}
		at := time.Now()
		for range 3 {
			j.Append(act(0))
		}
		if took := time.Since(at); took != 3*blockFor {
			t.Fatalf("three appends took %s", took)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := j.AppendSync(ctx, act(0)); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatal(err)
		}
		if s := j.Stats(); s.Dropped != 4 || s.Waiting != queueRecords {
			t.Fatalf("%+v", s)
		}
		close(hang)
		synctest.Wait()
		write(t, j, queueRecords+2, queueRecords+2)
		closed(t, j)
		r := whole(t, dir, queueRecords+2+2)
		if gaps := listed(t, dir, Query{Acts: []Act{ActGap}}); len(gaps) != 1 || gaps[0].Count != 4 || r.Dropped != 4 {
			t.Fatalf("%+v", gaps)
		}
	})
}

// TestFullDisk: while there is no room records are dropped, and those who wait
// are told; when there is, a record says how many, and the chain is whole.
func TestFullDisk(t *testing.T) {
	var full atomic.Bool
	dir := t.TempDir()
	j := open(t, dir, Options{SegmentSize: 4000, write: func(f *os.File, b []byte, at int64) (int, error) {
		if full.Load() {
			n, _ := f.WriteAt(b[:len(b)/2], at) // half of it fits
			return n, &os.PathError{Op: "write", Path: f.Name(), Err: syscall.ENOSPC}
		}
		return f.WriteAt(b, at)
	}})
	var want int64
	for round := range 5 {
		write(t, j, 10*round+1, 10*round+7)
		full.Store(true)
		for n := 8; n <= 10; n++ {
			if err := j.AppendSync(t.Context(), act(10*round+n)); !errors.Is(err, ErrFull) || !errors.Is(err, syscall.ENOSPC) {
				t.Fatal(err)
			}
			want++
		}
		full.Store(false)
	}
	write(t, j, 51, 51)
	if s := j.Stats(); s.Dropped != uint64(want) || s.Failed != nil {
		t.Fatalf("%+v", s)
	}
	closed(t, j)
	if r := whole(t, dir, -1); r.Dropped != uint64(want) || len(r.Segments) < 3 {
		t.Fatalf("%+v", r)
	}
	var counted int64
	for _, r := range listed(t, dir, Query{Acts: []Act{ActGap}}) {
		counted += r.Count
	}
	if got := acts(t, dir, Query{}); len(got) != 36 || counted != want {
		t.Fatalf("%d acts, %d counted", len(got), counted)
	}
}

// TestFailedDisk: after an error of the disk nothing is acknowledged, and what
// was acknowledged is there.
func TestFailedDisk(t *testing.T) {
	var broken atomic.Bool
	dir := t.TempDir()
	j := open(t, dir, Options{sync: func(f *os.File) error {
		if broken.Load() {
			return syscall.EIO
		}
		return f.Sync()
	}})
	write(t, j, 1, 5)
	broken.Store(true)
	if err := j.AppendSync(t.Context(), act(6)); !errors.Is(err, ErrFailed) || !errors.Is(err, syscall.EIO) {
		t.Fatal(err)
	}
	<-j.Failed()
	broken.Store(false)
	j.Append(act(7))
	if err := j.AppendSync(t.Context(), act(8)); !errors.Is(err, ErrFailed) {
		t.Fatal(err)
	}
	if s := j.Stats(); s.Dropped != 3 || !errors.Is(s.Failed, ErrFailed) || s.Durable.Seq != 6 {
		t.Fatalf("%+v", s)
	}
	if err := j.Close(); !errors.Is(err, ErrFailed) || !strings.Contains(err.Error(), "3 records were lost") {
		t.Fatal(err)
	}
	whole(t, dir, -1)
	if got := acts(t, dir, Query{}); len(got) < 5 || got[4] != 5 {
		t.Fatalf("%v", got)
	}
}

// TestManyAppend: records of many goroutines are in the order each gave them.
func TestManyAppend(t *testing.T) {
	dir := t.TempDir()
	j := open(t, dir, Options{SegmentSize: 30_000})
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			for n := range 200 {
				r := act(n)
				r.Peer = fmt.Sprint(g)
				if n%50 == 49 {
					if err := j.AppendSync(t.Context(), r); err != nil {
						t.Error(err)
					}
				} else {
					j.Append(r)
				}
			}
		})
	}
	wg.Wait()
	closed(t, j)
	whole(t, dir, -1)
	for g := range 8 {
		got := acts(t, dir, Query{Peer: fmt.Sprint(g)})
		for n := range 200 {
			if len(got) != 200 || got[n] != n {
				t.Fatalf("peer %d: %v", g, got)
			}
		}
	}
}

// TestSlowClose: a disk that hangs does not keep the process.
func TestSlowClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hang := make(chan struct{})
		j, err := Open(t.TempDir(), Options{sync: func(f *os.File) error { <-hang; return f.Sync() }})
		if err != nil {
			t.Fatal(err)
		}
		j.Append(act(1))
		at := time.Now()
		if err := j.Close(); err == nil || time.Since(at) != closeWithin {
			t.Fatalf("%v after %s", err, time.Since(at))
		}
		close(hang)
		<-j.stopped
	})
}
