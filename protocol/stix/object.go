package stix

import (
	"strings"
	"time"
)

// Limits of an object.
const (
	MaxObject = 512 << 10 // bytes
	MaxDepth  = 32        // objects and lists inside each other
)

// Object is one STIX 2.1 object that passed [Parse]. Properties that are not
// here, custom ones included, are in Raw.
type Object struct {
	Type, ID, SpecVersion string
	Created, Modified     time.Time // zero where the object has none
	ValidFrom, ValidUntil time.Time // of an indicator; zero where it has none
	Revoked               bool
	Confidence            int    // 0 to 100, -1 when absent
	Pattern, PatternType  string // of an indicator
	Name, Description     string
	CreatedByRef          string
	MarkingRefs           []string // of the object and of its parts (granular markings)
	Labels                []string
	Aliases               []string     // foreign ids this object stands for, see [Draft.Finish]
	Claims                []Observable // what an indicator with a STIX pattern says, see [Pattern.Observables]
	SightingOf            string       // of a sighting: sighting_of_ref
	FirstSeen, LastSeen   time.Time    // of a sighting; zero where it has none
	Count                 int          // of a sighting: how often, 1 where it does not say; 0: looked for and not met
	Opinion               string       // of an opinion: one of the five words, see [Disagree]
	ObjectRefs            []string     // of an opinion
	Raw                   []byte       // the bytes as given
}

// Parse reads one STIX 2.1 object, strictly: what one reader would refuse and
// another repair is refused. The package comment lists the rules. Raw is raw,
// not a copy; the texts of the result share one copy of it, so clone a text
// that outlives the object. An error is a [*Fault].
func Parse(raw []byte) (Object, error) {
	if len(raw) > MaxObject {
		return Object{}, &Fault{"", "larger than 512 KiB"}
	}
	p := &parser{raw: raw, copied: string(raw), dec: newDecoder(raw)}
	p.names = p.room[:0]
	p.o.Confidence = -1
	p.o.Raw = raw
	p.object()
	p.end()
	p.check()
	if p.err != nil {
		return Object{}, p.err
	}
	return p.o, nil
}

// check looks at the object as a whole.
func (p *parser) check() {
	if p.err != nil {
		return
	}
	o := &p.o
	switch kind := kindOf(o.Type); {
	case !validType(o.Type):
		p.fault("/type", "missing or not a type name")
	case o.Type == "bundle":
		p.fault("/type", "a bundle is a container, not an object")
	case !IsID(o.ID) || o.ID[:len(o.ID)-38] != o.Type:
		p.fault("/id", "not the type, two hyphens and a UUID")
	case p.has("spec_version") && o.SpecVersion != "2.1":
		p.fault("/spec_version", "not 2.1")
	case kind == metaKind && p.has("modified") && o.Type == "marking-definition":
		p.fault("/modified", "a marking definition has no versions")
	case kind != customKind && p.pending != nil:
		p.err = p.pending
	default:
		p.checkRequired(kind)
		p.checkTimes()
		p.checkIndicator()
		p.checkSighting()
		p.checkOpinion()
	}
}

func (p *parser) checkRequired(kind objectKind) {
	p.require(kind.required())
	if kind == customKind && p.has("created") != p.has("modified") {
		p.require("created modified")
	}
	p.require(requiredOf(p.o.Type))
	if p.o.Type == "marking-definition" && !p.has("extensions") {
		p.require("definition_type definition")
	}
}

// require takes names with blanks between them.
func (p *parser) require(names string) {
	for name := range strings.SplitSeq(names, " ") {
		if name != "" && !p.has(name) {
			p.fault("/"+name, "required property is missing")
		}
	}
}

func (p *parser) checkTimes() {
	o := &p.o
	switch {
	case p.has("modified") && p.has("created") && o.Modified.Before(o.Created):
		p.fault("/modified", "earlier than created")
	case !o.ValidUntil.IsZero() && !o.ValidUntil.After(o.ValidFrom):
		p.fault("/valid_until", "not later than valid_from")
	}
}

func (p *parser) checkIndicator() {
	o := &p.o
	if p.err != nil || o.Type != "indicator" {
		return
	}
	if o.Pattern == "" {
		p.fault("/pattern", "empty")
		return
	}
	if o.PatternType != "stix" {
		return
	}
	pattern, err := ParsePattern(o.Pattern)
	if err != nil {
		p.fault("/pattern", err.Error())
		return
	}
	o.Claims = pattern.Observables()
}
