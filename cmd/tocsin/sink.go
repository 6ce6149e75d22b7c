package main

import (
	"context"
	"fmt"
	"net/netip"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/tocsin-exchange/tocsin/node/api"
	"github.com/tocsin-exchange/tocsin/node/api/sink"
)

const sinkHelp = `A sink hands changes on to a system of your own as they come: each add and remove
that /v1/watch tells, at least once, in order, without a client that polls.

  webhook  POST of {"sink":NAME,"changes":[...]} to https://, signed with
           HMAC-SHA256 as Standard Webhooks have it
  syslog   RFC 5424 with CEF (or --format json) over tcp:// or tls://
  nats     JetStream, nats://HOST/SUBJECT or tls://HOST/SUBJECT; its stream exists
  kafka    kafka://HOST/TOPIC or kafka+tls://HOST/TOPIC

A receiver that is down is tried again, ever more rarely up to five minutes, and gets
all it missed. What it refuses for its content waits as a dead letter. A change of
kind reset says that all is told anew: forget what came before. Where a sink goes is
looked at before every connection: addresses that are not for everybody (loopback,
private, link-local) and this host's own are refused unless --allow names them, and
without TLS a sink goes to those alone.`

const sinkAddHelp = `Hands on all there is, then what comes; with --now only what comes. Nothing above
--clearance (default green) or --pap (default amber) goes there; TLP:RED and
exercises never do.

With --tier it tells of values: each time something is said of one, whether it is
in that tier (add) or not (remove), and until when if nothing new is said. What a
program is to act upon by itself is better read from a list (tocsin feed), which
also follows the policy and holds a flood back.

Prints a webhook's secret as the last line of standard output. It is shown once: the
receiver checks signatures with it. For the others: added NAME.`

const sinkListHelp = `Prints a line for each sink:

  NAME KIND URL clearance:L pap:L [tier:TIER] delivered:N [dead:N] [failing...]

with failing:N since:TIME "why" while the receiver takes nothing. What was delivered
is counted from the start of the node.`

const sinkDeadHelp = `Prints a line for each event that the receiver refused; the others went on:

  NUMBER TIME EVENT "why"

With --retry they are sent again within ten seconds, with --drop forgotten; prints
how many. An event that was taken back meanwhile is not sent again.`

func (c *cli) sinkCommand() *cobra.Command {
	cmd := group("sink", "Hand changes on to a webhook, syslog, NATS or Kafka", c.sinkAddCommand(), c.sinkListCommand(), c.sinkRemoveCommand(), c.sinkDeadCommand())
	cmd.Long = sinkHelp
	return cmd
}

func (c *cli) sinkAddCommand() *cobra.Command {
	var r api.SinkRequest
	var allow []string
	var format string
	cmd := &cobra.Command{Use: "add NAME KIND URL", Short: "Hand changes on to another system", Long: sinkHelp + "\n\n" + sinkAddHelp, Args: exactArgs("NAME", "KIND", "URL"),
		Example: "  tocsin sink add soc webhook https://soar.bank.example/hooks/tocsin --allow 10.20.0.0/16\n  tocsin sink add siem syslog tls://siem.bank.example:6514 --clearance amber --allow 10.20.0.0/16"}
	flags := cmd.Flags()
	labelFlag(cmd, &r.Clearance, "clearance", "strictest label that goes there (default green)")
	flags.Var((*papValue)(&r.PAP), "pap", "strictest PAP level that goes there (default amber)")
	flags.StringVar(&r.Tier, "tier", "", "only values in this tier: observe, alert or block (default: all)")
	flags.StringVar(&format, "format", "", "json, or cef for syslog (its default)")
	flags.BoolVar(&r.Now, "now", false, "only what comes from now on")
	connectFlags(cmd, &r.User, &r.SecretFile, &r.CAFile, &allow)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		r.Name, r.Kind, r.URL, r.Format = args[0], sink.Kind(args[1]), args[2], sink.Format(format)
		var err error
		if r.Allow, err = prefixes(allow); err == nil {
			err = absolute(&r.SecretFile, &r.CAFile)
		}
		if err != nil {
			return err
		}
		return c.addSink(cmd.Context(), r)
	}
	return c.answers(cmd)
}

// connectFlags say how another system is reached.
func connectFlags(cmd *cobra.Command, user, secret, ca *string, allow *[]string) {
	flags := cmd.Flags()
	flags.StringVar(user, "user", "", "user to log in as")
	flags.StringVar(secret, "secret-file", "", "file with the password or token, readable by the daemon's user alone")
	flags.StringVar(ca, "ca", "", "PEM file of the CA to trust, instead of the system's")
	flags.StringArrayVar(allow, "allow", nil, "address or network that may be dialled though it is not for everybody; repeat for more")
}

