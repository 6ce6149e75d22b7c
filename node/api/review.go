package api

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/tocsin-exchange/tocsin/node"
	"github.com/tocsin-exchange/tocsin/protocol"
)

// This file serves what is held for a person. The policy says which roles
// decide, at review.roles; whatever their role, callers see of what is held only
// what their clearance lets them see of anything.

// A ReviewAnswer lists what is held, the oldest first.
type ReviewAnswer struct {
	Waiting []node.Waiting `json:"waiting"`
}

// A ReviewItem is one thing that is held, and what it says.
type ReviewItem struct {
	node.Waiting
	Content []jsontext.Value `json:"content"` // STIX objects; of a submission as they would be signed now
}

// A ReviewRequest decides on what is held.
type ReviewRequest struct {
	Reason string `json:"reason,omitempty"` // of a rejection, at most 200 bytes; it stays here
}

// A ReviewDecision says what was decided, and of a submission what was said.
type ReviewDecision struct {
	ID       protocol.ID    `json:"id"`
	Kind     string         `json:"kind"`
	Decision string         `json:"decision"` // "accepted" or "rejected"
	Receipts []node.Receipt `json:"receipts,omitempty"`
	Refused  []node.Refusal `json:"refused,omitempty"`
}

func (d *Door) reviewRoutes() []route {
	decide := func(path, summary string, serve func(*answerWriter, *http.Request, protocol.ID, ReviewRequest) (ReviewDecision, error)) route {
		return route{method: "POST", path: path, summary: summary, right: review, takes: []string{typeJSON}, limit: smallBody,
			body: ReviewRequest{}, answer: ReviewDecision{}, serve: d.deciding(serve)}
	}
	return []route{
		{method: "GET", path: "/v1/review", summary: "What is held for a person", right: review, answer: ReviewAnswer{}, serve: d.serveReview},
		{method: "GET", path: "/v1/review/{id}", summary: "One thing that is held, and what it says", right: review, answer: ReviewItem{}, serve: d.serveReviewItem},
		decide("/v1/review/{id}/accept", "Let in what is held, or say what was submitted", d.accept),
		decide("/v1/review/{id}/reject", "Decline what is held, or drop what was submitted", d.reject),
	}
}

// name is who a caller is for a second pair of eyes: two tokens of one person are
// one.
func (c caller) name() string {
	switch {
	case c.reader.Person != "":
		return c.reader.Person
	case c.token != "":
		return "token " + c.token
	}
	return string(Operator)
}

// reviewer is the caller as the node knows them, if the policy lets them review.
func (d *Door) reviewer(c caller) (node.Reviewer, error) {
	if !d.reviews(c.role) {
		return node.Reviewer{}, kindForbidden.problem(fmt.Sprintf("role %s does not review here", c.role), "the policy says who does, at review.roles")
	}
	return node.Reviewer{Name: c.name(), Visible: d.mayShow(c)}, nil
}

// reviews reports whether a role reviews by the policy in force.
func (d *Door) reviews(r Role) bool {
	rules, _ := d.node.Rules()
	return slices.Contains(rules.Policy.Review.Roles, string(r))
}

// mayReview lets analysts review where the policy has them do it.
func (d *Door) mayReview(c caller, r *route) bool {
	return r.right == review && c.role == Analyst && d.reviews(Analyst)
}

func (d *Door) serveReview(w *answerWriter, _ *http.Request) error {
	as, err := d.reviewer(w.caller)
	if err != nil {
		return err
	}
	return sendJSON(w, ReviewAnswer{d.node.Waiting(as)})
}

func (d *Door) serveReviewItem(w *answerWriter, req *http.Request) error {
	as, err := d.reviewer(w.caller)
	if err != nil {
		return err
	}
	id, err := reviewID(req)
	if err != nil {
		return err
	}
	item := ReviewItem{Content: []jsontext.Value{}}
	waiting, objects, err := d.node.WaitingContent(id, as)
	if err != nil {
		return err
	}
	item.Waiting = waiting
	for _, o := range objects {
		item.Content = append(item.Content, jsontext.Value(o.Raw))
	}
	return sendJSON(w, item)
}

// reviewID reads the id in a path. Text that is none names nothing that is held.
func reviewID(req *http.Request) (id protocol.ID, err error) {
	if text := req.PathValue("id"); id.UnmarshalText([]byte(text)) != nil {
		return id, fmt.Errorf("%w: nothing %s is held for review", node.ErrNotFound, shown(text))
	}
	return id, nil
}

func (d *Door) deciding(do func(*answerWriter, *http.Request, protocol.ID, ReviewRequest) (ReviewDecision, error)) func(*answerWriter, *http.Request) error {
	return func(w *answerWriter, req *http.Request) error {
		var r ReviewRequest
		if err := decodeJSON(req, &r); err != nil {
			return err
		}
		id, err := reviewID(req)
		if err != nil {
			return err
		}
		decision, err := do(w, req, id, r)
		if err != nil {
			return err
		}
		return sendJSON(w, decision)
	}
}

func (d *Door) accept(w *answerWriter, req *http.Request, id protocol.ID, r ReviewRequest) (ReviewDecision, error) {
	as, err := d.reviewer(w.caller)
	if err != nil {
		return ReviewDecision{}, err
	}
	if r.Reason != "" {
		return ReviewDecision{}, kindUsage.errorf("a reason is for a rejection")
	}
	kind, receipts, refusals, err := d.node.Accept(req.Context(), id, as)
	return ReviewDecision{id, kind, "accepted", receipts, refusals}, err
}

func (d *Door) reject(w *answerWriter, req *http.Request, id protocol.ID, r ReviewRequest) (ReviewDecision, error) {
	as, err := d.reviewer(w.caller)
	if err != nil {
		return ReviewDecision{}, err
	}
	kind, err := d.node.Reject(req.Context(), id, as, r.Reason)
	return ReviewDecision{ID: id, Kind: kind, Decision: "rejected"}, err
}

// Review lists what is held for a person.
func (c *Client) Review(ctx context.Context) ([]node.Waiting, error) {
	answer, err := call[ReviewAnswer](ctx, c, "GET", "/v1/review", nil)
	return answer.Waiting, err
}

// ReviewItem returns one thing that is held, and what it says.
func (c *Client) ReviewItem(ctx context.Context, id string) (ReviewItem, error) {
	return call[ReviewItem](ctx, c, "GET", "/v1/review/"+url.PathEscape(id), nil)
}

// Accept lets in what is held, or says what was submitted.
func (c *Client) Accept(ctx context.Context, id string) (ReviewDecision, error) {
	return call[ReviewDecision](ctx, c, "POST", "/v1/review/"+url.PathEscape(id)+"/accept", ReviewRequest{})
}

// Reject declines what is held, or drops what was submitted.
func (c *Client) Reject(ctx context.Context, id, reason string) (ReviewDecision, error) {
	return call[ReviewDecision](ctx, c, "POST", "/v1/review/"+url.PathEscape(id)+"/reject", ReviewRequest{Reason: reason})
}
