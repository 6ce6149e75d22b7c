package storage

import (
	"errors"
	"fmt"
	"os"
)

// ballastName is beside badger's directory.
const ballastName = "store.ballast"

// A ballast is a file whose only use is the space it takes: removed, it gives a
// full disk room enough to open and close.
type ballast struct {
	path string
	size int64 // bytes; 0 or less: none
}

// load makes the file, with blocks of its own, where it is not there whole.
func (b ballast) load() error {
	if b.size <= 0 {
		return nil
	}
	if info, err := os.Stat(b.path); err == nil && info.Size() == b.size && allocated(info) >= b.size {
		return nil
	}
	f, err := os.OpenFile(b.path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return fmt.Errorf("make the ballast: %w", err)
	}
	if err = errors.Join(fill(f, b.size), f.Close()); err != nil {
		return fmt.Errorf("fill the ballast: %w", errors.Join(err, b.drop()))
	}
	return nil
}

func (b ballast) drop() error {
	if err := os.Remove(b.path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("remove the ballast: %w", err)
	}
	return nil
}

// writeZeros fills a file where the system cannot reserve blocks.
func writeZeros(f *os.File, size int64) error {
	zeros := make([]byte, 1<<20)
	for size > 0 {
		n, err := f.Write(zeros[:min(size, int64(len(zeros)))])
		if err != nil {
			return err
		}
		size -= int64(n)
	}
	return f.Sync()
}
