package node

import (
	"slices"
	"testing"
	"time"

	"github.com/tocsin-exchange/tocsin/protocol"
)

// TestAsking: a body is asked of one at a time, and of another when that one
// has not brought it in time.
func TestAsking(t *testing.T) {
	var a asking
	one, two, three := protocol.ID{1}, protocol.ID{2}, protocol.ID{3}
	now := time.Now()
	if got := a.claim([]protocol.ID{one, two}, now); !slices.Equal(got, []protocol.ID{one, two}) {
		t.Errorf("claimed %v of what nobody was asked for", got)
	}
	if got := a.claim([]protocol.ID{one, two, three}, now.Add(askedFor/2)); !slices.Equal(got, []protocol.ID{three}) {
		t.Errorf("claimed %v, want the one that nobody was asked for", got)
	}
	a.end([]protocol.ID{one})
	if got := a.claim([]protocol.ID{one, two}, now.Add(askedFor/2)); !slices.Equal(got, []protocol.ID{one}) {
		t.Errorf("claimed %v, want the one that was given up", got)
	}
	if got := a.claim([]protocol.ID{two, three}, now.Add(askedFor)); !slices.Equal(got, []protocol.ID{two}) {
		t.Errorf("claimed %v, want the one that did not come in time", got)
	}
	if a.end([]protocol.ID{one, two, three}); len(a.ids) > 0 {
		t.Errorf("%d are remembered after the end", len(a.ids))
	}
}
