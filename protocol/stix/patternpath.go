package stix

import (
	"fmt"
	"strings"
)

// path = object-type ":" key *( "." key / "[" index "]" )
func (p *patternParser) path(c *Comparison) {
	start := p.tok.offset
	c.keys = make([]string, 0, 2)
	if p.tok.kind != tokWord {
		p.fail("expected an object path, found " + p.tok.describe())
		return
	}
	c.object = p.tok.text
	p.next()
	end := p.tok.offset
	p.expect(':')
	for p.err == nil {
		end = p.pathKey(c)
		for p.tok.kind == '[' {
			end = p.pathIndex(c)
		}
		if p.tok.kind != '.' {
			break
		}
		p.next()
	}
	if p.err == nil {
		c.Path = p.text[start:end]
	}
}

func (p *patternParser) pathKey(c *Comparison) (end int) {
	t := p.tok
	if t.kind != tokString && (t.kind != tokWord || strings.IndexByte(t.text, '-') >= 0) {
		p.fail("expected a property name, found " + t.describe())
	}
	c.keys = append(c.keys, t.text)
	p.next()
	return t.offset + len(t.raw)
}

func (p *patternParser) pathIndex(c *Comparison) (end int) {
	p.next()
	t := p.tok
	if t.kind != tokInt && t.kind != '*' {
		p.fail("expected an index or *, found " + t.describe())
	}
	c.keys = append(c.keys, "["+t.text+"]")
	p.next()
	end = p.tok.offset + 1
	p.expect(']')
	return end
}

// checkHashes refuses a comparison for equality with what cannot be a hash of
// the named kind: it would never match.
func (p *patternParser) checkHashes(c *Comparison) {
	if c.Op != "=" && c.Op != "!=" && c.Op != "IN" || len(c.keys) != 2 || c.keys[0] != "hashes" {
		return
	}
	digits := hashDigits(hashType("file", c.keys[1]))
	for _, v := range c.values {
		if text := trimInvisible(v.text); digits > 0 && (len(text) != digits || !allHex(text)) {
			p.fail(fmt.Sprintf("%s is not a valid %s hash", quoted(v.text), c.keys[1]))
			return
		}
	}
}
