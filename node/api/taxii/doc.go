// Package taxii answers as a TAXII 2.1 server (OASIS Standard, 10 June 2021): which
// API roots and collections there are, which objects a page has, what a POST says.
// HTTP, who asks and what saying something takes are for package api.
//
// # API roots
//
//	tlp2   objects as they were signed, marked with TLP 2.0; the default
//	tlp1   the same for tools that know no TLP 2.0, for reading only
//
// One id and version is always the same bytes, so an object of tlp1 has an id of
// its own, and so have those that it refers to. The id is the signed one encrypted
// (AES of one block under a key that everybody knows, made a UUID of version 4), so
// that an object is found by it. Definitions of extensions keep theirs. CLEAR is
// TLP:WHITE there. AMBER+STRICT is left out: TLP 1.0 has nothing between AMBER, which
// is wider, and RED, which is for persons.
//
// # Collections
//
// Each community the node is in is a collection, of its CLEAR and GREEN; one more is
// of everything the node may show to the caller. Ids are random and titles are
// unique; both are given once and kept ([Server.Collections]). Neither root has RED
// or exercises, whoever asks: what leaves here is read by machines.
//
// # Objects
//
// An object is the bytes that were signed, with the marking of its bulletin's label
// in object_marking_refs and, where it names no creator and may have one, the
// identity of the organisation that signed it in created_by_ref (package stix:
// Export). A creator of its own stays, unless that is the identity of an
// organisation of the federation other than the signer, which the signer's replaces.
// Definitions of markings and extensions are not touched.
//
// An identity has an id made of the organisation's key, and its fingerprint for a
// name, so that it is the same at every node; what it is called here is in
// /v1/lookup. Markings and identities are objects of the collection like others:
// each stands once, right ahead of the first bulletin which the caller sees there
// under the label, or of the organisation. So they travel with the page that first
// needs them, count for limit, are in the manifest and are found by their ids. When
// that bulletin leaves the store they come again ahead of the next. A bulletin's own
// copy of a TLP marking, or of such an identity, is not shown.
//
// Of several organisations under one id, the one counts of whose word the id is made
// (package stix: IndicatorID of one value), else the one that came first, among what
// the caller sees. So nobody supersedes or revokes what another said. Two that
// published one foreign object, neither having made it, are one object here, and
// callers with different clearance may see another of the two.
//
// # Versions and dates
//
// Every version held is shown, revoked and expired ones too, by match[version]; last
// where nothing is asked for. A version is named by modified, else created, as the
// object writes it; a cyber-observable, which has neither, by when it arrived first.
// What was revoked has no later version: an organisation that says the value again
// makes another object of it.
// Erased objects, and those of disowned keys or of blocked organisations, are gone
// from one moment to the next: 404 by id, and no page has them.
//
// date_added is the moment an object arrived in this node's store (package storage):
// it strictly increases in order of arrival, is kept, and belongs to this node.
// Another node of the same organisation has other dates, so a client stays with one.
// What was blocked and counts again has the dates it had: a client that must have it
// reads once without added_after.
//
// # Paging
//
// A page has at most 1,000 objects. `next` holds all it takes to go on, encrypted
// under the store's id: the last moment looked at, the resource, and the filters,
// which may be left out or given again with it; limit may change. It is given exactly
// when more is true. A page is empty with more false alone. Where `next` is another
// store's, or somebody's word has ceased to count since (or counts again), the answer
// is 400 with the title "Begin again without next": TAXII has no 410 here, clients
// take any 4xx for the end of the attempt, and the next one begins with added_after.
//
// An empty page carries the date that was asked for as its first and last date.
//
// # Saying something
//
// What is posted to a community's collection is submitted under the collection's
// label, GREEN where the operator has said nothing else ([Server.Label]); an object
// with a TLP marking goes under that, if it may go to a community at all. It passes
// everything that any submission does: an indicator gets the id of the federation and
// keeps its own as an external reference, which the status says. Nothing can be
// posted to everything, which has no audience. A status is kept for 24 hours for the
// token that posted, the last 1,000; each of its lists has at most 100 objects, its
// counts are of all. What waits for a second pair of eyes is pending until a person has
// decided. DELETE has every holder destroy an object that this organisation said to
// the collection's community, with all its versions; it takes an operator's token, and
// what others said is theirs to take back.
//
// # Cost
//
// A page costs the same at any depth. Which markings and authors come first where is
// found by looking at one bulletin of every stream, and kept for 256 groups of askers.
// A filter that few objects match reads all of them: about two seconds a million;
// match[id] reads those alone. A poll that brings nothing costs as much as what came
// since that the caller may not see, the first time.
//
// # Tables
//
//	taxii        | "collections" -> id, title, community and label of each, as JSON
//	taxii-status | id            -> a status and the id of its token, as JSON
package taxii
