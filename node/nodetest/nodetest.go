package nodetest

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peerstore"
	mocknet "github.com/libp2p/go-libp2p/p2p/net/mock"
	ma "github.com/multiformats/go-multiaddr"

	"github.com/tocsin-exchange/tocsin/node"
	"github.com/tocsin-exchange/tocsin/node/api"
	"github.com/tocsin-exchange/tocsin/protocol"
	"github.com/tocsin-exchange/tocsin/storage"
	"github.com/tocsin-exchange/tocsin/storage/journal"
)

// manyOrgs is from how many organisations on nobody is given a name: in a
// crowd only delivery is looked at.
const manyOrgs = 16

// Community is the name of the community all members are in.
const Community = "isac"

// A Federation is a set of running nodes, known by their names in the graph.
type Federation struct {
	t      *testing.T
	net    mocknet.Mocknet
	graph  graph
	orgs   map[string]*member
	option func(org string, c *node.Config)
	doors  func(org string, c *api.Config) // nil: as they are
	next   int                             // addresses given out

	closers []func() // of hostile hosts
	taps    taps     // on everything that content could leak into
	raws    int      // hostile hosts

	mu    sync.Mutex
	conns []network.Conn // all there ever were
}

// A member is one organisation with its node.
type member struct {
	name    string
	org     ed25519.PrivateKey
	key     ed25519.PrivateKey
	cert    protocol.Certificate
	seal    *protocol.SealKey
	entry   *node.Entry // for the next start
	addr    ma.Multiaddr
	dir     string
	host    host.Host
	store   *storage.Store
	audit   string           // directory of the journal: no part of what is copied and reverted
	journal *journal.Journal // nil: none is kept
	node    *node.Node
	door    http.Handler
	client  *api.Client
	running bool
}

// An Option changes the configuration of each node before it starts.
type Option func(org string, c *node.Config)

// New starts the federation that graph draws and waits until it is connected.
func New(t *testing.T, graph string, options ...Option) *Federation {
	t.Helper()
	g, err := parseGraph(graph)
	if err != nil {
		t.Fatal(err)
	}
	f := &Federation{t: t, net: mocknet.New(), graph: g, orgs: map[string]*member{}}
	f.option = func(org string, c *node.Config) {
		for _, o := range options {
			o(org, c)
		}
	}
	t.TempDir() // made before the cleanup is registered, so that it outlives the stores
	t.Cleanup(f.close)
	time.Sleep(time.Until(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))) // costs nothing before the first node runs
	first := []*member(nil)                                             // the others are started later
	for _, name := range g.orgs {
		f.orgs[name] = f.found(name)
		if !g.second(name) {
			first = append(first, f.orgs[name])
		}
	}
	for second, of := range g.seconds {
		f.certify(f.orgs[second], f.orgs[of].org)
	}
	f.each(first, f.open)
	for _, m := range first {
		f.start(m)
	}
	f.introduce()
	for _, l := range g.links {
		if f.orgs[l[0]].running && f.orgs[l[1]].running {
			f.Heal(l[0], l[1])
		}
	}
	f.Settle()
	f.gather()
	return f
}

// gather founds the sharing groups the graph draws.
func (f *Federation) gather() {
	f.t.Helper()
	for _, name := range f.graph.groups {
		orgs := f.graph.inGroup[name]
		var members []protocol.Org
		for _, org := range orgs {
			members = append(members, protocol.OrgOf(f.orgs[org].org))
			if org != orgs[0] {
				f.acquaint(org, orgs[0])
				f.acquaint(orgs[0], org)
			}
		}
		_, err := f.orgs[orgs[0]].node.CreateGroup(f.t.Context(), name, members)
		f.check(err)
	}
	if len(f.graph.groups) > 0 {
		f.Settle()
	}
}

