package storage

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"

	"github.com/dgraph-io/badger/v4"
	lru "github.com/hashicorp/golang-lru/v2"
	"github.com/klauspost/compress/zstd"
	"golang.org/x/sync/semaphore"
)

var (
	// ErrInUse: another process, or another Store, has the directory open.
	ErrInUse = errors.New("the store is in use by another process")
	// ErrMissing: the head file speaks of bulletins and the database is not there.
	ErrMissing = errors.New("the database is missing")
	// ErrKey: the store is encrypted under another key, or under none.
	ErrKey = errors.New("wrong encryption key for the store")
	// ErrDamaged: what is on the disk is not what was written.
	ErrDamaged = errors.New("damaged on disk")
	// ErrNotFound: no such header is held.
	ErrNotFound = errors.New("not held")
	// ErrFailed: the disk reported an error, and nothing is acknowledged since.
	ErrFailed = errors.New("the store has failed")
	// ErrReadOnly: too little is free on the disk. Nothing is written until space
	// returns; reads go on.
	ErrReadOnly = errors.New("the disk is nearly full")
	// ErrClosed: the store was closed.
	ErrClosed = errors.New("the store is closed")
)

const (
	queueJobs  = 1024     // that wait for the writer
	queueBytes = 16 << 20 // of prepared bulletins that wait
	groupBytes = 4 << 20  // of one transaction
	cacheSize  = 4096     // records kept decoded
	chunkCache = 64       // chunks kept decoded, about 20 KB each
)

// Options of a store. The zero value is a plain store of normal size.
type Options struct {
	Key   []byte       // 32 bytes: everything on disk is encrypted under it; nil: not encrypted
	Small bool         // small files and little memory, for tests and demos
	Log   *slog.Logger // of badger's warnings and of damage; nil: none

	// AcceptLoss opens a store some of whose table rows are damaged or lost, as
	// no daemon should: what they kept out may come in. For [Store.Rebuild].
	AcceptLoss bool

	LowSpace  uint64 // free bytes below which nothing is written; 0: 256 MiB, 64 MiB when Small
	HighSpace uint64 // free bytes from which on it is again; 0: a quarter more than LowSpace
	Ballast   int64  // bytes of the file that is given up for a full disk; 0: 40 MiB, none when Small; below 0: none
}

// A Store is an open store. Its methods are safe for concurrent use.
type Store struct {
	dir        string
	log        *slog.Logger
	db         *badger.DB
	id         string
	enc        *zstd.Encoder
	dec        *zstd.Decoder
	index      atomic.Pointer[indexer]
	head       *headFile
	room       *room
	lost       uint64
	groupLimit int64

	mu     sync.RWMutex // guards cat and tables; never held across a read or write of files
	cat    *catalogue
	tables map[string]map[string][]byte

	records *lru.Cache[recordKey, *record]
	chunks  *lru.Cache[chunkPlace, chunk]

	// What only the writer touches.
	next   uint64 // number
	behind Moment // all bodies there ever were
	stamp  uint64 // badger version of the last commit
	counts counts // as of the last commit
	dirty  bool   // something is to be cleared up at the next start
	unsure bool   // headers are damaged: what belongs to nothing may be theirs
	hidden int    // erasures whose old files a read may still hold
	unfit  *job   // taken from the queue, to open the next group
	broken error  // the first error of the disk

	budget   *semaphore.Weighted
	jobs     chan *job
	quit     chan struct{} // closed by Close
	stopped  chan struct{} // closed when the writer has ended
	failed   chan struct{} // closed at the first error of the disk
	closing  sync.Once
	closeErr error
	reading  sync.WaitGroup // reads of the database under way
	readMu   sync.Mutex     // guards closed, adding to reading, and what follows
	closed   bool
	reads    *reads   // that begin now
	before   []*reads // that began before an erasure, and may not have ended

	position atomic.Uint64 // highest arrival
	waitMu   sync.Mutex
	news     chan struct{} // closed and replaced when position grows
	damages  atomic.Int64
}

type recordKey struct {
	number, body uint64
	gen          uint16
	state        BodyState
	aside        bool
}

type chunkPlace struct {
	number uint64
	index  int
	gen    uint16
}

