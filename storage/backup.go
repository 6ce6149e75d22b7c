package storage

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"time"

	"github.com/dgraph-io/badger/v4"
	"github.com/tocsin-exchange/tocsin/protocol"
)

// ErrBackup: what is read is no whole backup of this version.
var ErrBackup = errors.New("not a whole backup")

// A BackupReport says what is in a backup.
type BackupReport struct {
	Store   string    `json:"store"` // id of the store it is of
	Made    time.Time `json:"made"`
	Sealed  bool      `json:"sealed"` // encrypted under the store's key
	Records uint64    `json:"records"`
	Damaged uint64    `json:"damaged"` // records that were damaged on the disk, copied as they are
}

// Backup writes everything the store holds at one moment, while reads and
// writes go on. Where the store is encrypted the backup is, under a key made
// from the store's. Keys and configuration are not in it. It works on a full
// disk too.
func (s *Store) Backup(ctx context.Context, w io.Writer) (BackupReport, error) {
	reads, err := s.begin()
	if err != nil {
		return BackupReport{}, err
	}
	defer s.end(reads)
	txn, it, err := s.snapshot(ctx)
	if err != nil {
		return BackupReport{}, err
	}
	defer txn.Discard()
	defer it.Close()
	out, err := newBackupWriter(w, s.id, s.db.Opts().EncryptionKey)
	if err != nil {
		return BackupReport{}, err
	}
	err = rewind(it)
	for ; err == nil && it.Valid(); err = advance(it) {
		if err := s.interrupted(ctx); err != nil {
			return out.report, err
		}
		key := it.Item().KeyCopy(nil)
		value, err := it.Item().ValueCopy(nil)
		if err != nil {
			return out.report, fmt.Errorf("back up record %x: %w", key, err)
		}
		if _, ok := unseal(key, value); !ok {
			out.report.Damaged++
		}
		if err := out.add(key, value); err != nil {
			return out.report, err
		}
	}
	if err != nil {
		return out.report, fmt.Errorf("back up: %w", err)
	}
	return out.report, out.finish()
}

// snapshot opens an iterator between two commits. It keeps the files it reads,
// so nothing that is written, merged or dropped later touches it.
func (s *Store) snapshot(ctx context.Context) (txn *badger.Txn, it *badger.Iterator, err error) {
	j := &job{reads: true, run: func() error {
		txn = s.db.NewTransactionAt(s.stamp, false)
		o := badger.DefaultIteratorOptions
		o.PrefetchValues = false
		it = txn.NewIterator(o)
		return nil
	}}
	if err := s.do(context.WithoutCancel(ctx), j); err != nil { // whoever leaves must not leave it open
		return nil, nil, err
	}
	return txn, it, nil
}

// interrupted ends what reads for long with its caller, or with the store.
func (s *Store) interrupted(ctx context.Context) error {
	select {
	case <-s.quit:
		return ErrClosed
	default:
		return ctx.Err()
	}
}

// Restore makes a store of a backup in dir, which must not exist, be empty, or
// hold a store with nothing in it. The backup is verified whole, and opened,
// in a directory beside it before anything becomes dir. The store has a new id:
// cursors of the old one end. o.Key is the key it is encrypted under, and the
// one a sealed backup is opened with. Errors wrap [ErrBackup], [ErrKey],
// [ErrNotEmpty], [ErrReadOnly] or [ErrInUse] where they apply.
func Restore(ctx context.Context, dir string, r io.Reader, o Options) (report BackupReport, err error) {
	if err := vacant(dir, o); err != nil {
		return report, fmt.Errorf("restore: %w", err)
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o700); err != nil {
		return report, fmt.Errorf("restore: %w", err)
	}
	temp, err := os.MkdirTemp(filepath.Dir(dir), filepath.Base(dir)+".restore-")
	if err != nil {
		return report, fmt.Errorf("restore: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.RemoveAll(temp))
		}
	}()
	if report, err = unpack(ctx, temp, r, o); err != nil {
		return report, fmt.Errorf("restore: %w", err)
	}
	if err = proveRestored(temp, o); err != nil {
		return report, fmt.Errorf("restore: the restored store: %w", err)
	}
	if err = errors.Join(os.RemoveAll(dir), os.Rename(temp, dir), syncDir(filepath.Dir(dir))); err != nil {
		return report, fmt.Errorf("restore: %w", err)
	}
	return report, nil
}

// ErrNotEmpty: there is a store already.
var ErrNotEmpty = errors.New("the store is not empty")

