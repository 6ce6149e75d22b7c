package node

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/tocsin-exchange/tocsin/protocol"
	"github.com/tocsin-exchange/tocsin/protocol/stix"
	"github.com/tocsin-exchange/tocsin/storage"
	"github.com/tocsin-exchange/tocsin/trust/score"
)

// A past is what was said of one value, for one asker, up to the moment of the
// judges.
type past struct {
	judges *Judges
	value  stix.Observable
	q      storage.Query
	may    func(*protocol.Header) bool
}

// claims lists every version of every claim that is held.
func (p *past) claims(standing []storage.Claim) ([]Word, error) {
	versions, err := p.judges.n.store.Versions(p.value, p.may)
	if err != nil {
		return nil, err
	}
	words := make([]Word, 0, len(versions))
	newer := map[uint32]bool{} // scopes of which a newer version that counts was met
	for _, v := range slices.Backward(versions) {
		r, err := p.judges.n.store.Receipt(v.Bulletin)
		if errors.Is(err, storage.ErrNotFound) {
			continue // swept just now
		}
		if err != nil {
			return nil, err
		}
		p.judges.hindsight.met(v.Header, int64(r.Received))
		w := Word{Claim: versionOf(&v, &r, p.value)}
		w.State, w.Reason = p.state(&v, newer[v.Scope])
		if i := slices.IndexFunc(standing, func(c storage.Claim) bool { return c.Bulletin == v.Bulletin && c.Index == v.Index }); i >= 0 {
			w.Claim, w.State, w.Reason = standing[i], stands, counts
		}
		if p.q.Visible(v.Header) {
			newer[v.Scope] = true
		}
		words = append(words, w)
	}
	return words, nil
}

// state says why a version does not count.
func (p *past) state(v *storage.Version, newer bool) (state, reason string) {
	switch {
	case !p.q.Visible(v.Header):
		return p.judges.bench.outlook.unheard(v.Header)
	case newer:
		return "superseded", "its organisation has said something newer in its place"
	case v.Object.Revoked:
		return "revoked", "its organisation took it back"
	}
	return "expired", "its time is over"
}

// unheard says why what is under a header does not count, though it is held.
func (o *outlook) unheard(h *protocol.Header) (rule, reason string) {
	org := h.Org()
	switch {
	case o.Blocked[org]:
		return "peer-blocked", "its organisation is blocked here"
	case o.quarantine(org) != "":
		return "quarantined", "its organisation is quarantined: " + o.quarantine(org)
	}
	return "author-fallen", "its organisation is no longer a member"
}

// versionOf is a version as a claim. When it expires stands in it where it says so itself.
func versionOf(v *storage.Version, r *storage.Receipt, o stix.Observable) storage.Claim {
	h := v.Header
	return storage.Claim{
		Observable: o, Relation: storage.Exact, Org: h.Org(), Node: h.Certificate.Node, Community: h.Community, Audience: h.Audience,
		TLP: h.TLP, PAP: h.PAP, Drill: h.Drill, Bulletin: v.Bulletin, Index: v.Index, Issued: protocol.Time(h.Issued),
		Received: protocol.Time(r.Received), Expires: v.Object.ValidUntil, Object: v.Object, From: r.From, Via: r.Via, Reason: r.Reason,
	}
}

// about lists the sightings and opinions, those of organisations that are not
// heard too.
func (p *past) about(standing []storage.Claim) ([]Word, error) {
	all := p.q
	all.Visible = p.may
	_, about, err := p.judges.n.store.AboutValue(p.value, all, IDOf)
	if err != nil {
		return nil, err
	}
	words := make([]Word, 0, len(about))
	for _, c := range standing {
		words = append(words, Word{Claim: c, State: stands, Reason: counts})
	}
	for _, c := range append(slices.Clone(standing), about...) {
		b, _, err := p.judges.n.store.Header(c.Bulletin)
		if err != nil {
			continue // damaged just now
		}
		p.judges.hindsight.met(&b.Header, c.Received.UnixMilli())
		if !p.q.Visible(&b.Header) {
			w := Word{Claim: c}
			w.State, w.Reason = p.judges.bench.outlook.unheard(&b.Header)
			words = append(words, w)
		}
	}
	return words, nil
}

// complete finds out what a word does, who handed it over, and how the value was
// judged when it came.
func (p *past) complete(ctx context.Context, w *Word, parts []score.Part) error {
	if w.State != waits {
		if err := p.then(ctx, w); err != nil {
			return err
		}
	}
	w.From = p.judges.handedOver(w.Claim.From)
	w.became(parts)
	return nil
}

