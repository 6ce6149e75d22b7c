package storage

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
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

var (
	corruptions    = flag.Int("corruptions", 60, "files damaged by TestCorruption")
	corruptionSeed = flag.Uint64("corruption.seed", 0, "of TestCorruption; 0: of the clock")
	corruptionOnly = flag.Int("corruption.only", -1, "play only this one of TestCorruption")
)

const corruptEnv = "TOCSIN_STORAGE_TEST_CORRUPT" // seed, first and last of a child process

// TestCorruption damages one file of a store after another, in every way a disk
// does, and opens the store: it refuses with a reason, or every answer is right
// or told to be missing, and synchronisation makes it whole again. It runs in
// child processes, since badger may take the process with it.
func TestCorruption(t *testing.T) {
	if os.Getenv(corruptEnv) != "" {
		corruptionChild(t)
		return
	}
	if testing.Short() {
		t.Skip("damages hundreds of files")
	}
	seed := *corruptionSeed
	if seed == 0 {
		seed = uint64(time.Now().UnixNano())
	}
	first, last := 0, *corruptions
	if *corruptionOnly >= 0 {
		first, last = *corruptionOnly, *corruptionOnly+1
	}
	tally := map[string]int{}
	for first < last {
		done, out := corruptInChild(t, seed, first, last, tally)
		if first = done; first < last {
			t.Errorf("replay: go test ./storage -run TestCorruption -corruption.seed %d -corruption.only %d\nthe process died: %s", seed, first, out)
			tally["died"]++
			first++
		}
	}
	for _, what := range slices.Sorted(maps.Keys(tally)) {
		t.Logf("%4d %s", tally[what], what)
	}
}

// corruptInChild plays some, and returns the first that was not played to its
// end.
func corruptInChild(t *testing.T, seed uint64, first, last int, tally map[string]int) (int, string) {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^TestCorruption$")
	cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%d %d %d", corruptEnv, seed, first, last))
	cmd.Dir = t.TempDir()
	out, _ := cmd.CombinedOutput()
	lines := bufio.NewScanner(bytes.NewReader(out))
	for lines.Scan() {
		var i int
		if n, _ := fmt.Sscanf(lines.Text(), "corruption %d", &i); n == 0 {
			continue
		}
		_, what, _ := strings.Cut(lines.Text(), ": ")
		first = i + 1
		if strings.Contains(what, "WRONG") {
			t.Errorf("replay: go test ./storage -run TestCorruption -corruption.seed %d -corruption.only %d\n%s", seed, i, what)
		}
		what, _, _ = strings.Cut(what, " (")
		tally[what]++
	}
	return first, string(out[:min(len(out), 4000)])
}

// A baseStore is the files of a store, and what they ought to answer.
type baseStore struct {
	options Options
	files   map[string]baseFile
	list    []*protocol.Bulletin
}

// A baseFile leaves out the zeros at its end.
type baseFile struct {
	data []byte
	size int64
}

const baseRows = 8

