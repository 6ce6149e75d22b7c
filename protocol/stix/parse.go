package stix

import (
	"bytes"
	"errors"
	"io"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"
)

// parser walks the tokens of one object once. jsontext refuses bad UTF-8 and
// bad syntax; the rest is here. The first error stays.
type parser struct {
	raw     []byte
	copied  string // of raw: texts are parts of it
	dec     *jsontext.Decoder
	err     error
	pending *Fault // counts only for types of the specification
	vendor  bool   // inside an x_ property or an extension
	o       Object
	names   [][]byte // of the open objects, outermost first
	room    [20][]byte
}

// newDecoder leaves duplicate names to closeNames, which has to know all names
// anyhow and need not copy them.
func newDecoder(raw []byte) *jsontext.Decoder {
	return jsontext.NewDecoder(bytes.NewBuffer(raw), jsontext.AllowDuplicateNames(true))
}

func (p *parser) fault(pointer, reason string) {
	if p.err == nil {
		p.err = &Fault{pointer, reason}
	}
}

// faultHere is about the value or name read last.
func (p *parser) faultHere(reason string) {
	if p.err == nil {
		p.fault(string(p.dec.StackPointer()), reason)
	}
}

// suspect is faultHere for a rule that binds the types of the specification
// only; the type may come later.
func (p *parser) suspect(reason string) {
	if p.err == nil && p.pending == nil {
		p.pending = &Fault{string(p.dec.StackPointer()), reason}
	}
}

// syntax turns an error of the decoder into a fault.
func (p *parser) syntax(err error) {
	var s *jsontext.SyntacticError
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		p.fault("", "ends before the object does")
	case errors.As(err, &s):
		p.fault(string(s.JSONPointer), s.Err.Error()+" (byte "+strconv.FormatInt(s.ByteOffset, 10)+")")
	default:
		p.fault("", err.Error())
	}
}

// has reports whether the object has a property of that name.
func (p *parser) has(name string) bool {
	for _, n := range p.names {
		if string(n) == name {
			return true
		}
	}
	return false
}

// object reads the outermost object and leaves its names in p.names.
func (p *parser) object() {
	if p.dec.PeekKind() != '{' {
		if _, err := p.dec.ReadToken(); err != nil {
			p.syntax(err)
		}
		p.fault("", "not a JSON object")
		return
	}
	p.token()
	for p.more('}') {
		name := p.name()
		p.checkName(name)
		p.property(name)
	}
	p.checkNames(p.names)
}

// end refuses whatever follows the object.
func (p *parser) end() {
	if p.err != nil {
		return
	}
	if _, err := p.dec.ReadToken(); err == nil {
		p.fault("", "data after the object")
	} else if !errors.Is(err, io.EOF) {
		p.syntax(err)
	}
}

func (p *parser) token() {
	if p.err != nil {
		return
	}
	if _, err := p.dec.ReadToken(); err != nil {
		p.syntax(err)
	}
}

// more reports whether another member or element follows; otherwise it reads
// the closing delimiter.
func (p *parser) more(end jsontext.Kind) bool {
	if p.err != nil {
		return false
	}
	if p.dec.PeekKind() != end {
		return true
	}
	p.token()
	return false
}

// scalar reads a name, string, number or literal and returns its bytes in raw.
func (p *parser) scalar() []byte {
	if p.err != nil {
		return nil
	}
	v, err := p.dec.ReadValue()
	if err != nil {
		p.syntax(err)
		return nil
	}
	end := int(p.dec.InputOffset())
	return p.raw[end-len(v) : end]
}

// maxNames bounds the names of objects that are inside each other.
const maxNames = 4096

func (p *parser) name() []byte {
	v := p.scalar()
	if p.err != nil {
		return nil
	}
	n := unquote(v)
	if p.names = append(p.names, n); len(p.names) > maxNames {
		p.faultHere("more than 4096 names in open objects")
	}
	return n
}

// unquote returns the text of a valid JSON string, without a copy where it
// holds no escapes.
func unquote(v []byte) []byte {
	if bytes.IndexByte(v, '\\') < 0 {
		return v[1 : len(v)-1]
	}
	b, _ := jsontext.AppendUnquote(nil, v) // the decoder accepted it
	return b
}

// checkName applies the rule for the names of properties, which dictionaries
// and extensions do not obey.
func (p *parser) checkName(name []byte) {
	for _, c := range name {
		if !(c >= 'a' && c <= 'z' || isDigit(c) || c == '_' || c == '-') {
			p.faultHere("property name is not small letters, digits and _")
			return
		}
	}
	if len(name) == 0 || len(name) > 250 {
		p.faultHere("property name is not 1 to 250 characters long")
	}
}

// value reads any value that is kept but not looked at.
func (p *parser) value() {
	if p.err != nil {
		return
	}
	switch p.dec.PeekKind() {
	case '{':
		p.open()
		p.dictionary()
	case '[':
		p.list(p.value)
	case '0':
		p.number(p.scalar())
	case 'n':
		p.scalar()
		p.faultHere("null is not allowed")
	default:
		p.scalar()
	}
}

// open reads [ or {.
func (p *parser) open() {
	p.token()
	if p.err == nil && p.dec.StackDepth() > MaxDepth {
		p.faultHere("nested deeper than 32")
	}
}

// list reads a list, each element by the function given.
func (p *parser) list(element func()) {
	if p.dec.PeekKind() != '[' {
		p.value()
		p.faultHere("not a list")
		return
	}
	p.open()
	n := 0
	for ; p.more(']'); n++ {
		element()
	}
	if n == 0 && !p.vendor {
		p.suspect("empty list")
	}
}

// dictionary reads the members of an object that was opened.
func (p *parser) dictionary() {
	base := len(p.names)
	for p.more('}') {
		p.name()
		p.value()
	}
	p.closeNames(base)
}

// closeNames checks and forgets the names of an object that ended.
func (p *parser) closeNames(base int) {
	p.checkNames(p.names[base:])
	p.names = p.names[:base]
}

// number refuses what a reader with 64-bit floats, as most are, would change
// without a word.
func (p *parser) number(v []byte) {
	if p.err != nil {
		return
	}
	if bytes.ContainsAny(v, ".eE") {
		if _, err := strconv.ParseFloat(string(v), 64); err != nil {
			p.faultHere("number out of range")
		}
		return
	}
	const largest = "9007199254740991"
	if digits := bytes.TrimPrefix(v, []byte("-")); len(digits) > len(largest) || len(digits) == len(largest) && string(digits) > largest {
		p.faultHere("integer beyond 2^53-1")
	}
}

// text reads a string.
func (p *parser) text() string {
	if p.err != nil {
		return ""
	}
	if p.dec.PeekKind() != '"' {
		p.value()
		p.faultHere("not a string")
		return ""
	}
	v := p.scalar()
	if p.err != nil {
		return ""
	}
	if bytes.IndexByte(v, '\\') >= 0 {
		return string(unquote(v))
	}
	end := int(p.dec.InputOffset()) - 1
	return p.copied[end-len(v)+2 : end]
}
