package node

import (
	"testing"
	"time"

	"github.com/tocsin-exchange/tocsin/protocol"
)

// TestWaitlistIsBounded: of too many bulletins dated ahead those due first are
// kept, whoever floods us with others, and what is dropped is counted.
func TestWaitlistIsBounded(t *testing.T) {
	a, w, dropped := newTestAuthor(t), newWaitlist(), 0
	sign := func(ahead time.Duration, size int) *protocol.Bulletin {
		h := protocol.Header{Kind: protocol.Statements, Community: protocol.ID{1}, TLP: protocol.Green, Epoch: 1, Seq: 1, Issued: protocol.Millis(time.Now().Add(ahead))}
		b, err := protocol.Sign(a.n.key, a.n.cert, h, [][]byte{make([]byte, size)})
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	soon := sign(10*time.Minute, 1)
	dropped += w.add(arrival{bulletin: soon})
	for i := range maxLater + 100 {
		dropped += w.add(arrival{bulletin: sign(time.Hour+time.Duration(i)*time.Second, 1)})
	}
	dropped += w.add(arrival{bulletin: sign(30*time.Minute, 1)})
	if w.count() != maxLater || dropped != 102 || !w.holds(soon.ID(), true) {
		t.Errorf("%d are kept, %d dropped; the one due first: %t", w.count(), dropped, w.holds(soon.ID(), true))
	}
	for range 2 * maxLaterBytes / (200 << 10) {
		w.add(arrival{bulletin: sign(20*time.Minute, 200<<10)})
	}
	size := 0
	for _, b := range w.held {
		size += sizeOf(b.bulletin)
	}
	if size != w.size || size > maxLaterBytes || size < maxLaterBytes/2 || !w.holds(soon.ID(), true) {
		t.Errorf("%d bytes are kept, counted as %d; the one due first: %t", size, w.size, w.holds(soon.ID(), true))
	}
	if due := w.take(time.Now().Add(4 * time.Minute)); len(due) != 0 {
		t.Errorf("%d are due too early", len(due))
	}
	if due := w.take(time.Now().Add(6 * time.Minute)); len(due) != 1 || due[0].bulletin.ID() != soon.ID() {
		t.Errorf("%d are due, want the first", len(due))
	}
	only := sign(10*time.Minute, 1)
	w.add(arrival{bulletin: only.HeaderOnly()})
	if w.holds(only.ID(), true) || !w.holds(only.ID(), false) {
		t.Error("a header without its body is taken for the whole")
	}
	if w.add(arrival{bulletin: only}); !w.holds(only.ID(), true) {
		t.Error("the body that came later was not kept")
	}
}
