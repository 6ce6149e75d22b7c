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
	"github.com/tocsin-exchange/tocsin/protocol"
)

const statusHelp = `Shows the state of the node as key: value lines:

  org: bank
  claims: 12              values claimed, what has expired not counted once swept
  objects: 12             STIX objects held
  bulletins: 5
  peers: 2 of 3 connected
  same: 2 of 3            nodes that held the same when last compared
  behind: cert 40         what one lacked of ours then; ahead: what we lacked
  quarantined: vendor said two things at one place: ID ID; what to do
  policy: the files were changed and are refused, faults: 2, the first at ...
  community: isac members:bank,cert,hospital
  origin: isac hospital objects tlp:green complete:3 held:3
  origin: "group ir v2" hospital objects tlp:amber complete:1 held:1

An origin is how far one organisation's log is held here: complete, or what of it
is known to exist and missing, as numbers of an epoch, and what became of the
bodies (held, absent, declined, expired, pruned, erased). Queues that are not
empty follow, and a line feed-alarm for each list that stands still, as in
` + "`tocsin feed list`" + `. A node that comes in with a new key shows as entering what is
left to do, and why. --json has all counters as well. Lines read-only, lost and
damaged come where the store is in trouble.

With the id of a bulletin of our own (submit --json prints it), or a value that
we have said, shows what became of it at every node that may have it:

  bulletin: 9f8e...
  of: objects isac tlp:green objects:1
  held: 1 of 3
  cert offered            connected since, but has not said yet that it holds it
  hospital held
  vendor unknown          not connected since

Above green, and for an erasure, nodes sign for what they hold or have destroyed;
receipts: 2 of 3 in 1.4 s, 1 offline stands in place of held then, and what is
not signed for is brought again until it is. A node may also
show as declined, expired, pruned or erased: it holds the header without body.`

func (c *cli) statusCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "status [BULLETIN|VALUE]", Short: "Show the state of the node, or of a bulletin", Long: statusHelp, Args: oneArgAtMost}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) == 1 {
			return c.delivery(cmd.Context(), args[0])
		}
		return c.status(cmd.Context())
	}
	return c.answers(cmd)
}

func (c *cli) status(ctx context.Context) error {
	return c.ask(func(client *api.Client) error {
		status, err := client.Status(ctx)
		if err != nil {
			return err
		}
		lines := []string{statusLines(status.Status)}
		for _, a := range status.FeedAlarms {
			lines = append(lines, "feed-alarm: "+feedAlarmLine(&a))
		}
		return c.print(status, "%s", strings.Join(lines, "\n"))
	})
}

// delivery shows what became of a bulletin, or of all of ours that speak of a
// value.
func (c *cli) delivery(ctx context.Context, what string) error {
	return c.ask(func(client *api.Client) error {
		ids, err := ownBulletins(ctx, client, what)
		if err != nil {
			return err
		}
		for _, id := range ids {
			d, err := client.Delivery(ctx, id)
			if err != nil {
				return err
			}
			if err := c.print(d, "%s", deliveryLines(d)); err != nil {
				return err
			}
		}
		return nil
	})
}

func ownBulletins(ctx context.Context, client *api.Client, what string) (ids []protocol.ID, err error) {
	var id protocol.ID
	if id.UnmarshalText([]byte(what)) == nil {
		return []protocol.ID{id}, nil
	}
	self, err := client.Identity(ctx)
	if err != nil {
		return nil, err
	}
	answers, err := client.Lookup(ctx, api.LookupRequest{Values: []string{what}})
	if err != nil {
		return nil, err
	}
	for _, claim := range answers[0].Claims {
		if claim.OrgKey == self.OrgKey && claim.Relation == "exact" && !slices.Contains(ids, claim.Bulletin) {
			ids = append(ids, claim.Bulletin)
		}
	}
	if len(ids) == 0 {
		return nil, notFoundf("this node says nothing about %s", clean(what))
	}
	return ids, nil
}

