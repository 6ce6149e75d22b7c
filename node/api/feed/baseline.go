package feed

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/tocsin-exchange/tocsin/protocol/stix"
	"github.com/tocsin-exchange/tocsin/trust/score"
)

const (
	baselineTable = "feed-baselines"
	writeEvery    = time.Minute // at most so often
	renewEvery    = day         // what has not changed is written anew, to show that it is asked for
	maxBaselines  = 16          // of one shelf
	maxKinds      = 4096        // of headers; of a group that was asked about more nothing is written
)

// errBaseline: what is written of a group is none of ours.
var errBaseline = errors.New("not a baseline")

// A baseline is what is written down of the lists of one group of askers, so that
// those after a restart can be compared with them: numbers, and nothing of what
// was in them.
type baseline struct {
	ID     uint64 `json:"id"`     // of the group, in this shelf
	At     int64  `json:"at"`     // Unix milliseconds
	Latest int64  `json:"latest"` // of the dates of what was told, in Unix seconds
	Kinds  []byte `json:"kinds"`  // eight bytes for each kind of headers: a digest, and as its last bit whether the group sees it
	Pasts  []past `json:"pasts"`
}

// A past is what was served of a type in a tier.
type past struct {
	Type     stix.Type          `json:"type"`
	Tier     string             `json:"tier"`
	At       int64              `json:"at"`       // Unix milliseconds
	Position uint64             `json:"position"` // of the store
	Lines    int                `json:"lines"`
	Own      int                `json:"own"`            // of these, of which our own organisation said something
	Ends     [len(horizons)]int `json:"ends"`           // of the others, that leave by themselves within each horizon
	Held     int64              `json:"held,omitempty"` // Unix milliseconds since when it stands still
}

// horizons are how far ahead it is written down what leaves by itself.
var horizons = [...]time.Duration{time.Hour, 6 * time.Hour, day, 2 * day, 4 * day, 8 * day, 16 * day}

// take notes what is served at a moment, by the store at a position.
func (p *past) take(c *column, tier score.Tier, position uint64, now int64) {
	p.At, p.Position, p.Lines, p.Own, p.Ends = now, position, len(c.ends), 0, [len(horizons)]int{}
	for i := range c.verdicts {
		v := &c.verdicts[i]
		if v.own {
			p.Own++
			continue
		}
		for k, h := range horizons {
			if v.until[tier] <= now+h.Milliseconds() {
				p.Ends[k]++
			}
		}
	}
}

// key returns what the past is of; false for what this version keeps nothing of.
func (p *past) key() (key, bool) {
	tier, err := score.ParseTier(p.Tier)
	return key{p.Type, tier}, err == nil && listed(p.Type) && tier != score.Observe
}

// expected is how many lines that are not our own word must be left, at least.
func (p *past) expected(now int64) int {
	for k, h := range horizons {
		if now-p.At <= h.Milliseconds() {
			return max(0, p.Lines-p.Own-p.Ends[k])
		}
	}
	return 0
}

// risen is how many lines more than there were have stayed: what was known
// before, and of another tier.
func (p *past) risen(stayed int) int { return max(0, stayed-(p.Lines-p.Own)) }

// parseBaseline reads a row. Errors wrap errBaseline.
func parseBaseline(row []byte) (*baseline, error) {
	var b baseline
	if err := json.Unmarshal(row, &b); err != nil {
		return nil, fmt.Errorf("%w: %v", errBaseline, err)
	}
	if len(b.Kinds)%8 != 0 || len(b.Kinds) > 8*maxKinds {
		return nil, fmt.Errorf("%w: %d bytes of kinds", errBaseline, len(b.Kinds))
	}
	for i := range b.Pasts {
		p := &b.Pasts[i]
		bad := p.Lines < 0 || p.Lines > MaxLines || p.Own < 0 || p.Own > p.Lines || p.At < 0 || p.At > b.At || p.Held < 0
		if bad || slices.ContainsFunc(p.Ends[:], func(n int) bool { return n < 0 || n > p.Lines }) {
			return nil, fmt.Errorf("%w: of %s in tier %s", errBaseline, p.Type, p.Tier)
		}
	}
	return &b, nil
}

// digests are the kinds of headers as a baseline has them.
func (s sights) digests() []byte {
	kinds := make([]uint64, 0, len(s))
	for k, v := range s {
		kinds = append(kinds, k.digest(v.visible))
	}
	slices.Sort(kinds)
	b := make([]byte, 0, 8*len(kinds))
	for _, k := range kinds {
		b = binary.BigEndian.AppendUint64(b, k)
	}
	return b
}

