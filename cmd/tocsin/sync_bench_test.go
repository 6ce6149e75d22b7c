package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tocsin-exchange/tocsin/node/api"
	"github.com/tocsin-exchange/tocsin/protocol"
)

var (
	outageHeld    = flag.Int("outage.held", 100_000, "indicators held on both sides before the outage of BenchmarkSyncAfterOutage; figures are quoted for 1000000")
	outageMissing = flag.Int("outage.missing", 10_000, "bulletins of one indicator said during it")
)

// BenchmarkSyncAfterOutage has a node come back that missed bulletins, and ends
// when it holds them all. The floor is the same between nodes that held nothing
// before, in the same run.
//
//	ms           from ready until all is held
//	floor-ms     the same where nothing was held before
//	ratio        of the two
//	B/bulletin   bytes both ways of all sync streams, for each missing bulletin
func BenchmarkSyncAfterOutage(b *testing.B) {
	binary := buildBinary(b)
	var took, floor time.Duration
	var bytes uint64
	for b.Loop() {
		alone, _ := outage(b, binary, 0)
		full, moved := outage(b, binary, *outageHeld)
		floor, took, bytes = floor+alone, took+full, bytes+moved
	}
	n := float64(b.N)
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(float64(took.Milliseconds())/n, "ms")
	b.ReportMetric(float64(floor.Milliseconds())/n, "floor-ms")
	b.ReportMetric(took.Seconds()/floor.Seconds(), "ratio")
	b.ReportMetric(float64(bytes)/n/float64(*outageMissing), "B/bulletin")
}

func outage(b *testing.B, binary string, held int) (took time.Duration, bytes uint64) {
	b.Helper()
	bank, hospital := newProcess(b, binary, "bank", "tcp"), newProcess(b, binary, "hospital", "tcp")
	bank.must("community", "create", "isac")
	hospital.joins(bank)
	bank.meets(1)
	if held > 0 {
		importFeed(b, bank, madeFeed(b, held))
		catchUp(b, bank, hospital)
	}
	hospital.terminate()
	sayMany(b, bank, *outageMissing)
	hospital.start()
	began := time.Now()
	catchUp(b, bank, hospital)
	took = time.Since(began)
	counts := hospital.status().Counts
	hospital.terminate()
	bank.terminate()
	return took, counts["sync_bytes_received"] + counts["sync_bytes_sent"]
}

// madeFeed writes a list of so many values.
func madeFeed(b *testing.B, count int) string {
	b.Helper()
	var list strings.Builder
	for i := range count {
		fmt.Fprintf(&list, "held%d.example\n", i)
	}
	feed := filepath.Join(b.TempDir(), "held.txt")
	if err := os.WriteFile(feed, []byte(list.String()), 0o600); err != nil {
		b.Fatal(err)
	}
	return feed
}

// sayMany has a node say so many bulletins of one value.
func sayMany(b *testing.B, p *process, count int) {
	b.Helper()
	client := api.Unix(p.dir.socket())
	defer client.HTTP.CloseIdleConnections()
	var wg sync.WaitGroup
	for w := range 16 {
		wg.Go(func() {
			for i := w; i < count; i += 16 {
				_, err := client.Submit(b.Context(), api.SubmitRequest{TLP: protocol.Green, Values: []string{fmt.Sprintf("missing%d.example", i)}})
				if err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
}
