package taxii

import (
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/tocsin-exchange/tocsin/protocol"
	"github.com/tocsin-exchange/tocsin/storage"
)

var benchObjects = flag.Int("taxii.objects", 20_000, "objects in the benchmark's store; figures are quoted for 1000000")

// benchDesk is a desk whose store has so many indicators, a thousand a bulletin.
func benchDesk(b *testing.B, n int) *desk {
	d := newDesk(b)
	d.speak["bank"] = newSpeaker("bank")
	for from := 0; from < n; from += 1000 {
		var objects []string
		for i := from; i < min(from+1000, n); i++ {
			at := start.Add(time.Duration(i) * time.Second).Format(stamped)
			objects = append(objects, fmt.Sprintf(`{"type":"indicator","spec_version":"2.1","id":"indicator--%08d-0000-5000-8000-000000000000","created":"%s","modified":"%[2]s","description":"as seen in a sinkhole","confidence":80,`+
				`"pattern":"[domain-name:value = 'update-%[1]d.example']","pattern_type":"stix","valid_from":"%[2]s","labels":["c2","stage-1"]}`, i, at))
		}
		d.keep(d.speak["bank"].sign(b, saying{tlp: protocol.Green}, objects...))
	}
	return d
}

// BenchmarkTAXII prints what a page of 1,000 takes over HTTP at the beginning, in
// the middle and at the end, what a poll takes that brings nothing, and beside each
// what net/http takes for the same bytes.
func BenchmarkTAXII(b *testing.B) {
	d := benchDesk(b, *benchObjects)
	serve := func(query string) []byte {
		p, err := d.ask(newest(), community, OfObjects, "", anyone, query)
		if err != nil {
			b.Error(err)
		}
		return p.AppendJSON(nil)
	}
	answers := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) { w.Write(serve(req.URL.RawQuery)) }))
	defer answers.Close()
	latest := d.store.Latest()
	for _, row := range []struct{ name, query string }{
		{"first", ""}, {"middle", "added_after=" + stamp(d.momentOf(b, *benchObjects/2))}, {"last", "added_after=" + stamp(d.momentOf(b, *benchObjects-1001))},
		{"nothing-new", "added_after=" + stamp(latest)},
	} {
		body := serve(row.query)
		if n := strings.Count(string(body), `"pattern"`); row.name != "nothing-new" && n < 990 || row.name == "nothing-new" && n > 0 {
			b.Fatalf("%s: %d indicators", row.name, n)
		}
		plain := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Write(body) }))
		for _, way := range []struct{ name, url string }{{"taxii", answers.URL + "/?" + row.query}, {"net-http", plain.URL}} {
			b.Run(row.name+"/"+way.name, func(b *testing.B) {
				b.SetBytes(int64(len(body)))
				b.ReportAllocs()
				for b.Loop() {
					fetch(b, way.url)
				}
			})
		}
		plain.Close()
	}
}

// momentOf is when the n-th object arrived.
func (d *desk) momentOf(b *testing.B, n int) storage.Moment {
	for body := range d.store.Since(0, storage.Query{}) {
		if n < int(body.Header.Count) {
			return body.Moment + storage.Moment(n)
		}
		n -= int(body.Header.Count)
	}
	b.Fatal("there are not so many")
	return 0
}

func fetch(b *testing.B, url string) {
	resp, err := http.Get(url)
	if err != nil {
		b.Fatal(err)
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil || resp.StatusCode != http.StatusOK {
		b.Fatal(resp.Status, err)
	}
}
