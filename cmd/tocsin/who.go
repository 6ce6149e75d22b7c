package main

import (
	"fmt"
	"net/url"

	"github.com/spf13/cobra"

	"github.com/tocsin-exchange/tocsin/node"
	"github.com/tocsin-exchange/tocsin/node/api"
	"github.com/tocsin-exchange/tocsin/protocol"
)

const whoHelp = `Says who would get something and who would not, each with the rule that decides
at the moment it is sent. Nothing is said to anybody.

With a label, and for amber and above recipients, it is about what this
organisation would say; with the id of a bulletin, about that one; with --peer,
about what that organisation would get under every label.

Prints a line for each node, and warnings:

  yes hospital tlp-amber TLP:AMBER: in sharing group health-isac
  no  vendor   not-named the audience does not name the organisation
  warning: ...

Where the policy has share rules, a line before them says what they would make of
it with the tags given (what they refuse is an error):

  share: group finance rule finance shares it with group finance only`

func (c *cli) whoCommand() *cobra.Command {
	var label protocol.TLP
	var to audience
	var community, peer string
	var tags []string
	cmd := &cobra.Command{Use: "who [BULLETIN] [--tlp LABEL] [--peer ORG]", Short: "Say who would get something, and why", Long: whoHelp, Args: oneArgAtMost,
		Example: "  tocsin who --tlp amber --group health-isac"}
	labelFlag(cmd, &label, "tlp", "clear, green, amber, amber+strict or red")
	to.add(cmd)
	cmd.Flags().StringVar(&community, "community", "", "which one, where the node is in more than one")
	cmd.Flags().StringArrayVar(&tags, "tag", nil, "a tag it would have, for the share rules; repeat for more")
	cmd.Flags().StringVar(&peer, "peer", "", "an organisation: what it would get of us")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		q := url.Values{"to": to.to, "tag": tags}
		for name, value := range map[string]string{"community": community, "group": to.group, "peer": peer} {
			if value != "" {
				q.Set(name, value)
			}
		}
		if label.Valid() {
			q.Set("tlp", label.String())
		}
		if len(args) == 1 {
			q.Set("bulletin", args[0])
		}
		return c.ask(func(client *api.Client) error {
			answer, err := client.Who(cmd.Context(), q)
			if err != nil {
				return err
			}
			return c.printWho(answer)
		})
	}
	return c.answers(cmd)
}

func (c *cli) printWho(answer api.WhoAnswer) error {
	for _, r := range answer.Reaches {
		where := r.Community
		if r.Audience != "" {
			where = r.Audience
		}
		if err := c.print(r, "%s tlp:%s %s %s %s", yes(r.Allowed), r.TLP, field(where), field(r.Rule), clean(r.Reason)); err != nil {
			return err
		}
	}
	if answer.Who == nil {
		return nil
	}
	if c.json {
		return c.print(answer.Who, "")
	}
	if share := answer.Who.Share; share != nil {
		fmt.Fprintf(c.stdout, "share: %s %s %s\n", share.Do, field(share.Rule), clean(share.Reason))
	}
	for _, p := range answer.Who.Peers {
		fmt.Fprintln(c.stdout, whoLine(p))
	}
	for _, w := range answer.Who.Warnings {
		fmt.Fprintf(c.stdout, "warning: %s\n", clean(w))
	}
	return nil
}

func whoLine(p node.WhoPeer) string {
	line := fmt.Sprintf("%s %s %s %s", yes(p.Allowed), field(p.Org), field(p.Rule), clean(p.Reason))
	if len(p.Persons) > 0 {
		line += " persons:" + fields(p.Persons)
	}
	return line
}

func yes(allowed bool) string {
	if allowed {
		return "yes"
	}
	return "no"
}
