package api

import (
	"bytes"
	"cmp"
	"context"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/tocsin-exchange/tocsin/node/api/intake"
	"github.com/tocsin-exchange/tocsin/node/api/taxii"
	"github.com/tocsin-exchange/tocsin/protocol"
	"github.com/tocsin-exchange/tocsin/storage/journal"
)

// This file says what is posted over TAXII, and under which label.

func (d *Door) taxiiStatus(w *answerWriter, req *http.Request) error {
	if _, err := rootOf(req); err != nil {
		return err
	}
	status, err := d.taxii.Status(req.Context(), req.PathValue("id"), w.caller.token, time.Now(), d.fateOf)
	if err != nil {
		return err
	}
	return sendResource(w, req, http.StatusOK, status)
}

// taxiiPost says the objects of an envelope or a bundle to a community.
func (d *Door) taxiiPost(w *answerWriter, req *http.Request) error {
	root, c, err := d.collectionOf(req)
	if err != nil {
		return err
	}
	bundle, ok := taxii.Content(req.Header.Get("Content-Type"))
	switch {
	case !ok:
		return kindMediaType.errorf("Content-Type %q: send %s, or a bundle as %s, of version 2.1", req.Header.Get("Content-Type"), taxii.TypeTAXII, taxii.TypeSTIX)
	case !c.Writable(&root):
		return kindForbidden.problem("nothing can be posted to this collection", "post to that of a community, in the API root tlp2")
	}
	objects, err := taxii.ReadObjects(req.Body, bundle)
	if err != nil {
		return err
	}
	t, err := d.mayTerms(req.Context(), w.caller, &SubmitRequest{TLP: c.Post, Community: c.Community.String()})
	if err != nil {
		return err
	}
	now := time.Now()
	status, held, err := d.sayObjects(req.Context(), t, objects)
	if err != nil {
		return err
	}
	if status, err = d.taxii.Keep(req.Context(), w.caller.token, status, held, now); err != nil {
		return err
	}
	return sendResource(w, req, http.StatusAccepted, status)
}

// fateOf says what has become of an object that waited for a person.
func (d *Door) fateOf(held string, detail *taxii.StatusDetail, since time.Time) taxii.Fate {
	var id protocol.ID
	if id.UnmarshalText([]byte(held)) == nil && d.node.Awaits(id) {
		return taxii.Waits
	}
	var said bool
	if detail.Message, said = d.saidAs(detail.ID, since); said {
		return taxii.Said
	}
	detail.Message = "a person declined it"
	return taxii.Declined
}

// sayObjects says STIX objects the way an import does. Of those that wait for a
// person it returns what each is held as.
func (d *Door) sayObjects(ctx context.Context, t terms, objects []jsontext.Value) (status taxii.StatusResource, held []string, err error) {
	var text bytes.Buffer
	for i, o := range objects {
		text.WriteByte("[,"[min(i, 1)])
		text.Write(o)
	}
	text.WriteByte(']')
	o := t.intake("body")
	o.Format = intake.STIX
	_, rows := intake.Read(ctx, &text, o)
	b := newBatch()
	for row, err := range rows {
		if err != nil {
			return status, nil, readError(ctx, err)
		}
		b.add(row)
	}
	d.say(ctx, t, b)
	status, held = d.statusOf(b, objects)
	return status, held, b.err
}

// statusOf tells of each object of a batch that was said what became of it.
func (d *Door) statusOf(b *batch, objects []jsontext.Value) (status taxii.StatusResource, held []string) {
	heldAs := map[int]string{}
	for _, h := range b.held {
		for _, row := range h.Index {
			heldAs[row] = h.ID.String()
		}
	}
	said := map[taxii.StatusDetail]bool{}
	for i := range b.rows {
		row := &b.rows[i]
		at := objectIndex(row.Place, i)
		if at >= len(objects) {
			continue
		}
		list, detail := &status.Successes, taxii.DetailOf(objects[at], at, "")
		again := said[detail]
		said[detail] = true
		detail.Message = row.Note
		switch {
		case b.waits[i]:
			list, detail.Message, held = &status.Pendings, row.Skipped, append(held, heldAs[i])
		case row.Refused != "":
			list, detail.Message = &status.Failures, row.Refused
		case row.Skipped != "" && !again && !strings.HasPrefix(detail.ID, "marking-definition--"):
			list, detail.Message = &status.Failures, row.Skipped
		case row.Skipped == "":
			as, _ := d.saidAs(detail.ID, time.Time{})
			detail.Message = cmp.Or(detail.Message, as)
		}
		*list = append(*list, detail)
	}
	return status, held
}

// saidAs reports whether our organisation has said an object since a moment, and
// under which id where that is not the one it came with.
func (d *Door) saidAs(id string, since time.Time) (as string, said bool) {
	self, from := d.node.Org(), protocol.Millis(since)
	list, _ := d.node.Store().VersionsOfID(id, func(h *protocol.Header) bool { return h.Org() == self && (since.IsZero() || h.Issued >= from) })
	n := len(list)
	if n > 0 && list[n-1].Object.ID != id {
		as = "said as " + list[n-1].Object.ID
	}
	return as, n > 0
}

// A CollectionRequest says which label what is posted to a collection gets.
type CollectionRequest struct {
	TLP  protocol.TLP `json:"tlp,omitzero"`  // clear or green
	None bool         `json:"none,omitzero"` // nothing may be posted
}

// CollectionsAnswer lists the TAXII collections.
type CollectionsAnswer struct {
	Collections []taxii.Collection `json:"collections"`
}

func (d *Door) listCollections(ctx context.Context) (CollectionsAnswer, error) {
	list, err := d.collections(ctx)
	return CollectionsAnswer{list}, err
}

func (d *Door) serveLabel(w *answerWriter, req *http.Request) error {
	var r CollectionRequest
	if err := decodeJSON(req, &r); err != nil {
		return err
	}
	if r.None == r.TLP.Valid() {
		return kindUsage.errorf("give one of tlp (clear or green) and none")
	}
	c, err := d.taxii.Label(req.Context(), req.PathValue("id"), r.TLP)
	if err != nil {
		return taxiiError(err)
	}
	d.node.NoteDone(req.Context(), journal.Record{Act: journal.ActPolicy, Rule: "collection label", TLP: r.TLP.String(), Words: map[string]string{"collection": c.ID}})
	return sendJSON(w, c)
}

// Collections lists the TAXII collections of the node.
func (c *Client) Collections(ctx context.Context) ([]taxii.Collection, error) {
	answer, err := call[CollectionsAnswer](ctx, c, "GET", "/v1/collections", nil)
	return answer.Collections, err
}

// LabelCollection says which label what is posted to a collection gets.
func (c *Client) LabelCollection(ctx context.Context, id string, r CollectionRequest) (taxii.Collection, error) {
	return call[taxii.Collection](ctx, c, "POST", "/v1/collections/"+url.PathEscape(id), r)
}
