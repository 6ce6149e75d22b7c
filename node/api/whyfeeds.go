package api

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/tocsin-exchange/tocsin/node/api/feed"
	"github.com/tocsin-exchange/tocsin/protocol/stix"
	"github.com/tocsin-exchange/tocsin/storage"
	"github.com/tocsin-exchange/tocsin/trust/score"
)

// feeds says of every list that carries values of the type, in every tier,
// whether it holds the value; without a shelf, whether it is for the list. Lists
// are made without what RED, drills and PAP above GREEN say.
func (n *names) feeds(ctx context.Context, shelf *feed.Shelf, o stix.Observable, q storage.Query, w *Why) ([]WhyFeed, error) {
	list := []WhyFeed{}
	tiers, err := n.judges.Listed(o, q)
	if err != nil {
		return nil, err
	}
	for _, name := range feed.Holding(o) {
		for i, tier := range score.AllTiers() {
			f := WhyFeed{Feed: name, Tier: tier.String(), Rule: w.Tiers[i].Rule, Reason: w.Tiers[i].Reason, In: w.NeverBlock == nil && tiers.In(tier)}
			switch {
			case f.In == w.Tiers[i].In:
			case w.NeverBlock != nil:
				f.Rule, f.Reason = "never-block", "nothing may ever act on it: "+w.NeverBlock.Reason
			default:
				f.Rule, f.Reason = "may-not-act", "lists are made without what TLP:RED, drills and PAP above GREEN say"
			}
			if shelf == nil {
				list = append(list, f)
				continue
			}
			held, err := shelf.List(ctx, name, tier, q)
			switch {
			case errors.Is(err, feed.ErrTooLong):
				f.In, f.Rule, f.Reason = false, "too-long", "the list would have more lines than any list may have, and is not served"
			case err != nil:
				return nil, err
			default:
				f.hold(o.Value, &held)
			}
			list = append(list, f)
		}
	}
	return list, nil
}

// hold says what the list is that is served, where it is not what is meant.
func (f *WhyFeed) hold(value string, list *feed.List) {
	is := slices.ContainsFunc(list.Parts, func(part []byte) bool {
		return bytes.HasPrefix(part, []byte(value+"\n")) || bytes.Contains(part, []byte("\n"+value+"\n"))
	})
	switch {
	case is == f.In:
		return
	case !list.Held.IsZero():
		f.Rule, f.Reason = "held", "too much of the list would change at once: it stands still until "+list.Held.UTC().Format(time.RFC3339)
	case f.In && list.LeftOut > 0:
		f.Rule, f.Reason = "full", fmt.Sprintf("the list has as many lines as the policy allows: it leaves out %d values", list.LeftOut)
	default:
		f.Rule, f.Reason = "changing", "what is served changes just now: ask again"
	}
	f.In = is
}
