package main

import (
	"cmp"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/tocsin-exchange/tocsin/node"
	"github.com/tocsin-exchange/tocsin/protocol"
	"github.com/tocsin-exchange/tocsin/storage"
)

const initHelp = `Sets up a node of a new organisation: keys, configuration and an empty store,
in a directory nobody else may read. Keys that are there are never overwritten.

org.key is the organisation: keep a copy of it where the machine's fate cannot
reach it. It may be moved away altogether; then this node can neither found a
community, nor invite, nor renew its own certificate.

With --certificate it completes a second node of an organisation, whose key stays
elsewhere: the directory holds the node.key of ` + "`tocsin key create`" + `, the file is of
` + "`tocsin certify`" + ` for it. Started, the node comes into the organisation's communities
by itself; status shows what is left to do.

With a passphrase the keys are sealed and the whole store is encrypted. It is
asked for with --passphrase, or read from the first line of a file.

Prints: org, fingerprint, node and dir, a line each.`

type initFlags struct {
	config
	askPassphrase bool
	certificate   string
}

func (c *cli) initCommand() *cobra.Command {
	f := initFlags{config: defaultConfig()}
	cmd := &cobra.Command{Use: "init --org NAME", Short: "Set up a node: keys, configuration, empty store", Long: initHelp, Args: noArgs,
		Example: "  tocsin init --org bank --listen /ip4/198.51.100.7/tcp/4001 --http 127.0.0.1:7801"}
	flags := cmd.Flags()
	flags.StringVar(&f.Org, "org", "", "what the organisation calls itself (required, but with --certificate)")
	flags.StringVar(&f.certificate, "certificate", "", "certificate file for the node.key in the directory; - for standard input")
	flags.StringArrayVar(&f.Listen, "listen", f.Listen, "multiaddr to listen on; repeat for more")
	flags.StringArrayVar(&f.Announce, "announce", nil, "multiaddr to tell others instead; repeat for more")
	flags.StringVar(&f.HTTP, "http", f.HTTP, "HOST:PORT of the HTTP door; empty for none")
	flags.StringVar(&f.PassphraseFile, "passphrase-file", "", "file with the passphrase of the keys; it is remembered in config.toml")
	flags.BoolVar(&f.askPassphrase, "passphrase", false, "ask for a passphrase of the keys")
	cmd.RunE = func(*cobra.Command, []string) error { return c.setUp(f) }
	return c.answers(cmd)
}

func (c *cli) setUp(f initFlags) error {
	var file certificateFile
	if f.certificate != "" {
		var err error
		if file, err = c.readCertificateFile(f.certificate); err != nil {
			return err
		}
		f.Org = cmp.Or(f.Org, file.Org)
	}
	if f.Org == "" {
		return hinted(usagef("--org is missing"), "see `tocsin init --help`")
	}
	if err := f.check(); err != nil {
		return usagef("%v", err)
	}
	dir, err := c.dir()
	if err != nil {
		return err
	}
	if f.PassphraseFile != "" {
		if f.PassphraseFile, err = filepath.Abs(f.PassphraseFile); err != nil {
			return err
		}
	}
	if f.certificate != "" {
		return c.setUpSecond(dir, f, file)
	}
	passphrase, err := c.newPassphrase(f.PassphraseFile, f.askPassphrase)
	if err != nil {
		return err
	}
	cert, err := dir.create(f.config, passphrase, time.Now())
	if err != nil {
		return err
	}
	return c.printInit(dir, f.Org, cert)
}

// setUpSecond completes a directory that holds a node's key.
func (c *cli) setUpSecond(dir directory, f initFlags, file certificateFile) error {
	if f.askPassphrase {
		return usagef("--passphrase: the passphrase of the key is asked for where it has one; it is given to `tocsin key create`")
	}
	if err := dir.complete(f.config, file, func() ([]byte, error) { return c.passphrase(f.PassphraseFile) }, time.Now()); err != nil {
		return err
	}
	return c.printInit(dir, f.Org, file.Certificate)
}

func (c *cli) printInit(dir directory, org string, cert protocol.Certificate) error {
	record := struct {
		Org         string `json:"org"`
		Fingerprint string `json:"fingerprint"`
		Node        string `json:"node"`
		Dir         string `json:"dir"`
	}{org, cert.Org.Fingerprint(), node.PeerID(cert.Node).String(), string(dir)}
	err := c.print(record, "org: %s\nfingerprint: %s\nnode: %s\ndir: %s", clean(org), record.Fingerprint, record.Node, clean(record.Dir))
	if _, missing := os.Stat(dir.orgKey()); missing == nil {
		c.hint("copy %s to a safe place, then `tocsin run`", clean(dir.orgKey()))
	} else {
		c.hint("`tocsin run`: it comes in by itself")
	}
	return err
}

// create sets up a node. What it made is taken away again when it fails.
func (d directory) create(c config, passphrase []byte, now time.Time) (protocol.Certificate, error) {
	if err := d.prepare(); err != nil {
		return protocol.Certificate{}, err
	}
	files, cert, err := newFiles(d, c, passphrase, now)
	if err != nil {
		return cert, err
	}
	return cert, d.writeWithStore(files, passphrase)
}

