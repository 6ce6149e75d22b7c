package node

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/tocsin-exchange/tocsin/protocol"
	"github.com/tocsin-exchange/tocsin/protocol/stix"
	"github.com/tocsin-exchange/tocsin/trust"
)

// A Submission is what an analyst or an importer wants said.
type Submission struct {
	Community protocol.ID          // up to GREEN
	Audience  []protocol.Recipient // above it
	TLP       protocol.TLP
	PAP       protocol.PAP
	Drafts    []stix.Draft
}

// A Receipt is one object that was said: signed, stored durably, and on its way.
type Receipt struct {
	Bulletin protocol.ID       `json:"bulletin"`
	ID       string            `json:"id"`
	Claims   []stix.Observable `json:"claims,omitempty"`
}

// A Refusal is one draft that was not said, and why.
type Refusal struct {
	Index  int    `json:"index"`
	Reason string `json:"reason"`
}

// softBody is how full a bulletin is made: below the limit of a body with
// room for salts and framing.
const softBody = 640 << 10

// Submit says drafts under one label to one community, or to the recipients
// named. Drafts that cannot be said are refused one by one and the rest goes
// through; an error means that nothing was. When it returns, what was accepted
// is durable.
func (n *Node) Submit(ctx context.Context, s Submission) ([]Receipt, []Refusal, error) {
	issue, err := n.issue(s)
	if err != nil {
		return nil, nil, err
	}
	var receipts []Receipt
	var refusals []Refusal
	var parts []part
	var places []int // which part each receipt is in
	size := 0
	scope, now := n.scope(issue), time.Now()
	for i, d := range s.Drafts {
		o, err := n.finish(d, scope, now, s.TLP)
		if err != nil {
			refusals = append(refusals, Refusal{i, err.Error()})
			continue
		}
		if len(parts) == 0 || len(parts[len(parts)-1].objects) >= protocol.MaxObjects || size+len(o.Raw) > softBody {
			parts, size = append(parts, part{}), 0
		}
		last := &parts[len(parts)-1]
		last.objects, last.parsed, size = append(last.objects, o.Raw), append(last.parsed, o), size+len(o.Raw)+64
		receipts, places = append(receipts, Receipt{ID: o.ID, Claims: o.Claims}), append(places, len(parts)-1)
	}
	if len(parts) == 0 {
		return nil, refusals, nil
	}
	bulletins, err := n.author.publish(ctx, issue, parts)
	if err != nil {
		return nil, nil, err
	}
	for i := range receipts {
		receipts[i].Bulletin = bulletins[places[i]].ID()
	}
	return receipts, refusals, nil
}

// issue says what bulletins a submission becomes, if it may be said at all.
func (n *Node) issue(s Submission) (protocol.Header, error) {
	h := protocol.Header{Kind: protocol.Objects, TLP: s.TLP, PAP: s.PAP}
	if !trust.Named(s.TLP) {
		if len(s.Audience) > 0 {
			return h, fmt.Errorf("%w: %s goes to a whole community: to name recipients, label it amber or above", ErrRefused, s.TLP.Label())
		}
		h.Community = s.Community
		if v := n.look().MaySubmit(s.TLP, s.Community); !v.Allowed {
			return h, refusal(v)
		}
		return h, nil
	}
	h.Audience = slices.Clone(s.Audience)
	protocol.SortAudience(h.Audience)
	h.Audience = slices.Compact(h.Audience)
	if v := n.look().MaySubmitTo(s.TLP, h.Audience); !v.Allowed {
		return h, refusal(v)
	}
	return h, nil
}

// errErased keeps out what its author has had destroyed, whoever has kept a copy.
var errErased = errors.New("it was erased here at its author's request")

// finish turns a draft into the object to sign.
func (n *Node) finish(d stix.Draft, scope []byte, now time.Time, label protocol.TLP) (stix.Object, error) {
	isTLP := func(id string) bool { _, is := protocol.MarkingTLP(id); return is }
	if d.Object != nil {
		foreign, err := stix.Parse(d.Object)
		if err != nil {
			return stix.Object{}, err
		}
		if err := protocol.CheckMarkings(label, foreign.MarkingRefs); err != nil {
			return stix.Object{}, err
		}
		if n.store.WasErased(foreign) {
			return stix.Object{}, errErased
		}
	}
	o, err := d.Finish(scope, now, isTLP)
	if err != nil {
		return o, err
	}
	if len(o.Raw) > protocol.MaxObject {
		return o, fmt.Errorf("%d bytes, at most %d are allowed", len(o.Raw), protocol.MaxObject)
	}
	return o, nil
}

// scope is what the id of an object depends on besides its value: who says it,
// where, under which label, to whom. The same value in the same scope is a new
// version of the same object.
func (n *Node) scope(h protocol.Header) []byte {
	sum := sha256.New()
	sum.Write([]byte("tocsin object scope v1"))
	sum.Write(n.cert.Org[:])
	sum.Write(h.Community[:])
	sum.Write([]byte{byte(h.TLP)})
	for _, r := range h.Audience {
		sum.Write(r.Org[:])
		sum.Write(r.Group[:])
		sum.Write([]byte(r.Person)) // versions of a roster are one scope
		sum.Write([]byte{0})
	}
	return sum.Sum(nil)
}
