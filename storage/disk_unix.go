//go:build unix

package storage

import (
	"io/fs"
	"syscall"
)

// allocated is what a file takes; badger's logs are sparse.
func allocated(info fs.FileInfo) int64 {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return st.Blocks * 512
	}
	return info.Size()
}