// newBase makes a store with tables and a log; killed leaves the log as a
// killed process does, else the store is closed in good order.
func newBase(t *testing.T, o Options, killed bool) *baseStore {
	t.Helper()
	dir := t.TempDir()
	b := &baseStore{options: o, files: map[string]baseFile{}}
	for round := range 2 {
		s, err := Open(dir, o)
		if err != nil {
			t.Fatal(err)
		}
		a := newAuthor(fmt.Sprint("org", round))
		list := benchBulletins(t, a, 120, 8)
		for i, bulletin := range list {
			keep(t, s, Entry{Bulletin: bulletin, Body: Held, Own: round == 0 && i%2 == 0})
		}
		for i := range baseRows {
			if err := s.Table("blocked").Set(t.Context(), []byte{byte(i)}, []byte(fmt.Sprintf("why %d %d", i, round))); err != nil {
				t.Fatal(err)
			}
		}
		b.list = append(b.list, list...)
		if round == 1 && killed {
			b.read(t, dir)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if !killed {
		b.read(t, dir)
	}
	return b
}

func (b *baseStore) read(t *testing.T, dir string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() || d.Name() == "LOCK" {
			return err
		}
		data, err := os.ReadFile(path)
		name, _ := filepath.Rel(dir, path)
		b.files[name] = baseFile{bytes.TrimRight(data, "\x00"), int64(len(data))}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func (b *baseStore) write(t *testing.T, dir string) {
	t.Helper()
	os.MkdirAll(filepath.Join(dir, "badger"), 0o700)
	for name, f := range b.files {
		path := filepath.Join(dir, name)
		if err := errors.Join(os.WriteFile(path, f.data, 0o600), os.Truncate(path, f.size)); err != nil {
			t.Fatal(err)
		}
	}
}

// corrupt damages one file of a copy, and says how.
func (b *baseStore) corrupt(t *testing.T, r *rand.Rand, dir string) (kind, how string) {
	t.Helper()
	kinds := map[string][]string{}
	for _, name := range slices.Sorted(maps.Keys(b.files)) {
		kind := filepath.Ext(name)
		if kind == "" || strings.HasPrefix(name, "store.") {
			kind = filepath.Base(name)
		}
		kinds[kind] = append(kinds[kind], name)
	}
	names := slices.Sorted(maps.Keys(kinds))
	kind = names[r.IntN(len(names))]
	name := kinds[kind][r.IntN(len(kinds[kind]))]
	f, path := b.files[name], filepath.Join(dir, name)
	data, at := bytes.Clone(f.data), 0
	if len(data) > 0 {
		at = r.IntN(len(data))
	}
	switch how = []string{"flip", "zeros", "cut", "gone"}[r.IntN(4)]; how {
	case "gone":
		os.Remove(path)
		return kind, how
	case "cut":
		os.Truncate(path, int64(at))
		return kind, how
	case "flip":
		if len(data) > 0 {
			data[at] ^= 1 << r.IntN(8)
		}
	case "zeros":
		clear(data[at&^4095 : min(len(data), at&^4095+4096)])
	}
	if err := errors.Join(os.WriteFile(path, data, 0o600), os.Truncate(path, f.size)); err != nil {
		t.Fatal(err)
	}
	return kind, how
}

func corruptionChild(t *testing.T) {
	var seed uint64
	var first, last int
	if _, err := fmt.Sscan(os.Getenv(corruptEnv), &seed, &first, &last); err != nil {
		t.Fatal(err)
	}
	plain := Options{Small: true, Ballast: 1 << 20}
	sealed := Options{Small: true, Key: bytes.Repeat([]byte{7}, 32)}
	bases := []*baseStore{newBase(t, plain, true), newBase(t, plain, false), newBase(t, sealed, true)}
	for i := first; i < last; i++ {
		r := rand.New(rand.NewPCG(seed, uint64(i)))
		dir := filepath.Join(t.TempDir(), "store")
		base := bases[r.IntN(len(bases))]
		base.write(t, dir)
		kind, how := base.corrupt(t, r, dir)
		fmt.Fprintf(os.Stderr, "begin %d %s %s\n", i, kind, how)
		fmt.Printf("corruption %d: %-12s %-6s %s\n", i, kind, how, base.examine(dir))
		os.RemoveAll(dir)
	}
}

// examine opens a damaged store and says what it answers.
func (b *baseStore) examine(dir string) string {
	s, err := Open(dir, b.options)
	if err != nil {
		if !errors.Is(err, ErrDamaged) && !errors.Is(err, ErrMissing) && !errors.Is(err, ErrKey) {
			return fmt.Sprintf("refused, WRONG kind of error (%v)", err)
		}
		return fmt.Sprintf("refused (%v)", err)
	}
	missing, wrong := b.compare(s)
	told := s.Stats().Lost > 0 || s.Stats().Damaged > 0 || len(s.Wanted(1)) > 0
	switch {
	case wrong != "":
		return "WRONG answer (" + wrong + ")"
	case missing > 0 && !told:
		return fmt.Sprintf("WRONG: silently fewer (%d of %d missing)", missing, len(b.list))
	}
	outcome := "opened, whole"
	if missing > 0 || told {
		outcome = "opened, loss told, healed by sync"
	}
	// Dropping what a damaged block holds may take its neighbours along: the next
	// start tells of these, and the next session brings them, until none is left.
	for range 8 {
		if s, err = b.heal(s, dir); err != nil {
			return fmt.Sprintf("%s, %v", outcome, err)
		}
		if missing, wrong = b.compare(s); missing == 0 || wrong != "" || len(s.Wanted(1)) == 0 {
			break
		}
	}
	defer s.Close()
	if missing > 0 && wrong == "" && len(b.options.Key) > 0 {
		return fmt.Sprintf("sealed: opened, damage told at every read, not healed (%d)", missing) // see checkTables
	}
	if missing > 0 || wrong != "" {
		return fmt.Sprintf("WRONG: not healed (%d missing %s; %+v)", missing, wrong, s.Stats())
	}
	return outcome
}

// heal brings everything again, as synchronisation does, and starts anew. The store
// is closed where it returns an error.
func (b *baseStore) heal(s *Store, dir string) (*Store, error) {
	for _, bulletin := range b.list {
		if _, err := s.Put(context.Background(), Entry{Bulletin: bulletin, Body: Held, Received: start}); err != nil {
			return nil, errors.Join(fmt.Errorf("WRONG: cannot be healed (%w)", err), s.Close())
		}
	}
	if err := s.Close(); err != nil {
		return nil, fmt.Errorf("WRONG: cannot be closed (%w)", err)
	}
	s, err := Open(dir, b.options)
	if err != nil {
		return nil, fmt.Errorf("refused at the next start (%w)", err)
	}
	return s, nil
}

// compare asks for everything, and counts what is missing.
func (b *baseStore) compare(s *Store) (missing int, wrong string) {
	said := map[string]bool{}
	for _, bulletin := range b.list {
		got, state, err := s.Bulletin(bulletin.ID())
		switch {
		case err == nil && state == Held && bytes.Equal(got.Wire(), bulletin.Wire()):
		case errors.Is(err, ErrNotFound), errors.Is(err, ErrDamaged), err == nil && state == Absent:
			missing++
		default:
			return missing, fmt.Sprintf("bulletin: %v, %v", state, err)
		}
		for _, raw := range bulletin.Objects() {
			said[string(raw)] = true
		}
	}
	silent := missing == 0
	for _, bulletin := range b.list {
		for _, raw := range bulletin.Objects() {
			o, _ := stix.Parse(raw)
			claims, err := s.Lookup(o.Claims[0], Query{Now: start})
			for _, c := range claims {
				if !said[string(c.Object.Raw)] {
					return missing, "an answer that nobody gave"
				}
			}
			if len(claims) == 0 && err == nil && silent {
				return missing, "no answer for " + o.Claims[0].Value
			}
		}
	}
	for i := range baseRows {
		if v, _, _ := s.Table("blocked").Load([]byte{byte(i)}); string(v) != fmt.Sprintf("why %d 1", i) {
			return missing, fmt.Sprintf("row %d is %q", i, v)
		}
	}
	return missing, ""
}
