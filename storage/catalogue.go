package storage

import (
	"cmp"
	"slices"

	"github.com/tocsin-exchange/tocsin/protocol"
)

// A catalogue is what the store holds, in memory. Package storage guards it
// with one lock: the writer changes it, everyone reads.
type catalogue struct {
	bulletins  []held
	ids        map[protocol.ID]uint32
	streams    []*stream
	byStream   map[protocol.ID]uint32
	plain      map[plainStream]uint32 // streams without audience, found without hashing
	scopes     map[string]uint32      // see scopeKey
	awaiting   map[awaited][]uint32   // headers whose prev is not held
	wanted     map[uint32]struct{}    // headers whose body is absent
	statements []uint32               // the bodies of kind statements among them
	bodies     []uint32               // bulletins in order of their body's number
	erasures   []uint32               // bulletins in order of the number of their last erasure
	values     index
	names      index
	abouts     index
	prefixes   [firstSixCode + 129]int // postings by prefix code
	objects    int                     // objects in held bodies of kind objects, as far as they are there
	disowned   map[protocol.Node][]*disowning
	revived    []protocol.ID // found to be good since [Store.revive] was called
}

// held is one header.
type held struct {
	id      protocol.ID
	number  uint64
	erasure uint64 // number of the last erasure of objects of it; 0: none
	issued  uint64
	pos     protocol.Position
	body    bodyPlace
	stream  uint32
	scope   uint32
	count   uint16
	state   BodyState
	own     bool
	aside   bool // it stands outside its stream
	damaged bool // its body cannot be read; it is wanted again
	// its key was disowned and it is not known to be good: it is in no stream
	// and its body in no index
	disowned bool
}

type plainStream struct {
	node      protocol.Node
	kind      protocol.Kind
	community protocol.ID
	tlp       protocol.TLP
}

type awaited struct {
	stream uint32
	id     protocol.ID
}

func newCatalogue() *catalogue {
	return &catalogue{
		ids:      make(map[protocol.ID]uint32),
		byStream: make(map[protocol.ID]uint32),
		plain:    make(map[plainStream]uint32),
		scopes:   make(map[string]uint32),
		awaiting: make(map[awaited][]uint32),
		wanted:   make(map[uint32]struct{}),
		disowned: make(map[protocol.Node][]*disowning),
		values:   newIndex(0),
		names:    newIndex(0),
		abouts:   newIndex(0),
	}
}

// addHeader enters a header that is not held yet.
func (c *catalogue) addHeader(number uint64, r *record) uint32 {
	h := &r.bulletin.Header
	ref := uint32(len(c.bulletins))
	si := c.streamOf(h)
	c.bulletins = append(c.bulletins, held{
		id: r.bulletin.ID(), number: number, issued: h.Issued, pos: h.Position(), body: bodyPlace{expires: r.body.expires},
		stream: si, scope: c.scopeOf(h), count: uint16(h.Count), state: r.state, own: r.own, aside: r.aside,
	})
	c.ids[r.bulletin.ID()] = ref
	c.setErasure(ref, r.erasure)
	if c.bulletins[ref].disowned = c.disowns(h, r.bulletin.ID()); c.bulletins[ref].disowned {
		return ref
	}
	if !r.aside {
		c.enlist(ref, h)
	}
	return ref
}

// enlist puts a header in its stream, and has its body asked for if it is absent.
func (c *catalogue) enlist(ref uint32, h *protocol.Header) {
	b := &c.bulletins[ref]
	b.aside = false
	c.streams[b.stream].states[b.state]++
	if b.shown() == Absent {
		c.want(ref)
	}
	c.link(c.streams[b.stream], b.stream, ref, h)
}

// want has a body asked for. Outside its stream nobody could be asked.
func (c *catalogue) want(ref uint32) {
	if !c.bulletins[ref].aside {
		c.wanted[ref] = struct{}{}
	}
}

// link finds the header's place in its stream and keeps the sets from which
// heads and gaps are read.
func (c *catalogue) link(st *stream, si, ref uint32, h *protocol.Header) {
	st.insert(c, ref)
	if h.Floor != nil && h.Floor.Compare(st.floor) > 0 {
		st.floor = *h.Floor
	}
	if !h.Prev.IsZero() {
		if prev, ok := c.ids[h.Prev]; ok && c.bulletins[prev].stream == si && prev != ref && !c.bulletins[prev].aside {
			delete(st.tips, prev)
		} else {
			key := awaited{si, h.Prev}
			c.awaiting[key] = append(c.awaiting[key], ref)
			if seeded != "gap" {
				st.orphans[ref] = struct{}{}
			}
		}
	}
	key := awaited{si, c.bulletins[ref].id}
	followers := c.awaiting[key]
	if len(followers) == 0 {
		st.tips[ref] = struct{}{}
		return
	}
	for _, f := range followers {
		delete(st.orphans, f)
	}
	delete(c.awaiting, key)
}

// setState notes a change of a body's state.
func (c *catalogue) setState(ref uint32, to BodyState) {
	b := &c.bulletins[ref]
	if b.disowned {
		b.state, b.damaged = to, false
		return
	}
	if st := c.streams[b.stream]; !b.aside {
		st.states[b.state]--
		st.states[to]++
	}
	b.state = to
	b.damaged = false
	delete(c.wanted, ref)
	if to == Absent {
		c.want(ref)
	}
}

