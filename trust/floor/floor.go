package floor

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/tocsin-exchange/tocsin/protocol/stix"
)

// ErrInvalid is what every refusal of a list or of what the operator states wraps.
var ErrInvalid = errors.New("not a never-block list")

// The narrowest and widest minimum prefix lengths, and the ones in force where
// the operator states none.
const (
	defaultBits4, widestBits4 = 16, 8
	defaultBits6, widestBits6 = 32, 16
)

// The names a [Hit] gives to what is no list of values.
const (
	ownNetworks   = "own networks"
	ownDomains    = "own domains"
	ownValues     = "own values"
	specialUse    = "special use"
	minimumPrefix = "minimum prefix"
	unreadable    = "unreadable values"
)

// Own is what the operator states about himself.
type Own struct {
	Networks []netip.Prefix // at most as wide as /8 and /16; host bits are cleared
	// Domains are names, each with all under it. A suffix under which the whole
	// world registers ("com", "gov.uk") is refused unless a dot before it
	// (".gov.uk") says that everything under it is meant.
	Domains []string
	// Values are canonical observables of any type. One that names a host, such
	// as a URL, also keeps the address or name of that host from being acted on.
	Values []stix.Observable
	// MinBits4 and MinBits6 are the shortest prefixes that may act, 8 to 32 and
	// 16 to 128; 0 stands for 16 and 32.
	MinBits4, MinBits6 int
	// WholeSuffixes lets a list protect what is under the suffixes of companies
	// too (evil.github.io where github.io is listed).
	WholeSuffixes bool
}

// Hit is why a value must never act.
type Hit struct {
	List   string // what the list is called
	Entry  string // the entry of the list, "" where a rule and no entry spoke
	Reason string // both in words: "in 8.8.8.0/24 of public resolvers"
}

// listID is a place in Floor.lists, counted from one; zero is no list.
type listID int32

// Floor answers whether anything may ever act on a value. It is immutable and
// safe for concurrent use. Obtain one from [New]: the zero Floor holds no list.
type Floor struct {
	lists              []*List
	minBits4, minBits6 int
	wholeSuffixes      bool

	blocks      blockTable
	own         nameIndex // the operator's domains
	hosts       nameIndex // names of all other lists
	mailHosts   nameIndex // domains of lists on e-mail addresses
	values      map[stix.Observable]listID
	expressions map[stix.Type][]expression
}

// New builds a floor of the built-in lists, what the operator states and more
// lists. Their order makes no difference. It refuses two lists of one name, own
// networks and domains nobody can own whole, and more than 1,000 expressions.
// Errors wrap [ErrInvalid].
func New(o Own, lists ...*List) (*Floor, error) {
	f := &Floor{
		minBits4: cmp.Or(o.MinBits4, defaultBits4), minBits6: cmp.Or(o.MinBits6, defaultBits6), wholeSuffixes: o.WholeSuffixes,
		own: newNameIndex(), hosts: newNameIndex(), mailHosts: newNameIndex(),
		values: map[stix.Observable]listID{}, expressions: map[stix.Type][]expression{},
	}
	if f.minBits4 < widestBits4 || f.minBits4 > 32 || f.minBits6 < widestBits6 || f.minBits6 > 128 {
		return nil, fmt.Errorf("%w: minimum prefix lengths go from /8 to /32 and from /16 to /128", ErrInvalid)
	}
	domains, err := o.domains()
	if err != nil {
		return nil, err
	}
	networks, err := o.networks()
	if err != nil {
		return nil, err
	}
	values, err := o.values()
	if err != nil {
		return nil, err
	}
	given := slices.Clone(lists)
	if slices.Contains(given, nil) {
		return nil, fmt.Errorf("%w: a list is nil", ErrInvalid)
	}
	slices.SortFunc(given, func(a, b *List) int { return strings.Compare(a.name, b.name) })
	f.lists = slices.Concat([]*List{networks, domains, values}, builtin(), given)
	if err := f.index(domains); err != nil {
		return nil, err
	}
	return f, nil
}

// Lists returns the lists of the floor, the operator's first, then the built-in
// ones, then the ones given to [New] by name.
func (f *Floor) Lists() []*List { return slices.Clone(f.lists) }

// index merges the lists. Where several hold an entry the first one is named.
func (f *Floor) index(domains *List) error {
	names, total := map[string]bool{specialUse: true, minimumPrefix: true, unreadable: true}, 0
	for i, l := range f.lists {
		if names[l.name] {
			return fmt.Errorf("%w: two lists are called %q", ErrInvalid, l.name)
		}
		names[l.name] = true
		if total += len(l.expressions); total > maxExpressions {
			return fmt.Errorf("%w: more than %d substrings and regular expressions in all lists together (up to %q)", ErrInvalid, maxExpressions, l.name)
		}
		id := listID(i + 1)
		hosts := &f.hosts
		if l == domains {
			hosts = &f.own
		}
		for _, n := range l.names {
			hosts.add(n, id)
		}
		for _, n := range l.mailHosts {
			f.mailHosts.add(n, id)
		}
		for _, p := range l.networks {
			f.blocks = append(f.blocks, block{prefix: p, list: id})
		}
		for _, o := range l.values {
			f.values[o] = first(f.values[o], id)
		}
		for _, e := range l.expressions {
			e.list = id
			for _, t := range l.types {
				f.expressions[t] = append(f.expressions[t], e)
			}
		}
	}
	f.blocks = f.blocks.ordered()
	return nil
}

// first returns the list that is named where two hold the same.
func first(a, b listID) listID {
	if a == 0 || b != 0 && b < a {
		return b
	}
	return a
}
