package node

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/tocsin-exchange/tocsin/trust"
)

// silence hashes whose word does not count, and how often keys were disowned.
func silence(v *trust.View, disowned int) uint64 {
	var out []string
	for org := range v.Blocked {
		out = append(out, "blocked"+string(org[:]))
	}
	for org := range v.Quarantined {
		out = append(out, "quarantined"+string(org[:]))
	}
	for id, c := range v.Communities {
		for org := range c.Known {
			if _, is := c.Members[org]; !is {
				out = append(out, "fallen"+string(id[:])+string(org[:]))
			}
		}
	}
	slices.Sort(out)
	sum := sha256.Sum256([]byte(fmt.Sprintf("%d %q", disowned, out)))
	return binary.BigEndian.Uint64(sum[:])
}

// Silence is a number that changes when the word of some organisation, or what
// was said with some node key, ceases to count in answers or counts again,
// without anything that arrives to tell it. It depends on no bulletin of objects.
func (n *Node) Silence() uint64 { return n.look().silence }
