package main

import (
	"context"
	"encoding/hex"
	"errors"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tocsin-exchange/tocsin/node/api"
	"github.com/tocsin-exchange/tocsin/trust/policy"
)

const policyHelp = `The policy is one file, policy.toml in the directory of the node: whom to believe
how far, what is let in, what is shared with whom, and what may act. Without it
there are sensible defaults; ` + "`tocsin policy show`" + ` writes them out, every key with a
comment, and that is a file to begin with.

It is in force as a whole or not at all: a file with a fault keeps the daemon from
starting and, while it runs, leaves the policy from before in force. It is read
again within four seconds of being saved, on a HUP signal, and by ` + "`policy reload`" + `.`

const policyCheckHelp = `Says all that is wrong with a policy, and puts nothing in force. Without FILE it is
that of the directory; - is standard input. Never-block lists are read as well;
they are looked for beside FILE.

Prints a line for each fault:

  FILE:LINE:COLUMN: KEY: what is wrong (what to do)

and exits with code 1; else prints: ok FILE. Names that nobody has here are
warnings, since who is meant may come yet: they need a running daemon.`

const policyShowHelp = `Prints the policy in force as a file, every key with its value and a comment.
Without a daemon it is what the file says. --json has its digest, the never-block
lists, warnings, and what is wrong with newer files that are not in force.`

const policyTestHelp = `Asks a policy every case of a decision table; - is standard input. A case a line:

  admit tlp=green org=lab chosen=false tags=finance  ->  hold rule=finance-review
  share tlp=amber tags=finance                       ->  group finance
  trust org=vendor type=url                          ->  20

Prints a line for each case that fails, and a summary as the last line:

  FILE:LINE: CASE: want OUTCOME, got OUTCOME: reason
  passed 11 of 12

Exit code 1 when one fails, or when a line is no case. Without --policy it is the
policy of the directory. examples/policy has a policy with its table.`

const policyReloadHelp = `Has the daemon read policy.toml and the lists it names again, and puts them in force
together. When anything is wrong nothing changes: it says what, with exit code 1.

Prints names that nobody has here, a line each, and then: reloaded DIGEST. Two
files that say the same have one digest.`

func (c *cli) policyCommand() *cobra.Command {
	cmd := group("policy", "The operator's rules: check, show, test, reload",
		c.policyCheckCommand(), c.policyShowCommand(), c.policyTestCommand(), c.policyReloadCommand())
	cmd.Long = policyHelp
	return cmd
}

func (c *cli) policyCheckCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "check [FILE]", Short: "Say all that is wrong with a policy", Long: policyCheckHelp, Args: oneArgAtMost}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		p, err := c.readPolicy(first(args))
		if err != nil {
			return c.printFaults(err)
		}
		if err := c.printFaults(c.unknownNames(cmd.Context(), p)); err != nil {
			return err
		}
		return c.print(policyDone{"ok", p.file, digestOf(p.rules.Policy)}, "ok %s", field(p.file))
	}
	return c.answers(cmd)
}

// policyDone is what the commands that succeed print, as JSON.
type policyDone struct {
	Done   string `json:"done"`
	File   string `json:"file,omitempty"`
	Digest string `json:"digest"`
}

func digestOf(p *policy.Policy) string {
	digest := p.Digest()
	return hex.EncodeToString(digest[:])
}

// unknownNames asks the daemon for the names in a policy that nobody has here.
// Without one they go unchecked.
func (c *cli) unknownNames(ctx context.Context, p policyFile) error {
	var faults api.PolicyFaults
	err := c.ask(func(client *api.Client) (err error) {
		faults, err = client.CheckPolicy(ctx, p.text)
		return err
	})
	if errors.Is(err, errNoDaemon) {
		c.hint("the names in it were not checked: no daemon runs")
		return nil
	}
	if err != nil {
		return err
	}
	for i := range faults {
		faults[i].File = p.file
	}
	return c.printFaults(faults)
}

// printFaults prints what is wrong with a policy, and fails when that is more
// than warnings. Other errors stay as they are.
func (c *cli) printFaults(err error) error {
	var faults api.PolicyFaults
	if !errors.As(err, &faults) {
		return err
	}
	err = nil
	for _, f := range faults {
		if !f.Warning {
			err = errTold
		}
		if err := c.print(f, "%s", clean(f.String())); err != nil {
			return err
		}
	}
	return err
}

func (c *cli) policyShowCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "show", Short: "Print the policy in force", Long: policyShowHelp, Args: noArgs}
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		var answer api.PolicyAnswer
		err := c.ask(func(client *api.Client) (err error) {
			answer, err = client.Policy(cmd.Context())
			return err
		})
		if errors.Is(err, errNoDaemon) {
			if answer, err = c.offlinePolicy(); err == nil {
				c.hint("no daemon runs: this is what the file says")
			}
		}
		if err != nil {
			return err
		}
		return c.print(answer, "%s", strings.TrimSuffix(answer.Text, "\n"))
	}
	return c.answers(cmd)
}

// offlinePolicy is the policy that would be in force.
func (c *cli) offlinePolicy() (api.PolicyAnswer, error) {
	p, err := c.readPolicy("")
	if err != nil {
		return api.PolicyAnswer{}, err
	}
	return api.ShowPolicy(p.rules), nil
}

func (c *cli) policyReloadCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "reload", Short: "Put what the files say in force", Long: policyReloadHelp, Args: noArgs}
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		return c.ask(func(client *api.Client) error {
			answer, err := client.ReloadPolicy(cmd.Context())
			if err != nil {
				return err
			}
			if err := c.printFaults(answer.Warnings); err != nil {
				return err
			}
			return c.print(policyDone{Done: "reloaded", Digest: answer.Digest}, "reloaded %s", answer.Digest)
		})
	}
	return c.answers(cmd)
}