// complete sets up a node whose key is there and whose organisation's is not.
func (d directory) complete(c config, f certificateFile, ask func() ([]byte, error), now time.Time) error {
	for _, path := range []string{d.orgKey(), d.storeKey(), d.sealKey(), d.cert(), d.config(), d.store()} {
		if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
			return hinted(fmt.Errorf("%s is there already: a node lives in this directory", path), "to load a new certificate: `tocsin key load FILE`")
		}
	}
	passphrase, err := d.unlock(ask)
	if err != nil {
		return err
	}
	key, err := d.readKey("node", d.nodeKey(), passphrase)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return hinted(fmt.Errorf("there is no node.key in %s", d), "`tocsin key create` makes it, then certify it")
	case err != nil:
		return err
	case protocol.NodeOf(key) != f.Certificate.Node:
		return fmt.Errorf("the certificate is for node %s, and %s is of %s", node.PeerID(f.Certificate.Node), d.nodeKey(), node.PeerID(protocol.NodeOf(key)))
	case !f.Certificate.Covers(protocol.Millis(now)):
		return fmt.Errorf("the certificate is valid from %s to %s", protocol.Time(f.Certificate.NotBefore).Format(time.DateTime), protocol.Time(f.Certificate.NotAfter).Format(time.DateTime))
	}
	entry, err := f.text()
	if err != nil {
		return err
	}
	files := []newFile{{d.cert(), encodeCertificate(f.Certificate)}, {d.entry(), entry}}
	rest, err := commonFiles(d, c, passphrase)
	if err != nil {
		return err
	}
	return d.writeWithStore(append(files, rest...), passphrase)
}

// writeWithStore writes the files of a new node and makes its store, or leaves
// nothing.
func (d directory) writeWithStore(files []newFile, passphrase []byte) error {
	if err := writeAll(files); err != nil {
		return err
	}
	if err := d.createStore(passphrase); err != nil {
		err = errors.Join(fmt.Errorf("make the store: %w", err), os.RemoveAll(d.store()))
		return errors.Join(err, takeBack(files))
	}
	return nil
}

func (d directory) createStore(passphrase []byte) error {
	key, err := d.openStoreKey(passphrase)
	if err != nil {
		return err
	}
	store, err := storage.Open(d.store(), storage.Options{Key: key})
	if err != nil {
		return err
	}
	return store.Close()
}

// writeAll writes new files, or none.
func writeAll(files []newFile) error {
	for i, f := range files {
		if err := writeNew(f.path, f.content); err != nil {
			return errors.Join(err, takeBack(files[:i]))
		}
	}
	return nil
}

func takeBack(files []newFile) (err error) {
	for _, f := range files {
		err = errors.Join(err, os.Remove(f.path))
	}
	return err
}

// prepare makes the directory, or takes one that is empty.
func (d directory) prepare() error {
	if err := os.MkdirAll(string(d), 0o700); err != nil {
		return err
	}
	for _, path := range []string{d.orgKey(), d.nodeKey(), d.storeKey(), d.sealKey(), d.cert(), d.config(), d.store()} {
		if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
			return hinted(fmt.Errorf("%s is there already: a node lives in this directory", path), "start it with `tocsin run`, or give another --dir")
		}
	}
	entries, err := os.ReadDir(string(d))
	if err != nil {
		return err
	}
	info, err := os.Stat(string(d))
	if err != nil {
		return err
	}
	if err := private(string(d), info); err != nil && len(entries) > 0 {
		return hinted(err, "chmod 700 %s, if all in it may be hidden from others", d)
	}
	return os.Chmod(string(d), 0o700)
}

type newFile struct {
	path    string
	content []byte
}

// newFiles makes the keys and all files of a new node; the configuration comes
// last, since it is what says that a node lives here.
func newFiles(d directory, c config, passphrase []byte, now time.Time) ([]newFile, protocol.Certificate, error) {
	var cert protocol.Certificate
	_, org, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, cert, err
	}
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, cert, err
	}
	cert = certify(org, protocol.NodeOf(key), now)
	orgFile, err := encodeKey("org", org, passphrase)
	if err != nil {
		return nil, cert, err
	}
	nodeFile, err := encodeKey("node", key, passphrase)
	if err != nil {
		return nil, cert, err
	}
	files := []newFile{{d.orgKey(), orgFile}, {d.nodeKey(), nodeFile}, {d.cert(), encodeCertificate(cert)}}
	rest, err := commonFiles(d, c, passphrase)
	return append(files, rest...), cert, err
}

// commonFiles are those that nodes with and without their organisation's key
// begin with.
func commonFiles(d directory, c config, passphrase []byte) (files []newFile, err error) {
	if passphrase != nil {
		storeFile, err := sealStoreKey(passphrase)
		if err != nil {
			return nil, err
		}
		files = append(files, newFile{d.storeKey(), storeFile})
	}
	_, sealFile, err := makeSealKey(c.suite(), passphrase)
	if err != nil {
		return nil, err
	}
	text, err := c.text()
	return append(files, newFile{d.sealKey(), sealFile}, newFile{d.config(), text}), err
}

const certLife = 365 * 24 * time.Hour

// certify makes a node's certificate. It begins a little in the past, since
// clocks differ.
func certify(org ed25519.PrivateKey, n protocol.Node, now time.Time) protocol.Certificate {
	return protocol.Certify(org, n, now.Add(-time.Hour), now.Add(certLife))
}
