package storage

import (
	"io/fs"
	"path/filepath"
)

// Stats are figures about a store.
type Stats struct {
	Headers    int
	Bodies     int // held
	Objects    int // STIX objects in held bodies, old versions included, erased ones not
	Live       int // STIX objects whose newest version stands; what has expired counts until it is swept
	Claims     int // values so claimed, once for every organisation and scope
	Streams    int
	Wanted     int    // bodies that are absent
	Damaged    int    // records found damaged since the store was opened
	Lost       uint64 // bulletins fewer than were kept, when the store was opened; at least 1 when any commit had gone
	DiskBytes  int64
	IndexBytes int64  // memory of the index, about
	QueueDepth int    // of the writer
	ReadOnly   bool   // too little is free: writes return [ErrReadOnly]
	Free       uint64 // bytes of the file system left for the store; 0 also where it is not known
}

// Stats returns the figures of now. It looks at every file of the store.
func (s *Store) Stats() Stats {
	s.mu.RLock()
	c := s.cat
	st := Stats{
		Headers: len(c.bulletins), Bodies: len(c.bodies), Objects: c.objects, Live: c.names.live, Claims: c.values.live,
		Streams: c.streamsShown(), Wanted: len(c.wanted), IndexBytes: c.values.bytes() + c.names.bytes() + c.abouts.bytes() + int64(len(c.bulletins))*160,
	}
	s.mu.RUnlock()
	st.Damaged, st.Lost = int(s.damages.Load()), s.lost
	st.QueueDepth = len(s.jobs)
	st.DiskBytes = diskBytes(s.dir)
	st.Free = s.room.look()
	st.ReadOnly = s.room.full.Load()
	return st
}

// diskBytes adds up what the files under dir take on the disk. Files come and
// go meanwhile; one that has gone takes nothing.
func diskBytes(dir string) (sum int64) {
	filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return nil
		}
		if info, err := d.Info(); err == nil {
			sum += allocated(info)
		}
		return nil
	})
	return sum
}
