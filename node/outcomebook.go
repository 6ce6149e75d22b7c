package node

import (
	"bytes"
	"cmp"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/tocsin-exchange/tocsin/protocol"
	"github.com/tocsin-exchange/tocsin/protocol/stix"
	"github.com/tocsin-exchange/tocsin/storage"
	"github.com/tocsin-exchange/tocsin/trust/score"
)

// Outcomes are kept in the table "outcomes":
//
//	"key"       the key of the hashes below
//	"cursor"    the arrival up to which outcomes were drawn
//	"missed"    the arrival after which one was drawn that there was no room for
//	"o" number8 some outcomes, in order
//
// An outcome names the value by HMAC-SHA256 of organisation, record, outcome and
// value, cut to 16 bytes: one that is drawn again is the same, and no value is on the
// disk. Whoever has the files of a store that is not encrypted can try out
// guesses. One that weighs nothing ends the one before it with the same hash.
const (
	bookKey, bookCursor, bookMissed = "key", "cursor", "missed"
	bookRow                         = 'o'

	rowOutcomes = 400 // in a row of the table
	fadedAfter  = 4   // half-lives after which an outcome is forgotten: a sixteenth is left

	// How many outcomes of a kind are kept of one organisation and type: those of
	// which most is left, now and at any time to come. More would not move its
	// trust; strangers cannot rise far. When one of them is withdrawn, another takes
	// its place: what was passed over is drawn anew.
	mostConfirmed, mostFalse, mostOfStrangers = 512, 64, 16
	mostOutcomes                              = 1 << 18 // in all
)

// An outcomeBook holds the outcomes of others' words. It is for one goroutine.
type outcomeBook struct {
	table    storage.Table
	key      []byte
	keyless  bool // the key is not in the table yet
	cursor   uint64
	accounts map[outcomeKey]*account
	count    int // of outcomes
	rows     map[uint64]int64
	next     uint64  // row
	pending  []drawn // not in the table yet
	dropped  uint64  // for lack of room in all; they are drawn anew once there is some
	halfLife time.Duration

	missed  *uint64 // the lowest arrival after which something was drawn and not kept; nil: nothing was
	kept    *uint64 // of them, in the table
	crowded bool    // something was dropped
	again   bool    // there may be room for it now
}

// An account is what became of one organisation's word on one type of value.
type account struct {
	outcomes map[outcomeHash]drawn
	kinds    [2]int // how many of each
	partial  bool   // others were passed over
	sum      score.Outcomes
}

type outcomeHash [16]byte

// A drawn outcome, as it is kept.
type drawn struct {
	hash outcomeHash
	outcomeKey
	by     protocol.Org
	what   score.Outcome
	weight float32 // 0: it ends the one with its hash
	at     int64
}

// openBook reads the outcomes kept in a store.
func openBook(store *storage.Store, m *score.Model, now time.Time) (*outcomeBook, error) {
	b := &outcomeBook{table: store.Table(tableOutcomes), accounts: map[outcomeKey]*account{}, rows: map[uint64]int64{}}
	for key, value := range b.table.All() {
		if err := b.read(string(key), value); err != nil {
			return nil, fmt.Errorf("outcomes: %x: %w", key, err)
		}
	}
	if b.cursor > store.Position() { // of a store that went on after this copy of it
		b.cursor = 0
	}
	for _, a := range b.accounts { // which of them, is not in the table
		a.partial = b.missed != nil && max(a.kinds[score.Confirmed], a.kinds[score.FalsePositive]) >= mostOfStrangers
	}
	if b.key == nil {
		b.key, b.keyless = make([]byte, sha256.Size), true
		rand.Read(b.key)
	}
	b.recount(m, now)
	return b, nil
}

func (b *outcomeBook) read(key string, value []byte) error {
	switch {
	case key == bookKey && len(value) == sha256.Size:
		b.key = value
	case key == bookCursor && len(value) == 8:
		b.cursor = binary.BigEndian.Uint64(value)
	case key == bookMissed && len(value) == 8:
		at := binary.BigEndian.Uint64(value)
		b.missed, b.kept, b.crowded = &at, &at, true
	case len(key) == 9 && key[0] == bookRow:
		list, err := decodeOutcomes(value)
		if err != nil {
			return err
		}
		row := binary.BigEndian.Uint64([]byte(key[1:]))
		for _, d := range list {
			b.put(d)
			b.rows[row] = max(b.rows[row], d.at)
		}
		b.next = max(b.next, row+1)
	default:
		return errors.New("a row of no known form")
	}
	return nil
}

