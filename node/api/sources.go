package api

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/tocsin-exchange/tocsin/node"
	"github.com/tocsin-exchange/tocsin/node/api/intake"
	"github.com/tocsin-exchange/tocsin/node/api/source"
	"github.com/tocsin-exchange/tocsin/protocol"
	"github.com/tocsin-exchange/tocsin/protocol/stix"
	"github.com/tocsin-exchange/tocsin/storage"
	"github.com/tocsin-exchange/tocsin/storage/journal"
)

// This file wires sources: how what they give is said and taken back, and the
// routes about them.

// SourcesAnswer lists the sources and how they are doing.
type SourcesAnswer struct {
	Sources []source.State `json:"sources"`
}

// revokeAtOnce is how many objects are taken back in one go.
const revokeAtOnce = 500

func newSources(d *Door) *source.Sources {
	return source.New(source.Services{
		Store: d.node.Store(), Say: d.sourceSay, Withdraw: d.sourceWithdraw, Dialer: outbound, File: d.readFile, Log: d.log,
	})
}

// sourceRoutes are for the socket: they name files of the node's host, and what is
// said in the organisation's name without a person who looks at it.
func (d *Door) sourceRoutes() []route {
	return []route{
		get("/v1/sources", "Which feeds of others are pulled, and how that goes", operate, d.listSources).atHome(),
		post("/v1/sources", "Pull a feed of somebody else's on a schedule", d.addSource).atHome(),
		{method: "DELETE", path: "/v1/sources/{name}", summary: "End a source; what it gave stands", right: operate, local: true, serve: func(w *answerWriter, req *http.Request) error {
			return d.sendDone(w, d.removeSource(req.Context(), req.PathValue("name")))
		}},
		{method: "POST", path: "/v1/sources/{name}/pull", summary: "Ask a source for what is new, now", right: operate, local: true,
			answer: source.Report{}, serve: d.servePull},
	}
}

// sourceTerms are what is said of everything a source gives.
func (d *Door) sourceTerms(c *source.Config) (terms, error) {
	t, err := d.terms(&SubmitRequest{Community: c.Community, TLP: c.TLP, PAP: c.PAP, Group: c.Group, To: c.To, Confidence: c.Confidence,
		Valid: Duration(c.Valid), Tags: []string{c.Tag()}}, "")
	t.role, t.by = string(Operator), c.Tag()
	return t, err
}

// sourceSay says what a file of a source holds: a page of a collection, or an
// event. What has a wider label than the source's, or none, gets that.
func (d *Door) sourceSay(ctx context.Context, c *source.Config, r io.Reader) (source.Said, error) {
	t, err := d.sourceTerms(c)
	if err != nil {
		return source.Said{}, err
	}
	o := t.intake(c.Tag())
	if o.Format = intake.STIX; c.Kind == source.MISP {
		o.Format = intake.MISP
	}
	var said source.Said
	var tally intake.Tally
	_, rows := intake.Read(ctx, r, o)
	b := newBatch()
	say := func() error {
		d.say(ctx, t, b)
		b.count(&tally)
		for _, r := range b.receipts {
			said.IDs = append(said.IDs, r.ID)
		}
		err := b.err
		b = newBatch()
		return err
	}
	for row, err := range rows {
		if err != nil {
			return said, readError(ctx, err)
		}
		narrow(&row, c.TLP)
		if b.add(row); b.full() {
			if err := say(); err != nil {
				return said, err
			}
		}
	}
	err = say()
	said.Accepted, said.Skipped, said.Refused, said.Reasons = tally.Accepted, tally.Skipped, tally.Refused, tally.Reasons
	return said, err
}

// narrow puts a row under a label where its own is wider.
func narrow(row *intake.Row, label protocol.TLP) {
	if row.TLP >= label {
		return
	}
	row.TLP = label
	for i := range row.Drafts {
		row.Drafts[i].Object = withoutTLP(row.Drafts[i].Object)
	}
}

// withoutTLP returns an object without TLP markings: the header carries a
// stricter one.
func withoutTLP(object []byte) []byte {
	var members map[string]jsontext.Value
	var refs []string
	if object == nil || json.Unmarshal(object, &members) != nil || json.Unmarshal(members["object_marking_refs"], &refs) != nil {
		return object
	}
	refs = slices.DeleteFunc(refs, func(id string) bool { _, is := protocol.MarkingTLP(id); return is })
	if delete(members, "object_marking_refs"); len(refs) > 0 {
		text, err := json.Marshal(refs)
		if err != nil {
			return object
		}
		members["object_marking_refs"] = text
	}
	if changed, err := encode(members); err == nil {
		return changed
	}
	return object
}

// sourceWithdraw takes back what a source gave before a moment, by ids of ours or
// of the source's.
func (d *Door) sourceWithdraw(ctx context.Context, c *source.Config, ids []string, before time.Time) (n int, err error) {
	var ours []string
	flush := func() error {
		taken, err := d.node.Revoke(node.WithActor(ctx, c.Tag()), node.Selection{IDs: ours})
		if n, ours = n+len(taken), nil; errors.Is(err, node.ErrNotFound) {
			return nil
		}
		return err
	}
	for _, id := range ids {
		given, err := d.givenAs(c, id, before)
		if err != nil {
			return n, err
		}
		if ours = append(ours, given...); len(ours) >= revokeAtOnce {
			if err := flush(); err != nil {
				return n, err
			}
		}
	}
	if len(ours) > 0 {
		err = flush()
	}
	return n, err
}

