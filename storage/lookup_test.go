package storage

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/tocsin-exchange/tocsin/protocol"
	"github.com/tocsin-exchange/tocsin/protocol/stix"
)

const days = 24 * time.Hour

// TestLookup is a table: what was said, what is asked, what answers.
func TestLookup(t *testing.T) {
	s := openTest(t, t.TempDir())
	a := newAuthor("bank")
	said := []string{
		"203.0.113.7", "203.0.113.0/24", "203.0.0.0/16", "2001:db8::/32", "evil.example", "*.wild.example",
		"http://url.example/a", "198.51.100.7:443",
	}
	var objects [][]byte
	for _, v := range said {
		objects = append(objects, indicator(t, v))
	}
	keep(t, s, whole(a.issue(t, green(0), objects...)))
	for asked, want := range map[string]string{
		"203.0.113.7":           "exact 203.0.113.7, cidr 203.0.113.0/24, cidr 203.0.0.0/16",
		"203.0.113.8":           "cidr 203.0.113.0/24, cidr 203.0.0.0/16",
		"203.0.113.0/24":        "exact 203.0.113.0/24, cidr 203.0.0.0/16",
		"203.0.113.0/25":        "cidr 203.0.113.0/24, cidr 203.0.0.0/16",
		"203.0.0.0/15":          "",
		"2001:db8:1::9":         "cidr 2001:db8::/32",
		"2001:db9::9":           "",
		"evil.example":          "exact evil.example",
		"www.mail.evil.example": "parent-domain evil.example",
		"notevil.example":       "",
		"wild.example":          "",
		"a.wild.example":        "parent-domain *.wild.example",
		"b.a.wild.example":      "parent-domain *.wild.example",
		"*.wild.example":        "exact *.wild.example",
		"http://url.example/a":  "exact http://url.example/a",
		"url.example":           "",
		"198.51.100.7:443":      "exact 198.51.100.7:443",
		"198.51.100.7":          "",
	} {
		var got []string
		for _, c := range lookup(t, s, asked, start) {
			got = append(got, string(c.Relation)+" "+c.Observable.Value)
		}
		if strings.Join(got, ", ") != want {
			t.Errorf("%s: %s, want %s", asked, strings.Join(got, ", "), want)
		}
	}
}

func TestNewestVersionOfAScopeAnswers(t *testing.T) {
	s := openTest(t, t.TempDir())
	bank, hospital := newAuthor("bank"), newAuthor("hospital")
	confident := func(n int) func(*stix.Indicator) { return func(i *stix.Indicator) { i.Confidence = n } }
	exercise := green(3 * time.Hour)
	exercise.Drill = "autumn"
	clear := green(3 * time.Hour)
	clear.TLP = protocol.Clear
	newest := bank.issue(t, green(2*time.Hour), indicator(t, "203.0.113.7", confident(20)))
	keep(t, s,
		whole(newest), // before the one it supersedes
		whole(bank.issue(t, green(time.Hour), indicator(t, "203.0.113.7", confident(10)))),
		whole(hospital.issue(t, green(0), indicator(t, "203.0.113.7", confident(30)))),
		whole(bank.issue(t, clear, indicator(t, "203.0.113.7", confident(40)))),
		whole(bank.issue(t, exercise, revoked(indicator(t, "203.0.113.7", confident(50))))),
	)
	confidences := func(q Query) string {
		claims, err := s.Lookup(stix.Observable{Type: stix.IPv4Addr, Value: "203.0.113.7"}, q)
		if err != nil {
			t.Fatal(err)
		}
		var got []int
		for _, c := range claims {
			got = append(got, c.Object.Confidence)
		}
		slices.Sort(got)
		return fmt.Sprint(got)
	}
	if got := confidences(Query{Now: start}); got != "[20 30 40]" {
		t.Fatalf("answers: %s", got)
	}
	// Whoever may not see the newest version sees the one before.
	q := Query{Now: start, Visible: func(h *protocol.Header) bool { return h.Issued != newest.Header.Issued }}
	if got := confidences(q); got != "[10 30 40]" {
		t.Fatalf("answers: %s", got)
	}
	if st := s.Stats(); st.Claims != 3 || st.Live != 3 || st.Objects != 5 {
		t.Fatalf("stats: %+v", st)
	}
}

