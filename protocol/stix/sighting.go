package stix

import (
	"strconv"
	"time"
)

// maxCount is the highest count of a sighting.
const maxCount = 999_999_999

// Sighting is the word that something was met, as we write it ourselves.
type Sighting struct {
	ID                  string // see [SightingID]
	Of                  string // the id of what was met
	Description         string
	Labels              []string
	Confidence          int // 0 to 100, -1 when absent
	Count               int // how often, at most 999,999,999; not said when 0
	Created, Modified   time.Time
	FirstSeen, LastSeen time.Time // may be zero
}

// AppendJSON appends the sighting as a STIX 2.1 object, as
// [Indicator.AppendJSON] does. Given valid fields, [Parse] accepts it.
func (s Sighting) AppendJSON(b []byte) []byte {
	b = appendHead(b, "sighting", s.ID, s.Created, s.Modified)
	if s.Description != "" {
		b = appendText(append(b, `,"description":`...), s.Description)
	}
	if !s.FirstSeen.IsZero() {
		b = appendTimeProperty(b, `,"first_seen":"`, s.FirstSeen)
	}
	if !s.LastSeen.IsZero() {
		b = appendTimeProperty(b, `,"last_seen":"`, s.LastSeen)
	}
	if s.Count > 0 {
		b = strconv.AppendInt(append(b, `,"count":`...), int64(s.Count), 10)
	}
	b = appendText(append(b, `,"sighting_of_ref":`...), s.Of)
	return append(appendCommon(b, s.Labels, s.Confidence), '}')
}

// appendHead appends what begins the sightings and opinions we write.
func appendHead(b []byte, objectType, id string, created, modified time.Time) []byte {
	b = append(append(append(b, `{"type":"`...), objectType...), `","spec_version":"2.1","id":`...)
	b = appendText(b, id)
	b = appendTimeProperty(b, `,"created":"`, created)
	return appendTimeProperty(b, `,"modified":"`, modified)
}

// appendCommon appends labels and confidence.
func appendCommon(b []byte, labels []string, confidence int) []byte {
	if len(labels) > 0 {
		b = appendTexts(append(b, `,"labels":`...), labels)
	}
	if confidence >= 0 {
		b = strconv.AppendInt(append(b, `,"confidence":`...), int64(confidence), 10)
	}
	return b
}

// SightingID is the id of what a scope says of having met an object: made as
// [IndicatorID] is, over a line feed, "sighting:" and the object's id. So an
// object sighted again under the same scope is a new version.
func SightingID(scope []byte, of string) string {
	return objectID("sighting--", append(scopedName(nil, scope), "\nsighting:"+of...))
}

// About lists the ids of the objects a sighting or an opinion speaks of; none
// for any other type.
func (o *Object) About() []string {
	if o.Type == "sighting" {
		return []string{o.SightingOf}
	}
	return o.ObjectRefs
}

// sightingProperty reads a property of sightings. Other types have some of them
// as well, and the type may come later: what no type of the specification may
// say is a suspicion, the rest is for checkSighting.
func (p *parser) sightingProperty(name []byte) bool {
	o := &p.o
	switch string(name) {
	case "sighting_of_ref":
		o.SightingOf = p.suspectText(IsID, "not an id")
	case "first_seen":
		o.FirstSeen, _ = parseTime(p.suspectText(validTime, timeReason))
	case "last_seen":
		o.LastSeen, _ = parseTime(p.suspectText(validTime, timeReason))
	case "count":
		o.Count = p.count()
	default:
		return false
	}
	return true
}

// count reads the count of a sighting; -1 for what is none.
func (p *parser) count() int {
	if p.dec.PeekKind() != '0' {
		p.value()
		return -1
	}
	v := p.scalar()
	p.number(v)
	if len(v) > len("999999999") || !allDigits(string(v)) {
		return -1
	}
	n := 0
	for _, digit := range v {
		n = n*10 + int(digit-'0')
	}
	return n
}

// checkSighting looks at a sighting as a whole, and forgets what another type
// has of the same names.
func (p *parser) checkSighting() {
	o := &p.o
	switch {
	case p.err != nil:
	case o.Type != "sighting":
		o.SightingOf, o.FirstSeen, o.LastSeen, o.Count = "", time.Time{}, time.Time{}, 0
	case !p.has("count"):
		o.Count = 1
	case o.Count < 0 || o.Count > maxCount:
		p.fault("/count", "not an integer from 0 to 999999999")
	}
	if p.err == nil && !o.FirstSeen.IsZero() && !o.LastSeen.IsZero() && o.LastSeen.Before(o.FirstSeen) {
		p.fault("/last_seen", "earlier than first_seen")
	}
}
