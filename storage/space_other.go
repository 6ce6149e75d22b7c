//go:build !linux && !darwin && !freebsd

package storage

import "errors"

// diskSpace is not known here: the store never becomes read-only by itself.
func diskSpace(string) (free, total uint64, err error) {
	return 0, 0, errors.ErrUnsupported
}