func (k *sightKey) digest(visible bool) uint64 {
	sum := sha256.Sum256(fmt.Appendf(nil, "%x %x %d %d %x", k.certificate.Encode(), k.community, k.tlp, k.pap, k.audience))
	if visible {
		return binary.BigEndian.Uint64(sum[:]) | 1
	}
	return binary.BigEndian.Uint64(sum[:]) &^ 1
}

// match reports whether the group of a baseline may be the one that sees this:
// they agree on all kinds that both were asked about, and there are such.
func (s sights) match(kinds []byte) bool {
	were := make(map[uint64]bool, len(kinds)/8)
	for ; len(kinds) >= 8; kinds = kinds[8:] {
		were[binary.BigEndian.Uint64(kinds)] = true
	}
	both := 0
	for k, v := range s {
		if were[k.digest(!v.visible)] {
			return false
		}
		if were[k.digest(v.visible)] {
			both++
		}
	}
	return both > 0
}

func (s *Shelf) row(id uint64) []byte { return fmt.Appendf(nil, "%s/%016x", s.name, id) }

// baselines returns those of the shelf that can be read, of groups that are not
// at hand.
func (s *Shelf) baselines() (list []*baseline) {
	for _, row := range s.store.Table(baselineTable).Prefix([]byte(s.name + "/")) {
		b, err := parseBaseline(row)
		if err == nil && !slices.ContainsFunc(s.sets, func(v *set) bool { return v.id == b.ID }) {
			list = append(list, b)
		}
	}
	slices.SortFunc(list, func(a, b *baseline) int { return cmp.Or(cmp.Compare(b.At, a.At), cmp.Compare(a.ID, b.ID)) })
	return list
}

// recall has a set go on from what is written down of its group.
func (s *Shelf) recall(v *set) {
	now := v.now.UnixMilli()
	for _, b := range s.baselines() {
		if now-b.At > absence.Milliseconds() || !v.sights.match(b.Kinds) {
			continue
		}
		v.id, v.latest, v.floor = b.ID, b.Latest, b.Latest
		for i := range b.Pasts {
			if k, ok := b.Pasts[i].key(); ok {
				v.guard(k).past = &b.Pasts[i]
			}
		}
		return
	}
}

// baseline returns what is to be written of a set.
func (s *set) baseline() *baseline {
	b := &baseline{ID: s.id, At: s.now.UnixMilli(), Latest: s.latest}
	for k, g := range s.guards {
		switch {
		case g.past != nil: // nobody asked for it since
			b.Pasts = append(b.Pasts, *g.past)
		case g.served != nil:
			b.Pasts = append(b.Pasts, *g.basis(k, b.At))
		}
	}
	slices.SortFunc(b.Pasts, func(a, b past) int { return cmp.Or(cmp.Compare(a.Type, b.Type), cmp.Compare(a.Tier, b.Tier)) })
	return b
}

// keep writes down what the lists of a set are, if anything has changed and it is
// time for that: it always is when something has stopped. What cannot be written is counted: lists do not depend on it.
func (s *Shelf) keep(ctx context.Context, v *set, now bool) {
	since := v.now.Sub(v.written).Abs()
	now = now || v.written.IsZero() || v.asWritten.holds != v.holds
	if len(v.sights) > maxKinds || !now && since < writeEvery || !v.fresh() && since < renewEvery {
		return
	}
	if v.id == 0 {
		v.id = s.newID(ctx)
	}
	b := v.baseline()
	b.Kinds = v.sights.digests()
	row, err := json.Marshal(b)
	if err == nil {
		err = s.store.Table(baselineTable).Set(context.WithoutCancel(ctx), s.row(v.id), row)
	}
	if v.written = v.now; err != nil {
		s.unwritten++
		return
	}
	v.asWritten = v.standing()
}

// newID returns an id for a group, and drops rows that there is no room for.
func (s *Shelf) newID(ctx context.Context) uint64 {
	old, highest := s.baselines(), uint64(0)
	for i, b := range old {
		if highest = max(highest, b.ID); i >= maxBaselines-maxSets {
			if err := s.store.Table(baselineTable).Delete(context.WithoutCancel(ctx), s.row(b.ID)); err != nil {
				s.unwritten++
			}
		}
	}
	for _, v := range s.sets {
		highest = max(highest, v.id)
	}
	return highest + 1
}

// Save writes down what the lists are, as is done at most once a minute while
// they are asked for; before an ordered stop. Errors are of ctx and the store.
func (s *Shelf) Save(ctx context.Context) error {
	if err := s.enter(ctx); err != nil {
		return err
	}
	defer s.leave()
	before := s.unwritten
	for _, v := range s.sets {
		s.keep(ctx, v, true)
	}
	if s.unwritten > before {
		return fmt.Errorf("feed: what %d groups were served is not written down: the first lists after the start are compared with older ones", s.unwritten-before)
	}
	return nil
}
