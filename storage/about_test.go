package storage

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/tocsin-exchange/tocsin/protocol"
	"github.com/tocsin-exchange/tocsin/protocol/stix"
	"pgregory.net/rapid"
)

// idOf is the id of the indicator that indicator makes of a value.
func idOf(t testing.TB, value string) string {
	t.Helper()
	o, err := stix.Parse(indicator(t, value))
	if err != nil {
		t.Fatal(err)
	}
	return o.ID
}

// sighting says that an object was met, count times, some time after the start.
// who keeps the ids of several authors apart.
func sighting(who, of string, count int, seen time.Duration) []byte {
	return stix.Sighting{
		ID: stix.SightingID([]byte(who), of), Of: of, Count: count, Confidence: -1,
		Created: start, Modified: start, LastSeen: start.Add(seen),
	}.AppendJSON(nil)
}

// opinion says a word about objects.
func opinion(who, word string, about ...string) []byte {
	return stix.Opinion{
		ID: stix.OpinionID([]byte(who), about...), About: about, Opinion: word, Confidence: -1, Created: start, Modified: start,
	}.AppendJSON(nil)
}

// aboutLine shows a sighting or opinion as one line.
func aboutLine(c Claim) string {
	what := c.Object.Opinion
	if what == "" {
		what = fmt.Sprintf("sighted %d", c.Object.Count)
	}
	return fmt.Sprintf("%s %s", c.Bulletin, what)
}

// words lists what is said about an id, without by whom.
func words(t testing.TB, s *Store, id string, q Query) string {
	t.Helper()
	claims, err := s.About(id, q)
	if err != nil {
		t.Fatal(err)
	}
	return wordsOf(claims)
}

func wordsOf(claims []Claim) string {
	var list []string
	for _, c := range claims {
		_, what, _ := strings.Cut(aboutLine(c), " ")
		list = append(list, what)
	}
	slices.Sort(list)
	return strings.Join(list, ", ")
}

