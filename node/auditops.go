package node

import (
	"context"
	"encoding/hex"
	"errors"

	"github.com/tocsin-exchange/tocsin/protocol"
	"github.com/tocsin-exchange/tocsin/storage"
	"github.com/tocsin-exchange/tocsin/storage/journal"
	"github.com/tocsin-exchange/tocsin/trust"
)

// NoteRules puts another policy on record before it is in force; one that ends
// the record itself, too. Errors are as for [Node.NoteFirst].
func (n *Node) NoteRules(ctx context.Context, next *Rules) error {
	before := n.rules.Load()
	if !before.Policy.Audit.Enabled && !next.Policy.Audit.Enabled {
		return nil
	}
	rule := "in force"
	if !next.Policy.Audit.Enabled {
		rule = "in force, nothing is recorded from here on"
	}
	was, is := before.Policy.Digest(), next.Policy.Digest()
	return n.noteFirst(ctx, journal.Record{
		Act: journal.ActPolicy, Rule: rule, Words: map[string]string{"before": hex.EncodeToString(was[:]), "after": hex.EncodeToString(is[:])},
	})
}

// NoteRefusedRules notes that a policy was refused for its faults.
func (n *Node) NoteRefusedRules(ctx context.Context, faults int) {
	n.Note(ctx, journal.Record{Act: journal.ActPolicy, Rule: "refused", Numbers: map[string]int64{"faults": int64(faults)}})
}

// noteSubmission notes what somebody had said, a record a bulletin. It returns
// when they are durable.
func (n *Node) noteSubmission(ctx context.Context, s Submission, receipts []Receipt, refused int) {
	if !n.recording() || len(receipts) == 0 {
		return
	}
	h := protocol.Header{TLP: s.TLP, Community: s.Community, Audience: s.Audience}
	var records []journal.Record
	for _, r := range receipts {
		id := r.Bulletin.String()
		if i := len(records) - 1; i < 0 || records[i].Bulletin != id {
			record := journal.Record{Act: ActSubmit, Org: n.cert.Org.String(), Bulletin: id, Community: placeOf(&h), TLP: s.TLP.String()}
			if r.Kept {
				record.TLP, record.Community, record.Rule = protocol.AmberStrict.String(), "", "never-block"
			}
			records = append(records, record)
		}
		records[len(records)-1].Count++
	}
	if refused > 0 {
		records[len(records)-1].Numbers = map[string]int64{"refused": int64(refused)}
	}
	last := len(records) - 1
	for _, r := range records[:last] {
		n.Note(ctx, r)
	}
	n.NoteDone(ctx, records[last])
}

// noteSight notes what was said of others' values, a record a bulletin.
func (n *Node) noteSight(ctx context.Context, h *protocol.Header, falsePositive bool, receipts []Receipt) {
	rule := "sighting"
	if falsePositive {
		rule = "false positive"
	}
	counts, order := map[protocol.ID]int64{}, []protocol.ID{}
	for _, r := range receipts {
		if counts[r.Bulletin]++; counts[r.Bulletin] == 1 {
			order = append(order, r.Bulletin)
		}
	}
	for _, id := range order {
		n.NoteDone(ctx, journal.Record{Act: journal.ActSight, Org: n.cert.Org.String(), Bulletin: id.String(), Community: placeOf(h), TLP: h.TLP.String(), Rule: rule, Count: counts[id]})
	}
}

// noteHeld notes that a submission waits for a person.
func (n *Node) noteHeld(ctx context.Context, id protocol.ID, r *heldRecord) {
	n.NoteDone(ctx, journal.Record{Act: journal.ActHold, Bulletin: id.String(), TLP: r.Header.TLP.String(), Rule: ruledHeld + r.Rule, Count: int64(r.Count)})
}

// noteReview notes what was decided on what was held, by a person or by nobody.
func (n *Node) noteReview(ctx context.Context, id protocol.ID, r *heldRecord) {
	record := journal.Record{Act: journal.ActReview, Bulletin: id.String(), TLP: r.Header.TLP.String(), Rule: r.State, Count: int64(r.Count), Words: map[string]string{"kind": r.Kind, "held-by": r.Rule}}
	if r.Kind == kindAdmission {
		record.Org = r.Header.Org().String()
	}
	if r.Decided == "" {
		record.Rule = "expired"
	}
	n.NoteDone(ctx, record)
}

