package feed

import (
	"bufio"
	"io"
	"slices"

	"github.com/tocsin-exchange/tocsin/protocol/stix"
)

const writeBuffer = 64 << 10

// A sheet is one file of a format, written value by value.
type sheet struct {
	name       string                             // of the file; empty in a format of one
	head, tail func(b []byte, d *Document) []byte // nil: nothing
	parts      []part                             // one after the other
}

// A part of a sheet is a run of lines of some types. Where there are no lines
// there is nothing around them either.
type part struct {
	types         []stix.Type
	before, after string
	between       string
	most          int                                          // lines; 0: any number
	line          func(b []byte, d *Document, e *Entry) []byte // appends nothing for a value it cannot carry, whatever the document
}

// text is the head or tail that is always the same.
func text(s string) func(b []byte, d *Document) []byte {
	return func(b []byte, _ *Document) []byte { return append(b, s...) }
}

// newFormat makes a format of sheets.
func newFormat(name, about, media string, sheets ...sheet) Format {
	f := Format{Name: name, About: about, Media: media}
	for i := range sheets {
		if sheets[i].name != "" {
			f.Files = append(f.Files, sheets[i].name)
		}
		for _, p := range sheets[i].parts {
			for _, t := range p.types {
				if !f.carries(t) {
					f.Types = append(f.Types, t)
				}
			}
		}
	}
	f.write = func(w io.Writer, d *Document, file string) error {
		i := slices.IndexFunc(sheets, func(s sheet) bool { return s.name == file })
		if i < 0 {
			return noFile(name, file)
		}
		return sheets[i].write(w, d)
	}
	f.fits = func(e *Entry) bool {
		return slices.ContainsFunc(sheets, func(s sheet) bool { return s.fits(e) })
	}
	return f
}

func (s *sheet) write(w io.Writer, d *Document) error {
	out := bufio.NewWriterSize(w, writeBuffer)
	var b []byte
	if s.head != nil {
		out.Write(s.head(b, d)) // a bufio.Writer keeps its error for Flush
	}
	for i := range s.parts {
		if err := s.parts[i].write(out, d); err != nil {
			return err
		}
	}
	if s.tail != nil {
		out.Write(s.tail(b, d))
	}
	return out.Flush()
}

func (p *part) write(out *bufio.Writer, d *Document) error {
	var e Entry
	var b []byte
	lines := 0
	for e = range d.All {
		if b = p.lineOf(b[:0], d, &e); len(b) == 0 {
			continue
		}
		if lines == 0 {
			out.WriteString(p.before)
		} else {
			out.WriteString(p.between)
		}
		if _, err := out.Write(b); err != nil {
			return err
		}
		if lines++; lines == p.most {
			break
		}
	}
	if lines > 0 {
		out.WriteString(p.after)
	}
	return nil
}

func (p *part) lineOf(b []byte, d *Document, e *Entry) []byte {
	if !slices.Contains(p.types, e.Type) || !fits(e.Value) || !canonical(e) || !routable(e) {
		return b
	}
	return p.line(b, d, e)
}

func (s *sheet) fits(e *Entry) bool {
	return slices.ContainsFunc(s.parts, func(p part) bool { return len(p.lineOf(nil, &Document{}, e)) > 0 })
}

// canonical reports whether a value is written as its type has it, and so has no
// other characters than such values have.
func canonical(e *Entry) bool {
	o, err := stix.Canonical(e.Type, e.Value)
	return err == nil && o == e.Observable
}

// routable reports whether an address is one that a packet can have, and a block
// not all there are; other types always are.
func routable(e *Entry) bool {
	if e.Type != stix.IPv4Addr && e.Type != stix.IPv6Addr {
		return true
	}
	p, _ := network(e)
	return p.Bits() > 0
}

// single reports whether a value is no block and no wildcard.
func single(e *Entry) bool {
	if e.Type == stix.IPv4Addr || e.Type == stix.IPv6Addr {
		_, one := network(e)
		return one
	}
	return !isWildcard(e)
}

// enclosed appends a value between two texts.
func enclosed(b []byte, before, value, after string) []byte {
	return append(append(append(b, before...), value...), after...)
}

// addresses writes addresses and blocks of both families between two texts.
func addresses(before, after string) part {
	return addressesOf(before, after, stix.IPv4Addr, stix.IPv6Addr)
}

func addressesOf(before, after string, types ...stix.Type) part {
	return part{types: types, line: func(b []byte, _ *Document, e *Entry) []byte {
		return enclosed(b, before, e.Value, after)
	}}
}

// names writes single names between two texts, and no wildcards.
func names(before, after string) part {
	return part{types: []stix.Type{stix.DomainName}, line: func(b []byte, _ *Document, e *Entry) []byte {
		if isWildcard(e) {
			return b
		}
		return enclosed(b, before, e.Value, after)
	}}
}

// wildcards writes the names under which wildcards are everything between two
// texts, and no single names.
func wildcards(before, after string) part {
	return part{types: []stix.Type{stix.DomainName}, line: func(b []byte, _ *Document, e *Entry) []byte {
		if !isWildcard(e) {
			return b
		}
		return enclosed(b, before, e.Value[len("*."):], after)
	}}
}
