package api

import (
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/tocsin-exchange/tocsin/node"
	"github.com/tocsin-exchange/tocsin/node/api/intake"
	"github.com/tocsin-exchange/tocsin/protocol"
	"github.com/tocsin-exchange/tocsin/protocol/stix"
	"github.com/tocsin-exchange/tocsin/trust"
)

// Limits of what one submission says of all its values.
const (
	maxValues      = 10_000
	maxTags        = 64
	maxTag         = 256      // bytes
	maxDescription = 16 << 10 // bytes
	neverStated    = -1       // a confidence
)

// terms are what is said of everything in a submission or an import.
type terms struct {
	community   protocol.ID          // up to GREEN
	audience    []protocol.Recipient // above it
	tlp         protocol.TLP
	pap         protocol.PAP
	confidence  int
	valid       time.Duration
	tags        []string
	description string
	force       bool

	group        string // the audience that was asked for, as it was named
	to           []string
	person, role string // who asks
	by           string
}

// terms checks what a request of a person says, and that it may be said at all.
func (d *Door) terms(r *SubmitRequest, person string) (terms, error) {
	t := terms{tlp: r.TLP, pap: r.PAP, confidence: neverStated, valid: time.Duration(r.Valid), tags: r.Tags, description: r.Description, force: r.Force, group: r.Group, to: slices.Clone(r.To)}
	if r.Confidence != nil {
		t.confidence = *r.Confidence
	}
	switch {
	case r.Confidence != nil && (t.confidence < 0 || t.confidence > 100):
		return t, kindUsage.errorf("confidence %d: it lies between 0 and 100", t.confidence)
	case len(t.tags) > maxTags:
		return t, kindUsage.errorf("%d tags, at most %d are allowed", len(t.tags), maxTags)
	case len(t.description) > maxDescription:
		return t, kindUsage.errorf("a description of %d bytes, at most %d are allowed", len(t.description), maxDescription)
	}
	for _, tag := range t.tags {
		if tag == "" || len(tag) > maxTag {
			return t, kindUsage.errorf("a tag of %d bytes, 1 to %d are allowed", len(tag), maxTag)
		}
	}
	var err error
	if r.Group != "" || len(r.To) > 0 {
		t.audience, err = d.node.Audience(r.TLP, r.Group, r.To, person)
	} else if !trust.Named(r.TLP) {
		t.community, err = d.node.Community(r.Community)
	}
	return t, err
}

// issue is the terms as the node takes them, under one label.
func (t terms) issue(label protocol.TLP, drafts []stix.Draft) node.Submission {
	return node.Submission{Community: t.community, Audience: t.audience, TLP: label, PAP: t.pap, Drafts: drafts, Force: t.force,
		Group: t.group, To: t.to, Person: t.person, Role: t.role, By: t.by}
}

// until is when what is said now ends; zero when the terms do not say.
func (t terms) until(now time.Time) time.Time {
	if t.valid == 0 {
		return time.Time{}
	}
	return now.Add(t.valid)
}

// intake is the terms as the importer takes them.
func (t terms) intake(name string) intake.Options {
	return intake.Options{
		Name: name, TLP: t.tlp, Confidence: t.confidence, Valid: t.valid, Labels: t.tags, Description: t.description, Now: time.Now(),
	}
}

// termParams are the terms as query parameters.
func termParams() []param {
	return []param{
		{name: "tlp", about: "clear, green, amber, amber+strict or red; the label of all that carries none"},
		{name: "group", about: "amber and above: the sharing group that may see it"},
		{name: "to", about: "amber and above: an organisation that may see it, for red ORG/PERSON; may be repeated", many: true},
		{name: "pap", about: "clear, green, amber or red"},
		{name: "community", about: "name or id; may be left out where the node is in one"},
		{name: "confidence", about: "0 to 100, of all that states none"},
		{name: "valid", about: "from now on, such as 30d; of all that states none"},
		{name: "tag", about: "added to all; may be repeated", many: true},
		{name: "description", about: "of all that has none"},
	}
}

// readTerms reads the terms from a query.
func readTerms(q url.Values) (SubmitRequest, error) {
	r := SubmitRequest{Community: q.Get("community"), Group: q.Get("group"), To: q["to"], Tags: q["tag"], Description: q.Get("description")}
	if text := q.Get("tlp"); text != "" {
		if err := r.TLP.UnmarshalText([]byte(text)); err != nil {
			return r, fmt.Errorf("%w: tlp: %v", node.ErrUsage, err)
		}
	}
	if err := r.PAP.UnmarshalText([]byte(q.Get("pap"))); err != nil {
		return r, fmt.Errorf("%w: pap: %v", node.ErrUsage, err)
	}
	if text := q.Get("confidence"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil {
			return r, kindUsage.errorf("confidence %q: a number between 0 and 100", text)
		}
		r.Confidence = &n
	}
	if text := q.Get("valid"); text != "" {
		if err := r.Valid.UnmarshalText([]byte(text)); err != nil {
			return r, fmt.Errorf("%w: valid: %v", node.ErrUsage, err)
		}
	}
	return r, nil
}
