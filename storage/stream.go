package storage

import (
	"cmp"
	"encoding/binary"
	"slices"

	"github.com/tocsin-exchange/tocsin/protocol"
)

// A stream is one log as far as it is held.
type stream struct {
	desc    protocol.Stream
	id      protocol.ID
	org     protocol.Org
	order   []uint32            // every header, by position, then id
	tips    map[uint32]struct{} // headers that no held header names as prev
	orphans map[uint32]struct{} // headers whose prev is not held
	floor   protocol.Position
	states  [states]int
}

// streamOf returns the stream of a header, made when it is new.
func (c *catalogue) streamOf(h *protocol.Header) uint32 {
	key := plainStream{h.Certificate.Node, h.Kind, h.Community, h.TLP}
	if len(h.Audience) == 0 {
		if i, ok := c.plain[key]; ok {
			return i
		}
	}
	desc := h.Stream()
	id := desc.ID()
	if i, ok := c.byStream[id]; ok {
		return i
	}
	i := uint32(len(c.streams))
	c.streams = append(c.streams, &stream{
		desc: desc, id: id, org: h.Org(),
		tips: make(map[uint32]struct{}), orphans: make(map[uint32]struct{}),
	})
	c.byStream[id] = i
	if len(h.Audience) == 0 {
		c.plain[key] = i
	}
	return i
}

// streamsShown counts the streams that have a header.
func (c *catalogue) streamsShown() (n int) {
	for _, st := range c.streams {
		if len(st.order) > 0 {
			n++
		}
	}
	return n
}

// scopeOf numbers the scopes within which versions supersede.
func (c *catalogue) scopeOf(h *protocol.Header) uint32 {
	key := scopeKey(h)
	if i, ok := c.scopes[string(key)]; ok {
		return i
	}
	i := uint32(len(c.scopes))
	c.scopes[string(key)] = i
	return i
}

func scopeKey(h *protocol.Header) []byte {
	org := h.Org()
	k := append(make([]byte, 0, 96), org[:]...)
	k = append(k, h.Community[:]...)
	k = append(k, byte(h.TLP))
	k = appendCounted(k, []byte(h.Drill))
	for i, r := range h.Audience {
		if i > 0 && !r.Group.IsZero() && r.Group == h.Audience[i-1].Group {
			continue // another version of the same roster: sorted, they stand together
		}
		k = append(k, r.Org[:]...)
		k = append(k, r.Group[:]...)
		k = binary.BigEndian.AppendUint16(k, uint16(len(r.Person)))
		k = append(k, r.Person...)
	}
	return k
}

// insert puts a header at its place in the order.
func (st *stream) insert(c *catalogue, ref uint32) {
	b := &c.bulletins[ref]
	at := len(st.order)
	if at > 0 && c.comparePlace(st.order[at-1], b) > 0 {
		at, _ = slices.BinarySearchFunc(st.order, b, c.comparePlace)
	}
	st.order = slices.Insert(st.order, at, ref)
}

func (c *catalogue) comparePlace(ref uint32, b *held) int {
	a := &c.bulletins[ref]
	if order := a.pos.Compare(b.pos); order != 0 {
		return order
	}
	return a.id.Compare(b.id)
}

// from returns the index of the first header at or after a position.
func (st *stream) from(c *catalogue, p protocol.Position) int {
	i, _ := slices.BinarySearchFunc(st.order, p, func(ref uint32, p protocol.Position) int {
		if c.bulletins[ref].pos.Compare(p) < 0 {
			return -1
		}
		return 1
	})
	return i
}

// at returns the headers at a position, more than one when its author said two
// things there, and zero when none is held.
func (st *stream) at(c *catalogue, p protocol.Position) []uint32 {
	i := st.from(c, p)
	j := i
	for j < len(st.order) && c.bulletins[st.order[j]].pos == p {
		j++
	}
	return st.order[i:j]
}

// first returns whichever of the headers came first.
func (c *catalogue) first(refs []uint32) uint32 {
	best := refs[0]
	for _, ref := range refs[1:] {
		if c.bulletins[ref].number < c.bulletins[best].number {
			best = ref
		}
	}
	return best
}

// heads lists the newest header and every other at or above the floor that no
// held header follows, by position; the newest 64.
func (st *stream) heads(c *catalogue) []protocol.Head {
	refs := make([]uint32, 0, len(st.tips)+1)
	newest := st.order[len(st.order)-1]
	refs = append(refs, newest)
	for ref := range st.tips {
		if ref != newest && c.bulletins[ref].pos.Compare(st.floor) >= 0 {
			refs = append(refs, ref)
		}
	}
	slices.SortFunc(refs, func(a, b uint32) int { return c.comparePlace(a, &c.bulletins[b]) })
	refs = refs[max(0, len(refs)-maxShown):]
	heads := make([]protocol.Head, len(refs))
	for i, ref := range refs {
		heads[i] = protocol.Head{Position: c.bulletins[ref].pos, ID: c.bulletins[ref].id}
	}
	return heads
}

const maxShown = 64 // heads and gaps in a summary

// gaps lists the ranges to ask a peer for, so that headers above the floor
// whose prev is not held get it; sorted. Where there are more than 64 it is the
// places nearest to such headers, since that is where most find their prev.
func (st *stream) gaps(c *catalogue) []protocol.Range {
	type place struct {
		protocol.Range
		away int
	}
	var places []place
	for ref := range st.orphans {
		if pos := c.bulletins[ref].pos; pos.Compare(st.floor) > 0 {
			for away, r := range st.placesBefore(c, pos) {
				places = append(places, place{r, away})
			}
		}
	}
	inOrder := func(a, b protocol.Range) int { return cmp.Or(a.From.Compare(b.From), a.To.Compare(b.To)) }
	slices.SortFunc(places, func(a, b place) int { return cmp.Or(cmp.Compare(a.away, b.away), inOrder(a.Range, b.Range)) })
	var gaps []protocol.Range
	listed := make(map[protocol.Range]bool)
	for _, p := range places {
		if !listed[p.Range] && len(gaps) < maxShown {
			listed[p.Range] = true
			gaps = append(gaps, p.Range)
		}
	}
	slices.SortFunc(gaps, inOrder)
	return gaps
}

// placesBefore lists where the prev of a header may be, the nearest first:
// behind the header held before it, up to the place before its own. The first
// of an epoch may follow any earlier header, since its author may have begun
// anew from a backup: its prev may be behind what is held of any epoch before.
func (st *stream) placesBefore(c *catalogue, pos protocol.Position) (places []protocol.Range) {
	bottom := protocol.Position{}
	if st.floor.Seq > 0 { // what lies below the floor is not asked for
		bottom = protocol.Position{Epoch: st.floor.Epoch, Seq: st.floor.Seq - 1}
	}
	place := protocol.Range{From: bottom, To: protocol.Position{Epoch: pos.Epoch, Seq: pos.Seq - 1}}
	for {
		i := st.from(c, protocol.Position{Epoch: place.To.Epoch, Seq: place.To.Seq + 1})
		if i == 0 || len(places) == maxShown-1 {
			return append(places, place)
		}
		before := c.bulletins[st.order[i-1]].pos
		if before.Compare(bottom) <= 0 {
			return append(places, place)
		}
		if before == place.To { // the one held there is not the one named
			before.Seq--
		}
		places = append(places, protocol.Range{From: before, To: place.To})
		if pos.Seq > 1 {
			return places
		}
		place.To = protocol.Position{Epoch: before.Epoch}
	}
}
