package api

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tocsin-exchange/tocsin/node"
	"github.com/tocsin-exchange/tocsin/protocol"
	"github.com/tocsin-exchange/tocsin/storage/journal"
	"github.com/tocsin-exchange/tocsin/trust"
)

// This file serves the audit journal. It tells what the node did with bulletins
// of every label, so it is for auditors and operators who may see figures about
// the whole store. What it tells of RED, to them all: that there was an act, and
// when. The rest of such a record is a keyed hash, by which whoever may see the
// bulletin finds it.

const (
	auditPage = 100
	auditMost = 10_000
)

// Journal is the audit journal, as a door reaches it.
type Journal struct {
	Open     *journal.Journal       // nil: nothing is recorded
	Verified func() *journal.Report // the last look at the whole of it; nil, or returns nil: none yet
}

// failed is closed when the journal cannot be written any more.
func (j *Journal) failed() <-chan struct{} {
	if j.Open == nil {
		return nil
	}
	return j.Open.Failed()
}

// An AuditRecord is one act of the journal, with the names of whom and what it
// concerns as this node calls them now.
type AuditRecord struct {
	journal.Record
	Names map[string]string `json:"names,omitempty"` // of org, peer and community
}

// AuditAnswer is the last records that were asked for, the newest last.
type AuditAnswer struct {
	Records []AuditRecord `json:"records"`
	More    bool          `json:"more,omitzero"`    // there are earlier ones
	Damaged int           `json:"damaged,omitzero"` // lines that cannot be read, and were passed over
}

// An AuditReport is what reading the whole journal found.
type AuditReport journal.Report

func (d *Door) auditRoutes() []route {
	return []route{
		{method: "GET", path: "/v1/audit", summary: "What the node did: the last records of the audit journal, filtered", right: oversee, whole: true,
			query: auditParams(), answer: AuditAnswer{}, serve: d.serveAudit},
		{method: "GET", path: "/v1/audit/verify", summary: "Read the whole audit journal and say what is wrong with it", right: oversee, whole: true,
			query:  []param{{name: "mark", about: "SEQ:HASH that was noted elsewhere and must lie on the chain; may be repeated", many: true}},
			answer: AuditReport{}, serve: d.serveAuditVerify},
		{method: "GET", path: "/v1/audit/export", summary: "The lines of the audit journal as they are, to be verified elsewhere", right: oversee, whole: true,
			query: auditParams()[:2], gives: typeLines, serve: d.serveAuditExport},
	}
}

func auditParams() []param {
	return []param{
		{name: "since", about: "a date, an RFC 3339 time, or a length of time back from now such as 7d"},
		{name: "until", about: "the same; records before it"},
		{name: "act", about: "such as admit, deliver, erase; may be repeated", many: true},
		{name: "actor", about: "whole, as in the records"},
		{name: "org", about: "an organisation: name, key or fingerprint"},
		{name: "peer", about: "a node's libp2p peer id"},
		{name: "community", about: "a community or sharing group: name or id"},
		{name: "bulletin", about: "id"},
		{name: "limit", about: "1 to 10000 records; 100 when left out"},
	}
}

// noJournal is what the routes say where nothing is recorded.
func (d *Door) noJournal() error {
	if d.journal.Open != nil {
		return nil
	}
	return fmt.Errorf("%w: this node keeps no audit journal", node.ErrNotFound)
}

func (d *Door) serveAudit(w *answerWriter, req *http.Request) error {
	if err := d.noJournal(); err != nil {
		return err
	}
	q, err := d.auditQuery(w.caller, req.URL.Query())
	if err != nil {
		return err
	}
	d.noteLook(req)
	limit := q.Limit
	q.Newest, q.Limit = true, limit+1
	answer := AuditAnswer{Records: []AuditRecord{}}
	for r, err := range d.journal.Open.List(q) {
		switch {
		case errors.Is(err, journal.ErrDamaged):
			answer.Damaged++
			continue
		case err != nil:
			return err
		case req.Context().Err() != nil:
			return req.Context().Err()
		}
		if answer.More = len(answer.Records) == limit; answer.More {
			break
		}
		answer.Records = append(answer.Records, d.named(r))
	}
	slices.Reverse(answer.Records)
	return sendJSON(w, answer)
}

// noteLook puts every look at the journal on record, so that whoever looks sees
// all that was done before.
func (d *Door) noteLook(req *http.Request) {
	d.node.NoteDone(req.Context(), journal.Record{Act: node.ActRead, Rule: "GET " + req.URL.Path})
}

// auditQuery reads what is asked for.
func (d *Door) auditQuery(c caller, values url.Values) (q journal.Query, err error) {
	if q.Since, q.Until, err = span(values); err != nil {
		return q, err
	}
	q.Actor, q.Peer = values.Get("actor"), values.Get("peer")
	for _, act := range values["act"] {
		q.Acts = append(q.Acts, journal.Act(act))
	}
	if name := values.Get("org"); name != "" {
		org, err := d.node.Resolve(name, true)
		if err != nil {
			return q, err
		}
		q.Org = org.String()
	}
	if q.Community, err = d.place(values.Get("community")); err != nil {
		return q, err
	}
	if text := values.Get("bulletin"); text != "" {
		var id protocol.ID
		if err := id.UnmarshalText([]byte(text)); err != nil {
			return q, kindUsage.errorf("bulletin: %v", err)
		}
		q.Bulletin = d.recordedAs(c, id)
	}
	q.Limit, err = readLimit(values.Get("limit"), auditPage, auditMost)
	return q, err
}

