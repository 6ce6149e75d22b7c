package protocol

import "slices"

// Newest returns the position of a summary's last head, zero when it has none.
func (s Summary) Newest() Position {
	if len(s.Heads) == 0 {
		return Position{}
	}
	return s.Heads[len(s.Heads)-1].Position
}

// Covers reports whether whoever shows the summary holds the header at a place
// of its stream, if there is one.
func (s Summary) Covers(p Position) bool {
	return p.Compare(s.Newest()) <= 0 &&
		!slices.ContainsFunc(s.Gaps, func(g Range) bool { return g.From.Compare(p) < 0 && p.Compare(g.To) <= 0 })
}

// Missing returns the ranges of a stream to ask its other holder for: our own
// gaps, and what lies between what we hold and each of the other's heads that
// we do not; at most 64. Mine is the zero summary where nothing is held.
func Missing(mine, theirs Summary, held func(ID) bool) []Range {
	ranges := slices.Clone(mine.Gaps)
	newest := mine.Newest()
	for _, h := range theirs.Heads {
		if held(h.ID) {
			continue
		}
		from := newest
		if h.Position.Compare(newest) <= 0 { // a branch below our newest: all of its epoch
			from = Position{Epoch: h.Position.Epoch}
		}
		ranges = append(ranges, Range{From: from, To: h.Position})
	}
	return ranges[:min(len(ranges), maxRanges)]
}
