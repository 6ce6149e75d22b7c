package storage

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/dgraph-io/badger/v4"
	"github.com/tocsin-exchange/tocsin/protocol"
	"github.com/tocsin-exchange/tocsin/protocol/stix"
)

// A secret is an object that is to be erased, and whatever would betray it.
type secret struct {
	id     protocol.ID
	index  int
	salted []byte
	object stix.Object
	bytes  map[string][]byte // what no file may hold any more
	plain  map[string][]byte // what no chunk may hold, once it is decoded
}

// watch notes what could be found of an object that is held.
func watch(t *testing.T, s *Store, b *protocol.Bulletin, index int) secret {
	t.Helper()
	salted := b.Salted()[index]
	o, err := stix.Parse(salted[saltSize:])
	if err != nil {
		t.Fatal(err)
	}
	_, held, err := s.find(b.ID())
	if err != nil {
		t.Fatal(err)
	}
	chunk, err := s.get(held.body.chunkKey(index &^ (1<<held.body.shift - 1)))
	if err != nil {
		t.Fatal(err)
	}
	quoted, err := json.Marshal(o.Claims[0].Value)
	if err != nil {
		t.Fatal(err)
	}
	x := s.index.Load()
	v := secret{id: b.ID(), index: index, salted: salted, object: o, bytes: map[string][]byte{
		"compressed chunk": chunk[:min(len(chunk), 48)], "end of the compressed chunk": chunk[max(0, len(chunk)-48):],
		"hash of the value": binary.BigEndian.AppendUint64(nil, x.value(o.Claims[0])),
		"hash of the id":    binary.BigEndian.AppendUint64(nil, x.name(o.ID)),
	}}
	v.plain = map[string][]byte{"salt": salted[:saltSize], "id": []byte(o.ID), "value": quoted, "object": o.Raw}
	for name, plain := range v.plain {
		v.bytes[name] = plain
		v.bytes[name+" in hex"] = []byte(hex.EncodeToString(plain))
		v.bytes[name+" in base64"] = []byte(base64.RawStdEncoding.EncodeToString(plain))
		escaped, err := json.Marshal(string(plain))
		if err != nil {
			t.Fatal(err)
		}
		v.bytes[name+" escaped"] = escaped
	}
	return v
}

