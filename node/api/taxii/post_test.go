package taxii

import (
	"errors"
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

// TestStatusesAreKeptForADay: to whoever posted, and not many at once.
func TestStatusesAreKeptForADay(t *testing.T) {
	d, now := newDesk(t), time.Now()
	kept, err := d.Keep(t.Context(), "t1", StatusResource{Failures: []StatusDetail{{ID: "x", Message: strings.Repeat("m", 1000)}}, Pendings: make([]StatusDetail, 500)}, now)
	if err != nil || kept.Status != "pending" || kept.Total != 501 || len(kept.Pendings) != maxDetails {
		t.Fatalf("%+v, %v", kept, err)
	}
	late := now.Add(StatusLasts - time.Second)
	got, err := d.Status(kept.ID, "t1", late)
	a, _ := json.Marshal(kept)
	b, _ := json.Marshal(got)
	if err != nil || string(a) != string(b) {
		t.Errorf("%s, want %s, %v", b, a, err)
	}
	if _, err := d.Status(kept.ID, "t2", late); !errors.Is(err, ErrNotFound) {
		t.Errorf("to somebody else: %v", err)
	}
	over := now.Add(StatusLasts)
	if _, err := d.Status(kept.ID, "t1", over); !errors.Is(err, ErrNotFound) {
		t.Errorf("after a day: %v", err)
	}
	if _, err := d.Keep(t.Context(), "t1", StatusResource{}, over); err != nil {
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
