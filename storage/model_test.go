package storage

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/tocsin-exchange/tocsin/protocol"
	"github.com/tocsin-exchange/tocsin/protocol/stix"
	"pgregory.net/rapid"
)

// The values the model's authors speak of, and is asked about.
var modelValues = []string{
	"203.0.113.7", "203.0.113.0/24", "203.0.0.0/16", "evil.example", "*.evil.example", "a.b.evil.example",
	"2001:db8::/32", "2001:db8::7", "http://evil.example/gate.php", "d41d8cd98f00b204e9800998ecf8427e",
}

// A model is a store made of plain maps, written as the words of the package
// comment say it, without an index.
type model struct {
	held   map[protocol.ID]*modelEntry
	bodies []protocol.ID        // held, in order of arrival
	erased map[protocol.ID]bool // leaves
}

type modelEntry struct {
	b       *protocol.Bulletin // as it is held
	state   BodyState
	arrival uint64
	erasure uint64 // arrival of the last, of object 0; 0: none
	aside   bool
}

func (m *model) put(e Entry, r Result) string {
	b := e.Bulletin
	state := e.Body
	if state == Held && !b.HasBody() {
		state = Absent
	}
	if state == Held && emptied(b) {
		state = Erased
	}
	old := m.held[b.ID()]
	if r.New != (old == nil) {
		return fmt.Sprintf("new: %v", r.New)
	}
	bodyNew := state == Held && (old == nil || old.state == Absent || old.state == Declined)
	if r.BodyNew != bodyNew {
		return fmt.Sprintf("body new: %v", r.BodyNew)
	}
	if old == nil {
		old = &modelEntry{b: b, state: state, aside: e.Aside}
		m.held[b.ID()] = old
	} else if old.state == Absent && state != Held {
		old.state = state
	}
	old.aside = old.aside && e.Aside
	if bodyNew {
		old.b, old.state, old.arrival = b, Held, r.Arrival
		m.bodies = append(m.bodies, b.ID())
	}
	return ""
}

// A spoken object of the model.
type spoken struct {
	entry  *modelEntry
	index  int
	object stix.Object
}

func (m *model) spoken() []spoken {
	var list []spoken
	for _, id := range m.bodies {
		e := m.held[id]
		for i, raw := range e.b.Objects() {
			o, err := stix.Parse(raw)
			if err != nil {
				panic(err)
			}
			list = append(list, spoken{e, i, o})
		}
	}
	return list
}

func (a spoken) newer(b spoken) bool {
	x, y := a.entry.b, b.entry.b
	if x.Header.Issued != y.Header.Issued {
		return x.Header.Issued > y.Header.Issued
	}
	if x.ID() != y.ID() {
		return x.ID().Compare(y.ID()) > 0
	}
	return a.index > b.index
}

func (a spoken) key(o stix.Observable) string {
	h := a.entry.b.Header
	return fmt.Sprint(o, h.Org(), h.Community, h.TLP, h.Drill)
}

// bears says how a claim bears on a value, by comparing the two.
func bears(claim, value stix.Observable) (Relation, bool) {
	if claim == value {
		return Exact, true
	}
	if claim.Type != value.Type {
		return "", false
	}
	if p, ok := claim.Prefix(); ok {
		q, _ := value.Prefix()
		return CIDR, p.Bits() < q.Bits() && p.Contains(q.Addr())
	}
	if claim.Type == stix.DomainName {
		under := strings.TrimPrefix(claim.Value, "*")
		return ParentDomain, strings.HasSuffix(value.Value, "."+strings.TrimPrefix(under, "."))
	}
	return "", false
}

// lookup lists the answers as text.
func (m *model) lookup(value stix.Observable, now time.Time, visible func(*protocol.Header) bool) []string {
	newest := map[string]spoken{}
	for _, s := range m.spoken() {
		if !visible(&s.entry.b.Header) {
			continue
		}
		for _, claim := range s.object.Claims {
			if _, ok := bears(claim, value); ok {
				if old, ok := newest[s.key(claim)]; !ok || s.newer(old) {
					newest[s.key(claim)] = s
				}
			}
		}
	}
	var answers []string
	for _, s := range newest {
		for _, claim := range s.object.Claims {
			relation, ok := bears(claim, value)
			if ok && newest[s.key(claim)].entry == s.entry && newest[s.key(claim)].index == s.index && !s.object.Revoked &&
				now.Before(expiry(&s.object, claim.Type, &s.entry.b.Header)) {
				answers = append(answers, fmt.Sprintf("%s %s %s/%d @%d", relation, claim, s.entry.b.ID(), s.index, s.entry.arrival+uint64(s.index)))
			}
		}
	}
	slices.Sort(answers)
	return slices.Compact(answers)
}

