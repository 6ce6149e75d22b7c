package storage

import (
	"cmp"
	"context"
	"slices"

	"github.com/tocsin-exchange/tocsin/protocol"
)

// A disowning is what an organisation took back of one of its node keys: all
// that is not before the headers it named. It is kept in memory only and told
// anew after every start; about 150 bytes for every header of that key.
type disowning struct {
	org   protocol.Org
	lists []*goodHeaders
	links map[protocol.ID]link // every header held of the key
}

// A link is how a header stands in its stream.
type link struct {
	org   protocol.Org
	prev  protocol.ID
	floor *protocol.Position
}

func linkOf(h *protocol.Header) link { return link{h.Org(), h.Prev, h.Floor} }

// goodHeaders is what one list of last good headers leaves standing, as far as
// it is held.
type goodHeaders struct {
	last []protocol.ID
	good map[protocol.ID]struct{}
	due  map[protocol.ID]struct{} // good as well, and not held yet
}

// Disown takes back what an organisation said with one of its node keys: of its
// headers with that key only those count that are in last, or before one of
// them by their prev, whatever their date. The others stay on the disk, so that
// they are not fetched over and over, and are in no stream, head, gap, summary
// or answer; their bodies are neither shown nor wanted. A header that is found
// to be good later counts from then on. Called again with another list, what is
// good by all lists counts, so more lists never bring anything back, and their
// order makes no difference. It is not durable: whoever opens the store says it
// again. It returns how many headers went, or came back.
//
// An object that [Store.Changes] has yielded and that is disowned later is not
// yielded as removed; [Store.Withdrawals] changes.
func (s *Store) Disown(ctx context.Context, org protocol.Org, node protocol.Node, last []protocol.ID) (int, error) {
	changed := 0
	err := s.do(ctx, &job{reads: true, run: func() (err error) {
		changed, err = s.disown(org, node, slices.Clone(last))
		return err
	}})
	if err != nil {
		return 0, err // the writer may still be at it
	}
	return changed, nil
}

// Disowned reports whether a header is held and does not count.
func (s *Store) Disowned(id protocol.ID) bool {
	_, b, err := s.find(id)
	return err == nil && b.disowned
}

// Disowns reports whether a bulletin certainly does not count: its key was
// disowned, all that is good by one list is held, and it is not among it. Where
// something good is still missing, this may be on the way to it.
func (s *Store) Disowns(b *protocol.Bulletin) bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for _, d := range s.cat.disowned[b.Header.Certificate.Node] {
		if d.org != b.Header.Org() {
			continue
		}
		for _, l := range d.lists {
			if _, good := l.good[b.ID()]; !good && len(l.due) == 0 {
				return true
			}
		}
	}
	return false
}

// disown is Disown, in the writer.
func (s *Store) disown(org protocol.Org, node protocol.Node, last []protocol.ID) (int, error) {
	d := s.cat.disowningOf(org, node)
	if d != nil && slices.ContainsFunc(d.lists, func(l *goodHeaders) bool { return slices.Equal(l.last, last) }) {
		return 0, nil
	}
	if d == nil {
		links, err := s.readLinks(node)
		if err != nil {
			return 0, err
		}
		d = &disowning{org: org, links: links}
	}
	l := &goodHeaders{last: last, good: map[protocol.ID]struct{}{}, due: map[protocol.ID]struct{}{}}
	l.walk(d.links, last)
	s.mu.Lock()
	if d.lists = append(d.lists, l); len(d.lists) == 1 {
		s.cat.disowned[node] = append(s.cat.disowned[node], d)
	}
	s.mu.Unlock()
	return s.revise(node), nil
}

// readLinks reads how the held headers of a node stand.
func (s *Store) readLinks(node protocol.Node) (map[protocol.ID]link, error) {
	var list []held
	s.mu.RLock()
	for _, b := range s.cat.bulletins {
		if s.cat.streams[b.stream].desc.Node == node {
			list = append(list, b)
		}
	}
	s.mu.RUnlock()
	links := make(map[protocol.ID]link, len(list))
	for _, b := range list {
		r, err := s.record(b)
		if err != nil {
			return nil, err
		}
		links[b.id] = linkOf(&r.bulletin.Header)
	}
	return links, nil
}

// walk enters headers known to be good, and those before them.
func (l *goodHeaders) walk(links map[protocol.ID]link, from []protocol.ID) (found []protocol.ID) {
	for todo := slices.Clone(from); len(todo) > 0; {
		id := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if _, known := l.good[id]; known {
			continue
		}
		at, held := links[id]
		if !held {
			l.due[id] = struct{}{}
			continue
		}
		delete(l.due, id)
		l.good[id] = struct{}{}
		found = append(found, id)
		if !at.prev.IsZero() {
			todo = append(todo, at.prev)
		}
	}
	return found
}

// counts reports whether a header is good by all lists.
func (d *disowning) counts(id protocol.ID) bool {
	for _, l := range d.lists {
		if _, good := l.good[id]; !good {
			return false
		}
	}
	return true
}

func (c *catalogue) disowningOf(org protocol.Org, node protocol.Node) *disowning {
	for _, d := range c.disowned[node] {
		if d.org == org {
			return d
		}
	}
	return nil
}