// found makes an organisation's keys and directory.
func (f *Federation) found(name string) *member {
	_, org, err := ed25519.GenerateKey(nil)
	f.check(err)
	_, key, err := ed25519.GenerateKey(nil)
	f.check(err)
	f.next++
	addr, err := ma.NewMultiaddr(fmt.Sprintf("/ip4/10.0.%d.%d/tcp/4001", f.next/250, f.next%250+1))
	f.check(err)
	seal, err := protocol.NewSealKey(protocol.SuiteHybrid)
	f.check(err)
	m := &member{name: name, key: key, seal: seal, addr: addr, dir: f.t.TempDir(), audit: f.t.TempDir()}
	f.certify(m, org)
	return m
}

// certify makes a member's node one of an organisation's.
func (f *Federation) certify(m *member, org ed25519.PrivateKey) {
	now := time.Now()
	m.org, m.cert = org, protocol.Certify(org, protocol.NodeOf(m.key), now.Add(-time.Hour), now.Add(365*24*time.Hour))
}

// each does something for all members at once.
func (f *Federation) each(members []*member, do func(*member) error) {
	f.t.Helper()
	errs := make([]error, len(members))
	var wg sync.WaitGroup
	for i, m := range members {
		wg.Go(func() { errs[i] = do(m) })
	}
	wg.Wait()
	f.check(errors.Join(errs...))
}

func (f *Federation) open(m *member) (err error) {
	m.store, err = storage.Open(m.dir, storage.Options{Small: true, Log: f.log(m.name)})
	if err != nil {
		return err
	}
	return f.openJournal(m)
}

// start brings a member's node up on its open store.
func (f *Federation) start(m *member) {
	f.t.Helper()
	key, err := crypto.UnmarshalEd25519PrivateKey(m.key)
	f.check(err)
	h, err := f.net.AddPeer(key, m.addr)
	f.check(err)
	f.note(h)
	m.host = f.taps.tapped(m.name, h)
	c := node.Config{
		Host: m.host, Gate: node.NewGate(), Key: m.key, Seal: m.seal, Org: m.org, Certificate: m.cert,
		Name: f.graph.title(m.name), Store: m.store, Log: f.log(m.name), Entry: m.entry,
		Keep: func(c protocol.Certificate) error { m.cert = c; return nil },
	}
	m.record(&c)
	f.option(m.name, &c)
	m.node, err = node.Start(f.t.Context(), c)
	f.check(err)
	m.entry = nil
	f.openDoor(m)
	m.running = true
}

// note keeps a host's connections: mocknet lets go of a connection that closes,
// but not of a stream that was opened on it at that moment.
func (f *Federation) note(h host.Host) {
	h.Network().Notify(&network.NotifyBundle{ConnectedF: func(_ network.Network, c network.Conn) {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.conns = append(f.conns, c)
	}})
}

// letGo ends the streams that outlived their connections.
func (f *Federation) letGo() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, c := range f.conns {
		for _, s := range c.GetStreams() {
			s.Reset()
		}
	}
}

// log is silent unless TOCSIN_TESTLOG is set.
func (f *Federation) log(org string) *slog.Logger {
	w := io.Discard
	if os.Getenv("TOCSIN_TESTLOG") != "" {
		w = f.t.Output()
	}
	return slog.New(slog.NewTextHandler(f.taps.writer(org, w), &slog.HandlerOptions{Level: slog.LevelDebug})).With("at", org)
}

// introduce makes the community: the first founds it and introduces the others,
// and everybody is handed what the others said, by the same door a join uses.
func (f *Federation) introduce() {
	f.t.Helper()
	ctx := f.t.Context()
	var members []*member
	for _, name := range f.graph.orgs {
		if !f.graph.stranger(name) && !f.graph.second(name) {
			members = append(members, f.orgs[name])
		}
	}
	if len(members) == 0 {
		return
	}
	founder, others := members[0], members[1:]
	_, err := founder.node.CreateCommunity(ctx, Community)
	f.check(err)
	for _, m := range others {
		f.check(founder.node.Introduce(ctx, f.Community(), m.cert, m.name))
	}
	charter, err := founder.node.Charter(f.Community())
	f.check(err)
	introductions := f.stated(founder)
	f.each(others, func(m *member) error {
		return errors.Join(m.node.Adopt(ctx, charter, introductions), m.node.SetName(ctx, protocol.OrgOf(founder.org), founder.name))
	})
	f.Settle() // nobody gossips any more what everybody will be handed
	var presences []*protocol.Bulletin
	for _, m := range others {
		presences = append(presences, f.stated(m)...)
	}
	f.each(members, func(m *member) error { return m.node.Adopt(ctx, charter, presences) })
	if len(f.graph.orgs) > manyOrgs {
		return
	}
	for _, l := range f.graph.links {
		f.acquaint(l[0], l[1])
		f.acquaint(l[1], l[0])
	}
}