// changes lists what arrived and still stands, and what was erased.
func (m *model) changes(now time.Time) []string {
	var list []string
	all := m.spoken()
	for _, e := range m.held {
		for i, salted := range e.b.Salted() {
			if e.erasure > 0 && (e.state == Held || e.state == Erased) && salted == nil {
				list = append(list, fmt.Sprintf("%d %s removed=true", e.erasure+uint64(i), stix.Observable{}))
			}
		}
	}
	for _, s := range all {
		claim := s.object.Claims[0]
		superseded, shortens := false, false
		for _, other := range all {
			if !slices.Contains(other.object.Claims, claim) || other.key(claim) != s.key(claim) || other.entry == s.entry && other.index == s.index {
				continue
			}
			if other.newer(s) {
				superseded = true
			} else if !other.object.Revoked && now.Before(expiry(&other.object, claim.Type, &other.entry.b.Header)) {
				shortens = true
			}
		}
		expired := !now.Before(lastExpiry(&s.object, &s.entry.b.Header))
		if !superseded && (!expired || shortens || s.object.Revoked) {
			list = append(list, fmt.Sprintf("%d %s removed=%v", s.entry.arrival+uint64(s.index), claim, s.object.Revoked || expired))
		}
	}
	slices.SortFunc(list, func(a, b string) int {
		var x, y uint64
		fmt.Sscan(a, &x)
		fmt.Sscan(b, &y)
		return int(x) - int(y)
	})
	return list
}

// drawBulletins signs bulletins of three authors in several streams, with
// versions, revocations, short and long validity, exercises, floors, and now
// and then two bulletins at one place.
func drawBulletins(t *rapid.T, tb testing.TB) []*protocol.Bulletin {
	authors := []*author{newAuthor("bank"), newAuthor("hospital"), newAuthor("vendor")}
	var all []*protocol.Bulletin
	for range rapid.IntRange(1, 12).Draw(t, "bulletins") {
		a := authors[rapid.IntRange(0, len(authors)-1).Draw(t, "author")]
		h := green(time.Duration(rapid.IntRange(0, 20).Draw(t, "issued")) * time.Minute)
		if rapid.IntRange(0, 3).Draw(t, "clear") == 0 {
			h.TLP = protocol.Clear
		}
		if rapid.IntRange(0, 5).Draw(t, "drill") == 0 {
			h.Drill = "autumn"
		}
		var objects [][]byte
		for range rapid.IntRange(1, 3).Draw(t, "objects") {
			raw := indicator(tb, rapid.SampledFrom(modelValues).Draw(t, "value"),
				until(time.Duration(rapid.IntRange(1, 5).Draw(t, "validity"))*time.Hour))
			if rapid.IntRange(0, 4).Draw(t, "revoked") == 0 {
				raw = revoked(raw)
			}
			objects = append(objects, raw)
		}
		twin := rapid.IntRange(0, 7).Draw(t, "twin") == 0
		if twin && len(all) > 0 && all[len(all)-1].Header.Org() == a.issuer() {
			last := all[len(all)-1].Header
			h.TLP, h.Epoch, h.Seq, h.Prev = last.TLP, last.Epoch, last.Seq, last.Prev
		}
		all = append(all, a.issue(tb, h, objects...))
	}
	return all
}

func (a *author) issuer() protocol.Org { return protocol.OrgOf(a.org) }

func revoked(raw []byte) []byte {
	return []byte(strings.Replace(string(raw), `"type":`, `"revoked":true,"type":`, 1))
}

// fewerChecks keeps a property on real files within seconds; -rapid.checks asks
// for more.
func fewerChecks(t *testing.T, n string) {
	f := flag.Lookup("rapid.checks")
	if f.Value.String() == f.DefValue {
		f.Value.Set(n)
		t.Cleanup(func() { f.Value.Set(f.DefValue) })
	}
}

