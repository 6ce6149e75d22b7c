package api

import (
	"errors"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/tocsin-exchange/tocsin/node"
	"github.com/tocsin-exchange/tocsin/node/api/feed"
	"github.com/tocsin-exchange/tocsin/protocol"
	"github.com/tocsin-exchange/tocsin/trust"
)

// fetch gets a list from the remote door, with the ETag of a copy if there is one.
func (r *rig) fetch(method, name, token, tag string) *httptest.ResponseRecorder {
	q := request{method: method, target: "/feeds/" + name, header: map[string]string{"Authorization": "Bearer " + token}}
	if tag != "" {
		q.header["If-None-Match"] = tag
	}
	return r.send(r.door.Remote(), q)
}

func TestFeeds(t *testing.T) {
	r := member(t)
	token := r.token(Reader, protocol.Green)
	empty := r.fetch("GET", "ip", token, "")
	if empty.Code != 200 || empty.Body.Len() != 0 || empty.Header().Get("Content-Length") != "0" || empty.Header().Get("ETag") == "" {
		t.Errorf("empty: %d %v %q", empty.Code, empty.Header(), empty.Body)
	}
	r.say(protocol.Green, "203.0.113.9", "203.0.113.7", "198.51.100.0/24", "203.0.113.8:443", "evil.example", "2001:db8::7")
	w := r.fetch("GET", "ip", token, "")
	if want := "198.51.100.0/24\n203.0.113.7\n203.0.113.9\n2001:db8::7\n"; w.Code != 200 || w.Body.String() != want {
		t.Fatalf("%d %q, want %q", w.Code, w.Body, want)
	}
	for name, want := range map[string]string{
		"Content-Type": "text/plain; charset=utf-8", "Cache-Control": "private, no-cache", "Content-Length": "52", "Last-Modified": "", "X-Content-Type-Options": "nosniff",
	} {
		if got := w.Header().Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	head := r.fetch("HEAD", "ip", token, "")
	for name := range w.Header() {
		if head.Header().Get(name) != w.Header().Get(name) {
			t.Errorf("HEAD: %s: %q, want %q", name, head.Header().Get(name), w.Header().Get(name))
		}
	}
	if head.Code != 200 || head.Body.Len() != 0 {
		t.Errorf("HEAD: %d %q", head.Code, head.Body)
	}
}

// TestFeedConditional: a copy is confirmed as long as it is the list, and no
// longer.
func TestFeedConditional(t *testing.T) {
	r := member(t)
	token := r.token(Reader, protocol.Green)
	r.say(protocol.Green, "203.0.113.7")
	tag := r.fetch("GET", "ip", token, "").Header().Get("ETag")
	for given, want := range map[string]int{
		tag: 304, "W/" + tag: 304, `"other", ` + tag: 304, "*": 304, `"other"`: 200, strings.Trim(tag, `"`): 200, `"": `: 200, ",": 200,
	} {
		for _, method := range []string{"GET", "HEAD"} {
			w := r.fetch(method, "ip", token, given)
			if w.Code != want || w.Header().Get("ETag") != tag || w.Header().Get("Cache-Control") != "private, no-cache" || want == 304 && w.Body.Len() > 0 {
				t.Errorf("%s, If-None-Match %s: %d %v", method, given, w.Code, w.Header())
			}
		}
	}
	r.say(protocol.Green, "evil.example")
	if w := r.fetch("GET", "ip", token, tag); w.Code != 304 {
		t.Errorf("another list has changed: %d", w.Code)
	}
	r.say(protocol.Green, "203.0.113.8")
	if w := r.fetch("GET", "ip", token, tag); w.Code != 200 || w.Body.String() != "203.0.113.7\n203.0.113.8\n" {
		t.Errorf("after a change: %d %q", w.Code, w.Body)
	}
}

// TestFeedClearance: whoever may not see a claim gets the bytes and the ETag
// that it would get if the claim were not there.
func TestFeedClearance(t *testing.T) {
	plain, secret := member(t), member(t)
	for _, r := range []*rig{plain, secret} {
		r.say(protocol.Clear, "203.0.113.7", "evil.example")
	}
	secret.say(protocol.Green, "203.0.113.8", "secret.example")
	for _, name := range feed.Names() {
		answers := map[protocol.TLP][2]string{}
		for _, clearance := range []protocol.TLP{protocol.Green, protocol.Clear, protocol.Green} {
			var both [2]string
			for i, r := range []*rig{plain, secret} {
				w := r.fetch("GET", name, r.token(Reader, clearance), "")
				both[i] = w.Header().Get("ETag") + w.Header().Get("Content-Length") + w.Body.String()
			}
			answers[clearance] = both
		}
		if a := answers[protocol.Clear]; a[0] != a[1] {
			t.Errorf("%s differs by what is not visible: %q", name, a)
		}
		seen := slices.Contains([]string{"ip", "ipv4", "domain"}, name)
		if a := answers[protocol.Green]; (a[0] != a[1]) != seen {
			t.Errorf("%s to those who may see: %q", name, a)
		}
	}
}

func TestFeedRefusals(t *testing.T) {
	r := member(t)
	token := r.token(Reader, protocol.Green)
	for target, want := range map[string]int{
		"/feeds/ip": 200, "/feeds/nonsense": 404, "/feeds/": 404, "/feeds": 404, "/feeds/ip/": 404, "/feeds/IP": 404, "/feeds/..%2fv1%2ftokens": 404,
		"/feeds/ip?token=" + token: 400, "/feeds/ip?comments=1": 400,
	} {
		w := r.send(r.door.Remote(), request{method: "GET", target: target, header: map[string]string{"Authorization": "Bearer " + token}})
		if w.Code != want {
			t.Errorf("%s: %d, want %d", target, w.Code, want)
		}
		if want != 200 {
			problem(t, w)
		}
	}
	if w := r.send(r.door.Remote(), request{method: "GET", target: "/feeds/ip"}); w.Code != 401 {
		t.Errorf("without a token: %d", w.Code)
	}
	if w := r.fetch("POST", "ip", token, ""); w.Code != 405 {
		t.Errorf("POST: %d", w.Code)
	}
}

// TestFeedWithoutStore: where nothing can be read there is no list, least of all
// an empty one, which would open every firewall.
func TestFeedWithoutStore(t *testing.T) {
	r := member(t)
	r.say(protocol.Green, "203.0.113.7")
	r.store.Close()
	w := r.send(r.door.Local(), request{method: "GET", target: "/feeds/ip"})
	if p := problem(t, w); w.Code != 503 || p.Type != problemType+"unavailable" || w.Header().Get("ETag") != "" {
		t.Errorf("%d %v %+v", w.Code, w.Header(), p)
	}
}

// TestVisibilityGoesByKind: what the lists kept on the shelf rely on (package
// feed). Whoever makes visibility depend on more must tell the lists.
func TestVisibilityGoesByKind(t *testing.T) {
	r := member(t)
	r.say(protocol.Green, "203.0.113.7")
	bulletin := r.say(protocol.Green, "203.0.113.8").Receipts[0].Bulletin
	b, _, err := r.store.Header(bulletin)
	r.check(err)
	h := b.Header
	for _, clearance := range []protocol.TLP{protocol.Clear, protocol.Green} {
		visible := r.door.query(caller{reader: trust.Reader{Clearance: clearance, PAP: protocol.PAPRed}}).Visible
		want := clearance == protocol.Green
		for _, issued := range []uint64{0, 1, h.Issued - 1, h.Issued, h.Issued + 1, 2 * h.Issued} {
			other := h
			other.Issued, other.Epoch, other.Seq, other.Prev, other.Count, other.Size, other.Root = issued, 9, 9, protocol.ID{9}, 9, 9, protocol.ID{9}
			if visible(&h) != want || visible(&other) != want {
				t.Errorf("%s: a header issued at %d: %v, want %v", clearance, issued, visible(&other), want)
			}
		}
	}
}

func TestClientFeed(t *testing.T) {
	r := member(t)
	r.say(protocol.Green, "203.0.113.7", "203.0.113.8")
	var got []string
	r.check(r.Feed(t.Context(), "ip", func(v string) error { got = append(got, v); return nil }))
	if !slices.Equal(got, []string{"203.0.113.7", "203.0.113.8"}) {
		t.Errorf("%q", got)
	}
	stop := errors.New("enough")
	if err := r.Feed(t.Context(), "ip", func(string) error { return stop }); !errors.Is(err, stop) {
		t.Error(err)
	}
	if err := r.Feed(t.Context(), "nonsense", nil); !errors.Is(err, node.ErrNotFound) || !strings.Contains(err.Error(), "one of ip, ") {
		t.Error(err)
	}
}
