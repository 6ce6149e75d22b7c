package trust

import (
	"github.com/tocsin-exchange/tocsin/protocol"
)

// A Fault is a way in which a node breaks the rules of its own log. No honest
// node ever does, whatever happens to its disk or its clock.
type Fault uint8

const (
	Equivocation Fault = iota + 1 // two headers at one place
	Backdating                    // a header dated before the one it follows, in one epoch
)

// String says what the node did.
func (f Fault) String() string {
	switch f {
	case Equivocation:
		return "said two things at one place"
	case Backdating:
		return "dated a bulletin before the one it follows"
	}
	return "broke its log"
}

// A Proof is two signed headers of one node that show a fault. Whoever holds
// the headers can check it; nobody needs to be believed.
type Proof struct {
	Fault     Fault
	Org       protocol.Org
	Node      protocol.Node
	Community protocol.ID
	Headers   [2]protocol.ID // of a backdating, the earlier place first; else sorted
}

// Prove says what two headers show: nothing, or a fault of the organisation
// that speaks in them. There are two proofs when one node spoke for two.
func Prove(a, b *protocol.Bulletin) []Proof {
	fault := contradiction(a, b)
	if fault == 0 {
		if fault = contradiction(b, a); fault == 0 {
			return nil
		}
		a, b = b, a
	}
	if fault == Equivocation && a.ID().Compare(b.ID()) > 0 {
		a, b = b, a
	}
	p := Proof{fault, a.Header.Org(), a.Header.Certificate.Node, a.Header.Community, [2]protocol.ID{a.ID(), b.ID()}}
	proofs := []Proof{p}
	if p.Org = b.Header.Org(); p.Org != proofs[0].Org {
		proofs = append(proofs, p)
	}
	return proofs
}

// contradiction looks at what is cheap first: nearly all headers are in order.
func contradiction(a, b *protocol.Bulletin) (fault Fault) {
	x, y := &a.Header, &b.Header
	switch {
	case a.ID() == b.ID() || x.Epoch != y.Epoch:
		return 0
	case x.Seq == y.Seq:
		fault = Equivocation
	case y.Prev == a.ID() && y.Issued < x.Issued:
		fault = Backdating
	default:
		return 0
	}
	if x.Stream().ID() != y.Stream().ID() {
		return 0
	}
	return fault
}

// Quarantine returns the organisations that are to be quarantined, each with
// its first proof of which a header was not released. It looks at the headers
// proven bad, not at how they were paired: of three at one place, whoever
// released all three has released every pair.
func Quarantine(proofs []Proof, released map[protocol.Org]map[protocol.ID]bool) map[protocol.Org]Proof {
	quarantined := map[protocol.Org]Proof{}
	for _, p := range proofs {
		r := released[p.Org]
		if _, is := quarantined[p.Org]; !is && !(r[p.Headers[0]] && r[p.Headers[1]]) {
			quarantined[p.Org] = p
		}
	}
	return quarantined
}
