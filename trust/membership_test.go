package trust

import (
	"crypto/sha256"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/tocsin-exchange/tocsin/protocol"
)

func orgNamed(name string) protocol.Org     { return sha256.Sum256([]byte("org " + name)) }
func refNumbered(number string) protocol.ID { return sha256.Sum256([]byte("ref " + number)) }

// A membershipCase is one case of testdata/membership.txt.
type membershipCase struct {
	name           string
	history        History
	members, known []string
}

func readMembershipCases(t *testing.T) []membershipCase {
	text, err := os.ReadFile("testdata/membership.txt")
	if err != nil {
		t.Fatal(err)
	}
	var cases []membershipCase
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		if name, ok := strings.CutPrefix(line, "case "); ok {
			cases = append(cases, membershipCase{name: name})
		} else if line != "" && !strings.HasPrefix(line, "#") {
			cases[len(cases)-1].add(t, strings.Fields(line))
		}
	}
	return cases
}

func (c *membershipCase) add(t *testing.T, f []string) {
	h := &c.history
	switch {
	case f[0] == "founders":
		h.Charter = protocol.Charter{Monthly: 5, Needed: 1}
		for i := 1; i < len(f); i++ {
			switch f[i] {
			case "monthly", "needed":
				n, err := strconv.ParseUint(f[i+1], 10, 64)
				if err != nil {
					t.Fatal(err)
				}
				if f[i] == "monthly" {
					h.Charter.Monthly = n
				} else {
					h.Charter.Needed = n
				}
				i++
			default:
				h.Charter.Founders = append(h.Charter.Founders, orgNamed(f[i]))
			}
		}
	case f[0] == "members":
		c.members = f[1:]
	case f[0] == "known":
		c.known = f[1:]
	case len(f) == 6 && f[2] == "introduces":
		at, err := time.Parse(time.DateOnly, f[5])
		if err != nil {
			t.Fatal(err)
		}
		number := strings.TrimSuffix(f[0], ":")
		h.Introductions = append(h.Introductions, Introduction{
			Ref: refNumbered(number), Bulletin: refNumbered(number), By: orgNamed(f[1]), Of: orgNamed(f[3]), Issued: protocol.Millis(at),
		})
	case slices.Contains(f, "remove"), slices.Contains(f, "unseat"):
		h.Removals = append(h.Removals, readRemoval(f))
	default:
		t.Fatalf("case %s: what is %q?", c.name, f)
	}
}

func readRemoval(f []string) Removal {
	var r Removal
	i := slices.IndexFunc(f, func(w string) bool { return w == "remove" || w == "unseat" })
	for _, by := range f[:i] {
		r.By = append(r.By, orgNamed(by))
	}
	for _, what := range f[i+1:] {
		if f[i] == "unseat" {
			r.Seat = orgNamed(what)
		} else {
			r.Refs = append(r.Refs, refNumbered(what))
		}
	}
	return r
}

func TestMembership(t *testing.T) {
	for _, c := range readMembershipCases(t) {
		t.Run(c.name, func(t *testing.T) {
			for range 20 { // in any order
				rand.Shuffle(len(c.history.Introductions), func(i, j int) {
					x := c.history.Introductions
					x[i], x[j] = x[j], x[i]
				})
				checkOrgs(t, "members", slices.Collect(maps.Keys(c.history.Members())), c.members)
				if c.known != nil {
					checkOrgs(t, "known", slices.Collect(maps.Keys(c.history.Known())), c.known)
				}
			}
		})
	}
}

func checkOrgs(t *testing.T, what string, got []protocol.Org, names []string) {
	t.Helper()
	var want []protocol.Org
	for _, n := range names {
		want = append(want, orgNamed(n))
	}
	slices.SortFunc(got, protocol.Org.Compare)
	slices.SortFunc(want, protocol.Org.Compare)
	if !slices.Equal(got, want) {
		t.Errorf("%s: %d organisations, want %v", what, len(got), names)
	}
}