// traces lists where in the files under dir something of the secrets is found.
func traces(t *testing.T, dir string, secrets []secret) (list []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for i := range secrets {
			list = append(list, within(b, filepath.Base(path), secrets[i].bytes)...)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func within(b []byte, where string, needles map[string][]byte) (list []string) {
	for name, needle := range needles {
		if bytes.Contains(b, needle) {
			list = append(list, name+" in "+where)
		}
	}
	return list
}

// records yields every version of every record in the database, deleted and
// superseded ones included, opened and decoded as far as it has a form.
func records(t *testing.T, s *Store, fn func(key, value []byte)) {
	t.Helper()
	txn := s.db.NewTransactionAt(math.MaxUint64, false)
	defer txn.Discard()
	o := badger.DefaultIteratorOptions
	o.AllVersions = true
	it := txn.NewIterator(o)
	defer it.Close()
	for it.Rewind(); it.Valid(); it.Next() {
		key := it.Item().KeyCopy(nil)
		sealed, err := it.Item().ValueCopy(nil)
		if err != nil {
			t.Fatal(err)
		}
		value, ok := unseal(key, sealed)
		if !ok {
			t.Errorf("record %x is damaged", key)
		}
		fn(key, value)
		if key[0] != chunkPrefix {
			continue
		}
		plain, err := s.dec.DecodeAll(value, nil)
		if err != nil {
			t.Errorf("chunk %x: %v", key, err)
		}
		fn(key, plain)
	}
}

// proveErased demands that nothing is left of the secrets: not in a file, a
// record, a decoded chunk, an answer, a cache, or a backup made now.
func proveErased(t *testing.T, s *Store, secrets []secret) {
	t.Helper()
	for _, trace := range traces(t, s.dir, secrets) {
		t.Errorf("found %s", trace)
	}
	records(t, s, func(key, value []byte) {
		for i := range secrets {
			for _, trace := range within(value, fmt.Sprintf("record %q", key), secrets[i].bytes) {
				t.Errorf("found %s", trace)
			}
		}
	})
	for _, c := range s.chunks.Values() {
		for _, v := range secrets {
			for _, salted := range c.salted {
				if bytes.Equal(salted, v.salted) {
					t.Error("an erased object is in the cache")
				}
			}
		}
	}
	for _, v := range secrets {
		proveUnanswered(t, s, v)
	}
	proveBackup(t, s, secrets)
}

func proveUnanswered(t *testing.T, s *Store, v secret) {
	t.Helper()
	q := Query{Now: start}
	mine := func(c Claim) bool { return c.Bulletin == v.id && c.Index == v.index }
	for _, o := range v.object.Claims {
		if claims, err := s.Lookup(o, q); err != nil || slices.ContainsFunc(claims, mine) {
			t.Errorf("lookup of an erased value: %v, %v", claims, err)
		}
	}
	if claims, err := s.Object(v.object.ID, q); err != nil || slices.ContainsFunc(claims, mine) {
		t.Errorf("an erased object under its id: %v, %v", claims, err)
	}
	told := 0
	for c, err := range s.Changes(0, q) {
		if err != nil {
			t.Error(err)
		}
		if !mine(c.Claim) {
			continue
		}
		if told++; !c.Removed || c.Claim.Object.ID != "" || len(c.Claim.Object.Raw) > 0 {
			t.Errorf("a change of an erased object: %+v", c)
		}
	}
	b, state, err := s.Bulletin(v.id)
	if err != nil || state != Held && state != Erased || state == Held && b.Salted()[v.index] != nil {
		t.Errorf("the bulletin is %v: %v", state, err)
	}
	if told != 1 {
		t.Errorf("%d changes tell of an erased object", told)
	}
	if !s.WasErased(v.object) || !s.LeafErased(protocol.Leaf(v.salted)) {
		t.Error("an erased object would be taken again")
	}
	renamed, salted := v.object, slices.Clone(v.salted)
	renamed.ID, renamed.Aliases, renamed.Raw = "indicator--99999999-2222-4333-8444-555555555555", nil, []byte("{}")
	if salted[0]++; s.WasErased(renamed) || s.LeafErased(protocol.Leaf(salted)) {
		t.Error("what was not erased is refused")
	}
}

func proveBackup(t *testing.T, s *Store, secrets []secret) {
	t.Helper()
	var backup bytes.Buffer
	if _, err := s.Backup(t.Context(), &backup); err != nil {
		t.Fatal(err)
	}
	check := func(value []byte, where string) {
		for i := range secrets {
			for _, trace := range within(value, where, secrets[i].bytes) {
				t.Errorf("found %s", trace)
			}
		}
	}
	check(backup.Bytes(), "a backup")
	_, err := readBackup(&backup, s.db.Opts().EncryptionKey, func(key, sealed []byte) error {
		value, _ := unseal(key, sealed)
		check(value, "a backup's record")
		if key[0] == chunkPrefix {
			plain, err := s.dec.DecodeAll(value, nil)
			check(plain, "a backup's chunk")
			return err
		}
		return nil
	})
	if err != nil && !errors.Is(err, io.EOF) {
		t.Fatal(err)
	}
}

// mustErase erases and demands how many objects went.
func mustErase(t *testing.T, s *Store, want int, list ...Erasure) {
	t.Helper()
	if n, err := s.EraseAll(t.Context(), list); n != want || err != nil {
		t.Fatalf("erased %d, want %d: %v", n, want, err)
	}
}

// checkLeft demands that a bulletin is held as its erasure leaves it.
func checkLeft(t *testing.T, s *Store, b *protocol.Bulletin, gone ...uint64) {
	t.Helper()
	want := b.Without(gone)
	got, state, err := s.Bulletin(b.ID())
	if emptied(want) {
		if state != Erased || err != nil || got.HasBody() {
			t.Fatalf("%s is %v, %v", b.ID(), state, err)
		}
		return
	}
	if err != nil || state != Held || !bytes.Equal(got.Wire(), want.Wire()) {
		t.Fatalf("%s is %v, %v", b.ID(), state, err)
	}
	for i, raw := range want.Objects() {
		o, err := stix.Parse(raw)
		if err != nil {
			t.Fatal(err)
		}
		claims, err := s.Lookup(o.Claims[0], Query{Now: start})
		if err != nil || !slices.ContainsFunc(claims, func(c Claim) bool { return c.Bulletin == b.ID() && c.Index == i }) {
			t.Fatalf("object %d of %s is not answered: %v, %v", i, b.ID(), claims, err)
		}
	}
}

// TestErasedBytesAreNowhere erases single objects and whole bodies of a store
// just written, of one that was opened again, and of one whose tables badger
// has merged; plain and encrypted.
func TestErasedBytesAreNowhere(t *testing.T) {
	for _, c := range []struct {
		name    string
		key     []byte
		prepare func(t *testing.T, s *Store, again func(*Store) *Store) *Store
	}{
		{"just written", nil, func(_ *testing.T, s *Store, _ func(*Store) *Store) *Store { return s }},
		{"opened again", nil, func(_ *testing.T, s *Store, again func(*Store) *Store) *Store { return again(s) }},
		{"merged", nil, merged},
		{"encrypted", bytes.Repeat([]byte{7}, 32), func(_ *testing.T, s *Store, again func(*Store) *Store) *Store { return again(s) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir, options := t.TempDir(), Options{Small: true, Key: c.key}
			open := func() *Store {
				s, err := Open(dir, options)
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { s.Close() })
				return s
			}
			s := open()
			list := filled(t, s)
			s = c.prepare(t, s, func(s *Store) *Store { s.Close(); return open() })
			secrets := []secret{watch(t, s, list[0], 3), watch(t, s, list[0], 33), watch(t, s, list[2], 0)}
			if c.key == nil && len(traces(t, dir, secrets)) == 0 {
				t.Fatal("the search finds nothing of what is there")
			}
			lookup(t, s, "203.0.113.7", start) // the caches are warm
			mustErase(t, s, 3, Erasure{ID: list[0].ID(), Objects: []uint64{33, 3}}, Erasure{ID: list[2].ID(), Objects: []uint64{0}})
			prove := func() {
				t.Helper()
				proveErased(t, s, secrets)
				checkLeft(t, s, list[0], 3, 33)
				checkLeft(t, s, list[1])
				checkLeft(t, s, list[2], 0)
				if report, err := s.Check(t.Context()); err != nil || !report.Sound() {
					t.Fatalf("%+v, %v", report, err)
				}
			}
			prove()
			s.Close()
			if left := traces(t, dir, secrets); len(left) > 0 {
				t.Fatalf("after the store was closed: %v", left)
			}
			s = open()
			prove()
			if err := s.Rebuild(t.Context(), nil); err != nil {
				t.Fatal(err)
			}
			prove()
			mustErase(t, s, 0, Erasure{ID: list[0].ID(), Objects: []uint64{3}}, Erasure{ID: list[2].ID(), Objects: []uint64{0}})
		})
	}
}

// merged has badger merge several tables into a lower level.
func merged(t *testing.T, s *Store, again func(*Store) *Store) *Store {
	vendor := newAuthor("vendor")
	var last protocol.ID
	for range 3 {
		for range 20 {
			b := vendor.issue(t, green(0), incompressible())
			keep(t, s, whole(b))
			last = b.ID()
		}
		s = again(s)
	}
	mustErase(t, s, 1, Erasure{ID: last, Objects: []uint64{0}})
	if !slices.ContainsFunc(s.db.Tables(), func(table badger.TableInfo) bool { return table.Level > 0 }) {
		t.Fatal("badger merged nothing")
	}
	return s
}

func incompressible() []byte {
	b := make([]byte, 30<<10)
	rand.Read(b)
	return statementBytes(base64.StdEncoding.EncodeToString(b))
}

// TestErasureSurvivesACrash takes the power between the commit of an erasure
// and the drop of what it replaced, and once before the commit: the next start
// finishes the one and knows nothing of the other.
func TestErasureSurvivesACrash(t *testing.T) {
	dir := t.TempDir()
	s := openTest(t, dir)
	list := filled(t, s)
	secrets := []secret{watch(t, s, list[0], 3), watch(t, s, list[2], 0)}
	erasures := []Erasure{{ID: list[0].ID(), Objects: []uint64{3}}, {ID: list[2].ID(), Objects: []uint64{0}}}
	before := crash(t, dir)
	var between string
	err := s.do(t.Context(), &job{run: func() error {
		e := eraser{s: s}
		var err error
		if e.hash, err = s.eraseHash(); err != nil {
			return err
		}
		for _, want := range erasures {
			p, err := e.plan(want)
			if err != nil {
				return err
			}
			e.plans = append(e.plans, p)
		}
		if err := e.commit(); err != nil {
			return err
		}
		between = crash(t, dir)
		return e.drop()
	}})
	if err != nil {
		t.Fatal(err)
	}
	if len(traces(t, between, secrets)) == 0 {
		t.Fatal("the copy was not taken in between")
	}
	after := openTest(t, between)
	proveErased(t, after, secrets)
	checkLeft(t, after, list[0], 3)
	checkLeft(t, after, list[2], 0)
	mustErase(t, after, 0, erasures...)

	untouched := openTest(t, before)
	checkAll(t, untouched, list)
	mustErase(t, untouched, 2, erasures...)
	proveErased(t, untouched, secrets)
}

// TestErasureWaitsForReaders: while an earlier read may hold the old files the
// erasure is not done; what it erased answers nothing all the same, and after a
// crash then nothing comes back.
func TestErasureWaitsForReaders(t *testing.T) {
	dir := t.TempDir()
	s := openTest(t, dir)
	list := filled(t, s)
	secrets := []secret{watch(t, s, list[0], 3)}
	started, finish := make(chan struct{}), make(chan struct{})
	backup := make(chan error, 1)
	go func() {
		_, err := s.Backup(context.Background(), &stalled{started: started, finish: finish})
		backup <- err
	}()
	<-started
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	n, err := s.Erase(ctx, list[0].ID(), []uint64{3})
	if n != 1 || !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("erased %d under a backup: %v", n, err)
	}
	proveUnanswered(t, s, secrets[0])
	if n, err := s.Sweep(t.Context(), start.Add(40*days)); n == 0 || err != nil { // what it clears up is not all there is
		t.Fatalf("swept %d, %v", n, err)
	}
	crashed := openTest(t, crash(t, dir))
	proveErased(t, crashed, secrets)
	checkLeft(t, crashed, list[0], 3)
	close(finish)
	if err := <-backup; err != nil {
		t.Fatal(err)
	}
	mustErase(t, s, 0, Erasure{ID: list[0].ID(), Objects: []uint64{3}})
	proveErased(t, s, secrets)
}

