package node

import (
	"crypto/ed25519"
	"log/slog"
	"math"
	"testing"
	"time"

	"github.com/tocsin-exchange/tocsin/protocol"
	"github.com/tocsin-exchange/tocsin/storage"
)

// newTestAuthor returns an author on an empty store, without a host.
func newTestAuthor(t *testing.T) *author {
	t.Helper()
	_, org, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	_, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	store, err := storage.Open(t.TempDir(), storage.Options{Small: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	now := time.Now()
	return newAuthor(&Node{
		gate: NewGate(), key: key, store: store, log: slog.New(slog.DiscardHandler),
		cert: protocol.Certify(org, protocol.NodeOf(key), now.Add(-time.Hour), now.Add(1000*time.Hour)),
	})
}

func (a *author) mustSign(t *testing.T) *protocol.Bulletin {
	t.Helper()
	b, err := a.sign(protocol.Header{Kind: protocol.Statements, Community: protocol.ID{1}, TLP: protocol.Green}, [][]byte{{1}})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestClockSteppedBack: a bulletin that would be dated before the last one is
// signed in a new epoch, and follows it.
func TestClockSteppedBack(t *testing.T) {
	a := newTestAuthor(t)
	first, second := a.mustSign(t), a.mustSign(t)
	if second.Header.Epoch != first.Header.Epoch || second.Header.Seq != 2 || second.Header.Issued < first.Header.Issued {
		t.Fatalf("the second bulletin stands at %v, dated %d after the first", second.Header.Position(), second.Header.Issued-first.Header.Issued)
	}
	a.issued = protocol.Millis(time.Now().Add(time.Hour)) // the clock was an hour ahead, and was set right
	third := a.mustSign(t)
	if third.Header.Epoch <= first.Header.Epoch || third.Header.Seq != 1 || third.Header.Prev != second.ID() {
		t.Errorf("after the clock stepped back: epoch %d after %d, number %d", third.Header.Epoch, first.Header.Epoch, third.Header.Seq)
	}
}

// TestOwnLogSeenFurtherOn: what a peer claims to hold of our own log moves us
// into an epoch above it, unless that lies far ahead of the clock.
func TestOwnLogSeenFurtherOn(t *testing.T) {
	a := newTestAuthor(t)
	a.n.author = a
	first := a.mustSign(t)
	if _, err := a.n.store.Put(t.Context(), storage.Entry{Bulletin: first, Body: storage.Held, Own: true}); err != nil {
		t.Fatal(err)
	}
	current := first.Header.Epoch
	far := (uint64(time.Now().Unix()) + 2*24*3600) << 32
	for _, c := range []struct {
		name string
		head protocol.Head
		node protocol.Node
		want uint64 // to be surpassed; 0: the epoch stays
	}{
		{"what we hold", protocol.Head{Position: first.Header.Position(), ID: first.ID()}, a.n.cert.Node, 0},
		{"an epoch before", protocol.Head{Position: protocol.Position{Epoch: current - 1, Seq: 9}, ID: protocol.ID{9}}, a.n.cert.Node, 0},
		{"another node's", protocol.Head{Position: protocol.Position{Epoch: current, Seq: 9}, ID: protocol.ID{9}}, protocol.Node{7}, 0},
		{"far ahead of the clock", protocol.Head{Position: protocol.Position{Epoch: far, Seq: 1}, ID: protocol.ID{9}}, a.n.cert.Node, 0},
		{"more of the current epoch", protocol.Head{Position: protocol.Position{Epoch: current, Seq: 9}, ID: protocol.ID{9}}, a.n.cert.Node, current},
		{"an epoch above it", protocol.Head{Position: protocol.Position{Epoch: current + 5<<32, Seq: 1}, ID: protocol.ID{9}}, a.n.cert.Node, current + 5<<32},
	} {
		a.epoch.Store(current)
		a.next[protocol.ID{}] = protocol.Head{}
		stream := first.Header.Stream()
		stream.Node = c.node
		a.n.ownShown([]protocol.Summary{{Stream: stream, Heads: []protocol.Head{c.head}}})
		a.catchUp()
		switch epoch := a.epoch.Load(); {
		case c.want == 0 && epoch != current:
			t.Errorf("%s: a new epoch was opened", c.name)
		case c.want != 0 && (epoch <= c.want || len(a.next) != 0):
			t.Errorf("%s: the epoch is %d, want one above %d", c.name, epoch, c.want)
		}
	}
}

// TestEpochsStayInRange: nobody who has our key can push us over the end.
func TestEpochsStayInRange(t *testing.T) {
	a := newTestAuthor(t)
	a.open(math.MaxUint64)
	if high := a.epoch.Load() >> 32; high < uint64(time.Now().Unix())-1 {
		t.Errorf("the epoch's high half is %d", high)
	}
	a.open(a.epoch.Load() + 7<<32)
	if a.mustSign(t).Header.Epoch>>32 < uint64(time.Now().Unix())+7 {
		t.Error("the next epoch is not above the last")
	}
}
