package api

import (
	"encoding/binary"
	"fmt"

	"github.com/tocsin-exchange/tocsin/protocol"
	"github.com/tocsin-exchange/tocsin/storage"
	"github.com/tocsin-exchange/tocsin/trust"
)

// A mark is the last change that a caller was given, by what it is and not by
// where it lies in the store: numbers there count what the caller may not see.
// The zero value is the beginning.
type mark struct {
	bulletin protocol.ID
	index    uint16 // of the object
	received uint64 // Unix milliseconds; another when a lost body came anew
	silence  uint64 // whose word did not count then, see [node.Node.Silence]
}

const markSize = 32 + 2 + 8 + 8

// A spot is where a caller is: its mark, and the arrival up to which the store
// has nothing more for it.
type spot struct {
	mark
	arrival uint64
}

// behind is the spot behind a change.
func (s spot) behind(c *storage.Claim) spot {
	return spot{mark{c.Bulletin, uint16(c.Index), protocol.Millis(c.Received), s.silence}, c.Arrival}
}

// A reach is whose spot is remembered.
type reach struct {
	mark
	reader trust.Reader
}

// maxReaches is how many spots are remembered: between its mark and where it was
// another cursor reads what the caller may not see once more.
const maxReaches = 4096

// cursors writes and reads marks as texts of one store.
type cursors struct{ opaque storage.Opaque }

func newCursors(storeID string) cursors {
	return cursors{storage.NewOpaque("tocsin cursor v2", storeID)}
}

func (c cursors) text(p mark) string {
	b := append(make([]byte, 0, markSize), p.bulletin[:]...)
	b = binary.BigEndian.AppendUint16(b, p.index)
	b = binary.BigEndian.AppendUint64(b, p.received)
	return c.opaque.Text(binary.BigEndian.AppendUint64(b, p.silence))
}

// mark reads what text wrote. Cursors of the first version, which hold nothing
// here, lead nowhere.
func (c cursors) mark(text string) (p mark, err error) {
	plain, ours, err := c.opaque.Read(text)
	switch {
	case err != nil || len(plain) != markSize && len(plain) != 0:
		return p, kindUsage.problem(fmt.Sprintf("cursor %q: it is damaged", shown(text)), "copy it again, or begin without one")
	case !ours || len(plain) == 0:
		return p, kindCursor.problem("the cursor is not of this node's store, or from before it was set up anew", "begin again without a cursor")
	}
	copy(p.bulletin[:], plain)
	p.index = binary.BigEndian.Uint16(plain[32:])
	p.received = binary.BigEndian.Uint64(plain[34:])
	p.silence = binary.BigEndian.Uint64(plain[42:])
	return p, nil
}

// spot finds where a cursor leads for a caller; "" is the beginning and "now"
// the end.
func (d *Door) spot(text string, who caller) (spot, error) {
	switch text {
	case "":
		return spot{mark: mark{silence: d.node.Silence()}}, nil
	case "now":
		return d.end(who)
	}
	p, err := d.cursors.mark(text)
	if err != nil {
		return spot{}, err
	}
	if p.silence != d.node.Silence() {
		return spot{}, kindCursor.problem("the cursor is too old: since then somebody's word has ceased to count here, or counts again", "begin again without a cursor")
	}
	if arrival, known := d.looked.Get(reach{p, who.reader}); known {
		return spot{p, arrival}, nil
	}
	if p == (mark{silence: p.silence}) {
		return spot{mark: p}, nil
	}
	arrival, err := d.arrival(p)
	return spot{p, arrival}, err
}

// cursor writes a spot for a caller, and remembers it.
func (d *Door) cursor(at spot, who caller) string {
	d.looked.Add(reach{at.mark, who.reader}, at.arrival)
	return d.cursors.text(at.mark)
}

// arrival finds where a mark lies in the store. What has left the store since,
// or came anew, is nowhere.
func (d *Door) arrival(p mark) (uint64, error) {
	first, received, ok := d.node.Store().Arrived(p.bulletin)
	if !ok || received != p.received {
		return 0, kindCursor.problem("the cursor is too old: what it stands at has left this node's store, or came anew", "begin again without a cursor")
	}
	return first + uint64(p.index), nil
}

// end is the spot behind all that a caller may see now. It looks back from the
// newest arrival, further each time, for the last bulletin shown to it.
func (d *Door) end(who caller) (spot, error) {
	store, q := d.node.Store(), d.query(who)
	end := store.Position()
	var last *protocol.Header
	visible := q.Visible
	q.Visible = func(h *protocol.Header) bool {
		if visible(h) {
			last = h
		}
		return false // whose objects need not be read
	}
	for back := uint64(256 * protocol.MaxObjects); last == nil; back *= 8 {
		from := end - min(back, end)
		for range store.Changes(from, q) {
		}
		if from == 0 {
			break
		}
	}
	at := spot{mark{silence: d.node.Silence()}, store.Position()} // what came meanwhile came before now
	if last == nil {
		return at, nil
	}
	id, held := store.At(last.Stream().ID(), last.Position())
	receipt, err := store.Receipt(id)
	if !held || err != nil {
		return at, err
	}
	at.mark = mark{id, uint16(last.Count - 1), receipt.Received, at.silence}
	return at, nil
}
