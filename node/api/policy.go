package api

import (
	"bytes"
	"context"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/go-json-experiment/json"

	"github.com/tocsin-exchange/tocsin/node"
	"github.com/tocsin-exchange/tocsin/trust/policy"
)

// This file serves the policy in force. Its files belong to whoever runs the
// node; the door only asks for them to be read again.

const typeTOML = "application/toml"

// digestHeader carries the digest of the policy in force.
const digestHeader = "Tocsin-Policy-Digest"

// PolicyFiles are the files of the policy, as a door reaches them.
type PolicyFiles struct {
	// Reload reads them again and puts them in force, all or nothing. It returns
	// the names that nobody has here. An error of [PolicyFaults] is all that is
	// wrong; the policy from before is in force then.
	Reload func(context.Context) (PolicyFaults, error)
	// Refused returns what was wrong with them when they were last read; nil: they
	// are in force.
	Refused func() PolicyFaults
}

// A PolicyFault is one thing wrong with the policy, or with a list it names.
type PolicyFault struct {
	File    string `json:"file"`
	Line    int    `json:"line,omitzero"` // from 1; 0: the file as a whole
	Column  int    `json:"column,omitzero"`
	Key     string `json:"key,omitempty"`
	Reason  string `json:"reason"`
	Hint    string `json:"hint,omitempty"`
	Warning bool   `json:"warning,omitzero"` // the policy holds without it: a name that nobody has here
}

// Place is FILE:LINE:COLUMN, or the file alone.
func (f PolicyFault) Place() string {
	if f.Line == 0 {
		return f.File
	}
	return fmt.Sprintf("%s:%d:%d", f.File, f.Line, f.Column)
}

// String is FILE:LINE:COLUMN: KEY: REASON (HINT).
func (f PolicyFault) String() string {
	parts := []string{f.Place()}
	if f.Warning {
		parts = append(parts, "warning")
	}
	if f.Key != "" {
		parts = append(parts, f.Key)
	}
	text := strings.Join(append(parts, f.Reason), ": ")
	if f.Hint != "" {
		text += " (" + f.Hint + ")"
	}
	return text
}

// PolicyFaults are all that is wrong with a policy.
type PolicyFaults []PolicyFault

// Error is the first, and how many more there are.
func (fs PolicyFaults) Error() string {
	switch len(fs) {
	case 0:
		return "the policy is refused"
	case 1:
		return "the policy is refused: " + fs[0].String()
	}
	return fmt.Sprintf("the policy is refused: %s; and %d more", fs[0], len(fs)-1)
}

// FaultsIn says in which file faults are.
func FaultsIn(file string, faults policy.Faults, warning bool) PolicyFaults {
	var list PolicyFaults
	for _, f := range faults {
		list = append(list, PolicyFault{file, f.Line, f.Column, f.Key, f.Reason, f.Hint, warning})
	}
	return list
}

// A PolicyAnswer is the policy in force.
type PolicyAnswer struct {
	Digest   string           `json:"digest"`
	Text     string           `json:"text"` // effective, every key with its value
	Lists    []NeverBlockList `json:"lists"`
	Warnings PolicyFaults     `json:"warnings"` // names in it that nobody has here
	Refused  PolicyFaults     `json:"refused"`  // what is wrong with newer files, which are not in force
}

// A NeverBlockList is one list of values that nothing may ever act on.
type NeverBlockList struct {
	Name    string `json:"name"`
	Entries int    `json:"entries"`
	Skipped int    `json:"skipped,omitzero"` // entries that could not be read
}

// A PolicyCheck says what is wrong with a policy that is not in force.
type PolicyCheck struct {
	Faults PolicyFaults `json:"faults"`
}

// PolicyName is how faults call the file of the policy.
const PolicyName = "policy.toml"

func (d *Door) policyRoutes() []route {
	return []route{
		{method: "GET", path: "/v1/policy", summary: "The policy in force, every key with its value", right: oversee, whole: true, gives: "text/plain",
			query: []param{{name: "format", about: "text, or json: with its lists, and what is wrong with newer files"}}, answer: PolicyAnswer{}, serve: d.servePolicy},
		post("/v1/policy/reload", "Read the files of the policy again, and put them in force", d.reloadPolicy).counting(),
		{method: "POST", path: "/v1/policy/check", summary: "What is wrong with a policy, names included; nothing is put in force", right: oversee, whole: true,
			takes: []string{typeTOML}, limit: policy.MaxText, answer: PolicyCheck{}, serve: d.serveCheck},
	}
}

func (d *Door) servePolicy(w *answerWriter, req *http.Request) error {
	answer := d.policyAnswer()
	w.Header().Set(digestHeader, answer.Digest)
	switch format := req.FormValue("format"); format {
	case "", "text":
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		io.WriteString(w, answer.Text) // a caller that went away cannot be told
		return nil
	case "json":
		return sendJSON(w, answer)
	default:
		return kindUsage.errorf("format %q: text or json", format)
	}
}

