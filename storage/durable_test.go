package storage

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tocsin-exchange/tocsin/protocol"
	"github.com/tocsin-exchange/tocsin/protocol/stix"
)

// filled keeps three bulletins of two organisations, 100 indicators.
func filled(t testing.TB, s *Store) []*protocol.Bulletin {
	t.Helper()
	bank, hospital := newAuthor("bank"), newAuthor("hospital")
	list := append(benchBulletins(t, bank, 80, 40), hospital.issue(t, green(time.Hour), indicator(t, "203.0.113.7")))
	for _, b := range list {
		keep(t, s, Entry{Bulletin: b, Body: Held, Own: b.Header.Org() == bank.issuer()})
	}
	return list
}

// checkAll demands that every bulletin and every value of it is answered.
func checkAll(t *testing.T, s *Store, list []*protocol.Bulletin) {
	t.Helper()
	for _, b := range list {
		got, state, err := s.Bulletin(b.ID())
		if err != nil || state != Held || !bytes.Equal(got.Wire(), b.Wire()) {
			t.Fatalf("bulletin %s: %v, %v", b.ID(), state, err)
		}
		if _, state := s.Has(b.ID()); state != Held {
			t.Fatalf("%s is %v", b.ID(), state)
		}
		for i, raw := range b.Objects() {
			o, err := stix.Parse(raw)
			if err != nil {
				t.Fatal(err)
			}
			claims, err := s.Lookup(o.Claims[0], Query{Now: start})
			if err != nil || !slices.ContainsFunc(claims, func(c Claim) bool { return c.Bulletin == b.ID() && c.Index == i }) {
				t.Fatalf("%s is not answered: %v, %v", o.Claims[0], claims, err)
			}
		}
	}
}

// crash copies the files of an open store, as they are, to a new directory:
// what a power cut after a sync would leave.
func crash(t *testing.T, dir string) string {
	t.Helper()
	for range 100 {
		to, before := t.TempDir(), namesIn(t, dir)
		err := os.CopyFS(to, os.DirFS(dir))
		if errors.Is(err, fs.ErrNotExist) || err == nil && !slices.Equal(before, namesIn(t, dir)) {
			continue // badger moved something meanwhile: no power cut sees half of that
		}
		if err != nil {
			t.Fatal(err)
		}
		return to
	}
	t.Fatal("the files of the store are never at rest")
	return ""
}

// namesIn lists the files below a directory.
func namesIn(t *testing.T, dir string) (names []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		names = append(names, path)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

func TestWhatWasAcknowledgedSurvivesACrash(t *testing.T) {
	dir := t.TempDir()
	s := openTest(t, dir)
	list := filled(t, s)
	if err := s.Table("invites").Set(t.Context(), []byte("a"), []byte("1")); err != nil {
		t.Fatal(err)
	}
	after := openTest(t, crash(t, dir))
	checkAll(t, after, list)
	if v, ok, err := after.Table("invites").Load([]byte("a")); !ok || err != nil || string(v) != "1" {
		t.Fatalf("row: %q, %v, %v", v, ok, err)
	}
	if after.ID() != s.ID() || after.Position() != s.Position() || after.Stats().Lost != 0 {
		t.Fatalf("id, position or loss differ: %+v", after.Stats())
	}
}

func TestHeadFileTellsLoss(t *testing.T) {
	dir := t.TempDir()
	s := openTest(t, dir)
	bank := newAuthor("bank")
	keep(t, s, Entry{Bulletin: bank.issue(t, green(0), indicator(t, "203.0.113.7")), Body: Held, Own: true})
	old := crash(t, dir)
	keep(t, s, Entry{Bulletin: bank.issue(t, green(time.Hour), indicator(t, "203.0.113.8")), Body: Held, Own: true})
	s.Close()
	if s := openTest(t, dir); s.Stats().Lost != 0 {
		t.Fatalf("nothing was lost: %+v", s.Stats())
	}
	// The database of before under the head file of after.
	b, err := os.ReadFile(filepath.Join(dir, headName))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(old, headName), b, 0o600); err != nil {
		t.Fatal(err)
	}
	if s := openTest(t, old); s.Stats().Lost != 1 {
		t.Fatalf("loss not noticed: %+v", s.Stats())
	}
}

func TestHeadFileSurvivesATornWrite(t *testing.T) {
	for _, key := range [][]byte{nil, make([]byte, 32)} {
		tearHead(t, key)
	}
}

