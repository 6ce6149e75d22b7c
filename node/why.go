package node

import (
	"cmp"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/tocsin-exchange/tocsin/protocol"
	"github.com/tocsin-exchange/tocsin/protocol/stix"
	"github.com/tocsin-exchange/tocsin/storage"
	"github.com/tocsin-exchange/tocsin/trust"
	"github.com/tocsin-exchange/tocsin/trust/floor"
	"github.com/tocsin-exchange/tocsin/trust/score"
)

// MaxWords is how many claims and how many sightings and opinions an
// explanation lists, those that stand before those that do not.
const MaxWords = 64

// A Why explains how a value is judged for one asker.
type Why struct {
	Explanation Explanation
	Never       *floor.Hit
	Claims      []Word // that are held, whether they count or not, newest first
	About       []Word // sightings and opinions
	Left        int    // how many more words there are than are listed
	Case        Case
}

// A Word is a claim, a sighting or an opinion, what became of it, and how the
// value was judged when it came.
type Word struct {
	storage.Claim
	From   string // whose node handed it over, by name
	Says   string // claim, sighting, false-positive, nothing
	State  string // stands, superseded, revoked, expired, or why its organisation is not heard: peer-blocked, quarantined, author-fallen
	Reason string // a sentence
	Became string // of what stands: the rule of its organisation's voice, or weaker-word, taken-back, says-nothing
	Weight float64
	Then   Then
}

// Then is how a value was judged when something was said of it. See [ThenBasis].
type Then struct {
	Trust float64 // in who said it, 0..100
	Score int
	Tier  string
}

// ThenBasis says what a [Then] is made from: what the past was cannot be had whole.
const ThenBasis = "what was said by then and is held still; levels, members, blocks, outcomes and lists are those of now"

// What became of a word that stands and is not what its organisation is heard for.
const (
	weakerWord  = "weaker-word"  // it says the same with more weight elsewhere
	takenBack   = "taken-back"   // it calls the value harmless since
	saysNothing = "says-nothing" // it says neither
)

const (
	stands = "stands"
	counts = "it counts until it expires or something newer is said"
)

// Judge judges a value for whoever asks with a query, without saying why.
// Errors are those of [storage.Store.Lookup].
func (j *Judges) Judge(o stix.Observable, q storage.Query) (score.Tiers, *floor.Hit, error) {
	claims, about, err := j.n.store.AboutValue(o, q, IDOf)
	v, never := j.value(o, claims, about)
	return j.judge.Tiers(v, j.now), never, err
}

// Listed judges a value as lists do, for whoever asks with a query: without what
// TLP:RED, drills and PAP above GREEN say. Errors are those of
// [storage.Store.Lookup].
func (j *Judges) Listed(o stix.Observable, q storage.Query) (score.Tiers, error) {
	counts := q.Visible
	q.Visible = func(h *protocol.Header) bool { return trust.Listed(h) && counts(h) }
	claims, about, err := j.n.store.AboutValue(o, q, IDOf)
	claims = slices.DeleteFunc(claims, func(c storage.Claim) bool { return c.PAP > protocol.PAPGreen })
	if err != nil || len(claims) == 0 {
		return score.Tiers{}, err
	}
	return j.Tiers(o, claims, about), nil
}

// Why explains how a value is judged for whoever asks with a query, which judges
// are of the moment of. May says which headers the asker may know of, also where
// what is under them does not count. What was erased, disowned or declined says
// of no value any more that it was about it. Errors are those of
// [storage.Store.Lookup].
func (j *Judges) Why(o stix.Observable, q storage.Query, may func(*protocol.Header) bool) (Why, error) {
	q.Now = time.UnixMilli(j.now)
	found, err := j.Explain(o, q)
	if err != nil {
		return Why{}, err
	}
	v, _ := j.value(o, found.Claims, found.About)
	w := Why{Never: found.Never, Case: j.record(o, v)}
	w.Explanation = explanationOf(o, v.Floor, &w.Case.Model, &found.Judgement)
	for i := range w.Explanation.Voices {
		v := &w.Explanation.Voices[i]
		if v.Org = j.n.Name(v.OrgKey); v.Door != nil && !v.Door.Org.IsZero() {
			v.Of = j.n.Name(v.Door.Org)
		}
	}
	p := past{judges: j, value: o, q: q, may: may, came: map[protocol.ID]time.Time{}}
	if w.Claims, err = p.claims(found.Claims); err != nil {
		return Why{}, err
	}
	if w.About, err = p.about(found.About); err != nil {
		return Why{}, err
	}
	for _, list := range []*[]Word{&w.Claims, &w.About} {
		w.Left += max(0, len(*list)-MaxWords)
		if *list = newestFirst(*list); len(*list) > MaxWords {
			*list = (*list)[:MaxWords]
		}
		for i := range *list {
			word := &(*list)[i]
			if err := p.then(word); err != nil {
				return Why{}, err
			}
			word.From = j.handedOver(word.Claim.From)
			word.became(found.Parts)
		}
	}
	return w, nil
}

