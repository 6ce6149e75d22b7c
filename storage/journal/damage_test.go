package journal

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// A sample is a closed journal of three segments, as bytes.
type sample struct {
	key   []byte   // it is sealed under
	names []string // of segments
	files map[string][]byte
}

func newSample(t testing.TB) sample { return newSampleUnder(t, nil) }

func newSampleUnder(t testing.TB, key []byte) sample {
	t.Helper()
	dir, size := t.TempDir(), int64(1000)
	if key != nil {
		size = 1600 // a line takes more
	}
	j := open(t, dir, Options{SegmentSize: size, Key: key})
	for n := range 12 {
		write(t, j, n+1, n+1)
	}
	closed(t, j)
	r := wholeUnder(t, Files{dir, key}, -1)
	s := sample{key: key, files: map[string][]byte{}}
	for _, seg := range r.Segments {
		s.names = append(s.names, seg.Name)
	}
	if len(s.names) < 3 {
		t.Fatalf("segments %v", s.names)
	}
	for _, name := range append(slices.Clone(s.names), headName) {
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		s.files[name] = b
	}
	return s
}

// ofBothKinds tests what must hold of a journal, sealed or not.
func ofBothKinds(t *testing.T, test func(*testing.T, sample)) {
	t.Run("plain", func(t *testing.T) { test(t, newSample(t)) })
	t.Run("sealed", func(t *testing.T) { test(t, newSampleUnder(t, testKey)) })
}

// put writes the sample into a directory, some files changed; nil: none.
func (s sample) put(t testing.TB, dir string, change map[string][]byte) {
	t.Helper()
	for name, b := range s.files {
		if c, ok := change[name]; ok {
			b = c
		}
		path := filepath.Join(dir, name)
		if b == nil {
			os.Remove(path)
			continue
		}
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// without is the change that removes all segments.
func (s sample) without() map[string][]byte {
	change := map[string][]byte{}
	for _, name := range s.names {
		change[name] = nil
	}
	return change
}

// lines of all segments, and where they stand.
func (s sample) lines() (lines [][]byte, places []string) {
	for _, name := range s.names {
		for i, l := range bytes.SplitAfter(bytes.TrimSuffix(s.files[name], []byte("\n")), []byte("\n")) {
			lines = append(lines, append(bytes.TrimSuffix(l, []byte("\n")), '\n'))
			places = append(places, fmt.Sprintf("%s:%d", name, i+1))
		}
	}
	return lines, places
}

// firstFault returns where the first fault is, as file:line.
func (s sample) firstFault(t testing.TB, dir string) string {
	t.Helper()
	r, err := Files{dir, s.key}.Verify()
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Faults) == 0 {
		return ""
	}
	return fmt.Sprintf("%s:%d", r.Faults[0].File, r.Faults[0].Line)
}

// TestEveryFlippedByte flips each byte of each file, in several ways: the
// first fault of the report is the line it is in.
func TestEveryFlippedByte(t *testing.T) { ofBothKinds(t, everyFlippedByte) }

func everyFlippedByte(t *testing.T, s sample) {
	dir := t.TempDir()
	s.put(t, dir, nil)
	flips := 0
	for name, b := range s.files {
		for i := range b {
			if testing.Short() && i%7 != 0 {
				continue
			}
			for _, mask := range []byte{0x01, 0x20, byte(1 + rand.IntN(255))} {
				if name == headName && mask != 0x01 && (i+1)%slotPlace > 2 {
					continue // a slot is compared as a whole
				}
				poke(t, filepath.Join(dir, name), i, b[i]^mask)
				line := 1 + bytes.Count(b[:i], []byte("\n"))
				if name == headName {
					line = 0
				}
				if got, want := s.firstFault(t, dir), fmt.Sprintf("%s:%d", name, line); got != want {
					t.Fatalf("byte %d of %s ^ %#x: first fault at %q, want %q", i, name, mask, got, want)
				}
				flips++
			}
			poke(t, filepath.Join(dir, name), i, b[i])
		}
	}
	t.Logf("%d flips, all found where they were", flips)
}

// poke writes one byte of a file.
func poke(t *testing.T, path string, at int, c byte) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt([]byte{c}, int64(at)); err != nil {
		t.Fatal(err)
	}
}

// rebuilt cuts changed lines into the segments again: after the lines that
// ended each before.
func (s sample) rebuilt(lines [][]byte, at int, shift int) map[string][]byte {
	change, from, n := map[string][]byte{}, 0, 0
	for _, name := range s.names {
		n += bytes.Count(s.files[name], []byte("\n"))
		to := n
		if n > at {
			to += shift
		}
		change[name] = bytes.Join(lines[from:to], nil)
		from = to
	}
	return change
}

func TestEveryDeletedLine(t *testing.T) { ofBothKinds(t, everyDeletedLine) }

func everyDeletedLine(t *testing.T, s sample) {
	dir := t.TempDir()
	lines, places := s.lines()
	for i := range lines {
		s.put(t, dir, s.rebuilt(slices.Delete(slices.Clone(lines), i, i+1), i, -1))
		got, want := s.firstFault(t, dir), places[i]
		if i+1 < len(places) && strings.HasSuffix(places[i+1], ":1") { // the last of a segment is missed at the next
			want = places[i+1]
		}
		if got != want {
			t.Errorf("line %d deleted: first fault at %q, want %q", i, got, want)
		}
	}
}

// TestEveryInsertedLine puts a copy of each line at each place, and a forged
// one that follows the line before.
func TestEveryInsertedLine(t *testing.T) { ofBothKinds(t, everyInsertedLine) }

