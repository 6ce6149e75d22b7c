package policy

import "slices"

// Belief is how far an organisation is believed in one type before outcomes
// move it, and the key of the policy that says so.
type Belief struct {
	Level  int // 0..100
	Anchor bool
	Key    string
}

// Level returns how far an organisation is believed in an observable type ("":
// in any), by its name here, the communities it is a member of, and whether the
// operator chose it (its name was confirmed). The most exact word decides: the
// organisation's, in that type before in general; then its communities', the
// highest where there are several; then that on the type; then the default.
// Whoever was not chosen and is not named is believed no further than a newcomer.
func (p *Policy) Level(org string, communities []string, chosen bool, kind string) Belief {
	if l, named := p.Trust.Org[org]; named {
		return l.belief("trust.org."+quoteKey(org), kind)
	}
	b := Belief{Level: -1}
	for _, c := range slices.Sorted(slices.Values(communities)) {
		if l, named := p.Trust.Community[c]; named {
			if of := l.belief("trust.community."+quoteKey(c), kind); of.Level > b.Level {
				b = of
			}
		}
	}
	if n, set := p.Trust.Types[kind]; b.Level < 0 && set {
		b = Belief{Level: n, Key: "trust.types." + kind}
	}
	if b.Level < 0 {
		b = Belief{Level: p.Trust.Default, Key: "trust.default"}
	}
	if !chosen && b.Level > p.Trust.Newcomer {
		return Belief{Level: p.Trust.Newcomer, Key: "trust.newcomer"}
	}
	return b
}

// belief returns what a level says of a type.
func (l Level) belief(key, kind string) Belief {
	if n, set := l.Types[kind]; set {
		return Belief{Level: n, Anchor: l.Anchor, Key: key + ".types." + kind}
	}
	return Belief{Level: l.Value, Anchor: l.Anchor, Key: key}
}
