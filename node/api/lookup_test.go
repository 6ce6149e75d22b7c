package api

import (
	"fmt"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tocsin-exchange/tocsin/protocol"
)

func TestLookupLimits(t *testing.T) {
	r := member(t)
	many := make([]string, MaxLookup+1)
	for i := range many {
		many[i] = "203.0.113.7"
	}
	if _, err := r.Lookup(t.Context(), LookupRequest{Values: many}); err == nil {
		t.Error("more values than allowed are looked up")
	}
	answers, err := r.Lookup(t.Context(), LookupRequest{Values: many[:MaxLookup]})
	if err != nil || len(answers) != MaxLookup {
		t.Errorf("%d answers, %v", len(answers), err)
	}
	header := map[string]string{"Content-Type": typeLines}
	for body, want := range map[string]int{
		strings.Repeat("203.0.113.7\n", MaxLookup+1): 400, "\n\n": 400, strings.Repeat("a", maxValueLine+1): 400, `"unterminated`: 400, "203.0.113.7": 200,
	} {
		if w := r.send(r.door.Local(), request{"POST", "/v1/lookup", body, header}); w.Code != want {
			t.Errorf("%.20q of %d bytes gets %d %s", body, len(body), w.Code, w.Body)
		}
	}
}

// BenchmarkLookup asks through the handler and prints the slowest in a hundred.
func BenchmarkLookup(b *testing.B) {
	r := member(b)
	const known = 100_000
	var file strings.Builder
	for i := range known {
		fmt.Fprintf(&file, "h%d.evil.example\n", i)
	}
	tally, err := r.Import(b.Context(), strings.NewReader(file.String()), ImportOptions{TLP: protocol.Green}, nil)
	if err != nil || tally.Accepted != known {
		b.Fatalf("%+v %v", tally, err)
	}
	var took []time.Duration
	h := r.door.Local()
	for i := 0; b.Loop(); i++ {
		req := httptest.NewRequest("GET", fmt.Sprintf("http://localhost/v1/lookup?value=h%d.evil.example", i*7919%known), nil)
		w := httptest.NewRecorder()
		begun := time.Now()
		h.ServeHTTP(w, req)
		took = append(took, time.Since(begun))
		if w.Code != 200 || strings.Contains(w.Body.String(), `"claims":[]`) {
			b.Fatal(w.Body)
		}
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds()), "µs-p99")
}