// setErasure notes when objects of a bulletin were last erased.
func (c *catalogue) setErasure(ref uint32, number uint64) {
	b := &c.bulletins[ref]
	if i, ok := slices.BinarySearchFunc(c.erasures, b.erasure, c.compareErasure); ok && b.erasure > 0 {
		c.erasures = slices.Delete(c.erasures, i, i+1)
	}
	if b.erasure = number; number > 0 {
		i, _ := slices.BinarySearchFunc(c.erasures, number, c.compareErasure)
		c.erasures = slices.Insert(c.erasures, i, ref)
	}
}

func (c *catalogue) compareErasure(ref uint32, number uint64) int {
	return cmp.Compare(c.bulletins[ref].erasure, number)
}

// numbers is the set of the numbers under which bodies are, or were, kept.
func (c *catalogue) numbers() map[uint64]bool {
	known := make(map[uint64]bool, len(c.bulletins))
	for i := range c.bulletins {
		if n := c.bulletins[i].body.number; n > 0 {
			known[n] = true
		}
	}
	return known
}

// under returns the index a posting with these flags is in.
func (c *catalogue) under(flags uint8) *index {
	switch {
	case flags&nameFlag != 0:
		return &c.names
	case flags&aboutFlag != 0:
		return &c.abouts
	}
	return &c.values
}

// addBody enters a body's place and postings, in order of its number.
func (c *catalogue) addBody(ref uint32, place bodyPlace, postings []posting) {
	b := &c.bulletins[ref]
	b.body = place
	b.body.expires = min(place.expires, lastOf(postings, int(b.count)))
	if b.disowned {
		return
	}
	c.bodies = c.enter(c.bodies, ref)
	if c.streams[b.stream].desc.Kind != protocol.Objects {
		c.statements = c.enter(c.statements, ref)
	}
	c.addPostings(ref, postings)
}

func (c *catalogue) addPostings(ref uint32, postings []posting) {
	b := &c.bulletins[ref]
	for _, p := range postings {
		x := c.under(p.flags)
		n := node{bulletin: ref, expires: p.expires, index: p.index, prefix: p.prefix, flags: p.flags}
		head := x.heads[p.hash]
		if p.isVersion() {
			if best := c.best(x, head, b.scope); best == nil || c.newer(&n, best) {
				x.live += n.stands() - best.stands()
			}
		}
		x.push(p.hash, head, n)
		c.prefixes[p.prefix]++
		c.objects += p.isObject()
	}
}

// dropBody takes a body's postings out again. Its number stays, so that it is
// not given out twice.
func (c *catalogue) dropBody(ref uint32, postings []posting) {
	b := &c.bulletins[ref]
	if b.disowned {
		return
	}
	c.dropPostings(ref, postings)
	if i, ok := c.numbered(c.bodies, b.body.number); ok {
		c.bodies = slices.Delete(c.bodies, i, i+1)
	}
	if i, ok := c.numbered(c.statements, b.body.number); ok {
		c.statements = slices.Delete(c.statements, i, i+1)
	}
}

func (c *catalogue) dropPostings(ref uint32, postings []posting) {
	b := &c.bulletins[ref]
	if b.disowned {
		return // it has none
	}
	for _, p := range postings {
		x := c.under(p.flags)
		if p.isVersion() {
			x.live -= c.best(x, x.heads[p.hash], b.scope).stands()
		}
		x.remove(p.hash, ref, p.index)
		if p.isVersion() {
			x.live += c.best(x, x.heads[p.hash], b.scope).stands()
		}
		c.prefixes[p.prefix]--
		c.objects -= p.isObject()
	}
}

// enter puts a body at its place in a list. Numbers grow, but for those of
// bodies that were taken out and are back.
func (c *catalogue) enter(list []uint32, ref uint32) []uint32 {
	i, _ := c.numbered(list, c.bulletins[ref].body.number)
	return slices.Insert(list, i, ref)
}

// purge takes a body out whose postings cannot be read.
func (c *catalogue) purge(ref uint32) { c.dropBody(ref, c.postingsOf(ref)) }

// postingsOf collects a body's postings from the whole index.
func (c *catalogue) postingsOf(ref uint32) (postings []posting) {
	for _, flags := range []uint8{0, nameFlag, aboutFlag} {
		x := c.under(flags)
		for hash := range x.heads {
			for n := range x.chain(hash) {
				if n.bulletin == ref {
					postings = append(postings, posting{hash: hash, expires: n.expires, index: n.index, prefix: n.prefix, flags: n.flags})
				}
			}
		}
	}
	return postings
}

// numbered finds the first body of a list whose number is not below the given
// one, and whether it has that number.
func (c *catalogue) numbered(list []uint32, number uint64) (int, bool) {
	return slices.BinarySearchFunc(list, number, func(ref uint32, n uint64) int {
		switch m := c.bulletins[ref].body.number; {
		case m < n:
			return -1
		case m > n:
			return 1
		}
		return 0
	})
}

// best returns the newest version of a scope in the chain that starts at head,
// nil when there is none. Aliases are nobody's version.
func (c *catalogue) best(x *index, head, scope uint32) *node {
	var best *node
	for n := range x.from(head) {
		if n.flags&aliasFlag == 0 && c.bulletins[n.bulletin].scope == scope && (best == nil || c.newer(n, best)) {
			best = n
		}
	}
	return best
}

// stands is 1 for a version that is there and takes nothing back, else 0.
func (n *node) stands() int {
	if n == nil || n.flags&revokedFlag != 0 {
		return 0
	}
	return 1
}

// newer reports whether n speaks later than m: by date, then id, then place.
func (c *catalogue) newer(n, m *node) bool {
	a, b := &c.bulletins[n.bulletin], &c.bulletins[m.bulletin]
	if a.issued != b.issued {
		return a.issued > b.issued
	}
	if order := a.id.Compare(b.id); order != 0 {
		return order > 0
	}
	return n.index > m.index
}
