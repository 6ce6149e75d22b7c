package trust

import (
	"crypto/ed25519"
	"fmt"
	"slices"
	"strings"

	"pgregory.net/rapid"

	"github.com/tocsin-exchange/tocsin/protocol"
)

var cast = []string{"ann", "ben", "cat", "dan", "eve", "fay"}

// A scene is a random world with one bulletin in it.
type scene struct {
	*labelWorld
	h        protocol.Header
	versions int // of the group
}

// fair draws one of a list by coins: rapid's own numbers are mostly small.
func fair[T any](t *rapid.T, label string, list []T) T {
	n := 0
	for range 6 {
		n *= 2
		if rapid.Bool().Draw(t, label) {
			n++
		}
	}
	return list[n%len(list)]
}

// someOf draws some of the cast: each with half a chance, which every further
// coin halves.
func someOf(t *rapid.T, label string, coins int) []string {
	var some []string
	for _, org := range cast {
		in := true
		for range 1 + coins {
			in = rapid.Bool().Draw(t, label+" "+org) && in
		}
		if in {
			some = append(some, org)
		}
	}
	return some
}

// mostOf draws all of the cast but some.
func mostOf(t *rapid.T, label string) []string {
	missing := someOf(t, "not in "+label, 1)
	return slices.DeleteFunc(slices.Clone(cast), func(org string) bool { return slices.Contains(missing, org) })
}

// lines draws lines of the language of testdata/labels.txt.
func (s *scene) lines(lines ...string) {
	for _, line := range lines {
		if !s.draw(strings.Fields(line)) {
			panic("what is " + line)
		}
	}
}

// drawScene makes a world of six organisations: one community or two, a sharing
// group of up to four versions, and a bulletin under a label of those given.
func drawScene(t *rapid.T, keys map[string]ed25519.PrivateKey, labels ...protocol.TLP) *scene {
	s := &scene{labelWorld: newLabelWorld(keys), versions: fair(t, "versions", []int{0, 1, 2, 3, 4})}
	s.lines("community isac ann "+strings.Join(without(mostOf(t, "isac"), "ann"), " "), "removed isac "+strings.Join(someOf(t, "removed", 3), " "))
	if rapid.Bool().Draw(t, "two communities") {
		s.lines("community clinic ben " + strings.Join(without(someOf(t, "clinic", 0), "ben"), " "))
	}
	for _, org := range cast {
		s.lines("node "+org+"2 of "+org, "blocks "+org+" "+strings.Join(someOf(t, "blocked by "+org, 3), " "),
			"clients "+org+" "+strings.Join(someOf(t, "clients of "+org, 0), " "))
	}
	for _, org := range someOf(t, "expired", 1) {
		s.expired[org+"2"] = true
	}
	owner := fair(t, "owner", cast)
	for v := 1; v <= s.versions; v++ {
		members, history := strings.Join(mostOf(t, "roster"), " "), fair(t, "history", []int{0, 0, 1, v})
		s.lines(fmt.Sprintf("roster g.%d by %s %d %s history %d", v, owner, 50-10*v, members, history))
	}
	s.open()
	q := question{author: fair(t, "author", cast), kind: fair(t, "kind", []string{"objects", "statements"})}
	label := fair(t, "label", labels)
	named := someOf(t, "audience", 0)
	if s.versions > 0 && label != protocol.Red && rapid.Bool().Draw(t, "to the group") {
		named = append(someOf(t, "beside the group", 3), fmt.Sprintf("g.%d", 1+fair(t, "version", []int{0, 1, 2, 3})%s.versions))
	}
	if q.to = strings.Join(named, "+"); q.to == "" {
		q.to = "ann"
	}
	s.h = *s.header(q, label)
	return s
}

// open shows every version to those whom a later one opens it to.
func (s *scene) open() {
	for _, r := range s.rosters {
		name := fmt.Sprintf("g.%d", r.version)
		s.shown[name] = map[string]bool{}
		for _, org := range cast {
			s.shown[name][org] = slices.ContainsFunc(s.rosters, func(later drawnRoster) bool {
				return later.version > r.version && later.History > 0 && later.History <= r.version && later.has(s.org(org))
			})
		}
	}
}

func without(list []string, one string) []string {
	return slices.DeleteFunc(slices.Clone(list), func(s string) bool { return s == one })
}

// allKnowing is an organisation's view with every roster there is.
func (s *scene) allKnowing(org string) *View {
	v := s.view(org)
	id, _ := s.group("g")
	v.Groups = map[protocol.ID]*Group{}
	for _, r := range s.rosters {
		if v.Groups[id] == nil {
			v.Groups[id] = &Group{ID: id, Owner: s.org(r.owner), Rosters: map[uint64]Roster{}}
		}
		v.Groups[id].Rosters[r.version] = r.Roster
	}
	return v
}

// current reports whether nothing was said to the group that an organisation
// cannot know of: it was not left out without hearing of it.
func (s *scene) current(org string) bool {
	id, _ := s.group("g")
	g := s.allKnowing(org).Groups[id]
	return g == nil || g.Owner == s.org(org) || g.Rosters[g.Latest()].has(s.org(org)) || !g.leftOut(s.org(org))
}

// receivers are the nodes that a view would send the bulletin to.
func (s *scene) receivers(v *View) map[string]bool {
	allowed := map[string]bool{}
	for node := range s.nodes {
		if v.MayReceive(&s.h, nodeNamed(node), worldNow).Allowed {
			allowed[node] = true
		}
	}
	return allowed
}

func within(t *rapid.T, what string, narrow, wide map[string]bool) {
	for node := range narrow {
		if !wide[node] {
			t.Fatalf("%s lets %s have it, who did not before", what, node)
		}
	}
}
