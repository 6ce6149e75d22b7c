package journal

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func exported(t testing.TB, dir string, q Query) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := (Files{Dir: dir}).Export(&b, q); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestExport(t *testing.T) {
	dir := t.TempDir()
	j := open(t, dir, Options{SegmentSize: 1000})
	for n := range 20 {
		write(t, j, n+1, n+1)
	}
	all := whole(t, dir, -1)
	for _, c := range []struct{ after, before, first, last uint64 }{
		{0, 0, 1, all.Head.Seq}, {5, 0, 6, all.Head.Seq}, {0, 9, 1, 8}, {5, 9, 6, 8}, {7, 9, 8, 8},
	} {
		b := exported(t, dir, Query{After: c.after, Before: c.before})
		r, err := VerifyStream(bytes.NewReader(b))
		if err != nil || r.Err() != nil || r.First != c.first || r.Head.Seq != c.last || r.Records != c.last-c.first+1 || r.Journal != all.Journal {
			t.Fatalf("%+v: %+v, %v", c, r, err)
		}
		if r, err := (Files{Dir: dir}).Verify(r.Head, Mark{r.First - 1, r.Prev}); err != nil || r.First != 1 || c.first > 1 && r.Err() != nil {
			t.Fatalf("what was exported is not on the chain: %v, %v", err, r.Faults)
		}
	}
	for _, c := range []struct {
		q    Query
		want error
	}{{Query{After: 1000}, ErrEmpty}, {Query{Acts: []Act{ActAdmit}}, ErrQuery}, {Query{Limit: 3}, ErrQuery}, {Query{Newest: true}, ErrQuery}} {
		if err := j.Export(io.Discard, c.q); !errors.Is(err, c.want) {
			t.Errorf("%+v: %v", c.q, err)
		}
	}
	if err := (Files{Dir: dir}).Export(brokenPipe{}, Query{}); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("%v", err)
	}
}

type brokenPipe struct{}

func (brokenPipe) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }

// TestEveryChangedExport: flips, deletions, insertions and swaps in an exported
// file are found where they are.
func TestEveryChangedExport(t *testing.T) {
	s, dir := newSample(t), t.TempDir()
	s.put(t, dir, nil)
	b := exported(t, dir, Query{After: 2, Before: 13})
	check := func(what string, changed []byte, want int) {
		t.Helper()
		r, err := VerifyStream(bytes.NewReader(changed))
		if err != nil || len(r.Faults) == 0 || r.Faults[0].Line != want {
			t.Fatalf("%s: %v %v, want line %d", what, err, r.Faults, want)
		}
	}
	for i := range b {
		for _, mask := range []byte{1, 0x20, 0x80} {
			c := bytes.Clone(b)
			c[i] ^= mask
			check(fmt.Sprintf("byte %d ^ %#x", i, mask), c, 1+bytes.Count(b[:i], []byte("\n")))
		}
	}
	lines := bytes.SplitAfter(b[:len(b)-1], []byte("\n"))
	lines[len(lines)-1] = b[bytes.LastIndexByte(b[:len(b)-1], '\n')+1:]
	for i := range lines {
		want := i + 1
		if i == 0 {
			want = len(lines) - 1 // its end has no begin
		}
		check("deletion", bytes.Join(slices.Delete(slices.Clone(lines), i, i+1), nil), want)
		if i > 0 {
			check("doubling", bytes.Join(slices.Insert(slices.Clone(lines), i, lines[i]), nil), i+2)
		}
		for k := range i {
			c := slices.Clone(lines)
			c[i], c[k] = c[k], c[i]
			if k == 0 { // records without a begin, and somewhere one that begins
				r, err := VerifyStream(bytes.NewReader(bytes.Join(c, nil)))
				if err != nil || len(r.Faults) == 0 {
					t.Fatalf("the first line swapped with line %d: %v", i+1, err)
				}
				continue
			}
			check(fmt.Sprintf("swap of %d and %d", k+1, i+1), bytes.Join(c, nil), k+1)
		}
	}
}

// recipe is what the manual tells a stranger to do.
func recipe(t *testing.T) string {
	t.Helper()
	manual, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	_, after, _ := strings.Cut(string(manual), "//\t#!/bin/sh\n")
	var script strings.Builder
	for line := range strings.Lines(after) {
		command, ok := strings.CutPrefix(line, "//\t")
		if !ok {
			break
		}
		script.WriteString(command)
	}
	if !strings.Contains(script.String(), "sha256sum") {
		t.Fatalf("no recipe in the manual: %s", script.String())
	}
	return script.String()
}

func TestRecipe(t *testing.T) {
	for _, tool := range []string{"sh", "jq", "sha256sum"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("no %s here", tool)
		}
	}
	dir := t.TempDir()
	j := open(t, dir, Options{})
	write(t, j, 1, 5)
	odd := full()
	odd.Org = `a \ "b" é` // what a shell may trip over
	if err := j.AppendSync(t.Context(), odd); err != nil {
		t.Fatal(err)
	}
	closed(t, j)
	r := whole(t, dir, 7)
	path := filepath.Join(dir, r.Segments[0].Name)
	out, err := exec.Command("sh", "-c", recipe(t), "recipe", path).CombinedOutput()
	if err != nil || strings.TrimSpace(string(out)) != r.Head.Hash.String() {
		t.Fatalf("%v: %s, want %s", err, out, r.Head.Hash)
	}
	poke(t, path, 90, 'x')
	if out, err := exec.Command("sh", "-c", recipe(t), "recipe", path).CombinedOutput(); err == nil {
		t.Fatalf("a changed line passes: %s", out)
	}
}

func FuzzVerifyStream(f *testing.F) {
	s, dir := newSample(f), f.TempDir()
	s.put(f, dir, nil)
	b := exported(f, dir, Query{})
	f.Add(b)
	f.Add(bytes.Join(bytes.SplitAfter(b, []byte("\n"))[1:4], nil))
	f.Add([]byte("{}\n\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := VerifyStream(bytes.NewReader(b))
		if err != nil || len(r.Faults) > maxFaults {
			t.Fatal(err)
		}
		if r.Err() != nil {
			return
		}
		// What passes is a chain: each record follows the hash of the line before.
		prev, seq, lines := r.Prev, r.First, uint64(0)
		for line := range bytes.Lines(b) {
			record, err := DecodeRecord(line)
			if err != nil {
				continue // the first or the last line
			}
			if record.Prev != prev || record.Seq != seq {
				t.Fatalf("record %d does not follow", record.Seq)
			}
			prev, seq, lines = sha(line), seq+1, lines+1
		}
		if lines != r.Records || prev != r.Head.Hash {
			t.Fatalf("%d records, %d lines", r.Records, lines)
		}
	})
}
