package api

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/tocsin-exchange/tocsin/node"
	"github.com/tocsin-exchange/tocsin/protocol"
)

// withheldHeader carries the counts of what an export leaves out, as JSON: the
// archive itself must not tell its readers.
const withheldHeader = "Tocsin-Withheld"

func exportParams() []param {
	return []param{
		{name: "for", about: "organisation that may read the archive: a confirmed name, key or fingerprint; repeat for more", many: true},
		{name: "since", about: "leave out objects that came here before: a date, an RFC 3339 time, or a length of time back from now such as 7d"},
		{name: "community", about: "name or id; left out: all that the organisations share with this node"},
	}
}

// serveExport streams an archive. What is refused is refused before the first
// byte.
func (d *Door) serveExport(w *answerWriter, req *http.Request) error {
	e, err := d.export(req.URL.Query())
	if err != nil {
		return err
	}
	withheld, err := encode(e.Withheld)
	if err != nil {
		return err
	}
	w.Header().Set(withheldHeader, string(withheld))
	w.Header().Set("Content-Type", typeArchive)
	return e.Write(req.Context(), w)
}

func (d *Door) export(q url.Values) (*node.Export, error) {
	var audience []protocol.Org
	for _, name := range q["for"] {
		org, err := d.node.Resolve(name, false)
		if err != nil {
			return nil, err
		}
		audience = append(audience, org)
	}
	if len(audience) == 0 {
		return nil, kindUsage.problem("an archive is for somebody", "name each organisation that may read the medium with for=ORG")
	}
	var community protocol.ID
	if name := q.Get("community"); name != "" {
		var err error
		if community, err = d.node.Community(name); err != nil {
			return nil, err
		}
	}
	since, err := parseSince(q.Get("since"), time.Now())
	if err != nil {
		return nil, err
	}
	return d.node.ExportArchive(audience, community, since)
}

// parseSince reads a moment in the past: a date (UTC), a time, or how long ago.
func parseSince(text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	for _, layout := range []string{time.DateOnly, time.RFC3339} {
		if t, err := time.Parse(layout, text); err == nil {
			if t.After(now) {
				return t, kindUsage.errorf("since %q: it lies in the future", text)
			}
			return t, nil
		}
	}
	ago, err := ParseDuration(text)
	if err != nil {
		return time.Time{}, kindUsage.errorf("since %q: write it like 2026-01-31, 2026-01-31T12:00:00Z or 7d", text)
	}
	return now.Add(-ago), nil
}

// serveUnpack takes in an archive as it streams.
func (d *Door) serveUnpack(w *answerWriter, req *http.Request) error {
	report, err := d.node.ImportArchive(req.Context(), req.Body)
	if err != nil {
		return err
	}
	return sendJSON(w, report)
}

// ExportOptions are the query parameters of GET /v1/archive.
type ExportOptions struct {
	For       []string // organisations that may read the medium
	Since     string   // a date, an RFC 3339 time, or a length of time; "": everything
	Community string   // "": all that the organisations share with the node
}

// An Exported says what an archive holds, and what was left out of it.
type Exported struct {
	For         []string       `json:"for"`
	Communities []string       `json:"communities"`
	Bulletins   int            `json:"bulletins"`
	Bytes       int64          `json:"bytes"`
	Withheld    map[string]int `json:"withheld,omitempty"` // bulletins held by the node, by the rule that keeps them from the audience
}

// ExportArchive writes an archive as it comes. An error means that what was
// written is no whole archive and must not be used.
func (c *Client) ExportArchive(ctx context.Context, w io.Writer, o ExportOptions) (Exported, error) {
	q := url.Values{}
	if len(o.For) > 0 {
		q["for"] = o.For
	}
	set(q, "since", o.Since)
	set(q, "community", o.Community)
	resp, err := c.send(ctx, "GET", "/v1/archive?"+q.Encode(), "", nil)
	if err != nil {
		return Exported{}, err
	}
	defer resp.Body.Close()
	e := Exported{For: o.For, Communities: []string{}}
	if err := json.Unmarshal([]byte(resp.Header.Get(withheldHeader)), &e.Withheld); err != nil {
		return Exported{}, fmt.Errorf("export: header %s: %w", withheldHeader, err)
	}
	in := &countedReader{r: io.TeeReader(resp.Body, w)}
	if err := e.read(in); err != nil {
		return Exported{}, fmt.Errorf("export: %w", err)
	}
	e.Bytes = in.n
	return e, nil
}

// read looks at an archive as it passes, down to its trailer.
func (e *Exported) read(r io.Reader) error {
	a, err := protocol.NewArchiveReader(r)
	if err != nil {
		return err
	}
	for {
		f, err := a.Next()
		switch {
		case err == io.EOF && a.Intact():
			return nil
		case err == io.EOF:
			return errCut
		case err != nil:
			return cut(err)
		case f.Charter != nil:
			charter, err := protocol.DecodeCharter(f.Charter)
			if err != nil {
				return err
			}
			e.Communities = append(e.Communities, charter.Charter.Name)
		default:
			e.Bulletins++
		}
	}
}

type countedReader struct {
	r io.Reader
	n int64
}

func (c *countedReader) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	return n, err
}

// ImportArchive streams an archive to the node, which verifies it and takes in
// what may come in. Damage is no error: the report has it.
func (c *Client) ImportArchive(ctx context.Context, r io.Reader) (report node.ArchiveReport, err error) {
	resp, err := c.send(ctx, "POST", "/v1/archive", typeArchive, struct{ io.Reader }{r})
	if err != nil {
		return report, err
	}
	defer resp.Body.Close()
	if err := json.UnmarshalRead(io.LimitReader(resp.Body, maxAnswer), &report); err != nil {
		return report, fmt.Errorf("import of an archive: %w", cut(err))
	}
	return report, nil
}