// then judges the value as of the moment a word came, for the same asker. Where
// nothing is known of that moment, whoever said it was heard then.
func (p *past) then(ctx context.Context, w *Word) error {
	judges, known, err := p.judges.hindsight.judges(ctx, w.Received, p.judges.by)
	if err != nil {
		return err
	}
	q := judges.Query()
	heard := q.Visible
	q.Visible = func(h *protocol.Header) bool {
		return p.may(h) && (heard(h) || !known && h.Org() == w.Org && judges.held(h))
	}
	claims, about, err := p.judges.n.store.AboutValue(p.value, q, IDOf)
	if err != nil {
		return err
	}
	for i := range claims {
		if c := &claims[i]; c.Bulletin == w.Bulletin && c.Index == w.Index {
			w.Claim = *c
		}
	}
	v, _ := judges.value(p.value, claims, about)
	tiers := judges.judge.Tiers(v, judges.now)
	t := judges.bench.trust(w.Org, p.value.Type, judges.by, w.Received)
	w.Then = Then{Trust: round(t.Value, 2), Score: tiers.Score, Tier: TierOf(&tiers), Known: known}
	return nil
}

// An Unread is how many bulletins of one organisation are held without what they
// say: whether they are about a value, nobody here knows.
type Unread struct {
	Org       string
	OrgKey    protocol.Org
	State     string // declined, absent (on its way), held (for a person, and too much to look through)
	Rule      string // by which it was declined
	Bulletins int
}

// heldLooked is how much is looked through of what waits for a person.
const heldLooked = 16 << 20

// withheld adds what is known of, as far as the asker may see, and was not let
// in: claims that wait for a person, and bulletins held as headers only.
func (p *past) withheld(w *Why) error {
	counts := map[Unread]int{}
	count := func(h *protocol.Header, state, rule string) {
		counts[Unread{Org: p.judges.n.Name(h.Org()), OrgKey: h.Org(), State: state, Rule: rule}]++
	}
	n, looked := p.judges.n, int64(0)
	waiting := n.desk.waiting(stateHeld)
	for _, id := range slices.SortedFunc(maps.Keys(waiting), func(a, b protocol.ID) int { return waiting[b].At.Compare(waiting[a].At) }) {
		r := waiting[id]
		if !p.may(&r.Header) || r.At.UnixMilli() > p.judges.now || n.stillWaits(id, &r) != nil {
			delete(waiting, id)
			continue
		}
		if looked += r.Size; looked > heldLooked {
			count(&r.Header, waits, r.Rule)
			continue
		}
		words, err := p.waiting(id, &r)
		if err != nil {
			return err
		}
		w.Claims = append(w.Claims, words...)
	}
	for _, id := range n.store.Bodiless() {
		if _, waits := waiting[id]; waits {
			continue
		}
		b, state, err := n.store.Header(id)
		if err != nil || !p.may(&b.Header) {
			continue
		}
		rule := ""
		if r, err := n.store.Receipt(id); err == nil && state == storage.Declined {
			rule = ruleShown(r.Reason)
		}
		count(&b.Header, state.String(), rule)
	}
	for u, bulletins := range counts {
		u.Bulletins = bulletins
		w.Unread = append(w.Unread, u)
	}
	slices.SortFunc(w.Unread, func(a, b Unread) int {
		return cmp.Or(cmp.Compare(a.Org, b.Org), a.OrgKey.Compare(b.OrgKey), cmp.Compare(a.State, b.State), cmp.Compare(a.Rule, b.Rule))
	})
	return nil
}

// ruleShown is why a body was declined, without who decided.
func ruleShown(reason string) string {
	for _, by := range []string{ruledReject, ruledAccept} {
		if strings.HasPrefix(reason, by) {
			return strings.TrimSuffix(by, ":")
		}
	}
	return reason
}

// waiting are the claims on the value in something that waits for a person.
func (p *past) waiting(id protocol.ID, r *heldRecord) (words []Word, err error) {
	objects, err := p.judges.n.heldObjects(id, r)
	if errors.Is(err, ErrNotFound) {
		return nil, nil // decided on just now
	}
	if err != nil {
		return nil, err
	}
	h := &r.Header
	for i := range objects {
		if !slices.Contains(objects[i].Claims, p.value) {
			continue
		}
		words = append(words, Word{State: waits, Reason: fmt.Sprintf("it waits for a person, by %s: %s", r.Rule, r.Reason), Claim: storage.Claim{
			Observable: p.value, Relation: storage.Exact, Org: h.Org(), Node: h.Certificate.Node, Community: h.Community, Audience: h.Audience,
			TLP: h.TLP, PAP: h.PAP, Drill: h.Drill, Bulletin: id, Index: i, Issued: protocol.Time(h.Issued), Received: r.At, Expires: objects[i].ValidUntil,
			Object: objects[i], From: r.From, Reason: ruledHeld + r.Rule,
		}})
	}
	return words, nil
}