// disowns decides on a new header, and notes those held before that it shows to
// be good.
func (c *catalogue) disowns(h *protocol.Header, id protocol.ID) (bad bool) {
	for _, d := range c.disowned[h.Certificate.Node] {
		d.links[id] = linkOf(h)
		for _, l := range d.lists {
			if _, due := l.due[id]; due {
				c.revived = append(c.revived, l.walk(d.links, []protocol.ID{id})...)
			}
		}
		bad = bad || d.org == h.Org() && !d.counts(id)
	}
	return bad
}

// awaits reports whether a header that is not held is known to be good.
func (d *disowning) awaits(id protocol.ID) bool {
	for _, l := range d.lists {
		if _, due := l.due[id]; !due {
			return false
		}
	}
	return true
}

// leavesOut reports whether a bulletin is kept without its body, whatever comes
// with it: nobody is to be shown it.
func (c *catalogue) leavesOut(b *protocol.Bulletin, ref uint32, known bool) bool {
	if known {
		return c.bulletins[ref].disowned
	}
	d := c.disowningOf(b.Header.Org(), b.Header.Certificate.Node)
	return d != nil && !d.awaits(b.ID())
}

// revive lets headers count that have turned out to be good.
func (s *Store) revive() {
	nodes := map[protocol.Node]struct{}{}
	for _, id := range s.cat.revived {
		nodes[s.cat.streams[s.cat.bulletins[s.cat.ids[id]].stream].desc.Node] = struct{}{}
	}
	s.cat.revived = nil
	for node := range nodes {
		s.revise(node)
	}
}

// A revision is a header whose standing changes, with the postings of its body.
type revision struct {
	ref      uint32
	held     held
	postings []posting
	damaged  bool // they cannot be read
}

// revise brings the catalogue in line with what was disowned of a node, and
// returns how many headers that changed. A body whose postings cannot be read
// is wanted again once it counts.
func (s *Store) revise(node protocol.Node) int {
	list := s.revisions(node)
	for i := range list {
		r := &list[i]
		if r.held.state != Held {
			continue
		}
		var err error
		if r.postings, err = s.postings(r.held); err != nil {
			s.damage("a body's index", err, "bulletin", r.held.id)
			r.damaged = true
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	streams := map[uint32]struct{}{}
	for i := range list {
		s.cat.revise(&list[i])
		streams[list[i].held.stream] = struct{}{}
	}
	for si := range streams {
		s.cat.relink(si)
	}
	return len(list)
}

// revisions lists what is to change.
func (s *Store) revisions(node protocol.Node) (list []revision) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for id, at := range s.cat.linksOf(node) {
		d := s.cat.disowningOf(at.org, node)
		ref, held := s.cat.ids[id]
		if bad := d != nil && !d.counts(id); held && bad != s.cat.bulletins[ref].disowned {
			list = append(list, revision{ref: ref, held: s.cat.bulletins[ref]})
		}
	}
	slices.SortFunc(list, func(a, b revision) int { return cmp.Compare(a.ref, b.ref) })
	return list
}

func (c *catalogue) linksOf(node protocol.Node) map[protocol.ID]link {
	if list := c.disowned[node]; len(list) > 0 {
		return list[0].links
	}
	return nil
}

// revise turns a header's standing round, and lets its body answer or not.
func (c *catalogue) revise(r *revision) {
	b := &c.bulletins[r.ref]
	b.damaged = b.damaged || r.damaged
	delete(c.wanted, r.ref)
	if b.disowned {
		if b.disowned = false; b.state == Held {
			c.addBody(r.ref, b.body, r.postings)
		}
		if b.state == Absent || b.damaged {
			c.want(r.ref)
		}
		return
	}
	switch {
	case b.state == Held && b.damaged:
		c.purge(r.ref)
	case b.state == Held:
		c.dropBody(r.ref, r.postings)
	}
	b.disowned = true
}

// relink makes a stream anew from the headers of it that count.
func (c *catalogue) relink(si uint32) {
	st := c.streams[si]
	st.order, st.floor, st.states = nil, protocol.Position{}, [states]int{}
	clear(st.tips)
	clear(st.orphans)
	for key := range c.awaiting {
		if key.stream == si {
			delete(c.awaiting, key)
		}
	}
	links := c.linksOf(st.desc.Node)
	var refs []uint32
	for id := range links {
		if ref, held := c.ids[id]; held && c.bulletins[ref].stream == si && !c.bulletins[ref].disowned && !c.bulletins[ref].aside {
			refs = append(refs, ref)
		}
	}
	slices.SortFunc(refs, func(a, b uint32) int { return c.comparePlace(a, &c.bulletins[b]) })
	for _, ref := range refs {
		at := links[c.bulletins[ref].id]
		st.states[c.bulletins[ref].state]++
		c.link(st, si, ref, &protocol.Header{Prev: at.prev, Floor: at.floor})
	}
}

// disownAgain does to a catalogue made anew what was done to the one before.
func (s *Store) disownAgain(before *catalogue) error {
	for node, list := range before.disowned {
		for _, d := range list {
			for _, l := range d.lists {
				if _, err := s.disown(d.org, node, l.last); err != nil {
					return err
				}
			}
		}
	}
	return nil
}