func TestExpiredAndRevokedNeverAnswer(t *testing.T) {
	dir := t.TempDir()
	s := openTest(t, dir)
	a := newAuthor("bank")
	none := func(i *stix.Indicator) { i.ValidUntil = time.Time{} }
	keep(t, s, whole(a.issue(t, green(0), indicator(t, "203.0.113.7", until(10*days)), indicator(t, "evil.example", none))))
	keep(t, s, whole(a.issue(t, green(time.Hour), indicator(t, "203.0.113.8", until(40*days)))))
	keep(t, s, whole(a.issue(t, green(2*time.Hour), revoked(indicator(t, "203.0.113.8", until(20*days))))))
	check := func(value string, after time.Duration, want int) {
		t.Helper()
		if got := len(lookup(t, s, value, start.Add(after))); got != want {
			t.Errorf("%s after %s: %d answers, want %d", value, after, got, want)
		}
	}
	both := func() {
		t.Helper()
		check("203.0.113.7", 10*days-time.Millisecond, 1)
		check("203.0.113.7", 10*days, 0)
		check("evil.example", 90*days-time.Second, 1)
		check("evil.example", 90*days, 0)
		check("203.0.113.8", 0, 0)
		check("203.0.113.8", 30*days, 0)
	}
	both()
	// The revocation has run out and what it takes back has not: it must stay.
	if n, err := s.Sweep(t.Context(), start.Add(30*days)); n != 0 || err != nil {
		t.Fatalf("swept %d, %v", n, err)
	}
	both()
	for range 3 { // the older goes first, then the revocation
		if _, err := s.Sweep(t.Context(), start.Add(100*days)); err != nil {
			t.Fatal(err)
		}
	}
	if st := s.Stats(); st.Bodies != 0 || st.Headers != 3 || st.Claims != 0 {
		t.Fatalf("after the sweep: %+v", st)
	}
	for _, st := range s.Streams() {
		if st.Bodies[Expired] != 3 || len(st.Gaps) != 0 {
			t.Fatalf("stream: %+v", st)
		}
	}
	position := s.Position()
	s.Close()
	s = openTest(t, dir)
	if r := keep(t, s, whole(a.issue(t, green(3*time.Hour), indicator(t, "203.0.113.9")))); r[0].Arrival <= position {
		t.Fatalf("arrival %d was given out before, at %d", r[0].Arrival, position)
	}
}

func TestSweptBytesAreGone(t *testing.T) {
	dir := t.TempDir()
	s := openTest(t, dir)
	a := newAuthor("bank")
	b := a.issue(t, green(0), indicator(t, "203.0.113.7", until(time.Hour)))
	keep(t, s, whole(b))
	place := s.cat.bulletins[0].body
	var canaries [][]byte
	for _, key := range [][]byte{place.chunkKey(0), place.segmentKey(0, 0)} {
		value, err := s.get(key)
		if err != nil {
			t.Fatal(err)
		}
		canaries = append(canaries, value[:16])
	}
	if found(t, dir, canaries) != len(canaries) {
		t.Fatal("the search finds nothing")
	}
	if n, err := s.Sweep(t.Context(), start.Add(days)); n != 1 || err != nil {
		t.Fatalf("swept %d, %v", n, err)
	}
	s.Close()
	if n := found(t, dir, canaries); n != 0 {
		t.Fatalf("%d of the swept records are still in the files", n)
	}
}

func TestObjectByIDAndAlias(t *testing.T) {
	s := openTest(t, t.TempDir())
	a := newAuthor("bank")
	const foreign = "indicator--11111111-2222-4333-8444-555555555555"
	alias := func(i *stix.Indicator) { i.Aliases = []string{foreign} }
	one, two := indicator(t, "203.0.113.7", alias), indicator(t, "203.0.113.8", alias) // two values under one foreign id
	keep(t, s, whole(a.issue(t, green(0), one, two, statementBytes("bank"))))
	keep(t, s, whole(a.issue(t, green(time.Hour), one))) // a new version
	id := func(raw []byte) string {
		o, err := stix.Parse(raw)
		if err != nil {
			t.Fatal(err)
		}
		return o.ID
	}
	for _, c := range []struct {
		id   string
		want []string
	}{
		{id(one), []string{"203.0.113.7"}}, {id(two), []string{"203.0.113.8"}}, {foreign, []string{"203.0.113.7", "203.0.113.8"}},
		{id(statementBytes("bank")), []string{""}}, {"indicator--99999999-2222-4333-8444-555555555555", nil},
	} {
		claims, err := s.Object(c.id, Query{Now: start})
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, claim := range claims {
			got = append(got, claim.Observable.Value)
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s (-want +got)\n%s", c.id, diff)
		}
	}
	if claims, _ := s.Object(foreign, Query{Now: start.Add(60 * days)}); len(claims) != 0 {
		t.Errorf("expired objects answer: %v", claims)
	}
}

