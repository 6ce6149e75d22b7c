package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/tocsin-exchange/tocsin/node/api"
	"github.com/tocsin-exchange/tocsin/protocol"
)

const tokenHelp = `Tokens let your tools in at the HTTP door: Authorization: Bearer TOKEN, Basic with
the token as the password of any user, or X-Api-Key: TOKEN. A role says what the tool
may do: reader (look up, read), analyst (also submit and import), reviewer, auditor
(how the node is doing), monitor (its figures alone), operator (everything).

A tool that can send no header fetches /feeds/key/TOKEN/NAME with a token made with
--path, which is good for nothing else: paths end up in logs, so give each tool one
of its own, with the lowest clearance that does.

What it may see is limited by its clearance, the strictest TLP label (default
green), and by --pap, the strictest PAP level (default amber: it may look things up
elsewhere; PAP:RED is for those who are never noticed). What states no PAP passes.
TLP:RED is shown to the persons it names and to nobody else, the operator included:
make a token with --clearance red --person NAME for each of them. Figures about the
whole node (status, doctor, metrics) need --clearance amber+strict --pap red, and
leave out what is under RED; a monitor's token has that clearance where nothing else
is asked for, and reads nothing but the figures of /metrics.

To use the command line as a token, and see what it sees, set TOCSIN_TOKEN:

  TOCSIN_TOKEN=$(cat alice.token) tocsin lookup 203.0.113.7`

const tokenListHelp = `Prints a line for each token, never the token itself:

  ID ROLE clearance:green pap:amber created:2026-11-22 path person:PERSON NAME

with path, person and name where they were given.`

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
	cmd.Flags().StringVar(&role, "role", "", "reader, analyst, reviewer, auditor, monitor or operator (required)")
	cmd.Flags().StringVar(&r.Name, "name", "", "what it is for")
	complete(cmd, "role", "reader", "analyst", "reviewer", "auditor", "monitor", "operator")
	labelFlag(cmd, &r.Clearance, "clearance", "strictest label it may see (default green)")
	cmd.Flags().Var((*papValue)(&r.PAP), "pap", "strictest PAP level it may see (default amber)")
	complete(cmd, "pap", "clear", "green", "amber", "red")
	cmd.Flags().BoolVar(&r.Path, "path", false, "for the paths of feeds, and good for nothing else (role reader)")
	cmd.Flags().StringVar(&r.Person, "person", "", "whose RED it shows, as senders name them (with --clearance red)")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if role == "" {
			return hinted(usagef("--role is missing"), "one of reader, analyst, reviewer, auditor, monitor, operator")
		}
		var err error
		if r.Role, err = api.ParseRole(role); err != nil {
			return usagef("--role: %v", err)
		}
		if r.Person != "" && r.Clearance != protocol.Red {
			return hinted(usagef("--person is for what is under TLP:RED"), "give --clearance red, or leave it out")
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
		if !c.json && made.Clearance == protocol.Red && made.Person == "" {
			c.hint("without --person it shows nothing under TLP:RED")
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
				line := fmt.Sprintf("%s %s clearance:%s pap:%s created:%s", field(t.ID), t.Role, t.Clearance, t.PAP, t.Created.UTC().Format(time.DateOnly))
				if t.Path {
					line += " path"
				}
				if t.Person != "" {
					line += " person:" + field(t.Person)
				}
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
