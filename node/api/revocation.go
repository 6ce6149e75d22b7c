package api

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/tocsin-exchange/tocsin/node"
	"github.com/tocsin-exchange/tocsin/protocol"
)

// A RevokeRequest ends the key of a node of our organisation.
type RevokeRequest struct {
	Node string   `json:"node"`           // peer id, or node key
	Keep []string `json:"keep,omitempty"` // ids of the last good bulletins, at most 64
	None bool     `json:"none,omitempty"` // else those held here of every other log are good as well
}

// A RevokeAnswer says what a revocation leaves standing.
type RevokeAnswer struct {
	Node protocol.Node `json:"node"`
	Peer string        `json:"peer"`
	Kept []Kept        `json:"kept"` // these and what is before them in their logs
}

// A Kept is the last good bulletin of a log of a revoked key.
type Kept struct {
	Bulletin  protocol.ID  `json:"bulletin"`
	Kind      string       `json:"kind"`
	Community string       `json:"community"` // "-" above GREEN
	TLP       protocol.TLP `json:"tlp"`
	Issued    time.Time    `json:"issued"`
}

func (d *Door) revokeNode(ctx context.Context, r RevokeRequest) (RevokeAnswer, error) {
	of, err := node.ParseNode(r.Node)
	if err != nil {
		return RevokeAnswer{}, err
	}
	keep := make([]protocol.ID, len(r.Keep))
	for i, text := range r.Keep {
		if err := keep[i].UnmarshalText([]byte(text)); err != nil {
			return RevokeAnswer{}, fmt.Errorf("%w: bulletin %q: %v", node.ErrUsage, text, err)
		}
	}
	last, err := d.node.RevokeNode(ctx, of, keep, !r.None)
	if err != nil {
		return RevokeAnswer{}, err
	}
	names := map[protocol.ID]string{{}: "-"}
	for _, c := range d.node.Communities() {
		names[c.ID] = c.Name
	}
	answer := RevokeAnswer{Node: of, Peer: node.PeerID(of).String(), Kept: []Kept{}}
	for _, id := range last {
		b, _, err := d.node.Store().Header(id)
		if err != nil {
			return answer, err
		}
		answer.Kept = append(answer.Kept, Kept{id, b.Header.Kind.String(), names[b.Header.Community], b.Header.TLP, protocol.Time(b.Header.Issued).UTC()})
	}
	slices.SortFunc(answer.Kept, func(a, b Kept) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Community, b.Community), cmp.Compare(a.TLP, b.TLP), a.Issued.Compare(b.Issued), a.Bulletin.Compare(b.Bulletin))
	})
	return answer, nil
}
