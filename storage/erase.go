package storage

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/tocsin-exchange/tocsin/protocol"
)

// What one erasure takes to the writer at a time; badger compares every key it
// rewrites with every key that is to go.
const (
	eraseAtOnce = 64       // bodies
	eraseBytes  = 24 << 20 // of bodies written anew
)

// An Erasure names objects of a bulletin by their index in it.
type Erasure struct {
	ID      protocol.ID
	Objects []uint64
	// Subjects are ids by which others speak of the objects and of nothing else that
	// is held: whatever under the same label and PAP level speaks of such ids alone
	// is shown no more.
	Subjects []string
}

// Erase destroys objects of a bulletin, see [Store.EraseAll].
func (s *Store) Erase(ctx context.Context, id protocol.ID, objects []uint64) (n int, err error) {
	return s.EraseAll(ctx, []Erasure{{ID: id, Objects: objects}})
}

// EraseAll destroys payload and salt of objects for good: when it returns
// without error, no file of the store holds them, and no answer, change or
// backup made from then on shows them. Their leaves stay, so the rest verifies;
// so does a keyed hash, see [Store.WasErased]. It returns how many it destroyed:
// those of a body that is absent, declined, expired, pruned or erased already
// are not there, and it may be called again. A body that is damaged on the disk
// is destroyed as a whole, and wanted again.
//
// Reads that began earlier may hold the old files, so it waits for them, for a
// [Store.Backup] or [Store.Check] under way as well; when ctx ends first, the
// objects answer nothing any more, but until those reads have ended bytes of
// them may be in files: call it again. Writes wait while files are rewritten,
// as for [Store.Sweep]; many erasures in one call cost little more than one.
//
// An older version of a claim stands again when the one that superseded it, or
// took it back, is erased: erase the older ones with it.
//
// The others are erased when one cannot be; the error is that of the first, and
// wraps [ErrNotFound] where its header is not held, [protocol.ErrInvalid] where
// it has fewer objects.
func (s *Store) EraseAll(ctx context.Context, list []Erasure) (n int, err error) {
	turns := 0
	for wanted := merge(list); len(wanted) > 0; {
		e := eraser{s: s}
		failed := s.do(ctx, &job{size: groupBytes, run: func() error { return e.run(wanted) }})
		if failed != nil {
			return n, fmt.Errorf("erase: %w", failed)
		}
		n, wanted = n+e.objects, e.rest
		if len(e.plans) > 0 {
			turns++
		}
		if err == nil {
			err = e.refused
		}
	}
	if failed := s.settle(ctx, turns); failed != nil {
		return n, fmt.Errorf("erase: reads of the old files have not ended: %w", failed)
	}
	return n, err
}

// merge brings the erasures of one bulletin together.
func merge(list []Erasure) []Erasure {
	var merged []Erasure
	at := make(map[protocol.ID]int)
	for _, e := range list {
		i, ok := at[e.ID]
		if !ok {
			i = len(merged)
			at[e.ID] = i
			merged = append(merged, Erasure{ID: e.ID})
		}
		merged[i].Objects, merged[i].Subjects = append(merged[i].Objects, e.Objects...), append(merged[i].Subjects, e.Subjects...)
	}
	for i := range merged {
		slices.Sort(merged[i].Objects)
		merged[i].Objects = slices.Compact(merged[i].Objects)
	}
	return merged
}

// settle waits until nobody reads the files from before, empties the cache that
// such a reader may have filled, and notes that so many turns have left nothing.
func (s *Store) settle(ctx context.Context, turns int) error {
	if err := s.outlast(ctx); err != nil {
		return err
	}
	s.chunks.Purge()
	if turns == 0 {
		return nil
	}
	return s.do(ctx, &job{run: func() error {
		s.hidden -= turns
		return s.tidy()
	}})
}

// An eraser is one turn of the writer at erasing.
type eraser struct {
	s       *Store
	hash    eraseHash
	plans   []*erasing
	objects int       // destroyed
	rest    []Erasure // for another turn
	refused error     // the first erasure that cannot be done
}

// erasing is what becomes of one body.
type erasing struct {
	ref      uint32
	was      held
	record   *record
	content  *content  // nil: nothing is left
	postings []posting // that go
	rows     []string  // of the table of erased objects
	objects  int
	size     int
}

// run does as much as fits one turn.
func (e *eraser) run(list []Erasure) (err error) {
	if e.s.dirty { // something left over may hold the same objects
		if err := e.s.clearUp(); err != nil {
			return err
		}
	}
	if e.hash, err = e.s.eraseHash(); err != nil {
		return err
	}
	size := 0
	for len(list) > 0 && len(e.plans) < eraseAtOnce && size < eraseBytes {
		p, err := e.plan(list[0])
		list = list[1:]
		if err != nil {
			e.refused = cmp.Or(e.refused, err)
		} else if p != nil {
			e.plans, size = append(e.plans, p), size+p.size
		}
	}
	if e.rest = list; len(e.plans) == 0 {
		return nil
	}
	if err := e.commit(); err != nil {
		return err
	}
	return e.drop()
}

