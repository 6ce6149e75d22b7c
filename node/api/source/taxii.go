package source

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

const (
	typeTAXII  = "application/taxii+json;version=2.1"
	pageLimit  = "1000"
	addedLast  = "X-Taxii-Date-Added-Last"
	maxObjects = 100_000 // of a page
)

// An envelope is one page of a collection.
type envelope struct {
	More    bool             `json:"more"`
	Next    string           `json:"next"`
	Objects []jsontext.Value `json:"objects"`
}

// parseEnvelope reads a page, and the ids of what it holds and of what is revoked
// in it. Objects that are none are left to the import to refuse.
func parseEnvelope(page []byte) (e envelope, ids, revoked []string, err error) {
	if err := json.Unmarshal(page, &e); err != nil {
		return e, nil, nil, fmt.Errorf("%w: no TAXII envelope: %v", ErrAnswer, err)
	}
	switch {
	case len(e.Objects) > maxObjects:
		return e, nil, nil, fmt.Errorf("%w: a page of %d objects, at most %d", ErrAnswer, len(e.Objects), maxObjects)
	case len(e.Next) > maxCursor:
		return e, nil, nil, fmt.Errorf("%w: a next of %d bytes, at most %d", ErrAnswer, len(e.Next), maxCursor)
	}
	for _, raw := range e.Objects {
		var o struct {
			ID      string `json:"id"`
			Revoked bool   `json:"revoked"`
		}
		if json.Unmarshal(raw, &o) != nil || o.ID == "" {
			continue
		}
		if ids = append(ids, o.ID); o.Revoked {
			revoked = append(revoked, o.ID)
		}
	}
	return e, ids, revoked, nil
}

// pageURL is where the next page is.
func (p *pull) pageURL() string {
	q := url.Values{"limit": {pageLimit}}
	if p.rec.AddedAfter != "" {
		q.Set("added_after", p.rec.AddedAfter)
	}
	if p.rec.Next != "" {
		q.Set("next", p.rec.Next)
	}
	return strings.TrimSuffix(p.rec.URL, "/") + "/collections/" + url.PathEscape(p.rec.Collection) + "/objects/?" + q.Encode()
}

// taxii reads pages until there is no more. Where it is after each of them is
// kept with the record. What is asked for when nothing came is asked for again with
// what the server said of that page, where it said something.
func (p *pull) taxii(ctx context.Context) error {
	last, resumed, first := "", p.rec.Next != "", p.pageURL()
	for range MaxPages {
		e, added, err := p.page(ctx)
		if errors.Is(err, errUnchanged) {
			return nil
		}
		if resumed && err != nil && p.rec.Next != "" { // a next that the server has forgotten
			p.rec.Next, resumed = "", false
			continue
		}
		if err != nil {
			return err
		}
		resumed = false
		if added != "" {
			last = added
		}
		switch {
		case e.More && (e.Next == "" || e.Next == p.rec.Next || len(e.Objects) == 0):
			return fmt.Errorf("%w says that there is more, and not where", ErrAnswer)
		case e.More:
			p.rec.Next = e.Next
		default:
			p.rec.Next = ""
			if last != "" {
				p.rec.AddedAfter = last
			}
			if p.pageURL() == first {
				p.rec.ETag, p.rec.Modified = p.report.etag, p.report.modified
			}
		}
		if err := p.s.records.save(ctx, p.rec); err != nil || !e.More {
			return err
		}
	}
	return fmt.Errorf("%w: more than %d pages; the next pull goes on there", ErrAnswer, MaxPages)
}

// errUnchanged is a page that is as it was when nothing came behind it.
var errUnchanged = errors.New("unchanged")

// page takes one page in.
func (p *pull) page(ctx context.Context) (e envelope, added string, err error) {
	resp, err := p.news(ctx, p.pageURL(), typeTAXII)
	switch {
	case err != nil:
		return e, "", err
	case resp == nil:
		return e, "", errUnchanged
	}
	p.rec.ETag, p.rec.Modified = "", "" // the next page is another
	defer resp.Body.Close()
	b, err := body(resp)
	if err != nil {
		return e, "", err
	}
	if kind, _, err := mime.ParseMediaType(resp.Header.Get("Content-Type")); err != nil || kind != "application/taxii+json" {
		return e, "", fmt.Errorf("%w answers with %q, which is not TAXII 2.1", ErrAnswer, resp.Header.Get("Content-Type"))
	}
	e, ids, revoked, err := parseEnvelope(b)
	if err != nil {
		return e, "", err
	}
	before := time.Now().Truncate(time.Millisecond)
	if len(e.Objects) > 0 {
		said, err := p.s.Say(ctx, &p.rec.Config, bytes.NewReader(b))
		if err != nil {
			return e, "", err
		}
		p.report.add(said)
	}
	// Of an object that came again only what was said just now stands: its values
	// may be others, or it may say none any more.
	n, err := p.s.Withdraw(ctx, &p.rec.Config, ids, before)
	if err != nil {
		return e, "", err
	}
	gone, err := p.s.Withdraw(ctx, &p.rec.Config, revoked, time.Now().Add(time.Hour))
	p.report.Withdrawn += n + gone
	return e, dateAdded(resp.Header), err
}

// dateAdded is the server's word for where a page ends; "" where it gives none.
func dateAdded(h http.Header) string {
	text := h.Get(addedLast)
	if _, err := time.Parse(time.RFC3339Nano, text); err != nil {
		return ""
	}
	return text
}
