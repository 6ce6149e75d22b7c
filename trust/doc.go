// Package trust is judgement: pure functions of a bulletin, the statements of
// its community, and what the operator chose. It reads no clock, no file and
// no store; whoever asks hands it a [View].
//
// The rules of TLP 2.0 live here and nowhere else:
//
//	CLEAR, GREEN    travel among the members of the bulletin's community
//	AMBER           to the organisations and sharing groups it names, and from
//	                each of them to the clients that one declared, no further
//	AMBER+STRICT    to those named only
//	RED             from its author to the organisations of the persons named;
//	                there it shows to those persons ([MayShow])
//
// An empty audience is nobody. A sharing group is a list of organisations with
// versions, said by its owner; what is said to a version is for those in it, for
// those of a later version that grants its history, and never again for whoever
// the newest version leaves out, not even as somebody's client. To a version of
// a group only those speak who are in it, and its owner. Nothing that was said is
// ever widened: that takes a new bulletin by its author.
//
// Membership ([History.Members]) is one deterministic function of charter,
// introductions and removals: founders are members; whoever enough members
// introduced is one; an introduction that was removed never counts again, and
// those reached only through it fall too. The order in which statements arrive
// makes no difference, so all who hold the same statements see the same members.
//
// A node that breaks its own log proves it by its own signatures ([Prove]), and
// its organisation is quarantined by everybody who holds the proof: it keeps its
// membership and its connections, and what it says is held and passed on, but
// does not answer, until the operator releases it.
//
// An organisation ends one of its node keys by naming the last good headers
// ([Revocations]): the node is connected nowhere any more, and only those headers
// and the ones before them count of what the key ever signed, statements on
// membership included. The organisation is not quarantined for the rest.
//
// Every answer is a [Verdict] with the rule that gave it, so that it can be
// explained. Deny is the zero value.
package trust
