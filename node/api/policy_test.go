package api

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/tocsin-exchange/tocsin/node"
	"github.com/tocsin-exchange/tocsin/protocol"
	"github.com/tocsin-exchange/tocsin/trust/policy"
)

// TestPolicyRoutes: the door shows what is in force and what is not, tells all
// that is wrong, and a reload that is refused changes nothing.
func TestPolicyRoutes(t *testing.T) {
	r := member(t)
	text, refused := "", PolicyFaults(nil)
	r.door = New(Config{Node: r.node, Log: slog.New(slog.DiscardHandler), Policy: PolicyFiles{
		Reload: func(context.Context) (PolicyFaults, error) {
			p, err := policy.Parse([]byte(text))
			if err != nil {
				refused = parseFaults(err)
				return nil, refused
			}
			rules, err := node.NewRules(p)
			r.check(err)
			refused = nil
			return FaultsIn(PolicyName, r.node.SetRules(rules), true), nil
		},
		Refused: func() PolicyFaults { return refused },
	}})
	c := InProcess(r.door.Local())
	empty, err := c.Policy(t.Context())
	r.check(err)
	if !strings.Contains(empty.Text, "\ndefault = 50\n") || len(empty.Digest) != 64 || len(empty.Lists) == 0 || len(empty.Warnings)+len(empty.Refused) != 0 {
		t.Errorf("empty: %+v", empty)
	}
	text = "trust.default = 61\ntrust.org.nobody = 70\nclients = [\"nobody\"]\n"
	after, err := c.ReloadPolicy(t.Context())
	r.check(err)
	if after.Digest == empty.Digest || len(after.Warnings) != 2 || after.Warnings[0].Line != 2 || !after.Warnings[0].Warning {
		t.Errorf("reloaded: %+v", after)
	}
	text = "trust.default = 600\nnope = 1\n"
	_, err = c.ReloadPolicy(t.Context())
	var problem *Problem
	if !errors.As(err, &problem) || problem.Status != http.StatusConflict || len(problem.Faults) != 2 || problem.Faults[1].Place() != "policy.toml:2:1" {
		t.Fatalf("refused: %v, %+v", err, problem)
	}
	still, err := c.Policy(t.Context())
	r.check(err)
	if still.Digest != after.Digest || len(still.Refused) != 2 {
		t.Errorf("after the refusal: %+v", still)
	}
	status, err := c.Status(t.Context())
	r.check(err)
	if !strings.Contains(status.Policy, "faults: 2") || strings.Contains(status.Policy, "nope") {
		t.Errorf("status says %q", status.Policy)
	}
	checks, err := c.Doctor(t.Context())
	r.check(err)
	for _, check := range checks {
		if check.Check == "policy" && check.OK {
			t.Errorf("doctor: %+v", check)
		}
	}

	w := r.send(r.door.Local(), request{method: "GET", target: "/v1/policy"})
	if got := w.Header(); w.Body.String() != after.Text || got.Get(digestHeader) != after.Digest || !strings.HasPrefix(got.Get("Content-Type"), "text/plain") {
		t.Errorf("as text: %d %v", w.Code, got)
	}
	if w := r.send(r.door.Local(), request{method: "GET", target: "/v1/policy?format=yaml"}); w.Code != http.StatusBadRequest {
		t.Errorf("format yaml: %d", w.Code)
	}
	for text, want := range map[string]string{"": "", "a = 1": "policy.toml:1:1: a: there is no such key", "trust.org.nobody = 1": "policy.toml:1:20: warning: trust.org.nobody: "} {
		faults, err := c.CheckPolicy(t.Context(), []byte(text))
		r.check(err)
		if (len(faults) == 0) != (want == "") || len(faults) > 0 && !strings.HasPrefix(faults[0].String(), want) {
			t.Errorf("check %q: %v, want %s", text, faults, want)
		}
	}
	if still, err := c.Policy(t.Context()); err != nil || still.Digest != after.Digest {
		t.Errorf("a check changed it: %+v %v", still, err)
	}
}

// TestPeerRoute: what is said of an organisation, and what says so.
func TestPeerRoute(t *testing.T) {
	r := member(t)
	hospital := keyNamed("hospital")
	communities, err := r.Communities(t.Context())
	r.check(err)
	key := keyNamed("hospital node")
	cert := protocol.Certify(hospital, protocol.NodeOf(key), time.Now().Add(-time.Hour), time.Now().AddDate(1, 0, 0))
	r.check(r.node.Introduce(t.Context(), communities[0].ID, cert, "hospital"))
	show := func() PeerAnswer {
		t.Helper()
		a, err := r.Peer(t.Context(), protocol.OrgOf(hospital).String())
		r.check(err)
		return a
	}
	before := show()
	if !before.Confirmed || before.Standing != "chosen" || before.Trust.Source != "trust.default" || len(before.Nodes) != 1 || len(before.Types) < 20 {
		t.Errorf("a member: %+v", before)
	}
	for _, row := range []struct{ say, standing, source string }{
		{"80", "chosen", "peer-trust"}, {"anchor", "anchor", "peer-trust"}, {"0", "chosen", "peer-trust"}, {"30", "chosen", "peer-trust"}, {"default", "chosen", "trust.default"},
	} {
		r.check(r.TrustPeer(t.Context(), "hospital", row.say))
		if a := show(); a.Standing != row.standing || a.Trust.Source != row.source || len(a.Entrances) != 0 {
			t.Errorf("trust %s: %+v", row.say, a)
		}
	}
	for _, say := range []string{"", "101", "-1", "much"} {
		if err := r.TrustPeer(t.Context(), "hospital", say); !errors.Is(err, node.ErrUsage) {
			t.Errorf("trust %q: %v", say, err)
		}
	}
	if own, err := r.Peer(t.Context(), "bank"); err != nil || own.Standing != "own" || own.Trust.Value != 100 {
		t.Errorf("ourselves: %+v, %v", own, err)
	}
	for _, name := range []string{"nobody", strings.Repeat("ab", 32)} {
		if _, err := r.Peer(t.Context(), name); !errors.Is(err, node.ErrNotFound) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
