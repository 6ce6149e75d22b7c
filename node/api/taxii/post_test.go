package taxii

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
)

// FuzzReadObjects: what is read of a body is each a JSON value of it.
func FuzzReadObjects(f *testing.F) {
	f.Add(`{"objects":[{"type":"tool"}]}`, false)
	f.Add(`{"type":"bundle","id":"x","objects":[{},{"a":[1]}]}`, true)
	f.Add(`{"objects":[],"objects":1}`, false)
	f.Fuzz(func(t *testing.T, body string, bundle bool) {
		objects, err := ReadObjects(strings.NewReader(body), bundle)
		if err != nil && !errors.Is(err, ErrQuery) && !errors.Is(err, ErrContent) {
			t.Fatalf("neither bad JSON nor no objects: %v", err)
		}
		for _, o := range objects {
			if !o.IsValid() || !strings.Contains(body, string(o)) {
				t.Fatalf("%s is no object of the body", o)
			}
		}
	})
}

func waits(string, *StatusDetail, time.Time) Fate { return Waits }

// TestStatusSettles: what waited is counted where it belongs once a person has
// decided, also what no list has room for, and then never again.
func TestStatusSettles(t *testing.T) {
	d, now := newDesk(t), time.Now()
	var pendings []StatusDetail
	var held []string
	for i := range 150 {
		pendings, held = append(pendings, StatusDetail{ID: fmt.Sprint(i)}), append(held, []string{"a", "b"}[min(i/60, 1)])
	}
	kept, err := d.Keep(t.Context(), "t", StatusResource{Successes: []StatusDetail{{ID: "x"}}, Pendings: pendings}, held, now)
	if err != nil {
		t.Fatal(err)
	}
	fates := map[string]Fate{"a": Waits, "b": Waits}
	ask := func() string {
		t.Helper()
		r, err := d.Status(t.Context(), kept.ID, "t", now, func(held string, detail *StatusDetail, since time.Time) Fate {
			if since.UnixMicro() != now.UnixMicro() {
				t.Errorf("asked since %s", since)
			}
			return fates[held]
		})
		if err != nil || r.Success+r.Failure+r.Pending != r.Total || r.Total != 151 {
			t.Fatalf("%+v, %v", r, err)
		}
		return fmt.Sprint(r.Status, " ", r.Success, len(r.Successes), " ", r.Failure, len(r.Failures), " ", r.Pending, len(r.Pendings))
	}
	for _, step := range []struct {
		held string
		fate Fate
		want string
	}{{"a", Waits, "pending 1 1 0 0 150 100"}, {"a", Said, "pending 61 61 0 0 90 40"}, {"b", Declined, "complete 61 61 90 40 0 0"}, {"b", Said, "complete 61 61 90 40 0 0"}} {
		fates[step.held] = step.fate
		if got := ask(); got != step.want {
			t.Errorf("%s is %s: %s, want %s", step.held, step.fate, got, step.want)
		}
	}
}

// TestStatusesAreKeptForADay: to whoever posted, and not many at once.
func TestStatusesAreKeptForADay(t *testing.T) {
	d, now := newDesk(t), time.Now()
	kept, err := d.Keep(t.Context(), "t1", StatusResource{Failures: []StatusDetail{{ID: "x", Message: strings.Repeat("m", 1000)}}, Pendings: make([]StatusDetail, 500)}, make([]string, 500), now)
	if err != nil || kept.Status != "pending" || kept.Total != 501 || len(kept.Pendings) != maxDetails {
		t.Fatalf("%+v, %v", kept, err)
	}
	late := now.Add(StatusLasts - time.Second)
	got, err := d.Status(t.Context(), kept.ID, "t1", late, waits)
	a, _ := json.Marshal(kept)
	b, _ := json.Marshal(got)
	if err != nil || string(a) != string(b) {
		t.Errorf("%s, want %s, %v", b, a, err)
	}
	if _, err := d.Status(t.Context(), kept.ID, "t2", late, waits); !errors.Is(err, ErrNotFound) {
		t.Errorf("to somebody else: %v", err)
	}
	over := now.Add(StatusLasts)
	if _, err := d.Status(t.Context(), kept.ID, "t1", over, waits); !errors.Is(err, ErrNotFound) {
		t.Errorf("after a day: %v", err)
	}
	if _, err := d.Keep(t.Context(), "t1", StatusResource{}, nil, over); err != nil {
		t.Fatal(err)
	}
	rows := 0
	for range d.store.Table(statusTable).All() {
		rows++
	}
	if rows != 1 {
		t.Errorf("%d statuses are kept", rows)
	}
}