func tearHead(t *testing.T, key []byte) {
	path := filepath.Join(t.TempDir(), headName)
	h, err := openHeadFile(path, key)
	if err != nil {
		t.Fatal(err)
	}
	for n := range uint64(3) {
		if err := h.write(counts{headers: n + 1}, protocol.ID{byte(n + 1)}, true); err != nil {
			t.Fatal(err)
		}
	}
	h.f.Close()
	b, _ := os.ReadFile(path)
	if shows := bytes.Contains(b, append([]byte{2}, make([]byte, 31)...)); shows != (key == nil) {
		t.Errorf("under a key %t: the id shows: %t", key != nil, shows)
	}
	b[20] ^= 1 // in the slot written last
	os.WriteFile(path, b, 0o600)
	h, err = openHeadFile(path, key)
	if err != nil {
		t.Fatal(err)
	}
	defer h.f.Close()
	if h.head.headers != 2 || h.head.last != (protocol.ID{2}) {
		t.Fatalf("head: %+v", h.head)
	}
}

func TestOpenRefusesAMissingDatabase(t *testing.T) {
	dir := t.TempDir()
	s := openTest(t, dir)
	filled(t, s)
	s.Close()
	if err := os.Remove(filepath.Join(dir, "badger", "MANIFEST")); err != nil {
		t.Fatal(err)
	}
	before, _ := os.ReadDir(filepath.Join(dir, "badger"))
	if _, err := Open(dir, Options{Small: true}); !errors.Is(err, ErrMissing) {
		t.Fatalf("error: %v", err)
	}
	after, _ := os.ReadDir(filepath.Join(dir, "badger"))
	if len(after) != len(before) {
		t.Fatal("refusing removed files")
	}
}

func TestOpenTwiceIsRefused(t *testing.T) {
	if dir := os.Getenv("TOCSIN_STORAGE_TEST_DIR"); dir != "" { // the other process
		_, err := Open(dir, Options{Small: true})
		if !errors.Is(err, ErrInUse) {
			t.Fatalf("error: %v", err)
		}
		io.WriteString(os.Stdout, "refused: "+err.Error()+"\n")
		return
	}
	dir := t.TempDir()
	openTest(t, dir)
	if _, err := Open(dir, Options{Small: true}); !errors.Is(err, ErrInUse) {
		t.Fatalf("error in the same process: %v", err)
	}
	cmd := exec.Command(os.Args[0], "-test.run=^TestOpenTwiceIsRefused$")
	cmd.Env = append(os.Environ(), "TOCSIN_STORAGE_TEST_DIR="+dir)
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "in use by another process") {
		t.Fatalf("%v: %s", err, out)
	}
}

func TestEncryptedStore(t *testing.T) {
	dir := t.TempDir()
	key := bytes.Repeat([]byte{7}, 32)
	s, err := Open(dir, Options{Small: true, Key: key})
	if err != nil {
		t.Fatal(err)
	}
	list := filled(t, s)
	keep(t, s, whole(newAuthor("vendor").issue(t, green(0), statementBytes("canary-in-clear-text"))))
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if b, err := os.ReadFile(path); err == nil && bytes.Contains(b, []byte("canary-in-clear-text")) {
			t.Errorf("clear text in %s", path)
		}
		return nil
	})
	for _, wrong := range [][]byte{nil, bytes.Repeat([]byte{8}, 32)} {
		if _, err := Open(dir, Options{Small: true, Key: wrong}); !errors.Is(err, ErrKey) {
			t.Fatalf("wrong key: %v", err)
		}
	}
	if s, err = Open(dir, Options{Small: true, Key: key}); err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	checkAll(t, s, list)
}

// statementBytes is an object that is no indicator, short enough not to be
// compressed beyond recognition.
func statementBytes(name string) []byte {
	return []byte(`{"type":"identity","spec_version":"2.1","id":"identity--7b1b3c4e-0c4e-4f0a-9d3b-2f0d3c1a5b6c",` +
		`"created":"2026-11-01T12:00:00.000Z","modified":"2026-11-01T12:00:00.000Z","name":"` + name + `"}`)
}

