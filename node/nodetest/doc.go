// Package nodetest runs a whole federation inside one test, in virtual time.
//
// Call it inside a [testing/synctest] bubble. Hosts are joined by libp2p's
// in-memory network; everything else is real: client, handler, node, signature,
// store on disk, gossip, validator, policy, lookup. An hour takes seconds.
//
//	synctest.Test(t, func(t *testing.T) {
//		fed := nodetest.New(t, `
//			bank     -- hospital
//			hospital -- vendor
//		`)
//		green := fed.Submit("bank", "203.0.113.7", protocol.Green)
//		fed.Settle()
//		fed.HeldBy(green, "bank", "hospital", "vendor")
//	})
//
// The graph, one thing a line:
//
//	a -- b               a network link; pairs without one cannot connect
//	org a                an organisation without a link yet
//	stranger m           m is in no community
//	node b of a          b is another node of organisation a, and is not started yet
//	m calls itself a     the name m gives of itself
//
// All but strangers are members of one community, called isac, founded by the
// first organisation named, which introduced the others. Those linked have
// compared fingerprints and call each other by name (up to 16 organisations).
//
// [Raw] is a hostile host: it speaks the protocols without the rules. A
// [Byzantine] is one that is a member, with all that members are sent. Taps are on
// all that reaches anybody: [Federation.Canary] returns something to be looked
// for, [Federation.Leaked] who saw it that may not, and where.
package nodetest
