package feed

import (
	"cmp"
	"math"
	"slices"

	"github.com/tocsin-exchange/tocsin/trust/score"
)

// A rank is a line's place among those of all columns of a list.
type rank struct {
	score        uint8
	first        uint64
	column, line uint32
}

// compare puts the strongest first, then the one that came first; lines are in
// order of their values already.
func (r rank) compare(other rank) int {
	return cmp.Or(cmp.Compare(other.score, r.score), cmp.Compare(r.first, other.first), cmp.Compare(r.column, other.column), cmp.Compare(r.line, other.line))
}

// pick returns the lines of columns that are in a tier, at most so many and the
// strongest of all columns together, and how many are left out. A column of
// which all are in is returned as it is.
func pick(columns []*column, tier score.Tier, now int64, limit int) (picked []*column, left int) {
	total := 0
	counts := make([]int, len(columns))
	for i, c := range columns {
		for k := range c.verdicts {
			if c.verdicts[k].until[tier] > now {
				counts[i]++
			}
		}
		total += counts[i]
	}
	weakest := rank{first: math.MaxUint64, column: math.MaxUint32}
	if left = max(0, total-limit); left > 0 {
		weakest = nth(columns, tier, now, total, limit)
	}
	for i, c := range columns {
		if left == 0 && counts[i] == len(c.ends) {
			picked = append(picked, c)
			continue
		}
		w := newColumn(len(c.text)/max(1, len(c.ends))*counts[i], counts[i])
		for k, v := range c.verdicts {
			if v.until[tier] > now && v.rank(i, k).compare(weakest) <= 0 {
				appendLine(w, c.line(k), v, now)
			}
		}
		w.long = w.long || c.long
		picked = append(picked, w)
	}
	return picked, left
}

func (v *verdict) rank(column, line int) rank {
	return rank{v.score, v.first, uint32(column), uint32(line)}
}

// nth is the rank of the weakest line that is still in.
func nth(columns []*column, tier score.Tier, now int64, total, limit int) rank {
	ranks := make([]rank, 0, total)
	for i, c := range columns {
		for k := range c.verdicts {
			if v := &c.verdicts[k]; v.until[tier] > now {
				ranks = append(ranks, v.rank(i, k))
			}
		}
	}
	slices.SortFunc(ranks, rank.compare)
	return ranks[limit-1]
}

// ending returns the first moment at which a line of these leaves a tier.
func ending(columns []*column, tier score.Tier, now int64) int64 {
	next := int64(math.MaxInt64)
	for _, c := range columns {
		for k := range c.verdicts {
			if until := c.verdicts[k].until[tier]; until > now {
				next = min(next, until)
			}
		}
	}
	return next
}

// strongest is pick without a word on what is left out.
func strongest(columns []*column, tier score.Tier, now int64, limit int) []*column {
	picked, _ := pick(columns, tier, now, limit)
	return picked
}

// lines is the most that is served of one list.
func (g *Guards) lines() int { return max(1, min(g.Lines, MaxLines)) }
