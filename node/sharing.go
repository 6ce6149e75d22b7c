package node

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/tocsin-exchange/tocsin/protocol"
	"github.com/tocsin-exchange/tocsin/protocol/stix"
	"github.com/tocsin-exchange/tocsin/storage"
	"github.com/tocsin-exchange/tocsin/trust"
	"github.com/tocsin-exchange/tocsin/trust/policy"
)

// Said is what became of a submission.
type Said struct {
	Receipts []Receipt
	Refusals []Refusal
	Held     []HeldDrafts
}

// HeldDrafts are drafts of a submission that wait for a person, by one rule.
type HeldDrafts struct {
	ID     protocol.ID `json:"id"` // what it is accepted or rejected by
	Rule   string      `json:"rule"`
	Reason string      `json:"reason"`
	Index  []int       `json:"index"` // of the drafts
}

// Submit is [Node.Say] for whoever has no use for what is held: it counts as
// refused, with the id it is held under.
func (n *Node) Submit(ctx context.Context, s Submission) ([]Receipt, []Refusal, error) {
	said, err := n.Say(ctx, s)
	for _, h := range said.Held {
		for _, i := range h.Index {
			said.Refusals = append(said.Refusals, Refusal{i, fmt.Sprintf("held for review as %s (rule %s)", h.ID, h.Rule)})
		}
	}
	return said.Receipts, said.Refusals, err
}

// Say says drafts under one label to one community, or to the recipients named,
// as the share rules of the policy have it. They are asked about each draft by
// itself, as a submission of as many: it goes where it was to go, to others, to
// nobody, or waits for a person. Drafts that cannot be said are refused one by
// one and the rest goes through; an error means that nothing was said, or not
// all. When it returns, what was accepted is durable. What nothing may ever act
// on is refused, and with Force is said under AMBER+STRICT to our own
// organisation: it is never shared.
func (n *Node) Say(ctx context.Context, s Submission) (Said, error) {
	if len(n.rules.Load().Policy.Shares) == 0 {
		receipts, refusals, err := n.say(ctx, s)
		return Said{Receipts: receipts, Refusals: refusals}, err
	}
	if len(s.Drafts) == 0 {
		_, err := n.issue(s)
		if err != nil && trust.Named(s.TLP) && len(s.Audience) == 0 && n.rulesName() {
			err = nil // a rule may name the audience
		}
		return Said{}, err
	}
	var said Said
	ways := n.ways(&s, &said)
	for _, w := range ways {
		err := n.sayOn(ctx, w, &said)
		switch {
		case err == nil:
		case errors.Is(err, ErrRefused) && len(ways)+len(said.Refusals) > 1:
			for _, i := range w.index {
				said.Refusals = append(said.Refusals, Refusal{i, err.Error()})
			}
		default:
			return said, err
		}
	}
	slices.SortFunc(said.Refusals, func(a, b Refusal) int { return a.Index - b.Index })
	return said, nil
}

// rulesName reports whether some share rule names an audience.
func (n *Node) rulesName() bool {
	return slices.ContainsFunc(n.rules.Load().Policy.Shares, func(r policy.ShareRule) bool { return r.Do == policy.ToGroup || r.Do == policy.ToOrgs })
}

// A way is where the share rules let drafts of a submission go.
type way struct {
	Submission       // with these drafts, and the audience that the rule says
	index      []int // of each draft
	ruling     policy.Ruling
}

// ways asks the share rules about each draft. What they refuse is noted.
func (n *Node) ways(s *Submission, said *Said) (ways []*way) {
	p := n.rules.Load().Policy
	at := map[string]*way{}
	for i, d := range s.Drafts {
		r := p.Share(n.sharing(s, d, len(s.Drafts)))
		id := string(r.Do) + " " + r.Rule
		w := at[id]
		if w == nil && r.Do != policy.Refuse {
			routed, err := n.route(*s, r)
			if err != nil {
				said.Refusals = append(said.Refusals, Refusal{i, fmt.Sprintf("%s%s: %v", ruledOut, r.Rule, err)})
				continue
			}
			w = &way{Submission: routed, ruling: r}
			at[id], ways = w, append(ways, w)
		}
		if r.Do == policy.Refuse {
			said.Refusals = append(said.Refusals, Refusal{i, ruledOut + r.Rule + ": " + r.Reason})
			continue
		}
		w.Drafts, w.index = append(w.Drafts, d), append(w.index, i)
	}
	return ways
}

// route gives a submission without its drafts the audience of a ruling.
func (n *Node) route(s Submission, r policy.Ruling) (Submission, error) {
	s.Drafts = nil
	if r.Do != policy.ToGroup && r.Do != policy.ToOrgs {
		return s, nil
	}
	var err error
	s.Audience, err = n.Audience(s.TLP, r.Group, r.To, s.Person)
	return s, err
}

