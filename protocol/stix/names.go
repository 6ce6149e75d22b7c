package stix

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// checkNames refuses names that are the same, and names that differ only in
// case: some readers take one, some the other.
func (p *parser) checkNames(names [][]byte) {
	odd := false
	for i, n := range names {
		odd = odd || hasCase(n)
		if len(names) > 32 {
			continue // by map, below
		}
		for _, m := range names[:i] {
			if len(m) == len(n) && string(m) == string(n) {
				p.faultName(n, "name given twice")
			}
		}
	}
	if odd && len(names) > 1 || len(names) > 32 {
		p.checkFolded(names)
	}
}

func (p *parser) faultName(name []byte, reason string) {
	if p.err == nil {
		p.fault(string(p.dec.StackPointer().AppendToken(string(name))), reason)
	}
}

// hasCase reports letters that a reader who ignores case may take for others.
func hasCase(name []byte) bool {
	for _, c := range name {
		if c >= 'A' && c <= 'Z' || c >= utf8.RuneSelf {
			return true
		}
	}
	return false
}

func (p *parser) checkFolded(names [][]byte) {
	if p.err != nil {
		return
	}
	seen := make(map[string]string, len(names))
	for _, n := range names {
		folded := fold(string(n))
		switch first, again := seen[folded]; {
		case again && first == string(n):
			p.faultName(n, "name given twice")
		case again:
			p.faultName(n, "differs only in case from "+quoted(first))
		}
		if p.err != nil {
			return
		}
		seen[folded] = string(n)
	}
}

// fold maps every name that strings.EqualFold takes for the same to one.
func fold(s string) string {
	return strings.Map(func(r rune) rune {
		least := r
		for f := unicode.SimpleFold(r); f != r; f = unicode.SimpleFold(f) {
			least = min(least, f)
		}
		return least
	}, s)
}