func everyInsertedLine(t *testing.T, s sample) {
	dir := t.TempDir()
	lines, places := s.lines()
	for at := 1; at <= len(lines); at++ {
		before, hash := s.record(t, lines[at-1])
		forged := Record{Prev: hash, Seq: before.Seq + 1, At: before.At, Act: ActErase, Actor: "nobody"}
		for k, l := range append(slices.Clone(lines), s.line(t, forged)) {
			if at < len(lines) && k == at {
				continue // the same as putting it behind itself
			}
			s.put(t, dir, s.rebuilt(slices.Insert(slices.Clone(lines), at, l), at-1, 1))
			file, n, _ := strings.Cut(places[at-1], ":")
			var line int
			fmt.Sscan(n, &line)
			if got, want := s.firstFault(t, dir), fmt.Sprintf("%s:%d", file, line+1); got != want {
				t.Fatalf("line %d put at %d: first fault at %q, want %q", k, at, got, want)
			}
		}
	}
}

func TestEverySwappedLine(t *testing.T) { ofBothKinds(t, everySwappedLine) }

func everySwappedLine(t *testing.T, s sample) {
	dir := t.TempDir()
	lines, places := s.lines()
	for i := range lines {
		for k := range i {
			c := slices.Clone(lines)
			c[i], c[k] = c[k], c[i]
			s.put(t, dir, s.rebuilt(c, 0, 0))
			if got := s.firstFault(t, dir); got != places[k] {
				t.Fatalf("lines %d and %d swapped: first fault at %q, want %q", k, i, got, places[k])
			}
		}
	}
}

// TestEveryTruncation cuts a closed journal at each byte.
func TestEveryTruncation(t *testing.T) { ofBothKinds(t, everyTruncation) }

func everyTruncation(t *testing.T, s sample) {
	dir := t.TempDir()
	last := s.names[len(s.names)-1]
	s.put(t, dir, nil)
	for cut := len(s.files[last]) - 1; cut >= 0; cut-- {
		if err := os.Truncate(filepath.Join(dir, last), int64(cut)); err != nil {
			t.Fatal(err)
		}
		got := s.firstFault(t, dir)
		want := fmt.Sprintf("%s:%d", last, 1+bytes.Count(s.files[last][:cut], []byte("\n")))
		if cut == 0 { // the end of the segment before
			before := s.names[len(s.names)-2]
			want = fmt.Sprintf("%s:%d", before, 1+bytes.Count(s.files[before], []byte("\n")))
		}
		if got != want {
			t.Fatalf("cut at %d: first fault at %q, want %q", cut, got, want)
		}
	}
}

func TestSegmentsOutOfPlace(t *testing.T) { ofBothKinds(t, segmentsOutOfPlace) }

func segmentsOutOfPlace(t *testing.T, s sample) {
	a, b, c := s.names[0], s.names[1], s.names[2]
	other := strings.Replace(a, ".sealed", ".jsonl", 1)
	if s.key == nil {
		other = strings.Replace(a, ".jsonl", ".sealed", 1)
	}
	later := strings.Replace(a, a[9:16], "2099-01", 1)
	for name, test := range map[string]struct {
		change map[string][]byte
		want   string
	}{
		"swapped":          {map[string][]byte{a: s.files[b], b: s.files[a]}, a + ":1"},
		"first gone":       {map[string][]byte{a: nil}, b + ":1"},
		"second gone":      {map[string][]byte{b: nil}, c + ":1"},
		"second emptied":   {map[string][]byte{b: {}}, b + ":0"},
		"head gone":        {map[string][]byte{headName: nil}, headName + ":0"},
		"head emptied":     {map[string][]byte{headName: {}}, headName + ":0"},
		"all gone":         {s.without(), headName + ":1"},
		"another's":        {map[string][]byte{b: newSampleUnder(t, s.key).files[b]}, b + ":1"},
		"slot emptied":     {map[string][]byte{headName: append(make([]byte, slotSize), s.files[headName][slotSize:]...)}, headName + ":0"},
		"called otherwise": {map[string][]byte{a: nil, later: s.files[a]}, later + ":1"},
		"no segment's":     {map[string][]byte{"x.jsonl": s.files[a]}, "x.jsonl:0"},
		"of another kind":  {map[string][]byte{other: s.files[a]}, other + ":0"},
	} {
		dir := t.TempDir()
		s.put(t, dir, test.change)
		for file, content := range test.change {
			if _, old := s.files[file]; !old {
				os.WriteFile(filepath.Join(dir, file), content, 0o600)
			}
		}
		got := s.firstFault(t, dir)
		if got != test.want {
			t.Errorf("%s: first fault at %q, want %q", name, got, test.want)
		}
		openDamaged(t, name, Files{dir, s.key})
	}
}

// openDamaged opens what is damaged: the node runs, says so, and the fault
// stays to be seen.
func openDamaged(t *testing.T, name string, f Files) {
	t.Helper()
	j := open(t, f.Dir, Options{Key: f.Key})
	write(t, j, 100, 101)
	closed(t, j)
	var got []int64
	for r, err := range f.List(Query{}) {
		if err != nil && !errors.Is(err, ErrDamaged) {
			t.Errorf("%s: %v", name, err)
		}
		got = append(got, r.Count)
	}
	if !slices.Contains(got, 100) || !slices.Contains(got, 101) {
		t.Errorf("%s: then noted %v", name, got)
	}
	r, err := f.Verify()
	if err != nil || len(r.Faults) == 0 && r.Noted == 0 {
		t.Errorf("%s: nobody is told any more: %v", name, err)
	}
}
