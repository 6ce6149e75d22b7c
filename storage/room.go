package storage

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/dgraph-io/badger/v4"
)

const (
	lowTables     = 8       // in sizes of the memory table: what badger may come to write when nothing new comes
	lookBytes     = 8 << 20 // written between two looks at the disk, at most
	lookEvery     = time.Second
	openSlack     = 4 << 20 // what badger makes anew at a start
	compactTables = 5       // at level 0 make badger merge them
)

// A room is the space there is for the store. badger writes through mapped
// files, so a block that the disk does not have is a SIGBUS and the end of the
// process: the store stops writing before, and never opens into it.
type room struct {
	dir       string
	log       *slog.Logger
	ballast   ballast
	low, high uint64
	measure   func(dir string) (free, total uint64, err error)
	full      atomic.Bool

	// What only the opener, then the writer, then Close touches.
	looked  time.Time
	written int64
}

// newRoom takes the marks from the options. By itself the low mark is eight
// memory tables, 256 MiB: badger writes its logs into tables and merges five of
// these into the next level whether anything new comes or not.
func newRoom(dir string, o Options, memTable int64, log *slog.Logger) *room {
	r := &room{dir: dir, log: log, low: o.LowSpace, high: o.HighSpace, measure: diskSpace}
	r.ballast = ballast{path: filepath.Join(dir, ballastName), size: o.Ballast}
	if o.Ballast == 0 && !o.Small {
		r.ballast.size = memTable + 2*openSlack
	}
	if r.low == 0 {
		r.low = lowTables * uint64(memTable)
	}
	if r.high <= r.low {
		r.high = r.low + r.low/4
	}
	return r
}

// look measures, and changes the mode where a mark is passed. Where the free
// space is not known nothing is ever full.
func (r *room) look() (free uint64) {
	free, _, err := r.measure(r.dir)
	if err != nil {
		return 0
	}
	switch {
	case free < r.low && r.full.CompareAndSwap(false, true):
		r.log.Error("the disk is nearly full: nothing is taken in until space is free", "free", free, "needed", r.high)
	case free >= r.high && r.full.CompareAndSwap(true, false):
		r.log.Info("the disk has space again: the store takes in again", "free", free)
	}
	return free
}

// claim asks for room to write size bytes more. Only the writer calls it.
func (r *room) claim(size int64) error {
	r.written += size
	if r.full.Load() || r.written >= lookBytes || time.Since(r.looked) >= lookEvery {
		free := r.look()
		r.looked, r.written = time.Now(), 0
		r.reload(free)
		if r.full.Load() {
			return r.shortage(free)
		}
	}
	return nil
}

// Writable returns an error that wraps [ErrReadOnly] while the disk is nearly
// full: for whoever must not begin what cannot be kept.
func (s *Store) Writable() error {
	if !s.room.full.Load() {
		return nil
	}
	if free := s.room.look(); s.room.full.Load() {
		return s.room.shortage(free)
	}
	return nil
}

// reload makes the ballast where there is room for it. It can wait when it
// cannot be made.
func (r *room) reload(free uint64) {
	if r.full.Load() || free < r.high+uint64(max(r.ballast.size, 0)) {
		return
	}
	if err := r.ballast.load(); err != nil {
		r.log.Warn("no ballast: a full disk may keep the store from opening", "err", err)
	}
}

func (r *room) shortage(free uint64) error {
	return fmt.Errorf("%w: %d MiB are free where the store is, and it writes again from %d MiB on; free space and it goes on by itself", ErrReadOnly, free>>20, r.high>>20)
}

// prepareOpen sees to it that badger can open: where too little is free, the
// ballast goes first.
func (r *room) prepareOpen(o badger.Options) error {
	need := openNeeds(o)
	free, enough := r.atLeast(need)
	if !enough {
		return fmt.Errorf("%w: opening the store takes %d MiB and %d MiB are free; free space, then start again", ErrReadOnly, (need+1<<20-1)>>20, free>>20)
	}
	r.reload(r.look())
	return nil
}

// prepareClose reports whether badger has the room to write its log into a
// table. Without, it is left as it is: the next start replays the log.
func (r *room) prepareClose(o badger.Options) error {
	need := openNeeds(o)
	if free, enough := r.atLeast(need); !enough {
		return fmt.Errorf("%w: %d MiB are free and an orderly close takes %d; nothing is lost, the next start reads the log again", ErrReadOnly, free>>20, need>>20)
	}
	return nil
}

// atLeast reports whether so much is free, without the ballast if need be.
func (r *room) atLeast(need uint64) (free uint64, enough bool) {
	free, _, err := r.measure(r.dir)
	if err != nil || free >= need {
		return free, true
	}
	if err := r.ballast.drop(); err != nil {
		r.log.Error("the ballast cannot be removed", "err", err)
	}
	free, _, err = r.measure(r.dir)
	return free, err != nil || free >= need
}

// openNeeds is what badger may write at a start, or to close, with nothing new:
// it turns logs into tables, and merges those of level 0 where these are many.
func openNeeds(o badger.Options) uint64 {
	need := openSlack + logBytes(o.Dir)
	f, err := os.Open(filepath.Join(o.Dir, badger.ManifestFilename))
	if err != nil {
		return need
	}
	defer f.Close()
	manifest, _, err := badger.ReplayManifestFile(f, o.ExternalMagicVersion, o)
	if err != nil || len(manifest.Levels) == 0 {
		return need // Open says what is wrong with it
	}
	logs, _ := filepath.Glob(filepath.Join(o.Dir, "*.mem"))
	if len(manifest.Levels[0].Tables)+len(logs) < compactTables {
		return need
	}
	for level, l := range manifest.Levels {
		for id := range l.Tables {
			need += fileBytes(tablePath(o.Dir, id))
		}
		if level > 0 && len(l.Tables) > 0 {
			break // what the youngest are merged with
		}
	}
	return need
}

// logBytes adds up what badger's logs take on the disk.
func logBytes(dir string) (sum uint64) {
	logs, _ := filepath.Glob(filepath.Join(dir, "*.mem"))
	for _, path := range logs {
		sum += fileBytes(path)
	}
	return sum
}

func fileBytes(path string) uint64 {
	info, err := os.Stat(path)
	if err != nil {
		return 0
	}
	return uint64(allocated(info))
}
