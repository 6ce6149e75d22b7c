package trust

import (
	"crypto/ed25519"
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/tocsin-exchange/tocsin/protocol"
)

// TestRemarksGoNoWider: whoever may receive what is said of a claim is its
// author or may see the claim, under every label; what came to us as a client
// goes to who passed it on.
func TestRemarksGoNoWider(t *testing.T) {
	keys := map[string]ed25519.PrivateKey{}
	said := map[protocol.TLP]int{}
	rapid.Check(t, func(t *rapid.T) {
		s := drawScene(t, keys, protocol.Clear, protocol.Green, protocol.Amber, protocol.AmberStrict, protocol.Red)
		s.h.Kind = protocol.Objects
		me, via := fair(t, "me", cast), fair(t, "via", cast)
		v := s.allKnowing(me)
		audience, _, may := v.MayRemark(&s.h, s.org(via))
		if !may.Allowed {
			return
		}
		said[s.h.TLP]++
		remark := s.h
		remark.Certificate, remark.Audience = s.certificate(me), audience
		forwarded := v.Self != s.h.Org() && s.h.TLP > protocol.Green && !v.named(s.h.Audience, v.Self).Allowed
		for node := range s.nodes {
			org := s.org(s.nodes[node])
			hears := v.MayReceive(&remark, nodeNamed(node), worldNow).Allowed && org != v.Self
			switch {
			case !hears || org == s.h.Org() && !forwarded:
			case forwarded && org != s.org(via):
				t.Fatalf("a client's word goes to %s, not only to %s who passed the claim on", node, via)
			case forwarded: // that via was named is for its author to know
			case s.h.TLP <= protocol.Green && v.MayReceive(&s.h, nodeNamed(node), worldNow).Allowed:
			case s.h.TLP <= protocol.Green || !v.named(s.h.Audience, org).Allowed:
				t.Fatalf("%s of %s may hear of a claim it may not see", node, s.nodes[node])
			}
		}
	})
	for _, label := range []protocol.TLP{protocol.Clear, protocol.Green, protocol.Amber, protocol.AmberStrict} {
		if said[label] == 0 && !testing.Short() { // rapid draws a fifth then
			t.Errorf("nothing was said under %s", label.Label())
		}
	}
	if said[protocol.Red] > 0 {
		t.Errorf("%d words about what is under RED", said[protocol.Red])
	}
}

