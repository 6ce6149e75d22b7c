package main

import (
	"flag"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tocsin-exchange/tocsin/node/api"
	"github.com/tocsin-exchange/tocsin/protocol"
)

var (
	namedBulletins = flag.Int("named.bulletins", 2000, "bulletins of one value that BenchmarkNamedDelivery says to two organisations")
	namedFeed      = flag.Int("named.feed", 100_000, "indicators that BenchmarkNamedImport imports under AMBER, and under GREEN")
)

const (
	namedWithin = 5 * time.Minute
	idleFor     = 10 * time.Second
)

// BenchmarkNamedDelivery says bulletins of one value under AMBER to two
// organisations and ends when both have signed for all of them.
//
//	said-ms    until the last was acknowledged
//	signed-ms  until the last receipt was here
//	idle-cpu   processor seconds of all three in ten idle seconds afterwards
func BenchmarkNamedDelivery(b *testing.B) {
	binary := buildBinary(b)
	var said, signed, idle time.Duration
	for b.Loop() {
		bank, hospital := newPair(b, binary)
		vendor := newProcess(b, binary, "vendor", "tcp")
		vendor.joins(bank)
		bank.meets(2)
		began := time.Now()
		last := sayNamed(b, bank, *namedBulletins, "hospital", "vendor")
		said += time.Since(began)
		for _, id := range last {
			bank.awaitSigned(id)
		}
		for _, p := range []*process{hospital, vendor} {
			if n := p.status().Objects; n != *namedBulletins {
				b.Errorf("%s holds %d of %d objects", p.dir, n, *namedBulletins)
			}
		}
		signed += time.Since(began)
		idle += idleCPU(b, bank, hospital, vendor)
		for _, p := range []*process{bank, hospital, vendor} {
			p.terminate()
		}
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(float64(said.Milliseconds())/float64(b.N), "said-ms")
	b.ReportMetric(float64(signed.Milliseconds())/float64(b.N), "signed-ms")
	b.ReportMetric(idle.Seconds()/float64(b.N), "idle-cpu")
}

// sayNamed says bulletins of one value and returns the last of each client.
func sayNamed(b *testing.B, p *process, count int, to ...string) (last []protocol.ID) {
	b.Helper()
	client := api.Unix(p.dir.socket())
	defer client.HTTP.CloseIdleConnections()
	last = make([]protocol.ID, min(count, 16))
	var wg sync.WaitGroup
	for w := range last {
		wg.Go(func() {
			for i := w; i < count; i += len(last) {
				answer, err := client.Submit(b.Context(), api.SubmitRequest{TLP: protocol.Amber, To: to, Values: []string{fmt.Sprintf("named%d.example", i)}})
				if err != nil || len(answer.Receipts) != 1 {
					b.Errorf("%+v, %v", answer, err)
					return
				}
				last[w] = answer.Receipts[0].Bulletin
			}
		})
	}
	wg.Wait()
	return last
}

// awaitSigned waits until all recipients have signed for a bulletin.
func (p *process) awaitSigned(id protocol.ID) {
	p.t.Helper()
	client := api.Unix(p.dir.socket())
	defer client.HTTP.CloseIdleConnections()
	ticker, late := time.NewTicker(askEvery), time.After(namedWithin)
	defer ticker.Stop()
	for {
		d, err := client.Delivery(p.t.Context(), id)
		if err != nil {
			p.t.Fatal(err)
		}
		if d.Receipts != nil && d.Receipts.Of > 0 && d.Receipts.Signed == d.Receipts.Of {
			return
		}
		select {
		case <-ticker.C:
		case <-late:
			p.t.Fatalf("not within %s: receipts for %s; last: %+v", namedWithin, id, d)
		}
	}
}

// idleCPU is the processor time that daemons take while nothing happens.
func idleCPU(b *testing.B, all ...*process) (took time.Duration) {
	b.Helper()
	<-time.After(quiet)
	for _, p := range all {
		took -= p.cpu()
	}
	<-time.After(idleFor)
	for _, p := range all {
		took += p.cpu()
	}
	return took
}

// cpu is the processor time that the daemon has taken, where the system tells it.
func (p *process) cpu() time.Duration {
	p.t.Helper()
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.cmd.Process.Pid))
	if err != nil {
		p.t.Skip("the system does not tell processor time: ", err)
	}
	fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
	var ticks int
	for _, f := range fields[11:13] { // user and system, in hundredths of a second
		n, err := strconv.Atoi(f)
		if err != nil {
			p.t.Fatal(err)
		}
		ticks += n
	}
	return time.Duration(ticks) * 10 * time.Millisecond
}

// BenchmarkNamedImport imports a list under GREEN and under AMBER, each into a
// new pair of daemons, and ends when the other holds all of it. Then two members
// are asked to destroy one value among all these.
//
//	ms        under AMBER, until the other holds everything
//	green-ms  the same under GREEN
//	ratio     of the two
//	erase-ms  until both others have signed that one of GREEN's is destroyed
//	idle-cpu  as in BenchmarkNamedDelivery, of two, with all of it held under AMBER
func BenchmarkNamedImport(b *testing.B) {
	binary := buildBinary(b)
	feed := madeFeed(b, *namedFeed)
	var green, amber, erase, idle time.Duration
	for b.Loop() {
		bank, hospital := newPair(b, binary)
		green += importNamed(b, bank, hospital, feed, "--tlp", "green")
		vendor := newProcess(b, binary, "vendor", "tcp")
		vendor.joins(bank)
		eventually(b, "the third holds all of it", func() (bool, string) { n := vendor.status().Objects; return n == *namedFeed, fmt.Sprint(n) })
		began := time.Now()
		if _, stdout, stderr := bank.play("erase", "--wait", "1m", "held7.example"); !strings.Contains(stdout, "\nreceipts: 2 of 2 in ") {
			b.Errorf("erase: %s%s", stdout, stderr)
		}
		erase += time.Since(began)
		for _, p := range []*process{bank, hospital, vendor} {
			p.terminate()
		}
		bank, hospital = newPair(b, binary)
		amber += importNamed(b, bank, hospital, feed, "--tlp", "amber", "--to", "hospital")
		idle += idleCPU(b, bank, hospital)
		bank.terminate()
		hospital.terminate()
	}
	n := float64(b.N)
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(float64(amber.Milliseconds())/n, "ms")
	b.ReportMetric(float64(green.Milliseconds())/n, "green-ms")
	b.ReportMetric(amber.Seconds()/green.Seconds(), "ratio")
	b.ReportMetric(float64(erase.Milliseconds())/n, "erase-ms")
	b.ReportMetric(idle.Seconds()/n, "idle-cpu")
}

// importNamed imports a list and waits until the other holds all of it.
func importNamed(b *testing.B, p, other *process, feed string, flags ...string) (took time.Duration) {
	b.Helper()
	began := time.Now()
	p.must(append([]string{"import", feed}, flags...)...)
	ticker, late := time.NewTicker(askEvery), time.After(namedWithin)
	defer ticker.Stop()
	for other.status().Objects < *namedFeed {
		select {
		case <-ticker.C:
		case <-late:
			b.Fatalf("%s holds %d of %d after %s", other.dir, other.status().Objects, *namedFeed, namedWithin)
		}
	}
	return time.Since(began)
}
