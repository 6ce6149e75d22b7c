package journal

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestTornEnd cuts what no sync covers yet at each byte, as a crash may: an
// unfinished line goes, and a record says so; nothing else is a fault.
func TestTornEnd(t *testing.T) {
	s := unsynced(t)
	file := s.names[0]
	b := s.files[file]
	durable := len(b)
	for range 3 {
		durable = bytes.LastIndexByte(b[:durable-1], '\n') + 1
	}
	for cut := durable; cut <= len(b); cut++ {
		dir := t.TempDir()
		s.put(t, dir, map[string][]byte{file: b[:cut]})
		torn := cut - 1 - bytes.LastIndexByte(b[:cut], '\n')
		if r, err := (Files{Dir: dir}).Verify(); err != nil || r.Err() != nil || r.Torn != int64(torn) {
			t.Fatalf("cut at %d: %v, torn %d, %v", cut, err, r.Torn, r.Faults)
		}
		if torn > 2 && cut%11 != 0 {
			continue
		}
		if got := listed(t, dir, Query{}); len(got) != bytes.Count(b[:cut], []byte("\n")) {
			t.Fatalf("cut at %d: %d records", cut, len(got))
		}
		j := open(t, dir, Options{})
		write(t, j, 50, 50)
		closed(t, j)
		r := whole(t, dir, -1)
		got := listed(t, dir, Query{Acts: []Act{ActRepair}})
		if r.Torn != 0 || len(r.Segments) != 1 || len(got) != min(1, torn) || torn > 0 && got[0].Numbers["bytes"] != int64(torn) {
			t.Fatalf("cut at %d: %+v, %v", cut, r, got)
		}
		if n := acts(t, dir, Query{Newest: true, Limit: 1}); n[0] != 50 {
			t.Fatalf("cut at %d: %v", cut, n)
		}
	}
}

// unsynced is a journal as it lies on the disk while its last three records are
// written and not synced.
func unsynced(t *testing.T) sample {
	t.Helper()
	dir := t.TempDir()
	j := open(t, dir, Options{})
	write(t, j, 1, 4)
	closed(t, j)
	names, _, err := files{dir: dir}.segments()
	if err != nil {
		t.Fatal(err)
	}
	w, notes, err := files{dir: dir}.resume(Options{SegmentSize: segmentSize, write: (*os.File).WriteAt})
	if err != nil || len(notes) > 0 {
		t.Fatal(err, notes)
	}
	defer w.f.Close()
	defer w.head.f.Close()
	for n := range 3 {
		r := act(5 + n)
		if err := w.add(r.At, r.appendTail(nil)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.flush(); err != nil {
		t.Fatal(err)
	}
	s := sample{names: []string{names[0].String()}, files: map[string][]byte{}}
	for _, name := range []string{headName, s.names[0]} {
		if s.files[name], err = os.ReadFile(filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// TestLostTailCanBePutBack: after a cut the chain goes on after what the head
// file remembers, so the lost lines fit where they were.
func TestLostTailCanBePutBack(t *testing.T) {
	dir := t.TempDir()
	j := open(t, dir, Options{})
	write(t, j, 1, 9)
	closed(t, j)
	seg := filepath.Join(dir, whole(t, dir, 10).Segments[0].Name)
	b, err := os.ReadFile(seg)
	if err != nil {
		t.Fatal(err)
	}
	cut := bytes.LastIndexByte(b[:bytes.LastIndexByte(b[:len(b)-1], '\n')], '\n') + 1
	if err := os.Truncate(seg, int64(cut)); err != nil {
		t.Fatal(err)
	}
	j = open(t, dir, Options{})
	write(t, j, 10, 10)
	closed(t, j)
	r, err := (Files{Dir: dir}).Verify()
	if err != nil || len(r.Faults) != 1 || !strings.Contains(r.Faults[0].What, "records 9 to 10 are missing") || r.Noted != 1 {
		t.Fatalf("%v %+v", err, r)
	}
	noted := listed(t, dir, Query{Acts: []Act{ActFault}})
	if len(noted) != 1 || !strings.Contains(noted[0].Rule, "records 9 to 10 are missing at the end") || noted[0].Seq != 12 {
		t.Fatalf("%+v", noted)
	}
	if err := os.WriteFile(seg, b, 0o600); err != nil {
		t.Fatal(err)
	}
	whole(t, dir, 13)
	if got := acts(t, dir, Query{}); !slices.Equal(got, upTo(10)) {
		t.Fatalf("%v", got)
	}
}

// TestForgedEndStaysAFault: what somebody appended to a closed journal never
// becomes part of the chain.
func TestForgedEndStaysAFault(t *testing.T) {
	s, dir := newSample(t), t.TempDir()
	lines, _ := s.lines()
	end, _ := DecodeRecord(lines[len(lines)-1])
	forged := Record{Prev: sha(lines[len(lines)-1]), Seq: end.Seq + 1, At: end.At, Act: ActErase, Actor: "nobody"}
	last := s.names[len(s.names)-1]
	s.put(t, dir, map[string][]byte{last: append(bytes.Clone(s.files[last]), forged.Encode()...)})
	for range 3 {
		openDamaged(t, "forged end", Files{Dir: dir})
		if r, err := (Files{Dir: dir}).Verify(); err != nil || len(r.Faults) == 0 || r.Faults[0].Seq != forged.Seq && r.Faults[0].File != last {
			t.Fatalf("%v %v", err, r.Faults)
		}
	}
}

// TestEmptyLastSegment: a crash may come between the making of a segment and
// its first record.
func TestEmptyLastSegment(t *testing.T) {
	dir := t.TempDir()
	j := open(t, dir, Options{})
	write(t, j, 1, 3)
	closed(t, j)
	n, _ := parseSegment(whole(t, dir, 4).Segments[0].Name)
	n.serial++
	if err := os.WriteFile(n.path(dir), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	whole(t, dir, 4)
	j = open(t, dir, Options{})
	write(t, j, 4, 4)
	closed(t, j)
	if r := whole(t, dir, 6); len(r.Segments) != 2 || r.Segments[1].Records != 2 || r.Noted != 0 {
		t.Fatalf("%+v", r)
	}
}

// TestOpenTakesNoRoom: a journal that is whole opens on a full disk, since no
// file is made.
func TestOpenTakesNoRoom(t *testing.T) {
	dir := t.TempDir()
	j := open(t, dir, Options{})
	write(t, j, 1, 3)
	closed(t, j)
	before, err := os.Stat(filepath.Join(dir, headName))
	if err != nil {
		t.Fatal(err)
	}
	closed(t, open(t, dir, Options{}))
	after, err := os.Stat(filepath.Join(dir, headName))
	entries, _ := os.ReadDir(dir)
	if err != nil || !os.SameFile(before, after) || after.Size() != headSize || len(entries) != 2 {
		t.Fatalf("%v: %v, %d files", err, after, len(entries))
	}
	whole(t, dir, 4)
}

func TestUnreadableSegment(t *testing.T) {
	s := newSample(t)
	dir := t.TempDir()
	last := s.names[len(s.names)-1]
	s.put(t, dir, map[string][]byte{last: bytes.Repeat([]byte("x"), 3*maxLine)})
	if got := s.firstFault(t, dir); got != last+":1" {
		t.Fatalf("first fault at %q", got)
	}
	openDamaged(t, "no lines at all", Files{Dir: dir})
}
