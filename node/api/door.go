package api

import (
	"log/slog"
	"net/http"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"

	"github.com/tocsin-exchange/tocsin/node"
	"github.com/tocsin-exchange/tocsin/node/api/crowdsec"
	"github.com/tocsin-exchange/tocsin/node/api/feed"
	"github.com/tocsin-exchange/tocsin/node/api/sink"
	"github.com/tocsin-exchange/tocsin/node/api/source"
	"github.com/tocsin-exchange/tocsin/node/api/taxii"
	"github.com/tocsin-exchange/tocsin/protocol"
	"github.com/tocsin-exchange/tocsin/trust"
)

// Config is what a door is made of.
type Config struct {
	Node  *node.Node
	Hosts []string // names of this node besides loopback and the addresses requests come to
	Log   *slog.Logger

	// Loopback is the strictest label that programs of this host see in feeds
	// without a token; none where it is not set.
	Loopback protocol.TLP

	Policy PolicyFiles
	Audit  Journal
	Files  func(path string, secret bool) ([]byte, error) // reads secrets and certificates of sinks and sources
}

// A Door answers requests about one node. It holds nothing but the node: it
// needs no closing. Requests that go on for long end with their context.
type Door struct {
	node     *node.Node
	hosts    map[string]bool
	log      *slog.Logger
	origin   *http.CrossOriginProtection
	cursors  cursors
	looked   *lru.Cache[reach, uint64] // how far the store was looked through behind a mark
	loopback protocol.TLP              // see Config
	metrics  *metrics
	shelves  [node.WholeRecord + 1]*feed.Shelf // by the record that judgements go by
	kept     *renderings
	bouncers crowdsec.Keys
	past     pastBans
	policy   PolicyFiles
	journal  Journal
	sinks    *sink.Sinks
	sources  *source.Sources
	files    func(path string, secret bool) ([]byte, error)
	taxii    *taxii.Server
	routes   []route
	mux      *http.ServeMux // finds the route; what it serves is in routes
}

// New makes the door of a node.
func New(c Config) *Door {
	d := &Door{
		node: c.Node, log: c.Log, loopback: c.Loopback, policy: c.Policy, journal: c.Audit, hosts: map[string]bool{}, origin: http.NewCrossOriginProtection(),
		cursors: newCursors(c.Node.Store().ID()), shelves: newShelves(c.Node), kept: newRenderings(), mux: http.NewServeMux(),
	}
	var err error
	if d.looked, err = lru.New[reach, uint64](maxReaches); err != nil {
		panic(err) // the size is above zero
	}
	for _, h := range c.Hosts {
		d.hosts[hostName(h)] = true
	}
	d.files = c.Files
	d.taxii = newTAXII(c.Node)
	d.sinks, d.sources = newSinks(d), newSources(d)
	d.metrics = newMetrics(d)
	d.routes = slices.Concat(d.table(), d.policyRoutes(), d.auditRoutes(), d.whyRoutes(), d.sightRoutes(), d.fetchRoutes(), d.decisionRoutes(), d.feedRoutes(), d.taxiiRoutes(), d.reviewRoutes(), d.sinkRoutes(), d.sourceRoutes())
	for i := range d.routes {
		r := &d.routes[i]
		d.mux.HandleFunc(r.pattern(), func(w http.ResponseWriter, req *http.Request) { d.answer(w.(*answerWriter), req, r) })
	}
	return d
}

// Local is the handler for the local socket: whoever gets there is the
// operator, unless it shows a token, and then it is who that token is for. The
// operator may see all but RED, which is for the persons it names.
func (d *Door) Local() http.Handler {
	operator := caller{role: Operator, reader: trust.Reader{Clearance: protocol.AmberStrict, PAP: protocol.PAPRed}, local: true}
	return d.handler(func(req *http.Request) (caller, error) {
		if !shows(req) {
			return operator, nil
		}
		who, err := d.bearer(req)
		who.local = true
		return who, err
	})
}

// Remote is the handler for TCP: a bearer token says who the caller is.
func (d *Door) Remote() http.Handler { return d.handler(d.bearer) }

// An answerWriter is a ResponseWriter that remembers its status, knows who
// asks, and never lets a slow reader hold it for long.
type answerWriter struct {
	http.ResponseWriter
	control *http.ResponseController
	who     func(*http.Request) (caller, error)
	caller  caller
	route   string
	refuse  func(http.ResponseWriter, *Problem) // the route's way to tell a failure; nil: as problem details
	status  int
}

// slowest is how long one write may take, and one read of an import.
const slowest = time.Minute

func (w *answerWriter) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
		w.hurry()
		w.ResponseWriter.WriteHeader(status)
	}
}

func (w *answerWriter) Write(b []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	w.hurry()
	return w.ResponseWriter.Write(b)
}

// hurry gives the next write its time. In process there is none, nor a need.
func (w *answerWriter) hurry() { w.control.SetWriteDeadline(time.Now().Add(slowest)) }

// Unwrap lets http.ResponseController find what the server's writer can do.
func (w *answerWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (d *Door) handler(who func(*http.Request) (caller, error)) http.Handler {
	return http.HandlerFunc(func(rw http.ResponseWriter, req *http.Request) {
		w := &answerWriter{ResponseWriter: rw, control: http.NewResponseController(rw), who: who, route: "none"}
		begun := time.Now()
		defer func() { d.metrics.count(w.route, req.Method, w.status, time.Since(begun)) }()
		defer d.recover(w, req)
		h := w.Header()
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Cache-Control", "no-store")
		h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
		if strings.HasPrefix(req.URL.Path, taxiiPath+"/") {
			w.refuse = refuseTAXII
		}
		if err := d.find(w, req); err != nil {
			d.fail(w, req, err)
		}
	})
}

// recover turns a panic into an internal error, or cuts off an answer that has
// begun. net/http's own way to abort passes through.
func (d *Door) recover(w *answerWriter, req *http.Request) {
	p := recover()
	switch {
	case p == nil:
		return
	case p == http.ErrAbortHandler:
		panic(p)
	}
	d.log.Error("panic in a request", "route", w.route, "panic", p, "stack", string(debug.Stack()))
	if w.status != 0 {
		panic(http.ErrAbortHandler)
	}
	kindInternal.problem("internal error", "the node's log says more").write(w)
}

// fail answers with the problem an error is, unless the answer has begun.
func (d *Door) fail(w *answerWriter, req *http.Request, err error) {
	p := problemOf(err)
	if p.Status == http.StatusInternalServerError {
		d.log.Error("request failed", "route", w.route, "err", err)
	}
	if w.status != 0 {
		panic(http.ErrAbortHandler) // the caller must not take what it has for the whole
	}
	if w.refuse != nil {
		w.refuse(w, p)
		return
	}
	p.write(w)
}