// put takes one outcome in, or out, of its account.
func (b *outcomeBook) put(d drawn) {
	a := b.accounts[d.outcomeKey]
	if a == nil {
		a = &account{outcomes: map[outcomeHash]drawn{}}
		b.accounts[d.outcomeKey] = a
	}
	if _, known := a.outcomes[d.hash]; known {
		a.kinds[d.what]--
		b.count--
		delete(a.outcomes, d.hash)
	}
	if d.weight > 0 {
		a.outcomes[d.hash] = d
		a.kinds[d.what]++
		b.count++
	}
}

func (b *outcomeBook) hash(org protocol.Org, r Record, what score.Outcome, o stix.Observable) (h outcomeHash) {
	mac := hmac.New(sha256.New, b.key)
	mac.Write(org[:])
	mac.Write([]byte{byte(r), byte(what)})
	mac.Write([]byte(o.String()))
	copy(h[:], mac.Sum(nil))
	return h
}

// note draws an outcome from a finding about a value: one of each kind for an
// organisation and value, that which weighs most. It reports whether anything is
// other than before.
func (b *outcomeBook) note(m *score.Model, r Record, f finding, o stix.Observable, stranger bool, now time.Time) bool {
	k := outcomeKey{f.org, o.Type, r}
	d := drawn{b.hash(f.org, r, f.what, o), k, f.by, f.what, float32(f.weight), f.at}
	var was drawn
	known := false
	if a := b.accounts[k]; a != nil {
		was, known = a.outcomes[d.hash]
	}
	switch {
	case f.weight == 0 && (!known || was.by != f.by), f.weight > 0 && known && was.weight >= d.weight:
		return false
	case f.weight == 0:
		d.at = now.UnixMilli()
		b.again = b.again || b.accounts[k].partial
	}
	least, full := b.least(k, f.what, stranger, m)
	if crowd := b.count >= mostOutcomes; f.weight > 0 && !known && (full || crowd) {
		if b.miss(k, crowd && !full); !full || staying(&d, m) <= staying(&least, m) {
			return false
		}
		least.weight, least.at = 0, now.UnixMilli()
		b.put(least)
		b.pending = append(b.pending, least)
		known = true // the account is added up anew
	}
	b.put(d)
	b.pending = append(b.pending, d)
	if a := b.accounts[k]; known {
		a.count(m)
	} else {
		a.sum = m.Add(a.sum, d.what, float64(d.weight), d.at)
	}
	return true
}

// least returns the outcome of a kind of which least is left, where there is no
// room for another in its account.
func (b *outcomeBook) least(k outcomeKey, what score.Outcome, stranger bool, m *score.Model) (least drawn, full bool) {
	most := [2]int{score.Confirmed: mostConfirmed, score.FalsePositive: mostFalse}[what]
	if stranger {
		most = mostOfStrangers
	}
	a := b.accounts[k]
	if a == nil || a.kinds[what] < most {
		return least, false
	}
	for _, d := range a.outcomes {
		if d.what == what && (!full || staying(&d, m) < staying(&least, m)) {
			least, full = d, true
		}
	}
	return least, full
}

// staying orders outcomes by what is left of them, whenever that is looked at.
func staying(d *drawn, m *score.Model) float64 {
	return math.Log2(float64(d.weight)) + float64(d.at)/float64(m.OutcomeHalfLife.Milliseconds())
}

// miss notes that something of an account is not kept that was drawn just now.
func (b *outcomeBook) miss(k outcomeKey, dropped bool) {
	if a := b.accounts[k]; a != nil {
		a.partial = true
	}
	if b.missed == nil || b.cursor < *b.missed {
		at := b.cursor
		b.missed = &at
	}
	if dropped {
		b.dropped++
		b.crowded = true
	}
}

// reread goes back to what was passed over, where some of it may count now. What
// is drawn again is the same.
func (b *outcomeBook) reread() bool {
	roomy := b.crowded && b.count < mostOutcomes/8*7
	if b.missed == nil || !b.again && !roomy {
		return false
	}
	b.cursor = min(b.cursor, *b.missed)
	b.missed, b.again, b.crowded = nil, false, false
	for _, a := range b.accounts {
		a.partial = false
	}
	return true
}

// count adds an account up.
func (a *account) count(m *score.Model) {
	a.sum = score.Outcomes{}
	for _, d := range slices.SortedFunc(maps.Values(a.outcomes), func(x, y drawn) int {
		return cmp.Or(cmp.Compare(x.at, y.at), bytes.Compare(x.hash[:], y.hash[:]))
	}) {
		a.sum = m.Add(a.sum, d.what, float64(d.weight), d.at)
	}
}

// recount forgets what has faded, and adds the rest up.
func (b *outcomeBook) recount(m *score.Model, now time.Time) {
	faded := now.Add(-fadedAfter * m.OutcomeHalfLife).UnixMilli()
	for k, a := range b.accounts {
		for _, d := range a.outcomes {
			if d.at < faded {
				d.weight = 0
				b.put(d)
			}
		}
		if a.count(m); len(a.outcomes) == 0 {
			delete(b.accounts, k)
		}
	}
	b.halfLife = m.OutcomeHalfLife
}

