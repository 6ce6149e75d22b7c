package node

import (
	"context"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/tocsin-exchange/tocsin/protocol"
	"github.com/tocsin-exchange/tocsin/storage/journal"
	"github.com/tocsin-exchange/tocsin/trust"
)

// Every act of the node is put on record as it happens: ids, keys, names of
// rules and counts, never what a bulletin says nor what people wrote. Names of
// organisations are looked up by whoever reads. Of what is under RED not even
// the ids are there: such a record has the act, its time, in whose name it was
// done, and a keyed hash in place of the bulletin's id (see [Node.Blind]). So an
// auditor of any clearance may read and export the whole chain, and learns of RED
// that there was something, and when; whoever may see the bulletin finds its
// records by its id.

// Acts of a node besides those the journal names.
const (
	ActSubmit     journal.Act = "submit"     // somebody here had something said
	ActImport     journal.Act = "import"     // an archive was taken in
	ActCommunity  journal.Act = "community"  // one was founded or come into
	ActInvite     journal.Act = "invite"     // a token was made that lets an organisation in
	ActMember     journal.Act = "member"     // an organisation was introduced or removed by us
	ActGroup      journal.Act = "group"      // a roster of ours was said
	ActClient     journal.Act = "client"     // a client was declared, or is none any more
	ActName       journal.Act = "name"       // an organisation was given a petname
	ActAddress    journal.Act = "address"    // a node was given addresses to dial
	ActKey        journal.Act = "key"        // a certificate or a node's key: loaded, renewed, revoked
	ActQuarantine journal.Act = "quarantine" // an organisation broke its log, or was let out
	ActRead       journal.Act = "read"       // a token read something
)

// recordWithin is how long an act waits for its record to be durable.
const recordWithin = 5 * time.Second

// An audit is how a node reaches its journal.
type audit struct {
	append func(journal.Record)
	sync   func(context.Context, journal.Record) error
	key    []byte // of what hides ids under RED
	often  *tally
}

func newAudit(c Config) *audit {
	key, err := hkdf.Key(sha256.New, c.Key.Seed(), nil, "tocsin audit v1", sha256.Size)
	if err != nil {
		panic(err) // the length is a hash's
	}
	return &audit{append: c.Audit, sync: c.AuditSync, key: key, often: newTally()}
}

// actorKey is the context's key of in whose name something is done.
type actorKey struct{}

// WithActor says in whose name is done what is done with the context.
func WithActor(ctx context.Context, actor string) context.Context {
	return context.WithValue(ctx, actorKey{}, actor)
}

// recording reports whether acts are put on record.
func (n *Node) recording() bool {
	return n.audit.append != nil && n.rules.Load().Policy.Audit.Enabled
}

// Note puts an act on record, in the name of ctx, or the node's own.
func (n *Node) Note(ctx context.Context, r journal.Record) {
	if n.recording() {
		n.audit.append(n.record(ctx, r))
	}
}

// NoteOften puts an act on record that may come any number of times: of a key
// the first most in an hour, and for the rest how many they were.
func (n *Node) NoteOften(ctx context.Context, key string, most int, r journal.Record) {
	if n.recording() && n.audit.often.first(key, most, n.record(ctx, r)) {
		n.audit.append(n.record(ctx, r))
	}
}

// NoteDone puts an act on record durably, before whoever asked for it is told
// that it was done. It was, so an error is logged only.
func (n *Node) NoteDone(ctx context.Context, r journal.Record) {
	if err := n.NoteFirst(context.WithoutCancel(ctx), r); err != nil {
		n.log.Error("audit journal", "act", r.Act, "err", err)
	}
}

// NoteFirst puts an act on record durably before it is done. What cannot be put
// on record is not to be done: errors wrap those of the journal.
func (n *Node) NoteFirst(ctx context.Context, r journal.Record) error {
	if !n.recording() {
		return nil
	}
	return n.noteFirst(ctx, r)
}

func (n *Node) noteFirst(ctx context.Context, r journal.Record) error {
	if n.audit.sync == nil {
		return nil
	}
	brief, cancel := context.WithTimeout(ctx, recordWithin)
	defer cancel()
	if err := n.audit.sync(brief, n.record(ctx, r)); err != nil {
		return fmt.Errorf("it cannot be put on record: %w", err)
	}
	return nil
}

// record completes a record. Under RED nothing stays that tells one bulletin,
// organisation or peer from another.
func (n *Node) record(ctx context.Context, r journal.Record) journal.Record {
	r.Actor = Actor(ctx)
	if r.TLP == protocol.Red.String() {
		r = journal.Record{Act: r.Act, Actor: r.Actor, TLP: r.TLP, Bulletin: n.blind(r.Bulletin)}
	}
	return r
}

// Blind returns what stands for a bulletin under RED in the journal: "red:" and
// 32 hex digits, the begin of an HMAC under a key made of this node's own. A
// node with a new key finds what it noted by the one before no more.
func (n *Node) Blind(id protocol.ID) string { return n.blind(id.String()) }

func (n *Node) blind(id string) string {
	if id == "" {
		return ""
	}
	sum := hmac.New(sha256.New, n.audit.key)
	sum.Write([]byte(id))
	return "red:" + hex.EncodeToString(sum.Sum(nil)[:16])
}

// about is a record of an act on a bulletin.
func about(act journal.Act, id protocol.ID, h *protocol.Header) journal.Record {
	return journal.Record{Act: act, Bulletin: id.String(), Org: h.Org().String(), Community: placeOf(h), TLP: h.TLP.String(), Count: int64(h.Count)}
}

// placeOf is the community or the sharing group that a bulletin is said to.
func placeOf(h *protocol.Header) string {
	if !trust.Named(h.TLP) {
		return h.Community.String()
	}
	for _, r := range h.Audience {
		if !r.Group.IsZero() {
			return r.Group.String()
		}
	}
	return ""
}

// peerText is a node as records name it; "" for none.
func peerText(node protocol.Node) string {
	if node.IsZero() {
		return ""
	}
	return PeerID(node).String()
}

// onOrg is a record of an act on an organisation.
func onOrg(act journal.Act, org protocol.Org, rule string) journal.Record {
	return journal.Record{Act: act, Org: org.String(), Rule: rule}
}

// onKey is a record of what became of a node's key.
func onKey(org protocol.Org, node protocol.Node, rule string) journal.Record {
	return journal.Record{Act: ActKey, Org: org.String(), Peer: peerText(node), Rule: rule}
}

// runAudit notes once an hour how often things happened that are not noted one
// by one, and at the end what is left.
func (n *Node) runAudit() {
	ticker := time.NewTicker(time.Hour)
	defer ticker.Stop()
	for more := true; more; {
		select {
		case <-n.ctx.Done():
			more = false
		case <-ticker.C:
		}
		for _, r := range n.audit.often.drain() {
			if n.recording() {
				n.audit.append(r)
			}
		}
	}
}

// Actor returns in whose name something is done.
func Actor(ctx context.Context) string {
	if actor, _ := ctx.Value(actorKey{}).(string); actor != "" {
		return actor
	}
	return journal.Node
}

// RecordsTokens reports whether the use of tokens is put on record.
func (n *Node) RecordsTokens() bool { return n.recording() && n.rules.Load().Policy.Audit.Tokens }

// NameOfPeer is how the organisation of a node is shown; "" for one not known.
func (n *Node) NameOfPeer(id string) string {
	p, err := peer.Decode(id)
	if err != nil {
		return ""
	}
	o := n.look()
	node, _ := NodeID(p)
	cert, known := o.Nodes[node]
	if !known {
		return ""
	}
	return o.name(cert.Org)
}
