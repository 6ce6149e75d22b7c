package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/tocsin-exchange/tocsin/node"
	"github.com/tocsin-exchange/tocsin/node/api"
	"github.com/tocsin-exchange/tocsin/protocol"
)

const submitHelp = `Says, under this organisation's name, that values are malicious. They are signed,
on the disk and on their way when the command returns. --tlp says who may see
them and must be given: no label means not shareable. Saying a value again
under the same label, to the same recipients, replaces what was said before.

clear and green go to a community. amber and amber+strict go to the
organisations named with --to or to a sharing group; amber may go on to clients
of theirs. red goes to persons: --to hospital/alice.

Values may be defanged; their type is guessed unless --type says it. Values that
cannot be said are named on standard error and the rest goes through; the exit
code is then 1.

What nothing may ever act on (the never-block floor: special-use and own networks
and names, public resolvers, top-level domains, the lists of the policy) is
refused. With --force it is kept for our own organisation, under AMBER+STRICT: it
is never shared, and no feed has it.

Prints a line for each value:

  submitted TYPE VALUE tlp:green
  kept TYPE VALUE tlp:amber+strict
  submitted TYPE VALUE tlp:amber to:"group finance v1" rule:finance
  held ID rule:juniors

The policy may share it with others than was asked for (to:, and the rule), refuse
it, or hold it until somebody else accepts it: tocsin review accept ID.

With --json: type, value, tlp, id (of the STIX object) and bulletin.`

func (c *cli) submitCommand() *cobra.Command {
	var issue issueFlags
	var to audience
	var kind string
	var force bool
	cmd := &cobra.Command{Use: "submit VALUE... --tlp LABEL", Short: "Say that values are malicious", Long: submitHelp, Args: someArgs("VALUE"),
		Example: "  tocsin submit --tlp green --confidence 80 --valid 30d 203.0.113.7 'hxxp://evil[.]example/a'"}
	issue.add(cmd)
	to.add(cmd)
	cmd.Flags().StringVar(&kind, "type", "", "type of the values, such as domain-name (default: guessed)")
	cmd.Flags().BoolVar(&force, "force", false, "keep what nothing may ever act on too, in our own organisation; it is never shared")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		r, err := issue.request(cmd)
		if err != nil {
			return err
		}
		if err := to.check(r.TLP); err != nil {
			return err
		}
		r.Group, r.To = to.group, to.to
		r.Values, r.Type, r.Force = args, kind, force
		return c.ask(func(client *api.Client) error {
			answer, err := client.Submit(cmd.Context(), r)
			if err != nil {
				return err
			}
			return c.printSubmitted(answer, r.TLP)
		})
	}
	return c.answers(cmd)
}

// request is a submission without its values.
func (f *issueFlags) request(cmd *cobra.Command) (api.SubmitRequest, error) {
	if !f.tlp.Valid() {
		return api.SubmitRequest{}, hinted(usagef("--tlp is missing: no label means not shareable"), "one of clear, green, amber, amber+strict, red")
	}
	confidence, err := f.sure(cmd)
	return api.SubmitRequest{
		Community: f.community, TLP: f.tlp, PAP: f.pap, Confidence: confidence, Valid: f.valid, Tags: f.tags, Description: f.description,
	}, err
}

// submitted is what is printed of a value that was said.
type submitted struct {
	Type     string       `json:"type"`
	Value    string       `json:"value"`
	TLP      protocol.TLP `json:"tlp"`
	ID       string       `json:"id"`
	Bulletin protocol.ID  `json:"bulletin"`
	Kept     bool         `json:"kept,omitzero"`  // in our own organisation: nothing may ever act on it
	Rule     string       `json:"rule,omitempty"` // the share rule that said who gets it
	Audience string       `json:"audience,omitempty"`
}

func (c *cli) printSubmitted(answer api.SubmitAnswer, label protocol.TLP) error {
	for _, r := range answer.Receipts {
		record := submitted{TLP: label, ID: r.ID, Bulletin: r.Bulletin, Kept: r.Kept, Rule: r.Rule, Audience: r.Audience}
		said := "submitted"
		if r.Kept {
			record.TLP, said = protocol.AmberStrict, "kept"
		}
		shared := ""
		if r.Rule != "" {
			shared = " to:" + field(r.Audience) + " rule:" + field(r.Rule)
		}
		for _, o := range r.Claims {
			record.Type, record.Value = string(o.Type), o.Value
			if err := c.print(record, "%s %s %s tlp:%s%s", said, field(record.Type), field(record.Value), record.TLP, shared); err != nil {
				return err
			}
		}
	}
	for _, h := range answer.Held {
		if err := c.print(map[string]node.HeldDrafts{"held": h}, "held %s rule:%s", h.ID, field(h.Rule)); err != nil {
			return err
		}
	}
	for _, r := range answer.Refused {
		if c.json {
			if err := c.print(map[string]api.Refusal{"refused": r}, ""); err != nil {
				return err
			}
			continue
		}
		fmt.Fprintf(c.stderr, "refused %s: %s\n", field(r.Value), clean(r.Reason))
	}
	if len(answer.Refused) > 0 {
		return errTold
	}
	return nil
}
