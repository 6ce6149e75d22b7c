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
)

// MaxSightings is how often a value can have been met, at most, in one sighting.
const MaxSightings = 999_999_999

// A Sight is that we met values others claim, or hold them to be harmless.
type Sight struct {
	Values        []stix.Observable
	FalsePositive bool                        // they are harmless; else they were met
	Count         int                         // how often; 0: once
	LastSeen      time.Time                   // zero: now
	Note          string                      // said with it
	Confidence    int                         // 0 to 100, -1: not said
	Visible       func(*protocol.Header) bool // nil: all; what is not is not there

	By, Role, Person string // who says it, for share rules and reviews; see [Submission]
	accepted         bool   // by a person: share rules are not asked
}

// A Sighted is one claim's scope to which something was said: signed, stored
// durably, and on its way.
type Sighted struct {
	Value     stix.Observable `json:"value"`
	Claimant  string          `json:"claimant"` // whose claim it is about
	TLP       protocol.TLP    `json:"tlp"`
	Community string          `json:"community,omitempty"`
	Audience  string          `json:"audience,omitempty"` // above GREEN: to whom it was said
	Without   []string        `json:"without,omitempty"`  // whom the claim names and who are members no more
	ID        string          `json:"id"`                 // of the sighting or opinion
	About     string          `json:"about"`              // what it speaks of
	Bulletin  protocol.ID     `json:"bulletin"`
}

// An Unsaid is one claim's scope to which nothing may be said.
type Unsaid struct {
	Value     stix.Observable `json:"value"`
	Claimant  string          `json:"claimant"`
	TLP       protocol.TLP    `json:"tlp"`
	Community string          `json:"community,omitempty"`
	Audience  string          `json:"audience,omitempty"` // the claim's
	Rule      string          `json:"rule"`
	Reason    string          `json:"reason"`
}

// A subject is one scope in which a value stands or stood.
type subject struct {
	value   stix.Observable
	newest  storage.Version
	derived string // the id by which everybody means the value in this scope, see IDOf
}

// Sight says of values that we met them, or that they are harmless: in every
// scope in which a claim on them stands or stood, under the claim's label and PAP
// level, to those who may see the claim and nobody else ([trust.View.MayRemark]).
// Saying it again is a new version. Where nothing is claimed nothing is said. The
// share rules of the policy are asked for each scope: they may refuse it, hold it
// for a person, or leave some of those out. When it returns, what was said or is
// held is durable; an error means that not all was.
func (n *Node) Sight(ctx context.Context, s Sight) (said []Sighted, left []Unsaid, err error) {
	now := time.Now()
	if err := s.check(now); err != nil {
		return nil, nil, err
	}
	var all remarks
	for _, o := range s.Values {
		subjects, err := n.subjects(o, s.Visible)
		if err != nil {
			return nil, nil, err
		}
		for i := range subjects {
			no, err := n.remark(ctx, &all, s, &subjects[i], now)
			if err != nil {
				return nil, nil, err
			}
			if no != nil {
				left = append(left, *no)
			}
		}
	}
	defer func() {
		slices.SortFunc(said, func(a, b Sighted) int {
			return cmp.Or(cmp.Compare(a.Value.String(), b.Value.String()), cmp.Compare(a.Claimant, b.Claimant), cmp.Compare(a.TLP, b.TLP), cmp.Compare(a.Audience, b.Audience), cmp.Compare(a.ID, b.ID))
		})
	}()
	said, err = n.sayRemarks(ctx, &all, s.FalsePositive)
	return said, left, err
}

// sayRemarks says what was drafted.
func (n *Node) sayRemarks(ctx context.Context, all *remarks, falsePositive bool) (said []Sighted, err error) {
	for _, d := range all.drafts {
		n.reckon.mean(d.about)
		receipts, err := d.publish(ctx)
		if err != nil {
			return said, err
		}
		n.noteSight(ctx, &d.issue, falsePositive, receipts)
		for i, r := range receipts {
			about := &d.about[i]
			about.ID, about.Bulletin = r.ID, r.Bulletin
			said = append(said, *about)
		}
	}
	return said, nil
}

func (s *Sight) check(now time.Time) error {
	switch {
	case s.Count < 0 || s.Count > MaxSightings:
		return fmt.Errorf("%w: met %d times: 1 to %d", ErrUsage, s.Count, MaxSightings)
	case s.FalsePositive && (s.Count > 0 || !s.LastSeen.IsZero()):
		return fmt.Errorf("%w: what is harmless need not have been met: leave out how often and when", ErrUsage)
	case s.LastSeen.After(now):
		return fmt.Errorf("%w: last seen %s: that is in the future", ErrUsage, s.LastSeen.UTC().Format(time.RFC3339))
	case s.Confidence < -1 || s.Confidence > 100:
		return fmt.Errorf("%w: confidence %d: it lies between 0 and 100", ErrUsage, s.Confidence)
	}
	return nil
}

// subjects finds the scopes in which a value stands or stood, oldest first.
func (n *Node) subjects(o stix.Observable, visible func(*protocol.Header) bool) (list []subject, err error) {
	counts := n.look().MayAnswer
	versions, err := n.store.Versions(o, func(h *protocol.Header) bool { return (visible == nil || visible(h)) && counts(h) })
	if err != nil {
		return nil, err
	}
	at := map[uint32]int{}
	for _, v := range versions {
		if i, is := at[v.Scope]; is {
			list[i].newest = v
			continue
		}
		at[v.Scope] = len(list)
		list = append(list, subject{value: o, newest: v})
	}
	for i := range list {
		t, h := &list[i], list[i].newest.Header
		t.derived = IDOf(&storage.Claim{Org: h.Org(), Community: h.Community, TLP: h.TLP, Audience: h.Audience, Observable: o})
	}
	return list, nil
}

