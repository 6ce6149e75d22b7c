package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/tocsin-exchange/tocsin/node"
	"github.com/tocsin-exchange/tocsin/node/api"
	"github.com/tocsin-exchange/tocsin/protocol/stix"
)

const reviewListHelp = `Lists what the policy holds for a person, the oldest first: bulletins of others
that an admit rule holds, and submissions of ours that a share rule wants a second
pair of eyes for. Nothing of it counts here or goes to anybody until it is
accepted. The policy says who reviews (review.roles) and for how long it waits.

Prints a line for each:

  admission ID ORG tlp:green objects:1 rule:finance expires:DATE
  submission ID ORG tlp:green objects:3 rule:juniors expires:DATE by:alice

With --ids only the ids, the newest last.`

const reviewShowHelp = `Shows one thing that is held, and what it says: of a submission as it would be
signed now.

Prints what it is, and a line for each object:

  object: TYPE VALUE confidence:80 tags:finance "DESCRIPTION"`

const reviewAcceptHelp = `Lets in what is held, or says what was submitted. With review.four-eyes in the
policy nobody accepts a submission of their own: who that is, the person of the
token says, else the token; without a token it is the operator.

Prints:

  accepted admission ID
  accepted submission ID

then of a submission what was said, as tocsin submit does.`

const reviewRejectHelp = `Declines for good what is held, or drops what was submitted. Its content is
destroyed here; the reason stays in the receipt.

Prints:

  rejected admission ID`

func (c *cli) reviewCommand() *cobra.Command {
	return group("review", "Decide on what the policy holds for a person", c.reviewListCommand(), c.reviewShowCommand(), c.reviewAcceptCommand(), c.reviewRejectCommand())
}

func (c *cli) reviewListCommand() *cobra.Command {
	var ids bool
	cmd := &cobra.Command{Use: "list", Short: "List what is held", Long: reviewListHelp, Args: noArgs}
	cmd.Flags().BoolVar(&ids, "ids", false, "print the ids alone")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return c.ask(func(client *api.Client) error {
			list, err := client.Review(cmd.Context())
			if err != nil {
				return err
			}
			for _, w := range list {
				line := waitingLine(&w)
				if ids {
					line = w.ID.String()
				}
				if err := c.print(w, "%s", line); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return c.answers(cmd)
}

func waitingLine(w *node.Waiting) string {
	line := fmt.Sprintf("%s %s %s tlp:%s objects:%d rule:%s expires:%s", w.Kind, w.ID, field(w.Org), w.TLP, w.Objects, field(w.Rule), w.Expires.Format(time.DateOnly))
	if w.Audience != "" {
		line += " to:" + field(w.Audience)
	}
	if w.From != "" && w.From != w.Org {
		line += " from:" + field(w.From)
	}
	if w.By != "" {
		line += " by:" + field(w.By)
	}
	return line
}

func (c *cli) reviewShowCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "show ID", Short: "Show one thing that is held", Long: reviewShowHelp, Args: exactArgs("ID")}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return c.ask(func(client *api.Client) error {
			item, err := client.ReviewItem(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			if c.json {
				return c.print(item, "")
			}
			fmt.Fprintf(c.stdout, "%s\nreason: %s\n", waitingLine(&item.Waiting), clean(item.Reason))
			for _, raw := range item.Content {
				fmt.Fprintln(c.stdout, contentLine(raw))
			}
			return nil
		})
	}
	return c.answers(cmd)
}

// contentLine is one object of what is held.
func contentLine(raw []byte) string {
	o, err := stix.Parse(raw)
	if err != nil {
		return "object: unreadable"
	}
	line := "object:"
	for _, v := range o.Claims {
		line += " " + field(string(v.Type)) + " " + field(v.Value)
	}
	if len(o.Claims) == 0 {
		line += " " + field(o.ID)
	}
	if o.Confidence >= 0 {
		line += fmt.Sprintf(" confidence:%d", o.Confidence)
	}
	if len(o.Labels) > 0 {
		line += " tags:" + fields(o.Labels)
	}
	if o.Description != "" {
		line += " " + quoted(o.Description)
	}
	return line
}

func (c *cli) reviewAcceptCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "accept ID", Short: "Let in what is held, or say what was submitted", Long: reviewAcceptHelp, Args: exactArgs("ID")}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return c.ask(func(client *api.Client) error {
			decision, err := client.Accept(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			return c.printDecision(decision)
		})
	}
	return c.answers(cmd)
}

func (c *cli) reviewRejectCommand() *cobra.Command {
	var reason string
	cmd := &cobra.Command{Use: "reject ID", Short: "Decline what is held, or drop what was submitted", Long: reviewRejectHelp, Args: exactArgs("ID")}
	cmd.Flags().StringVar(&reason, "reason", "", "why, at most 200 bytes; it stays here")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return c.ask(func(client *api.Client) error {
			decision, err := client.Reject(cmd.Context(), args[0], reason)
			if err != nil {
				return err
			}
			return c.printDecision(decision)
		})
	}
	return c.answers(cmd)
}

func (c *cli) printDecision(d api.ReviewDecision) error {
	if err := c.print(d, "%s %s %s", d.Decision, d.Kind, d.ID); err != nil || c.json {
		return err
	}
	for _, r := range d.Receipts {
		for _, o := range r.Claims {
			fmt.Fprintf(c.stdout, "submitted %s %s bulletin:%s\n", field(string(o.Type)), field(o.Value), r.Bulletin)
		}
	}
	for _, r := range d.Refused {
		fmt.Fprintf(c.stderr, "refused %d: %s\n", r.Index, clean(r.Reason))
	}
	if len(d.Refused) > 0 {
		return errTold
	}
	return nil
}
