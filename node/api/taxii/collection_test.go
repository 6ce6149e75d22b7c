package taxii

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/tocsin-exchange/tocsin/protocol"
)

// TestTitlesStay: titles are unique, given once and kept, whatever comes later.
func TestTitlesStay(t *testing.T) {
	d := newDesk(t)
	titles := func(communities ...Community) map[string]string {
		t.Helper()
		list, err := d.Collections(t.Context(), communities)
		if err != nil || !slices.IsSortedFunc(list, func(a, b Collection) int { return strings.Compare(a.ID, b.ID) }) {
			t.Fatalf("%v, %v", list, err)
		}
		got := map[string]string{}
		for _, c := range list {
			if uuid, ok := parseUUID(c.ID); !ok || uuid != versionFour(uuid) {
				t.Errorf("%q is no UUID of version 4", c.ID)
			}
			got[c.Title] = c.ID
		}
		return got
	}
	first := titles(Community{protocol.ID{1}, "isac"})
	later := titles(Community{protocol.ID{0xab, 0xcd, 0xef, 1}, "ISAC"}, Community{protocol.ID{2}, everything}, Community{protocol.ID{1}, "isac"})
	if len(first) != 2 || len(later) != 4 || first["isac"] != later["isac"] || first[everything] != later[everything] || later["ISAC (abcdef01)"] == "" || later[everything+" (02000000)"] == "" {
		t.Errorf("first %v, later %v", first, later)
	}
	if _, err := d.Label(t.Context(), later["isac"], protocol.Amber); !errors.Is(err, ErrQuery) {
		t.Errorf("posted under AMBER: %v", err)
	}
	if c, err := d.Label(t.Context(), later["isac"], protocol.Unlabelled); err != nil || c.Writable(&Roots()[0]) {
		t.Errorf("%+v, %v", c, err)
	}
}
