package node

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	pubsub "github.com/libp2p/go-libp2p-pubsub"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/tocsin-exchange/tocsin/protocol"
	"github.com/tocsin-exchange/tocsin/storage"
	"github.com/tocsin-exchange/tocsin/storage/journal"
	"github.com/tocsin-exchange/tocsin/trust/policy"
)

// Names of the store's local tables.
const (
	tableCommunities = "communities" // community -> signed charter
	tablePetnames    = "petnames"    // org -> name
	tableBlocked     = "blocked"     // org -> reason
	tableAddrs       = "addrs"       // node -> multiaddrs, a line each
	tableCerts       = "certs"       // node -> certificate shown at the door
	tableInvites     = "invites"     // SHA-256 of the secret -> invite record
	tableProofs      = "proofs"      // ids of two headers held that show a fault -> which
	tableReleased    = "released"    // org -> ids of headers proven bad, and released here
	tableClients     = "clients"     // org -> nothing: a client of ours
	tableEntries     = "entries"     // community to come into with a key that is new there -> nothing
	tableFormer      = "former"      // key this node had before, to be revoked -> nothing
	tableReceipts    = "receipts"    // bulletin and node -> signed receipt
	tableHeld        = "held"        // id -> what waits for a person, and its parts; "rules" -> by which rules was declined what is
	tableTrust       = "trust"       // org -> how far it is believed, 0 to 100 or anchor
	tableOutcomes    = "outcomes"    // what became of others' words; see outcomebook.go
)

// Errors that callers tell apart.
var (
	ErrRefused  = errors.New("refused")     // a rule of ours says no
	ErrNotFound = errors.New("not found")   // no such organisation, community, value
	ErrUsage    = errors.New("wrong usage") // the request makes no sense
	ErrClosed   = errors.New("the node is closed")
)

// Config is what a node is made of.
type Config struct {
	Host        host.Host            // its identity is Key; the node closes it
	Gate        *Gate                // the host's gater
	Key         ed25519.PrivateKey   // the node's
	Org         ed25519.PrivateKey   // nil when the organisation's key is kept elsewhere
	Certificate protocol.Certificate // of Org for Key
	Name        string               // what the organisation calls itself
	Store       *storage.Store       // closed by whoever opened it, after the node
	Log         *slog.Logger
	Seal        *protocol.SealKey // opens what is sealed for this node; nil: nothing can be, and nothing above GREEN is sent here
	Connections int               // random member connections per community; 0: 16
	SyncEvery   time.Duration     // 0: a minute

	Keep  func(protocol.Certificate) error // stores a certificate that took the place of Certificate; nil: nowhere
	Entry *Entry                           // the others do not know Key yet; nil: they do
	Rules *Rules                           // nil: those of an empty policy

	Audit     func(journal.Record)                        // notes an act, durably soon; nil: nobody does
	AuditSync func(context.Context, journal.Record) error // notes one, and returns when it is durable; nil: nobody does
	History   History                                     // reads back what was noted; nil: nobody does

	off  guard                    // guards that tests switch off to see what another does alone
	lose func() bool              // tests have gossip lost without anybody noticing
	wall func(protocol.Node) bool // tests keep dials from getting through

	die func(item protocol.ID, step string) error // tests have reviews end in the middle
}

// A Node is a member of the federation.
type Node struct {
	host  host.Host
	gate  *Gate
	key   ed25519.PrivateKey
	org   ed25519.PrivateKey
	cert  protocol.Certificate
	title string
	store *storage.Store
	seal  *protocol.SealKey
	log   *slog.Logger
	links int
	every time.Duration
	off   guard
	lose  func() bool
	wall  func(protocol.Node) bool
	die   func(protocol.ID, string) error
	keep  func(protocol.Certificate) error

	renewed  atomic.Pointer[protocol.Certificate] // took cert's place
	entering atomic.Pointer[[]Entering]           // what is left to do with a new key
	enter    chan struct{}                        // there is more of it

	rules    atomic.Pointer[Rules]
	outcomes atomic.Pointer[outcomes]
	benched  atomic.Pointer[bench]
	marks    atomic.Uint64 // of benches
	reckon   *reckoning
	audit    *audit
	recorder *basisRecorder

	mu    sync.Mutex // guards known
	known knowledge

	pubsub    *pubsub.PubSub
	blacklist *blacklist
	topics    map[protocol.ID]*subscription     // mu guards it
	shared    map[peer.ID][]protocol.ID         // communities shared with each connected peer when it came; mu guards it
	joining   map[peer.ID]int                   // join streams being answered; mu guards it
	streams   map[lane]int                      // streams being answered; mu guards it
	sessions  map[peer.ID]*conversation         // whose sync session is being answered; mu guards it
	waiting   ledger                            // bytes of gossip not yet admitted, by neighbour
	quota     *quota                            // of the disk, by author
	strangers map[protocol.Org]map[peer.ID]bool // unknown authors and who brought them; mu guards it
	author    *author
	counters  Counters

	comparisons map[protocol.Node]*comparison // what others showed; mu guards it
	contacts    map[protocol.Node]time.Time   // when others were last connected; mu guards it

	dials   map[protocol.Node]*dial // mu guards it
	hurried time.Time               // when all were dialled at once; mu guards it
	redial  chan struct{}           // connections may be missing
	enforce chan struct{}           // the outlook changed
	arrived chan arrival            // from gossip, to be admitted
	fetches chan fetch              // bodies to ask for
	asking  asking                  // bodies asked for at the moment
	later   *waitlist               // what is dated ahead
	accused chan struct{}           // proofs may have to be published
	outbox  *outbox                 // what goes to named recipients
	desk    *desk                   // what waits for a person

	admissions admissions
	unerased   atomic.Uint64    // failures since when something that was to be erased may be there still
	syncs      chan syncRequest // sessions to hold soon
	guests     chan peer.ID     // unknown peers that came in

	ctx    context.Context // ends with Close; for the node's own goroutines only
	cancel context.CancelFunc
	wg     sync.WaitGroup
}

