package journal

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

var testKey = bytes.Repeat([]byte{7}, KeySize)

// record reads a line of the sample, and says what the next one calls its hash.
func (s sample) record(t testing.TB, raw []byte) (Record, Hash) {
	t.Helper()
	under, err := newSeal(s.key)
	if err != nil {
		t.Fatal(err)
	}
	l := under.unsealed(line{raw: raw})
	r, err := DecodeRecord(l.raw)
	if err != nil || l.broken != "" {
		t.Fatal(err, l.broken)
	}
	return r, sha(l.raw)
}

// line is what stands on the disk for a record, made by somebody who has the key.
func (s sample) line(t testing.TB, r Record) []byte {
	t.Helper()
	under, err := newSeal(s.key)
	if err != nil {
		t.Fatal(err)
	}
	return under.appendLine(nil, r.Encode())
}

// TestSealed: what is sealed is written, read, exported and pruned as what is
// not, and the export of it is plain.
func TestSealed(t *testing.T) {
	dir := t.TempDir()
	j := open(t, dir, Options{Key: testKey, SegmentSize: 4000})
	write(t, j, 1, 30)
	closed(t, j)
	j = open(t, dir, Options{Key: testKey, SegmentSize: 4000})
	write(t, j, 31, 60)
	r, err := j.Verify()
	if err != nil || r.Err() != nil || len(r.Segments) < 4 {
		t.Fatal(err, r)
	}
	var forward, backward []int64
	for record := range j.List(Query{Acts: []Act{ActAdmit}}) {
		forward = append(forward, record.Count)
	}
	for record := range j.List(Query{Acts: []Act{ActAdmit}, Newest: true}) {
		backward = append(backward, record.Count)
	}
	slices.Reverse(backward)
	if len(forward) != 60 || forward[59] != 60 || !slices.Equal(forward, backward) {
		t.Fatalf("%v, backwards %v", forward, backward)
	}
	var out bytes.Buffer
	if err := j.Export(&out, Query{}); err != nil || !strings.Contains(out.String(), `"bulletin":"b60"`) {
		t.Fatal(err)
	}
	if e, err := VerifyStream(&out, r.Head); err != nil || e.Err() != nil || e.Head != r.Head {
		t.Fatalf("%v %+v", err, e)
	}
	if removed, err := j.Prune(t.Context(), Retention{Bytes: 8000}); err != nil || removed == 0 {
		t.Fatal(removed, err)
	}
	closed(t, j)
	if r := wholeUnder(t, Files{dir, testKey}, -1); r.Pruned == nil {
		t.Fatalf("%+v", r)
	}
}

// TestSealedShows lists what whoever has the files and no key can still see: the
// names of the files, how many lines each has, and how long they are in steps.
func TestSealedShows(t *testing.T) {
	dir := t.TempDir()
	j := open(t, dir, Options{Key: testKey})
	records := []Record{
		{Act: ActAdmit, Org: "o4bq3j7k2m5n6p7q2r3s4t5u6v7w2x3y", Bulletin: strings.Repeat("9f", 32), TLP: "GREEN", Rule: "member", Count: 7919},
		{Act: ActErase, Actor: "operator uid 1000", Org: "o4bq3j7k2m5n6p7q2r3s4t5u6v7w2x3y", Bulletin: strings.Repeat("9f", 32), TLP: "AMBER+STRICT", Rule: "ask", Count: 1},
		{Act: ActToken, Words: map[string]string{"token": "tk-canary"}},
	}
	for _, r := range records {
		if err := j.AppendSync(t.Context(), r); err != nil {
			t.Fatal(err)
		}
	}
	id, at := j.Stats().Journal, time.Now().UTC()
	closed(t, j)
	found, lines := searched(t, dir, map[string][]byte{
		"an id": []byte(strings.Repeat("9f", 32)), "its bytes": bytes.Repeat([]byte{0x9f}, 32), "an organisation": []byte("o4bq3j7k2m5n6p7q2r3s4t5u6v7w2x3y"),
		"a label": []byte("AMBER"), "a count": []byte("7919"), "an act": []byte("erase"), "an actor": []byte("operator"), "a token": []byte("tk-canary"),
		"a time": []byte(at.Format("2006-01-02T15")), "the journal's id": []byte(id), "a member": []byte(`"seq"`),
	})
	if len(found) > 0 {
		t.Errorf("found %q", found)
	}
	if len(lines) != 4 || lines[1] != lines[2] { // the opening and three; GREEN is as long as AMBER+STRICT
		t.Errorf("lengths of lines %v", lines)
	}
}

