package main

import (
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/tocsin-exchange/tocsin/node"
	"github.com/tocsin-exchange/tocsin/protocol"
)

const keyRotateHelp = `Gives this node a new key, a new certificate and a new key for what is sealed to it.
The daemon must be stopped, and org.key be in the directory.

At the next start the node shows its certificate to members it knows, goes on
under the new key with all it holds, and revokes the former one: what was said
under it until now still counts, and nothing that anybody signs with it later.
Until then the former key is kept in node.key.old.

Prints: node, former and certificate, a line each.`

func (c *cli) keyRotateCommand() *cobra.Command {
	var o offline
	cmd := &cobra.Command{Use: "rotate", Short: "Give this node a new key", Long: keyRotateHelp, Args: noArgs}
	o.flags(cmd)
	cmd.RunE = func(*cobra.Command, []string) error { return c.rotateKey(o) }
	return c.answers(cmd)
}

func (c *cli) rotateKey(o offline) error {
	return c.whileStopped(o, func(dir directory, conf config, k keys) error {
		cert, err := dir.rotate(k, conf.suite(), time.Now())
		if err != nil {
			return err
		}
		record := struct {
			Node   string    `json:"node"`
			Former string    `json:"former"`
			Until  time.Time `json:"certificate_expires"`
		}{node.PeerID(cert.Node).String(), node.PeerID(k.cert.Node).String(), protocol.Time(cert.NotAfter)}
		if !c.json {
			c.hint("start the node: it comes in with the new key, and revokes the former one")
		}
		return c.print(record, "node: %s\nformer: %s\ncertificate: until %s", record.Node, record.Former, record.Until.Format(time.DateOnly))
	})
}

// rotate puts new keys in the place of the old. The new certificate is written
// before the key it is about, and put in place after it; a start in between
// finds it (see certOf).
func (d directory) rotate(k keys, suite uint16, now time.Time) (protocol.Certificate, error) {
	var cert protocol.Certificate
	if k.org == nil {
		return cert, hinted(fmt.Errorf("there is no org.key in %s to certify a new key", d), "put it there; without it, `tocsin key create` in a new directory makes another node")
	}
	if !k.former().IsZero() {
		return cert, hinted(fmt.Errorf("%s is there: the last change of keys is not complete", d.formerKey()), "start the node once: it revokes that key")
	}
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return cert, err
	}
	cert = certify(k.org, protocol.NodeOf(key), now)
	file, err := encodeKey("node", key, k.passphrase)
	if err != nil {
		return cert, err
	}
	old, err := readSecret(d.nodeKey(), maxKeyFile)
	if err != nil {
		return cert, err
	}
	if err := replace(d.formerKey(), old); err != nil {
		return cert, err
	}
	if err := replace(d.nextCert(), encodeCertificate(cert)); err != nil {
		return cert, err
	}
	if err := replace(d.nodeKey(), file); err != nil {
		return cert, err
	}
	if err := os.Rename(d.nextCert(), d.cert()); err != nil {
		return cert, err
	}
	_, err = d.newSealKey(suite, k.passphrase)
	return cert, err
}

// certOf reads the certificate of a node's key: the one in place, or the next,
// where a change of keys stopped half way.
func (d directory) certOf(key ed25519.PrivateKey) (protocol.Certificate, error) {
	cert, err := d.readCert(d.cert())
	if err != nil || cert.Node == protocol.NodeOf(key) {
		return cert, err
	}
	next, err := d.readCert(d.nextCert())
	if err != nil || next.Node != protocol.NodeOf(key) {
		return cert, fmt.Errorf("%s is not about the key in %s", d.cert(), d.nodeKey())
	}
	return next, os.Rename(d.nextCert(), d.cert())
}

// readFormer returns the node of the key that was in use before, if it has yet
// to be revoked.
func (d directory) readFormer(current ed25519.PrivateKey, passphrase []byte) (former protocol.Node, err error) {
	key, err := d.readKey("node", d.formerKey(), passphrase)
	if errors.Is(err, fs.ErrNotExist) {
		return former, nil
	}
	if err != nil || key.Equal(current) { // the change stopped before it began
		return former, err
	}
	return protocol.NodeOf(key), nil
}

// readEntry returns what a node with a new key is told at its start; nil where
// there is nothing.
func (d directory) readEntry(former protocol.Node) (*node.Entry, error) {
	text, err := readFile(d.entry(), maxCertFile)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if former.IsZero() {
			return nil, nil
		}
		return &node.Entry{Former: former}, nil
	case err != nil:
		return nil, err
	}
	f, err := parseCertificateFile(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", d.entry(), err)
	}
	return &node.Entry{Communities: f.Communities, Peers: f.Peers, Former: former}, nil
}

// entered forgets what the node has noted in its store.
func (d directory) entered() error {
	for _, path := range []string{d.entry(), d.formerKey()} {
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}
