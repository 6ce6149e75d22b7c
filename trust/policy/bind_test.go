package policy

import (
	"errors"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tocsin-exchange/tocsin/protocol"
)

const named = `clients = ["lab", "nobody"]

[trust.org]
hospital = 80
ghost = 3
klinik = 10

[trust.community]
isac = 60
other = 10

[quota.org.hospital]
indicators = 5

[[admit]]
name = "a"
when = 'org.name == "ghost" || "lab" in org.introduced_by || from in ["hospital", "typo"] || bulletin.community == "isca"'
do = "hold"

[[share]]
name = "b"
when = 'group == "finanse" || tags.exists(t, t == "untouched")'
group = "finance"

[[share]]
name = "c"
when = '"amber" == tlp'
to = ["hospital", "phantom"]
`

func directory(asked *[]string) Directory {
	orgs := map[string]protocol.Org{"hospital": {1}, "klinik": {1}, "lab": {2}}
	known := func(names ...string) func(string) error {
		return func(name string) error {
			*asked = append(*asked, name)
			if !slices.Contains(names, name) {
				return errors.New("there is none of this name here")
			}
			return nil
		}
	}
	return Directory{
		Org: func(name string) (protocol.Org, error) {
			*asked = append(*asked, name)
			if org, ok := orgs[name]; ok {
				return org, nil
			}
			return protocol.Org{}, errors.New("nobody is called so here")
		},
		Group: known("finance"), Community: known("isac"),
	}
}

// Names are looked up once each, and those that nobody has are reported where
// they stand, conditions included.
func TestBind(t *testing.T) {
	p, err := Parse([]byte(named))
	if err != nil {
		t.Fatal(err)
	}
	var asked []string
	b, faults := p.Bind(directory(&asked))
	var got []string
	for _, f := range faults {
		got = append(got, f.Error())
	}
	want := []string{
		`line 1, column 19: clients[2]: "nobody": nobody is called so here`,
		`line 5, column 9: trust.org.ghost: "ghost": nobody is called so here`,
		`line 6, column 10: trust.org.klinik: "klinik": it is the organisation that is called hospital above; use one name for it`,
		`line 10, column 9: trust.community.other: "other": there is none of this name here`,
		`line 17, column 8: admit[1].when: "ghost": nobody is called so here`,
		`line 17, column 8: admit[1].when: "isca": there is none of this name here`,
		`line 17, column 8: admit[1].when: "typo": nobody is called so here`,
		`line 22, column 8: share[1].when: "finanse": there is none of this name here`,
		`line 28, column 19: share[2].to[2]: "phantom": nobody is called so here`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("faults (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(map[string]protocol.Org{"hospital": {1}, "lab": {2}}, b.Orgs); diff != "" {
		t.Error(diff)
	}
	if b.Names[protocol.Org{1}] != "hospital" || len(b.Names) != 2 {
		t.Error(b.Names)
	}
	if got := b.ClientOrgs(); !slices.Equal(got, []protocol.Org{{2}}) {
		t.Error(got)
	}
	if slices.Sort(asked); len(slices.Compact(slices.Clone(asked))) != len(asked) {
		t.Errorf("asked twice: %v", asked)
	}
}