// stalled is a writer that stops at its second write until it may go on.
type stalled struct {
	started, finish chan struct{}
	writes          int
}

func (w *stalled) Write(b []byte) (int, error) {
	if w.writes++; w.writes == 2 {
		close(w.started)
		<-w.finish
	}
	return len(b), nil
}

// TestErasedInSteps takes a body apart object by object, across restarts and
// Rebuilds, through more generations than a segment's key can tell apart.
func TestErasedInSteps(t *testing.T) {
	dir := t.TempDir()
	s := openTest(t, dir)
	var objects [][]byte
	for i := range 40 {
		objects = append(objects, indicator(t, fmt.Sprintf("host-%d.example", i)))
	}
	b := newAuthor("bank").issue(t, green(0), objects...)
	keep(t, s, whole(b))
	moveTo(t, s, b, 240)
	var gone []uint64
	for i := range uint64(40) {
		last := watch(t, s, b, int(i))
		mustErase(t, s, 1, Erasure{ID: b.ID(), Objects: []uint64{i}})
		gone = append(gone, i)
		switch {
		case i == 39:
			proveErased(t, s, []secret{last})
		case i%8 == 7:
			s.Close()
			s = openTest(t, dir)
			checkLeft(t, s, b, gone...)
			proveErased(t, s, []secret{last})
		case i == 20:
			if err := s.Rebuild(t.Context(), nil); err != nil {
				t.Fatal(err)
			}
		}
		if st := s.Stats(); st.Objects != 39-int(i) || st.Live != 39-int(i) || st.Claims != 39-int(i) || st.Damaged > 0 {
			t.Fatalf("after %d: %+v", i+1, st)
		}
	}
	checkLeft(t, s, b, gone...)
	if st := s.Stats(); st.Bodies != 0 || st.Headers != 1 {
		t.Fatalf("%+v", st)
	}
}