// handedOver names whose node it was.
func (j *Judges) handedOver(node protocol.Node) string {
	if node.IsZero() {
		return j.n.title
	}
	if c, known := j.bench.outlook.Nodes[node]; known {
		return j.n.Name(c.Org)
	}
	return PeerID(node).String()
}

// became finds out what the word is, and what it does.
func (w *Word) became(parts []score.Part) {
	e, says := claimed(&w.Claim), true
	if w.Object.Type != "indicator" {
		e, says = remarked(&w.Claim)
	}
	if w.Says = e.Kind.String(); !says {
		w.Says = "nothing"
	}
	if w.State != stands {
		return
	}
	if w.Became = saysNothing; !says {
		return
	}
	for i := range parts {
		if p := &parts[i]; p.Org == w.Org {
			w.Became, w.Weight = did(p, &e), 0
			if w.Became == p.Rule {
				w.Weight = round(p.Weight, 4)
			}
		}
	}
}

// did says what one piece of an organisation's evidence did.
func did(p *score.Part, e *score.Evidence) string {
	doubts := p.Rule == score.Doubts || p.Rule == score.Vetoes || p.Rule == score.Answered
	switch {
	case doubts && e.Kind != score.Harmless:
		return takenBack
	case p.Evidence != nil && *p.Evidence != *e:
		return weakerWord
	}
	return p.Rule
}

// newestFirst puts what stands before what does not.
func newestFirst(list []Word) []Word {
	slices.SortStableFunc(list, func(a, b Word) int {
		switch {
		case a.State == stands && b.State != stands:
			return -1
		case a.State != stands && b.State == stands:
			return 1
		}
		return cmp.Or(b.Received.Compare(a.Received), b.Issued.Compare(a.Issued), a.Bulletin.Compare(b.Bulletin), cmp.Compare(a.Index, b.Index))
	})
	return list
}

// A past is what was said of one value, for one asker.
type past struct {
	judges *Judges
	value  stix.Observable
	q      storage.Query
	may    func(*protocol.Header) bool
	came   map[protocol.ID]time.Time // by the root of a body
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
		p.came[v.Header.Root] = protocol.Time(r.Received)
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
		p.came[b.Header.Root] = c.Received
		if !p.q.Visible(&b.Header) {
			w := Word{Claim: c}
			w.State, w.Reason = p.judges.bench.outlook.unheard(&b.Header)
			words = append(words, w)
		}
	}
	return words, nil
}

// then judges the value as of the moment a word came, for the same asker. Whoever
// said it was heard then.
func (p *past) then(w *Word) error {
	at := w.Received
	q := storage.Query{Now: at, Visible: func(h *protocol.Header) bool {
		if !p.may(h) || !p.q.Visible(h) && h.Org() != w.Org {
			return false
		}
		came, known := p.came[h.Root]
		if !known {
			came = protocol.Time(h.Issued)
		}
		return !came.After(at)
	}}
	claims, about, err := p.judges.n.store.AboutValue(p.value, q, IDOf)
	if err != nil {
		return err
	}
	for i := range claims {
		if c := &claims[i]; c.Bulletin == w.Bulletin && c.Index == w.Index {
			w.Claim = *c
		}
	}
	v, _ := p.judges.value(p.value, claims, about)
	b := p.judges.bench
	tiers := b.judge(at, p.judges.by).Tiers(v, at.UnixMilli())
	t := b.trust(w.Org, p.value.Type, p.judges.by, at)
	w.Then = Then{Trust: round(t.Value, 2), Score: tiers.Score, Tier: TierOf(&tiers)}
	return nil
}

// Bears reports whether what is said of a value that a claim names also holds
// for the value asked for: it is the value, a block around it, or everything
// under a name above it.
func Bears(relation storage.Relation, named stix.Observable) bool {
	return relation == storage.Exact || relation == storage.CIDR || relation == storage.ParentDomain && strings.HasPrefix(named.Value, "*.")
}
