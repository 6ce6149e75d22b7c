package storage

import (
	"math/rand/v2"
	"slices"

	"github.com/tocsin-exchange/tocsin/protocol"
)

// Summaries returns what is held of every stream that visible (nil: all) lets
// be seen, sorted by stream id: what two nodes compare. All of it is in memory.
//
// A stream's heads are its newest header and every other at or above its floor
// that no held header names as prev. Its gaps are the ranges to ask a peer for:
// what is missing before the headers above the floor whose prev is not held.
// At most 64 of each: the newest heads, the oldest gaps.
func (s *Store) Summaries(visible func(protocol.Stream) bool) []protocol.Summary {
	s.mu.RLock()
	defer s.mu.RUnlock()
	list := make([]*stream, 0, len(s.cat.streams))
	for _, st := range s.cat.streams {
		if len(st.order) > 0 && (visible == nil || visible(st.desc)) {
			list = append(list, st)
		}
	}
	slices.SortFunc(list, func(a, b *stream) int { return a.id.Compare(b.id) })
	summaries := make([]protocol.Summary, len(list))
	for i, st := range list {
		summaries[i] = protocol.Summary{Stream: st.desc, Heads: st.heads(s.cat), Gaps: st.gaps(s.cat)}
	}
	return summaries
}

// A StreamState is a stream as people look at it.
type StreamState struct {
	Stream     protocol.Stream
	ID         protocol.ID
	Org        protocol.Org
	Headers    int
	Heads      []protocol.Head
	Gaps       []protocol.Range
	Bodies     [6]int // headers by [BodyState]
	Last       protocol.Position
	LastIssued uint64 // Unix milliseconds
	Floor      protocol.Position
}

// Streams returns every stream, sorted by id.
func (s *Store) Streams() []StreamState {
	s.mu.RLock()
	defer s.mu.RUnlock()
	list := make([]StreamState, 0, len(s.cat.streams))
	for _, st := range s.cat.streams {
		if len(st.order) == 0 {
			continue // nothing of it stands in it
		}
		last := s.cat.bulletins[st.order[len(st.order)-1]]
		list = append(list, StreamState{
			Stream: st.desc, ID: st.id, Org: st.org, Headers: len(st.order), Heads: st.heads(s.cat), Gaps: st.gaps(s.cat),
			Bodies: st.states, Last: last.pos, LastIssued: last.issued, Floor: st.floor,
		})
	}
	slices.SortFunc(list, func(a, b StreamState) int { return a.ID.Compare(b.ID) })
	return list
}

// Last returns the newest held header of a stream, which the next one names as
// prev, and when it was issued (Unix milliseconds).
func (s *Store) Last(stream protocol.Stream) (last protocol.Head, issued uint64, ok bool) {
	id := stream.ID()
	s.mu.RLock()
	defer s.mu.RUnlock()
	si, ok := s.cat.byStream[id]
	if !ok || len(s.cat.streams[si].order) == 0 {
		return protocol.Head{}, 0, false
	}
	order := s.cat.streams[si].order
	b := s.cat.bulletins[order[len(order)-1]]
	return protocol.Head{Position: b.pos, ID: b.id}, b.issued, true
}

// MaxEpoch returns the highest epoch held of any stream of a node, 0 when none
// is. A new start opens one whose high half is above that of this one.
func (s *Store) MaxEpoch(node protocol.Node) uint64 {
	s.mu.RLock()
	defer s.mu.RUnlock()
	epoch := uint64(0)
	for _, st := range s.cat.streams {
		if st.desc.Node == node && len(st.order) > 0 {
			epoch = max(epoch, s.cat.bulletins[st.order[len(st.order)-1]].pos.Epoch)
		}
	}
	return epoch
}

// Count returns how many headers of a stream are held in a range.
func (s *Store) Count(stream protocol.ID, r protocol.Range) int {
	s.mu.RLock()
	defer s.mu.RUnlock()
	si, ok := s.cat.byStream[stream]
	if !ok {
		return 0
	}
	st := s.cat.streams[si]
	behind := func(p protocol.Position) int {
		return st.from(s.cat, protocol.Position{Epoch: p.Epoch, Seq: p.Seq + 1})
	}
	return max(0, behind(r.To)-behind(r.From))
}

// Lacking returns how many bulletins of an organisation are held without their
// body, and a random choice of them, at most limit, sorted by id.
func (s *Store) Lacking(org protocol.Org, limit int) (total int, some []protocol.Lack) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for _, st := range s.cat.streams {
		lacking := len(st.order) - st.states[Held]
		if st.org != org || lacking == 0 {
			continue
		}
		for _, ref := range st.order {
			b := &s.cat.bulletins[ref]
			if b.state == Held {
				continue
			}
			lack := protocol.Lack{ID: b.id, Why: lackWhy(b.state)}
			if total++; len(some) < limit {
				some = append(some, lack)
			} else if i := rand.N(total); i < limit {
				some[i] = lack
			}
		}
	}
	slices.SortFunc(some, func(a, b protocol.Lack) int { return a.ID.Compare(b.ID) })
	return total, some
}

func lackWhy(s BodyState) protocol.LackWhy {
	switch s {
	case Declined:
		return protocol.LackDeclined
	case Expired:
		return protocol.LackExpired
	case Pruned:
		return protocol.LackPruned
	case Erased:
		return protocol.LackErased
	}
	return protocol.LackWanted
}
