package storage

import (
	"bytes"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/tocsin-exchange/tocsin/protocol"
)

// amber is the header of an AMBER bulletin to a group, in one version of its roster.
func amber(after time.Duration, group protocol.ID, version uint64) protocol.Header {
	return protocol.Header{
		Kind: protocol.Objects, TLP: protocol.Amber, Issued: protocol.Millis(start.Add(after)),
		Audience: []protocol.Recipient{{Group: group, Version: version}},
	}
}

func aside(b *protocol.Bulletin, via protocol.Org) Entry {
	return Entry{Bulletin: b, Body: Held, Aside: true, Via: via, Reason: "forwarded"}
}

// proveAside demands that a bulletin answers and that its stream shows nothing.
func proveAside(t *testing.T, s *Store, b *protocol.Bulletin, via protocol.Org) {
	t.Helper()
	stream := b.Header.Stream()
	if receipt, err := s.Receipt(b.ID()); err != nil || !receipt.Aside || receipt.Via != via || receipt.Reason != "forwarded" {
		t.Errorf("receipt: %+v, %v", receipt, err)
	}
	if claims := lookup(t, s, "203.0.113.7", start); len(claims) != 1 || claims[0].Bulletin != b.ID() || claims[0].Via != via {
		t.Errorf("lookup: %+v", claims)
	}
	if got, state, err := s.Bulletin(b.ID()); err != nil || state != Held || !bytes.Equal(got.Wire(), b.Wire()) {
		t.Errorf("bulletin: %v, %v", state, err)
	}
	_, _, last := s.Last(stream)
	_, at := s.At(stream.ID(), b.Header.Position())
	held := s.Count(stream.ID(), protocol.Range{To: protocol.Position{Epoch: 1 << 62}})
	for range s.Headers(stream.ID(), protocol.Range{To: protocol.Position{Epoch: 1 << 62}}) {
		held++
	}
	lacking, _ := s.Lacking(b.Header.Org(), 10)
	if last || at || held > 0 || lacking > 0 || len(s.Summaries(nil)) > 0 || len(s.Streams()) > 0 || len(s.Wanted(10)) > 0 || s.MaxEpoch(stream.Node) > 0 || s.Stats().Streams > 0 {
		t.Errorf("its stream shows it: %v %v %d %d %v %v %v", last, at, held, lacking, s.Summaries(nil), s.Streams(), s.Wanted(10))
	}
	changes := 0
	for c, err := range s.Changes(0, Query{Now: start}) {
		if err != nil || c.Claim.Bulletin != b.ID() {
			t.Errorf("change: %+v, %v", c, err)
		}
		changes++
	}
	report, err := s.Check(t.Context())
	if changes != 1 || err != nil || !report.Sound() || report.Headers != 1 || report.Bodies != 1 || s.Stats().Lost > 0 {
		t.Errorf("%d changes; check: %+v, %v", changes, report, err)
	}
}