func TestStoreIsAModel(t *testing.T) {
	fewerChecks(t, "20")
	base := t.TempDir()
	rapid.Check(t, func(rt *rapid.T) {
		dir, err := os.MkdirTemp(base, "")
		if err != nil {
			rt.Fatal(err)
		}
		defer os.RemoveAll(dir)
		s := reopen(rt, nil, dir)
		defer func() { s.Close() }()
		all := drawBulletins(rt, t)
		m := &model{held: map[protocol.ID]*modelEntry{}, erased: map[protocol.ID]bool{}}
		now := start
		for range rapid.IntRange(1, 14).Draw(rt, "steps") {
			switch step := rapid.IntRange(0, 13).Draw(rt, "step"); {
			case step == 0:
				s = reopen(rt, s, dir)
			case step == 1:
				now = now.Add(time.Duration(rapid.IntRange(1, 100).Draw(rt, "minutes")) * time.Minute)
				modelSweep(rt, s, m, now)
			case step == 2:
				if err := s.Rebuild(context.Background(), nil); err != nil {
					rt.Fatal(err)
				}
			case step <= 4:
				modelErase(rt, s, m, all)
			default:
				modelPut(rt, s, m, all)
			}
			compareWithModel(rt, s, m, now)
		}
		s = reopen(rt, s, dir)
		compareWithModel(rt, s, m, now)
	})
}

func reopen(rt *rapid.T, s *Store, dir string) *Store {
	if s != nil {
		if err := s.Close(); err != nil {
			rt.Fatal(err)
		}
	}
	s, err := Open(dir, Options{Small: true})
	if err != nil {
		rt.Fatal(err)
	}
	return s
}

func modelPut(rt *rapid.T, s *Store, m *model, all []*protocol.Bulletin) {
	var entries []Entry
	for range rapid.IntRange(1, 4).Draw(rt, "entries") {
		e := Entry{Bulletin: all[rapid.IntRange(0, len(all)-1).Draw(rt, "bulletin")], Body: Held, Received: start}
		switch rapid.IntRange(0, 7).Draw(rt, "form") {
		case 0:
			e.Bulletin = e.Bulletin.HeaderOnly()
		case 1:
			e.Body = Declined
		case 2:
			e.Aside = true
		case 3:
			e.Bulletin = e.Bulletin.Without([]uint64{uint64(rapid.IntRange(0, 2).Draw(rt, "lacks"))})
		}
		entries = append(entries, e)
	}
	results, err := s.Put(context.Background(), entries...)
	if err != nil {
		rt.Fatal(err)
	}
	for i, e := range entries {
		if fault := m.put(e, results[i]); fault != "" {
			rt.Fatalf("put %d of %d: %s", i+1, len(entries), fault)
		}
	}
}

// modelErase erases some objects of a bulletin or two.
func modelErase(rt *rapid.T, s *Store, m *model, all []*protocol.Bulletin) {
	var list []Erasure
	want, missing := 0, false
	before := s.Position()
	touched := map[protocol.ID]bool{}
	for range rapid.IntRange(1, 2).Draw(rt, "erasures") {
		b := all[rapid.IntRange(0, len(all)-1).Draw(rt, "erase")]
		var objects []uint64
		for i := range b.Header.Count {
			if rapid.Bool().Draw(rt, "object") {
				objects = append(objects, i)
			}
		}
		list = append(list, Erasure{ID: b.ID(), Objects: objects})
		e := m.held[b.ID()]
		if missing = missing || e == nil; e == nil || e.state != Held {
			continue
		}
		less := e.b.Without(objects)
		for i, salted := range e.b.Salted() {
			if salted != nil && less.Salted()[i] == nil {
				want++
				m.erased[b.Reference(i)] = true
				touched[b.ID()] = true
			}
		}
		e.b = less
	}
	n, err := s.EraseAll(context.Background(), list)
	if n != want || errors.Is(err, ErrNotFound) != missing || err != nil && !missing {
		rt.Fatalf("erased %d, want %d: %v", n, want, err)
	}
	for id := range touched {
		e := m.held[id]
		_, held, _ := s.find(id)
		if e.erasure = arrival(held.erasure, 0); e.erasure <= before || e.erasure > s.Position() {
			rt.Fatalf("an erasure that arrived at %d, between %d and %d", e.erasure, before, s.Position())
		}
		if emptied(e.b) {
			e.state = Erased
			m.bodies = slices.DeleteFunc(m.bodies, func(b protocol.ID) bool { return b == id })
		}
	}
}

