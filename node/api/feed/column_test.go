package feed

import (
	"fmt"
	"math"
	"testing"
)

// TestColumn is a table of what was there, what is new and what is there then,
// at moment 10.
func TestColumn(t *testing.T) {
	for _, row := range []struct {
		was, is news
		add     bool
		want    string
		next    int64
	}{
		{nil, nil, true, "", math.MaxInt64},
		{nil, news{"b": 20, "a": 30}, true, "a 30 b 20 ", 20},
		{news{"b": 20}, news{"a": 15, "c": 40}, false, "a 15 b 20 c 40 ", 15},
		{news{"a": 20}, news{"a": 15}, true, "a 20 ", 20},
		{news{"a": 20}, news{"a": 25}, true, "a 25 ", 25},
		{news{"a": 20}, news{"a": 15}, false, "a 15 ", 15},
		{news{"a": 20, "b": 30}, news{"a": gone}, false, "b 30 ", 30},
		{news{"a": 20, "b": 30}, news{"c": gone}, false, "a 20 b 30 ", 20},
		{news{"a": 10, "b": 11}, nil, false, "b 11 ", 11},
		{news{"a": 20}, news{"": 20, "aa": 20, "B": 20}, true, " 20 B 20 a 20 aa 20 ", 20},
	} {
		c := (&column{next: math.MaxInt64}).with(row.was, 0, true).with(row.is, 10, row.add)
		got := ""
		for i := range c.ends {
			got += fmt.Sprintf("%s %d ", c.line(i), c.expires[i])
		}
		if got != row.want || c.next != row.next {
			t.Errorf("%v and %v, %v: %q next %d, want %q next %d", row.was, row.is, row.add, got, c.next, row.want, row.next)
		}
	}
}
