package storage

import (
	"context"
	"fmt"
)

// Rebuild makes everything derived anew from the bulletins: the index on disk,
// under a new secret, and what is in memory. It is meant for a store that
// nothing else uses; writes wait until it is done. It may be interrupted at
// any moment: the old index counts until the new one is complete. Headers that
// cannot be read, which a start only reports, are removed with their bodies;
// they are gaps in their streams, filled by the next synchronisation. progress,
// when not nil, is told after every body.
func (s *Store) Rebuild(ctx context.Context, progress func(done, total int)) error {
	return s.do(ctx, &job{run: func() error { return s.reindex(ctx, true, progress) }})
}

// reindex is Rebuild, in the writer or before it runs. Only with discard does
// it remove what cannot be read.
func (s *Store) reindex(ctx context.Context, discard bool, progress func(done, total int)) error {
	gen, err := s.lastSegmentGen()
	if err != nil {
		return err
	}
	if err := s.setNow(dirtyKey(), []byte{1}); err != nil {
		return s.fail(err)
	}
	cat := newCatalogue()
	damaged, err := s.loadHeaders(cat)
	if err != nil {
		return err
	}
	anew := &indexer{secret: randomSecret(), gen: gen + 1}
	if err := s.repost(ctx, cat, anew, progress); err != nil {
		return err
	}
	before := s.cat
	s.mu.Lock()
	s.cat = cat
	s.index.Store(anew)
	s.mu.Unlock()
	if err := s.disownAgain(before); err != nil {
		return err
	}
	if err := s.saveIdentity(); err != nil {
		return s.fail(err)
	}
	if discard && len(damaged) > 0 {
		if err := s.db.DropPrefix(damaged...); err != nil {
			return s.fail(err)
		}
	}
	if discard {
		if err := s.accept(); err != nil {
			return s.fail(err)
		}
	}
	s.unsure = !discard && len(damaged) > 0
	return s.clearUp()
}

// repost derives the segments of every held body and writes them.
func (s *Store) repost(ctx context.Context, cat *catalogue, x *indexer, progress func(done, total int)) error {
	refs := heldBodies(cat)
	cat.makeRoom(refs)
	w := s.newWriter()
	defer w.discard()
	for i, ref := range refs {
		if err := ctx.Err(); err != nil {
			return err
		}
		b := cat.bulletins[ref]
		c, err := s.derive(b, x)
		if err != nil {
			s.damage("a body", err, "bulletin", b.id)
			c = &content{place: b.body}
			cat.bulletins[ref].damaged = true
			cat.want(ref)
		}
		for part, segment := range c.segments {
			w.set(b.body.segmentKey(part, x.gen), segment)
		}
		cat.addBody(ref, c.place, c.postings)
		if progress != nil {
			progress(i+1, len(refs))
		}
	}
	w.flush()
	if w.err != nil {
		return s.fail(w.err)
	}
	return nil
}

// lastSegmentGen returns the highest generation of index segments there is.
func (s *Store) lastSegmentGen() (gen uint16, err error) {
	gen = s.index.Load().gen
	err = s.scan(segmentPrefix, false, func(key, _ []byte, _ bool) error {
		if len(key) == partSize {
			_, _, g := readPartKey(key)
			gen = max(gen, g)
		}
		return nil
	})
	return gen, err
}

// clearUp drops chunks and segments that no held body accounts for. It does
// nothing where nothing was left unfinished, or while the disk is full. Where a
// header could not be read, what looks left over may be its body: only what is
// of a header that is known goes then.
func (s *Store) clearUp() error {
	value, err := s.get(dirtyKey())
	if err != nil || len(value) == 0 || value[0] == 0 {
		return nil
	}
	s.dirty = true
	if s.room.full.Load() {
		return nil
	}
	known, kept := map[uint64]bool(nil), 0
	if s.unsure {
		known = s.cat.numbers()
	}
	var over [][]byte
	for _, prefix := range []byte{chunkPrefix, segmentPrefix} {
		err := s.scan(prefix, false, func(key, _ []byte, _ bool) error {
			if len(key) != partSize {
				return nil
			}
			number, index, gen := readPartKey(key)
			s.next = max(s.next, number)
			switch {
			case s.accounted(prefix, number, index, gen):
			case s.unsure && !known[number]:
				kept++
			default:
				over = append(over, key)
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	if kept > 0 {
		s.log.Warn("what an earlier process left unfinished is kept, because headers are damaged", "records", kept)
		return s.dropPrefix(over)
	}
	return s.drop(over)
}

// accounted reports whether a chunk or segment is part of a held body.
func (s *Store) accounted(prefix byte, number uint64, index int, gen uint16) bool {
	i, ok := s.cat.numbered(s.cat.bodies, number)
	if !ok {
		return false
	}
	b := &s.cat.bulletins[s.cat.bodies[i]]
	if prefix == segmentPrefix {
		return gen == s.index.Load().gen && index>>partBits == int(uint8(b.body.gen)) && index&(1<<partBits-1) < int(b.body.parts)
	}
	return gen == b.body.gen && index < int(b.count) && index%(1<<b.body.shift) == 0
}

// drop removes all that was left over, and notes that nothing is any more.
func (s *Store) drop(keys [][]byte) error {
	if err := s.dropPrefix(keys); err != nil {
		return err
	}
	s.dirty = false
	return s.tidy()
}

// dropPrefix removes keys for good, many in one call. Writes are not possible
// meanwhile: only the writer calls it.
func (s *Store) dropPrefix(keys [][]byte) error {
	if len(keys) == 0 {
		return nil
	}
	if err := s.db.DropPrefix(keys...); err != nil {
		return s.fail(fmt.Errorf("drop %d records: %w", len(keys), err))
	}
	s.chunks.Purge()
	return nil
}

// tidy notes that nothing is left to clear up, when that is so.
func (s *Store) tidy() error {
	if s.dirty || s.hidden > 0 {
		return nil
	}
	if err := s.setNow(dirtyKey(), []byte{0}); err != nil {
		return s.fail(err)
	}
	return nil
}
