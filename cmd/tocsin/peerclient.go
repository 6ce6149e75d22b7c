package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/tocsin-exchange/tocsin/node/api"
)

const peerClientHelp = `A client is an organisation that receives security services from this one. What
others say to this organisation under TLP:AMBER is passed on to its clients,
recorded as passed on, and goes no further. AMBER+STRICT and RED never do.`

func (c *cli) peerClientCommand() *cobra.Command {
	add := &cobra.Command{Use: "add ORG", Short: "Declare a client", Long: "Declares a client.\n\nPrints: client ORG.", Args: exactArgs("ORG")}
	add.RunE = func(cmd *cobra.Command, args []string) error {
		return c.changeClient(cmd, "client", api.ClientRequest{Org: args[0]})
	}
	remove := &cobra.Command{Use: "remove ORG", Short: "End that", Long: "Nothing more goes to it.\n\nPrints: removed ORG.", Args: exactArgs("ORG")}
	remove.RunE = func(cmd *cobra.Command, args []string) error {
		return c.changeClient(cmd, "removed", api.ClientRequest{Org: args[0], Remove: true})
	}
	list := &cobra.Command{Use: "list", Short: "List our clients", Long: "Prints: client ORG, a line each.", Args: noArgs}
	list.RunE = func(cmd *cobra.Command, _ []string) error {
		return c.ask(func(client *api.Client) error {
			names, err := client.Clients(cmd.Context())
			for _, name := range names {
				if err := c.printClient("client", name); err != nil {
					return err
				}
			}
			return err
		})
	}
	cmd := group("client", "Our clients, whom AMBER goes on to", c.answers(add), c.answers(remove), c.answers(list))
	cmd.Long = peerClientHelp
	return cmd
}

func (c *cli) changeClient(cmd *cobra.Command, done string, r api.ClientRequest) error {
	return c.ask(func(client *api.Client) error {
		if err := client.ChangeClient(cmd.Context(), r); err != nil {
			return err
		}
		return c.printClient(done, r.Org)
	})
}

func (c *cli) printClient(done, org string) error {
	record := struct {
		Client string `json:"org"`
		Done   string `json:"done"`
	}{org, done}
	return c.print(record, "%s", fmt.Sprintf("%s %s", done, field(org)))
}