// stated returns the statements a member's node has made.
func (f *Federation) stated(m *member) (own []*protocol.Bulletin) {
	f.t.Helper()
	for b, err := range m.store.Statements(f.Community()) {
		f.check(err)
		if b.Header.Certificate.Node == m.cert.Node {
			own = append(own, b)
		}
	}
	return own
}

// acquaint has a call b by name, as after comparing fingerprints.
func (f *Federation) acquaint(a, b string) {
	if f.orgs[a].running && f.orgs[b].running && !f.graph.stranger(a) && !f.graph.stranger(b) {
		f.check(f.orgs[a].node.SetName(f.t.Context(), protocol.OrgOf(f.orgs[b].org), b))
	}
}

// Community returns the id of the community all members are in.
func (f *Federation) Community() protocol.ID {
	f.t.Helper()
	for _, name := range f.graph.orgs {
		if !f.graph.stranger(name) && !f.graph.second(name) {
			id, err := f.orgs[name].node.Community(Community)
			f.check(err)
			return id
		}
	}
	return protocol.ID{}
}

// Client returns the door of an organisation's node.
func (f *Federation) Client(org string) *api.Client { return f.member(org).client }

// Node returns an organisation's node.
func (f *Federation) Node(org string) *node.Node { return f.member(org).node }

// Orgs returns all organisations of the graph.
func (f *Federation) Orgs() []string { return slices.Clone(f.graph.orgs) }

// Org returns the key of an organisation.
func (f *Federation) Org(name string) protocol.Org { return protocol.OrgOf(f.member(name).org) }

// Names reports whether the graph has such an organisation.
func (f *Federation) Names(org string) bool { return f.orgs[org] != nil }

func (f *Federation) member(name string) *member {
	f.t.Helper()
	m := f.orgs[name]
	if m == nil {
		f.t.Fatalf("nodetest: no organisation called %q in the graph", name)
	}
	return m
}

// Settle lets ten virtual seconds pass.
func (f *Federation) Settle() { time.Sleep(10 * time.Second) }

// Submit has org say one value to the community.
func (f *Federation) Submit(org, value string, label protocol.TLP) node.Receipt {
	f.t.Helper()
	a, err := f.Client(org).Submit(f.t.Context(), api.SubmitRequest{TLP: label, Values: []string{value}})
	if err != nil || len(a.Receipts) != 1 {
		f.t.Fatalf("%s submits %s: %v %v", org, value, a, err)
	}
	return a.Receipts[0]
}

// HeldBy checks that the organisations named, and no others, answer for what
// was submitted.
func (f *Federation) HeldBy(r node.Receipt, orgs ...string) {
	f.t.Helper()
	var got []string
	for name, m := range f.orgs {
		if m.running && f.answers(m, r) {
			got = append(got, name)
		}
	}
	slices.Sort(got)
	slices.Sort(orgs)
	if !slices.Equal(got, orgs) {
		f.t.Errorf("%v is held by %v, want %v", r.Claims, got, orgs)
	}
}

func (f *Federation) answers(m *member, r node.Receipt) bool {
	f.t.Helper()
	for _, o := range r.Claims {
		claims, err := m.store.Lookup(o, m.node.Query())
		f.check(err)
		for _, c := range claims {
			if c.Bulletin == r.Bulletin {
				return true
			}
		}
	}
	return false
}

