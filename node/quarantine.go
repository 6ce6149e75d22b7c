package node

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"unicode"

	"github.com/tocsin-exchange/tocsin/protocol"
	"github.com/tocsin-exchange/tocsin/storage/journal"
	"github.com/tocsin-exchange/tocsin/trust"
)

// quarantine returns who is to be quarantined by what is known. What others
// said with a key that was stolen and revoked shows no fault of its organisation.
func (k *knowledge) quarantine() map[protocol.Org]trust.Proof {
	var proofs []trust.Proof
	for _, list := range k.proofs {
		for _, p := range list {
			_, revoked := k.revocations[trust.NodeKey{Org: p.Org, Node: p.Node}]
			if !revoked || k.counts(p.Headers[0]) && k.counts(p.Headers[1]) {
				proofs = append(proofs, p.Proof)
			}
		}
	}
	return trust.Quarantine(proofs, k.released)
}

// release notes headers that are proven bad and quarantine no more.
func (k *knowledge) release(org protocol.Org, headers []protocol.ID) {
	if k.released[org] == nil {
		k.released[org] = map[protocol.ID]bool{}
	}
	for _, id := range headers {
		k.released[org][id] = true
	}
}

// reportFaults logs who has come under quarantine since an earlier outlook.
func (n *Node) reportFaults(before *outlook) {
	o := n.look()
	for org, p := range o.Quarantined {
		if _, was := before.Quarantined[org]; was {
			continue
		}
		n.Note(n.ctx, journal.Record{Act: ActQuarantine, Org: org.String(), Peer: peerText(p.Node), Rule: p.Fault.String(), Community: p.Community.String()})
		what := "quarantined: an organisation " + p.Fault.String()
		if org == n.cert.Org {
			what = "our own organisation " + p.Fault.String() + ": its key is in other hands, or a copy of its disk runs elsewhere"
		}
		n.log.Error(what, "id", p.Headers[0], "other", p.Headers[1], "peer", o.name(org), "node", p.Node)
	}
}

// releaseProofs lifts a quarantine, here, for what is known by now: a later
// proof, of a header not known to be bad, quarantines again.
func (n *Node) releaseProofs(ctx context.Context, org protocol.Org) error {
	var headers []protocol.ID
	n.mu.Lock()
	list := n.known.proofs[org]
	for _, p := range list {
		headers = append(headers, p.Headers[:]...)
	}
	n.mu.Unlock()
	if len(list) >= maxProofs {
		return fmt.Errorf("%w: %s broke its log %d times or more, which is no accident: `tocsin peer remove`, or `tocsin peer block`", ErrRefused, n.Name(org), maxProofs)
	}
	slices.SortFunc(headers, protocol.ID.Compare)
	headers = slices.Compact(headers)
	row := make([]byte, 0, len(headers)*len(protocol.ID{}))
	for _, id := range headers {
		row = append(row, id[:]...)
	}
	if err := n.store.Table(tableReleased).Set(ctx, org[:], row); err != nil {
		return err
	}
	n.learn(func(k *knowledge) { k.release(org, headers) })
	return nil
}

// A Quarantine is an organisation whose word does not count here, and why.
type Quarantine struct {
	Org       string        `json:"org"`
	OrgKey    protocol.Org  `json:"org_key"`
	Node      protocol.Node `json:"node"`
	Community string        `json:"community"`
	Own       bool          `json:"own"`     // it is ours: our key is in other hands, or a copy of our disk runs elsewhere
	Headers   []protocol.ID `json:"headers"` // that prove it
	Reason    string        `json:"reason"`  // and what to do
}

// Quarantined returns who is quarantined, by name.
func (n *Node) Quarantined() []Quarantine {
	o := n.look()
	list := []Quarantine{}
	for org, p := range o.Quarantined {
		q := Quarantine{Org: o.name(org), OrgKey: org, Node: p.Node, Own: org == n.cert.Org, Headers: p.Headers[:], Reason: o.quarantine(org)}
		if c := o.Communities[p.Community]; c != nil {
			q.Community = c.Charter.Name
		}
		list = append(list, q)
	}
	slices.SortFunc(list, func(a, b Quarantine) int { return cmp.Or(cmp.Compare(a.Org, b.Org), a.OrgKey.Compare(b.OrgKey)) })
	return list
}

// quarantine says in words why an organisation's claims do not answer; "" when
// it is not quarantined.
func (o *outlook) quarantine(org protocol.Org) string {
	p, is := o.Quarantined[org]
	if !is {
		return ""
	}
	name := o.name(org)
	if strings.ContainsFunc(name, unfitForShell) {
		name = org.String()
	}
	return fmt.Sprintf("%s: %s %s; `tocsin peer release %s`", p.Fault, p.Headers[0], p.Headers[1], name)
}

// unfitForShell: others choose how an organisation is called, and people paste
// what they are told to type.
func unfitForShell(r rune) bool {
	return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune("@-_.", r)
}
