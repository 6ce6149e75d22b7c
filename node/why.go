package node

import (
	"context"
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

// WordsPerPage is how many claims, and how many sightings and opinions, a page
// of an explanation has.
const WordsPerPage = 64

// A Why explains how a value is judged for one asker.
type Why struct {
	Explanation Explanation
	Never       *floor.Hit
	Claims      []Word // that are held, whether they count or not, those that stand first, newest first
	About       []Word // sightings and opinions
	Left        int    // how many more words there are behind this page
	Unread      []Unread
	Case        Case
}

// A Page is where a page of an explanation begins: behind these words. The zero
// value is the first page.
type Page struct {
	Claim WordRef
	About WordRef
}

// A WordRef names a word: an object of a bulletin.
type WordRef struct {
	Bulletin protocol.ID
	Index    int
}

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
// [storage.Store.Lookup]; one that wraps [ErrGone] says that a word by which the
// page begins is not there any more.
func (j *Judges) Why(ctx context.Context, o stix.Observable, q storage.Query, may func(*protocol.Header) bool, page Page) (Why, error) {
	if q.Now = time.UnixMilli(j.now); j.hindsight == nil {
		j.hindsight = j.n.hindsight()
	}
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
	p := past{judges: j, value: o, q: q, may: func(h *protocol.Header) bool { return may(h) && j.held(h) }}
	if w.Claims, err = p.claims(found.Claims); err != nil {
		return Why{}, err
	}
	if w.About, err = p.about(found.About); err != nil {
		return Why{}, err
	}
	if err := p.withheld(&w); err != nil {
		return Why{}, err
	}
	for _, part := range []struct {
		list  *[]Word
		after WordRef
	}{{&w.Claims, page.Claim}, {&w.About, page.About}} {
		left := 0
		if *part.list, left, err = pageOf(newestFirst(*part.list), part.after); err != nil {
			return Why{}, err
		}
		w.Left += left
		for i := range *part.list {
			if err := p.complete(ctx, &(*part.list)[i], found.Parts); err != nil {
				return Why{}, err
			}
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

// Bears reports whether what is said of a value that a claim names also holds
// for the value asked for: it is the value, a block around it, or everything
// under a name above it.
func Bears(relation storage.Relation, named stix.Observable) bool {
	return relation == storage.Exact || relation == storage.CIDR || relation == storage.ParentDomain && strings.HasPrefix(named.Value, "*.")
}
