package storage

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"math"

	"github.com/dgraph-io/badger/v4"
)

// get reads one value and checks its tag.
func (s *Store) get(key []byte) ([]byte, error) {
	r, err := s.begin()
	if err != nil {
		return nil, err
	}
	defer s.end(r)
	txn := s.db.NewTransactionAt(math.MaxUint64, false)
	defer txn.Discard()
	item, err := getItem(txn, key)
	if errors.Is(err, badger.ErrKeyNotFound) {
		return nil, fmt.Errorf("%w: %x is not there", errNoKey, key)
	}
	if err != nil {
		return nil, err
	}
	sealed, err := item.ValueCopy(nil)
	if err != nil {
		return nil, err
	}
	value, ok := unseal(key, sealed)
	if !ok {
		return nil, fmt.Errorf("%w: record %x", ErrDamaged, key)
	}
	return value, nil
}

// errNoKey says that a key is not in the database. To callers of the package
// it is damage: the catalogue said it was.
var errNoKey = fmt.Errorf("%w: a record has gone", ErrDamaged)

// scan yields the values under a prefix, copied, in order of key; ok is false
// for a damaged one. It stops at the first error of fn.
func (s *Store) scan(prefix byte, values bool, fn func(key, value []byte, ok bool) error) error {
	r, err := s.begin()
	if err != nil {
		return err
	}
	defer s.end(r)
	txn := s.db.NewTransactionAt(math.MaxUint64, false)
	defer txn.Discard()
	o := badger.DefaultIteratorOptions
	o.Prefix, o.PrefetchValues = []byte{prefix}, false
	it := txn.NewIterator(o)
	defer it.Close()
	err = rewind(it)
	for ; err == nil && it.Valid(); err = advance(it) {
		key := it.Item().KeyCopy(nil)
		if !values {
			if err := fn(key, nil, true); err != nil {
				return err
			}
			continue
		}
		sealed, err := it.Item().ValueCopy(nil)
		if err != nil {
			return err
		}
		value, ok := unseal(key, sealed)
		if err := fn(key, value, ok); err != nil {
			return err
		}
	}
	if err != nil {
		return advise(err)
	}
	return nil
}

// load reads everything that is kept in memory, repairs what is derived, and
// clears up what an earlier process left unfinished. With accept, rows that are
// damaged or lost do not keep the store shut.
func (s *Store) load(accept bool) error {
	fresh, version, err := s.loadIdentity()
	if err != nil {
		return err
	}
	if err := s.loadTables(accept); err != nil {
		return err
	}
	s.leaveOut()
	damaged, err := s.loadHeaders(s.cat)
	if err != nil {
		return err
	}
	if err := s.skipUsed(); err != nil {
		return err
	}
	if err := s.compareCounts(accept); err != nil {
		return err
	}
	switch {
	case !fresh:
		err = s.loadBodies(s.cat, version)
	case len(s.cat.bulletins) == 0:
		err = s.saveIdentity()
	case s.room.full.Load():
		return fmt.Errorf("%w: the store's identity is damaged and its index must be built anew; free space, then start again", ErrReadOnly)
	default:
		s.log.Warn("the store's identity is damaged: its index is built anew, and cursors handed out end")
		err = s.reindex(context.Background(), false, nil)
	}
	if err != nil {
		return err
	}
	if n := len(s.cat.bodies); n > 0 {
		b := s.cat.bulletins[s.cat.bodies[n-1]]
		s.position.Store(arrival(b.body.number, int(b.count)-1))
	}
	if n := len(s.cat.erasures); n > 0 {
		b := s.cat.bulletins[s.cat.erasures[n-1]]
		s.position.Store(max(s.position.Load(), arrival(b.erasure, int(b.count)-1)))
	}
	s.unsure = len(damaged) > 0
	if err := s.finishPurge(); err != nil {
		return err
	}
	return s.clearUp()
}

// loadIdentity reads the store's id, the secret and generation of its index and
// the version of that, and makes new ones when there are none that can be read.
func (s *Store) loadIdentity() (fresh bool, version uint8, err error) {
	value, err := s.get(storeKey())
	if err == nil && len(value) == identitySize {
		value = append(value, 1) // of an earlier release
	}
	if err == nil && len(value) == identitySize+1 && value[identitySize] <= indexVersion {
		d := decoder{b: value}
		s.id = hex.EncodeToString(d.bytes(16))
		x := &indexer{secret: [32]byte(d.bytes(32)), gen: d.uint16()}
		s.index.Store(x)
		return false, d.uint8(), nil
	}
	if err != nil && !errors.Is(err, ErrDamaged) {
		return false, 0, err
	}
	id := randomSecret()
	s.id = hex.EncodeToString(id[:16])
	s.index.Store(&indexer{secret: randomSecret()})
	return true, indexVersion, nil
}

