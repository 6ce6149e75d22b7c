package storage

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"slices"

	"github.com/tocsin-exchange/tocsin/protocol"
	"github.com/tocsin-exchange/tocsin/protocol/stix"
)

const (
	erasedTable = "erased"
	erasedKey   = "key" // the row that holds the key of the others
	erasedSize  = 16    // bytes of a hash that are kept
	rowsAtOnce  = 512   // in one transaction with their counts
)

// eraseHash is the key under which a store remembers what it erased.
type eraseHash []byte

func (h eraseHash) sum(kind string, content []byte) string {
	mac := hmac.New(sha256.New, h)
	mac.Write([]byte(kind))
	mac.Write([]byte{0})
	mac.Write(content)
	return string(mac.Sum(nil)[:erasedSize])
}

// rows hashes what an object can be told by when it comes again.
func (h eraseHash) rows(leaf protocol.ID, raw []byte) []string {
	rows := []string{h.sum("leaf", leaf[:]), h.sum("raw", raw)}
	o, err := stix.Parse(raw)
	if err != nil {
		return rows // a statement, or an object of a later release
	}
	return append(rows, h.names(&o)...)
}

// subject is the row of an id that means nothing any more to whoever may see what
// is said under a label and PAP level: what they may not see says nothing to them.
func (h eraseHash) subject(header *protocol.Header, id string) string {
	return h.sum("subject", append([]byte{byte(header.TLP), byte(header.PAP)}, id...))
}

// orphan reports whether all that an object speaks about was erased here, under
// the label and PAP level that it has itself.
func (s *Store) orphan(o *stix.Object, header *protocol.Header) bool {
	about := o.About()
	h := s.loadEraseHash()
	if len(about) == 0 || h == nil {
		return false
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	for _, id := range about {
		if _, gone := s.tables[erasedTable][h.subject(header, id)]; !gone {
			return false
		}
	}
	return true
}

func (h eraseHash) names(o *stix.Object) []string {
	rows := []string{h.sum("id", []byte(o.ID))}
	for _, alias := range o.Aliases {
		rows = append(rows, h.sum("id", []byte(alias)))
	}
	return rows
}

// WasErased reports whether an object was destroyed here by [Store.Erase]: its
// bytes, its id, or one it stands for. The answer outlives Rebuild, backup and
// restore.
func (s *Store) WasErased(o stix.Object) bool {
	h := s.loadEraseHash()
	return h != nil && s.anyErased(append(h.names(&o), h.sum("raw", o.Raw)))
}

// LeafErased reports whether the object with this leaf was destroyed here: of
// that very bulletin, whatever it said.
func (s *Store) LeafErased(leaf protocol.ID) bool {
	h := s.loadEraseHash()
	return h != nil && s.anyErased([]string{h.sum("leaf", leaf[:])})
}

func (s *Store) anyErased(rows []string) bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return slices.ContainsFunc(rows, func(row string) bool { _, ok := s.tables[erasedTable][row]; return ok })
}

// loadEraseHash returns the key, nil when nothing was ever erased.
func (s *Store) loadEraseHash() eraseHash {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.tables[erasedTable][erasedKey] // rows are never changed in place
}

// eraseHash returns the key, made when there is none. Only for the writer.
func (s *Store) eraseHash() (eraseHash, error) {
	if h := s.loadEraseHash(); h != nil {
		return h, nil
	}
	key := make([]byte, sha256.Size)
	rand.Read(key)
	return key, s.setRows(map[string][]byte{erasedKey: key})
}

// remember writes the rows that are not there yet.
func (s *Store) remember(rows []string) error {
	batch := make(map[string][]byte, rowsAtOnce)
	for _, row := range rows {
		if _, known := s.tables[erasedTable][row]; known {
			continue
		}
		if batch[row] = []byte{}; len(batch) == rowsAtOnce {
			if err := s.setRows(batch); err != nil {
				return err
			}
			clear(batch)
		}
	}
	return s.setRows(batch)
}

// setRows commits new rows of the table, with the counts that tell of their loss.
func (s *Store) setRows(rows map[string][]byte) error {
	if len(rows) == 0 {
		return nil
	}
	w := s.newWriter()
	defer w.discard()
	counts := s.counts
	counts.commits++
	for key, value := range rows {
		r := rowChange{table: erasedTable, key: []byte(key), value: value}
		counts.exchange(r.table, r.key, nil, r.value)
		w.set(r.storeKey(), r.encode())
	}
	w.set(countsKey(), counts.encode())
	if w.flush(); w.err != nil {
		return s.fail(w.err)
	}
	if err := s.note(counts, protocol.ID{}); err != nil {
		return s.fail(err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for key, value := range rows {
		s.applyRow(&rowChange{table: erasedTable, key: []byte(key), value: value, write: true})
	}
	return nil
}

// nextErasure returns the first bulletin of which objects were erased after an
// arrival.
func (s *Store) nextErasure(after uint64) (uint32, held, bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	c := s.cat
	i, _ := slices.BinarySearchFunc(c.erasures, after>>indexBits, c.compareErasure)
	for _, ref := range c.erasures[i:] {
		b := c.bulletins[ref]
		if !b.disowned && arrival(b.erasure, int(b.count)-1) > after && c.streams[b.stream].desc.Kind == protocol.Objects {
			return ref, b, true
		}
	}
	return 0, held{}, false
}

// erasedOf yields what was erased of a bulletin. Where its body could not be
// read it was destroyed as a whole, and what it holds now arrived since.
func (s *Store) erasedOf(ref uint32, b held, start int, q *Query, yield func(Change, error) bool) bool {
	if b.state != Held && b.state != Erased && b.state != Absent {
		return true // gone with the rest of its body
	}
	r, err := s.record(b)
	if err != nil {
		return yield(Change{}, err)
	}
	if !q.visible(&r.bulletin.Header) {
		return true
	}
	for i := start; i < int(b.count); i++ {
		if b.state == Held {
			salted, err := s.salted(ref, b, i)
			if err != nil {
				return yield(Change{}, err)
			}
			if salted != nil {
				continue
			}
		}
		v := candidate{node: node{index: uint16(i)}, ref: ref, held: b}
		claim := v.claim(r, stix.Object{}, stix.Observable{})
		claim.Arrival = arrival(b.erasure, i)
		if !yield(Change{Arrival: claim.Arrival, Claim: claim, Removed: true}, nil) {
			return false
		}
	}
	return true
}