// prefixes reads addresses and networks.
func prefixes(texts []string) (list []netip.Prefix, err error) {
	for _, text := range texts {
		p, err := netip.ParsePrefix(text)
		if addr, e := netip.ParseAddr(text); err != nil && e == nil {
			p, err = addr.Prefix(addr.BitLen())
		}
		if err != nil {
			return nil, usagef("--allow %s: an address or a network, such as 10.20.0.0/16", text)
		}
		list = append(list, p.Masked())
	}
	return list, nil
}

// absolute makes paths that were given ones that the daemon understands.
func absolute(paths ...*string) (err error) {
	for _, p := range paths {
		if *p != "" && err == nil {
			*p, err = filepath.Abs(*p)
		}
	}
	return err
}

func (c *cli) addSink(ctx context.Context, r api.SinkRequest) error {
	return c.ask(func(client *api.Client) error {
		made, err := client.AddSink(ctx, r)
		if err != nil {
			return err
		}
		if made.Secret == "" {
			return c.print(made, "added %s", field(made.Name))
		}
		if !c.json {
			c.hint("shown once: the receiver checks webhook-signature with it")
		}
		return c.print(made, "%s", clean(made.Secret))
	})
}

func (c *cli) sinkListCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "list", Short: "List sinks, and how they are doing", Long: sinkListHelp, Args: noArgs}
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		return c.ask(func(client *api.Client) error {
			list, err := client.Sinks(cmd.Context())
			for i := 0; i < len(list) && err == nil; i++ {
				err = c.print(list[i], "%s", sinkLine(&list[i]))
			}
			return err
		})
	}
	return c.answers(cmd)
}

func sinkLine(s *sink.State) string {
	fields := []string{field(s.Name), string(s.Kind), field(s.URL), "clearance:" + s.Clearance.String(), "pap:" + s.PAP.String()}
	if s.Tier != "" {
		fields = append(fields, "tier:"+field(s.Tier))
	}
	fields = append(fields, fmt.Sprintf("delivered:%d", s.Delivered))
	if s.Dead > 0 {
		fields = append(fields, fmt.Sprintf("dead:%d", s.Dead))
	}
	if s.Failures > 0 {
		fields = append(fields, fmt.Sprintf("failing:%d", s.Failures), "since:"+s.Since.UTC().Format(time.RFC3339), quoted(s.Problem))
	}
	return strings.Join(fields, " ")
}

func (c *cli) sinkRemoveCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "remove NAME", Short: "End a sink, at once", Args: exactArgs("NAME"),
		Long: "Ends a sink, and forgets where it was and its dead letters.\n\nPrints: removed NAME."}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return c.ask(func(client *api.Client) error {
			if err := client.RemoveSink(cmd.Context(), args[0]); err != nil {
				return err
			}
			return c.print(map[string]string{"removed": args[0]}, "removed %s", field(args[0]))
		})
	}
	return c.answers(cmd)
}

func (c *cli) sinkDeadCommand() *cobra.Command {
	var retry, drop bool
	cmd := &cobra.Command{Use: "dead NAME", Short: "List the events that a receiver refused", Long: sinkDeadHelp, Args: exactArgs("NAME")}
	cmd.Flags().BoolVar(&retry, "retry", false, "send them again")
	cmd.Flags().BoolVar(&drop, "drop", false, "forget them")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		switch {
		case retry && drop:
			return usagef("--retry or --drop, not both")
		case retry:
			return c.doLetters(cmd.Context(), args[0], "retry")
		case drop:
			return c.doLetters(cmd.Context(), args[0], "drop")
		}
		return c.ask(func(client *api.Client) error {
			letters, err := client.Letters(cmd.Context(), args[0])
			for i := 0; i < len(letters) && err == nil; i++ {
				l := &letters[i]
				err = c.print(l, "%d %s %s %s", l.Number, l.At.UTC().Format(time.RFC3339), field(l.Event), quoted(l.Reason))
			}
			return err
		})
	}
	return c.answers(cmd)
}

func (c *cli) doLetters(ctx context.Context, name, do string) error {
	return c.ask(func(client *api.Client) error {
		n, err := client.DoLetters(ctx, name, do)
		if err != nil {
			return err
		}
		return c.print(map[string]any{"sink": name, do: n}, "%s %d", do, n)
	})
}
