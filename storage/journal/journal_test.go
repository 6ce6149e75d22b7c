package journal

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// open opens a journal that is closed with the test.
func open(t testing.TB, dir string, o Options) *Journal {
	t.Helper()
	j, err := Open(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { j.Close() })
	return j
}

// act is the n-th act of a test.
func act(n int) Record {
	return Record{Act: ActAdmit, Actor: Node, Org: fmt.Sprintf("org%d", n%3), Bulletin: fmt.Sprintf("b%d", n), Count: int64(n), TLP: "GREEN"}
}

// write appends acts first to last, durable.
func write(t testing.TB, j *Journal, first, last int) {
	t.Helper()
	for n := first; n <= last; n++ {
		if n < last {
			j.Append(act(n))
		} else if err := j.AppendSync(t.Context(), act(n)); err != nil {
			t.Fatal(err)
		}
	}
}

func closed(t testing.TB, j *Journal) {
	t.Helper()
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
}

// whole demands that a journal verifies, with so many records.
func whole(t testing.TB, dir string, records int) Report {
	t.Helper()
	return wholeUnder(t, Files{Dir: dir}, records)
}

func wholeUnder(t testing.TB, f Files, records int) Report {
	t.Helper()
	r, err := f.Verify()
	if err != nil || r.Err() != nil || records >= 0 && r.Records != uint64(records) {
		t.Fatalf("%d records, want %d: %v %v", r.Records, records, err, r.Faults)
	}
	return r
}

// listed collects what a query yields.
func listed(t testing.TB, dir string, q Query) (list []Record) {
	t.Helper()
	for r, err := range (Files{Dir: dir}).List(q) {
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, r)
	}
	return list
}

// acts are the numbers of the acts a query yields.
func acts(t testing.TB, dir string, q Query) (list []int) {
	t.Helper()
	for _, r := range listed(t, dir, q) {
		if r.Act == ActAdmit {
			list = append(list, int(r.Count))
		}
	}
	return list
}

func upTo(n int) (list []int) {
	for i := range n {
		list = append(list, i+1)
	}
	return list
}

func TestJournal(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "journal")
	j := open(t, dir, Options{})
	write(t, j, 1, 10)
	if s := j.Stats(); s.Durable.Seq != 11 || s.Written != 10 || s.Dropped != 0 || s.Failed != nil {
		t.Fatalf("%+v", s)
	}
	whole(t, dir, 11) // while it is open
	closed(t, j)
	j = open(t, dir, Options{})
	write(t, j, 11, 20)
	closed(t, j)
	r := whole(t, dir, 21)
	if got := acts(t, dir, Query{}); !slices.Equal(got, upTo(20)) {
		t.Fatalf("acts %v", got)
	}
	if r.Head != j.Stats().Durable || r.First != 1 || r.Prev != (Hash{}) || len(r.Segments) != 1 || r.Journal != j.Stats().Journal {
		t.Fatalf("%+v", r)
	}
	for path, want := range map[string]os.FileMode{dir: 0o700, filepath.Join(dir, headName): 0o600, filepath.Join(dir, r.Segments[0].Name): 0o600} {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: %v, %v", path, info.Mode(), err)
		}
	}
}

func TestSegments(t *testing.T) {
	dir := t.TempDir()
	j := open(t, dir, Options{SegmentSize: 2000})
	write(t, j, 1, 50)
	closed(t, j)
	j = open(t, dir, Options{SegmentSize: 2000})
	write(t, j, 51, 100)
	closed(t, j)
	r := whole(t, dir, -1)
	if got := acts(t, dir, Query{}); !slices.Equal(got, upTo(100)) {
		t.Fatalf("acts %v", got)
	}
	if len(r.Segments) < 8 || int(r.Records) != 100+len(r.Segments) {
		t.Fatalf("%d segments, %d records", len(r.Segments), r.Records)
	}
	var all []byte
	for i, s := range r.Segments {
		b, err := os.ReadFile(filepath.Join(dir, s.Name))
		if err != nil || int64(len(b)) != s.Bytes || s.Bytes > 3000 || !bytes.Contains(b, []byte(s.Name)) {
			t.Fatalf("segment %d: %+v, %v", i, s, err)
		}
		if alone, err := VerifyStream(bytes.NewReader(b)); err != nil || alone.Err() != nil || alone.Records != s.Records || alone.First != s.First {
			t.Fatalf("alone: %+v, %v", alone, err)
		}
		all = append(all, b...)
	}
	if together, err := VerifyStream(bytes.NewReader(all)); err != nil || together.Err() != nil || together.Head != r.Head {
		t.Fatalf("together: %+v, %v", together, err)
	}
}

