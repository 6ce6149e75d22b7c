package node

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	ma "github.com/multiformats/go-multiaddr"

	"github.com/tocsin-exchange/tocsin/protocol"
	"github.com/tocsin-exchange/tocsin/trust"
)

// An outlook is all that this node knows about others, at one moment. It is
// never changed; learn makes another.
type outlook struct {
	trust.View
	topics   map[string]protocol.ID
	charters map[protocol.ID]*protocol.SignedCharter
	addrs    map[protocol.Node][]ma.Multiaddr
	petnames map[protocol.Org]string
	sealing  map[protocol.Node]sealing
	levels   map[protocol.Org]level
	silence  uint64
}

// knowledge is what outlooks are made of. n.mu guards it. Statements are read
// once, when they come.
type knowledge struct {
	lore     map[protocol.ID]*lore
	proven   map[protocol.Node]protocol.Certificate // the node itself showed it
	hearsay  map[protocol.Node]protocol.Certificate // an introduction did
	vouched  map[vouching]protocol.Certificate      // another node of the same organisation did
	told     map[protocol.Node][]ma.Multiaddr       // addresses told by people and by joins
	petnames map[protocol.Org]string
	blocked  map[protocol.Org]bool
	levels   map[protocol.Org]level                // how far people said it is believed
	proofs   map[protocol.Org][]proof              // of faults in its log; see integrity.go
	released map[protocol.Org]map[protocol.ID]bool // headers proven bad that quarantine no more

	revocations trust.Revocations
	pending     []revocation           // read, and to be put in force
	disowned    int                    // how many are in force
	counts      func(protocol.ID) bool // whether a bulletin is held and was not disowned
	changes     uint64                 // how often something was learnt

	groups   map[protocol.ID]*trust.Group // never changed; a new version makes another
	clients  map[protocol.Org]bool
	sealing  map[protocol.Node]sealing // where to seal what only a node may read
	erasures map[protocol.ID][]erasure // by the bulletin they name
	read     map[protocol.ID]bool      // bulletins of statements above GREEN
}

// A vouching is one organisation's word about one node.
type vouching struct {
	node protocol.Node
	org  protocol.Org
}

// lore is what is known of one community.
type lore struct {
	charter   *protocol.SignedCharter
	history   trust.History
	taken     map[protocol.ID]bool // bulletins
	present   map[protocol.Node]presence
	community *trust.Community // nil: to be computed anew
}

// A presence is the last a node said of itself in a community.
type presence struct {
	issued uint64
	said   *protocol.Presence
	addrs  []ma.Multiaddr
	key    *protocol.EncryptionKey // said with it
}

func newKnowledge() knowledge {
	return knowledge{
		lore: map[protocol.ID]*lore{}, proven: map[protocol.Node]protocol.Certificate{}, hearsay: map[protocol.Node]protocol.Certificate{}, vouched: map[vouching]protocol.Certificate{},
		told: map[protocol.Node][]ma.Multiaddr{}, petnames: map[protocol.Org]string{}, blocked: map[protocol.Org]bool{}, levels: map[protocol.Org]level{},
		proofs: map[protocol.Org][]proof{}, released: map[protocol.Org]map[protocol.ID]bool{},
		revocations: trust.Revocations{}, counts: func(protocol.ID) bool { return true },
		groups: map[protocol.ID]*trust.Group{}, clients: map[protocol.Org]bool{}, sealing: map[protocol.Node]sealing{},
		erasures: map[protocol.ID][]erasure{}, read: map[protocol.ID]bool{},
	}
}

// follow begins to take a community's statements.
func (k *knowledge) follow(charter *protocol.SignedCharter) {
	if k.lore[charter.ID()] == nil {
		k.lore[charter.ID()] = &lore{charter: charter, history: trust.History{Charter: charter.Charter}, taken: map[protocol.ID]bool{}, present: map[protocol.Node]presence{}}
	}
}

