package node_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tocsin-exchange/tocsin/node/nodetest"
	"github.com/tocsin-exchange/tocsin/protocol"
)

// TestEndlessLog: a member whose log has no end, and who offers the next of it in
// session after session. What it has the bank store is bounded by its quota and
// lies on the disk; in memory stays the store's index of it, whose size the store
// tells, and no more than any peer may cost.
func TestEndlessLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fed, raw := besieged(t)
		log := &endlessLog{fed: fed, raw: raw}
		told := 8000
		if testing.Short() {
			told = 2000
		}
		log.tell(t, told/2) // fills what there is once, such as caches
		fed.Settle()
		bank := fed.Node("bank").Store()
		before, first := heap(), bank.Stats()
		log.tell(t, told)
		fed.Settle()
		last := bank.Stats()
		headers := last.Headers - first.Headers
		if headers < told/2 {
			t.Fatalf("of %d that were told the bank holds %d", told, headers)
		}
		index := last.IndexBytes - first.IndexBytes
		t.Logf("%d bulletins of one indicator: %d B of index each", headers, index/int64(headers))
		if each := index / int64(headers); each > 400 {
			t.Errorf("the index takes %d B for each", each)
		}
		costs(t, before+index)
		stillServes(t, fed, "203.0.113.7")
	})
}

// An endlessLog is one stream of a hostile host's, which it makes as it is asked
// for and keeps nothing of but what may be asked for again.
type endlessLog struct {
	fed  *nodetest.Federation
	raw  *nodetest.Raw
	last protocol.ID
	made int
	kept [2000][]byte // the latest, by place
}

// next is the bulletin at a place; those before it have been made.
func (l *endlessLog) next(place int) []byte {
	for ; l.made <= place; l.made++ {
		b := l.raw.Bulletin(protocol.Header{Community: l.fed.Community(), TLP: protocol.Green, Epoch: 1, Seq: uint64(l.made) + 1, Prev: l.last},
			fmt.Sprintf(`{"created":"2000-01-01T00:00:00.000Z","id":"indicator--00000000-0000-4000-8000-%012d","modified":"2000-01-01T00:00:00.000Z","pattern":"[domain-name:value = 'hostile%d.example']","pattern_type":"stix","spec_version":"2.1","type":"indicator","valid_from":"2000-01-01T00:00:00.000Z"}`, l.made, l.made))
		l.last = b.ID()
		l.kept[l.made%len(l.kept)] = b.Wire()
	}
	return l.kept[place%len(l.kept)]
}

// tell offers the log until so much more of it was sent.
func (l *endlessLog) tell(t *testing.T, more int) {
	t.Helper()
	for target, idle := l.made+more, 0; l.made < target; {
		before := l.made
		if err := l.session(target); err != nil {
			l.raw.Connect("bank")
		}
		time.Sleep(time.Second)
		if idle++; l.made > before {
			idle = 0
		}
		if idle > 600 {
			t.Fatalf("the bank asks for no more than %d", l.made)
		}
	}
}

// session holds one, as a peer that lacks nothing and whose log ends far away.
func (l *endlessLog) session(target int) error {
	s, err := l.raw.Open("bank", protocol.SyncProtocol)
	if err != nil {
		return err
	}
	defer s.Reset()
	end := protocol.SyncFrame{End: &protocol.End{}}
	shown := protocol.SyncFrame{Summary: &protocol.Summary{
		Stream: protocol.Stream{Node: l.raw.Cert.Node, Kind: protocol.Objects, Community: l.fed.Community(), TLP: protocol.Green},
		Heads:  []protocol.Head{{Position: protocol.Position{Epoch: 1, Seq: 1 << 30}, ID: protocol.ID{1}}},
	}}
	for _, f := range []protocol.SyncFrame{{Digest: &protocol.ID{1}}, shown, end, end} {
		if err := protocol.WriteFrame(s, f); err != nil {
			return err
		}
	}
	for ended := 0; ended < 2; { // summaries, then wants
		f, err := protocol.ReadFrame[protocol.SyncFrame](s, protocol.MaxFrame)
		switch {
		case err != nil:
			return err
		case f.End != nil:
			ended++
		case f.Want != nil && len(f.Want.Ranges) > 0:
			r := f.Want.Ranges[0]
			answer := protocol.SyncFrame{End: &protocol.End{}}
			from := int(r.From.Seq)
			for i := range 1000 {
				if err := protocol.WriteFrame(s, protocol.SyncFrame{Bulletin: l.next(from + i)}); err != nil {
					return err
				}
			}
			if l.made < target {
				answer.End.Rest = append([]protocol.Range{{From: protocol.Position{Epoch: 1, Seq: uint64(from + 1000)}, To: r.To}}, f.Want.Ranges[1:]...)
			}
			if err := protocol.WriteFrame(s, answer); err != nil {
				return err
			}
		case f.Want != nil:
			if err := protocol.WriteFrame(s, end); err != nil {
				return err
			}
		}
	}
	return nil
}