// TestRemarkAudience: to whom what a member met is said.
func TestRemarkAudience(t *testing.T) {
	w := newLabelWorld(map[string]ed25519.PrivateKey{})
	for _, line := range []string{
		"community isac ann ben cat dan eve", "removed isac eve", "blocks ben dan",
		"roster g.1 by ann 20 ann ben cat", "roster g.2 by ann 10 ann ben cat dan", "roster h.1 by ann 20 ann ben", "roster h.2 by ann 10 ann",
		"roster k.1 by cat 20 ann ben cat eve", "roster k.2 by cat 10 ann ben cat",
		"roster n.1 by ann 20 ann cat", "roster o.1 by cat 20 ann ben",
	} {
		w.draw(strings.Fields(line))
	}
	for _, row := range []struct{ author, label, to, via, want, left, rule string }{
		{"ann", "green", "", "", "", "", "tlp-green"},
		{"ann", "amber", "ben", "", "ann", "", "tlp-amber"},
		{"ann", "amber+strict", "ben+cat", "", "ann+cat", "", "tlp-amber+strict"},
		{"ann", "amber", "ben+cat+dan+eve", "", "ann+cat", "dan+eve", "tlp-amber"},
		{"ben", "amber", "cat", "", "cat", "", "tlp-amber"},
		{"ben", "amber+strict", "ben", "", "ben", "", "tlp-amber+strict"},
		{"ben", "amber", "eve", "", "", "eve", "not-a-member"},
		{"ann", "amber", "g.2", "", "g.2", "", "tlp-amber"},
		{"ann", "amber", "g.1", "", "ann+cat", "", "tlp-amber"}, // dan came later, without its history
		{"cat", "amber", "k.1", "", "k.2", "", "tlp-amber"},
		{"eve", "amber", "k.1", "", "", "", "author-fallen"},
		{"ann", "amber", "h.1", "", "", "", "not-ours"},
		{"ann", "amber", "h.1+ben", "", "ann", "", "tlp-amber"},
		{"ann", "amber", "n.1+ben", "", "ann", "", "tlp-amber"}, // ben never heard of n
		{"cat", "amber", "o.1", "", "ann+cat", "", "tlp-amber"}, // cat is not in the group it owns
		{"ann", "amber", "cat", "cat", "cat", "", "tlp-amber"},
		{"ann", "amber", "cat", "", "", "", "not-ours"},
		{"ann", "amber", "cat", "eve", "", "", "not-ours"},
		{"ann", "amber+strict", "cat", "cat", "", "", "not-ours"},
		{"ann", "amber", "dan", "dan", "", "dan", "not-a-member"},
		{"ann", "red", "ben/anna", "", "", "", "red-in-person"},
	} {
		label := labelNamed(t, row.label)
		q := question{author: row.author, kind: "objects", to: row.to}
		v, via := w.view("ben"), protocol.Org{}
		for id, g := range w.view("ann").Groups { // ben has heard that he was left out of h
			if mine := v.Groups[id]; mine != nil {
				mine.Rosters = g.Rosters
			}
		}
		if row.via != "" {
			via = w.org(row.via)
		}
		audience, left, may := v.MayRemark(w.header(q, label), via)
		want := []protocol.Recipient(nil)
		if row.want != "" {
			want = w.audience(label, row.want)
			protocol.SortAudience(want)
		}
		var gone []protocol.Org
		if row.left != "" {
			gone = w.orgs(strings.Split(row.left, "+"))
		}
		slices.SortFunc(left, protocol.Org.Compare)
		slices.SortFunc(gone, protocol.Org.Compare)
		if may.Rule != row.rule || may.Allowed && !slices.Equal(audience, want) || !slices.Equal(left, gone) {
			t.Errorf("%s %s to %s: %v, left %v, %+v; want %s, left %s, %s", row.author, row.label, row.to, audience, left, may, row.want, row.left, row.rule)
		}
	}
	if _, _, may := w.view("ben").MayRemark(&protocol.Header{}, protocol.Org{}); may.Rule != "unlabelled" {
		t.Errorf("without a label: %+v", may)
	}
	toHimself := question{author: "eve", kind: "objects", to: "eve"} // also when no member any more
	if audience, left, may := w.view("eve").MayRemark(w.header(toHimself, protocol.Amber), protocol.Org{}); !may.Allowed || len(audience) != 1 || len(left) > 0 {
		t.Errorf("to oneself: %v, left %v, %+v", audience, left, may)
	}
	w.crowd("clinic", "l", protocol.MaxAudience)
	w.crowd("lab", "m", protocol.MaxAudience-1)
	for group, want := range map[string]string{"l": "too-many", "m": "tlp-amber"} {
		q := question{author: "ann", kind: "objects", to: group + ".1"}
		if audience, _, may := w.view("ben").MayRemark(w.header(q, protocol.Amber), protocol.Org{}); may.Rule != want {
			t.Errorf("to group %s that let somebody in: %d, %+v, want %s", group, len(audience), may, want)
		}
	}
}

// crowd draws a community, and in it a group of ann, ben and so many more that
// lets dan in later.
func (w *labelWorld) crowd(community, group string, more int) {
	names := ""
	for i := range more {
		names += fmt.Sprintf(" %s%d", group, i)
	}
	for _, line := range []string{
		"community " + community + " ann ben dan" + names, "roster " + group + ".1 by ann 20 ann ben" + names, "roster " + group + ".2 by ann 10 ann ben dan" + names,
	} {
		w.draw(strings.Fields(line))
	}
}
