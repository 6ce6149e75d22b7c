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
	Force     bool // what nothing may ever act on is said after all, to our own organisation only

	Group  string   // that the submitter asked for, for the share rules
	To     []string // the same: ORG or ORG/PERSON
	Person string   // who submits, where known
	Role   string
	By     string // who that is for a second pair of eyes: the person, else the token, or "operator"

	at time.Time // when it was accepted, of what was held; zero: it was not
}

// A Receipt is one object that was said: signed, stored durably, and on its way.
type Receipt struct {
	Bulletin protocol.ID       `json:"bulletin"`
	ID       string            `json:"id"`
	Claims   []stix.Observable `json:"claims,omitempty"`
	Kept     bool              `json:"kept,omitzero"`      // it stays in our own organisation
	Rule     string            `json:"rule,omitempty"`     // the share rule that said who gets it
	Audience string            `json:"audience,omitempty"` // whom it named
}

// A Refusal is one draft that was not said, and why.
type Refusal struct {
	Index  int    `json:"index"`
	Reason string `json:"reason"`
}

// softBody is how full a bulletin is made: below the limit of a body with
// room for salts and framing.
const softBody = 640 << 10

// say says drafts under one label to the audience that is decided on by now.
func (n *Node) say(ctx context.Context, s Submission) ([]Receipt, []Refusal, error) {
	issue, err := n.issue(s)
	if err != nil {
		return nil, nil, err
	}
	shared, kept := n.newDraft(issue), n.newDraft(n.keeping(issue))
	if !s.at.IsZero() {
		shared.now, kept.now, shared.again, kept.again = s.at, s.at, true, true
	}
	judges := n.Judges(shared.now, NoRecord)
	var refusals []Refusal
	for i, d := range s.Drafts {
		o, err := shared.finish(d, s.TLP)
		if hit, never := judges.neverAny(o.Claims); err == nil && never {
			if err = fmt.Errorf("never-block: %s", hit.Reason); s.Force {
				if o, err = kept.finish(d, s.TLP); err == nil {
					kept.add(o)
				}
			}
		} else if err == nil {
			shared.add(o)
		}
		if err != nil {
			refusals = append(refusals, Refusal{i, err.Error()})
		}
	}
	receipts, err := shared.publish(ctx)
	if err != nil {
		return nil, nil, err
	}
	also, err := kept.publish(ctx)
	for i := range also {
		also[i].Kept = true
	}
	n.noteSubmission(ctx, s, append(receipts, also...), len(refusals))
	return append(receipts, also...), refusals, err
}

// keeping is a header for our own organisation alone.
func (n *Node) keeping(h protocol.Header) protocol.Header {
	return protocol.Header{Kind: h.Kind, TLP: protocol.AmberStrict, PAP: h.PAP, Audience: []protocol.Recipient{{Org: n.cert.Org}}}
}

// A draft is what is about to be said under one header.
type draft struct {
	n        *Node
	issue    protocol.Header
	scope    []byte
	now      time.Time
	parts    []part
	size     int // of the last
	receipts []Receipt
	places   []int // which part each receipt is in
	again    bool  // some of it may have been said already, before a crash
	before   []Receipt
	versions map[string]version // the newest of what it says, by id
}

func (n *Node) newDraft(issue protocol.Header) *draft {
	return &draft{n: n, issue: issue, scope: n.scope(issue), now: time.Now(), versions: map[string]version{}}
}

func (d *draft) add(o stix.Object) {
	if d.again {
		if r, said := d.n.saidBefore(&o, d.issue.TLP); said {
			d.before = append(d.before, r)
			return
		}
	}
	if len(d.parts) == 0 || len(d.parts[len(d.parts)-1].objects) >= protocol.MaxObjects || d.size+len(o.Raw) > softBody {
		d.parts, d.size = append(d.parts, part{}), 0
	}
	last := &d.parts[len(d.parts)-1]
	d.versions[o.ID] = version{o.Created, o.Modified, o.Revoked, 0}
	last.objects, last.parsed, d.size = append(last.objects, o.Raw), append(last.parsed, o), d.size+len(o.Raw)+64
	d.receipts, d.places = append(d.receipts, Receipt{ID: o.ID, Claims: o.Claims}), append(d.places, len(d.parts)-1)
}

func (d *draft) publish(ctx context.Context) ([]Receipt, error) {
	if len(d.parts) == 0 {
		return d.before, nil
	}
	bulletins, err := d.n.author.publish(ctx, d.issue, d.parts)
	if err != nil {
		return nil, err
	}
	for i := range d.receipts {
		d.receipts[i].Bulletin = bulletins[d.places[i]].ID()
	}
	return append(d.before, d.receipts...), nil
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

// finish makes the object to sign of what was written under a label.
func (d *draft) finish(written stix.Draft, label protocol.TLP) (stix.Object, error) {
	isTLP := func(id string) bool { _, is := protocol.MarkingTLP(id); return is }
	if written.Object != nil {
		foreign, err := stix.Parse(written.Object)
		if err != nil {
			return stix.Object{}, err
		}
		if err := protocol.CheckMarkings(label, foreign.MarkingRefs); err != nil {
			return stix.Object{}, err
		}
		if d.n.store.WasErased(foreign) {
			return stix.Object{}, errErased
		}
	}
	o, err := written.Finish(d.scope, d.now, isTLP)
	if err != nil {
		return o, err
	}
	if o, err = d.version(written, o, isTLP); err != nil {
		return o, err
	}
	if len(o.Raw) > protocol.MaxObject {
		return o, fmt.Errorf("%d bytes, at most %d are allowed", len(o.Raw), protocol.MaxObject)
	}
	return o, nil
}

// scope is what the id of an object depends on besides its value, see scopeOf.
func (n *Node) scope(h protocol.Header) []byte {
	return scopeOf(n.cert.Org, h.Community, h.TLP, h.Audience)
}

// scopeOf is what the ids of an organisation's objects depend on besides their
// values: who says it, where, under which label, to whom. The same value in the
// same scope is a new version of the same object.
func scopeOf(org protocol.Org, community protocol.ID, label protocol.TLP, audience []protocol.Recipient) []byte {
	sum := sha256.New()
	sum.Write([]byte("tocsin object scope v1"))
	sum.Write(org[:])
	sum.Write(community[:])
	sum.Write([]byte{byte(label)})
	for _, r := range audience {
		sum.Write(r.Org[:])
		sum.Write(r.Group[:])
		sum.Write([]byte(r.Person)) // versions of a roster are one scope
		sum.Write([]byte{0})
	}
	return sum.Sum(nil)
}
