package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/go-json-experiment/json"

	"github.com/tocsin-exchange/tocsin/node"
	"github.com/tocsin-exchange/tocsin/node/api/intake"
	"github.com/tocsin-exchange/tocsin/protocol"
	"github.com/tocsin-exchange/tocsin/protocol/stix"
	"github.com/tocsin-exchange/tocsin/storage"
	"github.com/tocsin-exchange/tocsin/storage/journal"
)

// A Problem is a failure as the door tells it (RFC 9457). The client returns
// it as an error that [errors.Is] matches with node.ErrUsage, node.ErrRefused,
// node.ErrNotFound, storage.ErrFailed and storage.ErrReadOnly.
type Problem struct {
	Type   string `json:"type"` // "urn:tocsin:problem:" and a short stable word
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail"`
	Hint   string `json:"hint,omitempty"` // what to do

	Faults PolicyFaults `json:"faults,omitempty"` // of a policy that is refused
}

const problemType = "urn:tocsin:problem:"

// Error returns the detail: what failed, and why.
func (p *Problem) Error() string {
	if p.Detail == "" {
		return strings.ToLower(p.Title)
	}
	return p.Detail
}

// Is reports what kind of failure the problem is.
func (p *Problem) Is(target error) bool {
	switch target {
	case node.ErrUsage:
		return p.Status == http.StatusBadRequest
	case node.ErrRefused:
		return p.Status == http.StatusForbidden
	case node.ErrNotFound:
		return p.Status == http.StatusNotFound
	case storage.ErrFailed:
		return p.Status == http.StatusServiceUnavailable
	case storage.ErrReadOnly:
		return p.Status == http.StatusInsufficientStorage
	}
	return false
}

// A kind is the word in a problem's type.
type kind string

const (
	kindUsage       kind = "usage"
	kindToken       kind = "token"
	kindForbidden   kind = "forbidden" // by role or clearance
	kindRefused     kind = "refused"   // by a rule: labels included
	kindOrigin      kind = "origin"
	kindNotFound    kind = "not-found"
	kindMethod      kind = "method"
	kindCursor      kind = "cursor"
	kindTooLarge    kind = "too-large"
	kindMediaType   kind = "media-type"
	kindHost        kind = "host"
	kindCancelled   kind = "cancelled"
	kindInternal    kind = "internal"
	kindElsewhere   kind = "elsewhere"
	kindUnavailable kind = "unavailable"
	kindFull        kind = "full"
	kindPolicy      kind = "policy"
)

// row is the whole table of statuses and titles.
func (k kind) row() (status int, title string) {
	switch k {
	case kindUsage:
		return http.StatusBadRequest, "The request makes no sense"
	case kindToken:
		return http.StatusUnauthorized, "A valid token is required"
	case kindForbidden:
		return http.StatusForbidden, "The caller may not do this"
	case kindRefused:
		return http.StatusForbidden, "A rule of this node says no"
	case kindOrigin:
		return http.StatusForbidden, "Cross-origin request"
	case kindNotFound:
		return http.StatusNotFound, "Not found"
	case kindMethod:
		return http.StatusMethodNotAllowed, "Method not allowed"
	case kindCursor:
		return http.StatusGone, "The cursor leads nowhere here"
	case kindPolicy:
		return http.StatusConflict, "The files of the policy are refused"
	case kindTooLarge:
		return http.StatusRequestEntityTooLarge, "The body is too large"
	case kindMediaType:
		return http.StatusUnsupportedMediaType, "Unsupported media type"
	case kindHost:
		return http.StatusMisdirectedRequest, "Not a name of this node"
	case kindCancelled:
		return 499, "The caller went away" // nobody reads it; metrics do
	case kindElsewhere:
		return http.StatusBadGateway, "Another node did not do its part"
	case kindUnavailable:
		return http.StatusServiceUnavailable, "The node cannot do this now"
	case kindFull:
		return http.StatusInsufficientStorage, "The node's disk is nearly full"
	}
	return http.StatusInternalServerError, "Internal error"
}

func (k kind) problem(detail, hint string) *Problem {
	status, title := k.row()
	return &Problem{Type: problemType + string(k), Title: title, Status: status, Detail: detail, Hint: hint}
}

func (k kind) errorf(format string, args ...any) error {
	return k.problem(fmt.Sprintf(format, args...), "")
}

// problemOf is the one place where errors become statuses. What it does not
// know is an internal error, whose text stays inside.
func problemOf(err error) *Problem {
	var known *Problem
	var large *http.MaxBytesError
	var faults PolicyFaults
	switch {
	case errors.As(err, &known):
		return known
	case errors.As(err, &faults):
		return faults.problem()
	case errors.As(err, &large):
		return kindTooLarge.problem(fmt.Sprintf("the body has more than %d bytes", large.Limit), "send it in parts, or use /v1/import")
	}
	for _, row := range []struct {
		is   error
		kind kind
	}{
		{node.ErrUsage, kindUsage},
		{node.ErrRefused, kindRefused},
		{node.ErrNotFound, kindNotFound},
		{node.ErrClosed, kindUnavailable},
		{storage.ErrFailed, kindUnavailable},
		{storage.ErrReadOnly, kindFull},
		{storage.ErrNotFound, kindNotFound},
		{storage.ErrClosed, kindUnavailable},
		{storage.ErrDamaged, kindUnavailable},
		{journal.ErrFull, kindFull},
		{journal.ErrFailed, kindUnavailable},
		{journal.ErrClosed, kindUnavailable},
		{journal.ErrDamaged, kindUnavailable},
		{journal.ErrEmpty, kindNotFound},
		{context.Canceled, kindCancelled},
		{context.DeadlineExceeded, kindUnavailable},
		{protocol.ErrInvalid, kindUsage},
		{protocol.ErrTLP, kindUsage},
		{protocol.ErrPAP, kindUsage},
		{stix.ErrInvalid, kindUsage},
		{stix.ErrNotObservable, kindUsage},
		{intake.ErrFormat, kindUsage},
	} {
		if errors.Is(err, row.is) {
			return row.kind.problem(plain(err, row.is), "")
		}
	}
	return kindInternal.problem("internal error", "the node's log says more")
}

// plain returns an error's text without the sentinel in front, which the
// problem's type and title say already.
func plain(err, sentinel error) string {
	return strings.TrimPrefix(err.Error(), sentinel.Error()+": ")
}

// write sends the problem as the whole answer.
func (p *Problem) write(w http.ResponseWriter) {
	body, err := json.Marshal(p)
	if err != nil { // a detail that is not UTF-8, from an error that quotes its input
		q := *p
		q.Detail = strings.ToValidUTF8(q.Detail, "\ufffd")
		body, _ = json.Marshal(&q)
	}
	h := w.Header()
	h.Set("Content-Type", "application/problem+json")
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(p.Status)
	w.Write(body)
}