// Start brings a node up: it loads what it knows, opens a new epoch, joins its
// communities' topics, and begins to connect. The caller calls Close.
func Start(ctx context.Context, c Config) (*Node, error) {
	n := &Node{
		host: c.Host, gate: c.Gate, key: c.Key, org: c.Org, cert: c.Certificate, title: c.Name, store: c.Store, seal: c.Seal, log: c.Log,
		links: c.Connections, every: c.SyncEvery, off: c.off, lose: c.lose, wall: c.wall, die: c.die, keep: c.Keep, enter: make(chan struct{}, 1), topics: map[protocol.ID]*subscription{},
		shared: map[peer.ID][]protocol.ID{}, joining: map[peer.ID]int{}, streams: map[lane]int{}, sessions: map[peer.ID]*conversation{}, strangers: map[protocol.Org]map[peer.ID]bool{},
		dials: map[protocol.Node]*dial{}, redial: make(chan struct{}, 1), enforce: make(chan struct{}, 1), arrived: make(chan arrival, 1024), fetches: make(chan fetch, 1024),
		syncs: make(chan syncRequest, 256), guests: make(chan peer.ID, 64), accused: make(chan struct{}, 1),
		later: newWaitlist(), outbox: newOutbox(), desk: newDesk(c.Store.Table(tableHeld)),
		known: newKnowledge(), comparisons: map[protocol.Node]*comparison{}, contacts: map[protocol.Node]time.Time{},
	}
	if n.links == 0 {
		n.links = 16
	}
	if n.every == 0 {
		n.every = time.Minute
	}
	n.quota = newQuota(n.daily)
	if err := n.check(c); err != nil {
		return nil, err
	}
	if c.Rules == nil {
		var err error
		if c.Rules, err = NewRules(policy.Default()); err != nil {
			return nil, err
		}
	}
	n.rules.Store(c.Rules)
	n.audit, n.recorder = newAudit(c), newBasisRecorder()
	return n, n.start(ctx, c)
}

func (n *Node) check(c Config) error {
	if err := n.cert.Check(); err != nil {
		return err
	}
	if protocol.NodeOf(c.Key) != c.Certificate.Node || PeerID(c.Certificate.Node) != c.Host.ID() {
		return fmt.Errorf("the certificate is not of this node's key: %w", ErrUsage)
	}
	if !n.cert.Covers(protocol.Millis(time.Now())) {
		return fmt.Errorf("the node's certificate is valid from %s to %s: %w",
			protocol.Time(n.cert.NotBefore).Format(time.DateOnly), protocol.Time(n.cert.NotAfter).Format(time.DateOnly), ErrRefused)
	}
	return protocol.CheckName(n.title)
}

func (n *Node) start(ctx context.Context, c Config) error {
	n.ctx, n.cancel = context.WithCancel(context.WithoutCancel(ctx))
	if err := errors.Join(n.load(ctx), n.desk.load()); err != nil {
		return err
	}
	n.known.petnames[n.cert.Org] = n.title
	n.unerased.Store(1) // a crash may have come between an erasure and its carrying out
	n.author = newAuthor(n)
	var err error
	if n.reckon, err = n.newReckoning(); err != nil {
		return err
	}
	if err := n.startGossip(); err != nil {
		n.cancel()
		return err
	}
	n.host.SetStreamHandler(protocol.JoinProtocol, n.serveJoin)
	n.host.SetStreamHandler(protocol.SyncProtocol, n.serveSync)
	n.host.SetStreamHandler(protocol.DeliverProtocol, n.serveDeliver)
	n.host.Network().Notify(n.notifiee())
	n.refreshInvites()
	// Only now may anybody come in: a peer that connects before the router
	// listens would never be sent anything.
	n.gate.outlook.Store(n.survey(n.cert))
	if c.Entry != nil {
		if err := n.keepEntry(ctx, *c.Entry); err != nil {
			n.cancel()
			return err
		}
	}
	n.reportFaults(&outlook{})
	began := time.Now()
	n.noteBasis(true) // before anything is judged by it
	for _, run := range []func(){n.author.run, n.runDoor, n.runAdmit, n.runFetch, n.runSync, n.runPeers, n.runQuota, n.runIntegrity, n.runErase, n.runDeliver, n.runRenew, n.runEntry, n.runReview, n.runReckon} {
		n.wg.Go(run)
	}
	n.wg.Go(n.runAudit)
	n.wg.Go(func() { n.readBasis(c.History, began) })
	n.wg.Go(n.runBasis)
	old := n.Communities() // joining one later says so itself
	n.wg.Go(func() { n.presentAll(n.ctx, old) })
	signal(n.enforce)
	return nil
}

// Close stops the node and waits for all it started. The store stays open.
func (n *Node) Close() error {
	n.cancel()
	err := n.host.Close()
	n.wg.Wait()
	return err
}

// Org returns our organisation.
func (n *Node) Org() protocol.Org { return n.cert.Org }

// Store returns the memory behind the node, for whoever only reads it.
func (n *Node) Store() *storage.Store { return n.store }