// TestKnownMarks: who makes a changed chain whole again, head file and all,
// changes hashes that somebody else may have noted.
func TestKnownMarks(t *testing.T) {
	dir := t.TempDir()
	j := open(t, dir, Options{})
	write(t, j, 1, 5)
	early := j.Stats().Durable
	write(t, j, 6, 9)
	late := j.Stats().Durable
	closed(t, j)
	if r, err := (Files{Dir: dir}).Verify(late, early); err != nil || r.Err() != nil {
		t.Fatalf("%v %v", err, r.Faults)
	}
	forged := t.TempDir() // a journal of the same length that says something else
	j = open(t, forged, Options{})
	write(t, j, 2, 10)
	closed(t, j)
	whole(t, forged, 10)
	r, err := (Files{Dir: forged}).Verify(early)
	if err != nil || !errors.Is(r.Err(), ErrDamaged) || r.Faults[0].Seq != early.Seq || !strings.Contains(r.Faults[0].What, early.Hash.String()) {
		t.Fatalf("%v %v", err, r.Faults)
	}
	if r, _ := (Files{Dir: dir}).Verify(Mark{Seq: late.Seq + 3}); r.Err() == nil {
		t.Fatal("a record beyond the end is not missed")
	}
}

func TestVerifyOfNothing(t *testing.T) {
	for _, dir := range []string{t.TempDir(), filepath.Join(t.TempDir(), "none")} {
		if _, err := (Files{Dir: dir}).Verify(); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%v", err)
		}
	}
	if r, err := VerifyStream(strings.NewReader("")); err != nil || r.Err() == nil {
		t.Errorf("an empty stream: %v, %v", r, err)
	}
	dir := t.TempDir()
	closed(t, open(t, dir, Options{}))
	whole(t, dir, 0)
	j := open(t, dir, Options{})
	write(t, j, 1, 1)
	whole(t, dir, 2)
	if got := len(listed(t, dir, Query{})); got != 2 {
		t.Fatalf("%d records", got)
	}
}

// TestReadBesideWriting: whoever reads while the journal is opened, written,
// rotated, pruned and closed meets no fault.
func TestReadBesideWriting(t *testing.T) {
	dir := t.TempDir()
	closed(t, open(t, dir, Options{}))
	done := make(chan error, 1)
	go func() {
		for n := range 20 {
			j, err := Open(dir, Options{SegmentSize: 20_000})
			if err != nil {
				done <- err
				return
			}
			for k := range 300 {
				j.Append(act(300*n + k))
			}
			_, err = j.Prune(context.Background(), Retention{Bytes: 300_000})
			if err = errors.Join(err, j.Close()); err != nil {
				done <- err
				return
			}
		}
		close(done)
	}()
	for reads := 0; ; reads++ {
		r, err := (Files{Dir: dir}).Verify()
		if err != nil || r.Err() != nil {
			t.Fatalf("read %d: %v %v", reads, err, r.Faults)
		}
		last := uint64(1 << 62)
		for _, r := range listed(t, dir, Query{Newest: reads%2 == 0, Limit: 500}) {
			if reads%2 == 0 && r.Seq >= last {
				t.Fatalf("%d after %d", r.Seq, last)
			}
			last = r.Seq
		}
		select {
		case err := <-done:
			if err != nil {
				t.Fatal(err)
			}
			t.Logf("%d reads", reads)
			return
		default:
		}
	}
}

func TestClosedJournal(t *testing.T) {
	j := open(t, t.TempDir(), Options{})
	closed(t, j)
	closed(t, j)
	if err := j.AppendSync(t.Context(), act(1)); !errors.Is(err, ErrClosed) {
		t.Fatalf("%v", err)
	}
	j.Append(act(2))
	if s := j.Stats(); s.Dropped != 2 {
		t.Fatalf("%+v", s)
	}
}
