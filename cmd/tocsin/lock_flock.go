//go:build linux || darwin || freebsd || netbsd || openbsd || dragonfly

package main

import (
	"errors"
	"fmt"
	"os"
	"syscall"
)

// permissionsCount: file modes say who may read a file.
const permissionsCount = true

// acquire takes the directory's lock for as long as the file stays open.
func (d directory) acquire() (*os.File, error) {
	f, err := os.OpenFile(d.lock(), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if err == nil {
		return f, nil
	}
	f.Close()
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return nil, fmt.Errorf("another tocsin is at work in %s", d)
	}
	return nil, fmt.Errorf("lock %s: %w", d.lock(), err)
}
