package main

import (
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/tocsin-exchange/tocsin/protocol"
)

// keys are what makes a node the one it is.
type keys struct {
	org   ed25519.PrivateKey // nil when kept elsewhere
	node  ed25519.PrivateKey
	cert  protocol.Certificate
	store []byte // nil: the store is not encrypted
}

// readKeys reads a directory's keys; ask is called once, and only if one of
// them is sealed.
func (d directory) readKeys(ask func() ([]byte, error)) (k keys, err error) {
	passphrase, err := d.unlock(ask)
	if err != nil {
		return keys{}, err
	}
	if k.cert, err = d.readCert(); err != nil {
		return keys{}, err
	}
	if k.node, err = d.readKey("node", d.nodeKey(), passphrase); err != nil {
		return keys{}, err
	}
	if k.org, err = d.readKey("org", d.orgKey(), passphrase); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return keys{}, err
	}
	if k.store, err = d.openStoreKey(passphrase); err != nil {
		return keys{}, err
	}
	return k, k.check(d)
}

// check refuses files that do not belong together.
func (k keys) check(d directory) error {
	if protocol.NodeOf(k.node) != k.cert.Node {
		return fmt.Errorf("%s is not about the key in %s", d.cert(), d.nodeKey())
	}
	if k.org != nil && protocol.OrgOf(k.org) != k.cert.Org {
		return fmt.Errorf("%s is not by the organisation of %s", d.cert(), d.orgKey())
	}
	return nil
}

// unlock returns the passphrase, asked for only where one of the keys is sealed.
func (d directory) unlock(ask func() ([]byte, error)) ([]byte, error) {
	for _, path := range []string{d.nodeKey(), d.orgKey(), d.storeKey()} {
		file, err := readSecret(path, maxKeyFile)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if sealed(file) {
			return ask()
		}
	}
	return nil, nil
}

func (d directory) readKey(name, path string, passphrase []byte) (ed25519.PrivateKey, error) {
	file, err := readSecret(path, maxKeyFile)
	if err != nil {
		return nil, err
	}
	key, err := decodeKey(name, file, passphrase)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return key, nil
}

func (d directory) readCert() (protocol.Certificate, error) {
	file, err := readFile(d.cert(), maxKeyFile)
	if err != nil {
		return protocol.Certificate{}, err
	}
	cert, err := decodeCertificate(file)
	if err != nil {
		return cert, fmt.Errorf("%s: %w", d.cert(), err)
	}
	return cert, nil
}

// openStoreKey returns the key of the store, nil where it is not encrypted.
func (d directory) openStoreKey(passphrase []byte) ([]byte, error) {
	file, err := readSecret(d.storeKey(), maxKeyFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	key, err := decodeStoreKey(file, passphrase)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", d.storeKey(), err)
	}
	return key, nil
}

// sealStoreKey makes a store's key and its file.
func sealStoreKey(passphrase []byte) ([]byte, error) {
	key := make([]byte, storeKeySize)
	rand.Read(key)
	return seal("store", key, passphrase)
}

// renew makes a new certificate when the old one ends soon and the
// organisation's key is here to sign it.
func (d directory) renew(k *keys, now time.Time) (renewed bool, err error) {
	ends := protocol.Time(k.cert.NotAfter)
	if k.org == nil || now.Before(ends.Add(-certRenew)) {
		return false, nil
	}
	cert := certify(k.org, k.cert.Node, now)
	file := encodeCertificate(cert)
	if err := replace(d.cert(), file); err != nil {
		return false, fmt.Errorf("renew the certificate: %w", err)
	}
	k.cert = cert
	return true, nil
}
