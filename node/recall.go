package node

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/tocsin-exchange/tocsin/protocol"
	"github.com/tocsin-exchange/tocsin/storage"
	"github.com/tocsin-exchange/tocsin/trust"
)

const (
	eraseWithin = 10 * time.Second // how long admitting an erasure waits for readers
	eraseAgain  = 15 * time.Second // between looks at what is left to erase
)

// An erasure is what a statement asks to be destroyed. It binds when the
// organisation that says it said the bulletin, which may come later.
type erasure struct {
	by      protocol.Org
	objects []uint64
	said    protocol.ID // the bulletin of the statement
	node    protocol.Node
	label   protocol.TLP
}

// takeErasure notes one. Erasures of organisations that have left still bind.
func (k *knowledge) takeErasure(b *protocol.Bulletin, e *protocol.Erasure) {
	k.erasures[e.Bulletin] = append(k.erasures[e.Bulletin], erasure{
		by: b.Header.Org(), objects: e.Objects, said: b.ID(), node: b.Header.Certificate.Node, label: b.Header.TLP,
	})
}

// A sealing is where to seal what only a node may read, as it last said.
type sealing struct {
	issued uint64
	key    *protocol.EncryptionKey
}

// takeSealing believes what a node says of itself.
func (k *knowledge) takeSealing(b *protocol.Bulletin, key *protocol.EncryptionKey) {
	node := b.Header.Certificate.Node
	if key.Node == node && b.Header.Issued >= k.sealing[node].issued {
		k.sealing[node] = sealing{b.Header.Issued, key}
	}
}

// erasedOf returns which objects of a bulletin its author has had erased: by the
// statements known, and by what the store remembers of what it destroyed.
func (n *Node) erasedOf(b *protocol.Bulletin) (objects []uint64) {
	n.mu.Lock()
	for _, e := range n.known.erasures[b.ID()] {
		if e.by == b.Header.Org() {
			objects = append(objects, e.objects...)
		}
	}
	n.mu.Unlock()
	for i, leaf := range b.Leaves() {
		if n.store.LeafErased(leaf) {
			objects = append(objects, uint64(i))
		}
	}
	slices.Sort(objects)
	return slices.Compact(objects)
}

// erases reports whether a bulletin says an erasure.
func erases(b *protocol.Bulletin) bool {
	if b.Header.Kind != protocol.Statements {
		return false
	}
	for _, object := range b.Objects() {
		if s, err := protocol.DecodeStatement(object); err == nil && s.Erasure != nil {
			return true
		}
	}
	return false
}

// ownErasures lists the bulletins in which this node asked members of a
// community to erase something, in order of their ids.
func (n *Node) ownErasures() (ids []protocol.ID) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, list := range n.known.erasures {
		for _, e := range list {
			if e.node == n.cert.Node && !trust.Named(e.label) {
				ids = append(ids, e.said)
			}
		}
	}
	slices.SortFunc(ids, protocol.ID.Compare)
	return slices.Compact(ids)
}

// carryOut destroys what newly held bulletins ask to be erased, and what they
// carry that others have asked for, before anybody is told that they are held.
func (n *Node) carryOut(ctx context.Context, held []*protocol.Bulletin) error {
	var all []storage.Erasure
	for _, b := range held {
		if b.Header.Kind == protocol.Objects {
			all = append(all, n.erasuresIn(b)...)
		} else if !n.store.Disowned(b.ID()) {
			all = append(all, n.erasuresBy(b)...)
		}
	}
	if err := n.erase(ctx, all); err != nil {
		return err
	}
	return n.giveUp(ctx, all)
}

// giveUp no longer waits for bodies of which nothing is left anywhere.
func (n *Node) giveUp(ctx context.Context, all []storage.Erasure) error {
	var gone []storage.Entry
	for _, e := range all {
		b, body, err := n.store.Header(e.ID)
		if err == nil && body == storage.Absent && nothingLeft(&b.Header, n.erasedOf(b)) {
			gone = append(gone, storage.Entry{Bulletin: b, Body: storage.Erased, Reason: "erased"})
		}
	}
	_, err := n.admit(ctx, gone)
	return err
}

// nothingLeft reports whether all objects of a bulletin are erased.
func nothingLeft(h *protocol.Header, erased []uint64) bool {
	left := h.Count
	for _, i := range erased {
		if i < h.Count {
			left--
		}
	}
	return left == 0
}

