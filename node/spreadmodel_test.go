package node_test

import (
	"maps"
	"slices"

	"github.com/tocsin-exchange/tocsin/node"
	"github.com/tocsin-exchange/tocsin/protocol"
)

// This file says who may and who must hold what, by the schedule alone: it asks
// nothing of package trust. It is written as rules about a round. Within one,
// views may be old, so that whoever was allowed at any moment of it may hold a
// bulletin; at its end all is well and everybody was told what he may know, so
// that what is held then is where the next round starts from.

// An edge goes from one organisation to another.
type edge [2]string

// A word is one bulletin of an honest organisation.
type word struct {
	id        protocol.ID
	author    string
	label     protocol.TLP
	statement bool
	community *society // up to GREEN
	to        []string // above it
	circle    *circle
	version   int // of the circle's roster
	issued    uint64
	stream    protocol.ID
	receipt   node.Receipt // of objects
	canary    string

	revokes  *word           // what it takes back
	erasures []*word         // that ask to destroy it
	held     map[string]bool // by whom, when the round began
	seen     map[string]bool // and its header
	ever     map[string]bool // who may have held it in any round
	reached  map[string]bool // and who may have been sent it
	aside    map[string]bool // whom a hostile recipient passed it on to
}

// A society is a community.
type society struct {
	name    string
	id      protocol.ID
	founder string
	members []string            // ever
	removed map[string]*removal // of them
}

type removal struct {
	said  *word
	known map[string]bool // to whom surely, when the round began
}

// A circle is a sharing group.
type circle struct {
	id       protocol.ID
	owner    string
	versions []edition      // by number, from 1
	low      map[string]int // which version each surely knew when the round began; 0: none
}

type edition struct {
	members map[string]bool
	history int
	issued  uint64
	said    *word
}

type model struct {
	links     map[edge]bool // both ways
	carried   map[edge]bool // by hand, in this round
	hostile   map[string]bool
	societies []*society
	circles   []*circle
	words     []*word

	blocks, blocked  map[edge]bool // now; all through the round so far
	balked           map[edge]bool // ever
	clients, patrons map[edge]bool // of the first the second, now; at some time in the round
}

func newModel() *model {
	return &model{links: map[edge]bool{}, carried: map[edge]bool{}, hostile: map[string]bool{}, blocks: map[edge]bool{}, blocked: map[edge]bool{}, balked: map[edge]bool{}, clients: map[edge]bool{}, patrons: map[edge]bool{}}
}

func (m *model) link(a, b string) { m.links[edge{a, b}], m.links[edge{b, a}] = true, true }

func (m *model) block(a, b string) { m.blocks[edge{a, b}], m.balked[edge{a, b}] = true, true }

func (m *model) release(a, b string) {
	delete(m.blocks, edge{a, b})
	delete(m.blocked, edge{a, b})
}

func (m *model) client(a, b string, is bool) {
	if delete(m.clients, edge{a, b}); is {
		m.clients[edge{a, b}], m.patrons[edge{a, b}] = true, true
	}
}

// begin starts a round, from what is held by then and who has seen it.
func (m *model) begin(holders func(*word) (held, seen map[string]bool)) {
	for _, x := range m.words {
		x.held, x.seen = holders(x)
	}
	for _, s := range m.societies {
		for _, r := range s.removed {
			r.known = maps.Clone(r.said.held)
		}
	}
	for _, g := range m.circles {
		for i, e := range g.versions {
			for org := range e.said.held {
				g.low[org] = max(g.low[org], i+1)
			}
		}
	}
	m.blocked, m.patrons = maps.Clone(m.blocks), maps.Clone(m.clients)
	clear(m.carried)
}

// belongs: viewer may take org for a member of a community.
func (s *society) belongs(viewer, org string) bool {
	if !slices.Contains(s.members, viewer) || !slices.Contains(s.members, org) {
		return false
	}
	r := s.removed[org]
	return r == nil || viewer == org || !r.known[viewer]
}

// stands: org is a member.
func (s *society) stands(org string) bool {
	return slices.Contains(s.members, org) && s.removed[org] == nil
}

func (m *model) belongs(viewer, org string) bool {
	return slices.ContainsFunc(m.societies, func(s *society) bool { return s.belongs(viewer, org) })
}

// share: both are members of one community.
func (m *model) share(a, b string) bool {
	return slices.ContainsFunc(m.societies, func(s *society) bool { return s.stands(a) && s.stands(b) })
}

// latest lists the versions that may be the newest one viewer knew at some
// time of the round.
func (g *circle) latest(viewer string) (list []int) {
	low := g.low[viewer]
	for i, e := range g.versions {
		if k := i + 1; k == low || k > low && e.members[viewer] {
			list = append(list, k)
		}
	}
	return list
}

