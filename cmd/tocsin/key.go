package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tocsin-exchange/tocsin/node/api"
)

const keyHelp = `Keys of this organisation's nodes. The organisation's key certifies them, and
ends them.`

const keyRevokeHelp = `Ends the key of another node of this organisation, for good and in every community:
when it was stolen, or is no longer used. NODE is a peer id as ` + "`tocsin id`" + ` prints
it there, or a node key of 64 hexadecimal digits.

What the key ever said counts only as far as the revocation leaves it standing,
whatever date it bears: the bulletins named as its last good ones, and those
before them. Left out, they are those held here at this moment, of each of its
logs. What a thief has said and this node has heard is among those: name the last
good bulletin of such a log with --keep (ids: ` + "`tocsin search --org NAME --json`" + `);
then of that log nothing after it counts. With --none only what --keep names does.

A revocation cannot be undone. Another one of the same key takes back more, never
less. Others cut the node off as soon as they learn of it.

Needs the organisation's key, and a node of its own: ` + "`tocsin key rotate`" + ` gives the
only node of an organisation another key.

Prints: revoked NODE, then a line for each bulletin named as good:

  kept BULLETIN KIND COMMUNITY tlp:green issued:2026-11-22T09:30Z`

func (c *cli) keyCommand() *cobra.Command {
	cmd := group("key", "Keys of this organisation's nodes: create, load, rotate, revoke",
		c.keyCreateCommand(), c.keyLoadCommand(), c.keyRotateCommand(), c.keyRevokeCommand())
	cmd.Long = keyHelp
	return cmd
}

func (c *cli) keyRevokeCommand() *cobra.Command {
	var r api.RevokeRequest
	cmd := &cobra.Command{Use: "revoke NODE", Short: "End the key of a node of this organisation", Long: keyRevokeHelp, Args: exactArgs("NODE")}
	cmd.Flags().StringArrayVar(&r.Keep, "keep", nil, "last good bulletin of one of its logs; may be given often")
	cmd.Flags().BoolVar(&r.None, "none", false, "leave nothing standing but what --keep names")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return c.ask(func(client *api.Client) error {
			r.Node = args[0]
			answer, err := client.RevokeNode(cmd.Context(), r)
			if err != nil {
				return err
			}
			return c.print(answer, "%s", revokedLines(answer))
		})
	}
	return c.answers(cmd)
}

func revokedLines(a api.RevokeAnswer) string {
	lines := []string{"revoked " + a.Peer}
	for _, k := range a.Kept {
		lines = append(lines, strings.Join([]string{
			"kept", k.Bulletin.String(), k.Kind, field(k.Community), fmt.Sprintf("tlp:%s", k.TLP), "issued:" + k.Issued.UTC().Format("2006-01-02T15:04Z"),
		}, " "))
	}
	return strings.Join(lines, "\n")
}
