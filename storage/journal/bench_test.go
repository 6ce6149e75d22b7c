package journal

import (
	"bufio"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// benchAct is a record as a node notes them.
func benchAct(n int) Record {
	return Record{
		Act: ActAdmit, Actor: Node, Org: "o4bq3j7k2m5n6p7q2r3s4t5u6v7w2x3y", Peer: "12D3KooWQYzqnLASJAabqPqPBVDVXZr1sQpXmD3mFGqBRPnGF1qy",
		Bulletin: "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0bb22cd15d6c15b0f00a08", TLP: "GREEN", Rule: "member of isac", Count: int64(n),
	}
}

// BenchmarkAppend measures what an act costs its caller, a few at a time as a
// node has them: the writer has caught up before the next.
func BenchmarkAppend(b *testing.B) {
	j := open(b, b.TempDir(), Options{})
	b.ReportAllocs()
	for n := 0; b.Loop(); n++ {
		if n%1000 == 999 {
			b.StopTimer()
			for j.Stats().Waiting > 0 {
				<-time.After(time.Millisecond)
			}
			b.StartTimer()
		}
		j.Append(benchAct(n))
	}
}

// BenchmarkSustained appends as fast as the journal takes it, to the last sync,
// and compares that with the same lines written through a buffer and synced
// once: no chain, no head, no interval.
func BenchmarkSustained(b *testing.B) {
	const records = 300_000
	for b.Loop() {
		dir := b.TempDir()
		begin := time.Now()
		j := open(b, dir, Options{})
		for n := range records {
			j.Append(benchAct(n))
		}
		if err := j.Close(); err != nil {
			b.Fatal(err)
		}
		took := time.Since(begin)
		if s := j.Stats(); s.Dropped > 0 {
			b.Fatalf("%+v", s)
		}
		begin = time.Now()
		plain(b, records)
		bare := time.Since(begin)
		begin = time.Now()
		r := whole(b, dir, -1)
		b.ReportMetric(records/took.Seconds(), "records/s")
		b.ReportMetric(took.Seconds()/bare.Seconds(), "x-plain")
		b.ReportMetric(float64(j.Stats().Syncs), "syncs")
		b.ReportMetric(float64(r.Segments[0].Bytes)/float64(r.Segments[0].Records), "bytes/record")
		b.ReportMetric(float64(r.Records)/time.Since(begin).Seconds(), "verified/s")
	}
}

func plain(b *testing.B, records int) {
	f, err := os.Create(filepath.Join(b.TempDir(), "plain"))
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	out := bufio.NewWriterSize(f, 64<<10)
	for n := range records {
		r := benchAct(n)
		r.Seq, r.At = uint64(n), time.Now()
		out.Write(r.Encode())
	}
	if err := out.Flush(); err != nil {
		b.Fatal(err)
	}
	if err := f.Sync(); err != nil {
		b.Fatal(err)
	}
}

// BenchmarkAppendSync measures one durable record after another.
func BenchmarkAppendSync(b *testing.B) {
	j := open(b, b.TempDir(), Options{})
	for n := 0; b.Loop(); n++ {
		if err := j.AppendSync(b.Context(), benchAct(n)); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkList looks for one bulletin in a journal of 100,000 records.
func BenchmarkList(b *testing.B) {
	dir := b.TempDir()
	j := open(b, dir, Options{})
	for n := range 100_000 {
		j.Append(benchAct(n))
	}
	closed(b, j)
	for b.Loop() {
		if len(listed(b, dir, Query{Bulletin: "none"})) > 0 {
			b.Fatal("found")
		}
	}
	b.ReportMetric(100_000*float64(b.N)/b.Elapsed().Seconds(), "records/s")
}