// givenAs finds our objects that stand for an id, where the last word on each is
// the source's, under that id, and from before a moment.
func (d *Door) givenAs(c *source.Config, id string, before time.Time) (ids []string, err error) {
	ours := func(h *protocol.Header) bool { return h.Org() == d.node.Org() && h.Kind == protocol.Objects }
	versions, err := d.node.Store().VersionsOfID(id, ours)
	if err != nil {
		return nil, err
	}
	seen := map[string]bool{}
	for _, v := range versions {
		if seen[v.Object.ID] {
			continue
		}
		seen[v.Object.ID] = true
		all, err := d.node.Store().VersionsOfID(v.Object.ID, ours)
		if err != nil || len(all) == 0 {
			return ids, err
		}
		last := slices.MaxFunc(all, func(a, b storage.Version) int {
			return cmp.Or(cmp.Compare(a.Header.Issued, b.Header.Issued), a.Bulletin.Compare(b.Bulletin), cmp.Compare(a.Index, b.Index))
		})
		if isGiven(&last.Object, c.Tag(), id) && protocol.Time(last.Header.Issued).Before(before) {
			ids = append(ids, last.Object.ID)
		}
	}
	return ids, nil
}

// isGiven reports whether an object stands that a source gave under an id.
func isGiven(o *stix.Object, tag, id string) bool {
	return !o.Revoked && slices.Contains(o.Labels, tag) && (o.ID == id || slices.Contains(o.Aliases, id))
}

func (d *Door) listSources(context.Context) (SourcesAnswer, error) {
	list, err := d.sources.List()
	return SourcesAnswer{list}, err
}

// addSource checks at once whether anything may be said under the label.
func (d *Door) addSource(ctx context.Context, c source.Config) (source.Config, error) {
	if err := c.Check(); err != nil {
		return c, sourceError(err)
	}
	if err := mayName(c.URL, c.Allow, c.Plain()); err != nil {
		return c, err
	}
	t, err := d.sourceTerms(&c)
	if err == nil {
		_, err = d.node.Say(ctx, t.issue(t.tlp, nil))
	}
	if err != nil {
		return c, err
	}
	if err := d.node.NoteFirst(ctx, journal.Record{Act: journal.ActPolicy, Rule: "source add " + c.Name, TLP: c.TLP.String(),
		Words: map[string]string{"kind": string(c.Kind)}}); err != nil {
		return c, err
	}
	c, err = d.sources.Add(ctx, c)
	return c, sourceError(err)
}

func (d *Door) removeSource(ctx context.Context, name string) error {
	err := d.sources.Remove(ctx, name)
	if err == nil {
		d.node.NoteDone(ctx, journal.Record{Act: journal.ActPolicy, Rule: "source remove " + name})
	}
	return sourceError(err)
}

func (d *Door) servePull(w *answerWriter, req *http.Request) error {
	report, err := d.sources.Pull(req.Context(), req.PathValue("name"))
	if err != nil {
		return sourceError(err)
	}
	return sendJSON(w, report)
}

func sourceError(err error) error {
	switch {
	case errors.Is(err, source.ErrInvalid), errors.Is(err, source.ErrExists):
		return kindUsage.problem(plain(err, source.ErrInvalid), "")
	case errors.Is(err, source.ErrNotFound):
		return kindNotFound.problem(err.Error(), "`tocsin source list` says which there are")
	case errors.Is(err, source.ErrBusy):
		return kindUnavailable.problem(err.Error(), "`tocsin source list` says how it went once it is over")
	case errors.Is(err, source.ErrAnswer):
		return kindElsewhere.problem(err.Error(), "nothing was taken back; it is asked again on its schedule")
	}
	return err
}

// checkSources has a line for every source that is in trouble.
func (d *Door) checkSources() (checks []Check) {
	list, err := d.sources.List()
	if err != nil {
		return []Check{{"sources", false, err.Error(), ""}}
	}
	for _, s := range list {
		if s.Last.Problem != "" {
			checks = append(checks, Check{"source " + s.Name, false, fmt.Sprintf("pulls that failed in a row: %d, the last at %s: %s", s.Last.Failures, s.Last.At.Format(time.RFC3339), s.Last.Problem),
				"what it gave stands meanwhile; look at " + s.URL})
		}
	}
	return checks
}

// sourceFigures are how sources are doing.
func (d *Door) sourceFigures(send sender) error {
	list, err := d.sources.List()
	for _, s := range list {
		send(prometheus.GaugeValue, float64(s.Last.Failures), "source_failures", "Pulls that failed in a row, up to now.", "source", s.Name)
		if !s.Last.At.IsZero() {
			send(prometheus.GaugeValue, float64(s.Last.At.Unix()), "source_pulled_seconds", "When the last pull began, in Unix time.", "source", s.Name)
		}
	}
	return err
}

// Sources returns the sources and how they are doing; local socket only, as the
// three below.
func (c *Client) Sources(ctx context.Context) ([]source.State, error) {
	answer, err := call[SourcesAnswer](ctx, c, "GET", "/v1/sources", nil)
	return answer.Sources, err
}

// AddSource begins a source.
func (c *Client) AddSource(ctx context.Context, s source.Config) (source.Config, error) {
	return call[source.Config](ctx, c, "POST", "/v1/sources", s)
}

// RemoveSource ends a source. What it gave stands.
func (c *Client) RemoveSource(ctx context.Context, name string) error {
	_, err := call[nothing](ctx, c, "DELETE", "/v1/sources/"+url.PathEscape(name), nil)
	return err
}

// PullSource asks a source for what is new, now.
func (c *Client) PullSource(ctx context.Context, name string) (source.Report, error) {
	return call[source.Report](ctx, c, "POST", "/v1/sources/"+url.PathEscape(name)+"/pull", nil)
}
