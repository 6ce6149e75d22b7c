package node

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/tocsin-exchange/tocsin/protocol"
	"github.com/tocsin-exchange/tocsin/protocol/stix"
	"github.com/tocsin-exchange/tocsin/storage"
	"github.com/tocsin-exchange/tocsin/trust"
)

// reviewEvery is how often what is held is looked through: for what has waited
// for too long, and for what was decided on.
const reviewEvery = time.Minute

// A Waiting is something that is held for a person: a bulletin of others that
// came in, or a submission of ours that would go out.
type Waiting struct {
	ID        protocol.ID  `json:"id"`   // of the bulletin, or of the submission
	Kind      string       `json:"kind"` // "admission" or "submission"
	Rule      string       `json:"rule"`
	Reason    string       `json:"reason"`
	Org       string       `json:"org"`            // whose word it is
	From      string       `json:"from,omitempty"` // of an admission: who handed it over
	By        string       `json:"by,omitempty"`   // of a submission: who submitted it
	TLP       protocol.TLP `json:"tlp"`
	PAP       protocol.PAP `json:"pap,omitzero"`
	Community string       `json:"community,omitempty"`
	Audience  string       `json:"audience,omitempty"`
	Objects   int          `json:"objects"`
	Held      time.Time    `json:"held"`
	Expires   time.Time    `json:"expires"`
}

// A Reviewer is who looks at what is held, and what they may see.
type Reviewer struct {
	Name    string                      // of the person, else of the token; "operator" without one
	Visible func(*protocol.Header) bool // nil: everything
}

func (r *Reviewer) sees(h *protocol.Header) bool { return r.Visible == nil || r.Visible(h) }

// Waiting lists what is held for a person, the oldest first. What nobody may let
// in now (its author was blocked, removed or found to lie) is not among it.
func (n *Node) Waiting(as Reviewer) []Waiting {
	list, review := []Waiting{}, n.rules.Load().Policy.Review
	for id, r := range n.desk.waiting(stateHeld) {
		if as.sees(&r.Header) && n.stillWaits(id, &r) == nil {
			list = append(list, n.describe(id, &r, review.Expire))
		}
	}
	slices.SortFunc(list, func(a, b Waiting) int { return cmp.Or(a.Held.Compare(b.Held), a.ID.Compare(b.ID)) })
	return list
}

// Awaits reports whether something is held for a person who has not decided, or
// has and it is not done yet.
func (n *Node) Awaits(id protocol.ID) bool { return n.desk.open(id) }

func (n *Node) describe(id protocol.ID, r *heldRecord, expire time.Duration) Waiting {
	o, h := n.look(), &r.Header
	w := Waiting{
		ID: id, Kind: r.Kind, Rule: r.Rule, Reason: r.Reason, Org: o.name(h.Org()), By: r.By, TLP: h.TLP, PAP: h.PAP,
		Audience: n.AudienceText(h.Audience), Objects: r.Count, Held: r.At.UTC(), Expires: r.At.Add(expire).UTC(),
	}
	if c := o.Communities[h.Community]; c != nil {
		w.Community = c.Charter.Name
	}
	if cert, known := o.Nodes[r.From]; known && r.Kind == kindAdmission {
		w.From = o.name(cert.Org)
	}
	return w
}

// stillWaits says why an item is none any more.
func (n *Node) stillWaits(id protocol.ID, r *heldRecord) error {
	if r.Kind == kindSubmission {
		return nil
	}
	b, state, err := n.store.Header(id)
	if err != nil || state != storage.Declined {
		return errNotHeld(id)
	}
	if v := n.mayStand(b, r); v.Outcome != trust.Admit {
		return fmt.Errorf("%w: %s (%s)", ErrRefused, v.Reason, v.Rule)
	}
	return nil
}

// visible returns an item that waits and that the reviewer may see.
func (n *Node) visible(id protocol.ID, as Reviewer) (heldRecord, error) {
	r, is := n.desk.find(id)
	if !is || r.State != stateHeld || !as.sees(&r.Header) || n.stillWaits(id, &r) != nil {
		return r, errNotHeld(id)
	}
	return r, nil
}

// WaitingContent returns what is held and its objects: of a submission as they
// would be signed now. Errors wrap [ErrNotFound].
func (n *Node) WaitingContent(id protocol.ID, as Reviewer) (Waiting, []stix.Object, error) {
	r, err := n.visible(id, as)
	if err != nil {
		return Waiting{}, nil, err
	}
	objects, err := n.heldObjects(id, &r)
	return n.describe(id, &r, n.rules.Load().Policy.Review.Expire), objects, err
}