func (d *Door) policyAnswer() PolicyAnswer {
	rules, unknown := d.node.Rules()
	a := ShowPolicy(rules)
	a.Warnings, a.Refused = orNone(FaultsIn(PolicyName, unknown, true)), orNone(d.policyRefused())
	return a
}

// ShowPolicy is the answer about rules whose names nobody looked up.
func ShowPolicy(rules *node.Rules) PolicyAnswer {
	digest := rules.Policy.Digest()
	a := PolicyAnswer{Digest: hex.EncodeToString(digest[:]), Text: string(rules.Policy.Show()), Lists: []NeverBlockList{}, Warnings: PolicyFaults{}, Refused: PolicyFaults{}}
	for _, l := range rules.Floor.Lists() {
		skipped, _ := l.Skipped()
		a.Lists = append(a.Lists, NeverBlockList{l.Name(), l.Len(), skipped})
	}
	return a
}

// orNone makes an answer a list also where there is nothing in it.
func orNone(fs PolicyFaults) PolicyFaults {
	if fs == nil {
		return PolicyFaults{}
	}
	return fs
}

func (d *Door) reloadPolicy(ctx context.Context, _ nothing) (PolicyAnswer, error) {
	if d.policy.Reload == nil {
		return PolicyAnswer{}, fmt.Errorf("%w: this node has no policy file", node.ErrNotFound)
	}
	if _, err := d.policy.Reload(ctx); err != nil {
		return PolicyAnswer{}, err
	}
	return d.policyAnswer(), nil
}

func (d *Door) serveCheck(w *answerWriter, req *http.Request) error {
	text, err := io.ReadAll(req.Body)
	if err != nil {
		return err
	}
	p, err := policy.Parse(text)
	if err != nil {
		return sendJSON(w, PolicyCheck{orNone(parseFaults(err))})
	}
	return sendJSON(w, PolicyCheck{orNone(FaultsIn(PolicyName, d.node.Unknown(p), true))})
}

func parseFaults(err error) PolicyFaults {
	faults, _ := err.(policy.Faults)
	return FaultsIn(PolicyName, faults, false)
}

// policyRefused is what is wrong with files of the policy that are not in force.
func (d *Door) policyRefused() PolicyFaults {
	if d.policy.Refused == nil {
		return nil
	}
	return d.policy.Refused()
}

// policyProblem is that in a line that shows nothing of what the file says.
func (d *Door) policyProblem() string {
	faults := d.policyRefused()
	if len(faults) == 0 {
		return ""
	}
	return fmt.Sprintf("the files were changed and are refused, faults: %d, the first at %s; the policy from before is in force", len(faults), faults[0].Place())
}

// checkPolicy says whether the files of the policy are in force, and whom it
// names that nobody is.
func (d *Door) checkPolicy() Check {
	rules, unknown := d.node.Rules()
	if problem := d.policyProblem(); problem != "" {
		return Check{"policy", false, problem, "`tocsin policy check` lists what is wrong"}
	}
	if len(unknown) > 0 {
		return Check{"policy", false, fmt.Sprintf("names in it that nobody has here: %d, the first at %s", len(unknown), FaultsIn(PolicyName, unknown[:1], true)[0].Place()),
			"`tocsin policy check` lists them; what it says of them holds for nobody"}
	}
	entries := 0
	for _, l := range rules.Floor.Lists() {
		entries += l.Len()
	}
	return Check{"policy", true, fmt.Sprintf("in force, never-block entries: %d", entries), ""}
}

// Policy returns the policy in force.
func (c *Client) Policy(ctx context.Context) (PolicyAnswer, error) {
	return call[PolicyAnswer](ctx, c, "GET", "/v1/policy?format=json", nil)
}

// ReloadPolicy has the node read the files of its policy again. A problem that
// has faults says all that is wrong with them.
func (c *Client) ReloadPolicy(ctx context.Context) (PolicyAnswer, error) {
	return call[PolicyAnswer](ctx, c, "POST", "/v1/policy/reload", nothing{})
}

// CheckPolicy asks what is wrong with a policy, the names in it included.
func (c *Client) CheckPolicy(ctx context.Context, text []byte) (PolicyFaults, error) {
	resp, err := c.send(ctx, "POST", "/v1/policy/check", typeTOML, bytes.NewReader(text))
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	var answer PolicyCheck
	if err := json.UnmarshalRead(io.LimitReader(resp.Body, maxAnswer), &answer); err != nil {
		return nil, fmt.Errorf("answer to POST /v1/policy/check: %w", err)
	}
	return answer.Faults, nil
}

// problem tells all that is wrong.
func (fs PolicyFaults) problem() *Problem {
	p := kindPolicy.problem(fs.Error(), "`tocsin policy check` lists what is wrong; the policy from before is in force")
	p.Faults = fs
	return p
}
