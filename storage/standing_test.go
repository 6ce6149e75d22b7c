package storage

import (
	"fmt"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/tocsin-exchange/tocsin/protocol"
	"github.com/tocsin-exchange/tocsin/protocol/stix"
	"pgregory.net/rapid"
)

func everyType(stix.Type) bool { return true }

// standingLines lists what stands, a line each, sorted.
func standingLines(tb rapid.TB, s *Store, q Query) []string {
	lines := []string{}
	for c, err := range s.Standing(q, everyType) {
		if err != nil {
			tb.Fatal(err)
		}
		lines = append(lines, claimLine(c.Claim))
	}
	slices.Sort(lines)
	return lines
}

func claimLine(c Claim) string {
	return fmt.Sprintf("%s %s %s %d %s", c.Observable, c.Bulletin, c.TLP, c.Arrival, c.Expires)
}

// exactLines lists what lookups of all values answer exactly.
func exactLines(tb rapid.TB, s *Store, q Query) []string {
	lines := []string{}
	for _, value := range modelValues {
		o, err := stix.Detect(value)
		if err != nil {
			tb.Fatal(err)
		}
		claims, err := s.Lookup(o, q)
		if err != nil {
			tb.Fatal(err)
		}
		for _, c := range claims {
			if c.Relation == Exact {
				lines = append(lines, claimLine(c))
			}
		}
	}
	slices.Sort(lines)
	return lines
}

// TestStandingIsWhatLookupAnswers draws histories, moments and askers.
func TestStandingIsWhatLookupAnswers(t *testing.T) {
	fewerChecks(t, "40")
	base := t.TempDir()
	seen := 0
	rapid.Check(t, func(rt *rapid.T) {
		dir, err := os.MkdirTemp(base, "")
		if err != nil {
			rt.Fatal(err)
		}
		s := reopen(rt, nil, dir)
		defer s.Close()
		all := drawBulletins(rt, t)
		m := &model{held: map[protocol.ID]*modelEntry{}}
		for range rapid.IntRange(1, 8).Draw(rt, "steps") {
			modelPut(rt, s, m, all)
			q := drawQuery(rt)
			got := standingLines(rt, s, q)
			if diff := cmp.Diff(exactLines(rt, s, q), got); diff != "" {
				rt.Fatalf("-lookup +standing\n%s", diff)
			}
			seen += len(got)
		}
	})
	if seen == 0 {
		t.Error("nothing ever stood: the test proves nothing")
	}
}

// drawQuery draws a moment, and an asker to whom an organisation, a label and
// what is newer than a date are not visible.
func drawQuery(rt *rapid.T) Query {
	unseen := newAuthor(rapid.SampledFrom([]string{"bank", "nobody"}).Draw(rt, "unseen")).issuer()
	clearance := rapid.SampledFrom([]protocol.TLP{protocol.Clear, protocol.Green}).Draw(rt, "clearance")
	latest := protocol.Millis(start.Add(time.Duration(rapid.IntRange(0, 30).Draw(rt, "latest")) * time.Minute))
	return Query{
		Now:     start.Add(time.Duration(rapid.IntRange(0, 6*60).Draw(rt, "minutes")) * time.Minute),
		Visible: func(h *protocol.Header) bool { return h.Org() != unseen && h.TLP <= clearance && h.Issued <= latest },
	}
}

func TestStandingByType(t *testing.T) {
	s := openTest(t, t.TempDir())
	a := newAuthor("bank")
	keep(t, s, whole(a.issue(t, green(0), indicator(t, "203.0.113.7"), indicator(t, "evil.example"), statementBytes("bank"))))
	keep(t, s, whole(a.issue(t, green(time.Minute), revoked(indicator(t, "198.51.100.1")))))
	var got []string
	for c, err := range s.Standing(Query{Now: start}, func(t stix.Type) bool { return t != stix.DomainName }) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, c.Observable.String())
	}
	if diff := cmp.Diff([]string{"ipv4-addr:203.0.113.7"}, got); diff != "" {
		t.Fatal(diff)
	}
	for range s.Standing(Query{Now: start}, everyType) {
		break // nobody listens: the walk must end
	}
}