// reads: while version k is the newest known, org may read what is said to v.
func (g *circle) reads(k, v int, org string) bool {
	if k < v || !g.versions[k-1].members[org] {
		return false
	}
	if g.versions[v-1].members[org] {
		return true
	}
	for i := v; i < k; i++ {
		e := g.versions[i]
		if e.history > 0 && e.history <= v && e.members[org] {
			return true
		}
	}
	return false
}

// mayName: viewer may take org for one a word was said to.
func (x *word) mayName(viewer, org string) bool {
	if slices.Contains(x.to, org) {
		return true
	}
	return x.circle != nil && slices.ContainsFunc(x.circle.latest(viewer), func(k int) bool { return x.circle.reads(k, x.version, org) })
}

// mayMeet: h may have been connected to o, as far as h and o judged, or have
// written an archive for it.
func (m *model) mayMeet(h, o string) bool {
	if m.carried[edge{h, o}] && !m.blocked[edge{h, o}] {
		return true
	}
	return m.links[edge{h, o}] && !m.blocked[edge{h, o}] && !m.blocked[edge{o, h}] &&
		(m.hostile[h] || m.belongs(h, o)) && (m.hostile[o] || m.belongs(o, h))
}

// mayGive: h, which holds a word, may have sent it to o.
func (m *model) mayGive(x *word, h, o string) bool {
	switch {
	case m.hostile[h]:
		return true
	case x.label <= protocol.Green:
		return x.community.belongs(h, o) && (x.statement || x.community.belongs(h, x.author))
	case !x.statement && h != x.author && !m.belongs(h, x.author):
		return false
	case h == x.author || x.mayName(h, h):
		if x.label == protocol.Red && h != x.author {
			return false
		}
		return o == x.author || x.mayName(h, o) || m.mayForward(x, h, o)
	}
	return false
}

func (m *model) mayForward(x *word, h, o string) bool {
	return x.label == protocol.Amber && h != x.author && m.patrons[edge{h, o}] && !x.circle.surelyLeft(h, o)
}

// surelyLeft: viewer knows that org was in the circle and is no longer.
func (g *circle) surelyLeft(viewer, org string) bool {
	if g == nil || g.low[viewer] == 0 {
		return false
	}
	was := false
	for i, e := range g.versions {
		was = was || i < g.low[viewer] && e.members[org] && e.members[viewer]
	}
	return was && !slices.ContainsFunc(g.latest(viewer), func(k int) bool { return g.versions[k-1].members[org] })
}

// mayTake: o may have kept a word that h sent; body, or but its header.
func (m *model) mayTake(x *word, h, o string, body bool) bool {
	if m.hostile[o] {
		return true
	}
	if x.label <= protocol.Green {
		if !slices.Contains(x.community.members, o) || !x.statement && !x.community.belongs(o, x.author) {
			return false
		}
	} else if !x.mayName(o, o) && o != x.author && !m.mayBeHanded(x, h, o) {
		return false
	}
	if x.statement || !body {
		return true
	}
	if x.label > protocol.Green && !m.belongs(o, x.author) && !m.mayBeHanded(x, h, o) {
		return false
	}
	return !m.blocked[edge{o, x.author}] && !x.surelyLate(o)
}

// mayBeHanded: h may have passed a word on to o as to its client.
func (m *model) mayBeHanded(x *word, h, o string) bool {
	return m.mayForward(x, h, o) || m.hostile[h] && x.aside[o]
}

// surelyLate: o knows that the author had been left out of the circle when it spoke.
func (x *word) surelyLate(o string) bool {
	if x.circle == nil || x.author == x.circle.owner {
		return false
	}
	late := false
	for _, e := range x.circle.versions {
		if e.members[x.author] {
			late = false
		} else if e.said.held[o] && e.issued < x.issued {
			late = true
		}
	}
	return late
}

// may returns who may hold a word by now: with its body, or but its header.
// Whoever declines the body of something up to GREEN passes it on in gossip.
func (m *model) may(x *word, body bool) map[string]bool {
	set := x.start()
	if !body || x.label <= protocol.Green {
		maps.Copy(set, x.seen)
	}
	m.spread(set, func(h, o string) bool {
		return m.mayMeet(h, o) && m.mayGive(x, h, o) && m.mayTake(x, h, o, body && x.label > protocol.Green)
	})
	if body && x.label <= protocol.Green && !x.statement {
		maps.DeleteFunc(set, func(o string, _ bool) bool { return m.blocked[edge{o, x.author}] && !x.held[o] })
	}
	return set
}

// sent returns whom a word may have been sent to by now, whether they took it or not.
func (m *model) sent(x *word) map[string]bool {
	set := m.may(x, false)
	for l := range m.links {
		if h, o := l[0], l[1]; set[h] && !m.blocked[l] && (m.hostile[h] || m.belongs(h, o)) && m.mayGive(x, h, o) {
			set[o] = true
		}
	}
	return set
}