// searched looks for canaries in all files, also in base64 and hex, and returns
// how long the lines of the segments are.
func searched(t *testing.T, dir string, canaries map[string][]byte) (found []string, lines []int) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		content, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		for name, canary := range canaries {
			for _, form := range [][]byte{canary, []byte(hex.EncodeToString(canary)), []byte(encoding.EncodeToString(canary))} {
				if bytes.Contains(content, form) {
					found = append(found, fmt.Sprintf("%s in %s", name, e.Name()))
				}
			}
		}
		if strings.HasSuffix(e.Name(), sealedSuffix) {
			for l := range bytes.Lines(content) {
				lines = append(lines, len(l))
			}
		}
	}
	return found, lines
}

// TestWrongKey: a journal is opened and read under its own key alone, and nothing
// is written where that is another, or where there should be one.
func TestWrongKey(t *testing.T) {
	other := bytes.Repeat([]byte{8}, KeySize)
	for _, row := range []struct {
		name       string
		made, with []byte
	}{
		{"another", testKey, other}, {"none for a sealed one", testKey, nil}, {"one for a plain one", nil, testKey}, {"too short", nil, testKey[:16]},
	} {
		for _, headless := range []bool{false, true} {
			if headless && row.name == "another" {
				continue // which key it was only the head says: every line is a fault
			}
			s, dir := newSampleUnder(t, row.made), t.TempDir()
			s.put(t, dir, nil)
			if headless {
				s.put(t, dir, map[string][]byte{headName: nil})
			}
			if _, err := Open(dir, Options{Key: row.with}); !errors.Is(err, ErrKey) {
				t.Errorf("%s, headless %t: open: %v", row.name, headless, err)
			}
			if _, err := (Files{dir, row.with}).Verify(); !errors.Is(err, ErrKey) {
				t.Errorf("%s, headless %t: verify: %v", row.name, headless, err)
			}
			for name, want := range s.files {
				got, err := os.ReadFile(filepath.Join(dir, name))
				if name == headName && headless {
					continue
				}
				if err != nil || !bytes.Equal(got, want) {
					t.Errorf("%s: %s was changed: %v", row.name, name, err)
				}
			}
		}
	}
}

// FuzzUnseal: what opens is what was sealed, in the one form it has.
func FuzzUnseal(f *testing.F) {
	under, err := newSeal(testKey)
	if err != nil {
		f.Fatal(err)
	}
	whole := under.append(nil, purposeLine, Record{Seq: 1}.Encode(), padLine)
	f.Add([]byte{}, 0, byte(0))
	f.Add([]byte("\r"), 40, byte(1))
	f.Add([]byte("AAAA"), 3, byte(0))
	f.Fuzz(func(t *testing.T, b []byte, at int, flip byte) {
		damaged := slices.Clone(whole) // another in every process: it is no seed
		damaged[int(uint(at)%uint(len(whole)))] ^= flip
		for _, b := range [][]byte{b, damaged, append(slices.Clone(whole), b...)} {
			text, ok := under.open(purposeLine, b)
			if ok != bytes.Equal(b, whole) || ok && !bytes.Equal(text, Record{Seq: 1}.Encode()) {
				t.Fatalf("%q opens as %q: %v", b, text, ok)
			}
			if _, ok := under.open(purposeHead, b); ok {
				t.Fatalf("%q opens as a head", b)
			}
		}
	})
}

// FuzzSealedSlot: a slot that is read is one that was written.
func FuzzSealedSlot(f *testing.F) {
	plain := (*seal)(nil)
	under, err := newSeal(testKey)
	if err != nil {
		f.Fatal(err)
	}
	h := head{journal: strings.Repeat("0a", 16), serial: 7, mark: Mark{Seq: 9}}
	f.Add(plain.encodeHead(h))
	f.Add(under.encodeHead(h))
	f.Add([]byte(headPrefix + "0000000000000000000 "))
	f.Fuzz(func(t *testing.T, b []byte) {
		if h, ok := plain.decodeHead(b); ok && !bytes.Equal(plain.encodeHead(h), b) {
			t.Fatalf("%q is written as %q", b, plain.encodeHead(h))
		}
		if got, ok := under.decodeHead(b); ok && got != h {
			t.Fatalf("%q says %+v", b, got)
		}
		sealedBy(b)
	})
}