func TestChangesResume(t *testing.T) {
	s := openTest(t, t.TempDir())
	benchBulletins := benchBulletins(t, newAuthor("bank"), 90, 45)
	for _, b := range benchBulletins {
		keep(t, s, whole(b))
	}
	var all []uint64
	for c, err := range s.Changes(0, Query{Now: start}) {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, c.Arrival)
	}
	if len(all) != 90 || !slices.IsSorted(all) || all[89] != s.Position() {
		t.Fatalf("%d changes up to %d of %d", len(all), all[len(all)-1], s.Position())
	}
	for i, after := range all {
		n := 0
		for range s.Changes(after, Query{Now: start}) {
			n++
		}
		if n != len(all)-i-1 {
			t.Fatalf("%d changes after %d, want %d", n, after, len(all)-i-1)
		}
	}
}

// TestShorterValidityRemoves has an author end a claim early: whoever follows
// changes is told.
func TestShorterValidityRemoves(t *testing.T) {
	s := openTest(t, t.TempDir())
	a := newAuthor("bank")
	keep(t, s, whole(a.issue(t, green(0), indicator(t, "203.0.113.7", until(10*days)))))
	seen := s.Position()
	keep(t, s, whole(a.issue(t, green(time.Hour), indicator(t, "203.0.113.7", until(2*days)))))
	var got []string
	for c, err := range s.Changes(seen, Query{Now: start.Add(3 * days)}) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, fmt.Sprint(c.Claim.Observable, " ", c.Removed))
	}
	if diff := cmp.Diff([]string{"ipv4-addr:203.0.113.7 true"}, got); diff != "" {
		t.Fatal(diff)
	}
}

func TestExpiryIsExact(t *testing.T) {
	s := openTest(t, t.TempDir())
	later := func(i *stix.Indicator) { i.ValidFrom, i.ValidUntil = start.Add(50*days), time.Time{} }
	keep(t, s, whole(newAuthor("bank").issue(t, green(0),
		indicator(t, "203.0.113.7", until(days+500*time.Millisecond)), indicator(t, "203.0.113.8", later))))
	for _, c := range []struct {
		value string
		after time.Duration
		want  int
	}{
		{"203.0.113.7", days + 499*time.Millisecond, 1}, {"203.0.113.7", days + 500*time.Millisecond, 0},
		{"203.0.113.8", 80*days - time.Second, 1}, {"203.0.113.8", 80 * days, 0},
	} {
		if got := len(lookup(t, s, c.value, start.Add(c.after))); got != c.want {
			t.Errorf("%s after %s: %d answers, want %d", c.value, c.after, got, c.want)
		}
	}
}

// TestArrivalsAreNeverGivenOutTwice sweeps the body with the highest number,
// whose header has a lower one, and starts again.
func TestArrivalsAreNeverGivenOutTwice(t *testing.T) {
	dir := t.TempDir()
	s := openTest(t, dir)
	a := newAuthor("bank")
	late := a.issue(t, green(0), indicator(t, "203.0.113.7", until(time.Hour)))
	keep(t, s, Entry{Bulletin: late.HeaderOnly()})
	last := keep(t, s, whole(late))[0].Arrival
	if n, err := s.Sweep(t.Context(), start.Add(days)); n != 1 || err != nil {
		t.Fatalf("swept %d, %v", n, err)
	}
	s.Close()
	s = openTest(t, dir)
	if r := keep(t, s, whole(a.issue(t, green(time.Hour), indicator(t, "203.0.113.8")))); r[0].Arrival <= last {
		t.Fatalf("arrival %d after %d", r[0].Arrival, last)
	}
}
