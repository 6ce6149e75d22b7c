package main

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/tocsin-exchange/tocsin/node"
	"github.com/tocsin-exchange/tocsin/node/api"
	"github.com/tocsin-exchange/tocsin/protocol/stix"
)

const whyHelp = `Says why a value is believed as far as it is, and what may act on it: who said
what, when and under which label, what became of it, for each tier and each feed
whether the value is in it and by which rule. Only what the asker may see counts.

Prints the conclusion in the first line, then a block for each part:

  why: 203.0.113.7 is in alert, not in block: the score is 45, block needs 60 ...
  voice: hospital counted weight:0.45 claim confidence:90 decay:1 trust:50
    trust: 50: chosen at level 50, 0.0 confirmed, 0.0 false positives, at most 75
  claim: hospital tlp:green confidence:90 expires:2026-01-31 community:isac
    state: stands, it counts until it expires or something newer is said
    issued: 2026-01-01T00:00:00Z received: 2026-01-01T00:00:01Z from: bank rule: own
    bulletin: ID index: 0
    then: tier:alert score:45 trust:50 by:journal
    now: counted weight:0.45
  tier: alert yes until:2026-01-12T00:00:00Z score: the score is 45 of the 30 needed
  feed: ip observe:yes alert:yes block:no
    alert: held, too much of the list would change at once: it stands still until ...

A feed has a line below where it goes by another rule than the tier. A claim that
waits for a person is listed as held; unread: lines count bulletins of which only
the header is here, so nobody knows whether they are about the value.

What is listed as then is how the value was judged when the word came, of what was
said by then and is held still: by the policy, levels, blocks, members and outcomes
of then as the audit journal has them (by:journal), or of now where it does not
(by:now). Never-block lists and node keys are those of now. What was erased,
disowned or declined is in no answer about a value.

With --at TIME the value is judged as of a moment that has passed, from what had
come by then and what the journal has of it. A feed is then what the tier makes of
it: that a list stood still or was full, the journal says (audit list --act feed).
--clearance and --pap judge as for somebody who may see no more than that. More
than 64 claims are listed with --json only, where all are.

With --replay FILE (- is standard input) nobody is asked:

  tocsin why --replay FILE                  FILE is what --json printed: the value is
      judged again by what is recorded there and nothing else. Prints same, or a
      line for each difference, with exit code 1.
  tocsin why VALUE --at TIME --replay FILE  FILE is what tocsin audit export wrote:
      the value is judged by it and by the store of the directory, as --at does.
      No daemon may run on it; a restored backup will do. Without --at it is the
      moment of the last record.

Exit code 3 when nothing is known of any value and none is on a never-block list.`

func (c *cli) whyCommand() *cobra.Command {
	var q whyQuery
	cmd := &cobra.Command{Use: "why VALUE... | why --replay FILE [VALUE...]", Short: "Say why a value is in a tier or not", Long: whyHelp,
		Example: "  tocsin why 203.0.113.7\n  tocsin why --at 2d --clearance green 203.0.113.7\n  tocsin why --json 203.0.113.7 > why.json; tocsin why --replay why.json",
		Args: func(cmd *cobra.Command, args []string) error {
			if cmd.Flags().Changed("replay") {
				return nil
			}
			return someArgs("VALUE")(cmd, args)
		}}
	flags := cmd.Flags()
	flags.StringVar(&q.kind, "type", "", "type of the values, such as domain-name (default: guessed)")
	flags.StringVar(&q.at, "at", "", "judge as of then: a date, a time, or how long ago, such as 7d")
	flags.StringVar(&q.clearance, "clearance", "", "judge as for somebody who may see no more than this label")
	flags.StringVar(&q.pap, "pap", "", "judge as for somebody who may see no more than this PAP level")
	flags.StringVar(&q.replay, "replay", "", "judge again, without a node, by this file")
	q.offline.flags(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		switch {
		case !flags.Changed("replay"):
			return c.ask(func(client *api.Client) error { return c.why(cmd.Context(), client, args, &q) })
		case len(args) > 0:
			return c.whyOffline(cmd.Context(), args, &q)
		case q.at+q.kind+q.clearance+q.pap != "":
			return usagef("VALUE is missing: what --json printed has its value, moment and asker in it")
		}
		return c.replay(q.replay)
	}
	return c.answers(cmd)
}

// A whyQuery is how values are to be explained.
type whyQuery struct {
	kind, at, clearance, pap string
	replay                   string
	offline
}

func (c *cli) why(ctx context.Context, client *api.Client, values []string, q *whyQuery) error {
	ask := client.Why
	if c.json {
		ask = client.WhyWhole
	}
	known := 0
	for i, value := range values {
		w, err := ask(ctx, api.WhyQuery{Value: value, Type: stix.Type(q.kind), At: q.at, Clearance: q.clearance, PAP: q.pap})
		if err != nil {
			return err
		}
		if w.Known() {
			known++
		} else if bulletins := w.Headers(); bulletins > 0 && !c.json {
			c.hint("of %d bulletins only the header is here, so whether they are about %s is not known: --json lists whose they are", bulletins, field(value))
		}
		if err := c.printWhy(&w, i > 0); err != nil {
			return err
		}
	}
	switch {
	case known > 0:
		return nil
	case len(values) == 1:
		return notFoundf("nothing is known of %s", values[0])
	}
	return notFoundf("nothing is known of any of %d values", len(values))
}

