package api

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tocsin-exchange/tocsin/node/api/sink"
	"github.com/tocsin-exchange/tocsin/protocol/stix"
	"github.com/tocsin-exchange/tocsin/storage/journal"
	"github.com/tocsin-exchange/tocsin/trust"
	"github.com/tocsin-exchange/tocsin/trust/score"
)

// This file wires sinks: what they read, and the routes about them.

// A SinkRequest begins a sink. What there is already goes to it first, unless it
// is to have only what comes from now on.
type SinkRequest struct {
	sink.Config `json:",inline"`
	Now         bool `json:"now,omitzero"`
}

// A SinkAnswer is a new sink. A webhook's secret is shown here and never again.
type SinkAnswer struct {
	sink.Config `json:",inline"`
	Secret      string `json:"secret,omitempty"`
}

// SinksAnswer lists the sinks and how they are doing.
type SinksAnswer struct {
	Sinks []sink.State `json:"sinks"`
}

// LettersAnswer lists the events that a sink's receiver refused.
type LettersAnswer struct {
	Letters []sink.Letter `json:"letters"`
}

// A LettersRequest says what is to become of them.
type LettersRequest struct {
	Do string `json:"do"` // retry or drop
}

// A LettersDone says how many that was.
type LettersDone struct {
	Letters int `json:"letters"`
}

func newSinks(d *Door) *sink.Sinks {
	return sink.New(sink.Services{
		Store: d.node.Store(), Host: d.node.Identity().Org, Read: d.sinkPage, Dialer: outbound, File: d.readFile, Log: d.log,
	})
}

// sinkRoutes are for the socket: they name files of the node's host, and where
// what it holds goes.
func (d *Door) sinkRoutes() []route {
	return []route{
		get("/v1/sinks", "Where changes are handed on to, and how that goes", operate, d.listSinks).atHome(),
		post("/v1/sinks", "Hand changes on to another system", d.addSink).atHome(),
		{method: "DELETE", path: "/v1/sinks/{name}", summary: "End a sink", right: operate, local: true, serve: func(w *answerWriter, req *http.Request) error {
			return d.sendDone(w, d.removeSink(req.Context(), req.PathValue("name")))
		}},
		{method: "GET", path: "/v1/sinks/{name}/letters", summary: "The events that a sink's receiver refused", right: operate, local: true,
			answer: LettersAnswer{}, serve: d.serveLetters},
		{method: "POST", path: "/v1/sinks/{name}/letters", summary: "Try refused events again, or drop them", right: operate, local: true,
			takes: []string{typeJSON}, limit: smallBody, body: LettersRequest{}, answer: LettersDone{}, serve: d.serveLettersDone},
	}
}

// sinkCaller is whom a sink reads as.
func sinkCaller(c *sink.Config) caller {
	return caller{role: Reader, reader: trust.Reader{Clearance: c.Clearance, PAP: c.PAP}}
}

// sinkPage is what a sink gets of the changes behind a cursor.
func (d *Door) sinkPage(ctx context.Context, c *sink.Config, after string, wait time.Duration) (sink.Page, error) {
	who := sinkCaller(c)
	at, err := d.spot(after, who)
	var gone *Problem
	if errors.As(err, &gone) && gone.Status == http.StatusGone {
		return sink.Page{Reset: true}, nil
	}
	if err != nil {
		return sink.Page{}, err
	}
	page, at, err := d.sinkEvents(ctx, c, who, at)
	if err != nil || len(page.Events) > 0 || wait == 0 {
		return page, err
	}
	waiting, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	if err := d.node.Store().Wait(waiting, at.arrival); err != nil {
		if errors.Is(err, context.DeadlineExceeded) {
			err = ctx.Err()
		}
		return page, err
	}
	page, _, err = d.sinkEvents(ctx, c, who, at)
	return page, err
}

