package storage

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"github.com/tocsin-exchange/tocsin/protocol"
	"github.com/tocsin-exchange/tocsin/protocol/stix"
)

// record reads a header's record, or takes it from the cache.
func (s *Store) record(b held) (*record, error) {
	key := b.recordKey()
	if r, ok := s.records.Get(key); ok {
		return r, nil
	}
	value, err := s.get(headerKey(b.number))
	if err != nil {
		return nil, err
	}
	r, err := decodeRecord(value)
	if err != nil {
		return nil, err
	}
	if r.bulletin.ID() != b.id {
		return nil, fmt.Errorf("%w: header %s", ErrDamaged, b.id)
	}
	s.records.Add(key, r)
	return r, nil
}

func (b *held) recordKey() recordKey {
	return recordKey{b.number, b.body.number, b.body.gen, b.state, b.aside}
}

// chunk reads the chunk that holds an object of a body, and returns the index
// of the chunk's first object with it.
func (s *Store) chunk(place bodyPlace, index int) (chunk, int, error) {
	at := chunkPlace{place.number, index &^ (1<<place.shift - 1), place.gen}
	if c, ok := s.chunks.Get(at); ok {
		return c, at.index, nil
	}
	r, err := s.begin() // until it is in the cache, so that an erasure can empty that
	if err != nil {
		return chunk{}, 0, err
	}
	defer s.end(r)
	value, err := s.get(place.chunkKey(at.index))
	if err != nil {
		return chunk{}, 0, err
	}
	c, err := decodeChunk(s.dec, value)
	if err != nil {
		return chunk{}, 0, err
	}
	s.chunks.Add(at, c)
	return c, at.index, nil
}

// body makes the body of a header again and has it checked against the header.
func (s *Store) body(b held, header *protocol.Bulletin) (*protocol.Bulletin, error) {
	salted := make([][]byte, 0, b.count)
	leaves := make([]protocol.ID, 0, b.count)
	for len(salted) < int(b.count) {
		c, _, err := s.chunk(b.body, len(salted))
		if err != nil {
			return nil, err
		}
		salted = append(salted, c.salted...)
		if c.leaves == nil {
			c.leaves = make([]protocol.ID, len(c.salted))
		}
		leaves = append(leaves, c.leaves...)
	}
	whole, err := header.WithBody(protocol.JoinBody(salted, leaves))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	return whole, nil
}

// unreadable handles an error met while reading a body. A body that went away
// meanwhile was not damaged: gone is true and there is nothing to report.
// Otherwise a damaged one is wanted again, so that synchronisation brings it.
func (s *Store) unreadable(ref uint32, b held, err error) (gone bool) {
	if !errors.Is(err, ErrDamaged) {
		return false
	}
	s.mu.Lock()
	now := &s.cat.bulletins[ref]
	gone = now.state != Held || now.body.number != b.body.number || now.body.gen != b.body.gen
	first := !gone && !now.damaged
	if first {
		now.damaged = true
		s.cat.want(ref)
	}
	s.mu.Unlock()
	if first {
		s.damage("a body", err, "bulletin", b.id)
	}
	return gone
}

// loadBodies enters every held body with its postings. Where these cannot be
// read, or an earlier release made them and knew less, they are derived again.
func (s *Store) loadBodies(cat *catalogue, version uint8) error {
	l := loader{s: s, cat: cat, refs: heldBodies(cat), old: version < indexVersion}
	cat.makeRoom(l.refs)
	err := s.scan(segmentPrefix, true, func(key, value []byte, ok bool) error {
		if len(key) != partSize {
			return nil
		}
		number, part, gen := readPartKey(key)
		if gen == s.index.Load().gen {
			l.segment(number, part, value, ok)
		}
		return nil
	})
	for l.at < len(l.refs) {
		l.enter()
	}
	if err := errors.Join(err, l.save()); err != nil || !l.old || s.room.full.Load() {
		return err
	}
	return s.saveIdentity()
}

// heldBodies lists the headers whose body is held, in order of its number.
func heldBodies(cat *catalogue) []uint32 {
	var refs []uint32
	for ref := range cat.bulletins {
		if cat.bulletins[ref].state == Held {
			refs = append(refs, uint32(ref))
		}
	}
	slices.SortFunc(refs, func(a, b uint32) int {
		return cmp.Compare(cat.bulletins[a].body.number, cat.bulletins[b].body.number)
	})
	return refs
}

