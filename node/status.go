package node

import (
	"cmp"
	"slices"
	"time"

	"github.com/tocsin-exchange/tocsin/protocol"
	"github.com/tocsin-exchange/tocsin/storage"
	"github.com/tocsin-exchange/tocsin/trust"
)

// Identity is who this node is.
type Identity struct {
	Org         string        `json:"org"`
	OrgKey      protocol.Org  `json:"org_key"`
	Node        string        `json:"node"` // libp2p peer id
	NodeKey     protocol.Node `json:"node_key"`
	Fingerprint string        `json:"fingerprint"`
	Addrs       []string      `json:"addrs"` // with /p2p/, to hand to others
	Expires     time.Time     `json:"certificate_expires"`
	Renews      bool          `json:"renews"` // the organisation's key is here: the certificate is renewed by itself
}

// Identity returns who this node is and where it listens.
func (n *Node) Identity() Identity {
	id := Identity{
		Org: n.title, OrgKey: n.cert.Org, Node: PeerID(n.cert.Node).String(), NodeKey: n.cert.Node,
		Fingerprint: n.cert.Org.Fingerprint(), Expires: protocol.Time(n.certificate().NotAfter), Renews: n.org != nil, Addrs: []string{},
	}
	for _, a := range n.ownAddrs() {
		id.Addrs = append(id.Addrs, a+"/p2p/"+id.Node)
	}
	return id
}

// An Origin is how far one organisation's log is held.
type Origin struct {
	Org       string         `json:"org"`
	Community string         `json:"community,omitempty"`
	Audience  string         `json:"audience,omitempty"` // above GREEN
	Kind      string         `json:"kind"`
	TLP       protocol.TLP   `json:"tlp"`
	Headers   int            `json:"headers"`
	Bodies    map[string]int `json:"bodies"`
	Gaps      int            `json:"gaps"`
	Missing   []Missing      `json:"missing,omitempty"` // nothing: complete
	Last      time.Time      `json:"last"`
}

// Missing is a part of a log that is known to exist and not held: the numbers
// of one epoch from From to To; To alone where it may reach back into epochs
// before.
type Missing struct {
	Epoch uint64 `json:"epoch"`
	From  uint64 `json:"from,omitempty"`
	To    uint64 `json:"to"`
}

func missingOf(gaps []protocol.Range) (list []Missing) {
	for _, g := range gaps {
		m := Missing{Epoch: g.To.Epoch, To: g.To.Seq}
		if g.From.Epoch == g.To.Epoch {
			m.From = g.From.Seq + 1
		}
		list = append(list, m)
	}
	return list
}

// Status is the state of the node at a glance.
type Status struct {
	Org         string            `json:"org"`
	Node        string            `json:"node"`
	Objects     int               `json:"objects"`
	Claims      int               `json:"claims"`
	Bulletins   int               `json:"bulletins"`
	Position    uint64            `json:"position"`
	ReadOnly    bool              `json:"read_only"` // the disk is nearly full: nothing is taken in
	Free        uint64            `json:"free"`      // bytes on the store's file system; 0: not known
	Lost        uint64            `json:"lost"`      // bulletins the store had and has not any more
	Damaged     int               `json:"damaged"`   // records that cannot be read
	Peers       []Peer            `json:"peers"`
	Communities []Community       `json:"communities"`
	Origins     []Origin          `json:"origins"`
	Quarantined []Quarantine      `json:"quarantined"`
	Alarm       string            `json:"alarm,omitempty"`    // our key is used by somebody else
	Entering    []Entering        `json:"entering,omitempty"` // what a node with a new key has yet to do
	Policy      string            `json:"policy,omitempty"`   // why the files of the policy are not in force
	Convergence []Convergence     `json:"convergence"`
	Queues      map[string]int    `json:"queues"`
	Counts      map[string]uint64 `json:"counts"`
}

// Status returns the state of the node.
func (n *Node) Status() Status {
	stats := n.store.Stats()
	return Status{
		Org: n.title, Node: n.host.ID().String(), Objects: stats.Live, Claims: stats.Claims, Bulletins: stats.Headers,
		Position: n.store.Position(), ReadOnly: stats.ReadOnly, Free: stats.Free, Lost: stats.Lost, Damaged: stats.Damaged, Peers: n.Peers(), Communities: n.Communities(), Origins: n.origins(), Quarantined: n.Quarantined(), Alarm: n.alarm(), Entering: n.Entering(), Convergence: n.Convergence(),
		Queues: n.Queues(), Counts: n.Counts(),
	}
}

func (n *Node) origins() []Origin {
	o := n.look()
	var list []Origin
	for _, s := range n.store.Streams() {
		var community string
		if c := o.Communities[s.Stream.Community]; c != nil {
			community = c.Charter.Name
		} else if !trust.Named(s.Stream.TLP) {
			continue
		}
		origin := Origin{
			Org: o.name(s.Org), Community: community, Audience: n.AudienceText(s.Stream.Audience), Kind: s.Stream.Kind.String(), TLP: s.Stream.TLP,
			Headers: s.Headers, Gaps: len(s.Gaps), Missing: missingOf(s.Gaps), Last: protocol.Time(s.LastIssued), Bodies: map[string]int{},
		}
		for state, count := range s.Bodies {
			if count > 0 {
				origin.Bodies[storage.BodyState(state).String()] = count
			}
		}
		list = append(list, origin)
	}
	slices.SortFunc(list, func(a, b Origin) int {
		return cmp.Or(cmp.Compare(a.Community, b.Community), cmp.Compare(a.Audience, b.Audience), cmp.Compare(a.Org, b.Org), cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.TLP, b.TLP))
	})
	return list
}

// Query returns how to ask the store so that only what counts here answers.
func (n *Node) Query() storage.Query {
	o := n.look()
	return storage.Query{Now: time.Now(), Visible: o.MayAnswer}
}