func deliveryLines(d node.Delivery) string {
	held := 0
	for _, p := range d.Peers {
		if p.State == node.StateHeld {
			held++
		}
	}
	lines := []string{
		"bulletin: " + d.Bulletin.String(),
		fmt.Sprintf("of: %s %s tlp:%s objects:%d", field(d.Kind), field(d.Community+d.Audience), d.TLP, d.Objects),
	}
	if d.Receipts != nil {
		lines = append(lines, "receipts: "+receiptsText(d.Receipts))
	} else {
		lines = append(lines, fmt.Sprintf("held: %d of %d", held, len(d.Peers)))
	}
	for _, p := range d.Peers {
		line := field(p.Org) + " " + field(p.State)
		if p.Client {
			line += " client"
		}
		if p.Reason != "" {
			line += " " + clean(p.Reason)
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, "\n")
}

// receiptsText says how many have signed, and how long the last one took.
func receiptsText(r *node.Receipts) string {
	text := fmt.Sprintf("%d of %d", r.Signed, r.Of)
	if r.Signed > 0 {
		text += fmt.Sprintf(" in %.1f s", float64(r.Took)/1000)
	}
	if r.Offline > 0 {
		text += fmt.Sprintf(", %d offline", r.Offline)
	}
	return text
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
	if s.Alarm != "" {
		lines = append(lines, "alarm: "+clean(s.Alarm))
	}
	for _, q := range s.Quarantined {
		lines = append(lines, quarantineLine(q))
	}
	if s.Policy != "" {
		lines = append(lines, "policy: "+clean(s.Policy))
	}
	for _, e := range s.Entering {
		lines = append(lines, enteringLine(e))
	}
	lines = append(lines, storeLines(s)...)
	lines = append(lines, convergenceLines(s.Convergence)...)
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

// quarantineLine says whose word does not count here, or that our own log was
// written to by somebody else.
func quarantineLine(q node.Quarantine) string {
	if q.Own {
		return "alarm: our own organisation " + clean(q.Reason)
	}
	return "quarantined: " + field(q.Org) + " " + clean(q.Reason)
}

// enteringLine says what a node with a new key has yet to do.
func enteringLine(e node.Entering) string {
	if !e.Former.IsZero() {
		return fmt.Sprintf("entering: former key %s not revoked yet: %s", node.PeerID(e.Former), clean(e.Problem))
	}
	return fmt.Sprintf("entering: community %s: %s", e.Community, clean(e.Problem))
}

// storeLines says what is wrong with the store.
func storeLines(s node.Status) (lines []string) {
	if s.ReadOnly {
		lines = append(lines, fmt.Sprintf("read-only: %d MiB free on the disk; free space and it goes on by itself", s.Free>>20))
	}
	if s.Lost > 0 {
		lines = append(lines, fmt.Sprintf("lost: %d bulletins; peers give back what they hold", s.Lost))
	}
	if s.Damaged > 0 {
		lines = append(lines, fmt.Sprintf("damaged: %d records; they are fetched from peers again", s.Damaged))
	}
	return lines
}

// convergenceLines says how many hold the same, and who does not. Those never
// compared are only missing in the count.
func convergenceLines(list []node.Convergence) []string {
	if len(list) == 0 {
		return nil
	}
	same, others := 0, []string(nil)
	for _, v := range list {
		if v.Same() {
			same++
		}
		if v.Behind > 0 {
			others = append(others, fmt.Sprintf("behind: %s %d", field(v.Org), v.Behind))
		}
		if v.Ahead > 0 {
			others = append(others, fmt.Sprintf("ahead: %s %d", field(v.Org), v.Ahead))
		}
	}
	return append([]string{fmt.Sprintf("same: %d of %d", same, len(list))}, others...)
}

func originLine(o node.Origin) string {
	line := fmt.Sprintf("origin: %s %s %s", field(o.Community+o.Audience), field(o.Org), field(o.Kind))
	if o.TLP.Valid() {
		line += " tlp:" + o.TLP.String()
	}
	if len(o.Missing) == 0 {
		line += fmt.Sprintf(" complete:%d", o.Headers)
	} else {
		line += fmt.Sprintf(" bulletins:%d missing:%s", o.Headers, missingText(o.Missing))
	}
	for _, state := range slices.Sorted(maps.Keys(o.Bodies)) {
		line += fmt.Sprintf(" %s:%d", field(state), o.Bodies[state])
	}
	return line
}

// missingText writes what is missing as numbers, 5-7,9; "..9" reaches back into
// epochs before.
func missingText(list []node.Missing) string {
	parts := make([]string, len(list))
	for i, m := range list {
		switch m.From {
		case 0:
			parts[i] = fmt.Sprintf("..%d", m.To)
		case m.To:
			parts[i] = fmt.Sprint(m.To)
		default:
			parts[i] = fmt.Sprintf("%d-%d", m.From, m.To)
		}
	}
	return strings.Join(parts, ",")
}
