package storage

import (
	"cmp"
	"errors"
	"net/netip"
	"slices"
	"time"

	"github.com/tocsin-exchange/tocsin/protocol"
	"github.com/tocsin-exchange/tocsin/protocol/stix"
)

// A Relation says how a claim bears on the value asked for.
type Relation string

const (
	Exact        Relation = "exact"         // it names the value
	CIDR         Relation = "cidr"          // it names an address block around it
	ParentDomain Relation = "parent-domain" // it names a domain above it, or everything under one
)

// A Claim is one organisation's word: on one observable in the answer to
// [Store.Lookup], else one object, with its first observable if it has any.
type Claim struct {
	Observable stix.Observable // zero for an object that makes no claim
	Relation   Relation
	Org        protocol.Org
	Node       protocol.Node
	Community  protocol.ID
	Audience   []protocol.Recipient // above GREEN
	TLP        protocol.TLP
	PAP        protocol.PAP
	Drill      string
	Bulletin   protocol.ID
	Index      int // of the object in its bulletin
	Arrival    uint64
	Issued     time.Time
	Received   time.Time
	Expires    time.Time // the end of the year 9999: never
	Object     stix.Object
	From       protocol.Node // who handed it over; zero: ourselves
	Via        protocol.Org  // who forwarded it to us outside its stream; zero: nobody
	Reason     string        // by which rule it was admitted
}

// A Query says who asks, and when.
type Query struct {
	Now     time.Time                     // zero: time.Now()
	Visible func(h *protocol.Header) bool // nil: all; asked before anything is computed from a claim
}

func (q *Query) now() time.Time {
	if q.Now.IsZero() {
		return time.Now()
	}
	return q.Now
}

func (q *Query) visible(h *protocol.Header) bool { return q.Visible == nil || q.Visible(h) }

// A probe is one value to look up on the way to an answer.
type probe struct {
	value    stix.Observable
	relation Relation
}

// probes lists the values that bear on o: itself, the address blocks around it
// of the sizes that occur, the domains above it.
func (c *catalogue) probes(o stix.Observable) []probe {
	list := []probe{{o, Exact}}
	if p, ok := o.Prefix(); ok {
		first := 1
		if p.Addr().Is6() {
			first = firstSixCode
		}
		for bits := p.Bits() - 1; bits >= 0; bits-- {
			if c.prefixes[first+bits] > 0 {
				block := netip.PrefixFrom(p.Addr(), bits).Masked()
				list = append(list, probe{stix.Observable{Type: o.Type, Value: block.String()}, CIDR})
			}
		}
	}
	for _, parent := range o.Parents() {
		for _, name := range []string{parent, "*." + parent} {
			if name != o.Value {
				list = append(list, probe{stix.Observable{Type: o.Type, Value: name}, ParentDomain})
			}
		}
	}
	return list
}

// A candidate is a posting that may answer.
type candidate struct {
	node
	probe int
	ref   uint32
	held  held
}

// Lookup returns what is said about a value: of every organisation and scope
// the newest version the asker may see, unless it has expired or was taken
// back. Exact answers come first, then the nearest. An error that wraps
// [ErrDamaged] comes with the claims that could be read.
func (s *Store) Lookup(o stix.Observable, q Query) ([]Claim, error) {
	s.mu.RLock()
	c, x := s.cat, s.index.Load()
	probes := c.probes(o)
	var found []candidate
	for i, p := range probes {
		found = c.collect(found, &c.values, x.value(p.value), i)
	}
	s.mu.RUnlock()
	sortCandidates(found)
	var claims []Claim
	var damage error
	for len(found) > 0 {
		n := 1
		for n < len(found) && found[n].probe == found[0].probe && found[n].held.scope == found[0].held.scope {
			n++
		}
		p := probes[found[0].probe]
		claim, ok, err := s.newest(found[:n], &q, p.value)
		if ok {
			claim.Relation = p.relation
			claims = append(claims, claim)
		}
		damage = errors.Join(damage, err)
		found = found[n:]
	}
	return claims, damage
}

// collect copies the postings under a hash.
func (c *catalogue) collect(list []candidate, x *index, hash uint64, probe int) []candidate {
	for n := range x.chain(hash) {
		list = append(list, candidate{node: *n, probe: probe, ref: n.bulletin, held: c.bulletins[n.bulletin]})
	}
	return list
}

// sortCandidates brings those of one probe and scope together, newest first.
func sortCandidates(list []candidate) {
	if len(list) < 2 {
		return
	}
	slices.SortFunc(list, func(a, b candidate) int {
		return cmp.Or(cmp.Compare(a.probe, b.probe), cmp.Compare(a.held.scope, b.held.scope),
			cmp.Compare(b.held.issued, a.held.issued), b.held.id.Compare(a.held.id), cmp.Compare(b.index, a.index))
	})
}

// newest returns the first version the asker may see, if it still stands.
func (s *Store) newest(versions []candidate, q *Query, o stix.Observable) (Claim, bool, error) {
	for i := range versions {
		v := &versions[i]
		r, err := s.record(v.held)
		if err != nil {
			return Claim{}, false, err
		}
		if !q.visible(&r.bulletin.Header) {
			continue
		}
		if v.flags&revokedFlag != 0 || v.over(q.now()) {
			return Claim{}, false, nil
		}
		object, ok, err := s.object(v.ref, v.held, int(v.index))
		if err != nil {
			return Claim{}, false, err
		}
		if !ok || !slices.Contains(object.Claims, o) {
			continue // swept just now, or another value with the same hash
		}
		claim := v.claim(r, object, o)
		return claim, q.now().Before(claim.Expires), nil
	}
	return Claim{}, false, nil
}

// over reports whether a posting is certainly expired.
func (n *node) over(now time.Time) bool {
	return n.expires != forever && int64(n.expires) <= now.Unix()
}

// object reads one object of a held body; false when it is no longer there.
func (s *Store) object(ref uint32, b held, index int) (stix.Object, bool, error) {
	salted, err := s.salted(ref, b, index)
	if err != nil || len(salted) <= saltSize {
		return stix.Object{}, false, err
	}
	o, err := stix.Parse(salted[saltSize:])
	return o, err == nil, nil
}

// salted reads the bytes of one object of a held body; nil when it is no longer
// there.
func (s *Store) salted(ref uint32, b held, index int) ([]byte, error) {
	c, first, err := s.chunk(b.body, index)
	for err != nil && s.unreadable(ref, b, err) { // swept, replaced or erased just now
		number := b.body.number
		if b = s.current(ref); b.state != Held || b.body.number != number {
			return nil, nil
		}
		c, first, err = s.chunk(b.body, index)
	}
	if err != nil || index-first >= len(c.salted) {
		return nil, err
	}
	return c.salted[index-first], nil
}

const saltSize = 16 // of an object in a body, see protocol/SPEC.md

func (v *candidate) claim(r *record, object stix.Object, o stix.Observable) Claim {
	h := &r.bulletin.Header
	var expires time.Time
	if object.Type == "indicator" {
		expires = expiry(&object, o.Type, h)
	} else {
		expires = lastExpiry(&object, h)
	}
	return Claim{
		Observable: o, Relation: Exact, Org: h.Org(), Node: h.Certificate.Node, Community: h.Community,
		Audience: h.Audience, TLP: h.TLP, PAP: h.PAP, Drill: h.Drill, Bulletin: v.held.id, Index: int(v.index),
		Arrival: arrival(v.held.body.number, int(v.index)), Issued: protocol.Time(h.Issued),
		Received: protocol.Time(r.received), Expires: expires, Object: object, From: r.from, Via: r.via, Reason: r.reason,
	}
}