// sinkEvents reads one page. What does not fit any more is read next time.
func (d *Door) sinkEvents(ctx context.Context, c *sink.Config, who caller, at spot) (page sink.Page, next spot, err error) {
	q := d.query(who)
	tell := sinkPlain
	if c.Tier != "" {
		t := tierSink{d: d, q: q, judges: d.judges(who, q.Now)}
		if t.tier, err = score.ParseTier(c.Tier); err != nil {
			return sink.Page{}, at, err
		}
		tell = t.events
	}
	size, last, full, failed := 0, "", false, error(nil)
	next, err = d.walk(ctx, who, at, sink.MaxBatch, func(change Change, o *stix.Object) {
		if full = full || size > sink.MaxBytes || len(page.Events) >= sink.MaxBatch; full || failed != nil {
			return
		}
		if last = change.Cursor; change.Drill != "" {
			return
		}
		events, err := tell(change, o)
		failed = err
		for i := range events {
			size += len(events[i].JSON)
			events[i].More = i < len(events)-1
		}
		page.Events = append(page.Events, events...)
	})
	if err := cmp.Or(err, failed); err != nil {
		return sink.Page{}, at, err
	}
	if page.Cursor = last; !full {
		page.Cursor = d.cursor(next, who)
	}
	return page, next, nil
}

// sinkPlain is a change as a sink without a tier hands it on.
func sinkPlain(change Change, _ *stix.Object) ([]sink.Event, error) {
	e := sinkEvent(&change)
	var err error
	e.JSON, err = encode(change)
	return []sink.Event{e}, err
}

// sinkEvent is what those who do not read JSON are told of a change.
func sinkEvent(change *Change) sink.Event {
	e := sink.Event{
		Op: change.Op, Cursor: change.Cursor, Object: change.ID, Values: change.Values, Org: change.Org, TLP: change.TLP,
		Confidence: neverStated, Issued: change.Issued, Expires: change.Expires, Description: change.Description,
	}
	if len(e.Values) == 0 && change.Value != "" {
		e.Values = []stix.Observable{{Type: change.Type, Value: change.Value}}
	}
	if change.Confidence != nil {
		e.Confidence = *change.Confidence
	}
	return e
}

func (d *Door) listSinks(context.Context) (SinksAnswer, error) {
	list, err := d.sinks.List()
	return SinksAnswer{list}, err
}

func (d *Door) addSink(ctx context.Context, r SinkRequest) (SinkAnswer, error) {
	if err := r.Config.Check(); err != nil {
		return SinkAnswer{}, sinkError(err)
	}
	if err := mayName(r.URL, r.Allow, r.Plain()); err != nil {
		return SinkAnswer{}, err
	}
	after := ""
	if r.Now {
		who := sinkCaller(&r.Config)
		at, err := d.spot("now", who)
		if err != nil {
			return SinkAnswer{}, err
		}
		after = d.cursor(at, who)
	}
	if err := d.node.NoteFirst(ctx, journal.Record{Act: journal.ActExport, Rule: "sink add " + r.Name, TLP: r.Clearance.String(),
		Words: map[string]string{"kind": string(r.Kind), "pap": r.PAP.String()}}); err != nil {
		return SinkAnswer{}, err
	}
	c, secret, err := d.sinks.Add(ctx, r.Config, after)
	return SinkAnswer{c, secret}, sinkError(err)
}

func (d *Door) removeSink(ctx context.Context, name string) error {
	err := d.sinks.Remove(ctx, name)
	if err == nil {
		d.node.NoteDone(ctx, journal.Record{Act: journal.ActExport, Rule: "sink remove " + name})
	}
	return sinkError(err)
}

func (d *Door) serveLetters(w *answerWriter, req *http.Request) error {
	list, err := d.sinks.Dead(req.PathValue("name"))
	if err != nil {
		return sinkError(err)
	}
	return sendJSON(w, LettersAnswer{append([]sink.Letter{}, list...)})
}

