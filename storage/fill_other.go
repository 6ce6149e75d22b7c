//go:build !linux

package storage

import "os"

// fill gives an empty file its size in real blocks.
func fill(f *os.File, size int64) error { return writeZeros(f, size) }
