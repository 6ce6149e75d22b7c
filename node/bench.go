package node

import (
	"maps"
	"slices"
	"time"

	"github.com/tocsin-exchange/tocsin/protocol"
	"github.com/tocsin-exchange/tocsin/protocol/stix"
	"github.com/tocsin-exchange/tocsin/trust"
	"github.com/tocsin-exchange/tocsin/trust/policy"
	"github.com/tocsin-exchange/tocsin/trust/score"
)

// A bench is where values are judged: the rules, who is who, and what became of
// everybody's word, at one moment. It is never changed.
type bench struct {
	rules    *Rules
	outlook  *outlook
	outcomes *outcomes
	bound    policy.Bound
	faults   policy.Faults // names in the policy that nobody has
	model    score.Model
	voices   *score.Voices
	mark     uint64 // another when a judgement may be another without news of the value

	noted map[protocol.Org]standing // of a moment that has passed: as the journal has it
}

// bench returns the bench of now. What goes into it is compared by identity, so
// it is made anew only when something was learnt.
func (n *Node) bench() *bench {
	r, o, oc := n.rules.Load(), n.look(), n.outcomes.Load()
	old := n.benched.Load()
	if old != nil && old.rules == r && old.outlook == o && old.outcomes == oc {
		return old
	}
	b := &bench{rules: r, outlook: o, outcomes: oc, model: r.Policy.Model()}
	b.bound, b.faults = r.Policy.Bind(n.directory(o))
	if old != nil && old.rules == r && b.sameMembers(old) {
		b.voices, b.mark = old.voices, old.mark
	} else {
		b.voices = score.NewVoices(func(org protocol.Org) score.Level { return b.level(org, "") }, b.members())
		b.mark = n.marks.Add(1)
	}
	if old != nil && old.outcomes != oc {
		b.mark = n.marks.Add(1)
	}
	n.benched.CompareAndSwap(old, b)
	return b
}

// sameMembers reports whether nothing differs by which organisations are placed.
func (b *bench) sameMembers(old *bench) bool {
	return maps.Equal(b.outlook.Communities, old.outlook.Communities) && maps.Equal(b.outlook.petnames, old.outlook.petnames) &&
		maps.Equal(b.outlook.levels, old.outlook.levels) && maps.Equal(b.bound.Names, old.bound.Names)
}

func (b *bench) members() map[protocol.ID]map[protocol.Org]trust.Member {
	all := map[protocol.ID]map[protocol.Org]trust.Member{}
	for id, c := range b.outlook.Communities {
		all[id] = c.Members
	}
	return all
}

// belief is how far the operator believes an organisation in one type of value,
// and what that says so: a key of the policy, or "" for the command line.
func (b *bench) belief(org protocol.Org, kind stix.Type) (l score.Level, source string) {
	if org == b.outlook.Self {
		return score.Level{Role: score.Own, Number: score.Unstated}, "own"
	}
	if was, is := b.noted[org]; is && was.any.Role != score.Stranger {
		return was.level(kind), "journal"
	}
	name, named := b.named(org)
	pet, confirmed := b.outlook.petnames[org]
	if given, is := b.outlook.levels[org]; is && !named {
		if given.anchor {
			return score.Level{Role: score.Anchor, Number: 100}, "peer-trust"
		}
		return score.Level{Role: score.Chosen, Number: given.number}, "peer-trust"
	}
	if !named {
		name = pet
	}
	said := b.rules.Policy.Level(name, b.communities(org), confirmed || named, string(kind))
	switch {
	case said.Anchor && (confirmed || named):
		return score.Level{Role: score.Anchor, Number: said.Level}, said.Key
	case confirmed || named:
		return score.Level{Role: score.Chosen, Number: said.Level}, said.Key
	}
	return score.Level{Role: score.Stranger, Number: said.Level}, said.Key
}

// named returns what the policy calls an organisation that it gives a level to.
func (b *bench) named(org protocol.Org) (name string, is bool) {
	if name, is = b.bound.Names[org]; is {
		_, is = b.rules.Policy.Trust.Org[name]
	}
	return name, is
}

func (b *bench) level(org protocol.Org, kind stix.Type) score.Level {
	l, _ := b.belief(org, kind)
	return l
}

func (b *bench) communities(org protocol.Org) (names []string) {
	for _, c := range b.outlook.Communities {
		if _, is := c.Members[org]; is {
			names = append(names, c.Charter.Name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// trust is how far an organisation is believed in one type of value, by a record.
func (b *bench) trust(org protocol.Org, kind stix.Type, r Record, now time.Time) score.Trust {
	return b.model.Trust(b.level(org, kind), b.outcomes.of(org, kind, r), now.UnixMilli())
}

// judge returns a judge for one moment. It remembers whom it was asked about, so
// it is for one goroutine.
func (b *bench) judge(now time.Time, r Record) *score.Judge {
	type about struct {
		org  protocol.Org
		kind stix.Type
	}
	known := map[about]score.Trust{}
	return &score.Judge{Model: &b.model, Voices: b.voices, Trust: func(org protocol.Org, kind stix.Type) score.Trust {
		t, asked := known[about{org, kind}]
		if !asked {
			t = b.trust(org, kind, r, now)
			known[about{org, kind}] = t
		}
		return t
	}}
}
