// Package node is a member of the federation: it says things under its own
// name, takes in what others say, passes it on, and keeps in touch.
//
//	submit, version  drafts become objects, objects bulletins; the author numbers,
//	         signs and commits them, in this order
//	admit    the only way in, for our own word, gossip, sync and join alike
//	release  the only way out, with the router's guards in gossip.go
//	gossip   one topic a community; a hint, never the truth
//	sync     what gossip lost: digests, summaries, headers, bodies
//	fetch    bodies whose header gossip announced
//	outbox, deliver, takedelivery, receipt  what is above GREEN goes sealed to
//	         each named recipient, until it has signed for it
//	group, client, audience, who  sharing groups, whom AMBER goes on to, and
//	         who would get what, by which rule
//	takeback, recall  our own word revoked or erased; the erasures of all
//	         carried out
//	convergence, delivery  what others held when last compared, of all and of
//	         our own word
//	archive  what an audience may see, written to a medium for an air gap, and
//	         taken in from one: the way out and in without a connection; above
//	         GREEN it is sealed to each node
//	join     guests with an invite, and new nodes of members
//	ownnode  a second node of an organisation, or one with a new key, comes in
//	renew    certificates are renewed in time, or loaded
//	integrity  faults in the logs of others are proven, told and answered with
//	         quarantine; our own goes on in a new epoch after an old backup
//	revocation  node keys that were ended: what is left standing of their word
//	rules, bench, judgement  what the operator decided, in force: how far whom
//	         is believed, and what may act on a value
//	admission, held, review  what the policy lets in, declines, or holds until a
//	         person decides; sharing: with whom what we say is shared
//	sight    others' word met or called harmless; outcome, outcomebook, reckon:
//	         what became of everybody's word, by which trust moves
//	why, word, case, explanation  every judgement with its reasons, to be replayed
//	basis, basisrecorder, timeline  what values are judged by, put on record as it
//	         changes, and read back; hindsight, past: how they were judged then;
//	         consult: the same from a store and a journal, without a node
//	audit, auditacts, auditops, tally  what was done, by whom, for the journal
//	quota, budget, vain  what others may cost us: of the disk by author, of work
//	         by neighbour
//	later    what is dated ahead waits in memory until its time has come
//	peers    random connections to members, redialled; names; blocks
//	door     puts every new outlook in force on topics and connections
//
// What a node knows of others is an outlook: a view that trust judges by, made
// anew with every statement and never changed. A node is given its host, its
// gate and its store; it opens no file and listens on nothing by itself.
//
// Lock rule: n.mu guards small maps and is never held while waiting.
package node