// makeRoom sizes the empty index for bodies that are to be entered: most
// objects have one value and one id.
func (c *catalogue) makeRoom(refs []uint32) {
	objects := 0
	for _, ref := range refs {
		if c.streams[c.bulletins[ref].stream].desc.Kind == protocol.Objects {
			objects += int(c.bulletins[ref].count)
		}
	}
	c.values, c.names = newIndex(objects), newIndex(objects)
}

// A loader walks bodies and segments side by side, both in order of number.
type loader struct {
	s        *Store
	cat      *catalogue
	refs     []uint32
	at       int
	parts    int
	bad      bool
	old      bool // segments are of version 1
	postings []posting
	mended   []mended
}

// mended is a body whose segments had to be derived again.
type mended struct {
	ref     uint32
	content *content
}

func (l *loader) number() uint64 { return l.cat.bulletins[l.refs[l.at]].body.number }

func (l *loader) segment(number uint64, part int, value []byte, ok bool) {
	for l.at < len(l.refs) && l.number() < number {
		l.enter()
	}
	if l.at == len(l.refs) || l.number() != number {
		return // of a body that is not held: left by an unfinished write
	}
	gen := uint8(l.cat.bulletins[l.refs[l.at]].body.gen)
	if part>>partBits != int(gen) {
		return // of what the body was before an erasure, or of one that was not finished
	}
	var err error
	if l.postings, err = decodeSegment(l.postings, value); err != nil || !ok || part&(1<<partBits-1) != l.parts {
		l.bad = true
	}
	l.parts++
}

// enter adds the body at hand to the catalogue and goes on to the next.
func (l *loader) enter() {
	ref := l.refs[l.at]
	b := l.cat.bulletins[ref]
	if l.bad || l.parts != int(b.body.parts) || !inBody(l.postings, b.count) || l.old && anySilent(l.postings) {
		l.mend(ref, b)
	} else {
		l.cat.addBody(ref, b.body, l.postings)
	}
	l.at, l.parts, l.bad, l.postings = l.at+1, 0, false, l.postings[:0]
}

func inBody(postings []posting, count uint16) bool {
	for _, p := range postings {
		if p.index >= count {
			return false
		}
	}
	return true
}

// anySilent reports whether an object of a body makes no claim: it may speak of
// others.
func anySilent(postings []posting) bool {
	claiming := -1
	for _, p := range postings { // an object's claims are before its id
		if p.flags&nameFlag == 0 {
			claiming = int(p.index)
		} else if p.isObject() == 1 && int(p.index) != claiming {
			return true
		}
	}
	return false
}

func (l *loader) mend(ref uint32, b held) {
	c, err := l.s.derive(b, l.s.index.Load())
	if err != nil {
		l.s.damage("a body", err, "bulletin", b.id)
		l.cat.addBody(ref, b.body, nil)
		l.cat.bulletins[ref].damaged = true
		l.cat.want(ref)
		return
	}
	l.cat.addBody(ref, c.place, c.postings)
	l.mended = append(l.mended, mended{ref, c})
}

// derive makes the postings of a stored body anew. Objects that this release
// does not understand are kept without any.
func (s *Store) derive(b held, x *indexer) (*content, error) {
	r, err := s.record(b)
	if err != nil {
		return nil, err
	}
	whole, err := s.body(b, r.bulletin)
	if err != nil {
		return nil, err
	}
	c := &content{place: b.body}
	if whole.Header.Kind != protocol.Objects {
		return c, nil
	}
	for i, raw := range whole.Objects() {
		o, err := stix.Parse(raw)
		if err != nil {
			s.log.Warn("an object is kept without index", "bulletin", b.id, "object", i, "error", err)
			continue
		}
		c.postings = x.appendPostings(c.postings, i, &o, &whole.Header)
	}
	return c, c.pack()
}

// save writes the segments that were derived again, unless the disk is full:
// they can be derived at the next start as well. Not so those of an earlier
// release: what takes a body out again reads its segments, and would leave in
// the index what they lack.
func (l *loader) save() error {
	full := l.s.room.full.Load()
	if full && l.old && len(l.mended) > 0 {
		return fmt.Errorf("%w: the index of an earlier release must be completed; free space, then start again", ErrReadOnly)
	}
	if len(l.mended) == 0 || full {
		return nil
	}
	w := l.s.newWriter()
	defer w.discard()
	for _, m := range l.mended {
		for i, x := range m.content.segments {
			w.set(m.content.place.segmentKey(i, l.s.index.Load().gen), x)
		}
	}
	w.flush()
	return w.err
}
