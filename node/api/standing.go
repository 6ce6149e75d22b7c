package api

import (
	"context"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"slices"

	"github.com/tocsin-exchange/tocsin/node"
	"github.com/tocsin-exchange/tocsin/protocol"
	"github.com/tocsin-exchange/tocsin/protocol/stix"
	"github.com/tocsin-exchange/tocsin/trust/score"
)

// This file serves how far an organisation is believed, and why.

// A TrustRequest says how far an organisation is believed: 0 to 100, anchor, or
// default, which takes back what was said.
type TrustRequest struct {
	Trust string `json:"trust"`
}

// defaultTrust takes back what was said.
const defaultTrust = "default"

// A PeerAnswer is all that is known of an organisation.
type PeerAnswer struct {
	Org          string       `json:"org"`
	OrgKey       protocol.Org `json:"org_key"`
	Fingerprint  string       `json:"fingerprint"`
	Confirmed    bool         `json:"confirmed"` // the name is a petname
	Blocked      bool         `json:"blocked"`
	Quarantined  string       `json:"quarantined,omitempty"`
	Client       bool         `json:"client,omitzero"` // AMBER goes on to it
	Communities  []string     `json:"communities,omitempty"`
	IntroducedBy []string     `json:"introduced_by,omitempty"`
	Standing     string       `json:"standing"`            // own, anchor, chosen or stranger
	Trust        Trust        `json:"trust"`               // in a type of which nothing is known
	Types        []TypeTrust  `json:"types"`               // of every observable type
	Entrances    []Entrance   `json:"entrances,omitempty"` // by which a stranger came in
	Nodes        []node.Peer  `json:"nodes"`
}

// Trust is how far an organisation is believed, and why.
type Trust struct {
	Value          float64 `json:"value"`           // 0 to 100
	Source         string  `json:"source"`          // what gives the level: a key of the policy, peer-trust, or own
	Level          int     `json:"level"`           // where outcomes move it from
	Confirmed      float64 `json:"confirmed"`       // what is left of confirmations
	FalsePositives float64 `json:"false_positives"` // what is left of them
	Ceiling        float64 `json:"ceiling"`         // what it can earn at most
	Discredited    bool    `json:"discredited,omitzero"`
	Explained      string  `json:"explained"`
}

// TypeTrust is trust in one observable type.
type TypeTrust struct {
	Type stix.Type `json:"type"`
	Trust
}

// An Entrance is where strangers came in. All who did so speak with one voice.
type Entrance struct {
	Org          string   `json:"org,omitempty"`           // the first on the way who is a stranger
	Founders     string   `json:"founders,omitempty"`      // else the founders of this community who are strangers
	IntroducedBy []string `json:"introduced_by,omitempty"` // those chosen here who let Org in
	Others       int      `json:"others"`                  // strangers beside this one who came in by it
}

// peerRoute shows sums over all that was heard, in the trust.
func (d *Door) peerRoute() route {
	return route{method: "GET", path: "/v1/peers/{org}", summary: "What is known of an organisation, and how far it is believed, with the reason", right: read, whole: true,
		answer: PeerAnswer{}, serve: func(w *answerWriter, req *http.Request) error {
			answer, err := d.showPeer(req.PathValue("org"))
			if err != nil {
				return err
			}
			return sendJSON(w, answer)
		}}
}

// trustPeer takes names that were confirmed here, and no others: whoever is
// given a level is believed for it.
func (d *Door) trustPeer(ctx context.Context, name string, r TrustRequest) (nothing, error) {
	if r.Trust == "" {
		return nothing{}, kindUsage.errorf("how far? a number from 0 to 100, anchor, or default")
	}
	org, err := d.node.Resolve(name, false)
	if err != nil {
		return nothing{}, err
	}
	if r.Trust == defaultTrust {
		r.Trust = ""
	}
	return nothing{}, d.node.SetTrust(ctx, org, r.Trust)
}

func (d *Door) showPeer(name string) (PeerAnswer, error) {
	org, err := d.node.Resolve(name, true)
	if err != nil {
		return PeerAnswer{}, err
	}
	a := PeerAnswer{OrgKey: org, Org: d.node.Name(org), Fingerprint: org.Fingerprint(), Nodes: []node.Peer{}}
	for _, p := range d.node.Peers() {
		if p.Org == org {
			a.Confirmed, a.Blocked, a.Quarantined, a.Communities, a.IntroducedBy = p.Confirmed, p.Blocked, p.Quarantined, p.Communities, p.IntroducedBy
			a.Nodes = append(a.Nodes, p)
		}
	}
	if len(a.Nodes) == 0 && org != d.node.Org() {
		return PeerAnswer{}, fmt.Errorf("%w: no organisation called %q is known: see `tocsin peer list`", node.ErrNotFound, name)
	}
	a.Client = d.node.IsClient(org)
	a.Confirmed = a.Confirmed || org == d.node.Org()
	d.believe(&a)
	return a, nil
}

// believe says how far an organisation is believed.
func (d *Door) believe(a *PeerAnswer) {
	level, source := d.node.Trust(a.OrgKey, "")
	a.Standing, a.Trust = level.Level.Role.String(), trustOf(level, source)
	for _, t := range stix.Types() {
		level, source := d.node.Trust(a.OrgKey, t)
		a.Types = append(a.Types, TypeTrust{t, trustOf(level, source)})
	}
	for _, door := range d.node.Doors(a.OrgKey) {
		a.Entrances = append(a.Entrances, d.entrance(door, a.OrgKey))
	}
}

// trustOf rounds to tenths: outcomes fade by the millisecond.
func trustOf(t score.Trust, source string) Trust {
	round := func(x float64) float64 { return math.Round(10*x) / 10 }
	return Trust{round(t.Value), source, t.Prior, round(t.Confirmed), round(t.False), round(t.Ceiling), t.Discredited, t.String()}
}

// entrance names a door, and counts who else came in by it.
func (d *Door) entrance(door score.Door, of protocol.Org) Entrance {
	var e Entrance
	if door.Org.IsZero() {
		for _, c := range d.node.Communities() {
			if c.ID == door.Community {
				e.Founders = c.Name
			}
		}
	} else {
		e.Org = d.node.Name(door.Org)
	}
	for _, by := range door.By {
		e.IntroducedBy = append(e.IntroducedBy, d.node.Name(by))
	}
	slices.Sort(e.IntroducedBy)
	counted := map[protocol.Org]bool{of: true}
	for _, p := range d.node.Peers() {
		if counted[p.Org] {
			continue
		}
		counted[p.Org] = true
		if slices.ContainsFunc(d.node.Doors(p.Org), func(o score.Door) bool { return o.Org == door.Org && o.Community == door.Community }) {
			e.Others++
		}
	}
	return e
}

// Peer returns what is known of an organisation, and how far it is believed.
func (c *Client) Peer(ctx context.Context, org string) (PeerAnswer, error) {
	return call[PeerAnswer](ctx, c, "GET", "/v1/peers/"+url.PathEscape(org), nil)
}

// TrustPeer says how far an organisation is believed: 0 to 100, anchor, or
// default, which takes back what was said.
func (c *Client) TrustPeer(ctx context.Context, org, trust string) error {
	_, err := call[nothing](ctx, c, "POST", "/v1/peers/"+url.PathEscape(org)+"/trust", TrustRequest{trust})
	return err
}
