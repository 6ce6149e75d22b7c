package node

import (
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	ma "github.com/multiformats/go-multiaddr"

	"github.com/tocsin-exchange/tocsin/protocol"
	"github.com/tocsin-exchange/tocsin/storage"
	"github.com/tocsin-exchange/tocsin/storage/journal"
)

const (
	dialTimeout = 15 * time.Second
	dialPause   = 50 * time.Millisecond
	backoffMin  = time.Second
	backoffMax  = 5 * time.Minute
	deference   = 5 * time.Second  // the larger peer id waits for the smaller one's dial
	lasting     = 10 * time.Second // a connection that stood so long was a success
	longGone    = 4                // failures
)

const closedAtOnce = "closed at once"

// A dial is what we know of trying to reach a node.
type dial struct {
	failures int
	next     time.Time
	err      string
	ok       time.Time // last time it was connected
}

// runPeers keeps random connections to members of each community. It looks
// around a moment after something happened, once for all that happened.
func (n *Node) runPeers() {
	timer := time.NewTimer(0)
	defer timer.Stop()
	dialled, soon := make(chan protocol.Node, 16), false
	for {
		select {
		case <-n.ctx.Done():
			return
		case <-n.redial:
		case <-dialled:
		case <-timer.C:
			soon = false
			timer.Reset(n.dialMissing(dialled))
			continue
		}
		if !soon {
			soon = true
			timer.Reset(dialPause)
		}
	}
}

// dialMissing dials what is due and returns how long until something else is.
func (n *Node) dialMissing(dialled chan<- protocol.Node) time.Duration {
	next := 30 * time.Second
	o, now := n.look(), time.Now()
	for _, node := range n.candidates(o) {
		n.mu.Lock()
		d := n.dials[node]
		if d == nil {
			d = &dial{next: now}
			if PeerID(node) < n.host.ID() {
				d.next = now.Add(deference)
			}
			n.dials[node] = d
		}
		wait := d.next.Sub(now)
		if wait <= 0 {
			d.next = now.Add(dialTimeout + backoffMin)
		}
		n.mu.Unlock()
		if wait > 0 {
			next = min(next, wait)
			continue
		}
		addrs := n.addrsOf(o, node)
		n.wg.Go(func() {
			n.dialNode(node, addrs)
			select {
			case dialled <- node:
			case <-n.ctx.Done():
			}
		})
	}
	return next
}

// candidates returns members' nodes worth dialling: for each community, random
// ones until the connections wanted are there.
func (n *Node) candidates(o *outlook) []protocol.Node {
	var list []protocol.Node
	for _, community := range o.topics {
		connected, others := 0, []protocol.Node(nil)
		for node := range o.Nodes {
			if node == n.cert.Node || !o.InCommunity(node, community, time.Now()).Allowed {
				continue
			}
			if n.connected(node) {
				connected++
			} else if len(n.addrsOf(o, node)) > 0 && !slices.Contains(list, node) {
				others = append(others, node)
			}
		}
		rand.Shuffle(len(others), func(i, j int) { others[i], others[j] = others[j], others[i] })
		if len(others) > n.links { // those under way come first, so that the choice is stable
			n.mu.Lock()
			slices.SortStableFunc(others, func(a, b protocol.Node) int { return cmp.Compare(n.failures(a), n.failures(b)) })
			n.mu.Unlock()
		}
		list = append(list, others[:min(len(others), max(0, n.links-connected))]...)
	}
	for node := range o.Nodes { // and whoever is owed something
		if n.outbox.awaits(node) && o.MayConnect(node, time.Now()).Allowed && !n.connected(node) && len(n.addrsOf(o, node)) > 0 && !slices.Contains(list, node) {
			list = append(list, node)
		}
	}
	return list
}

func (n *Node) failures(node protocol.Node) int {
	if d := n.dials[node]; d != nil {
		return d.failures
	}
	return 0
}

func (n *Node) addrsOf(o *outlook, node protocol.Node) []ma.Multiaddr {
	addrs := slices.Clone(o.addrs[node])
	for _, a := range n.host.Peerstore().Addrs(PeerID(node)) {
		if !slices.ContainsFunc(addrs, a.Equal) {
			addrs = append(addrs, a)
		}
	}
	return addrs
}

