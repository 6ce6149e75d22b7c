package floor

import (
	"fmt"
	"strings"

	"golang.org/x/net/publicsuffix"

	"github.com/tocsin-exchange/tocsin/protocol/stix"
)

func (o *Own) networks() (*List, error) {
	l := &List{name: ownNetworks}
	for _, p := range o.Networks {
		if !p.IsValid() {
			return nil, fmt.Errorf("%w: an own network is no address block", ErrInvalid)
		}
		p = unmapped(p.Masked())
		if p.Addr().Is4() && p.Bits() < widestBits4 || p.Addr().Is6() && p.Bits() < widestBits6 {
			return nil, fmt.Errorf("%w: own network %s is wider than any organisation's: state the blocks it consists of", ErrInvalid, p)
		}
		l.addNetwork(p)
	}
	return l, nil
}

func (o *Own) domains() (*List, error) {
	l := &List{name: ownDomains}
	for _, text := range o.Domains {
		name, dotted, err := readName(text)
		if err != nil {
			return nil, fmt.Errorf("%w: own domain %q: %w", ErrInvalid, text, err)
		}
		suffix, icann := publicsuffix.PublicSuffix(name)
		if icann && suffix == name && !dotted {
			return nil, fmt.Errorf("%w: own domain %q is a public suffix: state the names under it that are yours, or %q if all are", ErrInvalid, text, "."+name)
		}
		l.names = append(l.names, listedName{name: name, whole: true})
		l.entries++
	}
	return l, nil
}

func (o *Own) values() (*List, error) {
	l := &List{name: ownValues}
	for _, v := range o.Values {
		c, err := stix.Canonical(v.Type, v.Value)
		if err != nil {
			return nil, fmt.Errorf("%w: own value %q: %w", ErrInvalid, v.String(), err)
		}
		if p, ok := c.Prefix(); ok {
			if p = unmapped(p); p.Bits() == 0 {
				return nil, fmt.Errorf("%w: own value %q holds every address", ErrInvalid, v.String())
			}
			l.addNetwork(p)
			continue
		}
		if c.Type == stix.DomainName {
			base, wildcard := strings.CutPrefix(c.Value, "*.")
			l.names = append(l.names, listedName{name: base, whole: wildcard})
			l.entries++
			continue
		}
		l.addValue(c)
	}
	return l, nil
}