// vacant refuses a directory in which anything would be lost.
func vacant(dir string, o Options) error {
	files, err := os.ReadDir(dir)
	if errors.Is(err, os.ErrNotExist) || err == nil && len(files) == 0 {
		return nil
	}
	if err != nil {
		return err
	}
	s, err := Open(dir, o)
	if err != nil {
		return fmt.Errorf("%s: %w; move it away first", dir, err)
	}
	s.mu.RLock()
	held := len(s.cat.bulletins)
	for _, rows := range s.tables {
		held += len(rows)
	}
	s.mu.RUnlock()
	if err := s.Close(); err != nil {
		return err
	}
	if held > 0 || s.lost > 0 {
		return fmt.Errorf("%w: %s holds %d bulletins and rows; move it away first", ErrNotEmpty, dir, held)
	}
	return nil
}

// unpack writes a backup's records into a new database and the head file.
func unpack(ctx context.Context, dir string, r io.Reader, o Options) (BackupReport, error) {
	b := badgerOptions(filepath.Join(dir, "badger"), o, slog.New(slog.DiscardHandler)).WithSyncWrites(false)
	space := newRoom(dir, o, b.MemTableSize, slog.New(slog.DiscardHandler))
	db, err := openBadger(b)
	if err != nil {
		return BackupReport{}, err
	}
	batch := db.NewWriteBatchAt(1)
	defer batch.Cancel()
	var last counts
	report, err := readBackup(r, o.Key, func(key, value []byte) error {
		switch {
		case bytes.Equal(key, storeKey()):
			value = renamed(key, value)
		case bytes.Equal(key, countsKey()):
			if plain, ok := unseal(key, value); ok {
				last, _ = decodeCounts(plain)
			}
		}
		if err := errors.Join(ctx.Err(), space.claim(int64(len(value)))); err != nil {
			return err
		}
		return batch.SetEntry(badger.NewEntry(key, value))
	})
	if err == nil {
		err = batch.Flush()
	}
	if err = errors.Join(err, db.Close()); err != nil {
		return report, err
	}
	h, err := openHeadFile(filepath.Join(dir, headName), o.Key)
	if err != nil {
		return report, err
	}
	return report, errors.Join(h.write(last, protocol.ID{}, true), h.f.Close())
}

// renamed gives the identity of a store another id, and leaves its index alone.
func renamed(key, value []byte) []byte {
	plain, ok := unseal(key, value)
	if !ok || len(plain) < 16 {
		return value
	}
	id := randomSecret()
	return seal(key, append(bytes.Clone(id[:16]), plain[16:]...))
}

// proveRestored opens what was restored as a store.
func proveRestored(dir string, o Options) error {
	s, err := Open(dir, o)
	if err != nil {
		return err
	}
	return s.Close()
}

// syncDir makes a rename durable.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	d.Sync() // some systems cannot; the rename stands all the same
	return d.Close()
}

// VerifyBackup reads a backup to its end without a key, and reports whether it
// is whole. Only with the key, by Restore, is it known who made a sealed one.
func VerifyBackup(r io.Reader) (BackupReport, error) {
	in, err := newBackupReader(r)
	for err == nil {
		_, err = in.next()
	}
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return in.report, err
}

// readBackup yields the records of a backup. Only when it returns nil were
// they those of a whole backup.
func readBackup(r io.Reader, key []byte, fn func(key, value []byte) error) (BackupReport, error) {
	in, err := newBackupReader(r)
	if err != nil {
		return in.report, err
	}
	if err := in.unlock(key); err != nil {
		return in.report, err
	}
	for records := uint64(0); ; {
		payload, err := in.next()
		if errors.Is(err, io.EOF) {
			if records != in.report.Records {
				return in.report, fmt.Errorf("%w: %d records, %d were written", ErrBackup, records, in.report.Records)
			}
			return in.report, in.trailerSigned()
		}
		if err != nil {
			return in.report, err
		}
		for d := (decoder{b: payload}); len(d.b) > 0; records++ {
			k, v := d.record()
			if d.bad {
				return in.report, fmt.Errorf("%w: a record of no known form", ErrBackup)
			}
			if err := fn(k, v); err != nil {
				return in.report, err
			}
		}
	}
}

// record reads one record of a backup: the sizes, the key, the value.
func (d *decoder) record() (key, value []byte) {
	n, m := int(d.uint16()), d.uint32()
	key = d.bytes(n)
	if m > math.MaxInt32 {
		d.bad = true
		return nil, nil
	}
	value = d.bytes(int(m))
	if n == 0 || bytes.IndexByte([]byte{headerPrefix, chunkPrefix, segmentPrefix, tablePrefix, 'm'}, firstByte(key)) < 0 {
		d.bad = true
	}
	return key, value
}

func firstByte(b []byte) byte {
	if len(b) == 0 {
		return 0
	}
	return b[0]
}

func storeID(id [16]byte) string { return hex.EncodeToString(id[:]) }
