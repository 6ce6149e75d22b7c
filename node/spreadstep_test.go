package node_test

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/tocsin-exchange/tocsin/node"
	"github.com/tocsin-exchange/tocsin/node/api"
	"github.com/tocsin-exchange/tocsin/protocol"
)

// step does one thing.
func (s *spread) step() {
	org := pick(s, s.honest)
	switch n := s.rng.IntN(100); {
	case n < 6:
		s.takeDown(org)
	case n < 16:
		s.bringUp(org)
	case n < 22:
		l := pick(s, s.drawn)
		s.setLink(l, s.cut[l])
	case n < 32:
		if len(s.byz) > 0 {
			s.misbehave(pick(s, s.byz))
		}
	case s.down[org]: // the rest needs a running node
	case n < 37:
		s.block(org)
	case n < 42:
		s.release(org)
	case n < 44:
		s.remove()
	case n < 54:
		s.changeGroup()
	case n < 60:
		s.changeClient(org)
	case n < 66:
		s.takeBack((*node.Node).Revoke, "revokes")
	case n < 72:
		s.takeBack((*node.Node).Erase, "erases")
	case n < 75:
		s.carry(org)
	default:
		s.submit(org)
	}
}

// submit says something under any label.
func (s *spread) submit(org string) {
	x := newWord(org, protocol.TLP(1+s.rng.IntN(5)))
	x.canary = s.fed.Canary()
	s.next++
	r := api.SubmitRequest{TLP: x.label, Values: []string{fmt.Sprintf("v%d.example", s.next)}, Description: x.canary}
	switch groups := s.groupsOf(org); {
	case x.label <= protocol.Green:
		x.community = pick(s, slices.DeleteFunc(slices.Clone(s.m.societies), func(c *society) bool { return !slices.Contains(c.members, org) }))
		r.Community = x.community.id.String()
	case x.label < protocol.Red && len(groups) > 0 && s.chance(60):
		x.circle = pick(s, groups)
		r.Group = x.circle.id.String()
	default:
		x.to = some(s, s.names, 3)
		for _, to := range x.to {
			name := s.keys[to].String()
			if x.label == protocol.Red {
				name += "/anna"
			}
			r.To = append(r.To, name)
		}
	}
	a, err := s.fed.Client(org).Submit(s.t.Context(), r)
	s.note("%s says %s under %s to %v %s: %v", org, r.Values[0], x.label, x.to, r.Group, err)
	if err != nil {
		s.tallies["refused"]++
		return
	}
	for _, to := range x.to {
		if s.m.blocks[edge{org, to}] {
			s.t.Errorf("%s may name %s, which it has blocked", org, to)
		}
	}
	x.receipt = a.Receipts[0]
	s.said(x, x.receipt.Bulletin)
}

// groupsOf returns the sharing groups that an organisation knows.
func (s *spread) groupsOf(org string) (list []*circle) {
	for _, g := range s.fed.Node(org).Groups() {
		for _, c := range s.m.circles {
			if c.id == g.ID {
				list = append(list, c)
			}
		}
	}
	return list
}

// said takes a bulletin into the model.
func (s *spread) said(x *word, id protocol.ID) *word {
	b, _, err := s.fed.Node(x.author).Store().Header(id)
	s.check(err)
	x.id, x.issued, x.stream = id, b.Header.Issued, b.Header.Stream().ID()
	if x.circle != nil {
		x.version = int(b.Header.Audience[0].Version)
	}
	s.m.words = append(s.m.words, x)
	s.tallies[x.label.String()]++
	return x
}

// like is another word to whom x was said.
func (x *word) like(author string, statement bool) *word {
	y := newWord(author, x.label)
	y.statement, y.community, y.to, y.circle = statement, x.community, x.to, x.circle
	return y
}