const (
	identitySize = 16 + 32 + 2
	indexVersion = 2 // 1: without postings of what objects speak of
)

func (s *Store) saveIdentity() error {
	id, err := hex.DecodeString(s.id)
	if err != nil {
		return err
	}
	value := append(make([]byte, 0, 64), id...)
	x := s.index.Load()
	value = binary.BigEndian.AppendUint16(append(value, x.secret[:]...), x.gen)
	return s.setNow(storeKey(), append(value, indexVersion))
}

// setNow commits one value. Only for the writer, and before it runs.
func (s *Store) setNow(key, value []byte) error {
	w := s.newWriter()
	defer w.discard()
	w.set(key, value)
	w.flush()
	return w.err
}

func (s *Store) loadTables(accept bool) error {
	return s.scan(tablePrefix, true, func(key, value []byte, ok bool) error {
		var r *rowChange
		err := errRow
		if ok {
			r, err = decodeRow(key, value)
		}
		switch {
		case err == nil:
			s.applyRow(r)
		case accept:
			s.damage("a row", err, "table", tableOf(key))
		default:
			return fmt.Errorf("%w: a row of table %q, which may keep somebody out; restore a backup of the store, or accept what is left with `tocsin store rebuild --accept-loss`", ErrDamaged, tableOf(key))
		}
		return nil
	})
}

// loadHeaders enters every header and returns the keys of those that cannot be
// read: they are gaps now, to be filled from peers. Where one is damaged the
// others are looked up as well: a key that is not where it belongs any more
// hides those beside it from lookups, though not from a walk.
func (s *Store) loadHeaders(cat *catalogue) (damaged [][]byte, err error) {
	if damaged, err = s.enterHeaders(cat, nil); err != nil || len(damaged) == 0 {
		return damaged, err
	}
	*cat = *newCatalogue()
	return s.enterHeaders(cat, func(key []byte) error { _, err := s.get(key); return err })
}

func (s *Store) enterHeaders(cat *catalogue, check func(key []byte) error) (damaged [][]byte, err error) {
	var old []undated
	err = s.scan(headerPrefix, true, func(key, value []byte, ok bool) error {
		number := (&decoder{b: key[1:]}).uint64()
		s.next = max(s.next, number)
		var r *record
		err := error(ErrDamaged)
		if ok {
			r, err = decodeRecord(value)
		}
		if err == nil && check != nil {
			err = check(key)
		}
		if err != nil {
			if damaged = append(damaged, key); check != nil {
				s.damage("a header", err, "number", number)
			}
			return nil
		}
		if _, twice := cat.ids[r.bulletin.ID()]; twice {
			return nil
		}
		ref := cat.addHeader(number, r)
		cat.bulletins[ref].body = r.body
		s.next = max(s.next, r.body.number, r.erasure)
		if r.body.number > 0 && r.body.moment == 0 {
			old = append(old, undated{ref, r.received})
		}
		return nil
	})
	s.behind = max(s.behind, cat.date(old))
	return damaged, err
}

// skipUsed keeps the number of a body whose header is damaged from being given
// out again: an arrival never means two objects.
func (s *Store) skipUsed() error {
	txn := s.db.NewTransactionAt(math.MaxUint64, false)
	defer txn.Discard()
	o := badger.DefaultIteratorOptions
	o.Reverse, o.PrefetchValues = true, false
	it := txn.NewIterator(o)
	defer it.Close()
	if err := seek(it, []byte{chunkPrefix + 1}); err != nil {
		return advise(err)
	}
	if it.Valid() && len(it.Item().Key()) == partSize && it.Item().Key()[0] == chunkPrefix {
		number, _, _ := readPartKey(it.Item().Key())
		s.next = max(s.next, number)
	}
	return nil
}

func (s *Store) damage(what string, err error, attrs ...any) {
	s.damages.Add(1)
	s.log.Error(what+" is damaged on disk", append(attrs, "error", err)...)
}
