package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/tocsin-exchange/tocsin/node/api"
)

const tokenHelp = `Tokens let your tools in at the HTTP door: Authorization: Bearer TOKEN. A role says
what the tool may do: reader (look up, read), analyst (also submit and import),
reviewer, auditor (how the node is doing), operator (everything). The clearance is
the strictest label it may see.`

const tokenListHelp = `Prints a line for each token, never the token itself:

  ID ROLE clearance:green created:2026-11-22 NAME`

func (c *cli) tokenCommand() *cobra.Command {
	cmd := group("token", "Let tools in at the HTTP door", c.tokenCreateCommand(), c.tokenListCommand(), c.tokenDeleteCommand())
	cmd.Long = tokenHelp
	return cmd
}

func (c *cli) tokenCreateCommand() *cobra.Command {
	var r api.TokenRequest
	var role string
	cmd := &cobra.Command{Use: "create --role ROLE", Short: "Make a token", Args: noArgs,
		Long: tokenHelp + "\n\nPrints the token as the last line of standard output. It is shown once and kept\nnowhere: the node holds only its hash."}
	cmd.Flags().StringVar(&role, "role", "", "reader, analyst, reviewer, auditor or operator (required)")
	cmd.Flags().StringVar(&r.Name, "name", "", "what it is for")
	complete(cmd, "role", "reader", "analyst", "reviewer", "auditor", "operator")
	labelFlag(cmd, &r.Clearance, "clearance", "strictest label it may see (default green)")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if role == "" {
			return hinted(usagef("--role is missing"), "one of reader, analyst, reviewer, auditor, operator")
		}
		var err error
		if r.Role, err = api.ParseRole(role); err != nil {
			return usagef("--role: %v", err)
		}
		return c.createToken(cmd.Context(), r)
	}
	return c.answers(cmd)
}

func (c *cli) createToken(ctx context.Context, r api.TokenRequest) error {
	return c.ask(func(client *api.Client) error {
		made, err := client.CreateToken(ctx, r)
		if err != nil {
			return err
		}
		if !c.json {
			c.hint("shown once: keep it where the tool finds it; `tocsin token delete %s` ends it", clean(made.ID))
		}
		return c.print(made, "%s", clean(made.Secret))
	})
}

func (c *cli) tokenListCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "list", Short: "List tokens", Long: tokenListHelp, Args: noArgs}
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		return c.ask(func(client *api.Client) error {
			tokens, err := client.ListTokens(cmd.Context())
			for _, t := range tokens {
				line := fmt.Sprintf("%s %s clearance:%s created:%s", field(t.ID), t.Role, t.Clearance, t.Created.UTC().Format(time.DateOnly))
				if t.Name != "" {
					line += " " + field(t.Name)
				}
				if err := c.print(t, "%s", line); err != nil {
					return err
				}
			}
			return err
		})
	}
	return c.answers(cmd)
}

func (c *cli) tokenDeleteCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "delete ID", Short: "End a token, at once", Args: exactArgs("ID"),
		Long: "Ends a token at once. ID is what `tocsin token list` prints.\n\nPrints: deleted ID."}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return c.ask(func(client *api.Client) error {
			if err := client.DeleteToken(cmd.Context(), args[0]); err != nil {
				return err
			}
			return c.print(map[string]string{"deleted": args[0]}, "deleted %s", field(args[0]))
		})
	}
	return c.answers(cmd)
}
