package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/tocsin-exchange/tocsin/node/api"
	"github.com/tocsin-exchange/tocsin/node/api/feed"
	"github.com/tocsin-exchange/tocsin/trust/score"
)

const feedHelp = `Prints a list for a firewall, a proxy or a resolver: one canonical value a line,
sorted, each once, and nothing else.

  ip       addresses and blocks      ipv4, ipv6
  domain   names; *.x.example is everything under x.example and not that itself
  url      URLs
  hash     of files                  md5, sha1, sha256, sha512

A list is of one tier; without --tier it is the one that the policy names.

  observe  a claim on it stands: to look at and to search for
  alert    believed enough to raise an alarm when it is met
  block    believed enough to act on, and an anchor or two organisations say so

Revoked, expired and erased values are gone at once. Never in a list: what nothing
may ever act on (see never-block in the policy), TLP:RED, exercises, and what is
marked PAP:AMBER or PAP:RED. An empty list is in order: exit code 0.

A list has at most as many lines as feeds.lines in the policy says; the strongest
are kept, and how many are left out is said on stderr. A list to alert on or to
block that would gain or lose much of itself within minutes stands still for a
while instead (feeds.change), which is said too; then look who says so, and
` + "`tocsin feed release NAME`" + ` to have it change now.

The same lists are at /feeds/NAME?tier=TIER for tools that fetch them themselves;
these answer 304 to an If-None-Match with the ETag of the copy the tool has.

NAME may also be a file of one of these formats, which are at /feeds/ too, and are
printed as they are:

`

// feedNames are the formats, in lines of a help page.
func feedNames() string {
	var b strings.Builder
	width := 0
	for _, name := range api.FeedNames()[len(feed.Names()):] {
		if width+len(name) > 80 {
			b.WriteByte('\n')
			width = 0
		}
		if width == 0 {
			b.WriteByte(' ')
		}
		b.WriteString(" " + name)
		width += 1 + len(name)
	}
	return b.String()
}

const feedListHelp = `Prints a line for every list of a tier:

  NAME TIER lines:N [left-out:N] [held-until:TIME]

and then one for the values of every type, in any tier, that stand still because
too much of them would have changed at once, in every list and format they are in,
with how many lines wait to come and to go and who said most of them:

  alarm NAME TIER since:TIME until:TIME come:N gone:N lines:N [by:ORG,ORG]

NAME is the list of the type alone, such as ipv4, or the type where there is none.`

const feedReleaseHelp = `Lets what stands still of a list be at once what it should be by now. Look first
whose word that is: ` + "`tocsin feed list`" + ` names who said most of what waits. Exit code 3
where nothing of the list stands still. It takes a reviewer or an operator.`

func (c *cli) feedCommand() *cobra.Command {
	var tier string
	cmd := &cobra.Command{Use: "feed NAME", Short: "Print a list of values, plain or as a tool reads it", Long: feedHelp + feedNames(), Args: exactArgs("NAME"),
		ValidArgs: api.FeedNames(), Example: "  tocsin feed ip --tier block > /etc/firewall/block.list\n  tocsin feed rpz --tier block > /etc/bind/rpz.db"}
	cmd.RunE = func(cmd *cobra.Command, args []string) error { return c.feed(cmd.Context(), args[0], tier) }
	tierFlag(cmd, &tier)
	cmd.AddCommand(c.feedListCommand(), c.feedReleaseCommand())
	return c.answers(cmd)
}

func tierFlag(cmd *cobra.Command, tier *string) {
	cmd.Flags().StringVar(tier, "tier", "", "observe, alert or block (default: the policy's)")
}

func (c *cli) feedListCommand() *cobra.Command {
	var tier string
	cmd := &cobra.Command{Use: "list", Short: "Print which lists there are, and which stand still", Long: feedListHelp, Args: noArgs}
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return c.listFeeds(cmd.Context(), tier) }
	tierFlag(cmd, &tier)
	return c.answers(cmd)
}

