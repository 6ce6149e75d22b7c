package feed

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/tocsin-exchange/tocsin/trust/score"
)

// newsOf makes news of fields VALUE=UNTIL for the observe tier.
func newsOf(fields string) news {
	n := news{}
	for field := range strings.FieldsSeq(fields) {
		var v verdict
		value, until, _ := strings.Cut(field, "=")
		fmt.Sscan(until, &v.until[score.Observe])
		n[value] = v
	}
	return n
}

func (c *column) String() string {
	var b strings.Builder
	for i := range c.ends {
		fmt.Fprintf(&b, "%s=%d ", c.line(i), c.verdicts[i].last())
	}
	return b.String()
}

// TestColumn is a table of what was there, what is new and what is there then,
// at moment 10.
func TestColumn(t *testing.T) {
	for _, row := range []struct {
		was, is, want string
		next          int64
	}{
		{"", "", "", math.MaxInt64},
		{"", "b=20 a=30", "a=30 b=20 ", 20},
		{"b=20", "a=15 c=40", "a=15 b=20 c=40 ", 15},
		{"a=20", "a=15", "a=15 ", 15},
		{"a=20", "a=25", "a=25 ", 25},
		{"a=20 b=30", "a=0", "b=30 ", 30},
		{"a=20 b=30", "c=0", "a=20 b=30 ", 20},
		{"a=10 b=11", "", "b=11 ", 11},
		{"a=20", "aa=20 B=20", "B=20 a=20 aa=20 ", 20},
	} {
		c := (&column{next: math.MaxInt64}).with(newsOf(row.was), 0).with(newsOf(row.is), 10)
		if c.String() != row.want || c.next != row.next {
			t.Errorf("%q and %q: %q next %d, want %q next %d", row.was, row.is, c, c.next, row.want, row.next)
		}
		for i := range c.ends {
			if c.find(c.line(i)) != &c.verdicts[i] {
				t.Errorf("%q is not found in %q", c.line(i), c)
			}
		}
		for _, absent := range []string{"", "0", "ab", "z"} {
			if c.find([]byte(absent)) != nil {
				t.Errorf("%q is found in %q", absent, c)
			}
		}
	}
}

// TestMerge is a table of two columns and the places that are told: lines of the
// first alone, of the second alone, of both.
func TestMerge(t *testing.T) {
	for _, row := range [][3]string{
		{"", "", ""}, {"a=1 b=1", "", "-a -b "}, {"", "a=1", "+a "}, {"a=1 c=1 d=1", "b=1 c=1 e=1", "-a +b =c -d +e "}, {"a=1 b=1", "a=1 b=1", "=a =b "},
	} {
		a, b := (&column{}).with(newsOf(row[0]), 0), (&column{}).with(newsOf(row[1]), 0)
		got := ""
		merge(a, b, func(i, k int) {
			switch {
			case k < 0:
				got += fmt.Sprintf("-%s ", a.line(i))
			case i < 0:
				got += fmt.Sprintf("+%s ", b.line(k))
			default:
				got += fmt.Sprintf("=%s ", b.line(k))
			}
		})
		if got != row[2] {
			t.Errorf("%q and %q: %q, want %q", row[0], row[1], got, row[2])
		}
	}
}