// Open opens the store in dir and makes it when there is none. It reads all
// headers and the index, about 0.6 s for a million indicators. Errors wrap
// [ErrInUse], [ErrMissing], [ErrKey], [ErrDamaged] or [ErrReadOnly] (not even
// room to open it) where they apply.
func Open(dir string, o Options) (*Store, error) {
	log := o.Log
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("open store: %w", err)
	}
	headFile, err := openHeadFile(filepath.Join(dir, headName), o.Key)
	if err != nil {
		return nil, fmt.Errorf("open store: %w", err)
	}
	s, err := open(dir, o, log, headFile)
	if err != nil {
		headFile.f.Close()
		return nil, fmt.Errorf("open store in %s: %w", dir, err)
	}
	return s, nil
}

func open(dir string, o Options, log *slog.Logger, h *headFile) (*Store, error) {
	data := filepath.Join(dir, "badger")
	_, err := os.Stat(filepath.Join(data, badger.ManifestFilename))
	if errors.Is(err, os.ErrNotExist) && h.head.headers > 0 {
		return nil, fmt.Errorf("%w: %s is gone, but %d bulletins were kept; restore a backup, or remove %s to start anew",
			ErrMissing, filepath.Join(data, badger.ManifestFilename), h.head.headers, headName)
	}
	b := badgerOptions(data, o, log)
	r := newRoom(dir, o, b.MemTableSize, log)
	if err := r.prepareOpen(b); err != nil {
		return nil, err
	}
	if err := checkTables(b); err != nil {
		return nil, advise(err)
	}
	db, err := openBadger(b)
	if err != nil {
		return nil, advise(err)
	}
	if len(o.Key) > 0 {
		err = walk(db)
	}
	if err != nil {
		return nil, errors.Join(advise(err), db.Close())
	}
	s, err := newStore(dir, db, log, h, r)
	if err == nil {
		err = s.load(o.AcceptLoss)
	}
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	go s.write()
	return s, nil
}

func newStore(dir string, db *badger.DB, log *slog.Logger, h *headFile, r *room) (*Store, error) {
	enc, dec, err := newCoders()
	if err != nil {
		return nil, err
	}
	records, err := lru.New[recordKey, *record](cacheSize)
	if err != nil {
		return nil, err
	}
	chunks, err := lru.New[chunkPlace, chunk](chunkCache)
	if err != nil {
		return nil, err
	}
	s := &Store{
		dir: dir, enc: enc, dec: dec, db: db, log: log, head: h, room: r, records: records, chunks: chunks,
		cat: newCatalogue(), tables: make(map[string]map[string][]byte),
		groupLimit: min(groupBytes, db.MaxBatchSize()*4/5), stamp: db.MaxVersion(),
		budget: semaphore.NewWeighted(queueBytes), jobs: make(chan *job, queueJobs),
		reads: &reads{}, quit: make(chan struct{}), stopped: make(chan struct{}), failed: make(chan struct{}), news: make(chan struct{}),
	}
	s.index.Store(&indexer{})
	return s, nil
}

// Failed is closed when the disk has reported an error: the process should say
// so and end. [Store.Put] returns the cause.
func (s *Store) Failed() <-chan struct{} { return s.failed }

// ID names this store in cursors handed outside: a cursor of another store, or
// of an earlier life of this one, is told by it.
func (s *Store) ID() string { return s.id }

// Position is the highest arrival so far. What commits later arrives later.
func (s *Store) Position() uint64 { return s.position.Load() }

// Wait returns nil when Position is above after.
func (s *Store) Wait(ctx context.Context, after uint64) error {
	for {
		s.waitMu.Lock()
		news := s.news
		s.waitMu.Unlock()
		if s.Position() > after {
			return nil
		}
		select {
		case <-news:
		case <-ctx.Done():
			return ctx.Err()
		case <-s.quit:
			return ErrClosed
		}
	}
}

func (s *Store) advance(to uint64) {
	if to <= s.position.Load() {
		return
	}
	s.position.Store(to)
	s.waitMu.Lock()
	close(s.news)
	s.news = make(chan struct{})
	s.waitMu.Unlock()
}

func randomSecret() (b [32]byte) {
	rand.Read(b[:])
	return b
}