func (n *Node) heldObjects(id protocol.ID, r *heldRecord) (objects []stix.Object, err error) {
	if r.Remark != nil {
		all, err := n.remarkHeld(n.ctx, r)
		if err != nil {
			return nil, nil // it can only be rejected
		}
		return all.drafts[0].parts[0].parsed, nil
	}
	if r.Kind == kindSubmission {
		s, err := n.heldSubmission(id, r)
		if err != nil {
			return nil, err
		}
		d := n.newDraft(r.Header)
		for _, written := range s.Drafts {
			if o, err := d.finish(written, s.TLP); err == nil {
				objects = append(objects, o)
			}
		}
		return objects, nil
	}
	b, err := n.heldBulletin(id, r)
	if err != nil {
		return nil, err
	}
	return parsed(b), nil
}

// Accept lets in what is held, or says what was submitted; then it returns what
// was said and what could not be. Where the policy wants four eyes, nobody
// accepts a submission of their own. It is durable when it returns.
func (n *Node) Accept(ctx context.Context, id protocol.ID, as Reviewer) (kind string, receipts []Receipt, refusals []Refusal, err error) {
	r, err := n.visible(id, as)
	if err != nil {
		return "", nil, nil, err
	}
	if r.Kind == kindSubmission && r.By == as.Name && n.rules.Load().Policy.Review.FourEyes {
		return "", nil, nil, fmt.Errorf("%w: %s submitted it, and the policy wants four eyes: somebody else accepts it", ErrRefused, as.Name)
	}
	if r, err = n.desk.decide(ctx, id, decision{state: stateAccepted, by: as.Name}); err != nil {
		return "", nil, nil, err
	}
	ctx = context.WithoutCancel(ctx) // what was decided is done
	n.noteReview(ctx, id, &r)
	receipts, refusals, err = n.carryOutReview(ctx, id, &r)
	if errors.Is(err, ErrRefused) || errors.Is(err, ErrUsage) || errors.Is(err, ErrNotFound) || errors.Is(err, storage.ErrReadOnly) { // it was not
		err = errors.Join(err, n.desk.undecide(ctx, id))
	}
	return r.Kind, receipts, refusals, err
}

// Reject declines for good what is held, or drops what was submitted. The reason,
// at most 200 bytes, stays in the receipt.
func (n *Node) Reject(ctx context.Context, id protocol.ID, as Reviewer, reason string) (kind string, err error) {
	if len(reason) > maxWord {
		return "", fmt.Errorf("%w: a reason of %d bytes, at most %d are allowed", ErrUsage, len(reason), maxWord)
	}
	if _, err := n.visible(id, as); err != nil {
		return "", err
	}
	r, err := n.desk.decide(ctx, id, decision{state: stateRejected, by: as.Name, word: reason})
	if err != nil {
		return "", err
	}
	n.noteReview(ctx, id, &r)
	_, _, err = n.carryOutReview(context.WithoutCancel(ctx), id, &r)
	return r.Kind, err
}

// carryOutReview does what was decided. It may be called again after a crash, or
// an error: what it did is not done twice.
func (n *Node) carryOutReview(ctx context.Context, id protocol.ID, r *heldRecord) (receipts []Receipt, refusals []Refusal, err error) {
	if err := n.dies(id, stepDecided); err != nil {
		return nil, nil, err
	}
	switch {
	case r.Kind == kindAdmission && r.State == stateAccepted:
		err = n.letIn(ctx, id, r)
	case r.Kind == kindAdmission:
		_, err = n.admit(ctx, n.redecided(id, r, storage.Declined, r.refusal()))
	case r.State == stateAccepted:
		receipts, refusals, err = n.submitHeld(ctx, id, r)
	}
	if err == nil {
		err = n.dies(id, stepDone)
	}
	if err != nil {
		return nil, nil, err
	}
	n.desk.settle(id)
	return receipts, refusals, nil
}

// Steps of a review, between which tests have it end.
const (
	stepDecided = "decided"
	stepDone    = "done"
)

func (n *Node) dies(id protocol.ID, step string) error {
	if n.die == nil {
		return nil
	}
	return n.die(id, step)
}

