package api

import (
	"errors"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/tocsin-exchange/tocsin/protocol"
	"github.com/tocsin-exchange/tocsin/trust"
)

// metrics is the door's own registry: requests are counted as they end, and
// the node and its store are looked at when somebody asks.
type metrics struct {
	door     *Door
	whole    http.Handler // for callers who see figures about everything
	upTo     http.Handler // for all others: nothing that moves with what is above GREEN
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
	// What the last collection of garbage found in use is steadier than what is in memory.
	inUse := collectors.WithGoCollectorRuntimeMetrics(collectors.GoRuntimeMetricsRule{Matcher: regexp.MustCompile(`^/gc/heap/live:bytes$`)})
	handler := func(own prometheus.Collector) http.Handler {
		registry := prometheus.NewRegistry()
		registry.MustRegister(own, m.requests, m.seconds, collectors.NewGoCollector(inUse), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
		return promhttp.HandlerFor(registry, promhttp.HandlerOpts{DisableCompression: true, ErrorHandling: promhttp.HTTPErrorOnError})
	}
	m.whole, m.upTo = handler(collector(m.figures)), handler(collector(m.greenFigures))
	return m
}

// serve gives whoever may not see figures about everything those about the
// process, its connections and gossip alone. A monitor's token sees all where
// nothing else was asked for, and reads nothing.
func (m *metrics) serve(w *answerWriter, req *http.Request) error {
	switch {
	case w.caller.seesWhole():
		m.whole.ServeHTTP(w, req)
	case w.caller.reader.Clearance >= protocol.Green:
		m.upTo.ServeHTTP(w, req)
	default:
		return kindForbidden.problem("these figures count what lies above this token's clearance", "ask the operator for a token cleared for green")
	}
	return nil
}

// A collector is figures looked at when somebody asks. It describes none: what
// the node counts is its own to name.
type collector func(send sender) error

type sender func(kind prometheus.ValueType, value float64, name, help string, labels ...string)

// Describe says nothing.
func (collector) Describe(chan<- *prometheus.Desc) {}

// Collect looks.
func (c collector) Collect(out chan<- prometheus.Metric) {
	err := c(func(kind prometheus.ValueType, value float64, name, help string, labels ...string) {
		desc := prometheus.NewDesc("tocsin_"+name, help, labelNames(labels), nil)
		out <- prometheus.MustNewConstMetric(desc, kind, value, labelValues(labels)...)
	})
	if err != nil {
		out <- prometheus.NewInvalidMetric(prometheus.NewInvalidDesc(err), err)
	}
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

// figures are those of everything but RED.
func (m *metrics) figures(send sender) error {
	n := m.door.node
	for name, count := range n.Counts() {
		send(prometheus.CounterValue, float64(count), name+"_total", "Counted by the node since its start.")
	}
	for name, depth := range n.Queues() {
		send(prometheus.GaugeValue, float64(depth), "queue_depth", "How much waits in a queue.", "queue", name)
	}
	m.peers(send)
	m.door.feedFigures(send)
	st, err := m.door.stats()
	if err := errors.Join(err, m.door.sinkFigures(send), m.door.sourceFigures(send)); err != nil {
		return err
	}
	s := n.Status()
	gaps := 0
	for _, o := range s.Origins {
		if trust.Counted(o.TLP) {
			gaps += o.Gaps
		}
	}
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
		{"store_disk_bytes", "What the store takes on the disk, in whole MiB.", float64(st.DiskBytes)},
		{"store_index_bytes", "What the index takes in memory, about, in whole MiB.", float64(st.IndexBytes)},
		{"store_free_bytes", "What the file system has left for the store, in whole MiB; 0 also where that is not known.", float64(st.Free >> 20 << 20)},
		{"store_read_only", "1 while too little is free: nothing is taken in.", number(st.ReadOnly)},
		{"store_lost_bulletins", "Bulletins that were here and were missing when the store was opened.", float64(st.Lost)},
		{"log_gaps", "Ranges known to be missing of what others said.", float64(gaps)},
		{"log_quarantined", "Organisations quarantined for breaking the log they sign.", float64(len(s.Quarantined))},
		{"certificate_expires_seconds", "When the node's certificate ends, in Unix time.", float64(n.Identity().Expires.Unix())},
		{"store_queue_depth", "Changes that wait to be written.", float64(st.QueueDepth)},
	} {
		send(prometheus.GaugeValue, g.value, g.name, g.help)
	}
	return nil
}

func number(is bool) float64 {
	if is {
		return 1
	}
	return 0
}

func (m *metrics) peers(send sender) {
	connected := 0
	peers := m.door.node.Peers()
	for _, p := range peers {
		if p.Connected {
			connected++
		}
	}
	send(prometheus.GaugeValue, float64(connected), "peers_connected", "Nodes connected.")
	send(prometheus.GaugeValue, float64(len(peers)), "peers_known", "Nodes known.")
}

// greenFigures are those that nothing above GREEN moves: connections and the
// traffic of gossip, nothing of what is held.
func (m *metrics) greenFigures(send sender) error {
	for name, count := range m.door.node.Counts() {
		if strings.HasPrefix(name, "gossip_") || name == "dials" || name == "joins" {
			send(prometheus.CounterValue, float64(count), name+"_total", "Counted by the node since its start.")
		}
	}
	m.peers(send)
	return nil
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
	case <-d.journal.failed():
		return kindUnavailable.problem("the audit journal has failed", "the node's log says more")
	default:
		w.WriteHeader(http.StatusNoContent)
		return nil
	}
}
