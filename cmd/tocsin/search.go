package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/tocsin-exchange/tocsin/node/api"
)

const searchHelp = `Lists what this node holds, oldest arrival first, as far as it matches every flag
that is given.

Prints a line for each claim:

` + claimFormat + `

where RELATION is left out. Exit code 3 when nothing matches. Where there is
more than --limit, a hint says how to go on.`

const searchPage = 1000

func (c *cli) searchCommand() *cobra.Command {
	var o api.SearchOptions
	cmd := &cobra.Command{Use: "search", Short: "List what is held", Long: searchHelp, Args: noArgs,
		Example: "  tocsin search --type domain-name --org hospital --tag phishing"}
	cmd.Flags().StringVar(&o.Type, "type", "", "observable type such as url, or STIX type such as malware")
	cmd.Flags().StringVar(&o.Org, "org", "", "who says it: a name, key or fingerprint")
	cmd.Flags().StringVar(&o.Tag, "tag", "", "a tag it bears")
	cmd.Flags().StringVar(&o.Text, "text", "", "text in value, name, description or tags")
	cmd.Flags().StringVar(&o.After, "after", "", "cursor to go on from")
	cmd.Flags().IntVar(&o.Limit, "limit", 100, "how many to print at most")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return c.search(cmd.Context(), o) }
	return c.answers(cmd)
}

func (c *cli) search(ctx context.Context, o api.SearchOptions) error {
	if o.Limit < 1 {
		return usagef("--limit %d: at least 1", o.Limit)
	}
	return c.ask(func(client *api.Client) error {
		found, left := 0, o.Limit
		for left > 0 {
			o.Limit = min(left, searchPage)
			page, err := client.Search(ctx, o)
			if err != nil {
				return err
			}
			for _, claim := range page.Claims {
				if err := c.print(claim, "%s", claimLine("", claim)); err != nil {
					return err
				}
			}
			found, left, o.After = found+len(page.Claims), left-len(page.Claims), page.Cursor
			if !page.More {
				break
			}
			if left <= 0 {
				c.hint("there may be more: --after %s", clean(page.Cursor))
			}
		}
		if found == 0 {
			return notFoundf("nothing held matches")
		}
		return nil
	})
}
