package intake

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
)

// An export is a file of MISP events, or of attributes without one.
type export struct {
	s    *source
	sc   *scanner
	next yield
	any  bool // something of MISP's was found
}

// misp reads events in any of the wrappers MISP puts around them.
func (s *source) misp(next yield) {
	e := &export{s: s, sc: newScanner(s.in), next: next}
	err := e.read()
	if err == nil && !e.any {
		err = fmt.Errorf("%w: no MISP event or attribute in it", ErrFormat)
	}
	if err != nil && err != errStopped {
		next(Row{}, fmt.Errorf("%s:%d: %w", s.o.Name, e.sc.line, err))
	}
}

func (e *export) read() error {
	for {
		if _, ok := e.sc.next(); !ok {
			return e.sc.err
		}
		if err := e.value("", 0); err != nil {
			return err
		}
	}
}

// maxWrappers bounds the lists and objects around an event.
const maxWrappers = 8

// value reads what stands where events are expected: a list of such, a wrapper
// or a bare event.
func (e *export) value(place string, depth int) error {
	c, _ := e.sc.next()
	switch {
	case depth > maxWrappers:
		return e.sc.fault("more than %d wrappers around an event", maxWrappers)
	case c == '[':
		i := -1
		return e.sc.elements(func() error { i++; return e.value(place+"/"+strconv.Itoa(i), depth+1) })
	case c == '{':
		return e.wrapper(place, depth)
	}
	return e.sc.fault("%q where an event should be", c)
}

// wrapper reads an object: around an event, a response or a list of
// attributes, or the event itself, which then has to be kept whole because its
// tags may come last.
func (e *export) wrapper(place string, depth int) error {
	line, inside := e.sc.line, false
	e.sc.record(MaxEvent)
	err := e.sc.members(func(name string) error {
		c, _ := e.sc.next()
		at := place + "/" + name
		switch {
		case name == "Event" && c == '{':
			inside = true
			return e.event(at)
		case name == "response" && (c == '{' || c == '['):
			inside = true
			e.sc.record(0)
			return e.value(at, depth+1)
		case name == "Object" && c == '{', name == "Attribute" && c == '{':
			inside = true
			return e.lone(at, name)
		case inside && label(name):
			return e.sc.fault("%q after the attributes it is about", name)
		}
		return e.sc.value()
	})
	raw, whole := e.sc.recorded()
	if err != nil || inside {
		return err
	}
	return e.eventRow(raw, line, place, whole)
}

// label reports whether a member speaks about who may see its neighbours. The
// case does not matter: what one reader takes for a label all must.
func label(name string) bool {
	return strings.EqualFold(name, "Tag") || strings.EqualFold(name, "distribution")
}

// event reads the event that begins here.
func (e *export) event(place string) error {
	raw, line, whole, err := e.sc.capture(MaxEvent)
	if err != nil {
		return err
	}
	return e.eventRow(raw, line, place, whole)
}

// lone reads one object or attribute that stands outside an event.
func (e *export) lone(place, name string) error {
	raw, line, whole, err := e.sc.capture(MaxEvent)
	if err != nil {
		return err
	}
	if !whole {
		return e.tooLarge(line, place, raw)
	}
	e.any = true
	if name == "Object" {
		return e.object(memoryScanner(raw, line), place, envelope{})
	}
	return e.yield(e.s.attribute(raw, envelope{}), line, place)
}

func (e *export) tooLarge(line int, place string, raw []byte) error {
	row := Row{}
	refuse(&row, "event larger than 64 MiB: export it in parts", string(raw[:min(len(raw), maxExcerpt)]))
	return e.yield(row, line, place)
}

func (e *export) yield(row Row, line int, place string) error {
	row.Line, row.Place = line, place
	if !e.next(row, nil) {
		return errStopped
	}
	return nil
}

// eventRow reads an event twice: first for what it says about all of its
// attributes, wherever in it that stands, then for the attributes.
func (e *export) eventRow(raw []byte, line int, place string, whole bool) error {
	if !whole {
		return e.tooLarge(line, place, raw)
	}
	env, err := readEnvelope(raw, envelope{})
	if err != nil {
		return err
	}
	sc := memoryScanner(raw, line)
	err = sc.members(func(name string) error {
		c, _ := sc.next()
		switch {
		case c == '[' && name == "Attribute":
			e.any = true
			return e.attributes(sc, place+"/Attribute", env)
		case c == '[' && name == "ShadowAttribute":
			env := env
			env.skip = "proposal, not yet part of the event"
			return e.attributes(sc, place+"/ShadowAttribute", env)
		case c == '[' && name == "Object":
			e.any = true
			i := -1
			return sc.elements(func() error { i++; return e.object(sc, place+"/Object/"+strconv.Itoa(i), env) })
		case name == "info":
			e.any = true
		}
		return sc.value()
	})
	if err != nil && err != errStopped {
		e.sc.line = sc.line
	}
	return err
}

// attributes reads a list of attributes.
func (e *export) attributes(sc *scanner, place string, env envelope) error {
	i := -1
	return sc.elements(func() error {
		raw, line, whole, err := sc.capture(maxAttribute)
		if err != nil {
			return err
		}
		i++
		at := place + "/" + strconv.Itoa(i)
		if !whole {
			row := Row{}
			refuse(&row, "attribute larger than 1 MiB", string(raw[:maxExcerpt]))
			return e.yield(row, line, at)
		}
		return e.yield(e.s.attribute(raw, env), line, at)
	})
}

// maxAttribute bounds one attribute in bytes; samples and screenshots travel
// in them.
const maxAttribute = 1 << 20

// object reads a MISP object and the attributes in it.
func (e *export) object(sc *scanner, place string, env envelope) error {
	raw, line, whole, err := sc.capture(MaxEvent)
	if err != nil || !whole {
		return err
	}
	raw = bytes.Clone(raw)
	inner, err := readEnvelope(raw, env)
	if err != nil {
		return err
	}
	in := memoryScanner(raw, line)
	err = in.members(func(name string) error {
		if c, _ := in.next(); name == "Attribute" && c == '[' {
			return e.attributes(in, place+"/Attribute", inner)
		}
		return in.value()
	})
	return err
}
