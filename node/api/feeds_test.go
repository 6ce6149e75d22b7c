package api

import (
	"errors"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tocsin-exchange/tocsin/node"
	"github.com/tocsin-exchange/tocsin/node/api/feed"
	"github.com/tocsin-exchange/tocsin/protocol"
	"github.com/tocsin-exchange/tocsin/protocol/stix"
	"github.com/tocsin-exchange/tocsin/storage"
	"github.com/tocsin-exchange/tocsin/trust"
	"github.com/tocsin-exchange/tocsin/trust/policy"
)

// fetch gets what is observed from the remote door, with the ETag of a copy if
// there is one.
func (r *rig) fetch(method, name, token, tag string) *httptest.ResponseRecorder {
	return r.fetchTier(method, name, "observe", token, tag)
}

func (r *rig) fetchTier(method, name, tier, token, tag string) *httptest.ResponseRecorder {
	q := request{method: method, target: "/feeds/" + name + "?tier=" + tier, header: map[string]string{"Authorization": "Bearer " + token}}
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
		"Content-Type": "text/plain; charset=utf-8", "Cache-Control": "private, no-cache", "Content-Length": "52", "Vary": "Accept-Encoding", "X-Content-Type-Options": "nosniff",
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
		"/feeds/ip": 200, "/feeds/nonsense": 404, "/feeds/": 200, "/feeds": 404, "/feeds/ip/": 404, "/feeds/IP": 404, "/feeds/..%2fv1%2ftokens": 404,
		"/feeds/ip?token=" + token: 400, "/feeds/ip?comments=1": 400, "/feeds/ip?tier=block": 200, "/feeds/ip?tier=ALERT": 200, "/feeds/ip?tier=": 200,
		"/feeds/ip?tier=all": 400, "/feeds/ip?tier=block&tier=observe": 400, "/v1/feeds": 200, "/v1/feeds?tier=alert": 200, "/v1/feeds?tier=all": 400, "/v1/feeds/ip": 404,
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
	head, err := r.Feed(t.Context(), "ip", "observe", func(v string) error { got = append(got, v); return nil })
	r.check(err)
	if head.LeftOut != 0 || !head.Held.IsZero() {
		t.Errorf("%+v", head)
	}
	if !slices.Equal(got, []string{"203.0.113.7", "203.0.113.8"}) {
		t.Errorf("%q", got)
	}
	stop := errors.New("enough")
	if _, err := r.Feed(t.Context(), "ip", "observe", func(string) error { return stop }); !errors.Is(err, stop) {
		t.Error(err)
	}
	if _, err := r.Feed(t.Context(), "nonsense", "", nil); !errors.Is(err, node.ErrNotFound) || !strings.Contains(err.Error(), "one of ip, ") {
		t.Error(err)
	}
}

// rule puts a policy in force.
func (r *rig) rule(text string) {
	r.t.Helper()
	p, err := policy.Parse([]byte(text))
	r.check(err)
	rules, err := node.NewRules(p)
	r.check(err)
	r.node.SetRules(rules)
}

// TestFeedTiers: without a tier it is the policy's, and each tier has what may be
// done with it.
func TestFeedTiers(t *testing.T) {
	r := member(t)
	token := r.token(Reader, protocol.Green)
	sure, unsure, hardly := 90, 50, 10
	for value, confidence := range map[string]*int{"203.0.113.7": &sure, "203.0.113.8": &unsure, "203.0.113.9": &hardly} {
		_, err := r.Submit(t.Context(), SubmitRequest{TLP: protocol.Green, Values: []string{value}, Confidence: confidence})
		r.check(err)
	}
	for tier, want := range map[string]string{
		"observe": "203.0.113.7\n203.0.113.8\n203.0.113.9\n", "alert": "203.0.113.7\n203.0.113.8\n", "block": "203.0.113.7\n",
	} {
		r.rule("[feeds]\ntier = \"" + tier + "\"\n")
		for _, asked := range []string{tier, ""} {
			if w := r.fetchTier("GET", "ip", asked, token, ""); w.Code != 200 || w.Body.String() != want {
				t.Errorf("%s, asked for %q: %d %q, want %q", tier, asked, w.Code, w.Body, want)
			}
		}
		a, err := r.Feeds(t.Context(), "")
		r.check(err)
		if first := a.Feeds[0]; len(a.Feeds) != len(feed.Names()) || first.Tier != tier || first.Lines != strings.Count(want, "\n") || first.ETag == "" || a.Alarms == nil {
			t.Errorf("%s: %+v", tier, a)
		}
	}
	r.rule("[feeds]\ntier = \"observe\"\nlines = 1\n")
	w := r.fetchTier("GET", "ip", "", token, "")
	if w.Body.String() != "203.0.113.7\n" || w.Header().Get("Tocsin-Left-Out") != "2" || w.Header().Get("Tocsin-Held-Until") != "" {
		t.Errorf("one line: %q %v", w.Body, w.Header())
	}
	head, err := r.Feed(t.Context(), "ip", "", func(string) error { return nil })
	if err != nil || head.LeftOut != 2 {
		t.Errorf("%+v %v", head, err)
	}
	r.rule("[never-block]\nnetworks = [\"203.0.113.0/29\"]\n")
	if w := r.fetch("GET", "ip", token, ""); w.Body.String() != "203.0.113.8\n203.0.113.9\n" {
		t.Errorf("with a never-block list: %q", w.Body)
	}
}