// remarks are what is about to be said, by header.
type remarks struct {
	drafts []*remarkDraft
	at     map[string]*remarkDraft
}

type remarkDraft struct {
	*draft
	about []Sighted // of each object
}

func (r *remarks) under(n *Node, h protocol.Header) *remarkDraft {
	key := fmt.Sprintf("%s %d %s", h.Stream().ID(), h.PAP, h.Drill)
	if r.at == nil {
		r.at = map[string]*remarkDraft{}
	}
	if r.at[key] == nil {
		r.at[key] = &remarkDraft{draft: n.newDraft(h)}
		r.drafts = append(r.drafts, r.at[key])
	}
	return r.at[key]
}

// remark adds what is to be said of one subject, or returns why nothing is.
func (n *Node) remark(ctx context.Context, all *remarks, s Sight, t *subject, now time.Time) (*Unsaid, error) {
	h, o := t.newest.Header, n.look()
	where := ""
	if c := o.Communities[h.Community]; c != nil {
		where = c.Charter.Name
	}
	no := Unsaid{Value: t.value, Claimant: o.name(h.Org()), TLP: h.TLP, Community: where, Audience: n.AudienceText(h.Audience)}
	receipt, err := n.store.Receipt(t.newest.Bulletin)
	if err != nil {
		no.Rule, no.Reason = "unreadable", err.Error()
		return &no, nil
	}
	audience, gone, may := o.MayRemark(h, receipt.Via)
	if !may.Allowed {
		no.Rule, no.Reason = may.Rule, may.Reason
		return &no, nil
	}
	if audience, may, err = n.shareRemark(ctx, &s, t, where, audience); err != nil || !may.Allowed {
		no.Rule, no.Reason = may.Rule, may.Reason
		return &no, err
	}
	issue := protocol.Header{Kind: protocol.Objects, Community: h.Community, TLP: h.TLP, PAP: h.PAP, Audience: audience, Drill: h.Drill}
	d := all.under(n, issue)
	object, after, err := n.word(s, d.scope, t.derived, now)
	if err != nil {
		no.Rule, no.Reason = "malformed", err.Error()
		return &no, nil
	}
	d.issue.Issued = max(d.issue.Issued, after)
	said := Sighted{Value: t.value, Claimant: no.Claimant, TLP: h.TLP, Community: where, Audience: n.AudienceText(audience), About: t.derived}
	for _, org := range gone {
		said.Without = append(said.Without, o.name(org))
	}
	slices.Sort(said.Without)
	d.add(object)
	d.about = append(d.about, said)
	return nil, nil
}

// word makes the object to sign, and says when it must be dated, at the least, to
// be newer than what we said of the same before.
func (n *Node) word(s Sight, scope []byte, about string, now time.Time) (o stix.Object, after uint64, err error) {
	now = now.UTC().Truncate(time.Millisecond)
	id := stix.SightingID(scope, about)
	if s.FalsePositive {
		id = stix.OpinionID(scope, about)
	}
	var created, first time.Time
	for {
		last, said, err := n.store.Newest(id, func(v *storage.Version) bool { return v.Header.Org() == n.cert.Org })
		if err != nil {
			return o, 0, err
		}
		if !said {
			break
		}
		after = max(after, last.Header.Issued+1)
		if last.Object.Revoked {
			id = stix.IDAfter(id)
			continue
		}
		created, first = last.Object.Created, cmp.Or(last.Object.FirstSeen, last.Object.LastSeen)
		break
	}
	if modified := protocol.Time(after); modified.After(now) {
		now = modified.UTC()
	}
	created = cmp.Or(created, now)
	if s.FalsePositive {
		o, err = stix.Parse(stix.Opinion{
			ID: id, About: []string{about}, Opinion: stix.StronglyDisagree, Explanation: s.Note, Confidence: s.Confidence, Created: created, Modified: now,
		}.AppendJSON(nil))
		return o, after, err
	}
	seen := cmp.Or(s.LastSeen, now).UTC().Truncate(time.Millisecond)
	if first.IsZero() || first.After(seen) {
		first = seen
	}
	o, err = stix.Parse(stix.Sighting{
		ID: id, Of: about, Description: s.Note, Confidence: s.Confidence, Count: max(1, s.Count),
		Created: created, Modified: now, FirstSeen: first, LastSeen: seen,
	}.AppendJSON(nil))
	return o, after, err
}

// Unsight takes back what we said of values with [Node.Sight]: that we met them,
// or with falsePositive that they are harmless. What was taken back
// names the value. Errors are as for [Node.Revoke].
func (n *Node) Unsight(ctx context.Context, values []stix.Observable, falsePositive bool, visible func(*protocol.Header) bool) ([]TakenBack, error) {
	ours := storage.Query{Visible: func(h *protocol.Header) bool { return h.Org() == n.cert.Org && (visible == nil || visible(h)) }}
	s, of := Selection{Visible: visible}, map[string]stix.Observable{}
	for _, o := range values {
		subjects, err := n.subjects(o, visible)
		if err != nil {
			return nil, err
		}
		for _, t := range subjects {
			said, failed := n.store.About(t.derived, ours)
			err = errors.Join(err, failed)
			for _, c := range said {
				if c.Object.FalsePositive() == falsePositive {
					s.IDs, of[c.Object.ID] = append(s.IDs, c.Object.ID), o
				}
			}
		}
		if err != nil {
			return nil, err
		}
	}
	taken, err := n.Revoke(ctx, s)
	for i := range taken {
		taken[i].Claims = []stix.Observable{of[taken[i].ID]}
	}
	return taken, err
}
