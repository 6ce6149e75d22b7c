package api

import (
	"bytes"
	"cmp"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tocsin-exchange/tocsin/protocol"
)

var (
	benchLines = flag.Int("feeds.lines", 20_000, "lines of the benchmark's list; figures are quoted for 100000")
	benchPolls = flag.Int("feeds.pollers", 50, "pollers at once; figures are quoted for 200")
)

// BenchmarkFeedServed prints what a list of names costs over HTTP on loopback, and
// beside it what net/http alone needs for the same bytes: megabytes a second to one
// reader, how long it takes to hear that nothing has changed, and what all
// pollers at once take of memory, their own ends included.
func BenchmarkFeedServed(b *testing.B) {
	r := member(b)
	r.rule(fmt.Sprintf("[feeds]\ntier = \"observe\"\nlines = %d\n", max(*benchLines, 100_000)))
	for from := 0; from < *benchLines; from += 1000 {
		var values []string
		for i := from; i < min(from+1000, *benchLines); i++ {
			values = append(values, fmt.Sprintf("update-%06d.delivery.example", i))
		}
		r.say(protocol.Green, values...)
	}
	door := newPolled(b, r.door.Remote(), r.token(Reader, protocol.Green))
	first := door.get("")
	tag := first.Header.Get("ETag")
	text := door.text
	if strings.Count(string(text), "\n") != *benchLines {
		b.Fatalf("%d bytes in %d lines", len(text), strings.Count(string(text), "\n"))
	}
	plain := newPolled(b, http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		w.Header().Set("ETag", tag)
		if req.Header.Get("If-None-Match") == tag {
			w.WriteHeader(http.StatusNotModified)
			return
		}
		w.Header().Set("Content-Length", fmt.Sprint(len(text)))
		w.Write(text)
	}), "")
	for b.Loop() {
		for name, p := range map[string]*polled{"door": door, "plain": plain} {
			rate, grown := p.stream(10)
			b.ReportMetric(rate, name+"-MB/s")
			b.ReportMetric(grown, name+"-grown-MiB")
			b.ReportMetric(p.unchanged(tag, 300), name+"-304-ms")
			b.ReportMetric(p.pollers(*benchPolls), name+"-pollers-MiB")
		}
	}
	b.ReportMetric(0, "ns/op")
}

// A polled server and who polls it.
type polled struct {
	testing.TB
	url, token string
	client     *http.Client
	text       []byte
}

func newPolled(tb testing.TB, h http.Handler, token string) *polled {
	s := httptest.NewServer(h)
	tb.Cleanup(s.Close)
	transport := &http.Transport{DisableCompression: true, MaxIdleConnsPerHost: 256}
	tb.Cleanup(transport.CloseIdleConnections)
	return &polled{TB: tb, url: s.URL + "/feeds/domain", token: token, client: &http.Client{Transport: transport}}
}

// get fetches the list, or hears that it is what the tag says.
func (p *polled) get(tag string) *http.Response {
	req, err := http.NewRequest("GET", p.url, nil)
	if err != nil {
		p.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+p.token)
	if tag != "" {
		req.Header.Set("If-None-Match", tag)
	}
	resp, err := p.client.Do(req)
	if err != nil {
		p.Error(err)
		return &http.Response{}
	}
	defer resp.Body.Close()
	var text bytes.Buffer
	var to io.Writer = io.Discard
	if p.text == nil {
		to = &text
	}
	if _, err := io.Copy(to, resp.Body); err != nil || resp.StatusCode != http.StatusOK && resp.StatusCode != http.StatusNotModified {
		p.Errorf("%d %v", resp.StatusCode, err)
	}
	if p.text == nil {
		p.text = text.Bytes()
	}
	return resp
}

// stream fetches the list some times, one after the other: megabytes a second, and
// by how many mebibytes the process grew.
func (p *polled) stream(times int) (rate, grown float64) {
	p.get("")
	before, began, n := resident(p), time.Now(), int64(0)
	for range times {
		n += p.get("").ContentLength
	}
	return float64(n) / 1e6 / time.Since(began).Seconds(), max(0, resident(p)-before)
}

// unchanged is the median of how many milliseconds it takes to hear of no change.
func (p *polled) unchanged(tag string, times int) float64 {
	var took []time.Duration
	for range times {
		began := time.Now()
		if resp := p.get(tag); resp.StatusCode != http.StatusNotModified {
			p.Fatal(resp.Status)
		}
		took = append(took, time.Since(began))
	}
	slices.SortFunc(took, func(a, b time.Duration) int { return cmp.Compare(a, b) })
	return took[len(took)/2].Seconds() * 1000
}

// pollers is by how many mebibytes the process grew when all fetched at once.
func (p *polled) pollers(n int) float64 {
	before := resident(p)
	var all sync.WaitGroup
	for range n {
		all.Go(func() { p.get("") })
	}
	all.Wait()
	return max(0, resident(p)-before)
}

// resident is how many mebibytes of memory the process has.
func resident(tb testing.TB) float64 {
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		tb.Skip("this system does not say how much memory a process has")
	}
	var kib float64
	_, rest, _ := strings.Cut(string(text), "VmRSS:")
	if _, err := fmt.Sscanf(rest, "%f kB", &kib); err != nil {
		tb.Fatal(err)
	}
	return kib / 1024
}