func TestAbout(t *testing.T) {
	dir := t.TempDir()
	s := openTest(t, dir)
	bank, hospital, vendor := newAuthor("bank"), newAuthor("hospital"), newAuthor("vendor")
	seven, eight := idOf(t, "203.0.113.7"), idOf(t, "203.0.113.8")
	newest := hospital.issue(t, green(2*time.Hour), sighting("hospital", seven, 5, time.Hour))
	keep(t, s,
		whole(bank.issue(t, green(0), indicator(t, "203.0.113.7"), indicator(t, "203.0.113.8"))),
		whole(newest), // before the one it supersedes
		whole(hospital.issue(t, green(time.Hour), sighting("hospital", seven, 2, 0), opinion("hospital", stix.Disagree, eight, seven, eight))),
		whole(vendor.issue(t, green(0), sighting("vendor", seven, 9, 0), opinion("vendor", stix.Agree, seven))),
		whole(vendor.issue(t, green(time.Hour), opinion("vendor", stix.StronglyDisagree, seven))),
		whole(bank.issue(t, green(time.Hour), sighting("bank", eight, 7, 0))),
		whole(bank.issue(t, green(2*time.Hour), revoked(sighting("bank", eight, 7, 0)))),
	)
	unseen := func(h *protocol.Header) bool { return h.Issued != newest.Header.Issued }
	check := func(s *Store) {
		t.Helper()
		for _, c := range []struct {
			id   string
			q    Query
			want string
		}{
			{seven, Query{Now: start}, "disagree, sighted 5, sighted 9, strongly-disagree"},
			{eight, Query{Now: start}, "disagree"},
			// Whoever may not see the newest version, or what takes one back, sees the one before.
			{seven, Query{Now: start, Visible: unseen}, "disagree, sighted 2, sighted 9, strongly-disagree"},
			{eight, Query{Now: start, Visible: unseen}, "disagree, sighted 7"},
			{seven, Query{Now: start.Add(aboutLasts)}, "sighted 5"},
			{seven, Query{Now: start.Add(aboutLasts + time.Hour)}, ""},
			{stix.SightingID([]byte("vendor"), seven), Query{Now: start}, ""},
			{idOf(t, "203.0.113.9"), Query{Now: start}, ""},
		} {
			if got := words(t, s, c.id, c.q); got != c.want {
				t.Errorf("about %s: %q, want %q", c.id, got, c.want)
			}
		}
		if st := s.Stats(); st.Objects != 10 || st.Claims != 2 {
			t.Errorf("stats: %+v", st)
		}
	}
	check(s)
	s.Close()
	s = openTest(t, dir)
	check(s)
	if err := s.Rebuild(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	check(s)
	if r, err := s.Check(t.Context()); err != nil || !r.Sound() {
		t.Errorf("%v: %+v", err, r.Faults)
	}
	disown(t, s, hospital)
	if got := words(t, s, seven, Query{Now: start}); got != "sighted 9, strongly-disagree" {
		t.Errorf("what was disowned is said: %s", got)
	}
}

// TestAboutChangesItsMind: a version about something else is about that alone.
func TestAboutChangesItsMind(t *testing.T) {
	s := openTest(t, t.TempDir())
	a := newAuthor("bank")
	seven, eight := idOf(t, "203.0.113.7"), idOf(t, "203.0.113.8")
	move := func(about ...string) []byte {
		return stix.Opinion{ID: stix.OpinionID(nil), About: about, Opinion: stix.Disagree, Created: start, Modified: start}.AppendJSON(nil)
	}
	keep(t, s, whole(a.issue(t, green(0), move(seven, eight))), whole(a.issue(t, green(time.Hour), move(eight))))
	if a, b := words(t, s, seven, Query{Now: start}), words(t, s, eight, Query{Now: start}); a != "" || b != "disagree" {
		t.Errorf("about 7: %q, about 8: %q", a, b)
	}
}

// boundID is the id that a claim's scope gives to an indicator of its value.
func boundID(c *Claim) string {
	scope := fmt.Appendf(nil, "%s %s %s", c.Org, c.Community, c.TLP)
	return stix.IndicatorID(scope, []stix.Observable{c.Observable})
}

// TestAboutValue: what is said of an object is said of the value only where
// nobody else could have made it so.
func TestAboutValue(t *testing.T) {
	s := openTest(t, t.TempDir())
	bank, hospital, mallory := newAuthor("bank"), newAuthor("hospital"), newAuthor("mallory")
	const foreign = "indicator--11111111-2222-4333-8444-555555555555"
	bound := func(a *author, value string) string {
		o, err := stix.Detect(value)
		if err != nil {
			t.Fatal(err)
		}
		return boundID(&Claim{Org: a.issuer(), Community: isac, TLP: protocol.Green, Observable: o})
	}
	named := func(id string, aliases ...string) func(*stix.Indicator) {
		return func(i *stix.Indicator) { i.ID, i.Aliases = id, aliases }
	}
	evil, both := bound(bank, "203.0.113.7"), bound(bank, "203.0.113.20")
	two := strings.Replace(string(indicator(t, "203.0.113.20")), "203.0.113.20'", "203.0.113.20' OR ipv4-addr:value = '203.0.113.21'", 1)
	keep(t, s,
		whole(bank.issue(t, green(0), indicator(t, "203.0.113.7", named(evil, foreign)), []byte(two))),
		// What mallory would have us block, or spare.
		whole(mallory.issue(t, green(0), indicator(t, "198.51.100.1", named(evil)), indicator(t, "198.51.100.2", named(idOf(t, "198.51.100.2"), evil, foreign)))),
		whole(hospital.issue(t, green(time.Hour), sighting("hospital", evil, 3, 0), opinion("hospital", stix.Disagree, foreign))),
		whole(bank.issue(t, green(time.Hour), sighting("bank", foreign, 2, 0), opinion("bank", stix.Agree, evil, foreign))),
		whole(hospital.issue(t, green(2*time.Hour), sighting("hospital", idOf(t, "203.0.113.20"), 4, 0), sighting("hospital", both, 6, 0))),
		whole(mallory.issue(t, green(time.Hour), sighting("mallory", evil, 8, 0))),
	)
	ask := func(value string, q Query, id func(*Claim) string) (int, string) {
		t.Helper()
		o, err := stix.Detect(value)
		if err != nil {
			t.Fatal(err)
		}
		claims, about, err := s.AboutValue(o, q, id)
		exact, _ := s.Lookup(o, q)
		if err != nil || !cmp.Equal(claims, slices.DeleteFunc(exact, func(c Claim) bool { return c.Relation != Exact })) {
			t.Errorf("%s: %v, claims %v", value, err, claims)
		}
		return len(claims), wordsOf(about)
	}
	q := Query{Now: start}
	for _, c := range []struct {
		value string
		q     Query
		id    func(*Claim) string
		n     int
		want  string
	}{
		{"203.0.113.7", q, boundID, 1, "agree, sighted 2, sighted 3, sighted 8"}, // once, though about two of its ids
		{"203.0.113.7", q, nil, 1, "agree, sighted 2"},
		{"198.51.100.1", q, boundID, 1, "sighted 8"}, // mallory's own words only
		{"198.51.100.2", q, boundID, 1, "sighted 8"},
		{"203.0.113.20", q, boundID, 1, "sighted 6"}, // not what is about two values
		{"203.0.113.21", q, boundID, 1, ""},
		{"203.0.113.99", q, boundID, 0, ""},
		{"203.0.113.7", Query{Now: start.Add(100 * days)}, boundID, 0, "agree, sighted 2, sighted 3, sighted 8"}, // expired, and held
		{"203.0.113.7", Query{Now: start, Visible: func(h *protocol.Header) bool { return h.Org() != bank.issuer() }}, boundID, 0, ""},
	} {
		if n, got := ask(c.value, c.q, c.id); n != c.n || got != c.want {
			t.Errorf("%s: %d claims, %q, want %d, %q", c.value, n, got, c.n, c.want)
		}
	}
	// A claim that is taken back takes no verdict with it.
	keep(t, s, whole(bank.issue(t, green(3*time.Hour), revoked(indicator(t, "203.0.113.7", named(evil))))))
	if n, got := ask("203.0.113.7", q, boundID); n != 0 || got != "agree, sighted 3, sighted 8" {
		t.Errorf("after a revocation: %d claims, %q", n, got)
	}
}

func TestLapse(t *testing.T) {
	year := func(d time.Duration) time.Time { return start.Add(d + 365*days) }
	seven := idOf(t, "203.0.113.7")
	for _, c := range []struct {
		what          string
		raw           []byte
		lapses, swept time.Time
	}{
		{"from the last sighting", sighting("a", seven, 1, 2*days), year(2 * days), year(10 * days)},
		{"not from a date to come", sighting("a", seven, 1, 20*days), year(10 * days), year(10 * days)},
		{"from modified", opinion("a", stix.Agree, seven), year(0), year(10 * days)},
		{"long ago", sighting("a", seven, 1, -1000*days), year(-1000 * days), year(10 * days)},
	} {
		h := green(10 * days) // when it was issued
		o, err := stix.Parse(c.raw)
		if err != nil {
			t.Fatal(err)
		}
		if got := lapse(&Claim{Object: o, Issued: protocol.Time(h.Issued)}); !got.Equal(c.lapses) {
			t.Errorf("%s: counts until %v, want %v", c.what, got, c.lapses)
		}
		if got := lastExpiry(&o, &h); !got.Equal(c.swept) {
			t.Errorf("%s: is kept until %v, want %v", c.what, got, c.swept)
		}
	}
}

// TestOldSightingsAreServed: what was seen long ago counts no more, and is there.
func TestOldSightingsAreServed(t *testing.T) {
	s := openTest(t, t.TempDir())
	seven := idOf(t, "203.0.113.7")
	keep(t, s, whole(newAuthor("bank").issue(t, green(0), sighting("bank", seven, 1, -1000*days))))
	if got := words(t, s, seven, Query{Now: start}); got != "" {
		t.Errorf("an old sighting counts: %s", got)
	}
	told := 0
	for _, err := range s.Changes(0, Query{Now: start}) {
		if told++; err != nil {
			t.Error(err)
		}
	}
	if claims, err := s.Object(stix.SightingID([]byte("bank"), seven), Query{Now: start}); err != nil || len(claims) != 1 || told != 1 {
		t.Errorf("%d objects, %d changes, %v", len(claims), told, err)
	}
}

// TestAboutIsExact: a posting rounds, and its hash may be that of another id.
func TestAboutIsExact(t *testing.T) {
	s := openTest(t, t.TempDir())
	seven, eight := idOf(t, "203.0.113.7"), idOf(t, "203.0.113.8")
	keep(t, s, whole(newAuthor("bank").issue(t, green(time.Hour), sighting("bank", seven, 1, 500*time.Millisecond))))
	for after, want := range map[time.Duration]string{aboutLasts + 499*time.Millisecond: "sighted 1", aboutLasts + 500*time.Millisecond: ""} {
		if got := words(t, s, seven, Query{Now: start.Add(after)}); got != want {
			t.Errorf("after %v: %q, want %q", after, got, want)
		}
	}
	s.cat.abouts.push(s.index.Load().about(eight), 0, node{expires: forever, flags: aboutFlag})
	if got := words(t, s, eight, Query{Now: start}); got != "" {
		t.Errorf("another id with the same hash: %q", got)
	}
}

// TestSightingsAreSwept: a year after their issue they are gone.
func TestSightingsAreSwept(t *testing.T) {
	s := openTest(t, t.TempDir())
	a := newAuthor("bank")
	seven := idOf(t, "203.0.113.7")
	keep(t, s,
		whole(a.issue(t, green(0), sighting("bank", seven, 1, 0))),
		whole(a.issue(t, green(time.Hour), opinion("bank", stix.Disagree, seven))),
		whole(a.issue(t, green(10*days), sighting("bank", seven, 2, 10*days))),
		whole(a.issue(t, green(11*days), opinion("bank", stix.Agree, seven), statementBytes("bank"))),
		whole(a.issue(t, green(12*days), sighting("late", seven, 3, -1000*days))),
	)
	check := func(after time.Duration, gone int, want string) {
		t.Helper()
		if n, err := s.Sweep(t.Context(), start.Add(after)); n != gone || err != nil {
			t.Fatalf("swept %d, want %d, %v", n, gone, err)
		}
		if got := words(t, s, seven, Query{Now: start.Add(after)}); got != want {
			t.Fatalf("after %v: %q, want %q", after, got, want)
		}
	}
	check(364*days, 0, "agree, sighted 2")
	check(366*days, 2, "sighted 2") // both superseded; the newer opinion has lapsed
	check(400*days, 2, "")          // not the opinion beside what never expires
	if n := len(s.cat.abouts.heads); n != 1 {
		t.Errorf("%d hashes are left", n)
	}
}

// TestRevokedSightingStaysTaken: what takes a sighting back is not swept while
// that would count without it.
func TestRevokedSightingStaysTaken(t *testing.T) {
	s := openTest(t, t.TempDir())
	a := newAuthor("bank")
	seven := idOf(t, "203.0.113.7")
	back := revoked(opinion("bank", stix.Disagree, seven))
	keep(t, s, whole(a.issue(t, green(0), back))) // its clock was behind
	h := green(-time.Hour)
	keep(t, s, whole(a.issue(t, h, opinion("bank", stix.Disagree, seven))))
	for _, after := range []time.Duration{0, 364 * days, 366 * days} {
		if _, err := s.Sweep(t.Context(), start.Add(after)); err != nil {
			t.Fatal(err)
		}
		if got := words(t, s, seven, Query{Now: start.Add(after)}); got != "" {
			t.Errorf("after %v: %s", after, got)
		}
	}
}

// TestChangesTellOfSightings: who follows learns of what an object speaks.
func TestChangesTellOfSightings(t *testing.T) {
	s := openTest(t, t.TempDir())
	a := newAuthor("bank")
	seven := idOf(t, "203.0.113.7")
	keep(t, s, whole(a.issue(t, green(0), indicator(t, "203.0.113.7"))))
	after := s.Position()
	told := func(q Query) string {
		t.Helper()
		var list []string
		for c, err := range s.Changes(after, q) {
			if err != nil {
				t.Fatal(err)
			}
			for _, id := range c.Claim.Object.About() {
				claims, err := s.Object(id, q)
				if err != nil {
					t.Fatal(err)
				}
				for _, claim := range claims {
					list = append(list, fmt.Sprintf("%s %s removed=%v until %s", wordsOf([]Claim{c.Claim}), claim.Observable.Value, c.Removed, c.Claim.Expires.Format(time.DateOnly)))
				}
			}
		}
		return strings.Join(list, ", ")
	}
	q := Query{Now: start}
	keep(t, s, whole(a.issue(t, green(time.Hour), sighting("bank", seven, 1, 0), opinion("bank", stix.Disagree, seven))))
	if got := told(q); got != "sighted 1 203.0.113.7 removed=false until 2027-11-01, disagree 203.0.113.7 removed=false until 2027-11-01" {
		t.Error(got)
	}
	after = s.Position()
	keep(t, s, whole(a.issue(t, green(2*time.Hour), revoked(sighting("bank", seven, 1, 0)))))
	if got := told(q); got != "sighted 1 203.0.113.7 removed=true until 2027-11-01" {
		t.Error(got)
	}
	if got := told(Query{Now: start, Visible: func(*protocol.Header) bool { return false }}); got != "" {
		t.Errorf("told who may not know: %s", got)
	}
}

// TestErasedSightingIsGone: also its hash under what it was about.
func TestErasedSightingIsGone(t *testing.T) {
	s := openTest(t, t.TempDir())
	seven := idOf(t, "203.0.113.7")
	b := newAuthor("bank").issue(t, green(0), indicator(t, "203.0.113.8"), sighting("bank", seven, 1, 0))
	keep(t, s, whole(b))
	id := stix.SightingID([]byte("bank"), seven)
	x := s.index.Load()
	needles := []secret{{bytes: map[string][]byte{
		"the id it is about": []byte(seven), "its id": []byte(id), "hash of its id": binary.BigEndian.AppendUint64(nil, x.name(id)),
		"hash of what it is about": binary.BigEndian.AppendUint64(nil, x.about(seven)),
	}}}
	found := 0
	records(t, s, func(_, value []byte) { found += len(within(value, "", needles[0].bytes)) })
	if found < len(needles[0].bytes) {
		t.Fatal("the search finds nothing")
	}
	mustErase(t, s, 1, Erasure{ID: b.ID(), Objects: []uint64{1}})
	if got := words(t, s, seven, Query{Now: start}); got != "" || len(s.cat.abouts.heads) != 0 {
		t.Errorf("an erased sighting is said: %q", got)
	}
	for _, trace := range traces(t, s.dir, needles) {
		t.Errorf("found %s", trace)
	}
	records(t, s, func(key, value []byte) {
		for _, trace := range within(value, fmt.Sprintf("record %q", key), needles[0].bytes) {
			t.Errorf("found %s", trace)
		}
	})
}

// TestDamagedSightingIsErased: its body cannot be read, and no hash of it stays.
func TestDamagedSightingIsErased(t *testing.T) {
	s := openTest(t, t.TempDir())
	seven := idOf(t, "203.0.113.7")
	b := newAuthor("bank").issue(t, green(0), sighting("bank", seven, 1, 0))
	keep(t, s, whole(b))
	spoilOpen(t, s, chunkPrefix)
	if claims, err := s.About(seven, Query{Now: start}); !errors.Is(err, ErrDamaged) || len(claims) > 0 {
		t.Errorf("said by what cannot be read: %v, %v", claims, err)
	}
	mustErase(t, s, 1, Erasure{ID: b.ID(), Objects: []uint64{0}})
	if claims, err := s.About(seven, Query{Now: start}); err != nil || len(claims) > 0 || len(s.cat.abouts.heads) > 0 {
		t.Errorf("an erased sighting is said: %v, %v", claims, err)
	}
}

// TestAboutIsBounded: whoever says the same over and over is read up to a point,
// and keeps nobody else from being heard.
func TestAboutIsBounded(t *testing.T) {
	s := openTest(t, t.TempDir())
	seven := idOf(t, "203.0.113.7")
	var list [][]byte
	for i := range 200 {
		list = append(list, sighting(fmt.Sprint("mallory", i), seven, 1, 0))
	}
	keep(t, s, whole(newAuthor("mallory").issue(t, green(time.Hour), list...)))
	keep(t, s, whole(newAuthor("bank").issue(t, green(0), opinion("bank", stix.Disagree, seven))))
	claims, err := s.About(seven, Query{Now: start})
	if err != nil || len(claims) != MaxAbout+1 || !claims[0].Object.FalsePositive() {
		t.Fatalf("%d answers, %v", len(claims), err)
	}
	for _, c := range claims[1:] {
		if c.Index < 200-MaxAbout {
			t.Fatalf("object %d of 200 is among the newest %d", c.Index, MaxAbout)
		}
	}
}

// older makes a store what an earlier release left: no postings of what objects
// speak of, no end to sightings, and an identity without version.
func older(t *testing.T, s *Store) {
	t.Helper()
	err := s.do(t.Context(), &job{run: func() error {
		for _, ref := range s.cat.bodies {
			b := s.cat.bulletins[ref]
			postings, err := s.postings(b)
			if err != nil {
				return err
			}
			r, err := s.record(b)
			if err != nil {
				return err
			}
			speaks := map[uint16]bool{}
			for _, p := range postings {
				speaks[p.index] = speaks[p.index] || p.flags&aboutFlag != 0
			}
			postings = slices.DeleteFunc(postings, func(p posting) bool { return p.flags&aboutFlag != 0 })
			before := *r
			for i := range postings {
				if speaks[postings[i].index] {
					postings[i].expires, before.body.expires = forever, forever
				}
			}
			x := s.index.Load()
			identity, err := s.get(storeKey())
			if err != nil {
				return err
			}
			err = errors.Join(s.setNow(headerKey(b.number), before.encode()), s.setNow(b.body.segmentKey(0, x.gen), encodeSegment(postings)),
				s.setNow(storeKey(), slices.Clone(identity[:identitySize])))
			if err != nil {
				return err
			}
		}
		return nil
	}})
	if err != nil {
		t.Fatal(err)
	}
}

func TestStoreOfAnEarlierRelease(t *testing.T) {
	dir := t.TempDir()
	s := openTest(t, dir)
	a := newAuthor("bank")
	seven := idOf(t, "203.0.113.7")
	first := a.issue(t, green(0), indicator(t, "203.0.113.7"))
	keep(t, s,
		whole(first), whole(a.issue(t, green(time.Hour), sighting("bank", seven, 1, 0), indicator(t, "203.0.113.8"))),
		whole(a.issue(t, green(2*time.Hour), opinion("bank", stix.Disagree, seven))), whole(a.issue(t, green(3*time.Hour), statementBytes("bank"))),
	)
	id, position, want := s.ID(), s.Position(), s.Stats()
	older(t, s)
	s.Close()
	full, err := Open(dir, Options{Small: true, LowSpace: 1 << 60, Ballast: -1})
	if !errors.Is(err, ErrReadOnly) {
		if err == nil {
			full.Close()
		}
		t.Fatalf("without room to complete the index: %v", err)
	}
	for range 2 {
		s = openTest(t, dir)
		identity, err := s.get(storeKey())
		if err != nil || len(identity) != identitySize+1 || identity[identitySize] != indexVersion {
			t.Fatalf("identity %x, %v", identity, err)
		}
		if got := words(t, s, seven, Query{Now: start}); got != "disagree, sighted 1" {
			t.Fatalf("said: %q", got)
		}
		if st := s.Stats(); s.ID() != id || s.Position() != position || st.Objects != want.Objects || st.Live != want.Live || st.Claims != want.Claims {
			t.Fatalf("%s at %d: %+v, want %s at %d: %+v", s.ID(), s.Position(), st, id, position, want)
		}
		if r, err := s.Check(t.Context()); err != nil || !r.Sound() {
			t.Fatalf("%v: %+v", err, r.Faults)
		}
		s.Close()
	}
	s = openTest(t, dir)
	if n, err := s.Sweep(t.Context(), start.Add(400*days)); n != 3 || err != nil {
		t.Fatalf("swept %d, %v", n, err)
	}
	if len(s.cat.abouts.heads) != 0 {
		t.Error("a swept sighting is still found")
	}
}

// TestPlainStoreOfAnEarlierRelease has nothing to complete: a full disk is no
// matter, and the index is not made anew.
func TestPlainStoreOfAnEarlierRelease(t *testing.T) {
	dir := t.TempDir()
	s := openTest(t, dir)
	list := filled(t, s)
	older(t, s)
	s.Close()
	full, err := Open(dir, Options{Small: true, LowSpace: 1 << 60, Ballast: -1})
	if err != nil {
		t.Fatal(err)
	}
	checkAll(t, full, list)
	full.Close()
	s = openTest(t, dir)
	checkAll(t, s, list)
	if identity, err := s.get(storeKey()); err != nil || len(identity) != identitySize+1 {
		t.Errorf("identity %x, %v", identity, err)
	}
}

// drawRemarks signs sightings, opinions and claims of three authors about a few
// ids: with versions, some that take back, some of another mind.
func drawRemarks(rt *rapid.T, tb testing.TB, ids []string) []*protocol.Bulletin {
	authors := []*author{newAuthor("bank"), newAuthor("hospital"), newAuthor("vendor")}
	var all []*protocol.Bulletin
	for range rapid.IntRange(1, 12).Draw(rt, "bulletins") {
		a := authors[rapid.IntRange(0, len(authors)-1).Draw(rt, "author")]
		h := green(time.Duration(rapid.IntRange(0, 20).Draw(rt, "issued")) * time.Minute)
		if rapid.IntRange(0, 3).Draw(rt, "clear") == 0 {
			h.TLP = protocol.Clear
		}
		var objects [][]byte
		for range rapid.IntRange(1, 3).Draw(rt, "objects") {
			objects = append(objects, drawRemark(rt, tb, ids))
		}
		all = append(all, a.issue(tb, h, objects...))
	}
	return all
}

func drawRemark(rt *rapid.T, tb testing.TB, ids []string) []byte {
	id := rapid.SampledFrom(ids)
	who := rapid.SampledFrom([]string{"one", "two"}).Draw(rt, "object")
	var raw []byte
	switch rapid.IntRange(0, 4).Draw(rt, "type") {
	case 0:
		raw = indicator(tb, rapid.SampledFrom(modelValues[:2]).Draw(rt, "value"), until(2*time.Hour))
	case 1, 2: // seen so long ago that some are over within the hours drawn
		seen := time.Duration(rapid.IntRange(-365*24, 4-365*24).Draw(rt, "seen")) * time.Hour
		raw = sighting(who, id.Draw(rt, "of"), rapid.IntRange(1, 9).Draw(rt, "count"), seen)
	default:
		raw = stix.Opinion{
			ID: stix.OpinionID([]byte(who)), About: rapid.SliceOfN(id, 1, 3).Draw(rt, "about"), Confidence: -1, Created: start, Modified: start,
			Opinion: rapid.SampledFrom([]string{stix.Disagree, stix.Agree}).Draw(rt, "opinion"),
		}.AppendJSON(nil)
	}
	if rapid.IntRange(0, 4).Draw(rt, "revoked") == 0 {
		raw = revoked(raw)
	}
	return raw
}

// about is [Store.About] by reading everything.
func (m *model) about(id string, q Query) []string {
	newest := map[string]spoken{}
	for _, s := range m.spoken() {
		h := &s.entry.b.Header
		key := fmt.Sprint(h.Org(), h.TLP, s.object.ID)
		if old, ok := newest[key]; q.visible(h) && (!ok || s.newer(old)) {
			newest[key] = s
		}
	}
	lines := []string{}
	for _, s := range newest {
		if slices.Contains(s.object.About(), id) && !s.object.Revoked && q.Now.Before(lapse(&Claim{Object: s.object, Issued: protocol.Time(s.entry.b.Header.Issued)})) {
			lines = append(lines, aboutLine(Claim{Bulletin: s.entry.b.ID(), Object: s.object}))
		}
	}
	slices.Sort(lines)
	return lines
}

func aboutLines(rt *rapid.T, s *Store, id string, q Query) []string {
	claims, err := s.About(id, q)
	if err != nil {
		rt.Fatal(err)
	}
	lines := []string{}
	for _, c := range claims {
		lines = append(lines, aboutLine(c))
	}
	slices.Sort(lines)
	return lines
}

// TestAboutIsAScan draws histories, moments and askers; and that what an asker
// may not see changes nothing for them: a store that never had it answers alike.
func TestAboutIsAScan(t *testing.T) {
	fewerChecks(t, "25")
	base := t.TempDir()
	ids := []string{idOf(t, "203.0.113.7"), idOf(t, "203.0.113.8"), stix.SightingID([]byte("one"), idOf(t, "203.0.113.7"))}
	answers := 0
	rapid.Check(t, func(rt *rapid.T) {
		dir, err := os.MkdirTemp(base, "")
		if err != nil {
			rt.Fatal(err)
		}
		defer os.RemoveAll(dir)
		s := reopen(rt, nil, dir+"/all")
		defer func() { s.Close() }()
		all := drawRemarks(rt, t, ids)
		m := &model{held: map[protocol.ID]*modelEntry{}, erased: map[protocol.ID]bool{}}
		compare := func(s *Store) {
			for _, id := range ids {
				q := drawQuery(rt)
				got := aboutLines(rt, s, id, q)
				if diff := cmp.Diff(m.about(id, q), got); diff != "" {
					rt.Fatalf("-scan +store\n%s", diff)
				}
				answers += len(got)
			}
		}
		for range rapid.IntRange(1, 10).Draw(rt, "steps") {
			switch step := rapid.IntRange(0, 9).Draw(rt, "step"); step {
			case 0:
				s = reopen(rt, s, dir+"/all")
			case 1:
				if err := s.Rebuild(context.Background(), nil); err != nil {
					rt.Fatal(err)
				}
			case 2:
				modelErase(rt, s, m, all)
			default:
				modelPut(rt, s, m, all)
			}
			compare(s)
		}
		lessSeen(rt, s, dir+"/seen", m, ids)
		modelSweep(rt, s, m, start.Add(time.Duration(rapid.IntRange(0, 400).Draw(rt, "days"))*days))
		later := Query{Now: start.Add(400 * days)}
		if lines := aboutLines(rt, s, ids[0], later); len(lines) > 0 {
			rt.Fatalf("said a year too late: %q", lines)
		}
	})
	if answers == 0 {
		t.Error("nothing was ever said: the test proves nothing")
	}
}

// lessSeen compares the answers of a store with those of one that only has what
// the asker may see.
func lessSeen(rt *rapid.T, s *Store, dir string, m *model, ids []string) {
	q := drawQuery(rt)
	part := reopen(rt, nil, dir)
	defer part.Close()
	for _, id := range m.bodies {
		if b := m.held[id].b; q.visible(&b.Header) {
			if _, err := part.Put(context.Background(), whole(b)); err != nil {
				rt.Fatal(err)
			}
		}
	}
	for _, id := range ids {
		if diff := cmp.Diff(aboutLines(rt, part, id, q), aboutLines(rt, s, id, q)); diff != "" {
			rt.Fatalf("-without what may not be seen +with it\n%s", diff)
		}
	}
}

// BenchmarkAbout prints what sightings cost: memory, and time for a value with
// none and with three, beside one that nobody spoke of.
func BenchmarkAbout(b *testing.B) {
	n := *benchObjects
	s, err := Open(b.TempDir(), Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	putAll(b, s, benchBulletins(b, newAuthor("bank"), n, *benchSize), nil)
	ask := func(i int, want int) func(int) {
		return func(int) {
			_, about, err := s.AboutValue(benchObservable(i), Query{Now: start}, boundID)
			if err != nil || len(about) != want {
				b.Fatal(len(about), err)
			}
		}
	}
	asked := func(i int) string {
		return boundID(&Claim{Org: newAuthor("bank").issuer(), Community: isac, TLP: protocol.Green, Observable: benchObservable(i)})
	}
	before := measure(5000, ask(7, 0))
	memory, index := heap(), s.Stats().IndexBytes
	for _, name := range []string{"hospital", "vendor", "bank"} {
		a := newAuthor(name)
		for from := 0; from < n; from += *benchSize {
			var objects [][]byte
			for i := from; i < min(from+*benchSize, n); i += 5 {
				objects = append(objects, sighting(name, asked(i), 1, 0))
			}
			keep(b, s, whole(a.issue(b, green(time.Duration(n+from)*time.Second), objects...)))
		}
	}
	sightings := float64(3 * n / 5)
	memory, index = heap()-memory, s.Stats().IndexBytes-index
	for b.Loop() {
		none, three := measure(5000, ask(7, 0)), measure(5000, ask(10, 3))
		b.ReportMetric(float64(index)/sightings, "index-B/sighting")
		b.ReportMetric(float64(memory)/sightings, "heap-B/sighting")
		b.ReportMetric(float64(before[2500].Nanoseconds())/1000, "without-any-us")
		b.ReportMetric(float64(none[2500].Nanoseconds())/1000, "none-us")
		b.ReportMetric(float64(three[2500].Nanoseconds())/1000, "three-us")
	}
	b.ReportMetric(0, "ns/op")
}

// heap is what is in use after a collection.
func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
