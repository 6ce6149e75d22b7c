package main

import (
	"bufio"
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tocsin-exchange/tocsin/node/api"
	"github.com/tocsin-exchange/tocsin/node/api/feed"
)

const feedHelp = `Prints a list for a firewall, a proxy or a resolver: one canonical value a line,
sorted, each once, and nothing else.

  ip       addresses and blocks      ipv4, ipv6
  domain   names; *.x.example is everything under x.example and not that itself
  url      URLs
  hash     of files                  md5, sha1, sha256, sha512

A value is in the list as long as any organisation's claim on it stands. Revoked,
expired and erased ones are gone at once. Never in a list: TLP:RED, exercises,
what is marked PAP:AMBER or PAP:RED, and what is for special use, such as
10.0.0.0/8. An empty list is in order: exit code 0.

The same lists are at /feeds/NAME for tools that fetch them themselves; these
answer 304 to an If-None-Match with the ETag of the copy the tool has.`

func (c *cli) feedCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "feed NAME", Short: "Print a plain list of values", Long: feedHelp, Args: exactArgs("NAME"),
		ValidArgs: feed.Names(), Example: "  tocsin feed ip > /etc/firewall/block.list"}
	cmd.RunE = func(cmd *cobra.Command, args []string) error { return c.feed(cmd.Context(), args[0]) }
	return c.answers(cmd)
}

func (c *cli) feed(ctx context.Context, name string) error {
	if !slices.Contains(feed.Names(), name) {
		return hinted(usagef("unknown feed %q", name), "one of %s", strings.Join(feed.Names(), ", "))
	}
	return c.ask(func(client *api.Client) error {
		out := bufio.NewWriter(c.stdout)
		err := client.Feed(ctx, name, func(value string) error { return c.feedLine(out, name, value) })
		return errors.Join(err, out.Flush())
	})
}

// feedLine prints a value as it is in the list, or for programs.
func (c *cli) feedLine(out *bufio.Writer, name, value string) error {
	if !c.json {
		_, err := out.WriteString(value + "\n")
		return err
	}
	text, err := jsonLine(struct {
		Feed  string `json:"feed"`
		Value string `json:"value"`
	}{name, value})
	if err == nil {
		_, err = out.Write(text)
	}
	return err
}
