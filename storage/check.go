package storage

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/tocsin-exchange/tocsin/protocol"
)

// MaxFaults is how many faults a report lists; the rest is counted.
const MaxFaults = 1000

// What repairs a fault.
const (
	repairSync    = "fetched from peers at the next sync"
	repairRestart = "a gap from the next start on, then fetched from peers"
	repairRebuild = "tocsin store rebuild"
	repairBackup  = "restore a backup"
)

// A Report is what [Store.Check] found.
type Report struct {
	Headers  int     `json:"headers"` // read, as all that follow
	Bodies   int     `json:"bodies"`
	Objects  int     `json:"objects"`
	Segments int     `json:"segments"`
	Rows     int     `json:"rows"`
	Lost     uint64  `json:"lost"` // see [Stats]
	Faults   []Fault `json:"faults"`
	More     int     `json:"more,omitempty"` // faults beyond [MaxFaults]
}

// A Fault is one thing that is wrong on the disk.
type Fault struct {
	Bulletin *protocol.ID `json:"bulletin,omitempty"` // none: not of one that is known
	What     string       `json:"what"`
	Repair   string       `json:"repair"`
}

// Sound reports whether nothing was found wrong.
func (r *Report) Sound() bool { return len(r.Faults) == 0 }

// Check reads everything from the disk again: every record's hash, every header
// as its bulletin's, every held body against the root its header signs, every
// index segment against the objects, and the counts against the head file. A
// damaged body it finds is wanted from then on. Writes go on meanwhile; what
// comes or goes under way is left out. It takes about the time of a Rebuild.
func (s *Store) Check(ctx context.Context) (Report, error) {
	reads, err := s.begin()
	if err != nil {
		return Report{}, err
	}
	defer s.end(reads)
	c := checker{s: s, report: Report{Faults: []Fault{}, Lost: s.lost}}
	if s.lost > 0 {
		c.fault(nil, fmt.Sprintf("%d bulletins fewer than were kept", s.lost), repairSync)
	}
	err = errors.Join(c.records(ctx), c.bulletins(ctx))
	return c.report, err
}

// A checker is one check under way.
type checker struct {
	s      *Store
	report Report
}

func (c *checker) fault(id *protocol.ID, what, repair string) {
	if len(c.report.Faults) == MaxFaults {
		c.report.More++
		return
	}
	c.report.Faults = append(c.report.Faults, Fault{id, what, repair})
}

// records reads what no bulletin of the catalogue leads to: headers too damaged
// to be known, rows of tables, and the identity.
func (c *checker) records(ctx context.Context) error {
	err := c.s.scan(headerPrefix, true, func(key, value []byte, ok bool) error {
		if ok {
			_, err := decodeRecord(value)
			ok = err == nil
		}
		if number := (&decoder{b: key[1:]}).uint64(); !ok && !c.s.knows(number) {
			c.fault(nil, fmt.Sprintf("header %d cannot be read", number), repairSync)
		}
		return c.s.interrupted(ctx)
	})
	err = errors.Join(err, c.s.scan(tablePrefix, true, func(key, value []byte, ok bool) error {
		c.report.Rows++
		if ok {
			_, err := decodeRow(key, value)
			ok = err == nil
		}
		if !ok {
			c.fault(nil, fmt.Sprintf("a row of table %q cannot be read", tableOf(key)), repairBackup)
		}
		return c.s.interrupted(ctx)
	}))
	if _, damaged := c.s.get(storeKey()); damaged != nil {
		c.fault(nil, fmt.Sprintf("the store's identity: %v", damaged), repairRebuild)
	}
	return err
}

// knows reports whether a header of the catalogue has this number. Headers are
// numbered in the order in which they came to be held.
func (s *Store) knows(number uint64) bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	_, ok := slices.BinarySearchFunc(s.cat.bulletins, number, func(b held, n uint64) int { return cmp.Compare(b.number, n) })
	return ok
}

// bulletins reads every header of the catalogue, and what it leads to.
func (c *checker) bulletins(ctx context.Context) error {
	for ref := uint32(0); ; ref++ {
		c.s.mu.RLock()
		end := int(ref) >= len(c.s.cat.bulletins)
		var b held
		if !end {
			b = c.s.cat.bulletins[ref]
		}
		c.s.mu.RUnlock()
		if end {
			return nil
		}
		if err := c.s.interrupted(ctx); err != nil {
			return err
		}
		c.bulletin(ref, b)
	}
}

func (c *checker) bulletin(ref uint32, b held) {
	s := c.s
	c.report.Headers++
	s.records.Remove(b.recordKey())
	r, err := s.record(b)
	if err != nil {
		if s.unchanged(ref, b) {
			c.fault(&b.id, fmt.Sprintf("the header: %v", err), repairRestart)
		}
		return
	}
	if b.state != Held {
		return
	}
	for i := 0; i < int(b.count); i += 1 << b.body.shift {
		s.chunks.Remove(chunkPlace{b.body.number, i, b.body.gen})
	}
	x := s.index.Load()
	derived, err := s.derive(b, x)
	if err != nil {
		if !s.unreadable(ref, b, err) && s.unchanged(ref, b) {
			c.fault(&b.id, fmt.Sprintf("the body: %v", err), repairSync)
		}
		return
	}
	c.report.Bodies++
	c.report.Objects += int(r.bulletin.Header.Count)
	for part, want := range derived.segments {
		c.report.Segments++
		got, err := s.get(b.body.segmentKey(part, x.gen))
		if (err != nil || !bytes.Equal(got, want)) && s.unchanged(ref, b) && s.index.Load() == x {
			c.fault(&b.id, fmt.Sprintf("part %d of its index disagrees with its objects", part), repairRebuild)
		}
	}
}

// unchanged reports whether a header still stands as it did.
func (s *Store) unchanged(ref uint32, b held) bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if int(ref) >= len(s.cat.bulletins) {
		return false
	}
	now := s.cat.bulletins[ref]
	return now.id == b.id && now.state == b.state && now.body.number == b.body.number && now.body.gen == b.body.gen
}
