package node

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/tocsin-exchange/tocsin/protocol"
)

// A medium may be lost, so what is above GREEN lies on it sealed: once for each
// node that may have it. This file seals for an export and opens for an import.

// ruleNoKey keeps a bulletin from an organisation that may have it, until one of
// its nodes has published an encryption key.
const ruleNoKey = "no-encryption-key"

// readers are the encryption keys of the audience's nodes, as an outlook knows
// them.
type readers struct {
	of   *outlook
	keys map[protocol.Org][]*protocol.EncryptionKey
}

// keys returns where to seal for the audience: the keys of every node that an
// organisation of it certifies now, but this one.
func (e *Export) keys(o *outlook) map[protocol.Org][]*protocol.EncryptionKey {
	if e.readers.of == o {
		return e.readers.keys
	}
	keys := map[protocol.Org][]*protocol.EncryptionKey{}
	for node, sealing := range o.sealing {
		if org, certified := o.OrgOf(node, time.Now()); certified && node != e.n.cert.Node && slices.Contains(e.audience, org) {
			keys[org] = append(keys[org], sealing.key)
		}
	}
	e.readers = readers{o, keys}
	return keys
}

// writeSealed writes a bulletin above GREEN once for each node that may have it,
// readable by that node alone. A key that cannot be sealed to costs its own node
// and nobody else.
func (e *Export) writeSealed(o *outlook, a *protocol.ArchiveWriter, b *protocol.Bulletin) error {
	var whole *protocol.Bulletin
	for _, org := range e.audience {
		if !o.MayCarry(&b.Header, []protocol.Org{org}).Allowed {
			continue
		}
		for _, key := range e.keys(o)[org] {
			if !e.n.mayRelease(b, PeerID(key.Node)) {
				continue
			}
			if whole == nil {
				e.wrote(&b.Header)
				whole = e.whole(b)
			}
			sealed, err := protocol.Seal(key, whole)
			if err != nil {
				e.n.log.Warn("archive: a bulletin cannot be sealed", "peer", PeerID(key.Node), "err", err)
				continue
			}
			if err := a.Sealed(key.Node, sealed); err != nil {
				return err
			}
		}
	}
	return nil
}

// sealed opens what is for this node, and passes over the rest.
func (u *unpacker) sealed(ctx context.Context, a *protocol.ArchiveReader, frame []byte) error {
	s, err := protocol.DecodeArchiveSealed(frame)
	switch {
	case err != nil:
		u.damage(a, err)
		return nil
	case s.To != u.n.cert.Node:
		u.report.ForOthers++
		return nil
	}
	b, err := u.n.unseal(&s.Sealed)
	switch {
	case errors.Is(err, protocol.ErrUnsupported):
		u.report.Bulletins++
		u.refuse("unsupported", 1)
		return nil
	case err != nil:
		u.unopened++
		if len(u.unopenedAt) < maxDamages {
			u.unopenedAt = append(u.unopenedAt, ArchiveDamage{a.Offset(), err.Error()})
		}
		return nil
	}
	u.report.Bulletins++
	return u.judge(ctx, b)
}

// blame says why what is sealed for us did not open. In an archive without
// damage it was sealed with a key that we do not have; else nobody can tell.
func (u *unpacker) blame(intact bool) {
	if intact {
		u.report.Bulletins += u.unopened
		u.refuse("other-key", u.unopened)
		return
	}
	u.report.Damaged += u.unopened
	room := max(0, maxDamages-len(u.report.Damages))
	u.report.Damages = append(u.report.Damages, u.unopenedAt[:min(room, len(u.unopenedAt))]...)
}

// toGroup reports whether a bulletin is said to a sharing group: a later roster
// may grant its history, and may come behind it.
func toGroup(h *protocol.Header) bool {
	return slices.ContainsFunc(h.Audience, func(r protocol.Recipient) bool { return !r.Group.IsZero() })
}
