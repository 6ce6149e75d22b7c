package storage

import (
	"fmt"

	"github.com/tocsin-exchange/tocsin/protocol"
)

// write is the writer: the one goroutine that changes the database and the
// catalogue. It ends when the store is closed and the queue is empty.
func (s *Store) write() {
	defer close(s.stopped)
	for j := s.nextJob(); j != nil; j = s.nextJob() {
		s.finish(s.gather(j))
	}
}

// nextJob waits for a job; nil when there will be none.
func (s *Store) nextJob() *job {
	if j := s.unfit; j != nil {
		s.unfit = nil
		return j
	}
	select {
	case j := <-s.jobs:
		return j
	case <-s.quit:
	}
	select {
	case j := <-s.jobs:
		return j
	default:
		return nil
	}
}

// gather takes what waits and fits one transaction. Jobs on the same place or
// row never share one: the later is planned by what the earlier did.
func (s *Store) gather(first *job) []*job {
	group, size := []*job{first}, first.size
	if first.run != nil {
		return group
	}
	seen := map[any]bool{first.subject(): true}
	for {
		select {
		case j := <-s.jobs:
			if j.run != nil || seen[j.subject()] || size+j.size > s.groupLimit {
				s.unfit = j
				return group
			}
			seen[j.subject()] = true
			group, size = append(group, j), size+j.size
		default:
			return group
		}
	}
}

type subject struct {
	stream protocol.ID
	place  protocol.Position
	table  string
	key    string
}

func (j *job) subject() subject {
	if j.row != nil {
		return subject{table: j.row.table, key: string(j.row.key)}
	}
	return subject{stream: j.stream, place: j.place}
}

// finish does a group and tells who waits.
func (s *Store) finish(group []*job) {
	if seeded == "ack" {
		acknowledge(group)
	}
	err := s.broken
	if err == nil && !group[0].reads {
		err = s.room.claim(sizeOf(group))
	}
	if err == nil {
		if group[0].run != nil {
			group[0].err = group[0].run()
		} else {
			err = s.commit(group)
		}
	}
	for _, j := range group {
		if err != nil {
			j.err = err
		}
		s.budget.Release(j.size)
	}
	if seeded != "ack" {
		acknowledge(group)
	}
}

// acknowledge tells who waits that their jobs are done.
func acknowledge(group []*job) {
	for _, j := range group {
		close(j.done)
	}
}

func sizeOf(group []*job) (sum int64) {
	for _, j := range group {
		sum += j.size
	}
	return sum
}

// fail notes an error of the disk: from now on nothing is acknowledged.
func (s *Store) fail(err error) error {
	if s.broken == nil {
		s.broken = fmt.Errorf("%w: %w; end the process, look at the disk, start again", ErrFailed, err)
		close(s.failed)
	}
	return s.broken
}

// commit writes a group in one transaction, then the head file, then enters
// it in the catalogue. A single bulletin too large for a transaction is split:
// its header, which alone makes it count, comes last.
func (s *Store) commit(group []*job) error {
	w := s.newWriter()
	defer w.discard()
	split := group[0].size > s.groupLimit
	if split {
		w.set(dirtyKey(), []byte{1})
	}
	next := s.next
	for _, j := range group {
		if j.row != nil {
			j.planRow(s)
		} else {
			j.plan(s)
		}
	}
	for _, j := range group {
		w.setContent(j)
	}
	own := protocol.ID{}
	for _, j := range group {
		if w.setTruth(j); j.record != nil && j.record.own && !j.idle {
			own = j.record.bulletin.ID()
		}
	}
	if split && !s.dirty && s.hidden == 0 {
		w.set(dirtyKey(), []byte{0})
	}
	if w.pending > 0 || w.err != nil {
		counts := s.after(group)
		w.set(countsKey(), counts.encode())
		if w.flush(); w.err != nil {
			s.next = next
			return s.fail(w.err)
		}
		if err := s.note(counts, own); err != nil {
			return s.fail(err)
		}
	}
	s.apply(group)
	s.revive()
	return nil
}

