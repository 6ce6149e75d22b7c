package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/tocsin-exchange/tocsin/node"
	"github.com/tocsin-exchange/tocsin/node/api"
)

const groupHelp = `A sharing group is a list of organisations that share AMBER among themselves. The
organisation that founds it says who is in it, one version after another; only
those in it learn who they are.

What is said to a group is for the version in force then. Whoever comes later
reads what is said from then on, unless the version that takes it in grants the
history from an earlier version on. Whoever is left out gets nothing more.`

func (c *cli) groupCommand() *cobra.Command {
	create := &cobra.Command{Use: "create NAME [ORG...]", Short: "Found a sharing group", Args: someArgs("NAME"),
		Long: "Founds a sharing group of this organisation and the others named.\n\nPrints: group NAME version:1 owner:ORG members:ORG,ORG."}
	create.RunE = func(cmd *cobra.Command, args []string) error {
		return c.showGroup(func(client *api.Client) (node.Group, error) {
			return client.CreateGroup(cmd.Context(), api.GroupRequest{Group: args[0], Members: args[1:]})
		})
	}
	list := &cobra.Command{Use: "list", Short: "List the sharing groups this node knows", Args: noArgs,
		Long: "Prints a line for each sharing group this organisation is in or has founded:\n\n  group NAME version:2 owner:ORG members:ORG,ORG"}
	list.RunE = func(cmd *cobra.Command, _ []string) error { return c.listGroups(cmd.Context()) }
	cmd := group("group", "Found sharing groups and say who is in them",
		c.answers(create), c.answers(list), c.answers(c.groupAdd()), c.answers(c.groupRemove()))
	cmd.Long = groupHelp
	return cmd
}

func (c *cli) groupAdd() *cobra.Command {
	var history uint64
	cmd := &cobra.Command{Use: "add NAME ORG...", Short: "Take organisations into a sharing group of ours", Args: someArgs("NAME")}
	cmd.Long = "Says the next version of a sharing group, with the organisations named in it.\nWith --history its members may also read what was said to versions from that one\non."
	cmd.Flags().Uint64Var(&history, "history", 0, "members may read what was said to versions from this one on")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return c.showGroup(func(client *api.Client) (node.Group, error) {
			return client.ChangeGroup(cmd.Context(), api.RosterRequest{Group: args[0], Add: args[1:], History: history})
		})
	}
	return cmd
}

func (c *cli) groupRemove() *cobra.Command {
	cmd := &cobra.Command{Use: "remove NAME ORG...", Short: "Leave organisations out of a sharing group of ours", Args: someArgs("NAME")}
	cmd.Long = "Says the next version of a sharing group without the organisations named. They\nget nothing more, and keep what they had: to have that destroyed, erase it."
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return c.showGroup(func(client *api.Client) (node.Group, error) {
			return client.ChangeGroup(cmd.Context(), api.RosterRequest{Group: args[0], Remove: args[1:]})
		})
	}
	return cmd
}

func (c *cli) showGroup(change func(*api.Client) (node.Group, error)) error {
	return c.ask(func(client *api.Client) error {
		g, err := change(client)
		if err != nil {
			return err
		}
		return c.print(g, "%s", groupLine(g))
	})
}

func (c *cli) listGroups(ctx context.Context) error {
	return c.ask(func(client *api.Client) error {
		list, err := client.Groups(ctx)
		for _, g := range list {
			if err := c.print(g, "%s", groupLine(g)); err != nil {
				return err
			}
		}
		return err
	})
}

func groupLine(g node.Group) string {
	line := fmt.Sprintf("group %s version:%d owner:%s members:%s", field(g.Name), g.Version, field(g.Owner), fields(g.Members))
	if g.History > 0 {
		line += fmt.Sprintf(" history:%d", g.History)
	}
	return line
}