// TestWhoElseSpeaks is a table of what is held of 203.0.113.7, and what is told of
// its first claim: whether it is alone, whether somebody remarked on it, what its
// id means, and how many speak of the value.
func TestWhoElseSpeaks(t *testing.T) {
	const value, id = "203.0.113.7", "indicator--00000000-0000-4000-8000-000000000001"
	o, err := stix.Detect(value)
	if err != nil {
		t.Fatal(err)
	}
	bank, hospital := newAuthor("bank"), newAuthor("hospital")
	sighting := stix.Sighting{ID: "sighting--00000000-0000-4000-8000-000000000002", Of: id, Confidence: -1, Created: start, Modified: start}.AppendJSON(nil)
	for _, row := range []struct {
		name            string
		others          []*protocol.Bulletin
		alone, remarked bool
		speakers        int
	}{
		{"nothing else", nil, true, false, 1},
		{"another value", []*protocol.Bulletin{hospital.issue(t, green(0), indicator(t, "203.0.113.8"))}, true, false, 1},
		{"its newer version", []*protocol.Bulletin{bank.issue(t, green(time.Minute), indicator(t, value))}, true, false, 1},
		{"another organisation", []*protocol.Bulletin{hospital.issue(t, green(0), indicator(t, value))}, false, false, 2},
		{"one that took it back", []*protocol.Bulletin{hospital.issue(t, green(0), revoked(indicator(t, value)))}, false, false, 2},
		{"a sighting", []*protocol.Bulletin{hospital.issue(t, green(0), sighting)}, true, true, 1},
	} {
		t.Run(row.name, func(t *testing.T) {
			s := openTest(t, t.TempDir())
			for _, b := range append([]*protocol.Bulletin{newAuthor("bank").issue(t, green(0), indicator(t, value))}, row.others...) {
				keep(t, s, whole(b))
			}
			q := Query{Now: start}
			for c, err := range s.Standing(q, func(t stix.Type) bool { return t == stix.IPv4Addr }) {
				if err != nil {
					t.Fatal(err)
				}
				if c.Org == bank.issuer() && c.Observable == o && (c.Alone != row.alone || s.Remarked(&c.Claim, id) != row.remarked) {
					t.Errorf("alone %v, remarked %v", c.Alone, s.Remarked(&c.Claim, id))
				}
				if meant, err := s.Meant(c.Object.ID, q); err != nil || !slices.Contains(meant, c.Observable) {
					t.Errorf("%s means %v, %v", c.Object.ID, meant, err)
				}
			}
			if orgs, err := s.Speakers(o, q); err != nil || len(orgs) != row.speakers {
				t.Errorf("%d speak, %v", len(orgs), err)
			}
			none := Query{Now: start, Visible: func(*protocol.Header) bool { return false }}
			if orgs, err := s.Speakers(o, none); err != nil || len(orgs) > 0 {
				t.Errorf("to those who see nothing %d speak, %v", len(orgs), err)
			}
		})
	}
}

// TestStandingTellsOfDamage: what cannot be read is an error, not an absence,
// and the rest is still told.
func TestStandingTellsOfDamage(t *testing.T) {
	s := openTest(t, t.TempDir())
	a := newAuthor("bank")
	keep(t, s, whole(a.issue(t, green(0), indicator(t, "203.0.113.7"))))
	spoilOpen(t, s, chunkPrefix)
	keep(t, s, whole(a.issue(t, green(time.Minute), indicator(t, "203.0.113.8"))))
	faults, values := 0, 0
	for _, err := range s.Standing(Query{Now: start}, everyType) {
		if err != nil {
			faults++
		} else {
			values++
		}
	}
	if faults != 1 || values != 1 {
		t.Fatalf("%d errors, %d values, want one each", faults, values)
	}
}

// TestWithdrawals: what takes claims away otherwise than by an arrival or with
// time is told, and nothing else is.
func TestWithdrawals(t *testing.T) {
	s := openTest(t, t.TempDir())
	a := newAuthor("bank")
	first := a.issue(t, green(0), indicator(t, "203.0.113.7", until(time.Hour)))
	before := s.Withdrawals()
	keep(t, s, whole(first))
	keep(t, s, whole(a.issue(t, green(time.Minute), revoked(indicator(t, "203.0.113.7")), indicator(t, "203.0.113.8"))))
	if n, err := s.Sweep(t.Context(), start.Add(days)); n != 1 || err != nil {
		t.Fatal(n, err)
	}
	if err := s.Rebuild(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	if s.Withdrawals() != before {
		t.Error("arrivals, a sweep or a rebuild count as withdrawals")
	}
	if _, err := s.Disown(t.Context(), a.issuer(), a.cert.Node, []protocol.ID{first.ID()}); err != nil {
		t.Fatal(err)
	}
	if s.Withdrawals() == before {
		t.Error("a disowned key is not told")
	}
	if got := standingLines(t, s, Query{Now: start}); len(got) != 0 {
		t.Errorf("what was disowned stands: %q", got)
	}
}

// BenchmarkStanding prints how long a walk over everything takes, and the floor:
// reading and parsing every object once.
func BenchmarkStanding(b *testing.B) {
	n := *benchObjects
	s, err := Open(b.TempDir(), Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	putAll(b, s, benchBulletins(b, newAuthor("bank"), n, *benchSize), nil)
	for b.Loop() {
		began, got := time.Now(), 0
		for _, err := range s.Standing(Query{Now: start}, everyType) {
			if got++; err != nil {
				b.Fatal(err)
			}
		}
		walk := time.Since(began)
		if got < n*99/100 {
			b.Fatalf("%d of %d stand", got, n)
		}
		began = time.Now()
		for ref, held := range s.cat.bulletins {
			for i := range int(held.count) {
				if _, ok, err := s.object(uint32(ref), held, i); !ok || err != nil {
					b.Fatal(ok, err)
				}
			}
		}
		floor := time.Since(began)
		began = time.Now()
		s.Withdrawals()
		b.ReportMetric(float64(time.Since(began).Microseconds()), "withdrawals-us")
		b.ReportMetric(float64(walk.Milliseconds()), "walk-ms")
		b.ReportMetric(float64(walk)/float64(floor), "times-read-and-parse")
	}
	b.ReportMetric(0, "ns/op")
}
