// Package trust is judgement: pure functions of a bulletin, the statements of
// its community, and what the operator chose. It reads no clock, no file and
// no store; whoever asks hands it a [View].
//
// The rules of TLP 2.0 live here and nowhere else:
//
//	CLEAR, GREEN          travel among the members of the bulletin's community
//	AMBER, AMBER+STRICT,  have no road in this version: refused where they are
//	RED                   submitted and where they arrive, never sent wider
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
// Every answer is a [Verdict] with the rule that gave it, so that it can be
// explained. Deny is the zero value.
package trust