// take reads a statements bulletin. Its own certificate is proven: the node
// signed the header with it. That of an introduction is hearsay: an
// organisation's key alone made it, and it might name somebody else's node; it
// stands only until the node itself speaks. So does one that another node of the
// same organisation shows, but for its end: a node's own word says whose it is,
// its organisation's how long.
func (k *knowledge) take(b *protocol.Bulletin) {
	if !k.counts(b.ID()) {
		return
	}
	if trust.Named(b.Header.TLP) {
		k.takeNamed(b)
		return
	}
	l := k.lore[b.Header.Community]
	if l == nil || l.taken[b.ID()] {
		return
	}
	l.taken[b.ID()] = true
	node := b.Header.Certificate.Node
	learnCert(k.proven, b.Header.Certificate)
	for i, object := range b.Objects() {
		s, err := protocol.DecodeStatement(object)
		if err != nil {
			continue // it says nothing
		}
		if l.history.Add(b.Header.Community, b, i, s) {
			l.community = nil
		}
		if s.Introduction != nil {
			learnCert(k.hearsay, s.Introduction.Certificate)
		}
		if s.Revocation != nil {
			k.takeRevocation(s.Revocation)
		}
		if s.Equivocation != nil {
			k.takeProof(b.Header.Community, s.Equivocation)
		}
		if s.Erasure != nil {
			k.takeErasure(b, s.Erasure)
		}
		if s.EncryptionKey != nil {
			k.takeSealing(b, s.EncryptionKey)
			if p := l.present[node]; p.issued == b.Header.Issued {
				p.key = s.EncryptionKey
				l.present[node] = p
			}
		}
		if s.Presence != nil && s.Presence.Certificate.Node != node && s.Presence.Certificate.Org == b.Header.Org() {
			k.vouch(s.Presence.Certificate)
		}
		if s.Presence != nil && s.Presence.Certificate.Node == node {
			learnCert(k.proven, s.Presence.Certificate)
			if b.Header.Issued >= l.present[node].issued {
				l.present[node] = presence{issued: b.Header.Issued, said: s.Presence, addrs: parseAddrs(s.Presence.Addrs)}
			}
		}
	}
}

func (o *outlook) connect(p peer.ID) trust.Verdict {
	n, ok := NodeID(p)
	if !ok {
		return trust.Verdict{Rule: "unknown-node", Reason: "not an Ed25519 identity"}
	}
	return o.MayConnect(n, time.Now())
}

func (o *outlook) inTopic(p peer.ID, topic string) bool {
	community, ours := o.topics[topic]
	n, ok := NodeID(p)
	return ours && ok && o.InCommunity(n, community, time.Now()).Allowed
}

// name returns how an organisation is shown: by its petname, else by what its
// introducer calls it, else by its fingerprint.
func (o *outlook) name(org protocol.Org) string { return o.nameVia(org, 3) }

func (o *outlook) nameVia(org protocol.Org, hops int) string {
	if pet, ok := o.petnames[org]; ok {
		return pet
	}
	for _, id := range slices.SortedFunc(maps.Keys(o.Communities), protocol.ID.Compare) {
		if m := o.Communities[id].Members[org]; len(m.By) > 0 && hops > 0 {
			return m.By[0].Name + "@" + o.nameVia(m.By[0].By, hops-1)
		}
	}
	return "org-" + strings.ReplaceAll(org.Fingerprint()[:11], " ", "-")
}

// freeName returns a petname that nobody has yet: the one asked for, or that
// with the beginning of the fingerprint.
func (k *knowledge) freeName(org protocol.Org, name string) string {
	for other, taken := range k.petnames {
		if other != org && strings.EqualFold(taken, name) {
			return name + "-" + org.Fingerprint()[:5]
		}
	}
	return name
}

// outlook makes a view of what is known.
func (k *knowledge) outlook(self protocol.Certificate) *outlook {
	o := &outlook{
		View: trust.View{
			Self:        self.Org,
			Communities: map[protocol.ID]*trust.Community{},
			Nodes:       maps.Clone(k.hearsay),
			Blocked:     maps.Clone(k.blocked),
			Quarantined: k.quarantine(),
			Revocations: maps.Clone(k.revocations),
			Groups:      maps.Clone(k.groups),
			Clients:     maps.Clone(k.clients),
		},
		topics:   map[string]protocol.ID{},
		charters: map[protocol.ID]*protocol.SignedCharter{},
		addrs:    maps.Clone(k.told),
		petnames: maps.Clone(k.petnames),
		sealing:  maps.Clone(k.sealing),
		levels:   maps.Clone(k.levels),
	}
	maps.Copy(o.Nodes, k.proven)
	for v, c := range k.vouched {
		if shown, ok := k.proven[v.node]; !ok || shown.Org == v.org {
			learnCert(o.Nodes, c)
		}
	}
	o.Nodes[self.Node] = self
	issued := map[protocol.Node]uint64{}
	for id, l := range k.lore {
		for node, p := range l.present {
			if p.issued >= issued[node] {
				o.addrs[node], issued[node] = p.addrs, p.issued
			}
		}
		if l.community == nil {
			l.community = trust.NewCommunity(l.history)
		}
		o.Communities[id], o.charters[id] = l.community, l.charter
		o.topics[protocol.TopicOf(id)] = id
	}
	o.silence = silence(&o.View, k.disowned)
	return o
}