// note writes the head file after a commit: with our own word it is synced
// before that is acknowledged.
func (s *Store) note(c counts, own protocol.ID) error {
	s.counts = c
	if own.IsZero() {
		return s.head.write(c, s.head.head.last, false)
	}
	return s.head.write(c, own, true)
}

// plan decides what a bulletin changes. Only the writer changes the catalogue,
// so it reads without the lock.
func (j *job) plan(s *Store) {
	r := j.record
	j.ref, j.known = s.cat.ids[r.bulletin.ID()]
	apart := s.cat.leavesOut(r.bulletin, j.ref, j.known)
	if apart {
		j.content = nil
	}
	if !j.known {
		j.number = s.take()
		if j.content != nil {
			j.content.place.number, j.content.place.moment = j.number, s.momentFor(int(r.bulletin.Header.Count))
		}
		j.result.New = true
		if !apart {
			j.result.Equivocation = s.twin(j)
		}
	} else {
		b := &s.cat.bulletins[j.ref]
		j.number = b.number
		r.erasure = b.erasure
		if j.enters = b.aside && !r.aside; j.enters {
			j.result.Equivocation = s.twin(j)
		} else if !b.aside {
			r.aside, r.via = false, protocol.Org{}
		}
		wanted := b.state == Absent || b.state == Declined || b.damaged
		switch {
		case apart:
			j.idle = true
			return
		case j.content != nil && wanted:
			j.replaces = b.damaged
			j.content.place.number, j.content.place.gen = s.take(), b.body.gen
			j.content.place.moment = s.momentFor(int(b.count))
		case r.state != Absent && r.state != Held && b.state == Absent, j.again && r.state == Absent && b.state == Declined:
			j.content = nil
		default:
			j.content, j.still, j.idle = nil, true, !j.enters
			r.state, r.body = b.state, b.body
			if j.idle {
				return
			}
		}
		j.record.own = j.record.own || b.own
	}
	if x := s.index.Load(); j.content != nil && j.content.by != x {
		// It was prepared before the index was rebuilt.
		if j.err = x.post(j.content, j.content.bulletin, nil); j.err != nil {
			j.idle, j.content, j.result = true, nil, Result{}
			return
		}
	}
	if j.content != nil {
		r.body = j.content.place
		j.result.BodyNew, j.result.Arrival = true, arrival(r.body.number, 0)
	} else if r.state == Held && !j.still { // prepared before another job changed its mind
		r.state = Absent
	}
}

func (s *Store) take() uint64 {
	s.next++
	return s.next
}

// twin returns another header held at the place of a new one.
func (s *Store) twin(j *job) *protocol.Bulletin {
	si, ok := s.cat.byStream[j.stream]
	if !ok {
		return nil
	}
	refs := s.cat.streams[si].at(s.cat, j.place)
	if len(refs) == 0 {
		return nil
	}
	r, err := s.record(s.cat.bulletins[s.cat.first(refs)])
	if err != nil {
		return nil
	}
	return r.bulletin
}

// apply enters a committed group in the catalogue.
func (s *Store) apply(group []*job) {
	highest := uint64(0)
	s.mu.Lock()
	for _, j := range group {
		switch {
		case j.row != nil:
			s.applyRow(j.row)
			continue
		case j.idle:
			continue
		case !j.known:
			j.ref = s.cat.addHeader(j.number, j.record)
		case !j.still:
			s.cat.setState(j.ref, j.record.state)
			s.records.Remove(s.cat.bulletins[j.ref].recordKey()) // it may have been in this state before, for another reason
		}
		if j.enters {
			s.cat.enlist(j.ref, &j.record.bulletin.Header)
		}
		if j.content == nil {
			continue
		}
		if j.replaces {
			s.cat.purge(j.ref)
		}
		s.cat.addBody(j.ref, j.record.body, j.content.postings)
		highest = max(highest, arrival(j.record.body.number, int(j.record.bulletin.Header.Count)-1))
	}
	s.mu.Unlock()
	s.advance(highest)
}