// moveTo writes the only body of a store as if it had lost objects before, gen times.
func moveTo(t *testing.T, s *Store, b *protocol.Bulletin, gen uint16) {
	t.Helper()
	err := s.do(t.Context(), &job{run: func() error {
		c, err := s.index.Load().prepare(s.enc, b, nil)
		if err != nil {
			return err
		}
		was := s.cat.bulletins[0]
		c.place.number, c.place.gen = was.body.number, gen
		r, err := s.record(was)
		if err != nil {
			return err
		}
		r.body = c.place
		w := s.newWriter()
		defer w.discard()
		w.setContent(&job{content: c})
		w.set(headerKey(was.number), r.encode())
		w.flush()
		s.cat.bulletins[0].body = c.place
		return errors.Join(w.err, s.dropPrefix(was.body.keys(int(was.count), c.by.gen)))
	}})
	if err != nil {
		t.Fatal(err)
	}
}

// TestWhatCannotBeErased: what is not held is told, what is not there is fine,
// and one that fails does not keep the others.
func TestWhatCannotBeErased(t *testing.T) {
	s := openTest(t, t.TempDir())
	a := newAuthor("bank")
	held, absent := a.issue(t, green(0), indicator(t, "203.0.113.7"), indicator(t, "203.0.113.8")), a.issue(t, green(0), indicator(t, "203.0.113.9"))
	declined := a.issue(t, green(0), indicator(t, "203.0.113.10"))
	unknown := a.issue(t, green(0), indicator(t, "203.0.113.11"))
	keep(t, s, whole(held), Entry{Bulletin: absent.HeaderOnly()}, Entry{Bulletin: declined, Body: Declined})
	n, err := s.EraseAll(t.Context(), []Erasure{{ID: unknown.ID(), Objects: []uint64{0}}, {ID: held.ID(), Objects: []uint64{1}}, {ID: held.ID(), Objects: []uint64{1}}})
	if n != 1 || !errors.Is(err, ErrNotFound) {
		t.Fatalf("erased %d: %v", n, err)
	}
	if n, err := s.Erase(t.Context(), held.ID(), []uint64{0, 2}); n != 0 || !errors.Is(err, protocol.ErrInvalid) {
		t.Fatalf("an object there never was: %d, %v", n, err)
	}
	mustErase(t, s, 0, Erasure{ID: absent.ID(), Objects: []uint64{0}}, Erasure{ID: declined.ID(), Objects: []uint64{0}}, Erasure{ID: held.ID(), Objects: nil})
	checkLeft(t, s, held, 1)
	for id, want := range map[protocol.ID]BodyState{absent.ID(): Absent, declined.ID(): Declined} {
		if _, state := s.Has(id); state != want {
			t.Errorf("%s is %v, want %v", id, state, want)
		}
	}
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Erase(cancelled, held.ID(), []uint64{0}); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
}

