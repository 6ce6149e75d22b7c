package trust

import (
	"crypto/ed25519"
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
	stands         map[string][]string
	asks           [][]string // who, on which day, what is said to it
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
	case f[0] == "stands":
		if c.stands == nil {
			c.stands = map[string][]string{}
		}
		c.stands[f[1]] = f[3:]
	case f[0] == "asks":
		c.asks = append(c.asks, []string{f[1], f[3], strings.Join(f[5:], " ")})
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
				c.checkMembers(t)
			}
		})
	}
}

// checkMembers checks by what somebody belongs and whom he may bring in, at the
// end of the day in a zone where the next one has come.
func (c *membershipCase) checkMembers(t *testing.T) {
	for org, want := range c.stands {
		var refs, got []protocol.ID
		for _, number := range want {
			refs = append(refs, refNumbered(number))
		}
		for _, i := range c.history.Members()[orgNamed(org)].By {
			got = append(got, i.Ref)
		}
		if !slices.Equal(got, refs) {
			t.Errorf("%s stands on %d introductions, want %v", org, len(got), want)
		}
	}
	for _, ask := range c.asks {
		at, err := time.Parse(time.DateOnly, ask[1])
		if err != nil {
			t.Fatal(err)
		}
		now := at.Add(day - time.Second).In(time.FixedZone("", 14*3600))
		if got := spell(c.history.MayIntroduce(orgNamed(ask[0]), now)); got != ask[2] {
			t.Errorf("%s on %s: %s, want %s", ask[0], ask[1], got, ask[2])
		}
	}
}

// TestHistoryTakesStatements: introductions, and removals of the community's own,
// bear on who the members are; what else is said does not.
func TestHistoryTakesStatements(t *testing.T) {
	w, community := newLabelWorld(map[string]ed25519.PrivateKey{}), communityNamed("isac")
	b := rosterSaid(t, w, "bank", worldNow, 1)
	refs := []protocol.ID{refNumbered("1"), refNumbered("2")}
	ends := func(of protocol.ID) protocol.Statement {
		return protocol.Statement{Removal: &protocol.Removal{
			Community: of, Introductions: refs, Seat: w.org("isp"), By: []protocol.OrgSigning{{Org: w.org("cert")}, {Org: w.org("isp")}},
		}}
	}
	h := History{}
	for _, c := range []struct {
		what string
		s    protocol.Statement
		want bool
	}{
		{"an introduction", protocol.Statement{Introduction: &protocol.Introduction{Name: "Hospital", Certificate: w.certificate("hospital")}}, true},
		{"a removal", ends(community), true},
		{"a removal of another community", ends(communityNamed("other")), false},
		{"an erasure", protocol.Statement{Erasure: &protocol.Erasure{Bulletin: b.ID()}}, false},
	} {
		if got := h.Add(community, b, 0, c.s); got != c.want {
			t.Errorf("%s bears on who the members are: %v, want %v", c.what, got, c.want)
		}
	}
	want := Introduction{
		Ref: b.Reference(0), By: w.org("bank"), Of: w.certificate("hospital").Org, Name: "Hospital", Issued: protocol.Millis(worldNow), Bulletin: b.ID(),
	}
	if len(h.Introductions) != 1 || h.Introductions[0] != want || want.Ref.IsZero() {
		t.Errorf("%+v, want %+v", h.Introductions, want)
	}
	if len(h.Removals) != 1 || !slices.Equal(h.Removals[0].Refs, refs) || h.Removals[0].Seat != w.org("isp") ||
		!slices.Equal(h.Removals[0].By, w.orgs([]string{"cert", "isp"})) || h.Removals[0].Bulletin != b.ID() {
		t.Errorf("%+v", h.Removals)
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
			if slices.ContainsFunc(m.By, func(i Introduction) bool { return i.By == org || i.Of != org }) {
				t.Fatal("a member by its own word, or by what was said of another")
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