func (n *Node) dialNode(node protocol.Node, addrs []ma.Multiaddr) {
	ctx, cancel := context.WithTimeout(n.ctx, dialTimeout)
	defer cancel()
	n.counters.dials.Add(1)
	err := error(context.DeadlineExceeded)
	if n.wall == nil || !n.wall(node) {
		err = n.host.Connect(ctx, peer.AddrInfo{ID: PeerID(node), Addrs: addrs})
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	d := n.dials[node]
	if d == nil { // a join has begun anew meanwhile
		d = &dial{}
		n.dials[node] = d
	}
	if err != nil {
		d.failed(err.Error())
		return
	}
	d.ok, d.err, d.next = time.Now(), "", time.Now().Add(rand.N(2*backoffMin)+backoffMin)
}

// hurry has all who could not be reached dialled again soon, at most once a
// minute: one who was long gone is back, so the network may be. n.mu is held.
func (n *Node) hurry() {
	now := time.Now()
	if now.Sub(n.hurried) < time.Minute {
		return
	}
	n.hurried = now
	for _, d := range n.dials {
		if soon := now.Add(rand.N(2 * time.Second)); d.err != "" && d.next.After(soon) {
			d.next = soon
		}
	}
	signal(n.redial)
}

// failed puts the next attempt off, for longer each time.
func (d *dial) failed(err string) {
	d.failures++
	d.err = err
	d.next = time.Now().Add(rand.N(min(backoffMax, backoffMin<<min(d.failures, 10))) + backoffMin/2)
}

// hungUp notes that a connection ended. One that did not last was no success:
// whoever closes on us at once is not to be dialled over and over.
func (d *dial) hungUp() {
	switch {
	case d.err != "" || d.ok.IsZero(): // it came in, or failed
	case time.Since(d.ok) >= lasting:
		d.failures = 0
	default:
		d.failed(closedAtOnce)
	}
}

// randomMember returns a random member's node to sync with, each once before any
// has its turn again; had is who had it. One that is not connected is dialled
// instead, and synced with once it is.
func (n *Node) randomMember(had map[protocol.Node]bool) (peer.ID, bool) {
	o := n.look()
	var all, left []protocol.Node
	for node := range o.Nodes {
		if node != n.cert.Node && o.MayConnect(node, time.Now()).Allowed && (n.connected(node) || len(n.addrsOf(o, node)) > 0) {
			if all = append(all, node); !had[node] {
				left = append(left, node)
			}
		}
	}
	if len(left) == 0 {
		clear(had)
		left = all
	}
	if len(left) == 0 {
		return "", false
	}
	node := left[rand.N(len(left))]
	had[node] = true
	if !n.connected(node) {
		n.wg.Go(func() { n.dialNode(node, n.addrsOf(o, node)) })
		return "", false
	}
	return PeerID(node), true
}

func (n *Node) connected(node protocol.Node) bool {
	return n.host.Network().Connectedness(PeerID(node)) == network.Connected
}

// A Peer is an organisation or one of its nodes as status and peer list show it.
type Peer struct {
	Org          protocol.Org  `json:"org_key"`
	Name         string        `json:"org"`
	Node         protocol.Node `json:"node"`
	Fingerprint  string        `json:"fingerprint"`
	Connected    bool          `json:"connected"`
	Confirmed    bool          `json:"confirmed"` // the name is a petname
	Blocked      bool          `json:"blocked"`
	Quarantined  string        `json:"quarantined,omitempty"` // why what it says does not count
	Member       bool          `json:"member"`
	IntroducedBy []string      `json:"introduced_by,omitempty"`
	Communities  []string      `json:"communities,omitempty"`
	Addrs        []string      `json:"addrs,omitempty"`
	Problem      string        `json:"problem,omitempty"` // why it is not connected
	Failures     int           `json:"failures,omitempty"`
}

// Peers returns every node known, by name, of one organisation those connected
// first.
func (n *Node) Peers() []Peer {
	o := n.look()
	var peers []Peer
	for node, cert := range o.Nodes {
		if node == n.cert.Node {
			continue
		}
		peers = append(peers, n.peer(o, node, cert))
	}
	slices.SortFunc(peers, func(a, b Peer) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), strings.Compare(a.Problem, b.Problem), strings.Compare(a.Node.String(), b.Node.String()))
	})
	return peers
}

