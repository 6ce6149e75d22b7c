package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/tocsin-exchange/tocsin/node/api"
	feedsource "github.com/tocsin-exchange/tocsin/node/api/source"
)

const sourceHelp = `A source is somebody else's feed that this node pulls on a schedule and says in your
organisation's name, with the tag source:NAME:

  taxii  a TAXII 2.1 collection; URL is that of the API root, --collection its id
  misp   a MISP feed; URL is the directory that holds manifest.json

All of it goes under --tlp. What carries a stricter label keeps it, or is refused
where nobody was named who may see it; nothing is ever widened. What the source takes
back (revoked, an event gone, an attribute no longer for detection) is taken back
here, unless somebody else said it since. Addresses that are not for everybody are
refused unless --allow names them, and without TLS only those are asked.`

const sourceAddHelp = `Prints: added NAME. The first pull begins at once.`

const sourceListHelp = `Prints a line for each source:

  NAME KIND URL tlp:L every:15m [pulled:TIME COUNTS] [failing:N "why"]

with the counts of the last pull, accepted:N skipped:N refused:N withdrawn:N; rows
are counted as an import counts them.`

const sourcePullHelp = `Asks a source for what is new, now, and waits for the end of it. Prints

  pulled NAME accepted:N skipped:N refused:N withdrawn:N

and, indented, why rows were skipped or refused.`

func (c *cli) sourceCommand() *cobra.Command {
	cmd := group("source", "Pull TAXII and MISP feeds on a schedule", c.sourceAddCommand(), c.sourceListCommand(), c.sourcePullCommand(), c.sourceRemoveCommand())
	cmd.Long = sourceHelp
	return cmd
}

func (c *cli) sourceAddCommand() *cobra.Command {
	var s feedsource.Config
	var who audience
	var allow []string
	var confidence int
	var valid, every api.Duration
	cmd := &cobra.Command{Use: "add NAME KIND URL --tlp L", Short: "Pull a feed on a schedule", Long: sourceHelp + "\n\n" + sourceAddHelp, Args: exactArgs("NAME", "KIND", "URL"),
		Example: "  tocsin source add cert taxii https://taxii.cert.example/api1/ --collection 91a7b528-80eb-42ed-a74d-c6fbd5a26116 --tlp green --user bank --secret-file /etc/tocsin/cert.secret"}
	flags := cmd.Flags()
	labelFlag(cmd, &s.TLP, "tlp", "who may see it: clear, green, amber or amber+strict (required)")
	flags.Var((*papValue)(&s.PAP), "pap", "what may be done with it: clear, green, amber or red")
	flags.StringVar(&s.Collection, "collection", "", "id of the TAXII collection")
	flags.StringVar(&s.Community, "community", "", "which one, where the node is in more than one")
	flags.IntVar(&confidence, "confidence", 0, "of what states none, 0 to 100")
	flags.TextVar(&valid, "valid", api.Duration(0), "how long counts what states no end, such as 30d (default: the lifetime of its type)")
	flags.TextVar(&every, "every", api.Duration(0), "how often, 1m at least (default 15m)")
	for _, name := range []string{"valid", "every"} {
		flags.Lookup(name).DefValue = "" // the help has said it
	}
	who.add(cmd)
	connectFlags(cmd, &s.User, &s.SecretFile, &s.CAFile, &allow)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		s.Name, s.Kind, s.URL, s.Group, s.To, s.Valid, s.Every = args[0], feedsource.Kind(args[1]), args[2], who.group, who.to, feedsource.Interval(valid), feedsource.Interval(every)
		if cmd.Flags().Changed("confidence") {
			s.Confidence = &confidence
		}
		if !s.TLP.Valid() {
			return hinted(usagef("--tlp is missing"), "who may see what the source gives? clear, green, amber or amber+strict")
		}
		var err error
		if s.Allow, err = prefixes(allow); err != nil {
			return err
		}
		if err := who.check(s.TLP); err != nil {
			return err
		}
		if err := absolute(&s.SecretFile, &s.CAFile); err != nil {
			return err
		}
		return c.addSource(cmd.Context(), s)
	}
	return c.answers(cmd)
}

func (c *cli) addSource(ctx context.Context, s feedsource.Config) error {
	return c.ask(func(client *api.Client) error {
		made, err := client.AddSource(ctx, s)
		if err != nil {
			return err
		}
		return c.print(made, "added %s", field(made.Name))
	})
}

func (c *cli) sourceListCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "list", Short: "List sources, and how they are doing", Long: sourceListHelp, Args: noArgs}
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		return c.ask(func(client *api.Client) error {
			list, err := client.Sources(cmd.Context())
			for i := 0; i < len(list) && err == nil; i++ {
				err = c.print(list[i], "%s", sourceLine(&list[i]))
			}
			return err
		})
	}
	return c.answers(cmd)
}

func sourceLine(s *feedsource.State) string {
	fields := []string{field(s.Name), string(s.Kind), field(s.URL), "tlp:" + s.TLP.String(), "every:" + api.Duration(s.Every).String()}
	if !s.Last.At.IsZero() {
		fields = append(fields, "pulled:"+s.Last.At.UTC().Format(time.RFC3339), reportFields(&s.Last))
	}
	if s.Last.Problem != "" {
		fields = append(fields, fmt.Sprintf("failing:%d", s.Last.Failures), quoted(s.Last.Problem))
	}
	return strings.Join(fields, " ")
}

func reportFields(r *feedsource.Report) string {
	return fmt.Sprintf("accepted:%d skipped:%d refused:%d withdrawn:%d", r.Accepted, r.Skipped, r.Refused, r.Withdrawn)
}

func (c *cli) sourcePullCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "pull NAME", Short: "Ask a source for what is new, now", Long: sourcePullHelp, Args: exactArgs("NAME")}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return c.ask(func(client *api.Client) error {
			report, err := client.PullSource(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			text := fmt.Sprintf("pulled %s %s", field(args[0]), reportFields(&report))
			for _, reason := range slices.Sorted(maps.Keys(report.Reasons)) {
				text += fmt.Sprintf("\n  %d %s", report.Reasons[reason], clean(reason))
			}
			return c.print(report, "%s", text)
		})
	}
	return c.answers(cmd)
}

func (c *cli) sourceRemoveCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "remove NAME", Short: "End a source; what it gave stands", Args: exactArgs("NAME"),
		Long: "Ends a source. What it gave stands until it expires or is taken back.\n\nPrints: removed NAME."}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return c.ask(func(client *api.Client) error {
			if err := client.RemoveSource(cmd.Context(), args[0]); err != nil {
				return err
			}
			return c.print(map[string]string{"removed": args[0]}, "removed %s", field(args[0]))
		})
	}
	return c.answers(cmd)
}
