package api

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/tocsin-exchange/tocsin/node"
	"github.com/tocsin-exchange/tocsin/protocol/stix"
)

// This file serves what we met of what others claim, and hold to be harmless.

// A SightRequest is what POST /v1/sightings takes.
type SightRequest struct {
	Values        []string  `json:"values"`                  // at most [MaxSighted]
	Type          string    `json:"type,omitempty"`          // of every value; empty: guessed for each
	FalsePositive bool      `json:"false_positive,omitzero"` // they are harmless; else they were met
	Count         int       `json:"count,omitzero"`          // how often; 0: once
	LastSeen      time.Time `json:"last_seen,omitzero"`      // zero: now
	Note          string    `json:"note,omitempty"`          // said with it
	Confidence    *int      `json:"confidence,omitempty"`    // 0 to 100
	Retract       bool      `json:"retract,omitzero"`        // take back what was said so of the values
}

// MaxSighted is how many values one request may speak of.
const MaxSighted = 1000

// A SightAnswer says to whom something was said, and of whose claims it may not
// be. All that was said is durable.
type SightAnswer struct {
	Said    []node.Sighted   `json:"said"`
	LeftOut []node.Unsaid    `json:"left_out,omitempty"`
	Unknown []string         `json:"unknown,omitempty"` // values that nobody claims
	Taken   []node.TakenBack `json:"taken,omitempty"`   // with retract
}

func (d *Door) sightRoutes() []route {
	return []route{{method: "POST", path: "/v1/sightings", summary: "Say that values were met, or are harmless, to those who may see the claims on them", right: say,
		takes: []string{typeJSON}, limit: submitBody, body: SightRequest{}, answer: SightAnswer{}, serve: d.serveSight}}
}

func (d *Door) serveSight(w *answerWriter, req *http.Request) error {
	var r SightRequest
	if err := decodeJSON(req, &r); err != nil {
		return err
	}
	s, err := sight(&r)
	if err != nil {
		return err
	}
	s.Visible = d.mayShow(w.caller)
	s.Person, s.Role, s.By = w.caller.reader.Person, string(w.caller.role), w.caller.name()
	if r.Retract {
		taken, err := d.node.Unsight(req.Context(), s.Values, s.FalsePositive, s.Visible)
		if err != nil {
			return err
		}
		return sendJSON(w, SightAnswer{Said: []node.Sighted{}, Taken: taken})
	}
	answer := SightAnswer{}
	if answer.Said, answer.LeftOut, err = d.node.Sight(req.Context(), s); err != nil {
		return err
	}
	answer.Unknown = unclaimed(s.Values, &answer)
	if len(answer.Said) == 0 {
		return nothingSaid(&r, &answer)
	}
	return sendJSON(w, answer)
}

func sight(r *SightRequest) (node.Sight, error) {
	s := node.Sight{FalsePositive: r.FalsePositive, Count: r.Count, LastSeen: r.LastSeen, Note: r.Note, Confidence: neverStated}
	if r.Confidence != nil {
		if s.Confidence = *r.Confidence; s.Confidence < 0 || s.Confidence > 100 {
			return s, kindUsage.errorf("confidence %d: it lies between 0 and 100", s.Confidence)
		}
	}
	switch {
	case len(r.Values) == 0 || len(r.Values) > MaxSighted:
		return s, kindUsage.errorf("what was met? give 1 to %d values", MaxSighted)
	case len(s.Note) > maxDescription:
		return s, kindUsage.errorf("a note of %d bytes, at most %d are allowed", len(s.Note), maxDescription)
	case r.Retract && (r.Count != 0 || !r.LastSeen.IsZero() || r.Note != "" || r.Confidence != nil):
		return s, kindUsage.errorf("to take it back, say no more than what: values, and false_positive")
	}
	t, err := observableType(r.Type)
	if err != nil {
		return s, err
	}
	known := map[stix.Observable]bool{}
	for _, value := range r.Values {
		o, err := observable(t, value)
		if err != nil {
			return s, kindUsage.errorf("value %q: %s", shown(value), plain(err, stix.ErrNotObservable))
		}
		if !known[o] {
			known[o] = true
			s.Values = append(s.Values, o)
		}
	}
	return s, nil
}

// unclaimed lists the values of which an answer says nothing.
func unclaimed(values []stix.Observable, answer *SightAnswer) (list []string) {
	known := map[stix.Observable]bool{}
	for _, s := range answer.Said {
		known[s.Value] = true
	}
	for _, u := range answer.LeftOut {
		known[u.Value] = true
	}
	for _, o := range values {
		if !known[o] {
			list = append(list, o.Value)
		}
	}
	return list
}

// nothingSaid is the problem of a request that led to nothing.
func nothingSaid(r *SightRequest, answer *SightAnswer) error {
	if len(answer.LeftOut) > 0 {
		u := answer.LeftOut[0]
		return kindRefused.problem(fmt.Sprintf("the claim of %s under %s on %s: %s (%s)", u.Claimant, u.TLP.Label(), u.Value.Value, u.Reason, u.Rule), "")
	}
	what := "nobody claims any of the values"
	if len(answer.Unknown) == 1 {
		what = fmt.Sprintf("nobody claims %s", answer.Unknown[0])
	}
	if r.FalsePositive {
		return kindNotFound.problem(what+": there is nothing to contradict", "a value that nothing here may ever act on belongs into never-block in the policy")
	}
	return kindNotFound.problem(what+", so there is nobody to tell", "to say under a label of yours that it is malicious: `tocsin submit`")
}

// Sight says that values were met, or are harmless, or takes that back.
func (c *Client) Sight(ctx context.Context, r SightRequest) (SightAnswer, error) {
	return call[SightAnswer](ctx, c, "POST", "/v1/sightings", r)
}
