package main

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/tocsin-exchange/tocsin/node/api"
)

const joinHelp = `Joins the community that a token of ` + "`tocsin invite`" + ` is for. The inviter's node must
be reachable. With - the token is read from standard input, which keeps it out
of the list of processes.

Joining again with the same token is harmless: it is bound to the organisation
that used it first.

Prints: joined NAME.`

const maxToken = 16 << 10

func (c *cli) joinCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "join TOKEN", Short: "Join a community with a token", Long: joinHelp, Args: exactArgs("TOKEN")}
	cmd.RunE = func(cmd *cobra.Command, args []string) error { return c.join(cmd.Context(), args[0]) }
	return c.answers(cmd)
}

func (c *cli) join(ctx context.Context, token string) error {
	if token == "-" {
		text, err := io.ReadAll(io.LimitReader(c.stdin, maxToken+1))
		if err != nil {
			return fmt.Errorf("read the token: %w", err)
		}
		token = string(text)
	}
	if len(token) > maxToken {
		return usagef("the token has more than %d bytes", maxToken)
	}
	return c.ask(func(client *api.Client) error {
		joined, err := client.Join(ctx, token)
		if err != nil {
			return err
		}
		if !c.json {
			c.hint("compare fingerprints with who invited you: `tocsin id` there, `tocsin peer list` here")
		}
		return c.print(joined, "joined %s", clean(joined.Name))
	})
}
