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
	s.mu.Lock()
	s.cat = cat
	s.index.Store(anew)
	s.mu.Unlock()
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
	return s.clearUp(!discard && len(damaged) > 0)
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
			cat.wanted[ref] = struct{}{}
		}
		for part, segment := range c.segments {
			w.set(segmentKey(b.body.number, part, x.gen), segment)
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
// nothing where nothing was left unfinished, while the disk is full, or where a
// header could not be read: what looks left over may be its body.
func (s *Store) clearUp(uncertain bool) error {
	value, err := s.get(dirtyKey())
	if err != nil || len(value) == 0 || value[0] == 0 || s.room.full.Load() {
		return nil
	}
	s.dirty = true
	var over [][]byte
	for _, prefix := range []byte{chunkPrefix, segmentPrefix} {
		err := s.scan(prefix, false, func(key, _ []byte, _ bool) error {
			if len(key) != partSize {
				return nil
			}
			number, index, gen := readPartKey(key)
			s.next = max(s.next, number)
			if !s.accounted(prefix, number, index, gen) {
				over = append(over, key)
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	if uncertain && len(over) > 0 {
		s.log.Warn("what an earlier process left unfinished is kept, because headers are damaged", "records", len(over))
		return nil
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
		return gen == s.index.Load().gen && index < int(b.body.parts)
	}
	return gen == b.body.gen && index < int(b.count) && index%(1<<b.body.shift) == 0
}

// drop removes keys for good, many in one call, and notes that nothing is left
// to clear up. Writes are not possible meanwhile: only the writer calls it.
func (s *Store) drop(keys [][]byte) error {
	if len(keys) > 0 {
		if err := s.db.DropPrefix(keys...); err != nil {
			return s.fail(fmt.Errorf("drop %d records: %w", len(keys), err))
		}
		s.chunks.Purge()
	}
	if err := s.setNow(dirtyKey(), []byte{0}); err != nil {
		return s.fail(err)
	}
	s.dirty = false
	return nil
}