// TestErasedStayAway: neither a fuller body of the same bulletin nor a restart
// brings back what was erased, and a body comes without what its author erased.
func TestErasedStayAway(t *testing.T) {
	dir := t.TempDir()
	s := openTest(t, dir)
	a := newAuthor("bank")
	part := a.issue(t, green(0), indicator(t, "203.0.113.7"), indicator(t, "203.0.113.8"))
	all := a.issue(t, green(0), indicator(t, "203.0.113.9"))
	keep(t, s, whole(part), whole(all))
	mustErase(t, s, 2, Erasure{ID: part.ID(), Objects: []uint64{0}}, Erasure{ID: all.ID(), Objects: []uint64{0}})
	for range 2 {
		if r := keep(t, s, whole(part), whole(all)); r[0].BodyNew || r[1].BodyNew {
			t.Fatalf("%+v", r)
		}
		checkLeft(t, s, part, 0)
		checkLeft(t, s, all, 0)
		s.Close()
		s = openTest(t, dir)
	}
	late, empty := a.issue(t, green(0), indicator(t, "203.0.113.1"), indicator(t, "203.0.113.2")), a.issue(t, green(0), indicator(t, "203.0.113.3"))
	keep(t, s, Entry{Bulletin: empty.HeaderOnly()})
	r := keep(t, s, whole(late.Without([]uint64{1})), whole(empty.Without([]uint64{0})))
	if !r[0].BodyNew || r[1].BodyNew {
		t.Fatalf("%+v", r)
	}
	checkLeft(t, s, late, 1)
	checkLeft(t, s, empty, 0)
	mustErase(t, s, 1, Erasure{ID: late.ID(), Objects: []uint64{0, 1}})
	checkLeft(t, s, late, 0, 1)
}

