package storage

import (
	"bytes"
	"cmp"
	"fmt"
	"iter"
	"slices"

	"github.com/tocsin-exchange/tocsin/protocol"
)

// find returns what is known of a header.
func (s *Store) find(id protocol.ID) (uint32, held, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	ref, ok := s.cat.ids[id]
	if !ok {
		return 0, held{}, fmt.Errorf("bulletin %s: %w", id, ErrNotFound)
	}
	return ref, s.cat.bulletins[ref], nil
}

// shown is the state as callers see it: a body that cannot be read is wanted.
func (b *held) shown() BodyState {
	if b.damaged || b.disowned {
		return Absent
	}
	return b.state
}

// Has reports whether a header is held, and the state of its body.
func (s *Store) Has(id protocol.ID) (header bool, body BodyState) {
	_, b, err := s.find(id)
	return err == nil, b.shown()
}

// Header returns a bulletin without its body, and the body's state. Errors
// wrap [ErrNotFound] or [ErrDamaged].
func (s *Store) Header(id protocol.ID) (*protocol.Bulletin, BodyState, error) {
	_, b, err := s.find(id)
	if err != nil {
		return nil, Absent, err
	}
	r, err := s.record(b)
	if err != nil {
		return nil, b.shown(), err
	}
	return r.bulletin, b.shown(), nil
}

// Bulletin returns a bulletin with its body where this is held, checked
// against the header once more, and the body's state. A damaged body is an
// error wrapping [ErrDamaged], and wanted from then on.
func (s *Store) Bulletin(id protocol.ID) (*protocol.Bulletin, BodyState, error) {
	ref, b, err := s.find(id)
	if err != nil {
		return nil, Absent, err
	}
	return s.bulletin(ref, b)
}

func (s *Store) bulletin(ref uint32, b held) (*protocol.Bulletin, BodyState, error) {
	r, err := s.record(b)
	if err != nil {
		return nil, b.shown(), err
	}
	if b.state != Held || b.disowned {
		return r.bulletin, b.shown(), nil
	}
	whole, err := s.body(b, r.bulletin)
	for err != nil && s.unreadable(ref, b, err) { // swept, replaced or erased just now
		if b = s.current(ref); b.state != Held {
			return r.bulletin, b.state, nil
		}
		whole, err = s.body(b, r.bulletin)
	}
	if err == nil {
		return whole, Held, nil
	}
	return nil, Absent, fmt.Errorf("bulletin %s: %w", b.id, err)
}

// current returns what is known now of a header of the catalogue.
func (s *Store) current(ref uint32) held {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.cat.bulletins[ref]
}

// A Receipt is how a bulletin came to be held.
type Receipt struct {
	From     protocol.Node // zero: our own
	Received uint64        // Unix milliseconds
	Reason   string
	Own      bool
	Aside    bool         // it stands outside its stream
	Via      protocol.Org // who forwarded it, when it does
}

// Receipt returns the receipt of a held header.
func (s *Store) Receipt(id protocol.ID) (Receipt, error) {
	_, b, err := s.find(id)
	if err != nil {
		return Receipt{}, err
	}
	r, err := s.record(b)
	if err != nil {
		return Receipt{}, err
	}
	return Receipt{From: r.from, Received: r.received, Reason: r.reason, Own: r.own, Aside: r.aside, Via: r.via}, nil
}

// Arrived returns the arrival of the first object of a bulletin's body, and when
// it was received; false where no body ever came, or it left the store.
func (s *Store) Arrived(id protocol.ID) (first, received uint64, ok bool) {
	_, b, err := s.find(id)
	if err != nil || b.body.number == 0 {
		return 0, 0, false
	}
	r, err := s.record(b)
	if err != nil {
		return 0, 0, false
	}
	return arrival(b.body.number, 0), r.received, true
}

// At returns the id of the header at a place in a stream; where its author
// said two things there, the one that came first.
func (s *Store) At(stream protocol.ID, p protocol.Position) (protocol.ID, bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	si, ok := s.cat.byStream[stream]
	if !ok {
		return protocol.ID{}, false
	}
	refs := s.cat.streams[si].at(s.cat, p)
	if len(refs) == 0 {
		return protocol.ID{}, false
	}
	return s.cat.bulletins[s.cat.first(refs)].id, true
}

