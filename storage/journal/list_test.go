package journal

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestList(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // it is the first of January 2000
		dir := t.TempDir()
		begin := time.Now()
		j := open(t, dir, Options{SegmentSize: 5000})
		for n := 1; n <= 100; n++ { // one a day
			r := act(n)
			r.Actor, r.Peer = "operator:k1", fmt.Sprintf("peer%d", n%2)
			r.Act = []Act{ActRefuse, ActAdmit}[n%2]
			r.Community = "isac"
			j.Append(r)
			time.Sleep(24 * time.Hour)
		}
		closed(t, j)
		whole(t, dir, -1)
		day := func(n int) time.Time { return begin.AddDate(0, 0, n-1) }
		for _, c := range []struct {
			name  string
			q     Query
			match func(n int) bool
		}{
			{"all", Query{Actor: "operator:k1"}, func(int) bool { return true }},
			{"since", Query{Actor: "operator:k1", Since: day(40)}, func(n int) bool { return n >= 40 }},
			{"until", Query{Actor: "operator:k1", Until: day(40)}, func(n int) bool { return n < 40 }},
			{"a week", Query{Actor: "operator:k1", Since: day(40), Until: day(47)}, func(n int) bool { return n >= 40 && n < 47 }},
			{"an act", Query{Acts: []Act{ActRefuse, ActErase}}, func(n int) bool { return n%2 == 0 }},
			{"an org", Query{Org: "org1"}, func(n int) bool { return n%3 == 1 }},
			{"a peer", Query{Peer: "peer0", Org: "org1"}, func(n int) bool { return n%2 == 0 && n%3 == 1 }},
			{"a bulletin", Query{Bulletin: "b77"}, func(n int) bool { return n == 77 }},
			{"a community", Query{Community: "isac", Until: day(3)}, func(n int) bool { return n < 3 }},
			{"another", Query{Community: "other"}, func(int) bool { return false }},
		} {
			var want []int
			for n := 1; n <= 100; n++ {
				if c.match(n) {
					want = append(want, n)
				}
			}
			if got := counts(t, dir, c.q); !slices.Equal(got, want) {
				t.Errorf("%s: %v, want %v", c.name, got, want)
			}
			slices.Reverse(want)
			c.q.Newest = true
			if got := counts(t, dir, c.q); !slices.Equal(got, want) {
				t.Errorf("%s, newest first: %v, want %v", c.name, got, want)
			}
			c.q.Limit = 3
			if got := counts(t, dir, c.q); !slices.Equal(got, want[:min(3, len(want))]) {
				t.Errorf("%s, three: %v", c.name, got)
			}
		}
		testPages(t, dir)
	})
}

func counts(t *testing.T, dir string, q Query) (list []int) {
	t.Helper()
	for _, r := range listed(t, dir, q) {
		list = append(list, int(r.Count))
	}
	return list
}

// testPages reads a journal a few records at a time, both ways.
func testPages(t *testing.T, dir string) {
	all := listed(t, dir, Query{})
	for i, r := range all {
		if r.Seq != uint64(i+1) {
			t.Fatalf("record %d has number %d", i, r.Seq)
		}
	}
	var up, down []Record
	for q := (Query{Limit: 7}); ; q.After = up[len(up)-1].Seq {
		page := listed(t, dir, q)
		if len(page) == 0 {
			break
		}
		up = append(up, page...)
	}
	for q := (Query{Limit: 7, Newest: true}); ; q.Before = down[len(down)-1].Seq {
		page := listed(t, dir, q)
		if len(page) == 0 {
			break
		}
		down = append(down, page...)
	}
	slices.Reverse(down)
	for i := range all {
		if len(up) != len(all) || len(down) != len(all) || up[i].Seq != all[i].Seq || down[i].Seq != all[i].Seq {
			t.Fatalf("pages: %d up, %d down, %d in all", len(up), len(down), len(all))
		}
	}
}

// TestListPassesDamage: a damaged line is an error with its place, and the rest
// is there, both ways; however long it is.
func TestListPassesDamage(t *testing.T) {
	dir := t.TempDir()
	j := open(t, dir, Options{})
	write(t, j, 1, 9)
	closed(t, j)
	name := whole(t, dir, 10).Segments[0].Name
	b, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	for _, long := range []int{1, maxLine - 1, maxLine, maxLine + 1, backBlock, 3*backBlock + 17} {
		lines := strings.SplitAfter(string(b), "\n")
		lines[5] = strings.Repeat("x", long) + "\n"
		place := fmt.Sprintf("%s at byte %d:", name, len(strings.Join(lines[:5], "")))
		if err := os.WriteFile(filepath.Join(dir, name), []byte(strings.Join(lines, "")), 0o600); err != nil {
			t.Fatal(err)
		}
		for _, newest := range []bool{false, true} {
			good, bad := 0, 0
			for _, err := range (Files{Dir: dir}).List(Query{Newest: newest}) {
				if good++; err != nil {
					good, bad = good-1, bad+1
					if !errors.Is(err, ErrDamaged) || !strings.Contains(err.Error(), place) {
						t.Errorf("%d bytes: %v, want %s", long, err, place)
					}
				}
			}
			if good != 9 || bad != 1 {
				t.Errorf("%d bytes, newest %t: %d records, %d errors", long, newest, good, bad)
			}
		}
	}
}