// modelSweep sweeps and checks that nothing went that could still count.
func modelSweep(rt *rapid.T, s *Store, m *model, now time.Time) {
	n, err := s.Sweep(context.Background(), now)
	if err != nil {
		rt.Fatal(err)
	}
	gone := 0
	for id, e := range m.held {
		if _, state := s.Has(id); state == e.state || state != Expired {
			continue
		}
		gone++
		e.state = Expired
		m.bodies = slices.DeleteFunc(m.bodies, func(b protocol.ID) bool { return b == id })
		for i, raw := range e.b.Objects() {
			o, _ := stix.Parse(raw)
			if now.Before(lastExpiry(&o, &e.b.Header)) {
				rt.Fatalf("swept %s, whose object %d is valid still", id, i)
			}
		}
	}
	if gone != n {
		rt.Fatalf("sweep says %d, %d went", n, gone)
	}
}

func compareWithModel(rt *rapid.T, s *Store, m *model, now time.Time) {
	for id, e := range m.held {
		got, state, err := s.Bulletin(id)
		if err != nil || state != e.state || got.HasBody() != (state == Held) || state == Held && string(got.Wire()) != string(e.b.Wire()) {
			rt.Fatalf("bulletin %s is %v, want %v: %v", id, state, e.state, err)
		}
	}
	for _, e := range m.held {
		for i := range e.b.Salted() {
			if leaf := e.b.Reference(i); s.LeafErased(leaf) != m.erased[leaf] {
				rt.Fatalf("leaf %s erased: %v", leaf, !m.erased[leaf])
			}
		}
	}
	for _, who := range []func(*protocol.Header) bool{
		func(*protocol.Header) bool { return true },
		func(h *protocol.Header) bool { return h.Issued%120_000 == 0 },
	} {
		for _, at := range []time.Time{now, now.Add(90 * time.Minute)} {
			for _, v := range append(modelValues, "203.0.113.99", "www.evil.example", "203.0.113.128/25") {
				o, err := stix.Detect(v)
				if err != nil {
					rt.Fatal(err)
				}
				claims, err := s.Lookup(o, Query{Now: at, Visible: who})
				if err != nil {
					rt.Fatal(err)
				}
				if diff := cmp.Diff(m.lookup(o, at, who), answers(claims)); diff != "" {
					rt.Fatalf("lookup %s (-model +store)\n%s", v, diff)
				}
			}
		}
	}
	var got []string
	for c, err := range s.Changes(0, Query{Now: now}) {
		if err != nil {
			rt.Fatal(err)
		}
		got = append(got, fmt.Sprintf("%d %s removed=%v", c.Arrival, c.Claim.Observable, c.Removed))
	}
	if diff := cmp.Diff(m.changes(now), got); diff != "" {
		rt.Fatalf("changes (-model +store)\n%s", diff)
	}
	compareStreams(rt, s, m)
}

func answers(claims []Claim) []string {
	var list []string
	for _, c := range claims {
		list = append(list, fmt.Sprintf("%s %s %s/%d @%d", c.Relation, c.Observable, c.Bulletin, c.Index, c.Arrival))
	}
	slices.Sort(list)
	return list
}

