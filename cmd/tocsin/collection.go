package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/tocsin-exchange/tocsin/node/api"
	"github.com/tocsin-exchange/tocsin/node/api/taxii"
	"github.com/tocsin-exchange/tocsin/protocol"
)

const collectionHelp = `TAXII clients read collections at /taxii2/: one for each community, and one of
everything that the client's token may see. A token is the password of any user.

What is posted to a collection of a community goes to its members as GREEN, unless
its objects carry a TLP marking that is stricter, or the collection has another label.`

func (c *cli) collectionCommand() *cobra.Command {
	cmd := group("collection", "What TAXII clients read and post to", c.collectionListCommand(), c.collectionLabelCommand())
	cmd.Long = collectionHelp
	return cmd
}

func (c *cli) collectionListCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "list", Short: "List the TAXII collections", Args: noArgs,
		Long: "Prints a line for each TAXII collection, by id:\n\n  ID post:LABEL TITLE\n\nwhere post is none if nothing may be posted to it."}
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		return c.ask(func(client *api.Client) error {
			list, err := client.Collections(cmd.Context())
			for _, one := range list {
				if err := c.printCollection(one); err != nil {
					return err
				}
			}
			return err
		})
	}
	return c.answers(cmd)
}

func (c *cli) collectionLabelCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "label TITLE clear|green|none", Short: "Say which label what is posted to a collection gets", Args: exactArgs("TITLE", "LABEL"),
		Long: "Says which label what TAXII clients post to a collection gets, or that nothing may\nbe posted. TITLE may be its id.\n\nPrints the collection as `collection list` does."}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		r := api.CollectionRequest{None: args[1] == "none"}
		if !r.None {
			if err := r.TLP.UnmarshalText([]byte(args[1])); err != nil || r.TLP > protocol.Green {
				return usagef("label %q: one of clear, green and none", args[1])
			}
		}
		return c.ask(func(client *api.Client) error {
			one, err := findCollection(cmd.Context(), client, args[0])
			if err == nil {
				one, err = client.LabelCollection(cmd.Context(), one.ID, r)
			}
			if err != nil {
				return err
			}
			return c.printCollection(one)
		})
	}
	return c.answers(cmd)
}

// findCollection finds a collection by its title or id.
func findCollection(ctx context.Context, client *api.Client, name string) (taxii.Collection, error) {
	list, err := client.Collections(ctx)
	for _, one := range list {
		if one.Title == name || one.ID == name {
			return one, nil
		}
	}
	if err != nil {
		return taxii.Collection{}, err
	}
	return taxii.Collection{}, hinted(notFoundf("no collection %q", name), "`tocsin collection list` says which there are")
}

func (c *cli) printCollection(one taxii.Collection) error {
	post := "none"
	if one.Post.Valid() {
		post = one.Post.String()
	}
	return c.print(one, "%s post:%s %s", one.ID, post, field(one.Title))
}