const batch = 256 // headers looked up at a time by iterators

// Headers yields a stream's headers in a range, by position and without
// bodies; both, by id, where the author said two things at one place. A header
// that cannot be read yields an error, and the walk goes on after it.
func (s *Store) Headers(stream protocol.ID, r protocol.Range) iter.Seq2[*protocol.Bulletin, error] {
	return func(yield func(*protocol.Bulletin, error) bool) {
		last := held{pos: r.From, id: highestID()}
		for {
			list := s.headersAfter(stream, &last, r.To)
			for _, b := range list {
				r, err := s.record(b)
				if err != nil {
					if !yield(nil, err) {
						return
					}
				} else if !yield(r.bulletin, nil) {
					return
				}
			}
			if len(list) < batch {
				return
			}
			last = list[len(list)-1]
		}
	}
}

func highestID() (id protocol.ID) {
	copy(id[:], bytes.Repeat([]byte{0xff}, len(id)))
	return id
}

// headersAfter copies the headers behind a place, up to batch of them.
func (s *Store) headersAfter(stream protocol.ID, last *held, to protocol.Position) []held {
	s.mu.RLock()
	defer s.mu.RUnlock()
	si, ok := s.cat.byStream[stream]
	if !ok {
		return nil
	}
	order := s.cat.streams[si].order
	i, found := slices.BinarySearchFunc(order, last, s.cat.comparePlace)
	if found {
		i++
	}
	var list []held
	for _, ref := range order[i:] {
		b := s.cat.bulletins[ref]
		if b.pos.Compare(to) > 0 || len(list) == batch {
			break
		}
		list = append(list, b)
	}
	return list
}

// A Want is a header whose body is to be asked for, and the stream it is in.
type Want struct{ ID, Stream protocol.ID }

// Wanted lists up to limit headers whose body is absent, of streams' parts at
// or above the floor: those of statements first, then of every stream in turn,
// the oldest of each first, so that one that lacks much does not keep another
// that lacks little waiting.
func (s *Store) Wanted(limit int) []Want {
	type want struct {
		held
		kind protocol.Kind
		turn int
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	list := make([]want, 0, len(s.cat.wanted))
	for ref := range s.cat.wanted {
		b := s.cat.bulletins[ref]
		if st := s.cat.streams[b.stream]; !b.disowned && b.pos.Compare(st.floor) >= 0 {
			list = append(list, want{held: b, kind: st.desc.Kind})
		}
	}
	slices.SortFunc(list, func(a, b want) int { return cmp.Or(cmp.Compare(a.issued, b.issued), a.id.Compare(b.id)) })
	turns := make(map[uint32]int)
	for i := range list {
		list[i].turn = turns[list[i].stream]
		turns[list[i].stream]++
	}
	slices.SortStableFunc(list, func(a, b want) int { return cmp.Or(cmp.Compare(b.kind, a.kind), cmp.Compare(a.turn, b.turn)) })
	wants := make([]Want, min(limit, len(list)))
	for i := range wants {
		wants[i] = Want{list[i].id, s.cat.streams[list[i].stream].id}
	}
	return wants
}

// Statements yields the bulletins of kind statements of a community whose body
// is held, in order of arrival; the zero community stands for all streams. One
// that cannot be read yields an error, and the walk goes on after it.
func (s *Store) Statements(community protocol.ID) iter.Seq2[*protocol.Bulletin, error] {
	return func(yield func(*protocol.Bulletin, error) bool) {
		for number := uint64(0); ; number++ {
			ref, b, ok := s.nextStatements(number, community)
			if !ok {
				return
			}
			number = b.body.number
			whole, state, err := s.bulletin(ref, b)
			if err == nil && state != Held {
				continue
			}
			if !yield(whole, err) {
				return
			}
		}
	}
}

func (s *Store) nextStatements(number uint64, community protocol.ID) (uint32, held, bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	c := s.cat
	i, _ := c.numbered(c.statements, number)
	for _, ref := range c.statements[i:] {
		b := c.bulletins[ref]
		if community.IsZero() || c.streams[b.stream].desc.Community == community {
			return ref, b, true
		}
	}
	return 0, held{}, false
}