// randomHistory draws communities of up to 8 organisations.
func randomHistory(t *rapid.T) History {
	org := func(label string) protocol.Org { return orgNamed(fmt.Sprint(rapid.IntRange(0, 7).Draw(t, label))) }
	h := History{Charter: protocol.Charter{
		Monthly: rapid.Uint64Range(0, 3).Draw(t, "monthly"), Needed: rapid.Uint64Range(1, 2).Draw(t, "needed"),
	}}
	for range rapid.IntRange(1, 3).Draw(t, "founders") {
		if o := org("founder"); !slices.Contains(h.Charter.Founders, o) {
			h.Charter.Founders = append(h.Charter.Founders, o)
		}
	}
	for i := range rapid.IntRange(0, 20).Draw(t, "introductions") {
		ref := refNumbered(fmt.Sprint(i))
		h.Introductions = append(h.Introductions, Introduction{
			Ref: ref, Bulletin: ref, By: org("by"), Of: org("of"), Issued: rapid.Uint64Range(0, 70*24*3600*1000).Draw(t, "issued"),
		})
	}
	for range rapid.IntRange(0, 6).Draw(t, "removals") {
		r := Removal{By: []protocol.Org{org("signer")}}
		if rapid.Bool().Draw(t, "seat") {
			r.Seat = org("seat")
		} else {
			r.Refs = []protocol.ID{refNumbered(fmt.Sprint(rapid.IntRange(0, 20).Draw(t, "ref")))}
		}
		h.Removals = append(h.Removals, r)
	}
	return h
}

// TestMembershipIsAFunctionOfTheSet: order and repetition make no difference,
// members are known, and everyone but a founder stands on members.
func TestMembershipIsAFunctionOfTheSet(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := randomHistory(t)
		members := h.Members()
		again := h
		again.Introductions = rapid.Permutation(h.Introductions).Draw(t, "order")
		again.Removals = append(rapid.Permutation(h.Removals).Draw(t, "removal order"), h.Removals...)
		if !maps.EqualFunc(members, again.Members(), func(a, b Member) bool { return a.Founder == b.Founder && len(a.By) == len(b.By) }) {
			t.Fatal("another order, other members")
		}
		known := h.Known()
		for org, m := range members {
			if !known[org] {
				t.Fatal("a member is not known")
			}
			if !m.Founder && uint64(distinct(m.By)) < h.Charter.Needed {
				t.Fatal("a member without introductions enough")
			}
		}
	})
}

// TestRemovalOnlyRemoves: one more removal never makes a member.
func TestRemovalOnlyRemoves(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := randomHistory(t)
		if len(h.Removals) == 0 {
			return
		}
		with := h.Members()
		h.Removals = h.Removals[1:]
		for org := range with {
			if _, is := h.Members()[org]; !is {
				t.Fatal("a removal made a member")
			}
		}
	})
}

// TestStrangersGainNothing: whatever organisations nobody introduced say about
// each other, the members stay the same.
func TestStrangersGainNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := randomHistory(t)
		before := h.Members()
		for i := range rapid.IntRange(1, 30).Draw(t, "sybils") {
			ref := refNumbered(fmt.Sprint("sybil", i))
			h.Introductions = append(h.Introductions, Introduction{
				Ref: ref, Bulletin: ref, By: orgNamed(fmt.Sprint("sybil", i)), Of: orgNamed(fmt.Sprint("sybil", i/2)),
			})
			h.Removals = append(h.Removals, Removal{By: []protocol.Org{orgNamed(fmt.Sprint("sybil", i))}, Refs: []protocol.ID{refNumbered(fmt.Sprint(i))}})
		}
		if after := h.Members(); !maps.EqualFunc(before, after, func(a, b Member) bool { return a.Founder == b.Founder }) {
			t.Fatal("strangers changed who belongs")
		}
	})
}
