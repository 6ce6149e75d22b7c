package floor

import (
	"strings"

	"golang.org/x/net/publicsuffix"

	"github.com/tocsin-exchange/tocsin/protocol/stix"
)

// listedName is a name of a list: with what is under it, or alone.
type listedName struct {
	name  string
	whole bool
}

// nameIndex finds the listed names at, over and under a name.
type nameIndex struct {
	listed map[string]listing
	above  map[string]lowerName // of each name that listed ones are under, one of these
}

// listing is which lists hold a name.
type listing struct{ any, whole listID }

type lowerName struct {
	name string
	list listID
}

func newNameIndex() nameIndex {
	return nameIndex{listed: map[string]listing{}, above: map[string]lowerName{}}
}

func (x *nameIndex) add(n listedName, list listID) {
	l := x.listed[n.name]
	l.any = first(l.any, list)
	if n.whole {
		l.whole = first(l.whole, list)
	}
	x.listed[n.name] = l
	for p := parent(n.name); p != ""; p = parent(p) {
		known, ok := x.above[p]
		if !ok || list < known.list || list == known.list && n.name < known.name {
			x.above[p] = lowerName{n.name, list}
		}
	}
}

// over returns the listed name that protects a name: itself, or the nearest one
// over it and below the boundary.
func (x *nameIndex) over(name, boundary string) (entry string, list listID) {
	if l, ok := x.listed[name]; ok {
		return name, l.any
	}
	for p := parent(name); p != "" && p != boundary; p = parent(p) {
		if l := x.listed[p]; l.whole != 0 {
			return p, l.whole
		}
	}
	return "", 0
}

func parent(name string) string {
	_, after, _ := strings.Cut(name, ".")
	return after
}

// boundary returns the public suffix above which nobody answers for a name:
// what is under github.io is not GitHub's. A suffix itself belongs to whoever
// is above it. Where the suffixes of companies count for nothing, only those of
// the registries do. A name that no registry knows (.lan) has no boundary.
func boundary(name string, registriesOnly bool) string {
	for {
		suffix, icann := publicsuffix.PublicSuffix(name)
		switch {
		case icann || suffix != name && !registriesOnly && strings.Contains(suffix, "."):
			return suffix
		case !strings.Contains(suffix, "."):
			return ""
		}
		name = parent(suffix)
	}
}

// suffixUnder returns a public suffix of the registries right under a name that
// is none itself: the cities of Japan, whose wards everybody registers in.
func suffixUnder(name string) string {
	if strings.Count(name, ".") > 1 {
		return "" // all of these are cities and second levels
	}
	child := "x." + name
	if suffix, icann := publicsuffix.PublicSuffix(child); icann && suffix == child {
		return "*." + name
	}
	return ""
}

// readName reads a name as lists write it, also one of a single label; dotted
// reports a dot or "*." before it, which says that what is under it is meant.
func readName(text string) (name string, dotted bool, err error) {
	text = strings.TrimSpace(text)
	base := strings.TrimPrefix(strings.TrimPrefix(text, "*"), ".")
	o, err := stix.Canonical(stix.DomainName, "x."+base)
	if err != nil {
		return "", false, err
	}
	return o.Value[len("x."):], base != text, nil
}
