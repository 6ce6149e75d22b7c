package policy

import (
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/tocsin-exchange/tocsin/protocol"
	"github.com/tocsin-exchange/tocsin/protocol/stix"
	"github.com/tocsin-exchange/tocsin/trust/floor"
	"github.com/tocsin-exchange/tocsin/trust/score"
)

// Model returns the numbers that values are judged by. Evidence loses half of
// its weight in half of its lifetime, an hour at least. Whatever the thresholds, strangers stay
// below that of block.
func (p *Policy) Model() score.Model {
	m := score.Default()
	m.Alert, m.Block, m.Corroboration = max(1, p.Tiers.Alert.Score), max(1, p.Tiers.Block.Score), p.Tiers.Block.Orgs
	m.NewcomerCap, m.StrangersCap = min(m.NewcomerCap, m.Block-1), min(m.StrangersCap, m.Block-1)
	m.Chosen, m.Newcomer = p.Trust.Default, min(p.Trust.Newcomer, m.NewcomerCap)
	m.HalfLives = map[stix.Type]time.Duration{}
	for _, t := range stix.Types() {
		m.HalfLives[t] = max(time.Hour, p.Lifetimes.Of(string(t))/2)
	}
	return m
}

// Own returns what the operator says nothing may ever act on.
func (n NeverBlock) Own() (floor.Own, error) {
	own := floor.Own{Domains: n.Domains, MinBits4: n.PrefixIPv4, MinBits6: n.PrefixIPv6}
	for _, text := range n.Networks {
		p, err := netip.ParsePrefix(text)
		if err != nil {
			return own, fmt.Errorf("%w: never-block.networks: %w", ErrPolicy, err)
		}
		own.Networks = append(own.Networks, p)
	}
	for _, text := range n.Values {
		kind, value, _ := strings.Cut(text, ":")
		o, err := stix.Canonical(stix.Type(kind), value)
		if err != nil {
			return own, fmt.Errorf("%w: never-block.values: %w", ErrPolicy, err)
		}
		own.Values = append(own.Values, o)
	}
	return own, nil
}

// Before returns the moment before which what was issued under a label is kept
// no longer; the zero time where all is kept.
func (r Retention) Before(label protocol.TLP, now time.Time) time.Time {
	keep := Forever
	switch label {
	case protocol.Clear:
		keep = r.Clear
	case protocol.Green:
		keep = r.Green
	case protocol.Amber:
		keep = r.Amber
	case protocol.AmberStrict:
		keep = r.AmberStrict
	case protocol.Red:
		keep = r.Red
	}
	if keep == Forever {
		return time.Time{}
	}
	return now.Add(-keep)
}
