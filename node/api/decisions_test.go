package api

import (
	"fmt"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"

	"github.com/tocsin-exchange/tocsin/node/api/crowdsec"
	"github.com/tocsin-exchange/tocsin/protocol"
)

// bounce asks as a bouncer does.
func (r *rig) bounce(method, target, token string) *httptest.ResponseRecorder {
	return r.send(r.door.Remote(), request{method: method, target: target, header: map[string]string{"X-Api-Key": token, "User-Agent": "crowdsec-firewall-bouncer/v0.0.25"}})
}

// bounced is what a bouncer is told: what is gone, then what came.
func (r *rig) bounced(token, query string) (gone, come []string) {
	r.t.Helper()
	w := r.bounce("GET", "/v1/decisions/stream?"+query, token)
	var said crowdsec.Changes
	if err := json.Unmarshal(w.Body.Bytes(), &said); w.Code != 200 || err != nil || w.Header().Get("Content-Type") != "application/json; charset=utf-8" {
		r.t.Fatalf("%d %v %q", w.Code, w.Header(), w.Body)
	}
	for _, d := range said.Deleted {
		gone = append(gone, d.Value)
	}
	for _, d := range said.New {
		come = append(come, d.Value)
	}
	return gone, come
}

// sure says values in which the node believes enough to block them.
func (r *rig) sure(label protocol.TLP, values ...string) {
	r.t.Helper()
	confidence := 95
	_, err := r.Submit(r.t.Context(), SubmitRequest{TLP: label, Values: values, Confidence: &confidence})
	r.check(err)
}

