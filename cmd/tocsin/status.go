package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tocsin-exchange/tocsin/node"
	"github.com/tocsin-exchange/tocsin/node/api"
)

const statusHelp = `Shows the state of the node as key: value lines:

  org: bank
  claims: 12              values claimed, what has expired not counted once swept
  objects: 12             STIX objects held
  bulletins: 5
  peers: 2 of 3 connected
  community: isac members:bank,cert,hospital
  origin: isac hospital objects tlp:green bulletins:3 gaps:0 held:3

An origin is how far one organisation's log is held here; a gap is a part of it
that is known to exist and missing. Queues that are not empty follow. --json has
all counters as well.`

func (c *cli) statusCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "status", Short: "Show the state of the node", Long: statusHelp, Args: noArgs}
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return c.status(cmd.Context()) }
	return c.answers(cmd)
}

func (c *cli) status(ctx context.Context) error {
	return c.ask(func(client *api.Client) error {
		status, err := client.Status(ctx)
		if err != nil {
			return err
		}
		return c.print(status, "%s", statusLines(status))
	})
}

func statusLines(s node.Status) string {
	connected := 0
	for _, p := range s.Peers {
		if p.Connected {
			connected++
		}
	}
	lines := []string{
		"org: " + clean(s.Org), fmt.Sprintf("claims: %d", s.Claims), fmt.Sprintf("objects: %d", s.Objects),
		fmt.Sprintf("bulletins: %d", s.Bulletins), fmt.Sprintf("peers: %d of %d connected", connected, len(s.Peers)),
	}
	for _, community := range s.Communities {
		lines = append(lines, fmt.Sprintf("community: %s members:%s", field(community.Name), fields(community.Members)))
	}
	for _, o := range s.Origins {
		lines = append(lines, originLine(o))
	}
	for _, name := range slices.Sorted(maps.Keys(s.Queues)) {
		if depth := s.Queues[name]; depth > 0 {
			lines = append(lines, fmt.Sprintf("queue: %s %d", field(name), depth))
		}
	}
	return strings.Join(lines, "\n")
}

func originLine(o node.Origin) string {
	line := fmt.Sprintf("origin: %s %s %s", field(o.Community), field(o.Org), field(o.Kind))
	if o.TLP.Valid() {
		line += " tlp:" + o.TLP.String()
	}
	line += fmt.Sprintf(" bulletins:%d gaps:%d", o.Headers, o.Gaps)
	for _, state := range slices.Sorted(maps.Keys(o.Bodies)) {
		line += fmt.Sprintf(" %s:%d", field(state), o.Bodies[state])
	}
	return line
}
