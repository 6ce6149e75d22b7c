//go:build !unix

package storage

import "io/fs"

func allocated(info fs.FileInfo) int64 { return info.Size() }