func (c *cli) feedReleaseCommand() *cobra.Command {
	var tier string
	cmd := &cobra.Command{Use: "release NAME", Short: "Let a list that stands still change now", Long: feedReleaseHelp, Args: exactArgs("NAME"), ValidArgs: feed.Guarded()}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := checkFeed(feed.Guarded(), args[0], tier); err != nil {
			return err
		}
		return c.ask(func(client *api.Client) error {
			if err := client.ReleaseFeed(cmd.Context(), args[0], tier); err != nil {
				return err
			}
			return c.print(struct {
				Released string `json:"released"`
			}{args[0]}, "released %s", args[0])
		})
	}
	tierFlag(cmd, &tier)
	return c.answers(cmd)
}

// checkFeed refuses what no node has.
func checkFeed(names []string, name, tier string) error {
	if !slices.Contains(names, name) {
		return hinted(usagef("unknown feed %q", name), "one of %s", strings.Join(names, ", "))
	}
	return checkTier(tier)
}

func checkTier(tier string) error {
	if _, err := score.ParseTier(tier); tier != "" && err != nil {
		return usagef("--tier: %v", err)
	}
	return nil
}

func (c *cli) feed(ctx context.Context, name, tier string) error {
	list := slices.Contains(feed.Names(), name)
	if !list && c.json {
		return usagef("--json: it is for lists, and %q is none of them", name)
	}
	if !slices.Contains(feedsLike(name), name) {
		return hinted(usagef("unknown feed %q", name), "one of %s, or of the files that `tocsin feed --help` lists", strings.Join(feed.Names(), ", "))
	}
	if err := checkTier(tier); err != nil {
		return err
	}
	return c.ask(func(client *api.Client) error {
		out := bufio.NewWriter(c.stdout)
		var head api.FeedHead
		var err error
		if list {
			head, err = client.Feed(ctx, name, tier, func(value string) error { return c.feedLine(out, name, value) })
		} else {
			head, err = client.FeedFile(ctx, name, tier, out)
		}
		if err = errors.Join(err, out.Flush()); err != nil {
			return err
		}
		c.sayHead(name, head)
		return nil
	})
}

// sayHead says what a list lacks.
func (c *cli) sayHead(name string, head api.FeedHead) {
	if head.LeftOut > 0 {
		fmt.Fprintf(c.stderr, "tocsin: feed %s: %d weaker values are left out, see feeds.lines in the policy\n", name, head.LeftOut)
	}
	if !head.Held.IsZero() {
		fmt.Fprintf(c.stderr, "tocsin: feed %s: it stands still until %s, see `tocsin feed list`\n", name, head.Held.UTC().Format(time.RFC3339))
	}
}

// feedsLike are the feeds there are: of a format of several files any is one, since
// only the node knows them all.
func feedsLike(name string) []string {
	names := api.FeedNames()
	for _, f := range feed.Formats() {
		if len(f.Files) > 0 && strings.HasPrefix(name, f.Name+"/") {
			names = append(names, name)
		}
	}
	return names
}

func (c *cli) listFeeds(ctx context.Context, tier string) error {
	if err := checkTier(tier); err != nil {
		return err
	}
	return c.ask(func(client *api.Client) error {
		a, err := client.Feeds(ctx, tier)
		if err != nil {
			return err
		}
		for _, f := range a.Feeds {
			if err := c.print(f, "%s", feedStateLine(&f)); err != nil {
				return err
			}
		}
		for _, alarm := range a.Alarms {
			if err := c.print(alarm, "alarm %s", feedAlarmLine(&alarm)); err != nil {
				return err
			}
		}
		return nil
	})
}

func feedStateLine(f *api.FeedState) string {
	if f.Problem != "" {
		return fmt.Sprintf("%s %s problem:%q", f.Feed, f.Tier, f.Problem)
	}
	line := fmt.Sprintf("%s %s lines:%d", f.Feed, f.Tier, f.Lines)
	if f.LeftOut > 0 {
		line += fmt.Sprintf(" left-out:%d", f.LeftOut)
	}
	if f.Held != nil {
		line += " held-until:" + f.Held.UTC().Format(time.RFC3339)
	}
	return line
}

func feedAlarmLine(a *api.FeedAlarm) string {
	line := fmt.Sprintf("%s %s since:%s until:%s come:%d gone:%d lines:%d", a.Feed, a.Tier,
		a.Since.UTC().Format(time.RFC3339), a.Until.UTC().Format(time.RFC3339), a.Come, a.Gone, a.Lines)
	if len(a.Orgs) > 0 {
		line += " by:" + strings.Join(a.Orgs, ",")
	}
	return line
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
