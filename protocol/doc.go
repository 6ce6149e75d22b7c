// Package protocol is what one node may say to another: bulletins, statements,
// certificates, charters, invites, the messages of the join and sync streams,
// and archives, as bytes and as Go types. SPEC.md beside this file describes the
// same bytes for other implementers.
//
// A [Bulletin] is a signed issue of objects under one label. Its [Header]
// carries all that decides who may see it, so that label and audience are
// under the signature; its body carries the objects, each salted, so that one
// can be erased while the rest still verifies. [Sign] and [Open] are the only
// ways to obtain one.
//
// Bulletins of one node, kind, community, label and audience form a [Stream],
// an append-only log numbered by epoch and sequence. Bulletins of kind
// [Statements] speak of keys, members and groups; the others carry STIX 2.1
// objects (package stix).
//
// An archive ([NewArchiveWriter], [NewArchiveReader]) carries bulletins on a
// medium, under a signed header that says which organisations it is for; above
// GREEN each is sealed to each node that may read it. What is damaged in it
// costs its own frame and is told.
//
// Everything is core deterministic CBOR (RFC 8949, section 4.2.1), read
// strictly: whatever decodes encodes to the same bytes again. The limits stand
// as constants; nothing is ever sized by a number from the wire.
//
// The labels are those of TLP 2.0 (FIRST, August 2022). What a label allows is
// decided in package trust, nowhere else.
package protocol