// TestFeedAlarm: a list that stands still says so to those who see what waits, and
// a reviewer or an operator of them lets it change.
func TestFeedAlarm(t *testing.T) {
	says := func(tlp protocol.TLP, value string) utterance {
		u := utterance{by: "hospital", tlp: tlp, value: value}
		if tlp > protocol.Green {
			u.to = "bank"
		}
		return u
	}
	o := newOrigin(t, []utterance{says(protocol.Green, "203.0.113.1"), says(protocol.Amber, "203.0.113.2"), says(protocol.Amber, "203.0.113.3"), says(protocol.Amber, "203.0.113.4")})
	r := o.world(t, func(u utterance) bool { return u.value < "203.0.113.3" })
	r.rule("[feeds.change]\npercent = 50\nminimum = 2\n[tiers.block]\nscore = 30\n")
	r.check(r.node.SetTrust(t.Context(), o.hospital, "anchor"))
	for name := range clearedReaders() {
		r.fetchTier("GET", "ip", "block", o.tokens[name+" reader"], "")
	}
	for i, u := range o.said {
		if u.value >= "203.0.113.3" {
			_, err := r.store.Put(t.Context(), storage.Entry{Bulletin: o.bulletins[i], Body: storage.Held, Reason: "member", Received: time.Now()})
			r.check(err)
		}
	}
	green, amber := o.tokens["m-green reader"], o.tokens["m-amber reader"]
	if w := r.fetchTier("GET", "ip", "block", amber, ""); w.Body.String() != "203.0.113.1\n203.0.113.2\n" || w.Header().Get(heldHeader) == "" {
		t.Fatalf("%d %q %v", w.Code, w.Body, w.Header())
	}
	if w := r.fetchTier("GET", "ip", "block", green, ""); w.Body.String() != "203.0.113.1\n" || w.Header().Get(heldHeader) != "" {
		t.Errorf("%q %v", w.Body, w.Header())
	}
	for token, want := range map[string]int{green: 0, amber: 1} {
		a, err := r.remote(token).Feeds(t.Context(), "alert")
		if err != nil || len(a.Alarms) != want {
			t.Errorf("%+v %v, want %d alarms", a.Alarms, err, want)
		}
		for _, alarm := range a.Alarms {
			if alarm.Feed != "ipv4" || alarm.Type != stix.IPv4Addr || alarm.Tier != "block" || alarm.Come != 2 || alarm.Gone != 0 || alarm.Lines != 2 || len(alarm.Orgs) != 1 || alarm.Until.Sub(alarm.Since) != time.Hour {
				t.Errorf("%+v", alarm)
			}
		}
	}
	status, err := r.Status(t.Context())
	if err != nil || len(status.FeedAlarms) != 1 || status.FeedAlarms[0].Feed != "ipv4" {
		t.Errorf("status: %+v %v", status.FeedAlarms, err)
	}
	for name, want := range map[string]bool{"m-strict operator": true, "m-green operator": false} {
		w := r.send(r.door.Remote(), request{method: "GET", target: "/metrics", header: map[string]string{"Authorization": "Bearer " + o.tokens[name]}})
		is := strings.Contains(w.Body.String(), "tocsin_feeds_held 1\n") && strings.Contains(w.Body.String(), `tocsin_feed_lines_waiting{feed="ipv4",tier="block"} 2`) &&
			strings.Contains(w.Body.String(), "tocsin_feed_holds_total 1\n")
		if is != want || !want && strings.Contains(w.Body.String(), "tocsin_feed") {
			t.Errorf("figures for %s: %d %v", name, w.Code, is)
		}
	}
	for _, row := range []struct {
		who, feed, tier string
		want            int
	}{
		{"m-amber reader", "ip", "block", 403}, {"m-amber analyst", "ip", "block", 403}, {"m-amber auditor", "ip", "block", 403}, {"m-green reviewer", "ip", "block", 404},
		{"m-amber reviewer", "ip", "alert", 404}, {"m-amber reviewer", "ip", "all", 400}, {"m-amber reviewer", "nonsense", "block", 404}, {"m-amber reviewer", "ip", "block", 204},
		{"m-amber reviewer", "ip", "block", 404},
	} {
		w := r.send(r.door.Remote(), request{method: "POST", target: "/v1/feeds/" + row.feed + "/release?tier=" + row.tier, header: map[string]string{"Authorization": "Bearer " + o.tokens[row.who]}})
		if w.Code != row.want {
			t.Errorf("%v: %d %s", row, w.Code, w.Body)
		}
	}
	if w := r.fetchTier("GET", "ip", "block", amber, ""); strings.Count(w.Body.String(), "\n") != 4 || w.Header().Get(heldHeader) != "" {
		t.Errorf("released: %q %v", w.Body, w.Header())
	}
	if err := r.ReleaseFeed(t.Context(), "ip", "block"); !errors.Is(err, node.ErrNotFound) {
		t.Error(err)
	}
}
