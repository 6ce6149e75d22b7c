package node

import (
	"context"
	"crypto/rand"
	"fmt"
	"slices"
	"time"

	"github.com/tocsin-exchange/tocsin/protocol"
	"github.com/tocsin-exchange/tocsin/protocol/stix"
	"github.com/tocsin-exchange/tocsin/storage"
	"github.com/tocsin-exchange/tocsin/trust"
	"github.com/tocsin-exchange/tocsin/trust/policy"
)

// A heldRemark is a sighting or a verdict that waits for a person.
type heldRemark struct {
	Value         stix.Observable `json:"value"`
	About         string          `json:"about"` // what it speaks of: it tells the scope
	FalsePositive bool            `json:"false_positive,omitzero"`
	Count         int             `json:"count,omitzero"`
	LastSeen      time.Time       `json:"last_seen,omitzero"`
	Note          string          `json:"note,omitempty"`
	Confidence    int             `json:"confidence"`
}

func (r *heldRemark) sight() Sight {
	return Sight{Values: []stix.Observable{r.Value}, FalsePositive: r.FalsePositive, Count: r.Count, LastSeen: r.LastSeen, Note: r.Note, Confidence: r.Confidence}
}

// shareRemark asks the share rules about what is to be said of one subject, as a
// submission of one value under the claim's label. An audience that a rule names
// leaves of those who may be told the ones it names as well, and adds nobody.
func (n *Node) shareRemark(ctx context.Context, s *Sight, t *subject, community string, audience []protocol.Recipient) ([]protocol.Recipient, trust.Verdict, error) {
	p, h := n.rules.Load().Policy, t.newest.Header
	if len(p.Shares) == 0 || s.accepted {
		return audience, trust.Verdict{Allowed: true}, nil
	}
	r := p.Share(policy.Submission{
		TLP: h.TLP, PAP: h.PAP, Community: community, Drill: h.Drill != "", Count: len(s.Values), Confidence: max(0, s.Confidence),
		Types: []string{string(t.value.Type)}, Values: []string{t.value.Value}, Person: s.Person, Role: s.Role,
	})
	switch r.Do {
	case policy.Allow:
		return audience, trust.Verdict{Allowed: true}, nil
	case policy.Refuse:
		return nil, deny(ruledOut+r.Rule, r.Reason), nil
	case policy.Hold:
		held, err := n.holdRemark(ctx, s, t, audience, r)
		return nil, held, err
	}
	named, err := n.Audience(h.TLP, r.Group, r.To, "")
	if err != nil {
		return nil, deny(ruledOut+r.Rule, err.Error()), nil
	}
	both := slices.DeleteFunc(slices.Clone(audience), func(a protocol.Recipient) bool {
		return !slices.ContainsFunc(named, func(b protocol.Recipient) bool { return a.Org == b.Org && a.Group == b.Group })
	})
	if len(both) == 0 {
		return nil, deny(ruledOut+r.Rule, "the rule names nobody of those who may see the claim"), nil
	}
	return both, trust.Verdict{Allowed: true}, nil
}

func deny(rule, reason string) trust.Verdict { return trust.Verdict{Rule: rule, Reason: reason} }

// holdRemark keeps what is to be said of one subject for a person, and says so.
func (n *Node) holdRemark(ctx context.Context, s *Sight, t *subject, audience []protocol.Recipient, r policy.Ruling) (held trust.Verdict, err error) {
	h := t.newest.Header
	header := protocol.Header{Kind: protocol.Objects, Community: h.Community, TLP: h.TLP, PAP: h.PAP, Audience: audience, Drill: h.Drill, Certificate: n.certificate()}
	waits := heldRecord{
		Kind: kindSubmission, Rule: r.Rule, Reason: r.Reason, At: time.Now(), Count: 1, Header: header, By: s.By, Role: s.Role,
		Remark: &heldRemark{t.value, t.derived, s.FalsePositive, s.Count, s.LastSeen, s.Note, s.Confidence},
	}
	var id protocol.ID
	rand.Read(id[:])
	kept, err := n.desk.add(ctx, id, waits, nil, n.rules.Load().Policy.Review.Limit)
	if err != nil || !kept {
		return deny(ruledFull+r.Rule, "too much waits for review already"), err
	}
	n.noteHeld(ctx, id, &waits)
	return deny(ruledHeld+r.Rule, fmt.Sprintf("held for review as %s", id)), nil
}

// remarkHeld drafts what was held, if what it speaks of is still here.
func (n *Node) remarkHeld(ctx context.Context, r *heldRecord) (all remarks, err error) {
	s := r.Remark.sight()
	s.accepted = true
	subjects, err := n.subjects(r.Remark.Value, nil)
	if err != nil {
		return all, err
	}
	for i := range subjects {
		if subjects[i].derived != r.Remark.About {
			continue
		}
		no, err := n.remark(ctx, &all, s, &subjects[i], time.Now())
		if err == nil && no != nil {
			err = fmt.Errorf("%w: %s (%s)", ErrRefused, no.Reason, no.Rule)
		}
		return all, err
	}
	return all, fmt.Errorf("%w: nobody claims %s any more where it was to be said", ErrRefused, r.Remark.Value)
}

// sayHeldRemark says what was held and a person accepted, unless that was done
// before a crash.
func (n *Node) sayHeldRemark(ctx context.Context, r *heldRecord) ([]Receipt, error) {
	all, err := n.remarkHeld(ctx, r)
	if err != nil {
		return nil, err
	}
	id := all.drafts[0].parts[0].parsed[0].ID
	before, err := n.store.VersionsOfID(id, func(h *protocol.Header) bool {
		return h.Org() == n.cert.Org && h.Issued >= protocol.Millis(r.DecidedAt)
	})
	if err != nil {
		return nil, err
	}
	if len(before) > 0 {
		return []Receipt{receiptOf(before[0])}, nil
	}
	said, err := n.sayRemarks(ctx, &all, r.Remark.FalsePositive)
	var receipts []Receipt
	for _, one := range said {
		receipts = append(receipts, Receipt{Bulletin: one.Bulletin, ID: one.ID})
	}
	return receipts, err
}

func receiptOf(v storage.Version) Receipt { return Receipt{Bulletin: v.Bulletin, ID: v.Object.ID} }
