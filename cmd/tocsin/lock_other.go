//go:build !(linux || darwin || freebsd || netbsd || openbsd || dragonfly)

package main

import "os"

// permissionsCount: access is not said by file modes here.
const permissionsCount = false

// acquire opens the lock file only: the store's own lock keeps a second
// process out here.
func (d directory) acquire() (*os.File, error) {
	return os.OpenFile(d.lock(), os.O_RDWR|os.O_CREATE, 0o600)
}
