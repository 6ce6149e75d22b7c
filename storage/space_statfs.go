//go:build linux || darwin || freebsd

package storage

import (
	"fmt"
	"syscall"
)

// diskSpace returns the bytes of dir's file system that we may still take, and
// all there are.
func diskSpace(dir string) (free, total uint64, err error) {
	var st syscall.Statfs_t
	if err := syscall.Statfs(dir, &st); err != nil {
		return 0, 0, fmt.Errorf("free space of %s: %w", dir, err)
	}
	size := uint64(st.Bsize)
	return uint64(max(int64(st.Bavail), 0)) * size, uint64(st.Blocks) * size, nil
}
