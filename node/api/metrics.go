package api

import (
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// metrics is the door's own registry: requests are counted as they end, and
// the node and its store are looked at when somebody asks.
type metrics struct {
	door     *Door
	handler  http.Handler
	requests *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
}

func newMetrics(d *Door) *metrics {
	m := &metrics{
		door: d,
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "tocsin_http_requests_total", Help: "Requests answered, by route, method and status.",
		}, []string{"route", "method", "status"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "tocsin_http_request_seconds", Help: "How long requests took, streams included.",
			Buckets: []float64{0.001, 0.005, 0.025, 0.1, 0.5, 2.5, 10, 60},
		}, []string{"route"}),
	}
	registry := prometheus.NewRegistry()
	registry.MustRegister(m, m.requests, m.seconds, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	m.handler = promhttp.HandlerFor(registry, promhttp.HandlerOpts{DisableCompression: true, ErrorHandling: promhttp.HTTPErrorOnError})
	return m
}

func (m *metrics) serve(w *answerWriter, req *http.Request) error {
	m.handler.ServeHTTP(w, req)
	return nil
}

// count counts a request. Methods are those of the routes, so that nobody can
// fill the registry with names.
func (m *metrics) count(route, method string, status int, took time.Duration) {
	switch method {
	case "GET", "HEAD", "POST", "DELETE":
	default:
		method = "other"
	}
	m.requests.WithLabelValues(route, method, strconv.Itoa(status)).Inc()
	m.seconds.WithLabelValues(route).Observe(took.Seconds())
}

// Describe says nothing: what the node counts is its own to name.
func (m *metrics) Describe(chan<- *prometheus.Desc) {}

// Collect looks at the node and its store.
func (m *metrics) Collect(out chan<- prometheus.Metric) {
	send := func(kind prometheus.ValueType, value float64, name, help string, labels ...string) {
		desc := prometheus.NewDesc("tocsin_"+name, help, labelNames(labels), nil)
		out <- prometheus.MustNewConstMetric(desc, kind, value, labelValues(labels)...)
	}
	n := m.door.node
	for name, count := range n.Counts() {
		send(prometheus.CounterValue, float64(count), name+"_total", "Counted by the node since its start.")
	}
	for name, depth := range n.Queues() {
		send(prometheus.GaugeValue, float64(depth), "queue_depth", "How much waits in a queue.", "queue", name)
	}
	connected := 0
	peers := n.Peers()
	for _, p := range peers {
		if p.Connected {
			connected++
		}
	}
	send(prometheus.GaugeValue, float64(connected), "peers_connected", "Nodes connected.")
	send(prometheus.GaugeValue, float64(len(peers)), "peers_known", "Nodes known.")
	st := n.Store().Stats()
	for _, g := range []struct {
		name, help string
		value      float64
	}{
		{"store_headers", "Bulletin headers held.", float64(st.Headers)},
		{"store_bodies", "Bulletin bodies held.", float64(st.Bodies)},
		{"store_objects", "STIX objects held, old versions included.", float64(st.Objects)},
		{"store_live_objects", "STIX objects whose newest version stands.", float64(st.Live)},
		{"store_claims", "Values claimed, once for every organisation and scope.", float64(st.Claims)},
		{"store_streams", "Streams of which something is held.", float64(st.Streams)},
		{"store_wanted_bodies", "Bodies known to exist and not here yet.", float64(st.Wanted)},
		{"store_damaged_records", "Records found damaged since the start.", float64(st.Damaged)},
		{"store_disk_bytes", "What the store takes on the disk.", float64(st.DiskBytes)},
		{"store_index_bytes", "What the index takes in memory, about.", float64(st.IndexBytes)},
		{"store_queue_depth", "Changes that wait to be written.", float64(st.QueueDepth)},
		{"store_position", "Highest arrival.", float64(n.Store().Position())},
	} {
		send(prometheus.GaugeValue, g.value, g.name, g.help)
	}
}

func labelNames(pairs []string) (names []string) {
	for i := 0; i < len(pairs); i += 2 {
		names = append(names, pairs[i])
	}
	return names
}

func labelValues(pairs []string) (values []string) {
	for i := 1; i < len(pairs); i += 2 {
		values = append(values, pairs[i])
	}
	return values
}

func serveHealthy(w *answerWriter, _ *http.Request) error {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Write([]byte("ok\n"))
	return nil
}

func (d *Door) serveReady(w *answerWriter, _ *http.Request) error {
	select {
	case <-d.node.Store().Failed():
		return kindUnavailable.problem("the store has failed", "the node's log says more")
	default:
		w.WriteHeader(http.StatusNoContent)
		return nil
	}
}