// TestErasedIsAChange: whoever follows the changes is told once more about what
// was erased, wherever it had got to, and of nothing twice.
func TestErasedIsAChange(t *testing.T) {
	dir := t.TempDir()
	s := openTest(t, dir)
	a := newAuthor("bank")
	b := a.issue(t, green(0), indicator(t, "203.0.113.7"), indicator(t, "203.0.113.8"), indicator(t, "203.0.113.9"))
	keep(t, s, whole(b))
	changes := func(after uint64) (list []string) {
		t.Helper()
		for c, err := range s.Changes(after, Query{Now: start}) {
			if err != nil || c.Claim.Bulletin != b.ID() || c.Arrival <= after || c.Arrival > s.Position() || c.Claim.Org != b.Header.Org() {
				t.Fatalf("%+v, %v", c, err)
			}
			after = c.Arrival
			list = append(list, fmt.Sprintf("%d %v", c.Claim.Index, c.Removed))
		}
		return list
	}
	cursor := s.Position()
	waited := make(chan error, 1)
	go func() { waited <- s.Wait(context.Background(), cursor) }()
	mustErase(t, s, 1, Erasure{ID: b.ID(), Objects: []uint64{1}})
	if err := <-waited; err != nil {
		t.Fatal(err)
	}
	second := s.Position()
	for _, c := range []struct {
		after uint64
		want  []string
	}{{cursor, []string{"1 true"}}, {0, []string{"0 false", "2 false", "1 true"}}, {second, nil}} {
		if got := changes(c.after); !slices.Equal(got, c.want) {
			t.Errorf("after %d: %q, want %q", c.after, got, c.want)
		}
	}
	mustErase(t, s, 1, Erasure{ID: b.ID(), Objects: []uint64{2}})
	s.Close()
	s = openTest(t, dir)
	if got := changes(second); !slices.Equal(got, []string{"1 true", "2 true"}) {
		t.Errorf("after the second: %q", got)
	}
	mustErase(t, s, 1, Erasure{ID: b.ID(), Objects: []uint64{0}})
	if got := changes(0); !slices.Equal(got, []string{"0 true", "1 true", "2 true"}) {
		t.Errorf("after the last: %q", got)
	}
	position := s.Position()
	s.Close()
	if s = openTest(t, dir); s.Position() != position {
		t.Fatalf("position %d, was %d: arrivals would be given out twice", s.Position(), position)
	}
	hidden := Query{Now: start, Visible: func(*protocol.Header) bool { return false }}
	for c := range s.Changes(0, hidden) {
		t.Fatalf("shown to one who may not see it: %+v", c)
	}
}

