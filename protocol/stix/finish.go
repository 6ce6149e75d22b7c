package stix

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

// Draft is something to be said that nobody has signed yet: one row of an
// import. It is a claim of our own, or a foreign object when Object is set.
type Draft struct {
	Indicator Indicator // ID, Created, Modified and ValidFrom are filled in by Finish where empty
	Object    []byte    // a STIX 2.1 object as read; 2.0 goes through [Upgrade] first

	// What a foreign indicator lacks is filled in from here.
	ValidUntil  time.Time
	Confidence  int // -1: absent
	Labels      []string
	Description string

	// Of the indicator, where it was said before: when it was made, and when at the
	// least this version must be. Zero: now.
	Created, Modified time.Time
	// ID is the indicator's where it is not that of scope and claims, see [IDAfter].
	ID string
}

// Finish makes the bytes to sign and returns the parsed result; now is cut to
// the millisecond. scope is what an id depends on besides the value: the
// caller's organisation, community, label and audience. isTLP tells the ids of
// TLP markings, which a bulletin carries in its header alone.
//
// Every indicator gets an id made of scope and of its claims, or of its
// pattern where that yields none. A foreign one keeps its own id as an alias,
// its other properties, created and valid_from; modified becomes now, and
// created_by_ref and TLP markings go: the signer is the author and the header
// is the label. One that was said before keeps the created it had, and modified is
// raised, as STIX 2.1 section 3.6 has it of versions. Any other foreign object stays as read, byte for byte.
//
// An error is a [*Fault].
func (d Draft) Finish(scope []byte, now time.Time, isTLP func(id string) bool) (Object, error) {
	now = now.UTC().Truncate(time.Millisecond)
	if d.Object == nil {
		return d.finishOwn(scope, now)
	}
	m, err := readMembers(d.Object)
	if err != nil {
		return Object{}, err
	}
	if m.text("type") != "indicator" {
		return Parse(d.Object)
	}
	m.fill("created", now)
	m.fillModified()
	o, err := Parse(m.appendJSON(nil))
	if err != nil {
		return Object{}, err
	}
	d.complete(m, o, scope, now)
	m.dropMarkings(isTLP)
	return Parse(m.appendJSON(make([]byte, 0, len(d.Object)+256)))
}

func (d Draft) finishOwn(scope []byte, now time.Time) (Object, error) {
	i := d.Indicator
	i.ID = cmp.Or(d.ID, i.ID)
	if !d.Created.IsZero() {
		i.Created, i.Modified = d.Created, later(now, d.Modified)
	}
	if i.ID == "" {
		i.ID = IndicatorID(scope, []Observable{i.Observable})
	}
	for _, t := range []*time.Time{&i.Created, &i.Modified, &i.ValidFrom} {
		if t.IsZero() {
			*t = now
		}
	}
	i.Labels = cleanTexts(i.Labels)
	o, err := Parse(i.AppendJSON(make([]byte, 0, 512)))
	if err == nil && !slices.Equal(o.Claims, []Observable{i.Observable}) {
		return Object{}, &Fault{"/pattern", fmt.Sprintf("%s is not a canonical value", quoted(i.Observable.String()))}
	}
	return o, err
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// complete rewrites the members of a foreign indicator.
func (d Draft) complete(m *members, o Object, scope []byte, now time.Time) {
	id := patternID(scope, o.PatternType, o.Pattern)
	if len(o.Claims) > 0 {
		id = IndicatorID(scope, o.Claims)
	}
	id = cmp.Or(d.ID, id)
	if id != o.ID {
		m.addAlias(o)
		m.set("id", appendText(nil, id))
	}
	created, now := o.Created, later(now, d.Modified)
	if !d.Created.IsZero() {
		created = d.Created
		m.setTime("created", created)
	}
	m.setTime("modified", now)
	if now.Before(created) {
		m.set("modified", m.value("created")) // our clock is behind the source's
	}
	m.drop("created_by_ref")
	if o.ValidUntil.IsZero() && !d.ValidUntil.IsZero() {
		m.setTime("valid_until", d.ValidUntil)
	}
	if o.Confidence < 0 && d.Confidence >= 0 {
		m.set("confidence", fmt.Append(nil, d.Confidence))
	}
	if labels := cleanTexts(slices.Concat(o.Labels, d.Labels)); len(labels) > 0 && len(d.Labels) > 0 {
		m.set("labels", appendTexts(nil, labels))
	}
	if o.Description == "" && d.Description != "" {
		m.set("description", appendText(nil, d.Description))
	}
}