func (d *Door) serveLettersDone(w *answerWriter, req *http.Request) error {
	var r LettersRequest
	if err := decodeJSON(req, &r); err != nil {
		return err
	}
	do := d.sinks.Retry
	switch r.Do {
	case "retry":
	case "drop":
		do = d.sinks.Drop
	default:
		return kindUsage.errorf("do %q: retry or drop", shown(r.Do))
	}
	n, err := do(req.Context(), req.PathValue("name"))
	if err != nil {
		return sinkError(err)
	}
	return sendJSON(w, LettersDone{n})
}

func sinkError(err error) error {
	switch {
	case errors.Is(err, sink.ErrInvalid), errors.Is(err, sink.ErrExists):
		return kindUsage.problem(strings.TrimPrefix(err.Error(), sink.ErrInvalid.Error()+": "), "")
	case errors.Is(err, sink.ErrNotFound):
		return kindNotFound.problem(err.Error(), "`tocsin sink list` says which there are")
	}
	return err
}

// readFile reads a file that the operator named, where the node was given a way to.
func (d *Door) readFile(path string, secret bool) ([]byte, error) {
	if d.files == nil {
		return nil, fmt.Errorf("%s: this node reads no files", path)
	}
	return d.files(path, secret)
}

// checkSinks has a line for every sink that is in trouble.
func (d *Door) checkSinks() (checks []Check) {
	list, err := d.sinks.List()
	if err != nil {
		return []Check{{"sinks", false, err.Error(), ""}}
	}
	for _, s := range list {
		if s.Failures > 0 {
			checks = append(checks, Check{"sink " + s.Name, false, fmt.Sprintf("takes nothing since %s, tries: %d: %s", s.Since.Format(time.RFC3339), s.Failures, s.Problem),
				"it is tried again by itself, and nothing is lost; look at " + s.URL})
		}
		if s.Dead > 0 {
			checks = append(checks, Check{"sink " + s.Name, false, fmt.Sprintf("events that its receiver refused: %d", s.Dead), "`tocsin sink dead " + s.Name + "` says why"})
		}
	}
	return checks
}

// sinkFigures are how sinks are doing.
func (d *Door) sinkFigures(send sender) error {
	list, err := d.sinks.List()
	for _, s := range list {
		send(prometheus.CounterValue, float64(s.Delivered), "sink_delivered_total", "Events handed on since the start.", "sink", s.Name)
		send(prometheus.GaugeValue, float64(s.Failures), "sink_failures", "Failures in a row, up to now.", "sink", s.Name)
		send(prometheus.GaugeValue, float64(s.Dead), "sink_dead_letters", "Events that the receiver refused.", "sink", s.Name)
	}
	return err
}

// Sinks returns the sinks and how they are doing; local socket only, as the four
// below.
func (c *Client) Sinks(ctx context.Context) ([]sink.State, error) {
	answer, err := call[SinksAnswer](ctx, c, "GET", "/v1/sinks", nil)
	return answer.Sinks, err
}

// AddSink begins a sink.
func (c *Client) AddSink(ctx context.Context, r SinkRequest) (SinkAnswer, error) {
	return call[SinkAnswer](ctx, c, "POST", "/v1/sinks", r)
}

// RemoveSink ends a sink, at once.
func (c *Client) RemoveSink(ctx context.Context, name string) error {
	_, err := call[nothing](ctx, c, "DELETE", "/v1/sinks/"+url.PathEscape(name), nil)
	return err
}

// Letters returns the events that a sink's receiver refused.
func (c *Client) Letters(ctx context.Context, name string) ([]sink.Letter, error) {
	answer, err := call[LettersAnswer](ctx, c, "GET", "/v1/sinks/"+url.PathEscape(name)+"/letters", nil)
	return answer.Letters, err
}

// DoLetters has refused events tried again ("retry") or dropped ("drop"), and
// returns how many there were.
func (c *Client) DoLetters(ctx context.Context, name, do string) (int, error) {
	done, err := call[LettersDone](ctx, c, "POST", "/v1/sinks/"+url.PathEscape(name)+"/letters", LettersRequest{do})
	return done.Letters, err
}
