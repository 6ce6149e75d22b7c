package node

import (
	"testing"
	"time"
)

func TestBudget(t *testing.T) {
	var b budget
	r, now := allowance{10, 5}, time.Now()
	spend := func(key byte) (n int) {
		for b.take([32]byte{key}, r, now) {
			n++
		}
		return n
	}
	if n := spend(1); n != 5 {
		t.Errorf("%d at once, want 5", n)
	}
	if n := spend(2); n != 5 {
		t.Errorf("another key had %d, want its own 5", n)
	}
	now = now.Add(300 * time.Millisecond)
	if n := spend(1); n != 3 {
		t.Errorf("%d after 300 ms at 10 a second, want 3", n)
	}
	now = now.Add(time.Hour)
	if n := spend(1); n != 5 {
		t.Errorf("%d after an hour, want no more than 5", n)
	}
	for key := range 10_000 { // remembers no more than it may
		b.take([32]byte{byte(key), byte(key >> 8), 1}, r, now)
	}
	if len(b.buckets) > budgetKeys+1 {
		t.Errorf("%d keys are remembered", len(b.buckets))
	}
}
