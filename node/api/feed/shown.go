package feed

import (
	"crypto/sha256"
	"slices"
	"time"

	"github.com/tocsin-exchange/tocsin/protocol/stix"
	"github.com/tocsin-exchange/tocsin/storage"
	"github.com/tocsin-exchange/tocsin/trust/score"
)

// A key names the values of one type in one tier.
type key struct {
	kind stix.Type
	tier score.Tier
}

// shown is what is served of a type in a tier, and until when it is that: the
// strongest of its column, as its guard lets them pass.
type shown struct {
	column *column
	left   int
	held   time.Time
	until  int64
	limits Guards
}

// show returns what is served of a type in a tier.
func (s *set) show(k key, q storage.Query, j *Judging) (*shown, error) {
	now := s.now.UnixMilli()
	if m := s.shown[k]; m != nil && now < m.until && m.limits == j.Guards {
		return m, nil
	}
	whole := []*column{s.column(k.kind)}
	if whole[0].long {
		return nil, ErrTooLong
	}
	picked, left := pick(whole, k.tier, now, j.Guards.lines())
	m := &shown{column: picked[0], left: left, limits: j.Guards}
	if k.tier != score.Observe {
		g := s.guard(k)
		var err error
		if m.column, err = g.pass(picked[0], &crossing{set: s, key: k, q: q, j: j, now: now}); err != nil {
			return nil, err
		}
		if g.hold != nil {
			m.held = g.hold.Until
		}
	}
	m.until = ending([]*column{m.column}, k.tier, now)
	if !m.held.IsZero() {
		m.until = min(m.until, m.held.UnixMilli())
	}
	s.shown[k] = m
	return m, nil
}

func (s *set) guard(k key) *guard {
	g := s.guards[k]
	if g == nil {
		g = &guard{}
		s.guards[k] = g
	}
	return g
}

// A selection is what is served of several types in a tier together.
type selection struct {
	types   []stix.Type
	tier    score.Tier
	of      []*shown // what it is of; nil: only what it told is known any more
	told    [sha256.Size]byte
	columns []*column // of too many lines the strongest
	left    int
	held    time.Time // the last of the moments until which some of it stands still
	changed int64     // Unix seconds since which tools are told this
	list    *List     // when somebody asked for it
}

// choose puts together what is served of types, in order, in a tier.
func (s *set) choose(types []stix.Type, tier score.Tier, q storage.Query, j *Judging) (*selection, error) {
	next := &selection{types: types, tier: tier, of: make([]*shown, 0, len(types))}
	for _, t := range types {
		m, err := s.show(key{t, tier}, q, j)
		if err != nil {
			return nil, err
		}
		next.of, next.columns, next.left = append(next.of, m), append(next.columns, m.column), next.left+m.left
		if m.held.After(next.held) {
			next.held = m.held
		}
	}
	name := selectionName(types, tier)
	old := s.selections[name]
	if old != nil && old.of != nil && slices.Equal(old.of, next.of) {
		return old, nil
	}
	columns, left := pick(next.columns, tier, s.now.UnixMilli(), j.Guards.lines())
	next.columns, next.left = columns, next.left+left
	next.date(old, s.now.Unix(), s.floor)
	if old == nil || next.changed != old.changed {
		s.dated++
	}
	s.selections[name], s.latest = next, max(s.latest, next.changed)
	return next, nil
}

func selectionName(types []stix.Type, tier score.Tier) string {
	name := tier.String()
	for _, t := range types {
		name += " " + string(t)
	}
	return name
}

// date says since when tools are told what they are told now.
func (sel *selection) date(old *selection, now, floor int64) {
	switch {
	case old == nil:
		sel.changed = now
		if floor > 0 {
			sel.changed = max(now, floor+1)
		}
	case old.left == sel.left && old.tells(sel):
		sel.changed = old.changed
	default:
		sel.changed = max(now, old.changed+1)
	}
}

// tells reports whether a selection tells tools the same as another.
func (sel *selection) tells(other *selection) bool {
	if sel.of == nil {
		return sel.told == other.digest()
	}
	return slices.EqualFunc(sel.columns, other.columns, func(a, b *column) bool { return a.tells(b, other.tier) })
}

// digest is another when tools are told something else.
func (sel *selection) digest() (sum [sha256.Size]byte) {
	h := sha256.New()
	for _, c := range sel.columns {
		c.tell(h, sel.tier)
	}
	h.Sum(sum[:0])
	return sum
}

// forget drops all but the date and a digest of what was told.
func (sel *selection) forget() {
	if sel.of != nil {
		*sel = selection{told: sel.digest(), left: sel.left, changed: sel.changed}
	}
}

// list returns one list of the set.
func (s *set) list(name string, tier score.Tier, q storage.Query, j *Judging) (List, error) {
	sel, err := s.choose(typesOf(name), tier, q, j)
	if err != nil {
		return List{}, err
	}
	if sel.list == nil {
		l, err := newList(sel.columns)
		if err != nil {
			return l, err
		}
		l.LeftOut, l.Held = sel.left, sel.held
		sel.list = &l
	}
	return *sel.list, nil
}

// entries returns the values of some types in a tier.
func (s *set) entries(types []stix.Type, tier score.Tier, q storage.Query, j *Judging) (Entries, error) {
	sel, err := s.choose(slices.DeleteFunc(kept(), func(t stix.Type) bool { return !slices.Contains(types, t) }), tier, q, j)
	if err != nil {
		return Entries{}, err
	}
	e := Entries{Tier: tier, LeftOut: sel.left, Held: sel.held, Changed: time.Unix(sel.changed, 0).UTC()}
	size := 0
	for _, c := range sel.columns {
		e.Len, size = e.Len+len(c.ends), size+len(c.text)
	}
	if e.Len > MaxLines || size > MaxBytes {
		return Entries{}, ErrTooLong
	}
	types, columns := sel.types, sel.columns // which are never changed
	e.All = func(yield func(Entry) bool) {
		for i, c := range columns {
			for k := range c.ends {
				if !yield(c.entry(k, types[i], tier)) {
					return
				}
			}
		}
	}
	return e, nil
}

// succeed takes over what was told by the set that this one replaces.
func (s *set) succeed(old *set) {
	s.guards, s.selections, s.latest, s.floor, s.dated, s.holds = old.guards, old.selections, old.latest, old.floor, old.dated, old.holds
	s.id, s.written, s.asWritten = old.id, old.written, old.asWritten
}

// A standing is what tells whether a baseline would be another.
type standing struct {
	kinds        int
	dated, holds uint64
	held         int
}

func (s *set) standing() standing {
	now := standing{kinds: len(s.sights), dated: s.dated, holds: s.holds}
	for _, g := range s.guards {
		if g.hold != nil {
			now.held++
		}
	}
	return now
}

// fresh reports whether there is anything that is not written down.
func (s *set) fresh() bool { return s.written.IsZero() || s.asWritten != s.standing() }
