package node

import (
	"cmp"
	"slices"
	"sync"

	"github.com/tocsin-exchange/tocsin/protocol"
	"github.com/tocsin-exchange/tocsin/storage/journal"
)

// maxTallied is how many kinds of things a tally tells apart in an hour.
const maxTallied = 4096

// A tally lets the first few of a kind pass in an hour, and counts the rest, so
// that nobody fills the journal by doing one thing again and again.
type tally struct {
	mu    sync.Mutex
	kinds map[string]*tallied
}

// tallied is what a tally knows of a kind.
type tallied struct {
	record journal.Record // of one of them
	passed int
	more   int64
}

func newTally() *tally { return &tally{kinds: map[string]*tallied{}} }

// first reports whether one of a kind is among the first so many. Where there
// are too many kinds the others are one.
func (t *tally) first(kind string, most int, r journal.Record) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	k := t.kinds[kind]
	if k == nil {
		if len(t.kinds) >= maxTallied {
			kind, r = "", journal.Record{Act: r.Act, Actor: journal.Node, Rule: "others"}
		}
		if k = t.kinds[kind]; k == nil {
			k = &tallied{record: r}
			t.kinds[kind] = k
		}
	}
	if kind != "" && k.passed < most {
		k.passed++
		return true
	}
	k.more++
	return false
}

// drain returns a record for each kind of which more came than passed, without
// what told one from the other, and begins anew. What is under RED is not counted.
func (t *tally) drain() (list []journal.Record) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, k := range t.kinds {
		if k.more == 0 || k.record.TLP == protocol.Red.String() {
			continue
		}
		r := k.record
		r.Bulletin, r.Numbers, r.Words, r.Count = "", map[string]int64{"more": k.more}, nil, 0
		list = append(list, r)
	}
	clear(t.kinds)
	slices.SortFunc(list, func(a, b journal.Record) int {
		return cmp.Or(cmp.Compare(a.Act, b.Act), cmp.Compare(a.Actor, b.Actor), cmp.Compare(a.Peer, b.Peer), cmp.Compare(a.Rule, b.Rule))
	})
	return list
}
