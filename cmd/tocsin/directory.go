package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// A directory is where one node lives.
type directory string

func (d directory) config() string   { return filepath.Join(string(d), "config.toml") }
func (d directory) orgKey() string   { return filepath.Join(string(d), "org.key") }
func (d directory) nodeKey() string  { return filepath.Join(string(d), "node.key") }
func (d directory) storeKey() string { return filepath.Join(string(d), "store.key") }
func (d directory) sealKey() string  { return filepath.Join(string(d), "seal.key") }
func (d directory) cert() string     { return filepath.Join(string(d), "node.cert") }
func (d directory) store() string    { return filepath.Join(string(d), "store") }
func (d directory) socket() string   { return filepath.Join(string(d), "tocsin.sock") }
func (d directory) lock() string     { return filepath.Join(string(d), "lock") }

// What a node with a new key begins with; see keyrotate.go.
func (d directory) entry() string     { return filepath.Join(string(d), "entry.toml") }
func (d directory) formerKey() string { return filepath.Join(string(d), "node.key.old") }
func (d directory) nextCert() string  { return filepath.Join(string(d), "node.cert.next") }

// check refuses a directory that is none, that was never set up, or that
// others may look into.
func (d directory) check() error {
	info, err := os.Stat(string(d))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return d.notSetUp()
	case err != nil:
		return err
	case !info.IsDir():
		return fmt.Errorf("%s is not a directory", d)
	}
	if _, err := os.Stat(d.config()); errors.Is(err, fs.ErrNotExist) {
		return d.notSetUp()
	}
	if err := private(string(d), info); err != nil {
		return hinted(err, "chmod 700 %s", d)
	}
	return nil
}

func (d directory) notSetUp() error {
	return hinted(fmt.Errorf("no node lives in %s", d), "set one up with `tocsin init --org NAME`, or give another --dir")
}

// private refuses what others may read or write.
func private(path string, info fs.FileInfo) error {
	if info.Mode().Perm()&0o077 != 0 && permissionsCount {
		return fmt.Errorf("%s is open to others (mode %04o)", path, info.Mode().Perm())
	}
	return nil
}

// readFile reads a small file of the directory.
func readFile(path string, limit int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return readLimited(f, limit)
}

// readSecret reads a small file that nobody else may read.
func readSecret(path string, limit int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if err := private(path, info); err != nil {
		return nil, hinted(err, "chmod 600 %s; if others could read it, the key in it is theirs as well", path)
	}
	return readLimited(f, limit)
}

func readLimited(f *os.File, limit int64) ([]byte, error) {
	b, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err == nil && int64(len(b)) > limit {
		err = fmt.Errorf("%s is longer than %d bytes", f.Name(), limit)
	}
	return b, err
}

// writeNew writes a file that must not exist yet, durably.
func writeNew(path string, content []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	return errors.Join(err, f.Sync(), f.Close())
}

// replace writes a file in place of another: after a crash there is the old
// one or the new one.
func replace(path string, content []byte) error {
	next := path + ".new"
	if err := os.Remove(next); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := writeNew(next, content); err != nil {
		return err
	}
	return os.Rename(next, path)
}
