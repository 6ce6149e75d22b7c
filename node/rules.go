package node

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/tocsin-exchange/tocsin/protocol"
	"github.com/tocsin-exchange/tocsin/storage/journal"
	"github.com/tocsin-exchange/tocsin/trust/floor"
	"github.com/tocsin-exchange/tocsin/trust/policy"
)

// Rules are what the operator decided: the policy, and what nothing may ever act
// on. They are never changed; whoever decides anew makes others.
type Rules struct {
	Policy *policy.Policy
	Floor  *floor.Floor
}

// NewRules puts a policy and the lists it names together.
func NewRules(p *policy.Policy, lists ...*floor.List) (*Rules, error) {
	own, err := p.NeverBlock.Own()
	if err != nil {
		return nil, err
	}
	f, err := floor.New(own, lists...)
	if err != nil {
		return nil, err
	}
	m := p.Model()
	return &Rules{p, f}, m.Check()
}

// SetRules puts rules in force, for everything that is judged from then on.
// The faults are names in them that nobody has here: what they say of such a
// name holds for nobody.
func (n *Node) SetRules(r *Rules) policy.Faults {
	n.learn(func(*knowledge) { n.rules.Store(r) }) // clients are in the rules too
	signal(n.desk.wake)
	return n.bench().faults
}

// Unknown returns the names in a policy that nobody has here, whether it is in
// force or not.
func (n *Node) Unknown(p *policy.Policy) policy.Faults {
	_, faults := p.Bind(n.directory(n.look()))
	return faults
}

// survey makes the outlook of what is known and of whom the rules declare a
// client. n.mu is held, or nobody else is there yet.
func (n *Node) survey(self protocol.Certificate) *outlook {
	o := n.known.outlook(self)
	if r := n.rules.Load(); len(r.Policy.Clients) > 0 {
		bound, _ := r.Policy.Bind(n.directory(o))
		for _, org := range bound.ClientOrgs() {
			o.Clients[org] = true
		}
	}
	return o
}

// policyClient returns what the policy calls an organisation that it declares a
// client.
func (b *bench) policyClient(org protocol.Org) (name string, is bool) {
	name, is = b.bound.Names[org]
	return name, is && slices.Contains(b.bound.Clients, name)
}

// Rules returns the rules in force, and the names in them that nobody has.
func (n *Node) Rules() (*Rules, policy.Faults) {
	b := n.bench()
	return b.rules, b.faults
}

// directory looks up the names of a policy as this node calls people now.
func (n *Node) directory(o *outlook) policy.Directory {
	return policy.Directory{
		Org: func(name string) (protocol.Org, error) {
			org, err := o.resolve(name, false)
			return org, unadorned(err)
		},
		Group: func(name string) error {
			_, err := o.groupNamed(name)
			return unadorned(err)
		},
		Community: func(name string) error {
			for _, c := range o.Communities {
				if c.Charter.Name == name {
					return nil
				}
			}
			return errors.New("this node is in no community of that name")
		},
	}
}

// unadorned is an error without the sentinel in front, as a reason among others.
func unadorned(err error) error {
	for _, sentinel := range []error{ErrNotFound, ErrRefused, ErrUsage} {
		if errors.Is(err, sentinel) {
			return errors.New(strings.TrimPrefix(err.Error(), sentinel.Error()+": "))
		}
	}
	return err
}

// A level that people gave an organisation at the command line.
type level struct {
	number int // 0..100
	anchor bool
}

const anchorWord = "anchor"

func parseLevel(text string) (level, error) {
	if strings.EqualFold(text, anchorWord) {
		return level{100, true}, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 || n > 100 {
		return level{}, fmt.Errorf("%w: trust %q: a number from 0 to 100, or anchor", ErrUsage, text)
	}
	return level{number: n}, nil
}

func (l level) String() string {
	if l.anchor {
		return anchorWord
	}
	return strconv.Itoa(l.number)
}

// SetTrust says how far an organisation is believed: 0 to 100, or anchor; ""
// takes that back. What the policy says of it stands above, so it is refused
// then.
func (n *Node) SetTrust(ctx context.Context, org protocol.Org, text string) error {
	if org == n.cert.Org {
		return fmt.Errorf("%w: that is our own organisation", ErrUsage)
	}
	if name, named := n.bench().named(org); named {
		return fmt.Errorf("%w: the policy says how far %s is believed, at trust.org.%s: change it there", ErrRefused, n.Name(org), name)
	}
	defer signal(n.desk.wake) // what admit rules decided by its level they decide again
	if text == "" {
		if err := n.store.Table(tableTrust).Delete(ctx, org[:]); err != nil {
			return err
		}
		n.learn(func(k *knowledge) { delete(k.levels, org) })
		n.NoteDone(ctx, onOrg(journal.ActTrust, org, "none"))
		return nil
	}
	l, err := parseLevel(text)
	if err != nil {
		return err
	}
	if err := n.store.Table(tableTrust).Set(ctx, org[:], []byte(l.String())); err != nil {
		return err
	}
	n.learn(func(k *knowledge) { k.levels[org] = l })
	n.NoteDone(ctx, onOrg(journal.ActTrust, org, l.String()))
	return nil
}