// Cut ends the link between two organisations: first, so that nobody dials
// again before the connection is down.
func (f *Federation) Cut(a, b string) {
	f.t.Helper()
	ha, hb := f.member(a).host.ID(), f.member(b).host.ID()
	f.check(f.net.UnlinkPeers(ha, hb))
	conns := append(f.net.Net(ha).ConnsToPeer(hb), f.net.Net(hb).ConnsToPeer(ha)...)
	f.net.DisconnectPeers(ha, hb)
	time.Sleep(time.Millisecond) // dials and streams that had begun are through
	f.net.DisconnectPeers(ha, hb)
	for _, c := range conns {
		for _, s := range c.GetStreams() { // opened as it closed, and still carrying
			s.Reset()
		}
	}
}

// Heal makes a link between two organisations; they know each other's address.
func (f *Federation) Heal(a, b string) {
	f.t.Helper()
	ma, mb := f.member(a), f.member(b)
	if _, err := f.net.LinkPeers(ma.host.ID(), mb.host.ID()); err != nil {
		f.check(err)
	}
	if !slices.Contains(f.graph.links, [2]string{a, b}) && !slices.Contains(f.graph.links, [2]string{b, a}) {
		f.graph.links = append(f.graph.links, [2]string{a, b})
	}
	ma.host.Peerstore().AddAddr(mb.host.ID(), mb.addr, peerstore.PermanentAddrTTL)
	mb.host.Peerstore().AddAddr(ma.host.ID(), ma.addr, peerstore.PermanentAddrTTL)
}

// Stop takes a node down in good order.
func (f *Federation) Stop(org string) {
	f.t.Helper()
	m := f.member(org)
	f.unlink(m)
	time.Sleep(10 * time.Millisecond) // the routers notice before the host goes
	f.check(m.node.Close())
	f.check(m.store.Close())
	f.check(m.closeJournal())
	m.running = false
}

// Kill takes a node down as a power cut would: links first, so that nothing it
// is about to say gets out, and its directory as it stands at that moment, so
// that nothing is drained. Restart goes on from there.
func (f *Federation) Kill(org string) {
	f.t.Helper()
	m := f.member(org)
	f.unlink(m)
	frozen := f.t.TempDir()
	f.check(copyStore(frozen, m.dir))
	frozenAudit := f.t.TempDir()
	f.check(os.CopyFS(frozenAudit, os.DirFS(m.audit)))
	f.check(m.node.Close())
	f.check(m.store.Close())
	f.check(m.closeJournal())
	m.dir, m.audit, m.running = frozen, frozenAudit, false
}

func (f *Federation) unlink(m *member) {
	for _, l := range f.graph.links {
		if (l[0] == m.name || l[1] == m.name) && f.orgs[l[0]].host != nil && f.orgs[l[1]].host != nil {
			a, b := f.orgs[l[0]].host.ID(), f.orgs[l[1]].host.ID()
			f.net.UnlinkPeers(a, b) // cut already, or the other is down
			f.net.DisconnectPeers(a, b)
		}
	}
}

// Restart brings a node up again on its old data.
func (f *Federation) Restart(org string) {
	f.t.Helper()
	m := f.member(org)
	f.check(f.open(m))
	f.start(m)
	for _, l := range f.graph.links {
		if (l[0] == org || l[1] == org) && f.orgs[l[0]].running && f.orgs[l[1]].running {
			f.Heal(l[0], l[1])
		}
	}
}

// close takes all connections down before the hosts, so that no router opens
// another stream to a host that is going.
func (f *Federation) close() {
	for _, links := range f.net.Links() {
		for _, link := range links {
			for l := range link {
				f.net.Unlink(l)
			}
		}
	}
	for _, h := range f.net.Hosts() {
		for _, c := range h.Network().Conns() {
			c.Close()
		}
	}
	time.Sleep(time.Second)
	for _, c := range f.closers {
		c()
	}
	f.each(slices.Collect(maps.Values(f.orgs)), func(m *member) error {
		if !m.running {
			return nil
		}
		return errors.Join(m.node.Close(), m.store.Close(), m.closeJournal())
	})
	f.letGo()
	f.net.Close()
}

func (f *Federation) check(err error) {
	f.t.Helper()
	if err != nil {
		f.t.Fatal(err)
	}
}
