package main

import (
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/tocsin-exchange/tocsin/node"
	"github.com/tocsin-exchange/tocsin/protocol"
)

// keys are what makes a node the one it is.
type keys struct {
	org   ed25519.PrivateKey // nil when kept elsewhere
	node  ed25519.PrivateKey
	cert  protocol.Certificate
	store []byte            // nil: the store is not encrypted
	seal  *protocol.SealKey // nil: none was made yet
	entry *node.Entry       // nil: the others know this node

	passphrase []byte // of the files; nil: they are not sealed
}

// former is the node's key before this one, if it has yet to be revoked.
func (k keys) former() (n protocol.Node) {
	if k.entry != nil {
		n = k.entry.Former
	}
	return n
}

// readKeys reads a directory's keys; ask is called once, and only if one of
// them is sealed.
func (d directory) readKeys(ask func() ([]byte, error)) (k keys, err error) {
	passphrase, err := d.unlock(ask)
	if err != nil {
		return keys{}, err
	}
	k.passphrase = passphrase
	if k.node, err = d.readKey("node", d.nodeKey(), passphrase); err != nil {
		return keys{}, err
	}
	if k.cert, err = d.certOf(k.node); err != nil {
		return keys{}, err
	}
	if k.org, err = d.readKey("org", d.orgKey(), passphrase); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return keys{}, err
	}
	if k.store, err = d.openStoreKey(passphrase); err != nil {
		return keys{}, err
	}
	if k.seal, err = d.readSealKey(passphrase); err != nil {
		return keys{}, err
	}
	former, err := d.readFormer(k.node, passphrase)
	if err != nil {
		return keys{}, err
	}
	if k.entry, err = d.readEntry(former); err != nil {
		return keys{}, err
	}
	return k, k.check(d)
}

// check refuses an organisation's key that is not the certificate's.
func (k keys) check(d directory) error {
	if k.org != nil && protocol.OrgOf(k.org) != k.cert.Org {
		return fmt.Errorf("%s is not by the organisation of %s", d.cert(), d.orgKey())
	}
	return nil
}

// unlock returns the passphrase, asked for only where one of the keys is sealed.
func (d directory) unlock(ask func() ([]byte, error)) ([]byte, error) {
	for _, path := range []string{d.nodeKey(), d.orgKey(), d.storeKey(), d.sealKey(), d.formerKey()} {
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

func (d directory) readCert(path string) (protocol.Certificate, error) {
	file, err := readFile(path, maxKeyFile)
	if err != nil {
		return protocol.Certificate{}, err
	}
	cert, err := decodeCertificate(file)
	if err != nil {
		return cert, fmt.Errorf("%s: %w", path, err)
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

// readSealKey returns the key that opens what is sealed for this node, nil where
// there is none.
func (d directory) readSealKey(passphrase []byte) (*protocol.SealKey, error) {
	file, err := readSecret(d.sealKey(), maxKeyFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	key, err := decodeSealKey(file, passphrase)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", d.sealKey(), err)
	}
	return key, nil
}

// newSealKey makes such a key and puts it in the place of the one there.
func (d directory) newSealKey(suite uint16, passphrase []byte) (*protocol.SealKey, error) {
	key, file, err := makeSealKey(suite, passphrase)
	if err != nil {
		return nil, err
	}
	return key, replace(d.sealKey(), file)
}

func makeSealKey(suite uint16, passphrase []byte) (*protocol.SealKey, []byte, error) {
	key, err := protocol.NewSealKey(suite)
	if err != nil {
		return nil, nil, err
	}
	file, err := encodeSealKey(key, passphrase)
	return key, file, err
}

// readySealKey makes a key where there is none, or one of another suite than is
// configured.
func (d directory) readySealKey(k *keys, suite uint16) (err error) {
	if k.seal == nil || k.seal.Suite() != suite {
		k.seal, err = d.newSealKey(suite, k.passphrase)
	}
	return err
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
	if k.org == nil || now.Before(node.RenewAt(k.cert)) {
		return false, nil
	}
	cert := node.Renewed(k.org, k.cert, now)
	if err := d.keepCert(cert); err != nil {
		return false, fmt.Errorf("renew the certificate: %w", err)
	}
	k.cert = cert
	return true, nil
}

func (d directory) keepCert(c protocol.Certificate) error {
	return replace(d.cert(), encodeCertificate(c))
}