// erase destroys objects. It may have to wait for a backup that still reads
// them; then it is done later, and until then nobody is told that it was.
func (n *Node) erase(ctx context.Context, all []storage.Erasure) error {
	if len(all) == 0 {
		return nil
	}
	brief, cancel := context.WithTimeout(ctx, eraseWithin)
	defer cancel()
	if err := n.eraseHeld(brief, all); err != nil {
		n.unerased.Add(1)
		return fmt.Errorf("erase: %w", err)
	}
	if err := n.noteOrphans(brief, all); err != nil {
		n.unerased.Add(1)
		return fmt.Errorf("erase: %w", err)
	}
	erased, err := n.store.EraseAll(brief, all)
	n.counters.erased.Add(uint64(erased))
	n.noteErased(all, erased, err)
	if errors.Is(err, protocol.ErrInvalid) || errors.Is(err, storage.ErrNotFound) {
		n.log.Debug("an erasure names what is not there", "err", err) // the others were carried out
		return nil
	}
	if err != nil {
		n.unerased.Add(1)
		return fmt.Errorf("erase: %w", err)
	}
	return nil
}

// erasuresIn lists what a bulletin carries although its author has had it
// erased: the two arrived at the same time.
func (n *Node) erasuresIn(b *protocol.Bulletin) []storage.Erasure {
	salted := b.Salted()
	objects := slices.DeleteFunc(n.erasedOf(b), func(i uint64) bool { return i >= uint64(len(salted)) || salted[i] == nil })
	if len(objects) == 0 {
		return nil
	}
	return []storage.Erasure{{ID: b.ID(), Objects: objects}}
}

// erasuresBy lists what a bulletin of statements asks to be erased of what is
// held, where its organisation may ask that.
func (n *Node) erasuresBy(b *protocol.Bulletin) (all []storage.Erasure) {
	for _, object := range b.Objects() {
		s, err := protocol.DecodeStatement(object)
		if err != nil || s.Erasure == nil {
			continue
		}
		target, _, err := n.store.Header(s.Erasure.Bulletin)
		if err == nil && target.Header.Org() == b.Header.Org() {
			all = append(all, storage.Erasure{ID: s.Erasure.Bulletin, Objects: s.Erasure.Objects})
		}
	}
	return all
}

// runErase carries out what a crash, or a reader, kept from being carried out.
// Until that is done no erasure is signed for. What we said of what is gone
// follows it.
func (n *Node) runErase() {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-n.ctx.Done():
			return
		case <-timer.C:
			timer.Reset(eraseAgain)
			if err := n.eraseLeft(); err != nil && n.ctx.Err() == nil {
				n.log.Error("erase", "err", err)
			}
		}
	}
}

// eraseLeft does what is left to do.
func (n *Node) eraseLeft() error {
	if failures := n.unerased.Load(); failures > 0 {
		if err := n.eraseAll(); err != nil {
			return err
		}
		n.unerased.CompareAndSwap(failures, 0) // unless another failed meanwhile
		signal(n.outbox.news)
	}
	return n.eraseOrphans()
}

// carriedOut reports whether all that is asked for by erasures held now is
// destroyed. Admissions that have begun may still be at it, or bring what an
// erasure came before.
func (n *Node) carriedOut() bool {
	brief, cancel := context.WithTimeout(n.ctx, eraseWithin)
	defer cancel()
	return n.admissions.outlast(brief) == nil && n.unerased.Load() == 0
}

// admissions are those under way.
type admissions struct {
	mu  sync.Mutex
	now map[chan struct{}]bool // closed when it ends
}

// begin notes an admission until end is called.
func (a *admissions) begin() (end func()) {
	done := make(chan struct{})
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.now == nil {
		a.now = map[chan struct{}]bool{}
	}
	a.now[done] = true
	return func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		delete(a.now, done)
		close(done)
	}
}

// outlast waits until those under way have ended.
func (a *admissions) outlast(ctx context.Context) error {
	a.mu.Lock()
	begun := slices.Collect(maps.Keys(a.now))
	a.mu.Unlock()
	for _, done := range begun {
		select {
		case <-done:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// eraseAll carries out every erasure known once more.
func (n *Node) eraseAll() error {
	n.mu.Lock()
	known := maps.Clone(n.known.erasures)
	n.mu.Unlock()
	var all []storage.Erasure
	for target, list := range known {
		author := n.authorOf(target)
		for _, e := range list {
			if author == e.by {
				all = append(all, storage.Erasure{ID: target, Objects: e.objects})
			}
		}
	}
	for some := range slices.Chunk(all, maxBatch) {
		if err := n.erase(n.ctx, some); err != nil {
			return err
		}
	}
	return nil
}
