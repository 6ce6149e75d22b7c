package stix

import (
	"bytes"
	"slices"
	"time"

	"github.com/go-json-experiment/json/jsontext"
)

// member is one property of an object, its value still JSON.
type member struct {
	name  string
	value jsontext.Value
}

// members is an object opened for rewriting: what is not touched keeps its
// place and, white space aside, its bytes.
type members struct{ list []member }

// readMembers opens an object. It checks the syntax only; [Parse] is to
// follow. An error is a [*Fault].
func readMembers(raw []byte) (*members, error) {
	if len(raw) > MaxObject {
		return nil, &Fault{"", "larger than 512 KiB"}
	}
	p := parser{raw: raw, dec: newDecoder(raw)}
	if p.dec.PeekKind() != '{' {
		p.object() // for its fault
		return nil, p.err
	}
	m := &members{}
	p.token()
	for p.more('}') {
		name := p.name()
		v := p.scalar()
		if p.err == nil {
			m.list = append(m.list, member{string(name), compact(v)})
		}
	}
	p.checkNames(p.names)
	p.end()
	if p.err != nil {
		return nil, p.err
	}
	return m, nil
}

// compact returns a copy of a valid value without its white space.
func compact(v []byte) jsontext.Value {
	c := jsontext.Value(bytes.Clone(v))
	if err := c.Compact(); err != nil {
		return bytes.Clone(v) // Parse will say what is wrong with it
	}
	return c
}

func (m *members) appendJSON(b []byte) []byte {
	b = append(b, '{')
	for i, e := range m.list {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(appendText(b, e.name), ':')
		b = append(b, e.value...)
	}
	return append(b, '}')
}

func (m *members) find(name string) int {
	return slices.IndexFunc(m.list, func(e member) bool { return e.name == name })
}

func (m *members) value(name string) jsontext.Value {
	if i := m.find(name); i >= 0 {
		return m.list[i].value
	}
	return nil
}

// text returns a property that is a string, else "".
func (m *members) text(name string) string {
	v := m.value(name)
	if v.Kind() != '"' {
		return ""
	}
	return string(unquote(v))
}

func (m *members) has(name string) bool { return m.find(name) >= 0 }

func (m *members) set(name string, value jsontext.Value) {
	if i := m.find(name); i >= 0 {
		m.list[i].value = value
		return
	}
	m.list = append(m.list, member{name, value})
}

func (m *members) setText(name, text string) { m.set(name, appendText(nil, text)) }

func (m *members) setTime(name string, t time.Time) {
	m.set(name, append(appendTime([]byte{'"'}, t), '"'))
}

// fill sets a time that is absent.
func (m *members) fill(name string, t time.Time) {
	if !m.has(name) {
		m.setTime(name, t)
	}
}

// fillModified sets modified where it is absent: to created, as of an object
// that has not changed since.
func (m *members) fillModified() {
	if !m.has("modified") && m.has("created") {
		m.set("modified", m.value("created"))
	}
}

func (m *members) drop(name string) {
	m.list = slices.DeleteFunc(m.list, func(e member) bool { return e.name == name })
}

// elements returns the values of a list, nil for anything else.
func elements(v jsontext.Value) []jsontext.Value {
	if v.Kind() != '[' {
		return nil
	}
	d := jsontext.NewDecoder(bytes.NewBuffer(v))
	if _, err := d.ReadToken(); err != nil {
		return nil
	}
	var list []jsontext.Value
	for d.PeekKind() != ']' {
		e, err := d.ReadValue()
		if err != nil {
			return nil
		}
		list = append(list, e.Clone())
	}
	return list
}

// setElements writes a list, or drops the property when nothing is left.
func (m *members) setElements(name string, list []jsontext.Value) {
	if len(list) == 0 {
		m.drop(name)
		return
	}
	b := append(make([]byte, 0, 64), '[')
	for i, e := range list {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, e...)
	}
	m.set(name, append(b, ']'))
}

// addAlias keeps the foreign id of o as an external reference.
func (m *members) addAlias(o Object) {
	if slices.Contains(o.Aliases, o.ID) {
		return
	}
	list := elements(m.value("external_references"))
	m.setElements("external_references", append(list, appendAlias(nil, o.ID)))
}

// dropMarkings removes the TLP markings of the object and of its parts.
func (m *members) dropMarkings(isTLP func(id string) bool) {
	if v := m.value("object_marking_refs"); v != nil {
		m.setElements("object_marking_refs", slices.DeleteFunc(elements(v), func(e jsontext.Value) bool {
			return isTLP(string(unquote(e)))
		}))
	}
	if v := m.value("granular_markings"); v != nil {
		m.setElements("granular_markings", slices.DeleteFunc(elements(v), func(e jsontext.Value) bool {
			g, err := readMembers(e)
			return err == nil && isTLP(g.text("marking_ref"))
		}))
	}
}