// span reads since and until.
func span(values url.Values) (since, until time.Time, err error) {
	now := time.Now()
	if since, err = parseSince(values.Get("since"), now); err != nil {
		return since, until, err
	}
	until, err = parseSince(values.Get("until"), now)
	return since, until, err
}

// place returns the id of a community or sharing group.
func (d *Door) place(name string) (string, error) {
	if name == "" {
		return "", nil
	}
	if id, err := d.node.Group(name); err == nil {
		return id.String(), nil
	}
	var id protocol.ID
	if id.UnmarshalText([]byte(name)) == nil { // also one that we have left
		return id.String(), nil
	}
	id, err := d.node.Community(name)
	return id.String(), err
}

// recordedAs is what stands for a bulletin in the journal. Of one under RED
// whoever may not see it finds nothing, as of one that never was.
func (d *Door) recordedAs(c caller, id protocol.ID) string {
	b, _, err := d.node.Store().Header(id)
	if err == nil && !trust.Counted(b.Header.TLP) && d.mayKnow(c, id) == nil {
		return d.node.Blind(id)
	}
	return id.String()
}

// named adds the names that a record's keys and ids have here.
func (d *Door) named(r journal.Record) AuditRecord {
	names := map[string]string{}
	var org protocol.Org
	if r.Org != "" && org.UnmarshalText([]byte(r.Org)) == nil {
		names["org"] = d.node.Name(org)
	}
	if name := d.node.NameOfPeer(r.Peer); name != "" {
		names["peer"] = name
	}
	if r.Community != "" {
		for _, c := range d.node.Communities() {
			if c.ID.String() == r.Community {
				names["community"] = c.Name
			}
		}
		for _, g := range d.node.Groups() {
			if g.ID.String() == r.Community {
				names["community"] = g.Name
			}
		}
	}
	return AuditRecord{r, names}
}

func (d *Door) serveAuditVerify(w *answerWriter, req *http.Request) error {
	if err := d.noJournal(); err != nil {
		return err
	}
	var marks []journal.Mark
	for _, text := range req.URL.Query()["mark"] {
		m, err := ParseMark(text)
		if err != nil {
			return kindUsage.errorf("mark: %v", err)
		}
		marks = append(marks, m)
	}
	d.noteLook(req)
	report, err := d.journal.Open.Verify(marks...)
	if err != nil {
		return err
	}
	return sendJSON(w, AuditReport(report))
}

// ParseMark reads SEQ:HASH.
func ParseMark(text string) (m journal.Mark, err error) {
	seq, hash, _ := strings.Cut(text, ":")
	if m.Seq, err = strconv.ParseUint(seq, 10, 64); err != nil || m.Seq == 0 {
		return m, fmt.Errorf("%.80q: write it as SEQ:HASH, as `tocsin audit verify` prints it", text)
	}
	return m, m.Hash.UnmarshalText([]byte(hash))
}

func (d *Door) serveAuditExport(w *answerWriter, req *http.Request) error {
	if err := d.noJournal(); err != nil {
		return err
	}
	since, until, err := span(req.URL.Query())
	if err != nil {
		return err
	}
	if err := d.node.NoteFirst(req.Context(), journal.Record{Act: journal.ActExport, Rule: "audit journal"}); err != nil {
		return err
	}
	w.Header().Set("Content-Type", typeLines)
	return d.journal.Open.Export(w, journal.Query{Since: since, Until: until})
}

// An AuditQuery chooses records. Empty members choose all.
type AuditQuery struct {
	Since, Until                          string
	Acts                                  []string
	Actor, Org, Peer, Community, Bulletin string
	Limit                                 int
}

// Audit returns the last records that a query chooses, the newest last.
func (c *Client) Audit(ctx context.Context, q AuditQuery) (AuditAnswer, error) {
	values := url.Values{"act": q.Acts}
	for name, value := range map[string]string{
		"since": q.Since, "until": q.Until, "actor": q.Actor, "org": q.Org, "peer": q.Peer, "community": q.Community, "bulletin": q.Bulletin,
	} {
		set(values, name, value)
	}
	setInt(values, "limit", q.Limit)
	return call[AuditAnswer](ctx, c, "GET", "/v1/audit?"+values.Encode(), nil)
}

// VerifyAudit has the node read its whole journal. Marks noted elsewhere must lie
// on its chain.
func (c *Client) VerifyAudit(ctx context.Context, marks ...journal.Mark) (journal.Report, error) {
	values := url.Values{}
	for _, m := range marks {
		values.Add("mark", fmt.Sprintf("%d:%s", m.Seq, m.Hash))
	}
	return call[journal.Report](ctx, c, "GET", "/v1/audit/verify?"+values.Encode(), nil)
}

// ExportAudit copies lines of the journal to w as they are. Whether they are all
// there and whole, [journal.VerifyStream] tells.
func (c *Client) ExportAudit(ctx context.Context, w io.Writer, since, until string) error {
	values := url.Values{}
	set(values, "since", since)
	set(values, "until", until)
	resp, err := c.send(ctx, "GET", "/v1/audit/export?"+values.Encode(), "", nil)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if _, err := io.Copy(w, resp.Body); err != nil {
		return fmt.Errorf("audit export: %w", cut(err))
	}
	return nil
}
