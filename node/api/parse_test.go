package api

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"pgregory.net/rapid"

	"github.com/tocsin-exchange/tocsin/node"
	"github.com/tocsin-exchange/tocsin/protocol"
	"github.com/tocsin-exchange/tocsin/storage"
)

func TestParseDuration(t *testing.T) {
	const day = 24 * time.Hour
	for text, want := range map[string]time.Duration{
		"30d": 30 * day, "12h": 12 * time.Hour, "90m": 90 * time.Minute, "1d12h": 36 * time.Hour, "0s": 0, "0d": 0, "1h30m": 90 * time.Minute, "36500d": 36500 * day, "1y": 365 * day, "100y": 36500 * day,
	} {
		if got, err := ParseDuration(text); got != want || err != nil {
			t.Errorf("%s: %s %v", text, got, err)
		}
	}
	for _, text := range []string{"", "d", "30", "30 d", "-1d", "-5m", "1d-5m", "1d5", "1.5d", "36501d", "999999999999d", "9999999h", "1dd", "d1", "1h1d", "+1d", "x", "y", "101y", "1y1d", "-1y", "1.5y"} {
		if got, err := ParseDuration(text); err == nil {
			t.Errorf("%q is %s", text, got)
		}
	}
}

func TestDurationRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := Duration(rapid.Int64Range(0, int64(maxDays*24*time.Hour)).Draw(t, "d"))
		got, err := ParseDuration(d.String())
		if err != nil || Duration(got) != d {
			t.Fatalf("%d: %s: %d %v", d, d, got, err)
		}
	})
	if s := fmt.Sprint(Duration(30*24*time.Hour), Duration(36*time.Hour), Duration(time.Hour), Duration(90*time.Second)); s != "30d 1d12h 1h 1m30s" {
		t.Error(s)
	}
}

// TestCursorRoundTrip: a cursor leads back to its mark, is another store's to
// nobody, and no letter of it can be changed.
func TestCursorRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c, other := newCursors("a"), newCursors("b")
		m := mark{index: rapid.Uint16().Draw(t, "index"), received: rapid.Uint64().Draw(t, "received"), silence: rapid.Uint64().Draw(t, "silence")}
		copy(m.bulletin[:], rapid.SliceOfN(rapid.Byte(), 32, 32).Draw(t, "bulletin"))
		text := c.text(m)
		if got, err := c.mark(text); err != nil || got != m || c.text(got) != text {
			t.Fatalf("%+v: %+v %v", m, got, err)
		}
		changed := []byte(text)
		changed[rapid.IntRange(0, len(text)-1).Draw(t, "at")] ^= byte(rapid.IntRange(1, 3).Draw(t, "bits"))
		for name, err := range map[string]error{"foreign": second(other.mark(text)), "changed": second(c.mark(string(changed)))} {
			var p *Problem
			if !errors.As(err, &p) || p.Status != http.StatusGone && p.Status != http.StatusBadRequest || name == "foreign" && p.Status != http.StatusGone {
				t.Fatalf("%s %+v: %v", name, m, err)
			}
		}
	})
}

func second(_ mark, err error) error { return err }

// FuzzCursor: nothing but what a store wrote is a cursor of it.
func FuzzCursor(f *testing.F) {
	c := newCursors("a")
	f.Add(c.text(mark{}))
	f.Add(newCursors("b").text(mark{index: 1}))
	f.Add("AAAAAAAAAAAAAAAAAAAAAA")
	f.Add("")
	f.Fuzz(func(t *testing.T, text string) {
		if m, err := c.mark(text); err == nil && c.text(m) != text {
			t.Errorf("%q is a cursor, and %q the same", text, c.text(m))
		}
	})
}

func TestProblems(t *testing.T) {
	for _, c := range []struct {
		err    error
		status int
		detail string
	}{
		{fmt.Errorf("%w: x", node.ErrUsage), 400, "x"},
		{fmt.Errorf("%w: no", node.ErrRefused), 403, "no"},
		{fmt.Errorf("y: %w", node.ErrNotFound), 404, "y: not found"},
		{fmt.Errorf("store: %w", storage.ErrFailed), 503, "store: the store has failed"},
		{fmt.Errorf("%w header", protocol.ErrInvalid), 400, "invalid header"},
		{&http.MaxBytesError{Limit: 5}, 413, "the body has more than 5 bytes"},
		{errors.New("/secret/path"), 500, "internal error"},
	} {
		p := problemOf(c.err)
		if p.Status != c.status || p.Detail != c.detail {
			t.Errorf("%v: %+v", c.err, p)
		}
		w := httptest.NewRecorder()
		p.write(w)
		back := readProblem(w.Result())
		for _, sentinel := range []error{node.ErrUsage, node.ErrRefused, node.ErrNotFound, storage.ErrFailed} {
			if errors.Is(c.err, sentinel) && !errors.Is(back, sentinel) {
				t.Errorf("%v comes back as %v", c.err, back)
			}
		}
	}
	w := httptest.NewRecorder()
	kindUsage.problem("bad \xff text", "").write(w)
	if !strings.Contains(w.Body.String(), "bad \ufffd text") {
		t.Errorf("%q", w.Body)
	}
}

func TestHostName(t *testing.T) {
	for host, want := range map[string]string{
		"localhost": "localhost", "LocalHost:80": "localhost", "[::1]:80": "::1", "[::1]": "::1", "::1": "::1", "a.example.": "a.example", "": "", ":80": "",
	} {
		if got := hostName(host); got != want {
			t.Errorf("%q: %q", host, got)
		}
	}
}

