package node

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/tocsin-exchange/tocsin/protocol"
	"github.com/tocsin-exchange/tocsin/protocol/stix"
	"github.com/tocsin-exchange/tocsin/trust"
	"github.com/tocsin-exchange/tocsin/trust/policy"
)

// Who says who would get something and who would not, each by the rule that
// decides when it is sent.
type Who struct {
	TLP       protocol.TLP `json:"tlp"`
	Community string       `json:"community,omitempty"`
	Audience  string       `json:"audience,omitempty"` // above GREEN
	Author    string       `json:"author"`
	Peers     []WhoPeer    `json:"peers"`
	Warnings  []string     `json:"warnings,omitempty"`
	Share     *WhoShare    `json:"share,omitempty"` // of what we would say: what the share rules make of it
}

// A WhoShare is the ruling of the share rules.
type WhoShare struct {
	Do     policy.Action `json:"do"` // allow, hold, group or to
	Rule   string        `json:"rule"`
	Reason string        `json:"reason"`
}

// A WhoPeer is the verdict on one node.
type WhoPeer struct {
	Org     string        `json:"org"`
	Node    protocol.Node `json:"node"`
	Allowed bool          `json:"allowed"`
	Rule    string        `json:"rule"`
	Reason  string        `json:"reason"`
	Persons []string      `json:"persons,omitempty"` // RED: who may see it there
}

// WhoOf is Who for a bulletin that is held.
func (n *Node) WhoOf(id protocol.ID) (Who, error) {
	b, _, err := n.store.Header(id)
	if err != nil {
		return Who{}, fmt.Errorf("%w: no bulletin %s is held", ErrNotFound, id)
	}
	return n.who(&b.Header), nil
}

// WhoWould is Who for what our organisation would say: it fails as a submission
// under the same label would. The share rules are asked about the first draft,
// or about one without values where there is none; what they hold is shown as
// it would go out once it is accepted.
func (n *Node) WhoWould(s Submission) (Who, error) {
	p := n.rules.Load().Policy
	if len(p.Shares) == 0 {
		return n.whoUnder(s)
	}
	d := stix.Draft{}
	if len(s.Drafts) > 0 {
		d = s.Drafts[0]
	}
	r := p.Share(n.sharing(&s, d, max(1, len(s.Drafts))))
	if r.Do == policy.Refuse {
		return Who{}, fmt.Errorf("%w: %s (%s%s)", ErrRefused, r.Reason, ruledOut, r.Rule)
	}
	routed, err := n.route(s, r)
	if err != nil {
		return Who{}, err
	}
	w, err := n.whoUnder(routed)
	w.Share = &WhoShare{r.Do, r.Rule, r.Reason}
	return w, err
}

// whoUnder is Who for one label and audience, whatever the share rules say.
func (n *Node) whoUnder(s Submission) (Who, error) {
	h, err := n.issue(s)
	if err != nil {
		return Who{}, err
	}
	h.Certificate = n.certificate()
	return n.who(&h), nil
}

func (n *Node) who(h *protocol.Header) Who {
	o, now := n.look(), time.Now()
	w := Who{TLP: h.TLP, Audience: n.AudienceText(h.Audience), Author: o.name(h.Org()), Peers: []WhoPeer{}}
	if c := o.Communities[h.Community]; c != nil {
		w.Community = c.Charter.Name
	}
	for node, cert := range o.Nodes {
		if node == n.cert.Node {
			continue
		}
		v := o.MayReceive(h, node, now)
		p := WhoPeer{Org: o.name(cert.Org), Node: node, Allowed: v.Allowed, Rule: v.Rule, Reason: v.Reason}
		for _, r := range h.Audience {
			if r.Person != "" && r.Org == cert.Org && v.Allowed {
				p.Persons = append(p.Persons, r.Person)
			}
		}
		w.Peers = append(w.Peers, p)
		if c := o.Communities[h.Community]; c != nil && o.Blocked[cert.Org] && isMember(c, cert.Org) {
			w.Warnings = append(w.Warnings, fmt.Sprintf("%s is blocked here, and as a member of %s it may still receive this through others: only a removal ends that", p.Org, w.Community))
		}
	}
	slices.SortFunc(w.Peers, func(a, b WhoPeer) int {
		return cmp.Or(cmp.Compare(a.Org, b.Org), cmp.Compare(a.Node.String(), b.Node.String()))
	})
	slices.Sort(w.Warnings)
	w.Warnings = slices.Compact(w.Warnings)
	return w
}

func isMember(c *trust.Community, org protocol.Org) bool {
	_, is := c.Members[org]
	return is
}

// A Reach is one road on which an organisation is reached, or not.
type Reach struct {
	TLP       protocol.TLP `json:"tlp"`
	Community string       `json:"community,omitempty"`
	Audience  string       `json:"audience,omitempty"`
	WhoPeer
}

// Reaches says what each node of an organisation would get of us: under every
// label, in every community and group that we speak in.
func (n *Node) Reaches(org protocol.Org) []Reach {
	o, list := n.look(), []Reach{}
	var roads []Submission
	for id := range o.Communities {
		roads = append(roads, Submission{TLP: protocol.Clear, Community: id}, Submission{TLP: protocol.Green, Community: id})
	}
	for id, g := range o.Groups {
		roads = append(roads, Submission{TLP: protocol.Amber, Audience: []protocol.Recipient{{Group: id, Version: g.Latest()}}})
	}
	for _, label := range []protocol.TLP{protocol.Amber, protocol.AmberStrict} {
		roads = append(roads, Submission{TLP: label, Audience: []protocol.Recipient{{Org: org}}})
	}
	for _, road := range roads {
		w, err := n.whoUnder(road)
		if err != nil {
			continue // not a road of ours
		}
		for _, p := range w.Peers {
			if p.Org == o.name(org) {
				list = append(list, Reach{w.TLP, w.Community, w.Audience, p})
			}
		}
	}
	slices.SortFunc(list, func(a, b Reach) int {
		return cmp.Or(cmp.Compare(a.TLP, b.TLP), cmp.Compare(a.Community, b.Community), cmp.Compare(a.Audience, b.Audience), cmp.Compare(a.Node.String(), b.Node.String()))
	})
	return list
}
