package storage

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/tocsin-exchange/tocsin/protocol"
)

// This is the log and its synchronisation without clocks, disks and networks:
// what each of a few nodes holds, and the rules by which they find out what
// they lack. Authors publish, headers come in any order and any number of
// times or not at all, sessions are cut anywhere, and a node is put back to
// what it once held. Whatever happened: what is known to exist and not held is
// in a gap, nothing is in a gap that is held, and once nodes synchronise in
// peace all hold all that any of them holds.

// A worldNode is one node: what it holds, and the epoch it writes in.
type worldNode struct {
	*author
	cat   *catalogue
	epoch uint64
	past  [][]protocol.ID // what it held at moments it may be put back to
}

// A world is all nodes, and every header that was ever signed.
type world struct {
	t       *rapid.T
	tb      testing.TB
	nodes   []*worldNode
	headers map[protocol.ID]*protocol.Bulletin
	order   []protocol.ID
}

func newWorld(t *rapid.T, tb testing.TB, count int) *world {
	w := &world{t: t, tb: tb, headers: map[protocol.ID]*protocol.Bulletin{}}
	for i := range count {
		w.nodes = append(w.nodes, &worldNode{author: newAuthor(string(rune('a' + i))), cat: newCatalogue(), epoch: 1})
	}
	return w
}

// hold enters a header where it is not held.
func (n *worldNode) hold(b *protocol.Bulletin) {
	if _, held := n.cat.ids[b.ID()]; !held {
		n.cat.addHeader(uint64(len(n.cat.bulletins)+1), &record{state: Absent, bulletin: b})
	}
}

func (n *worldNode) held() (ids []protocol.ID) {
	for _, b := range n.cat.bulletins {
		ids = append(ids, b.id)
	}
	return ids
}

// summaries are made as the store makes them.
func (n *worldNode) summaries() map[protocol.ID]protocol.Summary {
	all := map[protocol.ID]protocol.Summary{}
	for _, st := range n.cat.streams {
		all[st.id] = protocol.Summary{Stream: st.desc, Heads: st.heads(n.cat), Gaps: st.gaps(n.cat)}
	}
	return all
}

// publish signs the next header by the rules of an author: behind the newest
// it holds, in its own epoch.
func (w *world) publish() {
	n := rapid.SampledFrom(w.nodes).Draw(w.t, "author")
	h := green(time.Duration(len(w.order)) * time.Second)
	h.Certificate, h.Epoch, h.Seq = n.cert, n.epoch<<32, 1
	if si, ok := n.cat.byStream[h.Stream().ID()]; ok {
		order := n.cat.streams[si].order
		last := n.cat.bulletins[order[len(order)-1]]
		h.Prev = last.id
		if last.pos.Epoch == h.Epoch {
			h.Seq = last.pos.Seq + 1
		}
	}
	b := n.issue(w.tb, h, []byte("o"))
	for _, other := range w.headers {
		if other.Header.Stream().ID() == b.Header.Stream().ID() && other.Header.Position() == b.Header.Position() {
			w.t.Fatalf("%v was used twice", b.Header.Position())
		}
	}
	b = b.HeaderOnly()
	w.headers[b.ID()] = b
	w.order = append(w.order, b.ID())
	n.hold(b)
}

// hear has a node get any header ever signed.
func (w *world) hear() {
	if len(w.order) > 0 {
		id := rapid.SampledFrom(w.order).Draw(w.t, "heard")
		rapid.SampledFrom(w.nodes).Draw(w.t, "by").hold(w.headers[id])
	}
}

func (w *world) remember() {
	n := rapid.SampledFrom(w.nodes).Draw(w.t, "node")
	n.past = append(n.past, n.held())
}

// putBack has a node start again with what it once held: a restored backup. As
// at every start it begins another epoch.
func (w *world) putBack() {
	n := rapid.SampledFrom(w.nodes).Draw(w.t, "node")
	if len(n.past) == 0 {
		return
	}
	kept := rapid.SampledFrom(n.past).Draw(w.t, "moment")
	n.cat = newCatalogue()
	for _, id := range kept {
		n.hold(w.headers[id])
	}
	n.epoch = uint64(len(w.order)) + 2 // as the clock does: later than any before
}