// learnCert keeps the certificate that lasts longest, so that the order of
// arrival makes no difference.
func learnCert(certs map[protocol.Node]protocol.Certificate, c protocol.Certificate) {
	known, ok := certs[c.Node]
	if !ok || known.NotAfter < c.NotAfter || known.NotAfter == c.NotAfter && known.Org.Compare(c.Org) < 0 {
		certs[c.Node] = c
	}
}

// vouch keeps an organisation's word about a node that another of its nodes told.
func (k *knowledge) vouch(c protocol.Certificate) {
	at := vouching{c.Node, c.Org}
	if known, ok := k.vouched[at]; !ok || known.NotAfter < c.NotAfter {
		k.vouched[at] = c
	}
}

// parseAddrs drops what is no multiaddr, and a trailing /p2p part.
func parseAddrs(texts []string) []ma.Multiaddr {
	var addrs []ma.Multiaddr
	for _, t := range texts {
		a, err := ma.NewMultiaddr(t)
		if err != nil {
			continue
		}
		if transport, _ := peer.SplitAddr(a); transport != nil {
			addrs = append(addrs, transport)
		}
	}
	return addrs
}

// learn changes what is known and puts the outlook that follows in force:
// first the view, then the connections.
func (n *Node) learn(change func(*knowledge)) {
	n.mu.Lock()
	change(&n.known)
	n.known.changes++
	o := n.survey(n.certificate())
	n.gate.outlook.Store(o)
	n.mu.Unlock()
	signal(n.enforce)
	signal(n.outbox.news)
	signal(n.recorder.wake)
}

// look returns the outlook in force: of nothing, until the node has started.
func (n *Node) look() *outlook {
	if o := n.gate.outlook.Load(); o != nil {
		return o
	}
	return &outlook{}
}

// recollect reads what is known from the store.
func (n *Node) recollect(ctx context.Context, k *knowledge) error {
	k.counts = n.counts
	for key, value := range n.store.Table(tableCommunities).All() {
		charter, err := protocol.DecodeCharter(value)
		if err != nil {
			return fmt.Errorf("community %x: %w", key, err)
		}
		k.follow(charter)
	}
	for key, value := range n.store.Table(tablePetnames).All() {
		k.petnames[protocol.Org(key)] = string(value)
	}
	for key := range n.store.Table(tableBlocked).All() {
		k.blocked[protocol.Org(key)] = true
	}
	for key, value := range n.store.Table(tableTrust).All() {
		l, err := parseLevel(string(value))
		if err != nil {
			return fmt.Errorf("trust %x: %w", key, err)
		}
		k.levels[protocol.Org(key)] = l
	}
	for key, value := range n.store.Table(tableAddrs).All() {
		k.told[protocol.Node(key)] = parseAddrs(strings.Split(string(value), "\n"))
	}
	for key := range n.store.Table(tableClients).All() {
		k.clients[protocol.Org(key)] = true
	}
	for _, value := range n.store.Table(tableCerts).All() {
		c, err := protocol.DecodeCertificate(value)
		switch {
		case err != nil:
		case c.Org == n.cert.Org:
			k.vouch(c)
		default:
			learnCert(k.proven, c)
		}
	}
	for b, err := range n.store.Statements(protocol.ID{}) {
		if err != nil {
			return fmt.Errorf("statements: %w", err)
		}
		k.take(b)
	}
	k.loadProofs(n.store)
	return ctx.Err()
}

// signal wakes whoever waits on c, without waiting.
func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