// sharing is what the share rules are asked about: one draft of so many.
func (n *Node) sharing(s *Submission, d stix.Draft, count int) policy.Submission {
	f := policy.Submission{TLP: s.TLP, PAP: s.PAP, Count: count, Person: s.Person, Role: s.Role, Group: s.Group, To: s.To}
	if c := n.look().Communities[s.Community]; c != nil {
		f.Community = c.Charter.Name
	}
	f.Tags, f.Confidence = slices.Clone(d.Labels), d.Confidence
	claims := []stix.Observable{d.Indicator.Observable}
	if d.Object == nil {
		f.Tags, f.Confidence = append(f.Tags, d.Indicator.Labels...), max(f.Confidence, d.Indicator.Confidence)
	} else {
		o, err := stix.Parse(d.Object) // what cannot be read is refused when it is signed
		if claims = o.Claims; err == nil {
			f.Tags, f.Confidence = append(f.Tags, o.Labels...), max(f.Confidence, o.Confidence)
		}
	}
	for _, o := range claims {
		if o.Type != "" {
			f.Types, f.Values = append(f.Types, string(o.Type)), append(f.Values, o.Value)
		}
	}
	f.Confidence, f.Types, f.Tags = max(0, f.Confidence), distinct(f.Types), distinct(f.Tags)
	return f
}

// sayOn says drafts on their way, or holds them.
func (n *Node) sayOn(ctx context.Context, w *way, said *Said) error {
	if w.ruling.Do == policy.Hold {
		return n.holdSubmission(ctx, w, said)
	}
	receipts, refusals, err := n.say(ctx, w.Submission)
	for i := range receipts {
		if w.ruling.Do != policy.Allow && !receipts[i].Kept {
			receipts[i].Rule, receipts[i].Audience = w.ruling.Rule, n.AudienceText(w.Audience)
		}
	}
	for _, r := range refusals {
		said.Refusals = append(said.Refusals, Refusal{w.index[r.Index], r.Reason})
	}
	said.Receipts = append(said.Receipts, receipts...)
	return err
}

// holdSubmission keeps drafts for a person. Those that could not be said whoever
// accepts them are refused at once.
func (n *Node) holdSubmission(ctx context.Context, w *way, said *Said) error {
	header, err := n.issue(w.Submission)
	if err != nil {
		return err
	}
	header.Certificate = n.certificate()
	d, judges := n.newDraft(header), n.Judges(time.Now(), NoRecord)
	var fit []stix.Draft
	waits := HeldDrafts{Rule: w.ruling.Rule, Reason: w.ruling.Reason}
	for i, written := range w.Drafts {
		o, err := d.finish(written, w.TLP)
		if hit, never := judges.neverAny(o.Claims); err == nil && never && !w.Force {
			err = fmt.Errorf("never-block: %s", hit.Reason)
		}
		if err != nil {
			said.Refusals = append(said.Refusals, Refusal{w.index[i], err.Error()})
			continue
		}
		fit, waits.Index = append(fit, written), append(waits.Index, w.index[i])
	}
	if len(fit) == 0 {
		return nil
	}
	w.Drafts = fit
	content, err := json.Marshal(w.Submission)
	if err != nil {
		return err
	}
	rand.Read(waits.ID[:])
	r := heldRecord{Kind: kindSubmission, Rule: waits.Rule, Reason: waits.Reason, At: time.Now(), Count: len(fit), Header: header, By: w.By, Role: w.Role}
	kept, err := n.desk.add(ctx, waits.ID, r, content, n.rules.Load().Policy.Review.Limit)
	switch {
	case err != nil:
		return err
	case !kept:
		return fmt.Errorf("%w: rule %s wants a second pair of eyes, and too much waits for review already", ErrRefused, waits.Rule)
	}
	n.noteHeld(ctx, waits.ID, &r)
	said.Held = append(said.Held, waits)
	return nil
}

func (n *Node) heldSubmission(id protocol.ID, r *heldRecord) (s Submission, err error) {
	content, err := n.desk.content(id, r)
	if err != nil {
		return s, err
	}
	if err := json.Unmarshal(content, &s); err != nil {
		return s, fmt.Errorf("what is held for review: %w", err)
	}
	for i := range s.Drafts {
		if len(s.Drafts[i].Object) == 0 {
			s.Drafts[i].Object = nil // JSON does not tell none from empty
		}
	}
	return s, nil
}

// submitHeld says what was held and a person accepted, dated when they did: what
// was said before a crash is found again, and not said twice.
func (n *Node) submitHeld(ctx context.Context, id protocol.ID, r *heldRecord) ([]Receipt, []Refusal, error) {
	if r.Remark != nil {
		receipts, err := n.sayHeldRemark(ctx, r)
		return receipts, nil, err
	}
	s, err := n.heldSubmission(id, r)
	if err != nil {
		return nil, nil, err
	}
	s.at = r.DecidedAt
	receipts, refusals, err := n.say(ctx, s)
	if err == nil && len(receipts) == 0 && len(refusals) > 0 {
		err = fmt.Errorf("%w: nothing of it can be said: %s", ErrRefused, refusals[0].Reason)
	}
	return receipts, refusals, err
}

// saidBefore finds our own object of these very bytes.
func (n *Node) saidBefore(o *stix.Object, label protocol.TLP) (Receipt, bool) {
	claims, err := n.store.Object(o.ID, storage.Query{Visible: func(h *protocol.Header) bool { return h.Org() == n.cert.Org && h.TLP == label }})
	if err != nil {
		return Receipt{}, false
	}
	for _, c := range claims {
		if string(c.Object.Raw) == string(o.Raw) {
			return Receipt{Bulletin: c.Bulletin, ID: o.ID, Claims: o.Claims}, true
		}
	}
	return Receipt{}, false
}
