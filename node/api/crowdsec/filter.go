package crowdsec

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// ErrFilter: a filter cannot be read.
var ErrFilter = errors.New("bad filter")

// A Filter says which decisions an asker wants. The zero value is all of them.
type Filter struct {
	none   bool     // none of ours can be meant
	scopes []string // nil: any
	value  string   // "": any
	of     netip.Prefix
	within bool // those inside of it, rather than around
}

// ReadFilter reads the filters of a query; see the package comment. Errors wrap
// [ErrFilter].
func ReadFilter(q url.Values) (f Filter, err error) {
	words := func(name string) (list []string) {
		for word := range strings.SplitSeq(q.Get(name), ",") {
			if word = strings.ToLower(strings.TrimSpace(word)); word != "" {
				list = append(list, word)
			}
		}
		return list
	}
	in := func(word string) bool { return strings.Contains(Scenario, word) }
	f.scopes = append(words("scopes"), words("scope")...)
	f.value = q.Get("value")
	wanted, unwanted := words("scenarios_containing"), words("scenarios_not_containing")
	f.none = q.Has("origins") && !slices.Contains(words("origins"), Origin) || q.Has("type") && !slices.Contains(words("type"), actionBan) ||
		len(wanted) > 0 && !slices.ContainsFunc(wanted, in) || slices.ContainsFunc(unwanted, in)
	for _, name := range []string{"ip", "range"} {
		text := q.Get(name)
		if text == "" {
			continue
		}
		if f.of, err = prefix(text); err != nil {
			return f, fmt.Errorf("%w: %s %.60q is no address or block", ErrFilter, name, text)
		}
	}
	if text := q.Get("contains"); text != "" {
		around, err := strconv.ParseBool(text)
		if err != nil {
			return f, fmt.Errorf("%w: contains %.60q: true or false", ErrFilter, text)
		}
		f.within = !around
	}
	return f, nil
}

// wants reports whether a value passes.
func (f *Filter) wants(value string) bool {
	switch {
	case f.none, f.value != "" && f.value != value, f.scopes != nil && !slices.Contains(f.scopes, strings.ToLower(scope(value))):
		return false
	case !f.of.IsValid():
		return true
	}
	p, err := prefix(value)
	if err != nil || p.Addr().Is4() != f.of.Addr().Is4() {
		return false
	}
	if f.within {
		return p.Bits() >= f.of.Bits() && f.of.Contains(p.Addr())
	}
	return p.Bits() <= f.of.Bits() && p.Contains(f.of.Addr())
}
