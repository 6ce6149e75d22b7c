package api

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tocsin-exchange/tocsin/node"
	"github.com/tocsin-exchange/tocsin/node/api/intake"
	"github.com/tocsin-exchange/tocsin/protocol/stix"
)

func submitParams() []param { return termParams() }

// serveSubmit takes a SubmitRequest, or a STIX bundle with the terms in the
// query.
func (d *Door) serveSubmit(w *answerWriter, req *http.Request) error {
	var answer SubmitAnswer
	var err error
	if mediaType, _, _ := mime.ParseMediaType(req.Header.Get("Content-Type")); mediaType == typeSTIX {
		answer, err = d.submitBundle(w.caller, req)
	} else {
		answer, err = d.submitRequest(w.caller, req)
	}
	if err != nil {
		return err
	}
	return sendJSON(w, answer)
}

func (d *Door) submitRequest(c caller, req *http.Request) (SubmitAnswer, error) {
	var r SubmitRequest
	if req.URL.RawQuery != "" {
		return SubmitAnswer{}, kindUsage.errorf("parameters of %s belong into the body", typeJSON)
	}
	if err := decodeJSON(req, &r); err != nil {
		return SubmitAnswer{}, err
	}
	switch {
	case len(r.Values) > 0 && len(r.Objects) > 0:
		return SubmitAnswer{}, kindUsage.errorf("give values or objects, not both")
	case len(r.Values) == 0 && len(r.Objects) == 0:
		return SubmitAnswer{}, kindUsage.errorf("nothing to say: give values or objects")
	case len(r.Values) > maxValues:
		return SubmitAnswer{}, kindUsage.problem(fmt.Sprintf("%d values, at most %d are allowed", len(r.Values), maxValues), "send more than that to /v1/import")
	case len(r.Objects) > 0 && r.Type != "":
		return SubmitAnswer{}, kindUsage.errorf("type is for values: objects have their own")
	}
	t, err := d.mayTerms(req.Context(), c, &r)
	if err != nil {
		return SubmitAnswer{}, err
	}
	if len(r.Values) > 0 {
		return d.submitValues(req.Context(), t, r.Type, r.Values)
	}
	var list bytes.Buffer
	list.WriteByte('[')
	for i, o := range r.Objects {
		if i > 0 {
			list.WriteByte(',')
		}
		list.Write(o)
	}
	list.WriteByte(']')
	return d.submitObjects(req.Context(), t, &list)
}

func (d *Door) submitBundle(c caller, req *http.Request) (SubmitAnswer, error) {
	r, err := readTerms(req.URL.Query())
	if err != nil {
		return SubmitAnswer{}, err
	}
	t, err := d.mayTerms(req.Context(), c, &r)
	if err != nil {
		return SubmitAnswer{}, err
	}
	return d.submitObjects(req.Context(), t, req.Body)
}

// mayTerms is terms for a submission: the node is asked at once whether it may
// say anything under the label at all, where there is one.
func (d *Door) mayTerms(ctx context.Context, c caller, r *SubmitRequest) (terms, error) {
	t, err := d.terms(r, c.reader.Person)
	t.to, t.person, t.role, t.by = r.To, c.reader.Person, string(c.role), c.name()
	if err == nil && t.tlp.Valid() {
		_, err = d.node.Say(ctx, t.issue(t.tlp, nil))
	}
	return t, err
}

func (d *Door) submitValues(ctx context.Context, t terms, kind string, values []string) (SubmitAnswer, error) {
	if !t.tlp.Valid() {
		return SubmitAnswer{}, kindUsage.problem("no label: what has none is not shareable", `give "tlp"`)
	}
	typ, err := observableType(kind)
	if err != nil {
		return SubmitAnswer{}, err
	}
	answer := SubmitAnswer{Receipts: []node.Receipt{}}
	var drafts []stix.Draft
	var index []int // of each draft in values
	until := t.until(time.Now())
	for i, value := range values {
		o, err := observable(typ, value)
		if err != nil {
			answer.Refused = append(answer.Refused, Refusal{i, shown(value), plain(err, stix.ErrNotObservable)})
			continue
		}
		drafts, index = append(drafts, stix.Draft{Confidence: neverStated, Indicator: stix.Indicator{
			Observable: o, Description: t.description, Labels: t.tags, Confidence: t.confidence, ValidUntil: until,
		}}), append(index, i)
	}
	said, err := d.node.Say(ctx, t.issue(t.tlp, drafts))
	if err != nil {
		return answer, err
	}
	answer.Receipts = append(answer.Receipts, said.Receipts...)
	for _, h := range said.Held {
		for i := range h.Index {
			h.Index[i] = index[h.Index[i]]
		}
		answer.Held = append(answer.Held, h)
	}
	for _, r := range said.Refusals {
		answer.Refused = append(answer.Refused, Refusal{index[r.Index], shown(values[index[r.Index]]), r.Reason})
	}
	slices.SortFunc(answer.Refused, func(a, b Refusal) int { return a.Index - b.Index })
	return answer, nil
}

// submitObjects reads STIX objects the way an import does, and says them in
// one go.
func (d *Door) submitObjects(ctx context.Context, t terms, r io.Reader) (SubmitAnswer, error) {
	answer := SubmitAnswer{Receipts: []node.Receipt{}}
	o := t.intake("body")
	o.Format = intake.STIX
	_, rows := intake.Read(ctx, r, o)
	b := newBatch()
	for row, err := range rows {
		if err != nil {
			return answer, readError(ctx, err)
		}
		b.add(row)
	}
	d.say(ctx, t, b)
	if b.err != nil {
		return answer, b.err
	}
	answer.Receipts = append(answer.Receipts, b.receipts...)
	for _, h := range b.held {
		for i := range h.Index {
			h.Index[i] = objectIndex(b.rows[h.Index[i]].Place, h.Index[i])
		}
		h.Index = slices.Compact(h.Index)
		answer.Held = append(answer.Held, h)
	}
	for i, row := range b.rows {
		if b.waits[i] {
			continue
		}
		if reason := row.Refused + row.Skipped + row.Note; reason != "" {
			answer.Refused = append(answer.Refused, Refusal{objectIndex(row.Place, i), row.Text, reason})
		}
	}
	return answer, nil
}

// objectIndex is the number in a place such as /objects/3/id or /3.
func objectIndex(place string, otherwise int) int {
	place = strings.TrimPrefix(strings.TrimPrefix(place, "/objects"), "/")
	number, _, _ := strings.Cut(place, "/")
	if n, err := strconv.Atoi(number); err == nil {
		return n
	}
	return otherwise
}

// shown is a value as an answer repeats it: not longer than it need be.
func shown(value string) string {
	const most = 120
	if len(value) > most {
		value = value[:most] + "..."
	}
	return strings.ToValidUTF8(value, "\ufffd")
}

// observableType reads the name of a type; "" means to guess.
func observableType(name string) (stix.Type, error) {
	if name == "" {
		return "", nil
	}
	t, err := stix.ParseType(name)
	if err != nil {
		return "", kindUsage.errorf("type: %v", err)
	}
	return t, nil
}

// observable reads one value of a type, or of the type it looks like.
func observable(t stix.Type, value string) (stix.Observable, error) {
	if t == "" {
		return stix.Detect(value)
	}
	return stix.Canonical(t, value)
}
