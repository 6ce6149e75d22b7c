package node

import (
	"context"
	"fmt"
	"slices"

	"github.com/tocsin-exchange/tocsin/protocol"
)

// A client is an organisation that receives security services from ours. What
// others say to us under TLP:AMBER is passed on to it, sealed to its nodes and
// recorded as passed on by us, and goes no further.

// AddClient declares a client. It must be a member of a community of ours, so
// that it can be reached.
func (n *Node) AddClient(ctx context.Context, org protocol.Org) error {
	o := n.look()
	if v := o.MaySubmitTo(protocol.Amber, []protocol.Recipient{{Org: org}}); !v.Allowed || org == n.cert.Org {
		return fmt.Errorf("%w: %s cannot be a client: it must be another member of a community of ours, and not blocked", ErrRefused, o.name(org))
	}
	if err := n.store.Table(tableClients).Set(ctx, org[:], []byte{1}); err != nil {
		return err
	}
	n.learn(func(k *knowledge) { k.clients[org] = true })
	n.NoteDone(ctx, onOrg(ActClient, org, "add"))
	signal(n.outbox.news)
	return nil
}

// RemoveClient ends that: nothing more goes to it from the next byte on.
func (n *Node) RemoveClient(ctx context.Context, org protocol.Org) error {
	if !n.look().Clients[org] {
		return fmt.Errorf("%w: %s is no client of ours", ErrNotFound, n.Name(org))
	}
	if name, named := n.bench().policyClient(org); named {
		return fmt.Errorf("%w: the policy declares %s a client, at clients: take it out there", ErrRefused, name)
	}
	if err := n.store.Table(tableClients).Delete(ctx, org[:]); err != nil {
		return err
	}
	n.learn(func(k *knowledge) { delete(k.clients, org) })
	n.NoteDone(ctx, onOrg(ActClient, org, "remove"))
	return nil
}

// IsClient reports whether an organisation is a client of ours.
func (n *Node) IsClient(org protocol.Org) bool { return n.look().Clients[org] }

// Clients returns the names of our clients, sorted.
func (n *Node) Clients() []string {
	o := n.look()
	names := []string{}
	for org := range o.Clients {
		names = append(names, o.name(org))
	}
	slices.Sort(names)
	return names
}