// sync has one node pull from another, cut after so many headers.
func (w *world) sync(to, from *worldNode, cut int) (news int) {
	mine, theirs := to.summaries(), from.summaries()
	held := func(id protocol.ID) bool { _, is := to.cat.ids[id]; return is }
	for _, id := range sortedKeys(theirs) {
		for _, r := range protocol.Missing(mine[id], theirs[id], held) {
			st := from.cat.streams[from.cat.byStream[id]]
			for _, ref := range st.order {
				b := from.cat.bulletins[ref]
				if b.pos.Compare(r.From) <= 0 || b.pos.Compare(r.To) > 0 || held(b.id) {
					continue
				}
				if news == cut {
					return news
				}
				to.hold(w.headers[b.id])
				news++
			}
		}
	}
	return news
}

func sortedKeys(m map[protocol.ID]protocol.Summary) []protocol.ID {
	var ids []protocol.ID
	for id := range m {
		ids = append(ids, id)
	}
	slices.SortFunc(ids, protocol.ID.Compare)
	return ids
}

// check is what holds at every node at all times.
func (w *world) check(t *rapid.T) {
	for _, n := range w.nodes {
		summaries := n.summaries()
		followed := map[protocol.ID]bool{}
		for _, b := range n.cat.bulletins {
			h := &w.headers[b.id].Header
			followed[h.Prev] = true
			if _, held := n.cat.ids[h.Prev]; held || h.Prev.IsZero() {
				continue
			}
			if lost := w.headers[h.Prev].Header.Position(); summaries[h.Stream().ID()].Covers(lost) {
				t.Fatalf("%v is missing, and in no gap of %v", lost, summaries[h.Stream().ID()].Gaps)
			}
		}
		for _, s := range summaries {
			w.checkHeads(t, n, s, followed)
		}
	}
}

// checkHeads: every header that none follows is a head, and the newest.
func (w *world) checkHeads(t *rapid.T, n *worldNode, s protocol.Summary, followed map[protocol.ID]bool) {
	shown := map[protocol.ID]bool{}
	for _, h := range s.Heads {
		shown[h.ID] = true
	}
	for _, b := range n.cat.bulletins {
		if w.headers[b.id].Header.Stream().ID() == s.Stream.ID() && !followed[b.id] && !shown[b.id] {
			t.Fatalf("%v follows nobody and is no head", b.pos)
		}
	}
}

// settle lets all synchronise in peace, and checks that they end equal.
func (w *world) settle(t *rapid.T) {
	for news := 1; news > 0; {
		news = 0
		for _, to := range w.nodes {
			for _, from := range w.nodes {
				news += w.sync(to, from, -1)
			}
		}
	}
	any := map[protocol.ID]bool{}
	for _, n := range w.nodes {
		for _, id := range n.held() {
			any[id] = true
		}
	}
	for i, n := range w.nodes {
		if len(n.cat.bulletins) != len(any) {
			t.Fatalf("node %d holds %d of the %d headers held", i, len(n.cat.bulletins), len(any))
		}
		for _, s := range n.summaries() {
			if len(s.Gaps) > 0 && !w.gone(n, s) {
				t.Fatalf("node %d has the gaps %v, where nothing is missing", i, s.Gaps)
			}
		}
	}
	w.check(t)
}

// gone reports whether a stream's gaps hold something that a node lacks.
func (w *world) gone(n *worldNode, s protocol.Summary) bool {
	for _, b := range w.headers {
		p := b.Header.Position()
		if _, held := n.cat.ids[b.ID()]; !held && b.Header.Stream().ID() == s.Stream.ID() && p.Compare(s.Newest()) <= 0 && !s.Covers(p) {
			return true
		}
	}
	return false
}

// TestSyncModel plays random histories.
func TestSyncModel(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		w := newWorld(r, t, rapid.IntRange(2, 4).Draw(r, "nodes"))
		r.Repeat(map[string]func(*rapid.T){
			"publish":  func(r *rapid.T) { w.t = r; w.publish() },
			"publish2": func(r *rapid.T) { w.t = r; w.publish() },
			"hear":     func(r *rapid.T) { w.t = r; w.hear() },
			"remember": func(r *rapid.T) { w.t = r; w.remember() },
			"put back": func(r *rapid.T) { w.t = r; w.putBack() },
			"sync": func(r *rapid.T) {
				to, from := rapid.SampledFrom(w.nodes).Draw(r, "to"), rapid.SampledFrom(w.nodes).Draw(r, "from")
				w.sync(to, from, rapid.IntRange(0, 5).Draw(r, "cut"))
			},
			"": w.check,
		})
		w.settle(r)
	})
}
