package main

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/tocsin-exchange/tocsin/node"
	"github.com/tocsin-exchange/tocsin/node/api"
	"github.com/tocsin-exchange/tocsin/protocol"
)

const idHelp = `Shows who this node is: what two people compare before one trusts the other.

  org: bank
  fingerprint: 12345 12345 12345 12345 12345 12345
  node: 12D3...
  certificate: until 2027-11-22
  addr: /ip4/198.51.100.7/tcp/4001/p2p/12D3...      a line for each

Without a daemon it answers from the files; addresses are then those of the
configuration, so a port 0 or 0.0.0.0 in it stands as it is.`

func (c *cli) idCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "id", Short: "Show organisation, fingerprint and addresses of this node", Long: idHelp, Args: noArgs}
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return c.id(cmd.Context()) }
	return c.answers(cmd)
}

func (c *cli) id(ctx context.Context) error {
	client, dir, err := c.daemon()
	if err != nil {
		return err
	}
	id, err := client.Identity(ctx)
	var problem *api.Problem
	var unreached *net.OpError
	if errors.As(err, &unreached) && !errors.As(err, &problem) {
		id, err = dir.offlineIdentity()
	}
	if err != nil {
		return err
	}
	lines := []string{
		"org: " + clean(id.Org), "fingerprint: " + id.Fingerprint, "node: " + clean(id.Node),
		"certificate: until " + id.Expires.UTC().Format(time.DateOnly),
	}
	for _, a := range id.Addrs {
		lines = append(lines, "addr: "+clean(a))
	}
	return c.print(id, "%s", strings.Join(lines, "\n"))
}

// offlineIdentity is who the node of a directory is, from its files.
func (d directory) offlineIdentity() (node.Identity, error) {
	if err := d.check(); err != nil {
		return node.Identity{}, err
	}
	conf, err := d.readConfig()
	if err != nil {
		return node.Identity{}, err
	}
	cert, err := d.readCert(d.cert())
	if errors.Is(err, fs.ErrNotExist) {
		err = d.notSetUp()
	}
	if err != nil {
		return node.Identity{}, err
	}
	id := node.Identity{
		Org: conf.Org, OrgKey: cert.Org, Node: node.PeerID(cert.Node).String(), NodeKey: cert.Node,
		Fingerprint: cert.Org.Fingerprint(), Expires: protocol.Time(cert.NotAfter), Addrs: []string{},
	}
	addrs := conf.Announce
	if len(addrs) == 0 {
		addrs = conf.Listen
	}
	for _, a := range addrs {
		id.Addrs = append(id.Addrs, a+"/p2p/"+id.Node)
	}
	return id, nil
}
