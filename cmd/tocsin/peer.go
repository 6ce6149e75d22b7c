package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tocsin-exchange/tocsin/node"
	"github.com/tocsin-exchange/tocsin/node/api"
)

const peerHelp = `Peers are the nodes of other organisations. ORG is a name, an organisation key
(64 hexadecimal digits) or a fingerprint.

A name like hospital@bank was given by bank and compared by nobody here: it is
refused where it matters until ` + "`tocsin peer name`" + ` confirms it.`

const peerListHelp = `Prints a line for each node known:

  ORG STATE communities:isac introduced-by:bank problem:"why it is not connected"

STATE is connected, away or blocked; fields that do not apply are left out. An
organisation that broke its own log has quarantined:"why, and what to do": what
it says does not count here, whatever its STATE.`

const peerShowHelp = `Prints what is known of an organisation as key: value lines: org, confirmed,
fingerprint, key, communities, introduced-by, client, quarantined, and

  standing: chosen        or own, anchor, stranger (nobody here decided on it)
  trust: 80: chosen at level 80, 0.0 confirmed, 0.0 false positives, at most 100; ...
  trust in url: 20: ...   only where it differs, by observable type
  came-in-by: lab introduced-by:bank one-voice-with:12

Trust is how far it is believed, 0 to 100: the level that you gave, moved by what
became of its word. What gives the level is said last: a key of the policy, or
peer-trust. Strangers who came in by the same door speak with one voice.

Then for each of its nodes: node, state, addr, problem. --json has trust in every
type, and its parts.`

const peerTrustHelp = `Says how far an organisation is believed, before outcomes move it: a number from 0 to
100, or anchor, whose word alone may block. default takes that back. It must be
called by a name that was confirmed here. What policy.toml says at trust.org stands
above, and is changed there. Trust never widens what is sent to anybody.

Prints: trusted ORG LEVEL.`

const peerReleaseHelp = `Undoes a block. What the organisation said meanwhile is asked for again.

Lifts a quarantine, too, for all that is proven by now: a later proof that it
broke its log quarantines it again. Find out first what happened: somebody may
have its key. With the name of this organisation, ends the alarm about its own.

Prints: released ORG.`

const peerRemoveHelp = `Ends an organisation's membership in a community. It counts at once when the
organisation is this one, or was introduced by it; else over half of the founders
must say so, each with this command.

Prints: removed ORG, or: requested ORG, while founders are missing.`

func (c *cli) peerCommand() *cobra.Command {
	cmd := group("peer", "Other organisations: list, name, trust, block, remove",
		c.peerAddCommand(), c.peerListCommand(), c.peerShowCommand(), c.peerNameCommand(), c.peerTrustCommand(),
		c.peerBlockCommand(), c.peerReleaseCommand(), c.peerRemoveCommand(), c.peerClientCommand())
	cmd.Long = peerHelp
	return cmd
}

// peerDone is what the commands that change something print, as JSON.
type peerDone struct {
	Done string `json:"done"`
	Org  string `json:"org"`
}

// change makes a command that does one thing to a peer and says that it did.
func (c *cli) change(cmd *cobra.Command, done string, do func(ctx context.Context, client *api.Client, args []string) error) *cobra.Command {
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return c.ask(func(client *api.Client) error {
			if err := do(cmd.Context(), client, args); err != nil {
				return err
			}
			return c.print(peerDone{done, args[0]}, "%s %s", done, field(args[0]))
		})
	}
	return c.answers(cmd)
}

func (c *cli) peerAddCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "add ADDR", Short: "Tell this node an address of another", Args: exactArgs("ADDR"),
		Long: "Remembers an address of a node, a multiaddr that ends in /p2p/ID as `tocsin id`\nprints it. It is dialled if the node is a member.\n\nPrints: added ADDR."}
	return c.change(cmd, "added", func(ctx context.Context, client *api.Client, args []string) error {
		return client.AddPeer(ctx, args[0])
	})
}

func (c *cli) peerNameCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "name ORG NAME", Short: "Confirm or change what an organisation is called here", Args: exactArgs("ORG", "NAME"),
		Long: "Gives an organisation its name here. Do so after you compared fingerprints by a\nchannel you trust: from then on the name is taken for the organisation.\n\nPrints: named ORG."}
	return c.change(cmd, "named", func(ctx context.Context, client *api.Client, args []string) error {
		return client.NamePeer(ctx, args[0], args[1])
	})
}

func (c *cli) peerTrustCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "trust ORG N|anchor|default", Short: "Say how far an organisation is believed", Args: exactArgs("ORG", "N, anchor or default"), Long: peerTrustHelp}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return c.ask(func(client *api.Client) error {
			if err := client.TrustPeer(cmd.Context(), args[0], args[1]); err != nil {
				return err
			}
			return c.print(peerTrusted{"trusted", args[0], args[1]}, "trusted %s %s", field(args[0]), field(args[1]))
		})
	}
	return c.answers(cmd)
}

// peerTrusted is what peer trust prints, as JSON.
type peerTrusted struct {
	Done  string `json:"done"`
	Org   string `json:"org"`
	Trust string `json:"trust"`
}

func (c *cli) peerBlockCommand() *cobra.Command {
	var reason string
	cmd := &cobra.Command{Use: "block ORG", Short: "Cut an organisation off, here and at once", Args: exactArgs("ORG"),
		Long: "Cuts an organisation off: it gets nothing from this node, and what it says is not\ntaken in. Others are not asked and not told.\n\nPrints: blocked ORG."}
	cmd.Flags().StringVar(&reason, "reason", "", "why, for whoever asks later")
	return c.change(cmd, "blocked", func(ctx context.Context, client *api.Client, args []string) error {
		return client.BlockPeer(ctx, args[0], reason)
	})
}

