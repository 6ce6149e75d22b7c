package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
)

const (
	maxPassphrase = 1 << 10
	minPassphrase = 8
	credential    = "tocsin.passphrase" // name of the systemd credential
)

// newPassphrase is what the keys of a new node are wrapped with: from a file,
// or asked for twice; nil for none.
func (e env) newPassphrase(file string, ask bool) ([]byte, error) {
	switch {
	case file != "":
		return passphraseFile(file)
	case !ask:
		return nil, nil
	case e.prompt == nil:
		return nil, usagef("there is no terminal to ask for a passphrase: give --passphrase-file")
	}
	first, err := e.prompt("passphrase for the keys")
	if err != nil {
		return nil, err
	}
	again, err := e.prompt("the same again")
	if err != nil {
		return nil, err
	}
	if !bytes.Equal(first, again) {
		return nil, errors.New("the two passphrases differ")
	}
	return checkPassphrase(first)
}

// passphrase is what opens sealed keys: from the file given or configured, the
// systemd credential, or asked for.
func (e env) passphrase(file string) ([]byte, error) {
	if file != "" {
		return passphraseFile(file)
	}
	if dir := e.getenv("CREDENTIALS_DIRECTORY"); dir != "" {
		// systemd guards these by access lists, which show as group modes.
		text, err := readFile(filepath.Join(dir, credential), maxPassphrase)
		if err == nil {
			return checkPassphrase(trimLine(text))
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
	}
	if e.prompt == nil {
		return nil, hinted(errors.New("the keys are sealed with a passphrase and there is no terminal to ask for it"),
			"set passphrase_file in config.toml, or hand over the systemd credential %s", credential)
	}
	return e.prompt("passphrase")
}

func passphraseFile(path string) ([]byte, error) {
	text, err := readSecret(path, maxPassphrase)
	if err != nil {
		return nil, err
	}
	p, err := checkPassphrase(trimLine(text))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return p, nil
}

func trimLine(b []byte) []byte { return bytes.TrimRight(b, "\r\n") }

func checkPassphrase(p []byte) ([]byte, error) {
	if len(p) < minPassphrase {
		return nil, fmt.Errorf("a passphrase has at least %d bytes", minPassphrase)
	}
	return p, nil
}