// compareStreams recomputes order, heads and counts of every stream.
func compareStreams(rt *rapid.T, s *Store, m *model) {
	byStream := map[protocol.ID][]*modelEntry{}
	for _, e := range m.held {
		if e.aside {
			continue
		}
		id := e.b.Header.Stream().ID()
		byStream[id] = append(byStream[id], e)
	}
	states := s.Streams()
	if len(states) != len(byStream) {
		rt.Fatalf("%d streams, want %d", len(states), len(byStream))
	}
	for _, st := range states {
		list := byStream[st.ID]
		slices.SortFunc(list, func(a, b *modelEntry) int {
			if c := a.b.Header.Position().Compare(b.b.Header.Position()); c != 0 {
				return c
			}
			return a.b.ID().Compare(b.b.ID())
		})
		var order, heads, held []string
		for i, e := range list {
			order = append(order, e.b.ID().String())
			named := slices.ContainsFunc(list, func(o *modelEntry) bool { return o.b.Header.Prev == e.b.ID() })
			if !named || i == len(list)-1 {
				heads = append(heads, e.b.ID().String())
			}
		}
		for b, err := range s.Headers(st.ID, protocol.Range{To: protocol.Position{Epoch: 1 << 62}}) {
			if err != nil {
				rt.Fatal(err)
			}
			held = append(held, b.ID().String())
		}
		var got []string
		for _, h := range st.Heads {
			got = append(got, h.ID.String())
		}
		if diff := cmp.Diff(order, held); diff != "" {
			rt.Fatalf("order (-model +store)\n%s", diff)
		}
		if diff := cmp.Diff(heads, got); diff != "" {
			rt.Fatalf("heads (-model +store)\n%s", diff)
		}
	}
}

// TestGapsAndHeadsLeadToAll has a store ask one that holds everything for what
// its own summaries lack, as synchronisation does: after a few rounds both
// hold the same and know it.
func TestGapsAndHeadsLeadToAll(t *testing.T) {
	fewerChecks(t, "20")
	base := t.TempDir()
	rapid.Check(t, func(rt *rapid.T) {
		dir, err := os.MkdirTemp(base, "")
		if err != nil {
			rt.Fatal(err)
		}
		defer os.RemoveAll(dir)
		full, part := reopen(rt, nil, dir+"/full"), reopen(rt, nil, dir+"/part")
		defer full.Close()
		defer part.Close()
		for _, b := range drawBranches(rt, t) {
			keep(t, full, whole(b))
			if rapid.Bool().Draw(rt, "both") {
				keep(t, part, whole(b))
			}
		}
		for range 12 {
			want := full.Summaries(nil)
			if cmp.Equal(want, part.Summaries(nil)) {
				break
			}
			for _, theirs := range want {
				pull(rt, t, full, part, theirs)
			}
		}
		want, got := full.Summaries(nil), part.Summaries(nil)
		if diff := cmp.Diff(want, got); diff != "" || len(want[0].Gaps) > 0 {
			rt.Fatalf("(-full +part)\n%s", diff)
		}
		if full.Stats().Headers != part.Stats().Headers {
			rt.Fatalf("%d headers, want %d", part.Stats().Headers, full.Stats().Headers)
		}
	})
}

// drawBranches signs one stream with epochs that start anew, some of them from
// a backup: their first header follows one that is not the newest.
func drawBranches(rt *rapid.T, t testing.TB) []*protocol.Bulletin {
	a := newAuthor("bank")
	var all []*protocol.Bulletin
	epoch, seq, prev := uint64(1), uint64(0), protocol.ID{}
	for range rapid.IntRange(1, 20).Draw(rt, "headers") {
		if rapid.IntRange(0, 4).Draw(rt, "restart") == 0 && len(all) > 0 {
			epoch, seq = epoch+1, 0
			prev = all[rapid.IntRange(0, len(all)-1).Draw(rt, "backup")].ID()
		}
		seq++
		h := green(time.Duration(len(all)) * time.Second)
		h.Epoch, h.Seq, h.Prev = epoch, seq, prev
		b := a.issue(t, h, indicator(t, "203.0.113.7"))
		all, prev = append(all, b), b.ID()
	}
	return all
}

// pull asks full for its heads that we do not hold, and for our gaps.
func pull(rt *rapid.T, t testing.TB, full, part *Store, theirs protocol.Summary) {
	var ranges []protocol.Range
	for _, h := range theirs.Heads {
		if held, _ := part.Has(h.ID); !held {
			ranges = append(ranges, protocol.Range{From: protocol.Position{Epoch: h.Position.Epoch, Seq: h.Position.Seq - 1}, To: h.Position})
		}
	}
	for _, ours := range part.Summaries(func(s protocol.Stream) bool { return s.ID() == theirs.Stream.ID() }) {
		ranges = append(ranges, ours.Gaps...)
	}
	for _, r := range ranges {
		for b, err := range full.Headers(theirs.Stream.ID(), r) {
			if err != nil {
				rt.Fatal(err)
			}
			keep(t, part, Entry{Bulletin: b})
		}
	}
}
