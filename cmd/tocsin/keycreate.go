package main

import (
	"crypto/ed25519"
	"crypto/rand"

	"github.com/spf13/cobra"

	"github.com/tocsin-exchange/tocsin/node"
	"github.com/tocsin-exchange/tocsin/protocol"
)

const keyCreateHelp = `Makes the key of a node of an organisation whose key is elsewhere: node.key, in a
directory nobody else may read. It never leaves this machine.

  here                    tocsin key create               prints NODE
  where org.key is        tocsin certify NODE --out FILE
  here                    tocsin init --certificate FILE  then tocsin run

With a passphrase the key is sealed; ` + "`tocsin init`" + ` asks for it again, and encrypts
the whole store.

Prints the peer id of the node.`

func (c *cli) keyCreateCommand() *cobra.Command {
	var file string
	var ask bool
	cmd := &cobra.Command{Use: "create", Short: "Make the key of another node of an organisation", Long: keyCreateHelp, Args: noArgs}
	cmd.Flags().StringVar(&file, "passphrase-file", "", "file with the passphrase of the key")
	cmd.Flags().BoolVar(&ask, "passphrase", false, "ask for a passphrase of the key")
	cmd.RunE = func(*cobra.Command, []string) error { return c.createKey(file, ask) }
	return c.answers(cmd)
}

func (c *cli) createKey(file string, ask bool) error {
	dir, err := c.dir()
	if err != nil {
		return err
	}
	passphrase, err := c.newPassphrase(file, ask)
	if err != nil {
		return err
	}
	if err := dir.prepare(); err != nil {
		return err
	}
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return err
	}
	content, err := encodeKey("node", key, passphrase)
	if err != nil {
		return err
	}
	if err := writeNew(dir.nodeKey(), content); err != nil {
		return err
	}
	record := struct {
		Node string `json:"node"`
		Dir  string `json:"dir"`
	}{node.PeerID(protocol.NodeOf(key)).String(), string(dir)}
	if !c.json {
		c.hint("certify it where org.key is: `tocsin certify %s --out FILE`", record.Node)
	}
	return c.print(record, "%s", record.Node)
}
