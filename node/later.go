package node

import (
	"sync"
	"time"

	"github.com/tocsin-exchange/tocsin/protocol"
	"github.com/tocsin-exchange/tocsin/trust"
)

// Limits of what is dated ahead and waits.
const (
	maxLater      = 1024     // bulletins
	maxLaterBytes = 16 << 20 // of headers and bodies
)

// A waitlist holds bulletins that are dated too far ahead of our clock, until
// their time has come: nothing of them is stored or counts before. Of too many
// those due first are kept; sync brings the others again.
type waitlist struct {
	news chan struct{} // something was added
	mu   sync.Mutex
	held map[protocol.ID]arrival
	size int
}

func newWaitlist() *waitlist {
	return &waitlist{news: make(chan struct{}, 1), held: map[protocol.ID]arrival{}}
}

// dueAt is when trust takes a bulletin.
func dueAt(b *protocol.Bulletin) time.Time {
	return protocol.Time(b.Header.Issued).Add(-trust.MaxAhead)
}

func sizeOf(b *protocol.Bulletin) int {
	header, _ := b.HeaderBytes()
	return len(header) + len(b.Body())
}

// add keeps a bulletin and returns how many were dropped for lack of room, it
// or others due later.
func (w *waitlist) add(a arrival) (dropped int) {
	if w.holds(a.bulletin.ID(), a.bulletin.HasBody()) {
		return 0
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.drop(a.bulletin.ID())
	w.held[a.bulletin.ID()] = a
	for w.size += sizeOf(a.bulletin); len(w.held) > maxLater || w.size > maxLaterBytes; dropped++ {
		w.drop(w.last())
	}
	signal(w.news)
	return dropped
}

func (w *waitlist) drop(id protocol.ID) {
	if a, is := w.held[id]; is {
		w.size -= sizeOf(a.bulletin)
		delete(w.held, id)
	}
}

// last returns the one that has the longest to wait.
func (w *waitlist) last() (id protocol.ID) {
	latest := uint64(0)
	for i, a := range w.held {
		if a.bulletin.Header.Issued >= latest {
			id, latest = i, a.bulletin.Header.Issued
		}
	}
	return id
}

// holds reports whether a bulletin waits here already, with its body when one
// is asked for: it need not be verified again.
func (w *waitlist) holds(id protocol.ID, body bool) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	a, is := w.held[id]
	return is && (a.bulletin.HasBody() || !body)
}

// take returns those whose time has come, and forgets them.
func (w *waitlist) take(now time.Time) (due []arrival) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for id, a := range w.held {
		if !dueAt(a.bulletin).After(now) {
			due = append(due, a)
			w.drop(id)
		}
	}
	return due
}

// next returns how long until one is due, at most an hour.
func (w *waitlist) next(now time.Time) time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	wait := time.Hour
	for _, a := range w.held {
		wait = min(wait, dueAt(a.bulletin).Sub(now))
	}
	return max(wait, 0)
}

func (w *waitlist) count() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.held)
}
