package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/tocsin-exchange/tocsin/node/api"
)

const watchHelp = `Prints what comes in, as it comes, until interrupted:

  add CLAIM        said, or said anew
  remove CLAIM     taken back by who said it

where CLAIM is

` + claimFormat + `

without RELATION. With --json each line carries a cursor: give the last one to
--after and nothing is missed in between. --after start begins with all that is
held.`

func (c *cli) watchCommand() *cobra.Command {
	after := "now"
	cmd := &cobra.Command{Use: "watch", Short: "Print what comes in, as it comes", Long: watchHelp, Args: noArgs}
	cmd.Flags().StringVar(&after, "after", after, "cursor, now or start")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return c.watch(cmd.Context(), after) }
	return c.answers(cmd)
}

func (c *cli) watch(ctx context.Context, after string) error {
	if after == "start" {
		after = ""
	}
	return c.ask(func(client *api.Client) error {
		err := client.Watch(ctx, after, nil, func(change api.Change) error {
			if change.Claim == nil {
				return nil
			}
			return c.print(change, "%s %s", field(change.Op), claimLine("", *change.Claim))
		})
		if ctx.Err() != nil {
			return nil
		}
		return err
	})
}