func (n *Node) peer(o *outlook, node protocol.Node, cert protocol.Certificate) Peer {
	id := PeerID(node)
	_, confirmed := o.petnames[cert.Org]
	p := Peer{
		Org: cert.Org, Name: o.name(cert.Org), Node: node, Fingerprint: cert.Org.Fingerprint(), Confirmed: confirmed,
		Connected: n.gate.member(id) && n.host.Network().Connectedness(id) == network.Connected, Blocked: o.Blocked[cert.Org],
		Quarantined: o.quarantine(cert.Org),
	}
	for _, c := range o.Communities {
		if m, is := c.Members[cert.Org]; is {
			p.Member = true
			p.Communities = append(p.Communities, c.Charter.Name)
			for _, i := range m.By {
				p.IntroducedBy = append(p.IntroducedBy, o.name(i.By))
			}
		}
	}
	for _, a := range n.addrsOf(o, node) {
		p.Addrs = append(p.Addrs, a.String())
	}
	slices.Sort(p.Communities)
	if !p.Connected {
		p.Problem, p.Failures = n.problem(o, node)
	}
	return p
}

// problem says in words why a node is not connected.
func (n *Node) problem(o *outlook, node protocol.Node) (string, int) {
	if v := o.MayConnect(node, time.Now()); !v.Allowed {
		return v.Reason, 0
	}
	if len(n.addrsOf(o, node)) == 0 {
		return "no address is known: it must dial us, or tell us with `tocsin peer add ADDR`", 0
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	d := n.dials[node]
	switch {
	case d == nil:
		return "not dialled: there are connections enough", 0
	case d.err == "":
		return "about to be dialled", 0
	}
	return explain(d.err), d.failures
}

// explain turns the network's error into what to do.
func explain(err string) string {
	for _, e := range []struct{ has, words string }{
		{"no addresses", "no address is known: it must dial us, or tell us with `tocsin peer add ADDR`"},
		{"connection refused", "nothing listens at its address: is it running, and is the port right?"},
		{"i/o timeout", "no answer from its address: a firewall, or it is down"},
		{"context deadline exceeded", "no answer from its address: a firewall, or it is down"},
		{"peer id mismatch", "another node answers at its address: its key or its address has changed"},
		{"gater disallows", "our own rules forbid the connection"},
		{"no route to host", "no route to its address"},
		{"network is unreachable", "no route to its address"},
		{"connection reset", "it closed the connection: it may not know us, or has blocked us"},
		{"dial backoff", "it could not be reached a moment ago: it is tried again"},
		{closedAtOnce, "it closed the connection: it may not know us, or has blocked us"},
		{"EOF", "it closed the connection: it may not know us, or has blocked us"},
	} {
		if strings.Contains(err, e.has) {
			return e.words
		}
	}
	return "it cannot be reached"
}

// AddPeer remembers an address of a node, given as a multiaddr that ends in
// /p2p/ID, to be dialled if it is a member, or if this node has yet to come in.
func (n *Node) AddPeer(ctx context.Context, addr string) error {
	node, transport, err := splitPeer(addr)
	if err != nil {
		return err
	}
	defer signal(n.enter)
	return n.rememberAddrs(ctx, node, []string{transport.String()})
}

func (n *Node) rememberAddrs(ctx context.Context, node protocol.Node, addrs []string) error {
	addrs = addrs[:min(len(addrs), 16)]
	if err := n.store.Table(tableAddrs).Set(ctx, node[:], []byte(strings.Join(addrs, "\n"))); err != nil {
		return err
	}
	n.learn(func(k *knowledge) { k.told[node] = parseAddrs(addrs) })
	n.Note(ctx, journal.Record{Act: ActAddress, Peer: peerText(node), Count: int64(len(addrs))})
	return nil
}

// Resolve returns the organisation of a petname, a key or a fingerprint. A name
// that others gave (name@introducer) is refused unless anyName is set, since
// nobody here has compared fingerprints.
func (n *Node) Resolve(name string, anyName bool) (protocol.Org, error) {
	return n.look().resolve(name, anyName)
}

func (o *outlook) resolve(name string, anyName bool) (protocol.Org, error) {
	var org protocol.Org
	if org.UnmarshalText([]byte(name)) == nil {
		return org, nil
	}
	for org, pet := range o.petnames {
		if strings.EqualFold(pet, name) {
			return org, nil
		}
	}
	for _, cert := range o.Nodes {
		if name == cert.Org.Fingerprint() {
			return cert.Org, nil
		}
		if strings.EqualFold(o.name(cert.Org), name) {
			if !anyName {
				return org, fmt.Errorf("%w: %s is a name others gave: compare fingerprints (%s), then `tocsin peer name`", ErrRefused, name, cert.Org.Fingerprint())
			}
			return cert.Org, nil
		}
	}
	return org, fmt.Errorf("%w: no organisation called %q: see `tocsin peer list`", ErrNotFound, name)
}

// Name returns how an organisation is shown.
func (n *Node) Name(org protocol.Org) string { return n.look().name(org) }

// SetName gives an organisation a petname, after its fingerprint was compared.
func (n *Node) SetName(ctx context.Context, org protocol.Org, name string) error {
	if err := protocol.CheckName(name); err != nil || strings.ContainsAny(name, "@/ ") {
		return fmt.Errorf("%w: name %q: 1 to %d printable characters without blanks, @ and /", ErrUsage, name, protocol.MaxName)
	}
	n.mu.Lock()
	free := n.known.freeName(org, name)
	n.mu.Unlock()
	if free != name {
		return fmt.Errorf("%w: another organisation is called %s here", ErrRefused, name)
	}
	return n.setName(ctx, org, name)
}

func (n *Node) setName(ctx context.Context, org protocol.Org, name string) error {
	if err := n.store.Table(tablePetnames).Set(ctx, org[:], []byte(name)); err != nil {
		return err
	}
	n.learn(func(k *knowledge) { k.petnames[org] = name })
	n.NoteDone(ctx, onOrg(ActName, org, ""))
	return nil
}

// Block cuts an organisation off, here and at once: it gets nothing from us,
// its headers are still held, its bodies declined, its claims do not count.
func (n *Node) Block(ctx context.Context, org protocol.Org, reason string) error {
	if org == n.cert.Org {
		return fmt.Errorf("%w: that is our own organisation", ErrUsage)
	}
	if err := n.store.Table(tableBlocked).Set(ctx, org[:], []byte(reason)); err != nil {
		return err
	}
	n.learn(func(k *knowledge) { k.blocked[org] = true })
	for node, cert := range n.look().Nodes {
		if cert.Org == org && n.off&guardDoor == 0 {
			n.cut(PeerID(node))
		}
	}
	n.NoteDone(ctx, onOrg(journal.ActBlock, org, "block"))
	return nil
}

// Release undoes Block, and lifts a quarantine for the proofs known by now; see
// [Node.Quarantined]. What was declined meanwhile is asked for again.
func (n *Node) Release(ctx context.Context, org protocol.Org) error {
	o := n.look()
	_, quarantined := o.Quarantined[org]
	if quarantined {
		if err := n.releaseProofs(ctx, org); err != nil {
			return err
		}
		n.NoteDone(ctx, onOrg(ActQuarantine, org, "release"))
	}
	if !o.Blocked[org] {
		if quarantined {
			return nil
		}
		return fmt.Errorf("%w: %s is neither blocked nor quarantined", ErrNotFound, n.Name(org))
	}
	if err := n.store.Table(tableBlocked).Delete(ctx, org[:]); err != nil {
		return err
	}
	n.learn(func(k *knowledge) { delete(k.blocked, org) })
	n.NoteDone(ctx, onOrg(journal.ActBlock, org, "release"))
	defer n.syncAllSoon()
	return n.wantAgain(ctx, org)
}

// wantAgain turns bodies that were declined because of a block into wanted ones.
func (n *Node) wantAgain(ctx context.Context, org protocol.Org) error {
	var again []storage.Entry
	for _, s := range n.store.Streams() {
		if s.Org != org || len(s.Heads) == 0 {
			continue
		}
		for b, err := range n.store.Headers(s.Stream.ID(), protocol.Range{To: s.Heads[len(s.Heads)-1].Position}) {
			if err != nil {
				return err
			}
			if _, body := n.store.Has(b.ID()); body == storage.Declined {
				again = append(again, storage.Entry{Bulletin: b, Body: storage.Absent, Reason: "released", Again: true})
			}
		}
	}
	_, err := n.admit(ctx, again)
	return err
}