// takeBack has somebody take back one of its words.
func (s *spread) takeBack(how func(*node.Node, context.Context, node.Selection) ([]node.TakenBack, error), verb string) {
	var own []*word
	for _, x := range s.m.words {
		if !s.down[x.author] && !x.statement && len(x.erasures) == 0 {
			own = append(own, x)
		}
	}
	if len(own) == 0 {
		return
	}
	x := pick(s, own)
	org := x.author
	taken, err := how(s.fed.Node(org), s.t.Context(), node.Selection{Bulletins: []protocol.ID{x.id}})
	s.note("%s %s %v: %v", org, verb, x.receipt.Claims, err)
	if err != nil {
		return
	}
	s.tallies[verb]++
	by := map[protocol.ID]*word{}
	for _, t := range taken {
		old := s.m.words[slices.IndexFunc(s.m.words, func(w *word) bool { return w.id == t.Bulletin })]
		y := by[t.By]
		if y == nil {
			y = s.said(old.like(org, verb == "erases"), t.By)
			by[t.By] = y
		}
		if y.statement {
			old.erasures = append(old.erasures, y)
		} else {
			y.revokes, y.canary, y.receipt = old, old.canary, node.Receipt{Bulletin: t.By, Claims: t.Claims}
		}
	}
}

// newest returns the last bulletin of one of an organisation's streams.
func (s *spread) newest(org string, is func(protocol.Stream) bool) protocol.ID {
	for _, st := range s.fed.Node(org).Store().Streams() {
		if st.Org == s.keys[org] && st.Stream.Kind == protocol.Statements && is(st.Stream) {
			for _, h := range st.Heads {
				if h.Position == st.Last {
					return h.ID
				}
			}
		}
	}
	s.t.Fatalf("%s has said nothing of the kind", org)
	return protocol.ID{}
}

func (s *spread) createGroup(owner string) {
	members := some(s, s.names, 4)
	if s.down[owner] {
		return
	}
	var keys []protocol.Org
	for _, m := range members {
		keys = append(keys, s.keys[m])
	}
	id, err := s.fed.Node(owner).CreateGroup(s.t.Context(), fmt.Sprintf("g%d", len(s.m.circles)), keys)
	if err != nil {
		s.note("%s founds no group of %v: %v", owner, members, err)
		return
	}
	g := &circle{id: id, owner: owner, low: map[string]int{}}
	s.m.circles = append(s.m.circles, g)
	e := edition{members: map[string]bool{owner: true}}
	for _, m := range members {
		e.members[m] = true
	}
	s.addVersion(g, e)
}

// addVersion takes the roster that was just said into the model.
func (s *spread) addVersion(g *circle, e edition) {
	version := len(g.versions) + 1
	x := newWord(g.owner, protocol.AmberStrict)
	x.statement, x.circle = true, g
	s.said(x, s.newest(g.owner, func(st protocol.Stream) bool {
		return slices.Equal(st.Audience, []protocol.Recipient{{Group: g.id, Version: uint64(version)}})
	}))
	e.said, e.issued = x, x.issued
	g.versions = append(g.versions, e)
	s.note("%s: version %d of group %s is %v, history %d", g.owner, version, g.id.String()[:6], slices.Sorted(maps.Keys(e.members)), e.history)
}

// changeGroup says another version of a group.
func (s *spread) changeGroup() {
	if len(s.m.circles) < 2 || len(s.m.circles) < 4 && s.chance(10) {
		s.createGroup(pick(s, s.honest))
		return
	}
	g := pick(s, s.m.circles)
	org := g.owner
	if s.down[org] {
		return
	}
	last := g.versions[len(g.versions)-1]
	e := edition{members: maps.Clone(last.members)}
	var add, remove []protocol.Org
	for _, name := range some(s, s.names, 2) {
		switch {
		case name == org:
		case e.members[name]:
			delete(e.members, name)
			remove = append(remove, s.keys[name])
		default:
			e.members[name] = true
			add = append(add, s.keys[name])
		}
	}
	if s.chance(40) {
		e.history = 1 + s.rng.IntN(len(g.versions))
	}
	if _, err := s.fed.Node(org).ChangeGroup(s.t.Context(), g.id, add, remove, uint64(e.history)); err != nil {
		s.note("%s does not change group %s: %v", org, g.id.String()[:6], err)
		return
	}
	s.tallies["rosters"]++
	s.addVersion(g, e)
}