// TestErasedWhileDamaged: a body that cannot be read is destroyed as a whole,
// its damaged bytes as well, and asked for again.
func TestErasedWhileDamaged(t *testing.T) {
	dir := t.TempDir()
	s := openTest(t, dir)
	list := filled(t, s)
	target := watch(t, s, list[0], 35) // not in the chunk that is damaged
	place := s.cat.bulletins[s.cat.ids[list[0].ID()]].body
	err := s.do(t.Context(), &job{run: func() error { return s.setNow(place.chunkKey(0), []byte("damaged")) }})
	if err != nil {
		t.Fatal(err)
	}
	mustErase(t, s, 1, Erasure{ID: list[0].ID(), Objects: []uint64{35}})
	for _, name := range []string{"compressed chunk", "salt", "hash of the value", "hash of the id"} {
		for _, trace := range traces(t, dir, []secret{{bytes: map[string][]byte{name: target.bytes[name]}}}) {
			t.Errorf("found %s", trace)
		}
	}
	if _, state := s.Has(list[0].ID()); state != Absent || len(s.Wanted(10)) != 1 {
		t.Fatalf("it is %v", state)
	}
	removed := 0
	for c, err := range s.Changes(0, Query{Now: start}) {
		if err != nil {
			t.Fatal(err)
		}
		if c.Removed && c.Claim.Bulletin == list[0].ID() {
			removed++
		}
	}
	if removed != len(list[0].Salted()) {
		t.Fatalf("%d objects are told to have gone", removed)
	}
	keep(t, s, whole(list[0].Without([]uint64{35})))
	checkLeft(t, s, list[0], 35)
	s.Close()
	s = openTest(t, dir)
	checkLeft(t, s, list[0], 35)
	checkLeft(t, s, list[1])
}

// TestReadersNeverMissWhatIsKept reads a body while objects of it are erased:
// the others answer at every moment.
func TestReadersNeverMissWhatIsKept(t *testing.T) {
	s := openTest(t, t.TempDir())
	var objects [][]byte
	for i := range 40 {
		objects = append(objects, indicator(t, fmt.Sprintf("host-%d.example", i)))
	}
	b := newAuthor("bank").issue(t, green(0), objects...)
	keep(t, s, whole(b))
	ctx, cancel := context.WithCancel(t.Context())
	failed := make(chan error, 1)
	go func() {
		o, _ := stix.Detect("host-39.example")
		var err error
		for ctx.Err() == nil && err == nil {
			claims, bad := s.Lookup(o, Query{Now: start})
			_, state, alsoBad := s.Bulletin(b.ID())
			if err = errors.Join(bad, alsoBad); err == nil && (len(claims) != 1 || state != Held) {
				err = fmt.Errorf("%d claims, body %v", len(claims), state)
			}
		}
		failed <- err
	}()
	for i := range uint64(20) {
		mustErase(t, s, 1, Erasure{ID: b.ID(), Objects: []uint64{i}})
	}
	cancel()
	if err := <-failed; err != nil {
		t.Fatal(err)
	}
	if st := s.Stats(); st.Damaged > 0 {
		t.Fatalf("%+v", st)
	}
}

// TestErasedRowsSurvive: what is refused stays refused through Rebuild, backup
// and restore, and its loss keeps the store shut.
func TestErasedRowsSurvive(t *testing.T) {
	s := openTest(t, t.TempDir())
	alias := "indicator--11111111-2222-4333-8444-555555555555"
	raw := indicator(t, "203.0.113.7", func(i *stix.Indicator) { i.Aliases = []string{alias} })
	b := newAuthor("bank").issue(t, green(0), raw, indicator(t, "203.0.113.8"))
	keep(t, s, whole(b))
	object, _ := stix.Parse(raw)
	foreign := stix.Object{ID: alias, Raw: []byte("{}")}
	if s.WasErased(object) || s.WasErased(foreign) || s.LeafErased(b.Reference(0)) {
		t.Fatal("refused before it was erased")
	}
	mustErase(t, s, 1, Erasure{ID: b.ID(), Objects: []uint64{0}})
	if err := s.Rebuild(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	var backup bytes.Buffer
	if _, err := s.Backup(t.Context(), &backup); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "restored")
	if _, err := Restore(t.Context(), dir, &backup, Options{Small: true}); err != nil {
		t.Fatal(err)
	}
	restored := openTest(t, dir)
	for name, s := range map[string]*Store{"rebuilt": s, "restored": restored} {
		if !s.WasErased(object) || !s.WasErased(foreign) || !s.LeafErased(b.Reference(0)) || s.LeafErased(b.Reference(1)) {
			t.Errorf("%s: what was erased may come again", name)
		}
	}
	checkLeft(t, restored, b, 0)
}

