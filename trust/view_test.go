package trust

import (
	"crypto/sha256"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/tocsin-exchange/tocsin/protocol"
)

var worldNow = time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)

func nodeNamed(name string) protocol.Node    { return sha256.Sum256([]byte("node " + name)) }
func communityNamed(name string) protocol.ID { return sha256.Sum256([]byte("community " + name)) }

// world is the view the verdicts of testdata are asked of.
func world() *View {
	found := func(name string, members ...string) *Community {
		h := History{Charter: protocol.Charter{Name: name, Founders: []protocol.Org{orgNamed("bank")}, Monthly: 5, Needed: 1}}
		for _, m := range members {
			ref := refNumbered(name + m)
			h.Introductions = append(h.Introductions, Introduction{Ref: ref, Bulletin: ref, By: orgNamed("bank"), Of: orgNamed(m)})
		}
		h.Removals = []Removal{{Refs: []protocol.ID{refNumbered(name + "fallen")}, By: []protocol.Org{orgNamed("bank")}}}
		return NewCommunity(h)
	}
	v := &View{
		Self: orgNamed("bank"),
		Communities: map[protocol.ID]*Community{
			communityNamed("isac"):  found("isac", "hospital", "vendor", "blocked", "fallen", "lapsed", "forked"),
			communityNamed("other"): found("other", "shop"),
		},
		Nodes:   map[protocol.Node]protocol.Certificate{},
		Blocked: map[protocol.Org]bool{orgNamed("blocked"): true},
		Quarantined: map[protocol.Org]Proof{
			orgNamed("forked"): {Fault: Equivocation, Org: orgNamed("forked")},
		},
	}
	for node, org := range map[string]string{
		"bank": "bank", "bank2": "bank", "hospital": "hospital", "vendor": "vendor", "blocked": "blocked",
		"fallen": "fallen", "shop": "shop", "lapsed": "lapsed", "forked": "forked",
	} {
		until := worldNow.Add(time.Hour)
		if node == "lapsed" {
			until = worldNow.Add(-time.Hour)
		}
		v.Nodes[nodeNamed(node)] = protocol.Certificate{
			Org: orgNamed(org), Node: nodeNamed(node),
			NotBefore: protocol.Millis(worldNow.Add(-2 * time.Hour)), NotAfter: protocol.Millis(until),
		}
	}
	return v
}

func TestVerdicts(t *testing.T) {
	text, err := os.ReadFile("testdata/verdicts.txt")
	if err != nil {
		t.Fatal(err)
	}
	asked := 0
	for line := range strings.Lines(string(text)) {
		question, want, ok := strings.Cut(strings.TrimSpace(line), " => ")
		if !ok || strings.HasPrefix(line, "#") {
			continue
		}
		asked++
		if got := ask(t, world(), strings.Fields(question)); got != want {
			t.Errorf("%s => %s, want %s", question, got, want)
		}
	}
	if asked < 40 {
		t.Errorf("only %d questions", asked)
	}
}

func ask(t *testing.T, v *View, q []string) string {
	t.Helper()
	switch q[0] {
	case "connect":
		return spell(v.MayConnect(nodeNamed(q[1]), worldNow))
	case "topic":
		return spell(v.InCommunity(nodeNamed(q[1]), communityNamed(q[2]), worldNow))
	case "send":
		return spell(v.MayReceive(headerOf(t, q[1], q[2], q[3], q[5]), nodeNamed(q[7]), worldNow))
	case "submit":
		return spell(v.MaySubmit(labelNamed(t, q[1]), communityNamed(q[2])))
	case "answer":
		return spell(Verdict{v.MayAnswer(headerOf(t, "objects", "green", q[1], q[3])), "-", ""})
	case "forked", "fallen":
		v.Self = orgNamed(q[0])
		return ask(t, v, q[1:])
	case "admit":
		h := headerOf(t, q[1], q[2], q[3], q[5])
		if len(q) == 8 {
			ahead, err := time.ParseDuration(q[7])
			if err != nil {
				t.Fatal(err)
			}
			h.Issued = protocol.Millis(worldNow.Add(ahead))
		}
		a := v.MayAdmit(h, worldNow)
		return []string{"refuse", "unknown", "later", "decline", "admit"}[a.Outcome] + " " + a.Rule
	}
	t.Fatalf("what is asked by %q?", q)
	return ""
}

func spell(v Verdict) string {
	if v.Allowed {
		return "yes " + v.Rule
	}
	return "no " + v.Rule
}

func labelNamed(t *testing.T, name string) protocol.TLP {
	switch name {
	case "unlabelled":
		return protocol.Unlabelled
	case "no-such":
		return protocol.Red + 1
	}
	label, err := protocol.ParseTLP(name)
	if err != nil {
		t.Fatal(err)
	}
	return label
}

func headerOf(t *testing.T, kind, label, community, author string) *protocol.Header {
	h := &protocol.Header{
		Kind: protocol.Objects, TLP: labelNamed(t, label), Community: communityNamed(community), Issued: protocol.Millis(worldNow),
		Certificate: protocol.Certificate{Org: orgNamed(author), Node: nodeNamed(author)},
	}
	if kind == "statements" {
		h.Kind = protocol.Statements
	}
	return h
}
