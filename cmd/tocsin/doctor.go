package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/tocsin-exchange/tocsin/node/api"
)

const doctorHelp = `Looks at what commonly goes wrong: communities, addresses, clock, certificate, gaps,
drops, and every connection that should be there and is not, with the reason in
words.

Prints a line for each thing looked at, and under it what to do:

  ok CHECK: detail
  wrong CHECK: detail
    hint: what to do

Exit code 1 when something is wrong.`

func (c *cli) doctorCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "doctor", Short: "Find out what is wrong, and say what to do", Long: doctorHelp, Args: noArgs}
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return c.doctor(cmd.Context()) }
	return c.answers(cmd)
}

func (c *cli) doctor(ctx context.Context) error {
	return c.ask(func(client *api.Client) error {
		checks, err := client.Doctor(ctx)
		if err != nil {
			return err
		}
		for _, check := range checks {
			word := "ok"
			if !check.OK {
				word, err = "wrong", errTold
			}
			line := fmt.Sprintf("%s %s: %s", word, clean(check.Check), clean(check.Detail))
			if check.Hint != "" {
				line += "\n  hint: " + clean(check.Hint)
			}
			if err := c.print(check, "%s", line); err != nil {
				return err
			}
		}
		return err
	})
}
