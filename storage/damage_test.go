package storage

import (
	"bytes"
	"context"
	"errors"
	"math"
	"slices"
	"testing"

	"github.com/dgraph-io/badger/v4"
	"github.com/tocsin-exchange/tocsin/protocol"
	"github.com/tocsin-exchange/tocsin/protocol/stix"
)

// spoil rewrites values in a closed store's database, as a failing disk would
// have badger return them.
func spoil(t *testing.T, dir string, change func(key, value []byte) []byte) {
	t.Helper()
	db, err := badger.OpenManaged(badgerOptions(dir+"/badger", Options{Small: true}, testLog()))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	stamp := db.MaxVersion() + 1
	read, write := db.NewTransactionAt(math.MaxUint64, false), db.NewTransactionAt(stamp, true)
	defer read.Discard()
	it := read.NewIterator(badger.DefaultIteratorOptions)
	defer it.Close()
	for it.Rewind(); it.Valid(); it.Next() {
		key := it.Item().KeyCopy(nil)
		value, err := it.Item().ValueCopy(nil)
		if err != nil {
			t.Fatal(err)
		}
		if after := change(key, bytes.Clone(value)); !bytes.Equal(after, value) {
			if err := write.Set(key, after); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := write.CommitAt(stamp, nil); err != nil {
		t.Fatal(err)
	}
}

// flip changes one bit of the values under a prefix, at a place that differs
// from value to value.
func flip(prefix byte) func(key, value []byte) []byte {
	n := 0
	return func(key, value []byte) []byte {
		if key[0] == prefix {
			n += 13
			value[n%len(value)] ^= 1 << (n % 8)
		}
		return value
	}
}

// TestDamageIsNeverAWrongAnswer flips bits in every kind of record: what still
// answers is what was signed, and what does not is known to be missing.
func TestDamageIsNeverAWrongAnswer(t *testing.T) {
	for _, prefix := range []byte{headerPrefix, chunkPrefix, segmentPrefix, 'm'} {
		t.Run(string(prefix), func(t *testing.T) {
			dir := t.TempDir()
			s := openTest(t, dir)
			list := filled(t, s)
			s.Close()
			spoil(t, dir, flip(prefix))
			s = openTest(t, dir)
			missing := 0
			for _, b := range list {
				got, state, err := s.Bulletin(b.ID())
				switch {
				case err == nil && state == Held:
					if !bytes.Equal(got.Wire(), b.Wire()) {
						t.Fatal("a wrong bulletin")
					}
				case errors.Is(err, ErrNotFound), errors.Is(err, ErrDamaged):
					missing++
				default:
					t.Fatalf("bulletin: %v, %v", state, err)
				}
			}
			for _, c := range answersOf(t, s, list) {
				i := slices.IndexFunc(list, func(b *protocol.Bulletin) bool { return b.ID() == c.Bulletin })
				if i < 0 || !slices.ContainsFunc(slices.Collect(objectsOf(list[i])), func(raw []byte) bool { return bytes.Equal(raw, c.Object.Raw) }) {
					t.Fatal("an answer nobody signed")
				}
			}
			derived := prefix == segmentPrefix || prefix == 'm'
			if derived {
				checkAll(t, s, list)
			} else if missing != len(list) || s.Stats().Damaged == 0 {
				t.Fatalf("%d of %d missing, %d damaged", missing, len(list), s.Stats().Damaged)
			}
			if prefix == chunkPrefix && len(s.Wanted(10)) != len(list) {
				t.Fatalf("damaged bodies are not wanted: %v", s.Wanted(10))
			}
			// Synchronisation brings everything again.
			for _, b := range list {
				keep(t, s, whole(b))
			}
			checkAll(t, s, list)
			s.Close()
			s = openTest(t, dir)
			checkAll(t, s, list)
			if err := s.Rebuild(context.Background(), nil); err != nil {
				t.Fatal(err)
			}
			checkAll(t, s, list)
			s.Close()
			s = openTest(t, dir)
			if checkAll(t, s, list); s.Stats().Damaged != 0 || len(s.Wanted(10)) != 0 {
				t.Fatalf("damage remains: %+v", s.Stats())
			}
		})
	}
}

func objectsOf(b *protocol.Bulletin) func(yield func([]byte) bool) {
	return func(yield func([]byte) bool) {
		for _, raw := range b.Objects() {
			if !yield(raw) {
				return
			}
		}
	}
}

// answersOf looks up every value ever said; damage may be reported with it.
func answersOf(t *testing.T, s *Store, list []*protocol.Bulletin) []Claim {
	t.Helper()
	var all []Claim
	for _, b := range list {
		for raw := range objectsOf(b) {
			o, err := stix.Parse(raw)
			if err != nil {
				t.Fatal(err)
			}
			claims, err := s.Lookup(o.Claims[0], Query{Now: start})
			if err != nil && !errors.Is(err, ErrDamaged) {
				t.Fatal(err)
			}
			all = append(all, claims...)
		}
	}
	for c, err := range s.Changes(0, Query{Now: start}) {
		if err == nil {
			all = append(all, c.Claim)
		} else if !errors.Is(err, ErrDamaged) {
			t.Fatal(err)
		}
	}
	return all
}

// TestSwappedRecordsAreDamage puts one record's value under another's key.
func TestSwappedRecordsAreDamage(t *testing.T) {
	dir := t.TempDir()
	s := openTest(t, dir)
	list := filled(t, s)
	s.Close()
	var first []byte
	spoil(t, dir, func(key, value []byte) []byte {
		if key[0] != chunkPrefix {
			return value
		}
		if first == nil {
			first = value
		}
		return first
	})
	s = openTest(t, dir)
	for _, b := range list[1:] {
		if _, _, err := s.Bulletin(b.ID()); !errors.Is(err, ErrDamaged) {
			t.Fatalf("error: %v", err)
		}
	}
	s.Close()
	s = openTest(t, dir) // not known to be damaged yet
	if _, err := s.Lookup(stix.Observable{Type: stix.IPv4Addr, Value: "203.0.113.7"}, Query{Now: start}); !errors.Is(err, ErrDamaged) {
		t.Fatalf("lookup: %v", err)
	}
}

func TestDamagedRowKeepsTheStoreShut(t *testing.T) {
	dir := t.TempDir()
	s := openTest(t, dir)
	if err := s.Table("blocked").Set(t.Context(), []byte("peer"), []byte("for good reason")); err != nil {
		t.Fatal(err)
	}
	s.Close()
	spoil(t, dir, flip(tablePrefix))
	if _, err := Open(dir, Options{Small: true}); !errors.Is(err, ErrDamaged) {
		t.Fatalf("error: %v", err)
	}
}

// TestUnfinishedWritesAreClearedUp starts on what a crash in the middle of a
// split write, and one in the middle of a drop, leave behind.
func TestUnfinishedWritesAreClearedUp(t *testing.T) {
	dir := t.TempDir()
	s := openTest(t, dir)
	list := filled(t, s)
	last := s.next
	chunkOf := s.cat.bulletins[0].body
	copied, err := s.get(chunkOf.chunkKey(0))
	if err != nil {
		t.Fatal(err)
	}
	err = s.do(t.Context(), &job{run: func() error {
		return errors.Join(s.setNow(dirtyKey(), []byte{1}),
			s.setNow(bodyPlace{number: last + 5}.chunkKey(0), bytes.Clone(copied)),
			s.setNow(bodyPlace{number: last + 5}.segmentKey(0, s.index.Load().gen), encodeSegment([]posting{{hash: 1}})),
			s.setNow(bodyPlace{number: chunkOf.number, gen: 3}.chunkKey(0), bytes.Clone(copied)))
	}})
	if err != nil {
		t.Fatal(err)
	}
	s.Close()
	s = openTest(t, dir)
	for _, key := range [][]byte{bodyPlace{number: last + 5}.chunkKey(0), bodyPlace{number: last + 5}.segmentKey(0, s.index.Load().gen), bodyPlace{number: chunkOf.number, gen: 3}.chunkKey(0)} {
		if _, err := s.get(key); !errors.Is(err, errNoKey) {
			t.Fatalf("%x is still there: %v", key, err)
		}
	}
	if s.next < last+5 {
		t.Fatalf("number %d may be given out again", s.next)
	}
	checkAll(t, s, list)
}

func TestRebuildEqualsOriginal(t *testing.T) {
	dir := t.TempDir()
	s := openTest(t, dir)
	list := filled(t, s)
	before, gen := s.Stats(), s.index.Load().gen
	var told []int
	if err := s.Rebuild(t.Context(), func(done, total int) { told = append(told, done, total) }); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(told, []int{1, 3, 2, 3, 3, 3}) {
		t.Fatalf("progress: %v", told)
	}
	check := func(s *Store) {
		t.Helper()
		checkAll(t, s, list)
		after := s.Stats()
		if after.Headers != before.Headers || after.Live != before.Live || after.Claims != before.Claims || after.Objects != before.Objects {
			t.Fatalf("before %+v\nafter %+v", before, after)
		}
		left := 0
		s.scan(segmentPrefix, false, func(key, _ []byte, _ bool) error {
			if _, _, g := readPartKey(key); g != gen+1 {
				left++
			}
			return nil
		})
		if left > 0 {
			t.Fatalf("%d segments of the old index", left)
		}
	}
	check(s)
	s.Close()
	check(openTest(t, dir))
}

func TestInterruptedRebuildChangesNothing(t *testing.T) {
	dir := t.TempDir()
	s := openTest(t, dir)
	list := filled(t, s)
	ctx, stop := context.WithCancel(t.Context())
	err := s.Rebuild(ctx, func(done, _ int) {
		if done == 2 {
			stop()
		}
	})
	if !errors.Is(err, context.Canceled) {
		t.Fatalf("error: %v", err)
	}
	s.Close() // the writer has ended
	s = openTest(t, dir)
	checkAll(t, s, list)
}
