package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/tocsin-exchange/tocsin/node/api"
)

const lookupHelp = `Asks who says what about values: addresses, domains, URLs, hashes and the rest,
defanged or plain. An address is also found inside a block that was named
(relation cidr), a domain below one (relation parent-domain). Nothing leaves this
node: it answers from what it holds.

Prints a line for each claim:

` + claimFormat + `

With --tier a value is known only where it is in that tier, see tocsin why.
A value of which nothing is known is named on standard error. Exit code 3 when
nothing is known of any of them.`

func (c *cli) lookupCommand() *cobra.Command {
	var r api.LookupRequest
	cmd := &cobra.Command{Use: "lookup VALUE...", Short: "Ask who says what about values", Long: lookupHelp, Args: someArgs("VALUE"),
		Example: "  tocsin lookup 203.0.113.7 'evil[.]example'"}
	cmd.Flags().StringVar(&r.Type, "type", "", "type of the values, such as domain-name (default: guessed)")
	cmd.Flags().StringVar(&r.Tier, "tier", "", "observe, alert or block: only values in this tier are known")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		r.Values = args
		return c.lookup(cmd.Context(), r)
	}
	return c.answers(cmd)
}

func (c *cli) lookup(ctx context.Context, r api.LookupRequest) error {
	return c.ask(func(client *api.Client) error {
		answers, err := client.Lookup(ctx, r)
		if err != nil {
			return err
		}
		known := 0
		for _, answer := range answers {
			known += len(answer.Claims)
			if err := c.printLookup(answer, len(answers) > 1); err != nil {
				return err
			}
		}
		if known > 0 {
			return nil
		}
		return c.nothingKnown(answers)
	})
}

// nothingKnown is the error of a lookup without any answer.
func (c *cli) nothingKnown(answers []api.Lookup) error {
	if len(answers) != 1 {
		return notFoundf("nothing is known of any of %d values", len(answers))
	}
	if a := answers[0]; a.Problem != "" {
		return usagef("%s: %s", a.Value, a.Problem)
	}
	return notFoundf("nothing is known of %s", answers[0].Value)
}

func (c *cli) printLookup(answer api.Lookup, several bool) error {
	if c.json {
		return c.print(answer, "")
	}
	if len(answer.Claims) == 0 {
		switch {
		case !several:
		case answer.Problem != "":
			fmt.Fprintf(c.stderr, "%s: %s\n", field(answer.Value), clean(answer.Problem))
		default:
			fmt.Fprintf(c.stderr, "%s: nothing is known\n", field(answer.Value))
		}
		return nil
	}
	asked := answer.Value
	if answer.Observable != nil {
		asked = answer.Observable.Value
	}
	for _, claim := range answer.Claims {
		if _, err := fmt.Fprintln(c.stdout, claimLine(asked, claim)); err != nil {
			return err
		}
	}
	return nil
}