// sums are the outcomes as a bench takes them.
func (b *outcomeBook) sums() *outcomes {
	o := &outcomes{sums: make(map[outcomeKey]score.Outcomes, len(b.accounts))}
	for k, a := range b.accounts {
		o.sums[k] = a.sum
	}
	return o
}

func (b *outcomeBook) of(org protocol.Org, kind stix.Type, r Record) score.Outcomes {
	if a := b.accounts[outcomeKey{org, kind, r}]; a != nil {
		return a.sum
	}
	return score.Outcomes{}
}

// save writes what was drawn. Whatever is lost before that is drawn again.
func (b *outcomeBook) save(ctx context.Context) error {
	if b.keyless && len(b.pending) > 0 {
		if err := b.table.Set(ctx, []byte(bookKey), b.key); err != nil {
			return err
		}
		b.keyless = false
	}
	for len(b.pending) > 0 {
		some := b.pending[:min(len(b.pending), rowOutcomes)]
		if err := b.table.Set(ctx, rowKey(b.next), encodeOutcomes(some)); err != nil {
			return err
		}
		for _, d := range some {
			b.rows[b.next] = max(b.rows[b.next], d.at)
		}
		b.next, b.pending = b.next+1, b.pending[len(some):]
	}
	b.pending = nil
	return nil
}

// saveCursor is for when all up to it is saved. What was missed is noted before a
// cursor that is past it, and forgotten after one that is back there.
func (b *outcomeBook) saveCursor(ctx context.Context) error {
	set := func(key string, at uint64) error {
		return b.table.Set(ctx, []byte(key), binary.BigEndian.AppendUint64(nil, at))
	}
	if b.missed != nil && (b.kept == nil || *b.kept != *b.missed) {
		if err := set(bookMissed, *b.missed); err != nil {
			return err
		}
		b.kept = b.missed
	}
	if err := set(bookCursor, b.cursor); err != nil {
		return err
	}
	if b.missed != nil || b.kept == nil {
		return nil
	}
	b.kept = nil
	return b.table.Delete(ctx, []byte(bookMissed))
}

// prune forgets what has faded, on the disk too.
func (b *outcomeBook) prune(ctx context.Context, m *score.Model, now time.Time) error {
	b.recount(m, now)
	faded := now.Add(-fadedAfter * m.OutcomeHalfLife).UnixMilli()
	for row, last := range b.rows {
		if last >= faded {
			continue
		}
		if err := b.table.Delete(ctx, rowKey(row)); err != nil {
			return err
		}
		delete(b.rows, row)
	}
	return nil
}

func rowKey(n uint64) []byte { return binary.BigEndian.AppendUint64([]byte{bookRow}, n) }

const drawnSize = 16 + 32 + 32 + 1 + 1 + 4 + 8 + 1 // and the type's name

// encodeOutcomes writes each as hash, organisation, by whom, record, what, weight, when,
// and the type with its length in front.
func encodeOutcomes(list []drawn) (out []byte) {
	for _, d := range list {
		out = append(append(append(out, d.hash[:]...), d.org[:]...), d.by[:]...)
		out = append(out, byte(d.record), byte(d.what))
		out = binary.BigEndian.AppendUint32(out, math.Float32bits(d.weight))
		out = binary.BigEndian.AppendUint64(out, uint64(d.at))
		out = append(append(out, byte(len(d.kind))), d.kind...)
	}
	return out
}

var errOutcomes = errors.New("not a list of outcomes")

// decodeOutcomes reads what encodeOutcomes wrote.
func decodeOutcomes(in []byte) (list []drawn, err error) {
	for len(in) > 0 {
		var d drawn
		if len(in) < drawnSize || len(in) < drawnSize+int(in[drawnSize-1]) {
			return nil, errOutcomes
		}
		copy(d.hash[:], in)
		copy(d.org[:], in[16:])
		copy(d.by[:], in[48:])
		d.record, d.what = Record(in[80]), score.Outcome(in[81])
		d.weight = math.Float32frombits(binary.BigEndian.Uint32(in[82:]))
		d.at = int64(binary.BigEndian.Uint64(in[86:]))
		size := drawnSize + int(in[drawnSize-1])
		d.kind = stix.Type(in[drawnSize:size])
		if !slices.Contains(stix.Types(), d.kind) || d.what > score.FalsePositive || d.record != OpenRecord && d.record != WholeRecord || !(d.weight >= 0 && d.weight <= 1) {
			return nil, errOutcomes
		}
		list, in = append(list, d), in[size:]
	}
	return list, nil
}