func TestRights(t *testing.T) {
	var table strings.Builder
	for _, role := range append(roles(), "", "king") {
		fmt.Fprintf(&table, "%s:", role)
		for _, r := range []right{anyone, read, measure, say, oversee, operate} {
			if role.may(r) {
				fmt.Fprintf(&table, " %s", r)
			}
		}
		table.WriteByte('\n')
	}
	const want = "reader: read measure\nanalyst: read measure say\nreviewer: read measure say\nauditor: read measure oversee\nmonitor: measure\noperator: anyone read measure say oversee operate\n:\nking:\n"
	if table.String() != want {
		t.Error(table.String())
	}
}

// FuzzBodies: whatever comes as a body, a JSON route answers with JSON or with
// a problem of the sender's making.
func FuzzBodies(f *testing.F) {
	r := member(f)
	var posts []*route
	for i := range r.door.routes {
		if route := &r.door.routes[i]; route.method == "POST" && route.limit > 0 && route.path != "/v1/join" {
			posts = append(posts, route)
		}
	}
	for i := range posts {
		f.Add(uint8(i), []byte(`{"values":["203.0.113.7"],"tlp":"green","valid":"30d"}`))
		f.Add(uint8(i), []byte(`{"objects":[{"type":"x"}],"tlp":"green","community":"isac"}`))
		f.Add(uint8(i), []byte(`{"name":"x","role":"reader","addr":"/ip4/203.0.113.2/tcp/1","reason":"y"}`))
		f.Add(uint8(i), []byte("\"a\"\nb\n"))
	}
	f.Fuzz(func(t *testing.T, which uint8, body []byte) {
		route := posts[int(which)%len(posts)]
		for _, mediaType := range route.takes {
			q := route.example()
			q.body = string(body)
			if q.body == "" {
				q.body = " "
			}
			w := r.send(r.door.Local(), q.with("Content-Type", mediaType))
			if w.Code >= 500 {
				t.Fatalf("%s: %d %s", route.pattern(), w.Code, w.Body)
			}
			if w.Code >= 400 && route.refuse == nil {
				problem(t, w)
			}
		}
	})
}

// FuzzQuery: whatever comes as a query, a GET route answers in good order.
func FuzzQuery(f *testing.F) {
	r := member(f)
	r.say(protocol.Green, "203.0.113.7", "evil.example")
	var fetches []*route
	for i := range r.door.routes {
		if route := &r.door.routes[i]; route.method == "GET" && len(route.query) > 0 && !route.endless() {
			fetches = append(fetches, route)
		}
	}
	for i := range fetches {
		for _, q := range []string{"value=203.0.113.7&type=ip", "after=now&limit=1", "type=x&org=bank&tag=t&text=e&limit=1000", "wait=1ms", "%zz", "value=%00", "after=" + strings.Repeat("A", 22)} {
			f.Add(uint8(i), q)
		}
	}
	f.Fuzz(func(t *testing.T, which uint8, query string) {
		if values, err := url.ParseQuery(query); err == nil && values.Get("wait") > "1ms" {
			return // it may wait for a minute
		}
		route := fetches[int(which)%len(fetches)]
		req := httptest.NewRequest("GET", "http://localhost"+route.example().target, nil)
		req.URL.RawQuery = query
		w := httptest.NewRecorder()
		r.door.Local().ServeHTTP(w, req)
		if w.Code >= 500 {
			t.Fatalf("%s: %d %s", route.pattern(), w.Code, w.Body)
		}
		if w.Code >= 400 && route.refuse == nil {
			problem(t, w)
		}
	})
}

// FuzzImport: whatever comes as a file, the sums add up.
func FuzzImport(f *testing.F) {
	r := member(f)
	f.Add("list", []byte("203.0.113.7\n10.0.0.1\n# x\n"))
	f.Add("csv", []byte("a,b\n203.0.113.7,\"x\ny\"\n"))
	f.Add("stix", []byte(`{"type":"bundle","objects":[{"type":"indicator"}]}`))
	f.Add("misp", []byte(`{"Event":{"Attribute":[{"type":"ip-src","value":"203.0.113.7","to_ids":true}]}}`))
	f.Add("text", []byte("see hxxp://evil[.]example/a\n"))
	f.Fuzz(func(t *testing.T, format string, file []byte) {
		q := request{"POST", "/v1/import?tlp=green&format=" + url.QueryEscape(format), string(file) + " ", map[string]string{"Content-Type": "text/plain"}}
		w := r.send(r.door.Local(), q)
		if w.Code >= 500 {
			t.Fatalf("%d %s", w.Code, w.Body)
		}
		if w.Code != 200 {
			problem(t, w)
			return
		}
		lines := bytes.Split(bytes.TrimSpace(w.Body.Bytes()), []byte("\n"))
		var last ImportEvent
		if err := json.Unmarshal(lines[len(lines)-1], &last); err != nil || last.Tally == nil {
			t.Fatalf("%v: %s", err, w.Body)
		}
		checkTally(t, *last.Tally)
	})
}

// FuzzProblem: whatever answers, the client returns an error and no more.
func FuzzProblem(f *testing.F) {
	f.Add(404, "application/problem+json", []byte(`{"status":1,"detail":"x"}`))
	f.Add(500, "text/html", []byte(`<html>`))
	f.Fuzz(func(t *testing.T, status int, mediaType string, body []byte) {
		if status < 300 || status > 999 {
			return
		}
		c := InProcess(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", mediaType)
			w.WriteHeader(status)
			w.Write(body)
		}))
		if _, err := c.Status(t.Context()); err == nil {
			t.Fatal("no error")
		}
	})
}