func (x *word) start() map[string]bool {
	set := maps.Clone(x.held)
	set[x.author] = true
	return set
}

func newWord(author string, label protocol.TLP) *word {
	return &word{author: author, label: label, held: map[string]bool{}, seen: map[string]bool{}, ever: map[string]bool{}, reached: map[string]bool{}, aside: map[string]bool{}}
}

// spread follows links from those who hold a word.
func (m *model) spread(set map[string]bool, goes func(h, o string) bool) map[string]bool {
	for grown := true; grown; {
		grown = false
		for _, edges := range []map[edge]bool{m.links, m.carried} {
			for l := range edges {
				if h, o := l[0], l[1]; set[h] && !set[o] && goes(h, o) {
					set[o], grown = true, true
				}
			}
		}
	}
	return set
}

// A lesson is who surely knows each roster, once all has been well for long.
type lesson map[*word]map[string]bool

// must returns who has to hold a word by then.
func (m *model) must(x *word, told lesson) map[string]bool {
	set := x.start()
	maps.DeleteFunc(set, func(org string, _ bool) bool { return m.hostile[org] })
	return m.spread(set, func(h, o string) bool { return m.meets(h, o) && m.gives(x, h, o, told) })
}

// meets: h and o are connected in the end.
func (m *model) meets(h, o string) bool {
	if !m.links[edge{h, o}] || m.hostile[h] || m.hostile[o] || m.blocks[edge{h, o}] || m.blocks[edge{o, h}] {
		return false
	}
	return m.share(h, o)
}

// gives: h sends a word that it holds to o, and o keeps it, in the end.
func (m *model) gives(x *word, h, o string, told lesson) bool {
	if !x.statement && m.blocks[edge{o, x.author}] {
		return false
	}
	switch {
	case x.label <= protocol.Green:
		return x.community.stands(h) && x.community.stands(o) && (x.statement || x.community.stands(x.author))
	case !x.statement && !(m.share(h, x.author) && m.share(o, x.author)):
		return false
	case h != x.author && (x.label == protocol.Red || !x.names(h, h, told)):
		return false
	case x.names(h, o, told):
		return x.names(o, o, told)
	}
	// A client that declined what was passed on to it is not brought it again.
	return x.label == protocol.Amber && h != x.author && o != x.author && m.clients[edge{h, o}] && !x.circle.ever(o) &&
		!m.blocks[edge{h, x.author}] && (x.statement || !m.balked[edge{o, x.author}])
}

// ever: org was in some version of the circle.
func (g *circle) ever(org string) bool {
	return g != nil && slices.ContainsFunc(g.versions, func(e edition) bool { return e.members[org] })
}

// names: a word was said to org, and viewer knows. Who had its author left out
// before he was given the word would decline it.
func (x *word) names(viewer, org string, told lesson) bool {
	g := x.circle
	if g == nil {
		return slices.Contains(x.to, org)
	}
	newest, said := g.versions[len(g.versions)-1], g.versions[x.version-1]
	switch {
	case x != newest.said && !told[newest.said][viewer], x != said.said && !told[said.said][viewer], !newest.members[org]:
		return false // a roster says itself whom it is for
	case !x.statement && slices.ContainsFunc(g.versions[x.version-1:], func(e edition) bool { return !e.members[x.author] }):
		return false
	case said.members[org]:
		return true
	}
	return slices.ContainsFunc(g.versions[x.version:], func(e edition) bool {
		return e.history > 0 && e.history <= x.version && e.members[org] && told[e.said][viewer]
	})
}

// musts returns who has to hold each word, and whose receipts its author has to
// have. The newest rosters come first, since they say who may read the ones before.
func (m *model) musts() (hold, sign map[*word]map[string]bool) {
	told := lesson{}
	hold, sign = map[*word]map[string]bool{}, map[*word]map[string]bool{}
	for _, g := range m.circles {
		for _, e := range slices.Backward(g.versions) {
			told[e.said] = m.must(e.said, told)
		}
	}
	for _, x := range m.words {
		if len(x.erasures) > 0 {
			continue
		}
		hold[x], sign[x] = m.must(x, told), map[string]bool{}
		for org := range hold[x] {
			sign[x][org] = x.label > protocol.Green && org != x.author && m.meets(x.author, org) && m.gives(x, x.author, org, told)
		}
	}
	return hold, sign
}

// rid returns who has to have destroyed a word.
func (x *word) rid(musts map[*word]map[string]bool) map[string]bool {
	set := map[string]bool{}
	for _, e := range x.erasures {
		maps.Copy(set, musts[e])
	}
	return set
}