func TestDecisions(t *testing.T) {
	r := member(t)
	token := r.token(Reader, protocol.Green)
	if w := r.bounce("GET", "/v1/decisions/stream?startup=true", token); w.Code != 200 || w.Body.String() != `{"deleted":null,"new":null}`+"\n" {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	r.sure(protocol.Green, "203.0.113.7", "198.51.100.0/24", "2001:db8::7", "evil.example", "http://evil.example/a")
	expect := func(query string, gone, come []string) {
		t.Helper()
		if g, c := r.bounced(token, query); !slices.Equal(g, gone) || !slices.Equal(c, come) {
			t.Errorf("%q: gone %q, come %q, want %q, %q", query, g, c, gone, come)
		}
	}
	all := []string{"198.51.100.0/24", "203.0.113.7", "2001:db8::7"}
	expect("", nil, all)
	expect("", nil, nil)
	expect("additional_pull=false&community_pull=false", nil, nil)
	expect("startup=true", nil, all)
	_, err := r.Revoke(t.Context(), TakeBackRequest{Values: []string{"203.0.113.7"}})
	r.check(err)
	r.sure(protocol.Green, "203.0.113.8")
	expect("scopes=ip", []string{"203.0.113.7"}, []string{"203.0.113.8"})
	expect("", nil, nil)
	for target, want := range map[string]string{
		"/v1/decisions?ip=198.51.100.9": "198.51.100.0/24", "/v1/decisions?ip=203.0.113.7": "", "/v1/decisions?range=198.51.0.0/16&contains=false": "198.51.100.0/24", "/v1/decisions?scope=Country&value=FR": "",
		"/v1/decisions?type=ban&scopes=Range": "198.51.100.0/24", "/v1/decisions?made-up=1": "198.51.100.0/24 203.0.113.8 2001:db8::7",
	} {
		w := r.bounce("GET", target, token)
		var list []crowdsec.Decision
		err := json.Unmarshal(w.Body.Bytes(), &list)
		var got []string
		for _, d := range list {
			got = append(got, d.Value)
		}
		if text := strings.Join(got, " "); err != nil || w.Code != 200 || text != want || want == "" && w.Body.String() != "null\n" {
			t.Errorf("%s: %d %q", target, w.Code, w.Body)
		}
	}
}

// TestBouncerRefusals: bouncers are told no as they read it.
func TestBouncerRefusals(t *testing.T) {
	r := member(t)
	token := r.token(Reader, protocol.Green)
	for _, row := range []struct {
		method, target, token, media, want string
	}{
		{"GET", "/v1/decisions/stream?startup=true", "nonsense", "", `403 {"message":"access forbidden"}`},
		{"GET", "/v1/decisions?ip=203.0.113.7", "", "", `403 {"message":"access forbidden"}`},
		{"GET", "/v1/decisions?ip=bogus", token, "", `400 {"message":"ip \"bogus\" is no address or block"}`},
		{"HEAD", "/v1/decisions", token, "", "200 "},
		{"HEAD", "/v1/decisions", "nonsense", "", `403 {"message":"access forbidden"}`},
		{"POST", "/v1/usage-metrics", token, typeJSON, "201 "},
		{"POST", "/v1/usage-metrics", "nonsense", typeJSON, `403 {"message":"access forbidden"}`},
	} {
		q := request{method: row.method, target: row.target, header: map[string]string{"X-Api-Key": row.token}}
		if row.media != "" {
			q.header["Content-Type"], q.body = row.media, `{"remediation_components":[{"name":"b1","version":"1"}]}`
		}
		w := r.send(r.door.Remote(), q)
		if got := fmt.Sprintf("%d %s", w.Code, w.Body); got != row.want || w.Header().Get("WWW-Authenticate") != "" {
			t.Errorf("%s %s: %s %v", row.method, row.target, got, w.Header())
		}
	}
	if w := r.bounce("HEAD", "/v1/decisions", token); w.Header().Get("Content-Type") != "text/plain" {
		t.Errorf("HEAD: %v", w.Header())
	}
	if w := r.bounce("POST", "/v1/decisions", token); w.Code != 405 {
		t.Errorf("POST: %d", w.Code)
	}
}

// TestKeysAreApart: each key is told what its token may see, and what it has not
// been told yet.
func TestKeysAreApart(t *testing.T) {
	r := member(t)
	green, clear := r.token(Reader, protocol.Green), r.token(Reader, protocol.Clear)
	for _, token := range []string{green, clear} {
		r.bounced(token, "startup=true")
	}
	r.sure(protocol.Green, "203.0.113.7")
	r.sure(protocol.Clear, "203.0.113.8")
	if _, come := r.bounced(green, ""); len(come) != 2 {
		t.Errorf("green: %q", come)
	}
	if _, come := r.bounced(clear, ""); !slices.Equal(come, []string{"203.0.113.8"}) {
		t.Errorf("clear: %q", come)
	}
}

// TestNoDeleteIsLost: what was taken back, blocked away or judged otherwise while
// the node was down, or before a bouncer asked again, is deleted after a restart.
func TestNoDeleteIsLost(t *testing.T) {
	says := func(value string) utterance { return utterance{by: "hospital", tlp: protocol.Green, value: value} }
	o := newOrigin(t, []utterance{says("203.0.113.1"), says("203.0.113.2")})
	r := o.world(t, func(utterance) bool { return true })
	r.rule("[tiers.block]\nscore = 30\n")
	r.check(r.node.SetTrust(t.Context(), o.hospital, "anchor"))
	r.sure(protocol.Green, "198.51.100.1", "198.51.100.2", "198.51.100.3")
	token := o.tokens["m-green reader"]
	want := []string{"198.51.100.1", "198.51.100.2", "198.51.100.3", "203.0.113.1", "203.0.113.2"}
	if _, come := r.bounced(token, "startup=true"); !slices.Equal(come, want) {
		t.Fatalf("told %q", come)
	}
	_, err := r.Revoke(t.Context(), TakeBackRequest{Values: []string{"198.51.100.1"}})
	r.check(err)
	r.check(r.node.SetTrust(t.Context(), o.hospital, "0"))
	r.sure(protocol.Green, "198.51.100.9")
	r.door = New(Config{Node: r.node, Log: r.door.log, Audit: r.door.journal}) // it knows nothing any more
	gone, come := r.bounced(token, "")
	for _, value := range []string{"198.51.100.1", "203.0.113.1", "203.0.113.2"} {
		if !slices.Contains(gone, value) || slices.Contains(come, value) {
			t.Errorf("%s is not deleted: gone %q, come %q", value, gone, come)
		}
	}
	if left := []string{"198.51.100.2", "198.51.100.3", "198.51.100.9"}; !slices.Equal(come, left) || slices.Contains(gone, "198.51.100.2") {
		t.Errorf("come %q, gone %q", come, gone)
	}
	if gone, come := r.bounced(token, ""); gone != nil || come != nil {
		t.Errorf("told again: %q %q", gone, come)
	}
	tokens, err := r.ListTokens(t.Context())
	r.check(err)
	for _, one := range tokens {
		r.check(r.DeleteToken(t.Context(), one.ID))
	}
	for key := range r.store.Table(toldTable).All() {
		t.Errorf("a row is left of %s", key)
	}
}

// TestPastGoesByLabel: of what a bouncer may have been told it is told what its
// token may see, RED never.
func TestPastGoesByLabel(t *testing.T) {
	o := newOrigin(t, matrixItems())
	r := o.world(t, func(utterance) bool { return true })
	for who, reader := range clearedReaders() {
		gone, come := r.bounced(o.tokens[who+" reader"], "")
		told := append(gone, come...)
		for i, u := range o.said {
			may := u.tlp != protocol.Red && u.tlp <= reader.Clearance
			if slices.Contains(told, u.value) != may {
				t.Errorf("%s is told of number %d: %v, %+v", who, i, !may, u)
			}
		}
	}
}
