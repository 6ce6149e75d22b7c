package node

import (
	"fmt"
	"strings"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/tocsin-exchange/tocsin/protocol"
	"github.com/tocsin-exchange/tocsin/storage"
	"github.com/tocsin-exchange/tocsin/storage/journal"
	"github.com/tocsin-exchange/tocsin/trust"
)

// refusalsNoted is how many refusals by one rule of what one neighbour brings
// are noted one by one in an hour.
const refusalsNoted = 100

// noteAdmission notes what became of a bulletin that was stored. A header whose
// body is still to come is no record; the body is one.
func (n *Node) noteAdmission(e *storage.Entry, r storage.Result) {
	if !n.recording() || !r.New && !r.BodyNew || e.Body == storage.Absent {
		return
	}
	h := &e.Bulletin.Header
	record := about(journal.ActAdmit, e.Bulletin.ID(), h)
	record.Rule, record.Peer = e.Reason, peerText(e.From)
	if e.Body == storage.Declined {
		record.Act = journal.ActDecline
	}
	for _, by := range []string{ruledReject, ruledAccept} { // whom and why, the review's own record says as far as anybody may know
		if strings.HasPrefix(e.Reason, by) {
			record.Rule = strings.TrimSuffix(by, ":")
		}
	}
	if strings.HasPrefix(e.Reason, ruledHeld) {
		record.Act = journal.ActHold
	}
	if !e.Via.IsZero() {
		record.Words = map[string]string{"via": e.Via.String()}
	}
	n.Note(n.ctx, record)
}

// noteRefusal notes that a bulletin did not come in.
func (n *Node) noteRefusal(b *protocol.Bulletin, from peer.ID, rule string) {
	if !n.recording() {
		return
	}
	record := about(journal.ActRefuse, b.ID(), &b.Header)
	record.Rule, record.Peer = rule, from.String()
	key := "refuse " + record.Peer + " " + rule
	if !trust.Counted(b.Header.TLP) {
		key = "refuse red"
	}
	n.NoteOften(n.ctx, key, refusalsNoted, record)
}

// noteAnnounced notes that a bulletin was gossiped to its community.
func (n *Node) noteAnnounced(b *protocol.Bulletin) {
	if n.recording() {
		record := about(journal.ActRelease, b.ID(), &b.Header)
		record.Rule = "gossip"
		n.Note(n.ctx, record)
	}
}

// noteSealed notes that a bulletin is about to go to a node it is sealed for.
func (n *Node) noteSealed(b *protocol.Bulletin, to protocol.Node, forwarded bool) {
	record := about(journal.ActRelease, b.ID(), &b.Header)
	record.Peer, record.Rule = peerText(to), "deliver"
	if forwarded {
		record.Rule = "forward"
	}
	n.Note(n.ctx, record)
}

// noteReceipt notes what a node signed to have become of a bulletin there.
func (n *Node) noteReceipt(r *protocol.Receipt) {
	b, _, err := n.store.Header(r.Bulletin)
	if err != nil || !n.recording() {
		return
	}
	record := about(journal.ActDeliver, r.Bulletin, &b.Header)
	if r.State == protocol.ReceiptErased {
		record.Act = journal.ActErase
	}
	record.Org, record.Peer, record.Rule, record.Count = r.Certificate.Org.String(), peerText(r.Certificate.Node), "receipt", 0
	record.Words = map[string]string{"state": r.State.String(), "signed": protocol.Time(r.At).UTC().Format("2006-01-02T15:04:05.000Z")}
	n.Note(n.ctx, record)
}

// A handout is what one conversation carried of one stream.
type handout struct {
	stream          protocol.Stream
	org             protocol.Org
	first, last     protocol.Position
	headers, bodies int64
}

// handed adds a bulletin that was sent to what its conversation carried.
func (c *conversation) handed(h *protocol.Header, body bool) {
	s := h.Stream()
	id, at := s.ID(), h.Position()
	if c.handouts == nil {
		c.handouts = map[protocol.ID]*handout{}
	}
	o := c.handouts[id]
	if o == nil {
		o = &handout{stream: s, org: h.Org(), first: at, last: at}
		c.handouts[id] = o
	}
	if at.Compare(o.first) < 0 {
		o.first = at
	}
	if at.Compare(o.last) > 0 {
		o.last = at
	}
	if o.headers++; body {
		o.bodies++
	}
}

// noteHandouts notes what a conversation carried, a record a stream.
func (n *Node) noteHandouts(c *conversation) {
	for id, o := range c.handouts {
		h := protocol.Header{TLP: o.stream.TLP, Community: o.stream.Community, Audience: o.stream.Audience}
		place := placeOf(&h)
		record := journal.Record{Act: journal.ActRelease, Org: o.org.String(), Peer: c.peer.String(), Community: place, TLP: o.stream.TLP.String(), Rule: "sync", Count: o.headers}
		record.Numbers = map[string]int64{"bodies": o.bodies}
		record.Words = map[string]string{"stream": id.String(), "first": positionText(o.first), "last": positionText(o.last)}
		if !trust.Counted(o.stream.TLP) {
			record.Bulletin = id.String() // hidden as an id is
		}
		n.Note(n.ctx, record)
	}
	c.handouts = nil
}

// positionText is EPOCH.SEQ.
func positionText(p protocol.Position) string { return fmt.Sprintf("%d.%d", p.Epoch, p.Seq) }