// printWhy prints an answer; of what nothing is known only as JSON.
func (c *cli) printWhy(w *api.Why, apart bool) error {
	if c.json {
		return c.print(w, "")
	}
	if !w.Known() {
		return nil
	}
	lines := whyLines(w)
	if apart {
		lines = append([]string{""}, lines...)
	}
	_, err := fmt.Fprintln(c.stdout, strings.Join(lines, "\n"))
	return err
}

func whyLines(w *api.Why) []string {
	lines := []string{"why: " + clean(w.Conclusion)}
	if n := w.NeverBlock; n != nil {
		line := "never-block: " + clean(n.Reason) + ", list: " + field(n.List)
		if n.Entry != "" {
			line += " entry: " + field(n.Entry)
		}
		lines = append(lines, line)
	}
	for _, r := range w.Related {
		line := fmt.Sprintf("related: %s %s %s tier:%s score:%d", field(r.Value), field(string(r.Type)), field(r.Relation), field(r.Tier), r.Score)
		if r.NeverBlock != "" {
			line += " never-block:" + field(r.NeverBlock)
		}
		lines = append(lines, line)
	}
	for i := range w.Voices {
		lines = append(lines, voiceLines(&w.Voices[i])...)
	}
	for i := range w.Claims {
		lines = append(lines, wordLines("claim", &w.Claims[i])...)
	}
	for i := range w.Sightings {
		lines = append(lines, wordLines(w.Sightings[i].Says, &w.Sightings[i])...)
	}
	if w.LeftOut > 0 {
		lines = append(lines, fmt.Sprintf("left-out: %d more that were said: --json has all", w.LeftOut))
	}
	for _, u := range w.Unread {
		line := fmt.Sprintf("unread: %s %s bulletins:%d", field(u.Org), field(u.State), u.Bulletins)
		if u.Rule != "" {
			line += " rule:" + field(u.Rule)
		}
		lines = append(lines, line)
	}
	if len(w.Claims)+len(w.Sightings) > 0 {
		lines = append(lines, "then: "+clean(w.ThenBasis))
	}
	for _, t := range w.Tiers {
		line := fmt.Sprintf("tier: %s %s", field(t.Tier), yes(t.In))
		if !t.Until.IsZero() {
			line += " until:" + t.Until.UTC().Format(time.RFC3339)
		}
		lines = append(lines, line+" "+field(t.Rule)+": "+clean(t.Reason))
	}
	return append(lines, feedLines(w)...)
}

// feedLines are a line for each feed, and one below for each of its lists that
// goes by another rule than the tier.
func feedLines(w *api.Why) (lines []string) {
	last, at := "", 0
	for _, f := range w.Feeds {
		if f.Feed != last {
			lines, last, at = append(lines, "feed: "+field(f.Feed)), f.Feed, len(lines)
		}
		lines[at] += " " + field(f.Tier) + ":" + yes(f.In)
		if !slices.ContainsFunc(w.Tiers, func(t node.TierIn) bool { return t.Tier == f.Tier && t.Rule == f.Rule }) {
			lines = append(lines, fmt.Sprintf("  %s: %s, %s", field(f.Tier), field(f.Rule), clean(f.Reason)))
		}
	}
	return lines
}

// voiceLines are what became of one organisation's word.
func voiceLines(v *node.Voice) []string {
	line := fmt.Sprintf("voice: %s %s weight:%s", field(v.Org), field(v.Rule), number(v.Weight))
	if v.Says != "" {
		line += " " + field(v.Says)
	}
	if v.Confidence != nil {
		line += fmt.Sprintf(" confidence:%d decay:%s", *v.Confidence, number(v.Decay))
	}
	lines := []string{line + " trust:" + number(v.Trust)}
	if v.TrustWhy != "" {
		lines = append(lines, "  trust: "+clean(v.TrustWhy))
	}
	switch d := v.Door; {
	case d == nil:
	case d.Org.IsZero():
		lines = append(lines, "  door: it speaks with the one voice of the founders nobody here decided on")
	case d.Org == v.OrgKey:
		lines = append(lines, fmt.Sprintf("  door: nobody here decided on it; it was introduced by %d chosen", len(d.By)))
	default:
		lines = append(lines, fmt.Sprintf("  door: nobody here decided on it; it speaks with the one voice of those %s let in", field(v.Of)))
	}
	return lines
}

// wordLines are one claim, sighting or opinion.
func wordLines(what string, w *api.WhyWord) []string {
	lines := []string{
		what + ": " + strings.Join(claimTerms(&w.Claim, ""), " "),
		"  state: " + field(w.State) + ", " + clean(w.Why),
		fmt.Sprintf("  issued: %s received: %s from: %s rule: %s", w.Issued.UTC().Format(time.RFC3339), w.Received.UTC().Format(time.RFC3339), field(w.From), field(w.Reason)),
		fmt.Sprintf("  bulletin: %s index: %d by: %s", w.Bulletin, w.Index, w.Fingerprint),
	}
	if w.Then.By != "" {
		lines = append(lines, fmt.Sprintf("  then: tier:%s score:%d trust:%s by:%s", field(w.Then.Tier), w.Then.Score, number(w.Then.Trust), field(w.Then.By)))
	}
	if w.Became != "" {
		lines = append(lines, fmt.Sprintf("  now: %s weight:%s", field(w.Became), number(w.Weight)))
	}
	return lines
}

func number(x float64) string { return strconv.FormatFloat(x, 'f', -1, 64) }
