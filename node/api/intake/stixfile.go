package intake

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/tocsin-exchange/tocsin/protocol"
	"github.com/tocsin-exchange/tocsin/protocol/stix"
)

// errStopped says that whoever takes the rows wants no more of them.
var errStopped = errors.New("stopped")

// A bundle is a file of STIX objects being read.
type bundle struct {
	s     *source
	sc    *scanner
	next  yield
	marks markings
	held  map[string][]heldObject // by the marking they wait for
	bytes int                     // of held
}

// A heldObject is marked with something the file has not defined so far.
type heldObject struct {
	raw   []byte
	line  int
	place string
}

// stix reads bundles, arrays and single objects, one after the other.
func (s *source) stix(next yield) {
	b := &bundle{s: s, sc: newScanner(s.in), next: next, held: map[string][]heldObject{}}
	err := b.read()
	if err == nil {
		err = b.end()
	}
	if err != nil && err != errStopped {
		next(Row{}, fmt.Errorf("%s:%d: %w", s.o.Name, b.sc.line, err))
	}
}

func (b *bundle) read() error {
	for {
		c, ok := b.sc.next()
		var err error
		switch {
		case !ok:
			return b.sc.err
		case c == '[':
			err = b.elements("")
		case c == '{':
			err = b.object()
		default:
			err = b.sc.fault("%q where an object should be", c)
		}
		if err != nil {
			return err
		}
	}
}

// object reads an object that may be one to share or a wrapper around many:
// which, shows when a list named objects turns up or does not.
func (b *bundle) object() error {
	line := b.sc.line
	wrapper := false
	b.sc.record(stix.MaxObject)
	err := b.sc.members(func(name string) error {
		if c, _ := b.sc.next(); name == "objects" && c == '[' {
			wrapper = true
			b.sc.record(0)
			return b.elements("/objects")
		}
		return b.sc.value()
	})
	raw, whole := b.sc.recorded()
	if err != nil || wrapper {
		return err
	}
	return b.row(raw, line, "", whole)
}

func (b *bundle) elements(place string) error {
	i := 0
	return b.sc.elements(func() error {
		raw, line, whole, err := b.sc.capture(stix.MaxObject)
		if err != nil {
			return err
		}
		i++
		return b.row(raw, line, place+"/"+strconv.Itoa(i-1), whole)
	})
}

// row reads one object and hands its row on, unless it has to wait.
func (b *bundle) row(raw []byte, line int, place string, whole bool) error {
	row := Row{Line: line, Place: place}
	if !whole {
		refuse(&row, fmt.Sprintf("object larger than %d KiB", stix.MaxObject>>10), string(raw[:maxExcerpt]))
		return b.yield(row)
	}
	o, err := parseObject(raw)
	if err != nil {
		refuse(&row, faultReason(err), string(raw[:min(len(raw), maxExcerpt)]))
		return b.yield(row)
	}
	if o.Type == "marking-definition" {
		if done, err := b.definition(&row, o); done || err != nil {
			return err
		}
	}
	label, missing := b.marks.label(o.MarkingRefs)
	if missing != "" {
		return b.hold(row, o, missing)
	}
	b.s.object(&row, o, label)
	return b.yield(row)
}

func (b *bundle) yield(row Row) error {
	if !b.next(row, nil) {
		return errStopped
	}
	return nil
}

// definition learns what a marking means. A pure TLP definition is done with
// that; any other is also an object to carry.
func (b *bundle) definition(row *Row, o stix.Object) (done bool, err error) {
	pure, err := b.marks.learn(o)
	switch {
	case err != nil:
		refuse(row, err.Error(), o.ID)
	case pure:
		row.Skipped = "TLP marking definition: added again on export"
	}
	if done = err != nil || pure; done {
		if err := b.yield(*row); err != nil {
			return true, err
		}
	}
	return done, b.release(o.ID)
}

