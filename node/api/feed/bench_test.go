package feed

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"flag"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/tocsin-exchange/tocsin/protocol/stix"
	"github.com/tocsin-exchange/tocsin/storage"
	"github.com/tocsin-exchange/tocsin/trust/score"
)

var benchClaims = flag.Int("feed.claims", 50_000, "claims in the benchmark's store; figures are quoted for 1000000")

// benchValue makes the i-th of a list like published ones: 40 % domains, 25 %
// addresses, 20 % URLs, 15 % file hashes.
func benchValue(i int) string {
	var seed [8]byte
	binary.BigEndian.PutUint64(seed[:], uint64(i))
	sum := sha256.Sum256(seed[:])
	name := fmt.Sprintf("update-%x.example", sum[:6])
	switch {
	case i%20 < 8:
		return name
	case i%20 < 13:
		return fmt.Sprintf("%d.%d.%d.%d", 11+i>>22%80, i>>14&255, i>>6&255, sum[0])
	case i%20 < 17:
		return fmt.Sprintf("http://%s/%x.php?id=%d", name, sum[9:13], i)
	}
	return fmt.Sprintf("%x", sum)
}

// BenchmarkFeed prints what a fetch of the ip list of a tier takes: the first of
// all, one when nothing has changed, one after a single change; and as floors
// reading every claim once, and hashing the list once. An anchor says it all.
func BenchmarkFeed(b *testing.B) {
	d := newDesk(b)
	d.level("bank", score.Anchor, 100)
	d.guards.Lines = MaxLines
	a := newAuthor("bank")
	d.sayAll(a)
	d.list("ip", score.Observe, storage.Query{}) // fills the caches of the store
	n := 0
	for _, tier := range []score.Tier{score.Observe, score.Block} {
		b.Run(tier.String(), func(b *testing.B) {
			for b.Loop() {
				n++
				d.measure(b, a, tier, n)
			}
			b.ReportMetric(0, "ns/op")
		})
	}
}

// BenchmarkFeedJudgedAnew prints what the first fetch takes after a level or the
// policy has changed, and beside it reading every claim once.
func BenchmarkFeedJudgedAnew(b *testing.B) {
	d := newDesk(b)
	d.level("bank", score.Anchor, 100)
	d.guards.Lines = MaxLines
	d.sayAll(newAuthor("bank"))
	d.list("ip", score.Block, storage.Query{})
	var anew, walk time.Duration
	n := 0
	for b.Loop() {
		n++
		d.level("hospital", score.Chosen, n%100)
		d.spare.left = burst
		began := time.Now()
		if _, err := d.List(context.Background(), "ip", score.Block, storage.Query{Now: start}); err != nil {
			b.Fatal(err)
		}
		anew += time.Since(began)
		began = time.Now()
		for range d.store.Standing(storage.Query{Now: start}, listed) {
		}
		walk += time.Since(began)
	}
	b.ReportMetric(ms(anew)/float64(n), "anew-ms")
	b.ReportMetric(ms(walk)/float64(n), "walk-ms")
	b.ReportMetric(0, "ns/op")
}

// sayAll has an author say all of the benchmark's values.
func (d *desk) sayAll(a *author) {
	for from := 0; from < *benchClaims; from += 1000 {
		var values []string
		for i := from; i < min(from+1000, *benchClaims); i++ {
			values = append(values, benchValue(i))
		}
		d.keep(a, saying{after: time.Duration(from) * time.Millisecond, values: strings.Join(values, " ")})
	}
}

// measure reports one round.
func (d *desk) measure(b *testing.B, a *author, tier score.Tier, n int) {
	d.Shelf = NewShelf(d.store, "test", d.court.judge)
	before := heap()
	read := func() (took time.Duration, l List) {
		began := time.Now()
		l, err := d.List(context.Background(), "ip", tier, storage.Query{Now: start})
		if err != nil {
			b.Fatal(err)
		}
		return time.Since(began), l
	}
	first, _ := read()
	same, l := read()
	used := heap() - before
	d.keep(a, saying{after: time.Hour + time.Duration(n)*time.Second, values: fmt.Sprintf("203.0.113.%d", n%256)})
	changed, m := read()
	if m.Lines < l.Lines || m.ETag == l.ETag {
		b.Fatal("the change is not in the list")
	}
	began := time.Now()
	for _, err := range d.store.Standing(storage.Query{Now: start}, func(stix.Type) bool { return true }) {
		if err != nil {
			b.Fatal(err)
		}
	}
	walk := time.Since(began)
	began = time.Now()
	if _, err := newList([]*column{d.sets[0].column(stix.IPv4Addr), d.sets[0].column(stix.IPv6Addr)}); err != nil {
		b.Fatal(err)
	}
	hash := time.Since(began)
	b.ReportMetric(ms(first), "first-ms")
	b.ReportMetric(float64(first)/float64(walk), "first/walk")
	b.ReportMetric(ms(same), "unchanged-ms")
	b.ReportMetric(ms(changed), "changed-ms")
	b.ReportMetric(float64(changed)/float64(hash), "changed/hash")
	b.ReportMetric(float64(m.Lines), "lines")
	b.ReportMetric(float64(used)/float64(*benchClaims), "B/claim")
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