// plan finds out what an erasure changes; nil: nothing.
func (e *eraser) plan(want Erasure) (*erasing, error) {
	s := e.s
	ref, b, err := s.find(want.ID)
	if err != nil {
		return nil, err
	}
	if n := len(want.Objects); n > 0 && want.Objects[n-1] >= uint64(b.count) {
		return nil, fmt.Errorf("%w: bulletin %s has %d objects, none with number %d", protocol.ErrInvalid, b.id, b.count, want.Objects[n-1])
	}
	if b.state != Held || len(want.Objects) == 0 {
		return nil, nil
	}
	r, err := s.record(b)
	if err != nil {
		return nil, err
	}
	changed := *r
	p := &erasing{ref: ref, was: b, record: &changed}
	whole, err := s.body(b, r.bulletin)
	if errors.Is(err, ErrDamaged) {
		s.damage("a body of which objects are erased", err, "bulletin", b.id)
		p.objects, changed.state = len(want.Objects), Absent
		changed.body.gen++
		p.postings = s.cat.postingsOf(ref)
		return p, nil
	}
	if err != nil {
		return nil, err
	}
	less := whole.Without(want.Objects)
	if less == whole {
		return nil, nil
	}
	for _, id := range want.Subjects {
		p.rows = append(p.rows, e.hash.subject(&whole.Header, id))
	}
	return p, e.shrink(p, whole, less)
}

// shrink plans how a body loses objects.
func (e *eraser) shrink(p *erasing, whole, less *protocol.Bulletin) error {
	s := e.s
	for i, raw := range whole.Objects() {
		if less.Salted()[i] == nil {
			p.objects++
			p.rows = append(p.rows, e.hash.rows(whole.Reference(i), raw)...)
		}
	}
	all, err := s.derive(p.was, s.index.Load())
	if err != nil {
		return err
	}
	var left []posting
	for _, posting := range all.postings {
		if less.Salted()[posting.index] == nil {
			p.postings = append(p.postings, posting)
		} else {
			left = append(left, posting)
		}
	}
	if emptied(less) {
		p.record.state = Erased
		return nil
	}
	c := &content{bulletin: less, place: p.was.body, postings: left}
	c.place.gen++
	c.place.expires = min(p.was.body.expires, lastOf(left, objectsIn(less)))
	c.cut(s.enc)
	p.content, p.record.body, p.size = c, c.place, len(less.Body())
	if err := c.pack(); err != nil {
		return err
	}
	p.record.body = c.place
	return nil
}

// objectsIn counts the objects a body still has.
func objectsIn(b *protocol.Bulletin) (n int) {
	for range b.Objects() {
		n++
	}
	return n
}

// commit remembers what is destroyed, then writes the bodies anew and what
// became of them. A crash before the old ones are dropped leaves parts that no
// held body accounts for, dropped at the next start.
func (e *eraser) commit() error {
	s := e.s
	var rows []string
	for _, p := range e.plans {
		rows = append(rows, p.rows...)
	}
	if err := s.remember(rows); err != nil {
		return err
	}
	w := s.newWriter()
	defer w.discard()
	s.hidden++
	w.set(dirtyKey(), []byte{1})
	for _, p := range e.plans {
		w.setContent(&job{content: p.content})
	}
	for _, p := range e.plans {
		p.record.erasure = s.take()
		w.set(headerKey(p.was.number), p.record.encode())
	}
	if w.flush(); w.err != nil {
		return s.fail(w.err)
	}
	e.apply()
	return nil
}

// apply enters a committed erasure in the catalogue.
func (e *eraser) apply() {
	s, highest := e.s, uint64(0)
	s.mu.Lock()
	for _, p := range e.plans {
		if p.content != nil {
			s.cat.dropPostings(p.ref, p.postings)
			s.cat.bulletins[p.ref].body = p.content.place
		} else {
			s.cat.dropBody(p.ref, p.postings)
			s.cat.bulletins[p.ref].body.gen = p.record.body.gen
			s.cat.setState(p.ref, p.record.state)
		}
		s.cat.setErasure(p.ref, p.record.erasure)
		e.objects += p.objects
		highest = arrival(p.record.erasure, int(p.was.count)-1)
	}
	s.mu.Unlock()
	s.advance(highest)
}

// drop drops the old parts and makes sure that they went: badger only logs it
// when it could not write a file anew.
func (e *eraser) drop() error {
	var prefixes, keys [][]byte
	for _, p := range e.plans {
		old := p.was.body.keys(int(p.was.count), e.s.index.Load().gen)
		keys = append(keys, old...)
		if p.content == nil {
			old = [][]byte{bodyPrefix(chunkPrefix, p.was.body.number), bodyPrefix(segmentPrefix, p.was.body.number)}
		}
		prefixes = append(prefixes, old...)
	}
	if err := e.s.dropPrefix(prefixes); err != nil {
		return err
	}
	for _, key := range keys {
		if _, err := e.s.get(key); !errors.Is(err, errNoKey) {
			return e.s.fail(fmt.Errorf("what was erased is still in the database, under %x", key))
		}
	}
	return nil
}