// TestAsideStandsOutsideItsStream: also after a restart, a Rebuild and from a
// backup; when it comes as what it is, it enters its stream and never leaves.
func TestAsideStandsOutsideItsStream(t *testing.T) {
	dir := t.TempDir()
	s := openTest(t, dir)
	bank, via := newAuthor("bank"), newAuthor("hospital").issuer()
	h := amber(0, protocol.ID{7}, 3)
	first := bank.issue(t, h, indicator(t, "203.0.113.9"))
	b := bank.issue(t, h, indicator(t, "203.0.113.7"))
	if r := keep(t, s, aside(b, via)); !r[0].New || !r[0].BodyNew {
		t.Fatalf("%+v", r)
	}
	proveAside(t, s, b, via)
	if r := keep(t, s, aside(b, via)); r[0].New || r[0].BodyNew {
		t.Fatalf("%+v", r)
	}
	s.Close()
	s = openTest(t, dir)
	proveAside(t, s, b, via)
	if err := s.Rebuild(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	proveAside(t, s, b, via)
	var backup bytes.Buffer
	if _, err := s.Backup(t.Context(), &backup); err != nil {
		t.Fatal(err)
	}
	restored := filepath.Join(t.TempDir(), "restored")
	if _, err := Restore(t.Context(), restored, &backup, Options{Small: true}); err != nil {
		t.Fatal(err)
	}
	proveAside(t, openTest(t, restored), b, via)

	arrived := s.Position()
	if r := keep(t, s, Entry{Bulletin: b.HeaderOnly(), Reason: "sync"}); r[0].New || r[0].BodyNew {
		t.Fatalf("%+v", r)
	}
	inStream := func() {
		t.Helper()
		receipt, err := s.Receipt(b.ID())
		if err != nil || receipt.Aside || !receipt.Via.IsZero() || receipt.Reason != "sync" {
			t.Errorf("receipt: %+v, %v", receipt, err)
		}
		st := s.Streams()
		if len(st) != 1 || st[0].Headers != 1 || st[0].Bodies[Held] != 1 || len(st[0].Gaps) != 1 || len(st[0].Heads) != 1 {
			t.Errorf("stream: %+v", st)
		}
		if got, state, err := s.Bulletin(b.ID()); err != nil || state != Held || !bytes.Equal(got.Wire(), b.Wire()) || s.Position() != arrived {
			t.Errorf("%v, %v", state, err)
		}
	}
	inStream()
	keep(t, s, aside(b, via))
	inStream()
	s.Close()
	s = openTest(t, dir)
	inStream()
	keep(t, s, whole(first))
	if st := s.Streams(); st[0].Headers != 2 || len(st[0].Gaps) != 0 {
		t.Errorf("stream: %+v", st[0])
	}
}

// TestAsideFillsNoGap: that the header before is held outside the stream does
// not make a stream complete, until it enters.
func TestAsideFillsNoGap(t *testing.T) {
	dir := t.TempDir()
	s := openTest(t, dir)
	bank := newAuthor("bank")
	h := amber(0, protocol.ID{7}, 3)
	one, two, three := bank.issue(t, h, indicator(t, "203.0.113.1")), bank.issue(t, h, indicator(t, "203.0.113.2")), bank.issue(t, h, indicator(t, "203.0.113.3"))
	via := newAuthor("hospital").issuer()
	keep(t, s, aside(one, via), aside(two, via), whole(three))
	for range 2 {
		if st := s.Streams()[0]; st.Headers != 1 || len(st.Gaps) != 1 {
			t.Fatalf("%+v", st)
		}
		s.Close()
		s = openTest(t, dir)
	}
	keep(t, s, Entry{Bulletin: two.HeaderOnly()})
	if st := s.Streams()[0]; st.Headers != 2 || len(st.Gaps) != 1 || st.Bodies[Held] != 2 {
		t.Fatalf("%+v", st)
	}
	keep(t, s, whole(one))
	if st := s.Streams()[0]; st.Headers != 3 || len(st.Gaps) != 0 || len(st.Heads) != 1 {
		t.Fatalf("%+v", st)
	}
}

// TestAsideCounts: what stands outside its stream supersedes, is superseded,
// taken back and erased as anything else of its scope.
func TestAsideCounts(t *testing.T) {
	s := openTest(t, t.TempDir())
	bank, via := newAuthor("bank"), newAuthor("hospital").issuer()
	group := protocol.ID{7}
	old := bank.issue(t, amber(0, group, 3), indicator(t, "203.0.113.7"))
	newer := bank.issue(t, amber(time.Hour, group, 4), indicator(t, "203.0.113.7"))
	gone := bank.issue(t, amber(2*time.Hour, group, 4), revoked(indicator(t, "203.0.113.7")))
	keep(t, s, whole(old), aside(newer, via))
	if claims := lookup(t, s, "203.0.113.7", start); len(claims) != 1 || claims[0].Bulletin != newer.ID() {
		t.Fatalf("%+v", claims)
	}
	keep(t, s, aside(gone, via))
	if claims := lookup(t, s, "203.0.113.7", start); len(claims) != 0 {
		t.Fatalf("%+v", claims)
	}
	target := watch(t, s, newer, 0)
	mustErase(t, s, 3, Erasure{ID: old.ID(), Objects: []uint64{0}}, Erasure{ID: newer.ID(), Objects: []uint64{0}}, Erasure{ID: gone.ID(), Objects: []uint64{0}})
	proveErased(t, s, []secret{target})
	if receipt, err := s.Receipt(newer.ID()); err != nil || receipt.Via != via {
		t.Fatalf("%+v, %v", receipt, err)
	}
}

// TestAsideAbsent: a body that is absent outside its stream is asked of nobody,
// and of everybody from the moment its header enters.
func TestAsideAbsent(t *testing.T) {
	dir := t.TempDir()
	s := openTest(t, dir)
	bank := newAuthor("bank")
	b := bank.issue(t, amber(0, protocol.ID{7}, 3), indicator(t, "203.0.113.7"))
	keep(t, s, Entry{Bulletin: b.HeaderOnly(), Aside: true})
	for range 2 {
		if wanted := s.Wanted(10); len(wanted) > 0 || s.Stats().Wanted > 0 {
			t.Fatalf("wanted: %v", wanted)
		}
		s.Close()
		s = openTest(t, dir)
	}
	keep(t, s, Entry{Bulletin: b.HeaderOnly()})
	if wanted := s.Wanted(10); len(wanted) != 1 || s.Streams()[0].Bodies[Absent] != 1 {
		t.Fatalf("wanted: %v", wanted)
	}
	keep(t, s, whole(b))
	if st := s.Streams()[0]; len(s.Wanted(10)) > 0 || st.Bodies[Held] != 1 || st.Bodies[Absent] != 0 {
		t.Fatalf("%+v", st)
	}
}

// TestScopeIsWithoutRosterVersions: a group is one scope in all versions of its
// roster, other groups are others.
func TestScopeIsWithoutRosterVersions(t *testing.T) {
	s := openTest(t, t.TempDir())
	bank := newAuthor("bank")
	one, two := protocol.ID{7}, protocol.ID{8}
	audience := func(after time.Duration, list ...protocol.Recipient) protocol.Header {
		h := amber(after, one, 1)
		h.Audience = list
		protocol.SortAudience(h.Audience)
		return h
	}
	var ids []protocol.ID
	for i, h := range []protocol.Header{
		amber(0, one, 3), amber(time.Hour, one, 4), amber(2*time.Hour, one, 300), amber(0, two, 3),
		audience(3*time.Hour, protocol.Recipient{Group: one, Version: 4}, protocol.Recipient{Group: one, Version: 300}),
		audience(0, protocol.Recipient{Group: one, Version: 4}, protocol.Recipient{Group: two, Version: 1}),
		audience(time.Hour, protocol.Recipient{Group: one, Version: 70000}, protocol.Recipient{Group: two, Version: 9}),
	} {
		b := bank.issue(t, h, indicator(t, "203.0.113.7"))
		keep(t, s, whole(b))
		if slices.Contains([]int{3, 4, 6}, i) {
			ids = append(ids, b.ID())
		}
	}
	var got []protocol.ID
	for _, c := range lookup(t, s, "203.0.113.7", start) {
		got = append(got, c.Bulletin)
	}
	byID := func(a, b protocol.ID) int { return a.Compare(b) }
	slices.SortFunc(ids, byID)
	slices.SortFunc(got, byID)
	if !slices.Equal(got, ids) {
		t.Fatalf("%d answers, want the newest of each of %d scopes", len(got), len(ids))
	}
}
