package stix

import (
	"slices"
	"time"
)

// The words of an opinion, from what calls a thing wrong to what confirms it.
const (
	StronglyDisagree = "strongly-disagree"
	Disagree         = "disagree"
	Neutral          = "neutral"
	Agree            = "agree"
	StronglyAgree    = "strongly-agree"
)

// Opinion is what is thought of objects, as we write it ourselves.
type Opinion struct {
	ID                string   // see [OpinionID]
	About             []string // ids of objects, at least one
	Opinion           string   // one of the five words
	Explanation       string
	Labels            []string
	Confidence        int // 0 to 100, -1 when absent
	Created, Modified time.Time
}

// AppendJSON appends the opinion as a STIX 2.1 object, as
// [Indicator.AppendJSON] does. Given valid fields, [Parse] accepts it.
func (o Opinion) AppendJSON(b []byte) []byte {
	b = appendHead(b, "opinion", o.ID, o.Created, o.Modified)
	if o.Explanation != "" {
		b = appendText(append(b, `,"explanation":`...), o.Explanation)
	}
	b = appendText(append(b, `,"opinion":`...), o.Opinion)
	b = appendTexts(append(b, `,"object_refs":`...), o.About)
	return append(appendCommon(b, o.Labels, o.Confidence), '}')
}

// OpinionID is the id of what a scope thinks of these objects: made as
// [IndicatorID] is, over a line feed, "opinion:" and the id for each in order.
// It does not depend on the opinion: who thinks better of it says a new version.
func OpinionID(scope []byte, about ...string) string {
	name := scopedName(nil, scope)
	for _, id := range slices.Compact(slices.Sorted(slices.Values(about))) {
		name = append(append(name, "\nopinion:"...), id...)
	}
	return objectID("opinion--", name)
}

// FalsePositive reports an opinion that disagrees: what it is about is harmless.
func (o *Object) FalsePositive() bool { return o.Opinion == Disagree || o.Opinion == StronglyDisagree }

// Confirms reports a sighting that met what it is about, or an opinion that
// agrees. One that was taken back confirms nothing, see Revoked.
func (o *Object) Confirms() bool {
	return o.Type == "sighting" && o.Count > 0 || o.Opinion == Agree || o.Opinion == StronglyAgree
}

// opinionProperty is sightingProperty for opinions.
func (p *parser) opinionProperty(name []byte) bool {
	switch string(name) {
	case "opinion":
		if p.dec.PeekKind() == '"' {
			p.o.Opinion = p.text()
		} else {
			p.value()
		}
	case "object_refs":
		if p.dec.PeekKind() != '[' {
			p.value()
			break
		}
		p.list(func() { p.o.ObjectRefs = append(p.o.ObjectRefs, p.suspectText(IsID, "not an id")) })
	default:
		return false
	}
	return true
}

// checkOpinion looks at an opinion as a whole, and forgets what another type
// has of the same names.
func (p *parser) checkOpinion() {
	o := &p.o
	switch {
	case p.err != nil:
	case o.Type != "opinion":
		o.Opinion, o.ObjectRefs = "", nil
	case !slices.Contains([]string{StronglyDisagree, Disagree, Neutral, Agree, StronglyAgree}, o.Opinion):
		p.fault("/opinion", "not one of strongly-disagree, disagree, neutral, agree, strongly-agree")
	case len(o.ObjectRefs) == 0:
		p.fault("/object_refs", "not a list")
	}
}
