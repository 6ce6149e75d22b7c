package crowdsec

import (
	"fmt"
	"io"
	"testing"
	"time"
)

// BenchmarkStream is what a poll costs a node that has 100,000 bans: the first one,
// one with a single change, and one with none.
func BenchmarkStream(b *testing.B) {
	bans := map[string]time.Duration{}
	for i := range 100_000 {
		bans[fmt.Sprintf("203.%d.%d.%d", i>>16, i>>8&255, i&255)] = 240 * time.Hour
	}
	before := stand(1, bans)
	bans["198.51.100.1"] = 0
	after := stand(2, bans)
	for _, row := range []struct {
		name    string
		startup bool
		stands  Standing
	}{{"startup", true, before}, {"one change", false, after}, {"no change", false, before}} {
		b.Run(row.name, func(b *testing.B) {
			for b.Loop() {
				b.StopTimer()
				var k Keys
				if _, err := k.Stream(b.Context(), io.Discard, &Pull{Key: "a", Startup: true, Now: start, Stands: before}); err != nil {
					b.Fatal(err)
				}
				b.StartTimer()
				if _, err := k.Stream(b.Context(), io.Discard, &Pull{Key: "a", Startup: row.startup, Now: start, Stands: row.stands}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