// refusal is the reason of the receipt of what was rejected.
func (r *heldRecord) refusal() string {
	switch {
	case r.Ruled != "":
		return r.Ruled
	case r.Decided == "":
		return ruledExpired + r.Rule
	case r.Word == "":
		return ruledReject + r.Decided
	}
	return ruledReject + r.Decided + ": " + r.Word
}

// maxWord is how many bytes a reviewer says of what they reject.
const maxWord = 200

// letIn admits a bulletin that a person accepted, or that is held by no rule any
// more, and lets its author know.
func (n *Node) letIn(ctx context.Context, id protocol.ID, r *heldRecord) error {
	b, err := n.heldBulletin(id, r)
	if err != nil {
		return err
	}
	if v := n.mayStand(b, r); v.Outcome != trust.Admit {
		return fmt.Errorf("%w: %s (%s)", ErrRefused, v.Reason, v.Rule)
	}
	erased, reason := n.erasedOf(b), cmp.Or(r.Ruled, ruledAccept+r.Decided)
	b = b.Without(erased)
	e := storage.Entry{Bulletin: b, From: r.From, Received: r.At}
	if e.Body, e.Reason, e.Objects = bodyState(b, reason, erased); e.Body != storage.Held {
		return fmt.Errorf("%w: %s", ErrRefused, e.Reason)
	}
	if r.Forward != nil {
		e.Aside, e.Via = true, r.Forward.Certificate.Org
	}
	if _, err := n.admit(ctx, []storage.Entry{e}); err != nil {
		return err
	}
	n.spread("") // who asked for it before was told that it is not here
	return n.acknowledge(ctx, b)
}

// acknowledge brings the author of what was declined at first, above GREEN, a
// receipt that says that it is held now. It is kept as those of our clients are,
// so that a restart does not lose it (see loadRelays).
func (n *Node) acknowledge(ctx context.Context, b *protocol.Bulletin) error {
	if !trust.Named(b.Header.TLP) {
		return nil
	}
	receipt := protocol.SignReceipt(n.key, n.certificate(), b.ID(), protocol.ReceiptHeld, protocol.Millis(time.Now()))
	if err := n.store.Table(tableReceipts).Set(ctx, receiptKey(b.ID(), n.cert.Node), receipt.Encode()); err != nil {
		return fmt.Errorf("review: keep the receipt: %w", err)
	}
	n.outbox.relay(relay{b.Header.Org(), receipt})
	signal(n.outbox.news)
	return nil
}

// runReview keeps what is held in order.
func (n *Node) runReview() {
	tick := time.NewTicker(reviewEvery)
	defer tick.Stop()
	for first := true; ; first = false {
		err := errors.Join(n.resumeReviews(), n.expireHeld(), n.askAgainByRules(n.ctx, first), n.clearHeld())
		if err != nil && n.ctx.Err() == nil {
			n.log.Error("review", "err", err)
		}
		select {
		case <-n.ctx.Done():
			return
		case <-n.desk.wake:
		case <-tick.C:
		}
	}
}

// resumeReviews does what was decided before a crash and not done. What may not
// be done any more waits again.
func (n *Node) resumeReviews() (err error) {
	for _, id := range n.desk.left {
		r, _ := n.desk.find(id)
		_, _, failed := n.carryOutReview(n.ctx, id, &r)
		if errors.Is(failed, ErrRefused) {
			failed = n.desk.undecide(n.ctx, id)
		}
		err = errors.Join(err, failed)
	}
	n.desk.left = nil // only this goroutine knows of it since the start
	return err
}

// expireHeld rejects what nobody decided on in time, and forgets what the store
// holds by now.
func (n *Node) expireHeld() (err error) {
	expire, now := n.rules.Load().Policy.Review.Expire, time.Now()
	for id, r := range n.desk.waiting(stateHeld) {
		if _, state := n.store.Has(id); r.Kind == kindAdmission && (state == storage.Held || state == storage.Erased) {
			n.desk.settle(id)
			continue
		}
		if now.Before(r.At.Add(expire)) {
			continue
		}
		r, failed := n.desk.decide(n.ctx, id, decision{state: stateRejected})
		if failed == nil {
			n.noteReview(n.ctx, id, &r)
			_, _, failed = n.carryOutReview(n.ctx, id, &r)
		}
		err = errors.Join(err, failed)
	}
	return err
}

// clearHeld destroys the rows of what is done with.
func (n *Node) clearHeld() error {
	brief, cancel := context.WithTimeout(n.ctx, eraseWithin)
	defer cancel()
	return n.desk.purge(brief, n.desk.over())
}
