package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tocsin-exchange/tocsin/node/api"
)

const communityHelp = `A community is who may read GREEN. It is founded by an organisation, which may
let others in without limit; other members may introduce at most five a month.`

const communityListHelp = `Prints a line for each community this node is in:

  NAME members:bank,hospital founders:bank

Names like hospital@bank were given by others; see ` + "`tocsin peer name`."

func (c *cli) communityCommand() *cobra.Command {
	create := &cobra.Command{Use: "create NAME", Short: "Found a community", Args: exactArgs("NAME"),
		Long: "Founds a community with this organisation as its only founder.\n\nPrints: created NAME."}
	create.RunE = func(cmd *cobra.Command, args []string) error { return c.createCommunity(cmd.Context(), args[0]) }
	list := &cobra.Command{Use: "list", Short: "List the communities this node is in", Long: communityListHelp, Args: noArgs}
	list.RunE = func(cmd *cobra.Command, _ []string) error { return c.listCommunities(cmd.Context()) }
	cmd := group("community", "Found communities and list them", c.answers(create), c.answers(list))
	cmd.Long = communityHelp
	return cmd
}

func (c *cli) createCommunity(ctx context.Context, name string) error {
	return c.ask(func(client *api.Client) error {
		made, err := client.CreateCommunity(ctx, name)
		if err != nil {
			return err
		}
		return c.print(made, "created %s", clean(made.Name))
	})
}

func (c *cli) listCommunities(ctx context.Context) error {
	return c.ask(func(client *api.Client) error {
		list, err := client.Communities(ctx)
		for _, community := range list {
			line := fmt.Sprintf("%s members:%s founders:%s", field(community.Name), fields(community.Members), fields(community.Founders))
			if !community.Member {
				line += " removed:we-are-no-longer-a-member"
			}
			if err := c.print(community, "%s", line); err != nil {
				return err
			}
		}
		return err
	})
}

// fields joins a list as one field.
func fields(list []string) string {
	parts := make([]string, len(list))
	for i, s := range list {
		parts[i] = field(s)
	}
	return strings.Join(parts, ",")
}
