package main

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"github.com/tocsin-exchange/tocsin/node/api"
)

const inviteHelp = `Makes a token that lets one organisation into a community, once. Hand it over by
a channel both sides trust; the other side gives it to ` + "`tocsin join`" + `.

Whoever holds the token may use it until it expires or is used. Afterwards
compare fingerprints: ` + "`tocsin id`" + ` there, ` + "`tocsin peer show ORG`" + ` here.

Prints the token as the last line of standard output.`

func (c *cli) inviteCommand() *cobra.Command {
	var r api.InviteRequest
	cmd := &cobra.Command{Use: "invite", Short: "Make a token that lets one organisation in", Long: inviteHelp, Args: noArgs,
		Example: "  tocsin invite --community isac --name hospital --valid 2d"}
	cmd.Flags().StringVar(&r.Community, "community", "", "which one, where the node is in more than one")
	cmd.Flags().StringVar(&r.Name, "name", "", "what to call the organisation here (default: what it calls itself)")
	cmd.Flags().TextVar(&r.Valid, "valid", api.Duration(7*24*time.Hour), "how long the token can be used, up to 90d")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return c.invite(cmd.Context(), r) }
	return c.answers(cmd)
}

func (c *cli) invite(ctx context.Context, r api.InviteRequest) error {
	return c.ask(func(client *api.Client) error {
		made, err := client.Invite(ctx, r)
		if err != nil {
			return err
		}
		if !c.json {
			c.hint("hand this over by a trusted channel; it works once, until %s", made.Expires.UTC().Format(time.RFC3339))
		}
		return c.print(made, "%s", clean(made.Token))
	})
}
