package storage

import (
	"cmp"
	"iter"
	"slices"
	"sort"
	"time"

	"github.com/tocsin-exchange/tocsin/protocol"
)

// A Moment is when an object arrived, in Unix microseconds: the clock's when the
// body was committed, or where that would not be later than what came before, as
// little later as can be. So moments strictly increase in order of arrival and
// are ahead of the clock only in a burst of more than a million objects a second,
// or until a clock that was set back has caught up. The object with index i in a
// body arrived i microseconds after the first. They are kept, and a body that was
// lost and comes again has another.
//
// Bodies of a store that an earlier release wrote have, from the next start on,
// the moments that their receipts give.
type Moment uint64

// Time returns the moment in UTC.
func (m Moment) Time() time.Time { return time.UnixMicro(int64(m)).UTC() }

// MomentOf returns the last moment that is not after t; 0 before 1970.
func MomentOf(t time.Time) Moment { return Moment(max(0, t.UnixMicro())) }

// Ahead is how many moments before that of a body's first object are nobody's:
// a reader may list there what it tells of a bulletin before its objects.
const Ahead = 2

// after is the moment of the first object of a body that comes behind others.
func (m Moment) after(now Moment) Moment { return max(m+Ahead, now) }

// momentFor gives a body its moment. Only for the writer.
func (s *Store) momentFor(count int) Moment {
	m := s.behind.after(MomentOf(time.Now()))
	s.behind = m + Moment(count)
	return m
}

// An undated body is one that an earlier release wrote.
type undated struct {
	ref      uint32
	received uint64 // Unix milliseconds
}

// date gives undated bodies the moments of their receipts, in order of arrival,
// and returns the moment behind all bodies that ever were.
func (c *catalogue) date(list []undated) (behind Moment) {
	received := make(map[uint32]uint64, len(list))
	for _, u := range list {
		received[u.ref] = u.received
	}
	var refs []uint32
	for ref := range c.bulletins {
		if c.bulletins[ref].body.number > 0 {
			refs = append(refs, uint32(ref))
		}
	}
	if len(list) > 0 {
		slices.SortFunc(refs, func(a, b uint32) int { return cmp.Compare(c.bulletins[a].body.number, c.bulletins[b].body.number) })
	}
	for _, ref := range refs {
		b := &c.bulletins[ref]
		if b.body.moment == 0 {
			b.body.moment = behind.after(Moment(received[ref]) * 1000)
		}
		behind = max(behind, b.body.moment+Moment(b.count))
	}
	return behind
}

// A Body is the objects of one bulletin, as they arrived.
type Body struct {
	ID     protocol.ID
	Stream protocol.ID
	Header *protocol.Header
	Moment Moment // of the first object

	s    *Store
	ref  uint32
	held held
}

// Object returns an object's bytes as they were signed, not a copy; nil where it
// was erased, or has left the store. Errors wrap [ErrDamaged].
func (b *Body) Object(i int) ([]byte, error) {
	salted, err := b.s.salted(b.ref, b.held, i)
	if err != nil || len(salted) <= saltSize {
		return nil, err
	}
	return salted[saltSize:], nil
}

// Since yields the bodies of objects of which something arrived after a moment,
// as far as the asker may see them, in order of arrival: superseded, expired and
// revoked objects too. Finding where to begin takes the same at any moment. A
// header that cannot be read yields an error, and the walk goes on after it. It
// ends at what was [Store.Position] when it began.
func (s *Store) Since(after Moment, q Query) iter.Seq2[Body, error] {
	return s.bodiesSince(after, q, nil)
}

// Openings yields of every stream that is not in opened the first body that Since
// would, and enters the stream there.
func (s *Store) Openings(after Moment, q Query, opened map[protocol.ID]struct{}) iter.Seq2[Body, error] {
	return s.bodiesSince(after, q, opened)
}

func (s *Store) bodiesSince(after Moment, q Query, opened map[protocol.ID]struct{}) iter.Seq2[Body, error] {
	return func(yield func(Body, error) bool) {
		for end := s.Position(); ; {
			body, ok := s.nextSince(after, opened)
			if !ok || arrival(body.held.body.number, 0) > end {
				return
			}
			after = body.held.lastMoment()
			r, err := s.record(body.held)
			if err != nil {
				if !yield(body, err) {
					return
				}
				continue
			}
			if body.Header = &r.bulletin.Header; !q.visible(body.Header) {
				continue
			}
			if opened != nil {
				opened[body.Stream] = struct{}{}
			}
			if !yield(body, nil) {
				return
			}
		}
	}
}

// lastMoment is that of a body's last object.
func (b *held) lastMoment() Moment { return b.body.moment + Moment(b.count) - 1 }

// nextSince returns the first body of objects with a moment after the given, of a
// stream that is not in opened.
func (s *Store) nextSince(after Moment, opened map[protocol.ID]struct{}) (Body, bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	c := s.cat
	i := sort.Search(len(c.bodies), func(i int) bool { return c.bulletins[c.bodies[i]].lastMoment() > after })
	for _, ref := range c.bodies[i:] {
		b := &c.bulletins[ref]
		st := c.streams[b.stream]
		if _, known := opened[st.id]; known || st.desc.Kind != protocol.Objects || b.damaged {
			continue
		}
		return Body{ID: b.id, Stream: st.id, Moment: b.body.moment, s: s, ref: ref, held: *b}, true
	}
	return Body{}, false
}

// Begins reports whether a body that is held, and can be read, begins at a moment.
func (s *Store) Begins(m Moment) bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	c := s.cat
	i := sort.Search(len(c.bodies), func(i int) bool { return c.bulletins[c.bodies[i]].body.moment >= m })
	if i == len(c.bodies) {
		return false
	}
	b := &c.bulletins[c.bodies[i]]
	return b.body.moment == m && !b.damaged
}

// Named counts the objects held under a STIX id, their own or one they stand for,
// visible or not; rarely some more.
func (s *Store) Named(id string) (n int) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for range s.cat.names.chain(s.index.Load().name(id)) {
		n++
	}
	return n
}

// Latest is the moment of the last object that is held; 0 where none is.
func (s *Store) Latest() Moment {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if n := len(s.cat.bodies); n > 0 {
		return s.cat.bulletins[s.cat.bodies[n-1]].lastMoment()
	}
	return 0
}
