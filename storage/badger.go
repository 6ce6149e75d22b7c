package storage

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"syscall"

	"github.com/dgraph-io/badger/v4"
	"github.com/dgraph-io/badger/v4/options"
)

// badgerOptions: synced, uncompressed (chunks are), without block cache where
// blocks can be read from the mapped file. The database is opened managed, so
// that reads never wait for a commit under way.
func badgerOptions(dir string, o Options, log *slog.Logger) badger.Options {
	b := badger.DefaultOptions(dir).
		WithSyncWrites(true).
		WithMemTableSize(32 << 20).
		WithValueLogFileSize(16 << 20).
		WithNumCompactors(2).
		WithNumMemtables(3).
		WithCompression(options.None).
		WithBlockCacheSize(0).
		WithDetectConflicts(false).
		WithMetricsEnabled(false).
		WithLogger(badgerLog{log})
	if o.Small {
		b = b.WithMemTableSize(8 << 20).WithValueLogFileSize(2 << 20).WithValueThreshold(512 << 10)
	}
	if len(o.Key) > 0 {
		b = b.WithEncryptionKey(o.Key).WithBlockCacheSize(16 << 20).WithIndexCacheSize(16 << 20)
	}
	return b
}

// openBadger opens the database, once more after the error that a process
// killed while badger made a file leaves behind: an empty file, gone at the
// second try with nothing lost.
func openBadger(o badger.Options) (*badger.DB, error) {
	db, err := openOnce(o)
	if err != nil && strings.Contains(err.Error(), "Create a new file") {
		db, err = openOnce(o)
	}
	switch {
	case err == nil:
		return db, nil
	case errors.Is(err, badger.ErrEncryptionKeyMismatch), errors.Is(err, badger.ErrInvalidEncryptionKey):
		return nil, fmt.Errorf("%w: %v; if the key is right, badger's KEYREGISTRY is damaged: restore a backup, or move the store away and start anew: what peers hold comes back by itself",
			ErrKey, err)
	case strings.Contains(err.Error(), "Cannot acquire directory lock"):
		return nil, fmt.Errorf("%w (is a daemon running on this directory?)", ErrInUse)
	}
	return nil, err
}

// advise says what to do about a database that badger cannot open. What the
// system reports, such as a lack of rights, is left as it is.
func advise(err error) error {
	var system syscall.Errno
	switch {
	case errors.As(err, &system) && system != syscall.ENOENT, errors.Is(err, ErrKey), errors.Is(err, ErrInUse):
		return err
	case !errors.Is(err, ErrDamaged):
		err = fmt.Errorf("%w: %v", ErrDamaged, err)
	}
	return fmt.Errorf("%w; restore a backup, or move the store away and start anew: what peers hold comes back by itself", err)
}

// survive, deferred, turns what badger panics with on damaged tables into an
// error.
func survive(err *error) {
	if p := recover(); p != nil {
		*err = fmt.Errorf("%w: a table: %.200v", ErrDamaged, p)
	}
}

func openOnce(o badger.Options) (db *badger.DB, err error) {
	defer survive(&err)
	return badger.OpenManaged(o)
}

func getItem(txn *badger.Txn, key []byte) (item *badger.Item, err error) {
	defer survive(&err)
	return txn.Get(key)
}

// rewind, seek and advance move an iterator.
func rewind(it *badger.Iterator) (err error) {
	defer survive(&err)
	it.Rewind()
	return nil
}

func seek(it *badger.Iterator, key []byte) (err error) {
	defer survive(&err)
	it.Seek(key)
	return nil
}

func advance(it *badger.Iterator) (err error) {
	defer survive(&err)
	it.Next()
	return nil
}

// badgerLog hands badger's warnings and errors on.
type badgerLog struct{ log *slog.Logger }

func (l badgerLog) Errorf(format string, v ...any)   { l.log.Error(line(format, v), "from", "badger") }
func (l badgerLog) Warningf(format string, v ...any) { l.log.Warn(line(format, v), "from", "badger") }
func (badgerLog) Infof(string, ...any)               {}
func (badgerLog) Debugf(string, ...any)              {}

func line(format string, v []any) string { return strings.TrimSpace(fmt.Sprintf(format, v...)) }
