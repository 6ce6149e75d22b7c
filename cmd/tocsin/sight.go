package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/tocsin-exchange/tocsin/node"
	"github.com/tocsin-exchange/tocsin/node/api"
)

const sightHelp = `Says that values which others claim were met here, or with --false-positive that
they are harmless. It is said wherever a claim on them stands or stood, under the
claim's own label: up to green to its community, above to the claim's author and
the others it names, never to anybody else. Nothing is said of claims under red.

A sighting confirms whoever claimed the value before, and makes the claim fresh. A
false positive takes the value out of alert and block here, and wherever this
organisation is an anchor, and counts against whoever claimed it: three of those
and a claimant's word alone moves nothing for a while. Say it only of what you
know; --retract takes it back, and what it counted.

Saying it again is a new version. Prints a line for each claim that was answered:

  sighted TYPE VALUE tlp:green claim:ORG
  disputed TYPE VALUE tlp:amber claim:ORG to:ORG,ORG
  retracted TYPE VALUE tlp:green

A claim that may not be answered, and a value that nobody claims, is named on
standard error; the exit code is then 1. Exit code 3 when nobody claims any.`

func (c *cli) sightCommand() *cobra.Command {
	var r api.SightRequest
	var at timeFlag
	cmd := &cobra.Command{Use: "sight VALUE...", Short: "Say that values were met here, or are harmless", Long: sightHelp, Args: someArgs("VALUE"),
		Example: "  tocsin sight 203.0.113.7 --count 3\n  tocsin sight --false-positive evil.example --note 'our own scanner'"}
	f := cmd.Flags()
	f.BoolVar(&r.FalsePositive, "false-positive", false, "they are harmless")
	f.IntVar(&r.Count, "count", 0, "how often they were met (default 1)")
	f.Var(&at, "at", "when last, such as 2026-01-31T12:00:00Z (default: now)")
	f.StringVar(&r.Note, "note", "", "said with it")
	f.BoolVar(&r.Retract, "retract", false, "take back that they were met, or with --false-positive that they are harmless")
	f.StringVar(&r.Type, "type", "", "type of the values, such as domain-name (default: guessed)")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if cmd.Flags().Changed("count") && (r.Count < 1 || r.Count > node.MaxSightings) {
			return usagef("--count %d: 1 to %d", r.Count, node.MaxSightings)
		}
		r.Values, r.LastSeen = args, at.Time
		return c.ask(func(client *api.Client) error {
			answer, err := client.Sight(cmd.Context(), r)
			if err != nil {
				return err
			}
			return c.printSighted(answer, r.FalsePositive)
		})
	}
	return c.answers(cmd)
}

func (c *cli) printSighted(answer api.SightAnswer, falsePositive bool) error {
	what := "sighted"
	if falsePositive {
		what = "disputed"
	}
	for _, s := range answer.Said {
		line := fmt.Sprintf("%s %s %s tlp:%s claim:%s", what, field(string(s.Value.Type)), field(s.Value.Value), s.TLP, field(s.Claimant))
		if s.Audience != "" {
			line += " to:" + field(s.Audience)
		}
		if err := c.print(s, "%s", line); err != nil {
			return err
		}
		for _, org := range s.Without {
			fmt.Fprintf(c.stderr, "not told: %s is blocked, or no member any more\n", field(org))
		}
	}
	if err := c.printTaken("retracted", answer.Taken, false); err != nil {
		return err
	}
	for _, u := range answer.LeftOut {
		if c.json {
			if err := c.print(map[string]node.Unsaid{"left_out": u}, ""); err != nil {
				return err
			}
			continue
		}
		fmt.Fprintf(c.stderr, "left out %s tlp:%s claim:%s: %s\n", field(u.Value.Value), u.TLP, field(u.Claimant), clean(u.Reason))
	}
	for _, value := range answer.Unknown {
		fmt.Fprintf(c.stderr, "%s: nobody claims it\n", field(value))
	}
	if len(answer.LeftOut)+len(answer.Unknown) > 0 {
		return errTold
	}
	return nil
}

// A timeFlag is a moment as people give it.
type timeFlag struct{ time.Time }

func (t *timeFlag) String() string {
	if t.IsZero() {
		return ""
	}
	return t.Format(time.RFC3339)
}

func (t *timeFlag) Set(text string) error {
	var err error
	for _, layout := range []string{time.RFC3339, time.DateTime, "2006-01-02 15:04", time.DateOnly} { // the last three in UTC
		if t.Time, err = time.Parse(layout, text); err == nil {
			return nil
		}
	}
	return fmt.Errorf("%q is no time such as 2026-01-31T12:00:00Z, or 2026-01-31 in UTC", text)
}

// Type names the flag's value in help.
func (t *timeFlag) Type() string { return "time" }