// hold keeps an object back until the marking it names is defined.
func (b *bundle) hold(row Row, o stix.Object, missing string) error {
	if b.bytes+len(o.Raw) > MaxHeld {
		refuse(&row, "unknown marking: too many objects wait for definitions; put marking-definitions first", missing)
		return b.yield(row)
	}
	b.bytes += len(o.Raw)
	b.held[missing] = append(b.held[missing], heldObject{bytes.Clone(o.Raw), row.Line, row.Place})
	return nil
}

// release reads again what waited for a marking.
func (b *bundle) release(id string) error {
	waiting := b.held[id]
	delete(b.held, id)
	for _, h := range waiting {
		b.bytes -= len(h.raw)
		if err := b.row(h.raw, h.line, h.place, true); err != nil {
			return err
		}
	}
	return nil
}

// end refuses what still waits when the file ends.
func (b *bundle) end() error {
	var rows []Row
	for missing, waiting := range b.held {
		for _, h := range waiting {
			row := Row{Line: h.line, Place: h.place}
			refuse(&row, "unknown marking: not defined in this file", missing)
			rows = append(rows, row)
		}
	}
	slices.SortFunc(rows, func(x, y Row) int {
		if x.Line != y.Line {
			return x.Line - y.Line
		}
		return len(x.Place) - len(y.Place)
	})
	for _, row := range rows {
		if err := b.yield(row); err != nil {
			return err
		}
	}
	return nil
}

// parseObject parses STIX 2.1, or 2.0 after bringing it up to 2.1.
func parseObject(raw []byte) (stix.Object, error) {
	o, err := stix.Parse(raw)
	if err == nil || !legacy(raw) {
		return o, err
	}
	up, e := stix.Upgrade(raw)
	if e != nil {
		return o, e
	}
	return stix.Parse(up)
}

// legacy reports whether an object may be STIX 2.0, where single objects did
// not carry their version.
func legacy(raw []byte) bool {
	version, created := false, false
	err := memoryScanner(raw, 1).membersOnly(func(name string, value []byte) {
		version = version || name == "spec_version" && string(value) != `"2.0"`
		created = created || name == "created"
	})
	return err == nil && created && !version
}

// faultReason is why an object was refused, in a form a tally can count.
func faultReason(err error) string {
	if f, ok := errors.AsType[*stix.Fault](err); ok {
		return "invalid STIX object: " + excerpt(f.Error())
	}
	return excerpt(err.Error())
}

// object fills in row for an object whose markings are understood.
func (s *source) object(row *Row, o stix.Object, label protocol.TLP) {
	row.TLP = label
	if row.TLP == protocol.Unlabelled {
		row.TLP = s.o.TLP
	}
	switch {
	case o.Type == "bundle":
		row.Skipped = "empty bundle"
	case o.Revoked:
		row.Skipped = "revoked by its author"
	case !o.ValidUntil.IsZero() && !o.ValidUntil.After(s.o.Now):
		row.Skipped = "expired: valid until " + o.ValidUntil.Format(time.DateOnly)
	case row.TLP == protocol.Unlabelled:
		refuse(row, refuseNoLabel, o.ID)
	default:
		s.carry(row, o)
	}
}

// carry makes an object a draft, unless its value is for special use or the
// file has said it before.
func (s *source) carry(row *Row, o stix.Object) {
	key := []string{row.TLP.String()}
	for _, c := range o.Claims {
		if why := c.SpecialUse(); why != "" {
			refuse(row, why, c.Value)
			return
		}
		key = append(key, string(c.Type), c.Value)
	}
	if len(o.Claims) == 0 {
		key = append(key, string(o.Raw))
	}
	if s.seen.again(key...) {
		row.Skipped = skipDuplicate
		return
	}
	d := stix.Draft{Object: bytes.Clone(o.Raw), Confidence: -1}
	if o.Type == "indicator" {
		d.ValidUntil, d.Confidence, d.Labels, d.Description = s.until(), s.o.Confidence, s.o.Labels, s.o.Description
	}
	row.Drafts = []stix.Draft{d}
}
