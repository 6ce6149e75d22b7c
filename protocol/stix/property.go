package stix

import (
	"bytes"
	"strings"
	"time"
)

// property reads the value of a top-level property.
func (p *parser) property(name []byte) {
	if p.err != nil {
		return
	}
	o := &p.o
	switch string(name) {
	case "type":
		o.Type = p.text()
	case "id":
		o.ID = p.text()
	case "spec_version":
		o.SpecVersion = p.text()
	case "name":
		o.Name = p.text()
	case "description":
		o.Description = p.text()
	case "pattern":
		o.Pattern = p.text()
	case "pattern_type":
		o.PatternType = p.text()
	case "created":
		o.Created = p.time()
	case "modified":
		o.Modified = p.time()
	case "valid_from":
		o.ValidFrom = p.time()
	case "valid_until":
		o.ValidUntil = p.time()
	case "revoked":
		o.Revoked = p.boolean()
	case "confidence":
		o.Confidence = p.percent()
	case "created_by_ref":
		o.CreatedByRef = p.id()
	case "labels":
		p.list(func() { o.Labels = append(o.Labels, p.text()) })
	case "object_marking_refs":
		p.list(func() { p.markingRef() })
	case "granular_markings":
		p.list(p.granularMarking)
	case "external_references":
		p.list(p.externalReference)
	default:
		p.otherProperty(name)
	}
}

// otherProperty checks references and times by their names, which mean
// something in the types of the specification only.
func (p *parser) otherProperty(name []byte) {
	switch {
	case p.sightingProperty(name), p.opinionProperty(name):
	case bytes.HasPrefix(name, []byte("x_")), string(name) == "extensions":
		p.vendor = true // vendors write empty lists
		p.value()
		p.vendor = false
	case bytes.HasSuffix(name, []byte("_ref")):
		p.suspectText(IsID, "not an id")
	case bytes.HasSuffix(name, []byte("_refs")) && p.dec.PeekKind() == '[':
		p.list(func() { p.suspectText(IsID, "not an id") })
	case isTimeProperty(string(name)):
		p.suspectText(validTime, timeReason)
	default:
		p.value()
	}
}

// suspectText reads a string whose fault counts when the type of the object,
// which may come later, turns out to be one of the specification. It is "" then.
func (p *parser) suspectText(valid func(string) bool, reason string) string {
	if p.dec.PeekKind() == '"' {
		if s := p.text(); p.err != nil || valid(s) {
			return s
		}
	} else {
		p.value()
	}
	p.suspect(reason)
	return ""
}

func isTimeProperty(name string) bool {
	switch name {
	case "first_seen", "last_seen", "first_observed", "last_observed", "published", "start_time", "stop_time",
		"submitted", "analysis_started", "analysis_ended", "start", "end", "date", "ctime", "mtime", "atime",
		"created_time", "modified_time", "account_created", "account_expires", "credential_last_changed",
		"account_first_login", "account_last_login", "validity_not_before", "validity_not_after":
		return true
	}
	return false
}

// id reads an identifier.
func (p *parser) id() string {
	s := p.text()
	if p.err == nil && !IsID(s) {
		p.faultHere("not an id")
	}
	return s
}

func (p *parser) markingRef() {
	id := p.id()
	if p.err == nil && !strings.HasPrefix(id, "marking-definition--") {
		p.faultHere("not the id of a marking definition")
	}
	p.o.MarkingRefs = append(p.o.MarkingRefs, id)
}

func (p *parser) time() time.Time {
	s := p.text()
	if p.err != nil {
		return time.Time{}
	}
	t, ok := parseTime(s)
	if !ok {
		p.faultHere(timeReason)
	}
	return t
}

func (p *parser) boolean() bool {
	if k := p.dec.PeekKind(); k != 't' && k != 'f' {
		p.value()
		p.faultHere("neither true nor false")
		return false
	}
	v := p.scalar()
	return len(v) == len("true")
}

// percent reads an integer from 0 to 100.
func (p *parser) percent() int {
	n := 0
	if p.dec.PeekKind() != '0' {
		p.value()
		n = -1
	} else {
		v := p.scalar()
		if len(v) > 3 || !allDigits(string(v)) {
			n = -1
		}
		for i := 0; i < len(v) && n >= 0; i++ {
			n = n*10 + int(v[i]-'0')
		}
	}
	if n < 0 || n > 100 {
		p.faultHere("not an integer from 0 to 100")
	}
	return n
}

// members reads an object whose names obey the rule for properties.
func (p *parser) members(property func(name string)) {
	if p.dec.PeekKind() != '{' {
		p.value()
		p.faultHere("not an object")
		return
	}
	p.open()
	base := len(p.names)
	for p.more('}') {
		name := p.name()
		p.checkName(name)
		if p.err == nil {
			property(string(name))
		}
	}
	p.closeNames(base)
}

func (p *parser) granularMarking() {
	p.members(func(name string) {
		if name == "marking_ref" {
			p.markingRef()
		} else {
			p.value()
		}
	})
}

// externalReference looks for the aliases Finish writes: source "stix" and an
// id.
func (p *parser) externalReference() {
	source, id := "", ""
	p.members(func(name string) {
		switch name {
		case "source_name":
			source = p.text()
		case "external_id":
			id = p.text()
		default:
			p.value()
		}
	})
	if p.err == nil && source == "" {
		p.faultHere("external reference without source_name")
	}
	if source == aliasSource && IsID(id) {
		p.o.Aliases = append(p.o.Aliases, id)
	}
}