func TestLateBodyArrivesThen(t *testing.T) {
	s := openTest(t, t.TempDir())
	a := newAuthor("bank")
	late, declined := a.issue(t, green(0), indicator(t, "203.0.113.7")), a.issue(t, green(time.Minute), indicator(t, "203.0.113.8"))
	keep(t, s, Entry{Bulletin: late.HeaderOnly()}, Entry{Bulletin: declined, Body: Declined, Reason: "over quota"})
	if s.Position() != 0 || len(s.Wanted(10)) != 1 || s.Wanted(10)[0].ID != late.ID() {
		t.Fatalf("position %d, wanted %v", s.Position(), s.Wanted(10))
	}
	if r, err := s.Receipt(declined.ID()); err != nil || r.Reason != "over quota" {
		t.Fatalf("receipt: %+v, %v", r, err)
	}
	third := keep(t, s, whole(a.issue(t, green(time.Hour), indicator(t, "203.0.113.9"))))[0].Arrival
	for _, b := range []*protocol.Bulletin{late, declined} {
		r := keep(t, s, whole(b))[0]
		if r.New || !r.BodyNew || r.Arrival <= third {
			t.Fatalf("late body: %+v", r)
		}
		third = r.Arrival
	}
	if len(s.Wanted(10)) != 0 || len(lookup(t, s, "203.0.113.7", start)) != 1 {
		t.Fatal("the late body does not answer")
	}
}

func TestEquivocationKeepsBoth(t *testing.T) {
	s := openTest(t, t.TempDir())
	a := newAuthor("bank")
	one := a.issue(t, green(0), indicator(t, "203.0.113.7"))
	h := green(time.Minute)
	h.Epoch, h.Seq = 1, 1
	two := a.issue(t, h, indicator(t, "203.0.113.8"))
	keep(t, s, whole(one))
	r := keep(t, s, whole(two))[0]
	if !r.New || r.Equivocation == nil || r.Equivocation.ID() != one.ID() {
		t.Fatalf("result: %+v", r)
	}
	for _, b := range []*protocol.Bulletin{one, two} {
		if got, _, err := s.Bulletin(b.ID()); err != nil || got.ID() != b.ID() {
			t.Fatal(err)
		}
	}
	if id, ok := s.At(one.Header.Stream().ID(), one.Header.Position()); !ok || id != one.ID() {
		t.Fatalf("at: %v", id)
	}
	if heads := s.Summaries(nil)[0].Heads; len(heads) != 2 {
		t.Fatalf("heads: %v", heads)
	}
}

func TestFailedStoreAcknowledgesNothing(t *testing.T) {
	s := openTest(t, t.TempDir())
	list := filled(t, s)
	s.head.f.Close() // the disk under the head file is gone
	a := newAuthor("vendor")
	_, err := s.Put(t.Context(), Entry{Bulletin: a.issue(t, green(0), indicator(t, "203.0.113.9")), Body: Held, Own: true})
	if !errors.Is(err, ErrFailed) || !errors.Is(err, os.ErrClosed) {
		t.Fatalf("error: %v", err)
	}
	select {
	case <-s.Failed():
	default:
		t.Fatal("nobody is told")
	}
	if _, err := s.Put(t.Context(), whole(a.issue(t, green(0), indicator(t, "203.0.113.9")))); !errors.Is(err, ErrFailed) {
		t.Fatalf("next put: %v", err)
	}
	if err := s.Table("x").Set(t.Context(), []byte("k"), nil); !errors.Is(err, ErrFailed) {
		t.Fatalf("row: %v", err)
	}
	checkAll(t, s, list)
}

func TestPutNamesTheBadObject(t *testing.T) {
	s := openTest(t, t.TempDir())
	a := newAuthor("bank")
	bad := a.issue(t, green(0), []byte(`{"type":"indicator"}`))
	good := a.issue(t, green(0), indicator(t, "203.0.113.7"))
	r, err := s.Put(t.Context(), whole(bad), whole(good))
	if !errors.Is(err, stix.ErrInvalid) || !strings.Contains(err.Error(), "object 0") || !r[1].New || r[0].New {
		t.Fatalf("%v, %+v", err, r)
	}
}

func TestClosedStore(t *testing.T) {
	s := openTest(t, t.TempDir())
	list := filled(t, s)
	if s.Close() != nil || s.Close() != nil {
		t.Fatal("close is not idempotent")
	}
	if _, err := s.Put(context.Background(), whole(newAuthor("x").issue(t, green(0), indicator(t, "203.0.113.7")))); !errors.Is(err, ErrClosed) {
		t.Fatalf("put: %v", err)
	}
	s.records.Purge()
	if _, _, err := s.Bulletin(list[0].ID()); !errors.Is(err, ErrClosed) {
		t.Fatalf("bulletin: %v", err)
	}
	if err := s.Wait(context.Background(), s.Position()); !errors.Is(err, ErrClosed) {
		t.Fatalf("wait: %v", err)
	}
}

// found counts the needles that occur in any file under dir.
func found(t *testing.T, dir string, needles [][]byte) (n int) {
	t.Helper()
	var all []byte
	filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			b, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, b...)
		}
		return nil
	})
	for _, needle := range needles {
		if bytes.Contains(all, needle) {
			n++
		}
	}
	return n
}