func (c *cli) peerReleaseCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "release ORG", Short: "Undo a block, or lift a quarantine", Args: exactArgs("ORG"), Long: peerReleaseHelp}
	return c.change(cmd, "released", func(ctx context.Context, client *api.Client, args []string) error {
		return client.ReleasePeer(ctx, args[0])
	})
}

func (c *cli) peerRemoveCommand() *cobra.Command {
	var r api.RemoveRequest
	cmd := &cobra.Command{Use: "remove ORG", Short: "End an organisation's membership in a community", Args: exactArgs("ORG"), Long: peerRemoveHelp}
	cmd.Flags().StringVar(&r.Community, "community", "", "which one, where the node is in more than one")
	cmd.Flags().StringVar(&r.Reason, "reason", "", "why; every member can read it")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return c.ask(func(client *api.Client) error {
			answer, err := client.RemovePeer(cmd.Context(), args[0], r)
			if err != nil {
				return err
			}
			done := "requested"
			if answer.Ended {
				done = "removed"
			} else if !c.json {
				c.hint("over half of the founders must say so")
			}
			return c.print(peerDone{done, args[0]}, "%s %s", done, field(args[0]))
		})
	}
	return c.answers(cmd)
}

func (c *cli) peerListCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "list", Short: "List the nodes this node knows", Long: peerListHelp, Args: noArgs}
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		return c.ask(func(client *api.Client) error {
			peers, err := client.Peers(cmd.Context())
			for _, p := range peers {
				if err := c.print(p, "%s", peerLine(p)); err != nil {
					return err
				}
			}
			return err
		})
	}
	return c.answers(cmd)
}

func peerState(p node.Peer) string {
	switch {
	case p.Blocked:
		return "blocked"
	case p.Connected:
		return "connected"
	}
	return "away"
}

func peerLine(p node.Peer) string {
	parts := []string{field(p.Name), peerState(p)}
	if len(p.Communities) > 0 {
		parts = append(parts, "communities:"+fields(p.Communities))
	}
	if len(p.IntroducedBy) > 0 {
		parts = append(parts, "introduced-by:"+fields(p.IntroducedBy))
	}
	if p.Problem != "" {
		parts = append(parts, "problem:"+quoted(p.Problem))
	}
	if p.Quarantined != "" {
		parts = append(parts, "quarantined:"+quoted(p.Quarantined))
	}
	return strings.Join(parts, " ")
}

func (c *cli) peerShowCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "show ORG", Short: "Show what is known of an organisation", Long: peerShowHelp, Args: exactArgs("ORG")}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return c.ask(func(client *api.Client) error { return c.showPeer(cmd.Context(), client, args[0]) })
	}
	return c.answers(cmd)
}

func (c *cli) showPeer(ctx context.Context, client *api.Client, org string) error {
	answer, err := client.Peer(ctx, org)
	if err != nil {
		return err
	}
	return c.print(answer, "%s", strings.Join(append(standingLines(answer), nodeLines(answer.Nodes)...), "\n"))
}

// standingLines says who an organisation is, and how far it is believed.
func standingLines(a api.PeerAnswer) []string {
	confirmed := "no: compare fingerprints, then `tocsin peer name`"
	if a.Confirmed {
		confirmed = "yes"
	}
	lines := []string{"org: " + clean(a.Org), "confirmed: " + confirmed, "fingerprint: " + a.Fingerprint, "key: " + a.OrgKey.String()}
	for _, row := range []struct {
		key  string
		list []string
	}{{"communities", a.Communities}, {"introduced-by", a.IntroducedBy}} {
		if len(row.list) > 0 {
			lines = append(lines, fmt.Sprintf("%s: %s", row.key, fields(row.list)))
		}
	}
	if a.Client {
		lines = append(lines, "client: yes")
	}
	if a.Quarantined != "" {
		lines = append(lines, "quarantined: "+clean(a.Quarantined))
	}
	lines = append(lines, "standing: "+a.Standing, "trust: "+trustText(a.Trust))
	for _, t := range a.Types {
		if t.Trust != a.Trust {
			lines = append(lines, fmt.Sprintf("trust in %s: %s", t.Type, trustText(t.Trust)))
		}
	}
	for _, e := range a.Entrances {
		lines = append(lines, "came-in-by: "+entranceText(e))
	}
	return lines
}

// trustText is a number, how it came about, and what says so.
func trustText(t api.Trust) string { return t.Explained + "; said by " + clean(t.Source) }

// entranceText is by whom a stranger came in, and with how many it shares that.
func entranceText(e api.Entrance) string {
	text := "the founders of " + field(e.Founders)
	if e.Org != "" {
		text = field(e.Org) + " introduced-by:" + fields(e.IntroducedBy)
	}
	return fmt.Sprintf("%s one-voice-with:%d", text, e.Others)
}

// nodeLines lists the nodes of an organisation.
func nodeLines(nodes []node.Peer) (lines []string) {
	for _, p := range nodes {
		lines = append(lines, "node: "+node.PeerID(p.Node).String(), "state: "+peerState(p))
		for _, a := range p.Addrs {
			lines = append(lines, "addr: "+clean(a))
		}
		if p.Problem != "" {
			lines = append(lines, "problem: "+clean(p.Problem))
		}
	}
	return lines
}
