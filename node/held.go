package node

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/tocsin-exchange/tocsin/protocol"
	"github.com/tocsin-exchange/tocsin/storage"
)

// What is held for a person is no part of the store's memory: it lies in rows of
// a table of its own, so no lookup, feed, change, sync or archive ever reads it.
// An item is a record and the parts of its content. The parts are written first:
// without its record an item is none. Its rows leave by a purge alone, so that
// what was decided on, or erased, is in no file any more.
const (
	heldBytes = 64 << 20 // of content, all items together
	heldPart  = 60 << 10

	kindAdmission  = "admission"
	kindSubmission = "submission"

	stateHeld     = "held"
	stateAccepted = "accepted"
	stateRejected = "rejected"
)

// A heldRecord is the row that makes an item.
type heldRecord struct {
	Kind   string    `json:"kind"`
	State  string    `json:"state"`
	Rule   string    `json:"rule"`
	Reason string    `json:"reason"`
	At     time.Time `json:"at"` // since when it is held
	Size   int64     `json:"size"`
	Count  int       `json:"count"` // of objects

	From    protocol.Node     `json:"from,omitzero"`    // of an admission: who handed it over
	Forward *protocol.Forward `json:"forward,omitzero"` // and that it came to us as a client

	Header protocol.Header `json:"header"`           // of an admission, or what a submission would go under
	Remark *heldRemark     `json:"remark,omitempty"` // a submission that is none of drafts
	By     string          `json:"by,omitempty"`
	Role   string          `json:"role,omitempty"`

	Decided   string    `json:"decided,omitempty"` // by whom
	DecidedAt time.Time `json:"decided_at,omitzero"`
	Word      string    `json:"word,omitempty"`  // what they said of it
	Ruled     string    `json:"ruled,omitempty"` // the reason of the receipt, where rules decided otherwise since, and nobody else
}

func (r *heldRecord) parts() int { return int((r.Size + heldPart - 1) / heldPart) }

// A heldItem is what is known of an item in memory.
type heldItem struct {
	heldRecord
	ready   bool // its rows are there
	settled bool // what was decided is done: its rows may go
}

// A desk is all that is held for a person.
type desk struct {
	table storage.Table
	wake  chan struct{} // the rules are others

	mu    sync.Mutex
	items map[protocol.ID]*heldItem
	bytes int64
	lost  []protocol.ID // rows without a record
	left  []protocol.ID // decided before the node started, and perhaps not done
	full  bool          // something was turned away

	held, turnedAway, declined atomic.Uint64
}

func newDesk(table storage.Table) *desk {
	return &desk{table: table, wake: make(chan struct{}, 1), items: map[protocol.ID]*heldItem{}}
}

func recordKey(id protocol.ID) []byte { return append(id[:], 0) }

func partKey(id protocol.ID, part int) []byte {
	return binary.BigEndian.AppendUint16(append(id[:], 1), uint16(part))
}

// load reads the records. Items that lack rows are lost.
func (h *desk) load() error {
	parts := map[protocol.ID]int{}
	for key, value := range h.table.All() {
		if len(key) <= len(protocol.ID{}) {
			continue // no item's
		}
		id := protocol.ID(key[:len(protocol.ID{})])
		if key[len(id)] != 0 {
			parts[id]++
			continue
		}
		item := &heldItem{ready: true}
		if err := json.Unmarshal(value, &item.heldRecord); err != nil {
			return fmt.Errorf("what is held for review: %w", err)
		}
		h.items[id] = item
		h.bytes += item.Size
	}
	for id, item := range h.items {
		if parts[id] < item.parts() && item.State == stateHeld {
			h.bytes -= item.Size
			delete(h.items, id)
			parts[id]++
		}
	}
	for id, item := range h.items {
		if item.State != stateHeld {
			h.left = append(h.left, id)
		}
	}
	for id := range parts {
		if h.items[id] == nil {
			h.lost = append(h.lost, id)
		}
	}
	return nil
}

// state returns what a person decided about an item, "" where there is none or
// rules did.
func (h *desk) state(id protocol.ID) (state, by string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if item := h.items[id]; item != nil && item.Ruled == "" {
		return item.State, item.Decided
	}
	return "", ""
}

// add keeps an item; false: there is no room for it. One that is there already
// stays as it is.
func (h *desk) add(ctx context.Context, id protocol.ID, r heldRecord, content []byte, limit int) (ok bool, err error) {
	r.State, r.Size = stateHeld, int64(len(content))
	h.mu.Lock()
	if h.items[id] != nil {
		h.mu.Unlock()
		return true, nil
	}
	if len(h.items) >= limit || h.bytes+r.Size > heldBytes || slices.Contains(h.lost, id) {
		h.full = true
		h.turnedAway.Add(1)
		h.mu.Unlock()
		return false, nil
	}
	item := &heldItem{heldRecord: r}
	h.items[id] = item
	h.bytes += r.Size
	h.mu.Unlock()
	err = h.write(ctx, id, r, content)
	h.mu.Lock()
	defer h.mu.Unlock()
	if item.ready = err == nil; err != nil {
		h.bytes -= r.Size
		delete(h.items, id)
		h.lost = append(h.lost, id)
		return false, err
	}
	h.held.Add(1)
	return true, nil
}

