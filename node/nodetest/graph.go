package nodetest

import (
	"fmt"
	"slices"
	"strings"
)

// A graph is what the first lines of a drill draw.
type graph struct {
	orgs      []string
	links     [][2]string
	strangers []string            // in no community
	seconds   map[string]string   // another node of an organisation -> the first one
	titles    map[string]string   // what an organisation calls itself, when not its own name
	groups    []string            // sharing groups, in the order in which they are named
	inGroup   map[string][]string // their members; the first owns it
}

// parseGraph reads the lines it knows and passes over all others, so that a
// drill can be handed over whole. known reports whether a line was one of them.
func parseGraph(text string) (graph, error) {
	g := newGraph()
	for line := range strings.Lines(text) {
		if _, err := g.line(strings.TrimSpace(line)); err != nil {
			return g, err
		}
	}
	if len(g.orgs) == 0 {
		return g, fmt.Errorf("nodetest: the graph names nobody")
	}
	return g, nil
}

func (g *graph) line(line string) (known bool, err error) {
	f := strings.Fields(line)
	switch {
	case len(f) == 3 && f[1] == "--":
		g.links = append(g.links, [2]string{g.org(f[0]), g.org(f[2])})
	case len(f) == 5 && f[1] == "--" && f[3] == ":":
		g.links = append(g.links, [2]string{g.org(f[0]), g.org(f[2])})
		g.group(f[4], f[0], f[2])
	case len(f) > 3 && f[1] == "--":
		return true, fmt.Errorf("nodetest: %q: a link is drawn as `a -- b`, or `a -- b : GROUP`", line)
	case len(f) == 2 && f[0] == "stranger":
		g.strangers = append(g.strangers, g.org(f[1]))
	case len(f) == 4 && f[1] == "calls" && f[2] == "itself":
		g.titles[g.org(f[0])] = f[3]
	case len(f) == 4 && f[0] == "node" && f[2] == "of":
		g.seconds[g.org(f[1])] = g.org(f[3])
	case len(f) == 2 && f[0] == "org":
		g.org(f[1])
	default:
		return false, nil
	}
	return true, nil
}

func newGraph() graph {
	return graph{titles: map[string]string{}, seconds: map[string]string{}, inGroup: map[string][]string{}}
}

// group puts organisations into a sharing group.
func (g *graph) group(name string, orgs ...string) {
	if len(g.inGroup[name]) == 0 {
		g.groups = append(g.groups, name)
	}
	for _, org := range orgs {
		if !slices.Contains(g.inGroup[name], org) {
			g.inGroup[name] = append(g.inGroup[name], org)
		}
	}
}

func (g *graph) org(name string) string {
	if !slices.Contains(g.orgs, name) {
		g.orgs = append(g.orgs, name)
	}
	return name
}

// title returns what an organisation calls itself.
func (g *graph) title(name string) string {
	if t, ok := g.titles[name]; ok {
		return t
	}
	if first, ok := g.seconds[name]; ok {
		return g.title(first)
	}
	return name
}

func (g *graph) stranger(name string) bool { return slices.Contains(g.strangers, name) }

func (g *graph) second(name string) bool { return g.seconds[name] != "" }

// IsGraph reports whether a line of a drill draws a part of the graph.
func IsGraph(line string) bool {
	g := newGraph()
	known, err := g.line(strings.TrimSpace(line))
	return known && err == nil
}