// noteTakeBack notes what is about to be revoked or erased, a record a bulletin.
// Where that cannot be done nothing is taken back.
func (n *Node) noteTakeBack(ctx context.Context, kind protocol.Kind, versions []storage.Version) error {
	act := journal.ActRevoke
	if kind == protocol.Statements {
		act = journal.ActErase
	}
	var records []journal.Record
	at := map[protocol.ID]int{}
	for _, v := range versions {
		i, is := at[v.Bulletin]
		if !is {
			i = len(records)
			at[v.Bulletin] = i
			record := about(act, v.Bulletin, v.Header)
			record.Rule, record.Count = "ask", 0
			records = append(records, record)
		}
		records[i].Count++
	}
	last := len(records) - 1
	for _, r := range records[:last] {
		n.Note(ctx, r)
	}
	return n.NoteFirst(ctx, records[last])
}

// noteErased notes what was destroyed here. What had been before is no news.
func (n *Node) noteErased(all []storage.Erasure, erased int, err error) {
	if erased == 0 || err != nil || !n.recording() {
		return
	}
	for _, e := range all {
		if b, _, err := n.store.Header(e.ID); err == nil {
			record := about(journal.ActErase, e.ID, &b.Header)
			record.Rule, record.Count = "carry out", int64(len(e.Objects))
			n.Note(n.ctx, record)
		}
	}
}

// onCommunity is a record of an act on a community.
func onCommunity(act journal.Act, id protocol.ID, rule string) journal.Record {
	return journal.Record{Act: act, Community: id.String(), Rule: rule}
}

// noteMember notes that we introduce an organisation, or removed it.
func (n *Node) noteMember(ctx context.Context, community protocol.ID, org protocol.Org, rule string) {
	record := onCommunity(ActMember, community, rule)
	record.Org = org.String()
	n.NoteDone(ctx, record)
}

// noteInvite notes that an invite was redeemed, or that somebody tried.
func (n *Node) noteInvite(ctx context.Context, community protocol.ID, by protocol.Org, err error) {
	record := onCommunity(ActInvite, community, "redeem")
	record.Org = by.String()
	if err == nil {
		n.NoteDone(ctx, record)
		return
	}
	record.Act, record.Rule, record.Community = journal.ActRefuse, "invite", ""
	if errors.Is(err, errBurnt) {
		record.Rule = "invite used already"
	}
	n.NoteOften(ctx, "invite", refusalsNoted, record)
}

// noteRoster notes a roster that is about to be said.
func (n *Node) noteRoster(ctx context.Context, r *protocol.Roster) {
	n.NoteDone(ctx, journal.Record{
		Act: ActGroup, Org: r.Owner.String(), Community: r.Group.String(), Rule: "roster",
		Numbers: map[string]int64{"version": int64(r.Version), "members": int64(len(r.Members)), "history": int64(r.History)},
	})
}

// noteUnpacked notes that an archive was taken in: of whom, and whether it was
// whole. What became of its bulletins is on record one by one.
func (n *Node) noteUnpacked(ctx context.Context, h protocol.ArchiveHeader, r *ArchiveReport) {
	record := onOrg(ActImport, h.Certificate.Org, "archive")
	record.Peer = peerText(h.Certificate.Node)
	if !r.Whole() {
		record.Rule = "archive, not whole"
	}
	n.NoteDone(ctx, record)
}

// noteReaders notes for whom an archive is, before its first byte is written.
func (e *Export) noteReaders(ctx context.Context) error {
	for _, org := range e.audience {
		if err := e.n.NoteFirst(ctx, onOrg(journal.ActExport, org, "archive")); err != nil {
			return err
		}
	}
	return nil
}

// wrote counts a bulletin that an archive carries, by its label.
func (e *Export) wrote(h *protocol.Header) {
	if e.labels == nil {
		e.labels = map[string]int64{}
	}
	if trust.Counted(h.TLP) {
		e.labels[h.TLP.String()]++
	}
}

// noteWritten notes what an archive holds.
func (e *Export) noteWritten(ctx context.Context) {
	record := journal.Record{Act: journal.ActExport, Rule: "archive written", Numbers: map[string]int64{}}
	for label, count := range e.labels {
		record.Count += count
		if label == protocol.AmberStrict.String() {
			label = "amber-strict" // the names of numbers have no +
		}
		record.Numbers[label] = count
	}
	e.n.NoteDone(ctx, record)
}

// handedBody adds a body that was asked for to what a conversation carried.
func (n *Node) handedBody(c *conversation, id protocol.ID) {
	if !n.recording() {
		return
	}
	if b, _, err := n.store.Header(id); err == nil {
		c.handed(&b.Header, true)
	}
}
