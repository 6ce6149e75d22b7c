package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/tocsin-exchange/tocsin/node"
	"github.com/tocsin-exchange/tocsin/node/api"
	"github.com/tocsin-exchange/tocsin/protocol"
)

const revokeHelp = `Takes back what this organisation said about values: the claims no longer count,
anywhere, and leave every feed. Each is taken back where it was said, under the
same label and to the same recipients. VALUE may be an observable, a STIX id or
the id of a bulletin.

Prints a line for each object:

  revoked TYPE VALUE tlp:green`

const eraseHelp = `Has every holder destroy what this organisation said about values, old versions
included, such as personal data that must go. It cannot be undone. Each holder
signs that it has destroyed it, and is asked again until it has; copies that left
the nodes (archives, backups, what tools fetched) are not reached. VALUE may be an
observable, a STIX id or the id of a bulletin.

Prints a line for each object, then who has signed after the time of --wait:

  erased TYPE VALUE tlp:green by:BULLETIN
  receipts: 47 of 49 in 3.1 s, 2 offline

Ask later with tocsin status BULLETIN.`

func (c *cli) revokeCommand() *cobra.Command {
	var kind string
	cmd := &cobra.Command{Use: "revoke VALUE...", Short: "Take back what we said: it no longer counts", Long: revokeHelp, Args: someArgs("VALUE")}
	cmd.Flags().StringVar(&kind, "type", "", "type of the values, such as domain-name (default: guessed)")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return c.ask(func(client *api.Client) error {
			answer, err := client.Revoke(cmd.Context(), takeBackRequest(args, kind))
			if err != nil {
				return err
			}
			return c.printTaken("revoked", answer.Taken, false)
		})
	}
	return c.answers(cmd)
}

func (c *cli) eraseCommand() *cobra.Command {
	var kind string
	wait := api.Duration(10 * time.Second)
	cmd := &cobra.Command{Use: "erase VALUE...", Short: "Have every holder destroy what we said", Long: eraseHelp, Args: someArgs("VALUE")}
	cmd.Flags().StringVar(&kind, "type", "", "type of the values, such as domain-name (default: guessed)")
	cmd.Flags().TextVar(&wait, "wait", wait, "how long to wait for receipts; 0s: not at all")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return c.ask(func(client *api.Client) error {
			answer, err := client.Erase(cmd.Context(), takeBackRequest(args, kind))
			if err != nil {
				return err
			}
			if err := c.printTaken("erased", answer.Taken, true); err != nil {
				return err
			}
			return c.awaitReceipts(cmd.Context(), client, answer.Taken, time.Duration(wait))
		})
	}
	return c.answers(cmd)
}

func takeBackRequest(args []string, kind string) api.TakeBackRequest {
	r := api.TakeBackRequest{Type: kind}
	for _, arg := range args {
		var id protocol.ID
		if id.UnmarshalText([]byte(arg)) == nil && kind == "" {
			r.Bulletins = append(r.Bulletins, id)
		} else {
			r.Values = append(r.Values, arg)
		}
	}
	return r
}

func (c *cli) printTaken(what string, taken []node.TakenBack, by bool) error {
	for _, t := range taken {
		names := []string{field(t.ID)}
		if len(t.Claims) > 0 {
			names = nil
		} else if t.ID == "" {
			names = []string{fmt.Sprintf("%s/%d", t.Bulletin, t.Index)}
		}
		for _, o := range t.Claims {
			names = append(names, field(string(o.Type))+" "+field(o.Value))
		}
		for _, name := range names {
			line := fmt.Sprintf("%s %s tlp:%s", what, name, t.TLP)
			if by {
				line += " by:" + t.By.String()
			}
			if err := c.print(t, "%s", line); err != nil {
				return err
			}
			if c.json {
				break // one record an object
			}
		}
	}
	return nil
}

// awaitReceipts asks until all have signed or the time is over, then says who.
func (c *cli) awaitReceipts(ctx context.Context, client *api.Client, taken []node.TakenBack, wait time.Duration) error {
	var ids []protocol.ID
	for _, t := range taken {
		if !slices.Contains(ids, t.By) {
			ids = append(ids, t.By)
		}
	}
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for _, id := range ids {
		for {
			d, err := client.Delivery(context.WithoutCancel(ctx), id)
			if err != nil {
				return err
			}
			if d.Receipts == nil {
				break
			}
			if d.Receipts.Signed == d.Receipts.Of || ctx.Err() != nil {
				if err := c.print(d, "receipts: %s", receiptsText(d.Receipts)); err != nil {
					return err
				}
				break
			}
			select {
			case <-tick.C:
			case <-ctx.Done():
			}
		}
	}
	return nil
}