// TestDamagedCopiesAreErasedToo: the parts that a damaged body left behind when
// it was fetched anew hold the same objects, and go with them.
func TestDamagedCopiesAreErasedToo(t *testing.T) {
	dir := t.TempDir()
	s := openTest(t, dir)
	list := filled(t, s)
	old := watch(t, s, list[0], 35)
	place := s.cat.bulletins[s.cat.ids[list[0].ID()]].body
	if err := s.do(t.Context(), &job{run: func() error { return s.setNow(place.chunkKey(0), []byte("damaged")) }}); err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.Bulletin(list[0].ID()); !errors.Is(err, ErrDamaged) {
		t.Fatalf("the damage goes unnoticed: %v", err)
	}
	keep(t, s, whole(list[0]))
	if n, err := s.Sweep(t.Context(), start.Add(40*days)); n == 0 || err != nil {
		t.Fatalf("swept %d, %v", n, err) // it drops other bodies, and must not forget those parts
	}
	mustErase(t, s, 1, Erasure{ID: list[0].ID(), Objects: []uint64{35}})
	proveErased(t, s, []secret{old})
	checkLeft(t, s, list[0], 35)
}

// TestLeftoversOfKnownBodiesGo: a damaged header keeps what may be its body from
// being cleared up, and nothing else.
func TestLeftoversOfKnownBodiesGo(t *testing.T) {
	dir := t.TempDir()
	s := openTest(t, dir)
	list := filled(t, s)
	target := watch(t, s, list[0], 3)
	lost := s.cat.bulletins[1]
	place := s.cat.bulletins[0].body
	chunk, err := s.get(place.chunkKey(0))
	if err != nil {
		t.Fatal(err)
	}
	mustErase(t, s, 1, Erasure{ID: list[0].ID(), Objects: []uint64{3}})
	err = s.do(t.Context(), &job{run: func() error { // as a crash between commit and drop leaves it
		return errors.Join(s.setNow(dirtyKey(), []byte{1}), s.setNow(place.chunkKey(0), chunk), s.setNow(headerKey(lost.number), []byte("damaged")))
	}})
	if err != nil {
		t.Fatal(err)
	}
	s.Close()
	s = openTest(t, dir)
	proveErased(t, s, []secret{target})
	checkLeft(t, s, list[0], 3)
	if _, err := s.get(lost.body.chunkKey(0)); err != nil {
		t.Errorf("the body of the damaged header has gone: %v", err)
	}
}

// TestDisownedAreErasedToo: what does not count, its key being disowned, is
// erased as anything else, and counts right when it comes back.
func TestDisownedAreErasedToo(t *testing.T) {
	dir := t.TempDir()
	s := openTest(t, dir)
	a := newAuthor("bank")
	b := a.issue(t, green(0), indicator(t, "203.0.113.7"), indicator(t, "203.0.113.8"))
	keep(t, s, whole(b), whole(newAuthor("hospital").issue(t, green(0), indicator(t, "203.0.113.9"))))
	target := watch(t, s, b, 0)
	if n, err := s.Disown(t.Context(), a.issuer(), b.Header.Certificate.Node, nil); n != 1 || err != nil {
		t.Fatalf("disowned %d: %v", n, err)
	}
	mustErase(t, s, 1, Erasure{ID: b.ID(), Objects: []uint64{0}})
	if st := s.Stats(); st.Objects != 1 || st.Live != 1 || st.Claims != 1 {
		t.Fatalf("%+v", st)
	}
	for c, err := range s.Changes(0, Query{Now: start}) {
		if err != nil || c.Claim.Bulletin == b.ID() {
			t.Fatalf("%+v, %v", c, err)
		}
	}
	s.Close() // what was disowned is told anew after a start; here it is not
	s = openTest(t, dir)
	proveErased(t, s, []secret{target})
	checkLeft(t, s, b, 0)
	if st := s.Stats(); st.Objects != 2 || st.Live != 2 || st.Claims != 2 {
		t.Fatalf("%+v", st)
	}
}