func (s *spread) changeClient(org string) {
	other, n := pick(s, s.names), s.fed.Node(org)
	for _, name := range s.names {
		if s.m.clients[edge{org, name}] && s.chance(30) {
			other = name
		}
	}
	if s.m.clients[edge{org, other}] {
		s.check(n.RemoveClient(s.t.Context(), s.keys[other]))
		s.m.client(org, other, false)
		s.note("%s is no client of %s any more", other, org)
		return
	}
	err := n.AddClient(s.t.Context(), s.keys[other])
	s.note("%s is a client of %s: %v", other, org, err)
	if err == nil {
		s.tallies["clients"]++
		s.m.client(org, other, true)
	}
}

func (s *spread) block(org string) {
	if other := pick(s, s.names); other != org {
		s.note("%s blocks %s", org, other)
		s.check(s.fed.Node(org).Block(s.t.Context(), s.keys[other], "test"))
		s.m.block(org, other)
	}
}

func (s *spread) release(org string) {
	for _, other := range s.names {
		if s.m.blocks[edge{org, other}] {
			s.note("%s releases %s", org, other)
			s.check(s.fed.Node(org).Release(s.t.Context(), s.keys[other]))
			s.m.release(org, other)
		}
	}
}

// remove ends a membership.
func (s *spread) remove() {
	c := pick(s, s.m.societies)
	org := pick(s, c.members)
	if org == c.founder || !c.stands(org) || s.down[c.founder] || len(c.removed) > 1 {
		return
	}
	ended, err := s.fed.Node(c.founder).Remove(s.t.Context(), c.id, s.keys[org], "test")
	s.note("%s removes %s from %s: %v %v", c.founder, org, c.name, ended, err)
	s.check(err)
	if !ended {
		s.t.Fatalf("%s introduced %s and cannot remove it", c.founder, org)
	}
	s.tallies["removals"]++
	x := newWord(c.founder, protocol.Green)
	x.statement, x.community = true, c
	s.said(x, s.newest(c.founder, func(st protocol.Stream) bool { return st.Community == c.id && st.TLP == protocol.Green }))
	c.removed[org] = &removal{x, map[string]bool{}}
}

// carry has people take an archive from one organisation to another.
func (s *spread) carry(org string) {
	to, c := pick(s, s.honest), pick(s, s.m.societies)
	if to == org || s.down[to] {
		return
	}
	s.m.carried[edge{org, to}] = true
	e, err := s.fed.Node(org).ExportArchive([]protocol.Org{s.keys[to]}, c.id, time.Time{})
	var archive bytes.Buffer
	if err == nil {
		err = e.Write(s.t.Context(), &archive)
	}
	if err == nil {
		_, err = s.fed.Node(to).ImportArchive(s.t.Context(), &archive)
	}
	s.note("an archive of %s is taken from %s to %s: %v", c.name, org, to, err)
	if err == nil {
		s.tallies["archives"]++
	}
}

func (s *spread) setLink(l [2]string, up bool) {
	if s.cut[l] == !up {
		return
	}
	if s.cut[l] = !up; s.down[l[0]] || s.down[l[1]] {
		return // it is cut as it is, and comes up with the node unless it is cut by then
	}
	s.note("link %v up %v", l, up)
	if up {
		s.fed.Heal(l[0], l[1])
	} else {
		s.fed.Cut(l[0], l[1])
	}
}

func (s *spread) takeDown(org string) {
	if s.down[org] || len(s.down) > len(s.honest)/2 {
		return
	}
	how, word := s.fed.Stop, "stop"
	if s.chance(50) {
		how, word = s.fed.Kill, "kill"
	}
	s.note("%s %s", word, org)
	for _, b := range s.byz {
		if s.m.links[edge{b.Name, org}] {
			b.Leave(org)
		}
	}
	how(org)
	s.down[org] = true
}

func (s *spread) bringUp(org string) {
	if !s.down[org] {
		return
	}
	s.note("restart %s", org)
	s.fed.Restart(org)
	delete(s.down, org)
	for _, b := range s.byz {
		if s.m.links[edge{b.Name, org}] {
			b.Reach(org)
		}
	}
	for l, cut := range s.cut {
		if cut && slices.Contains(l[:], org) && !s.down[l[0]] && !s.down[l[1]] {
			s.fed.Cut(l[0], l[1])
		}
	}
}