func (h *desk) write(ctx context.Context, id protocol.ID, r heldRecord, content []byte) error {
	var wg sync.WaitGroup
	errs := make([]error, r.parts())
	for i := range errs {
		part := content[i*heldPart : min((i+1)*heldPart, len(content))]
		wg.Go(func() { errs[i] = h.table.Set(ctx, partKey(id, i), part) })
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		return err
	}
	return h.set(ctx, id, &r)
}

func (h *desk) set(ctx context.Context, id protocol.ID, r *heldRecord) error {
	row, err := json.Marshal(r, json.Deterministic(true))
	if err != nil {
		return err
	}
	return h.table.Set(ctx, recordKey(id), row)
}

// A decision is what becomes of an item, and by whom or by which rule.
type decision struct{ state, by, word, ruled string }

func (r *heldRecord) decided(d decision) {
	r.State, r.Decided, r.DecidedAt, r.Word, r.Ruled = d.state, d.by, time.Now(), d.word, d.ruled
}

// decide notes durably what becomes of an item that waits. Nobody decides twice.
func (h *desk) decide(ctx context.Context, id protocol.ID, d decision) (r heldRecord, err error) {
	h.mu.Lock()
	item := h.items[id]
	if item == nil || !item.ready || item.State != stateHeld {
		h.mu.Unlock()
		return r, errNotHeld(id)
	}
	before := item.heldRecord
	item.decided(d)
	r = item.heldRecord
	h.mu.Unlock()
	if err := h.set(ctx, id, &r); err != nil {
		h.mu.Lock()
		item.heldRecord = before
		h.mu.Unlock()
		return r, fmt.Errorf("review: %w", err)
	}
	return r, nil
}

// undecide lets an item wait again.
func (h *desk) undecide(ctx context.Context, id protocol.ID) error {
	h.mu.Lock()
	item := h.items[id]
	if item == nil {
		h.mu.Unlock()
		return nil
	}
	item.State, item.Decided, item.DecidedAt, item.Word, item.Ruled = stateHeld, "", time.Time{}, "", ""
	r := item.heldRecord
	h.mu.Unlock()
	return h.set(ctx, id, &r)
}

// settle notes that what was decided about an item is done.
func (h *desk) settle(id protocol.ID) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if item := h.items[id]; item != nil {
		item.settled = true
	}
}

// content reads an item's content.
func (h *desk) content(id protocol.ID, r *heldRecord) ([]byte, error) {
	content := make([]byte, 0, min(r.Size, heldBytes))
	for i := range r.parts() {
		part, ok, err := h.table.Load(partKey(id, i))
		if err != nil || !ok {
			return nil, errors.Join(err, errNotHeld(id))
		}
		content = append(content, part...)
	}
	if int64(len(content)) != r.Size {
		return nil, errNotHeld(id)
	}
	return content, nil
}

func errNotHeld(id protocol.ID) error {
	return fmt.Errorf("%w: nothing %s is held for review", ErrNotFound, id)
}

// waiting returns the records of the items in a state.
func (h *desk) waiting(state string) map[protocol.ID]heldRecord {
	h.mu.Lock()
	defer h.mu.Unlock()
	list := map[protocol.ID]heldRecord{}
	for id, item := range h.items {
		if item.ready && item.State == state && !item.settled {
			list[id] = item.heldRecord
		}
	}
	return list
}

// find returns an item's record, whatever its state.
func (h *desk) find(id protocol.ID) (heldRecord, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if item := h.items[id]; item != nil && item.ready {
		return item.heldRecord, true
	}
	return heldRecord{}, false
}

// open reports whether there is an item that is not done with.
func (h *desk) open(id protocol.ID) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	item := h.items[id]
	return item != nil && !item.settled
}

// over lists the items that are done with.
func (h *desk) over() []protocol.ID {
	h.mu.Lock()
	defer h.mu.Unlock()
	ids := slices.Clone(h.lost)
	for id, item := range h.items {
		if item.settled {
			ids = append(ids, id)
		}
	}
	return ids
}

// purge destroys the rows of items, and forgets them.
func (h *desk) purge(ctx context.Context, ids []protocol.ID) error {
	if len(ids) == 0 {
		return nil
	}
	prefixes := make([][]byte, len(ids))
	for i := range ids {
		prefixes[i] = ids[i][:]
	}
	if err := h.table.Purge(ctx, prefixes...); err != nil {
		return err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, id := range ids {
		if item := h.items[id]; item != nil {
			h.bytes -= item.Size
			delete(h.items, id)
		}
	}
	h.lost = slices.DeleteFunc(h.lost, func(id protocol.ID) bool { return slices.Contains(ids, id) })
	return nil
}

// roomy reports, once, that there is room again after something was turned away.
func (h *desk) roomy(limit int) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.full || len(h.items) > limit/2 || h.bytes > heldBytes/2 {
		return false
	}
	h.full = false
	return true
}
