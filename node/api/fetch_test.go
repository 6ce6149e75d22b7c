package api

import (
	"bytes"
	"crypto/md5"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"github.com/tocsin-exchange/tocsin/node/api/feed"
	"github.com/tocsin-exchange/tocsin/protocol"
	"github.com/tocsin-exchange/tocsin/protocol/stix"
)

// get fetches from the remote door with a token and headers.
func (r *rig) get(target, token string, header ...string) *httptest.ResponseRecorder {
	q := request{method: "GET", target: target, header: map[string]string{"Authorization": "Bearer " + token}}
	for i := 0; i < len(header); i += 2 {
		q.header[header[i]] = header[i+1]
	}
	return r.send(r.door.Remote(), q)
}

// feedPaths are all feeds there are, and the files of those of several.
func feedPaths(r *rig) (paths []string) {
	r.t.Helper()
	var index FeedIndex
	r.check(json.Unmarshal(r.send(r.door.Local(), request{method: "GET", target: "/feeds/"}).Body.Bytes(), &index))
	for _, f := range index.Feeds {
		if len(f.Files) == 0 {
			paths = append(paths, f.Feed)
		}
		for _, file := range f.Files {
			paths = append(paths, f.Feed+"/"+file)
		}
	}
	return paths
}

// TestEveryFeed: what holds for every list, format and file there is.
func TestEveryFeed(t *testing.T) {
	r := member(t)
	r.say(protocol.Green, "203.0.113.9", "198.51.100.0/24", "2001:db8::7", "evil.example", "*.bad.example", "http://evil.example/a", strings.Repeat("ab", 32), strings.Repeat("cd", 16))
	token := r.token(Reader, protocol.Green)
	paths := feedPaths(r)
	if len(paths) < len(feed.Names())+len(feed.Formats()) {
		t.Fatalf("the index has %q", paths)
	}
	for _, path := range paths {
		target := "/feeds/" + path + "?tier=observe"
		w := r.get(target, token)
		h := w.Header()
		sum := sha256.Sum256(w.Body.Bytes())
		if w.Code != 200 || h.Get("ETag") != `"`+hex.EncodeToString(sum[:])+`"` || h.Get("Content-Length") != fmt.Sprint(w.Body.Len()) || h.Get("Content-Type") == "" || h.Get("Cache-Control") != "private, no-cache" {
			t.Errorf("%s: %d %v", path, w.Code, h)
			continue
		}
		head := r.fetch("HEAD", path, token, "")
		for name := range h {
			if head.Header().Get(name) != h.Get(name) {
				t.Errorf("HEAD %s: %s: %q, want %q", path, name, head.Header().Get(name), h.Get(name))
			}
		}
		if head.Body.Len() > 0 {
			t.Errorf("HEAD %s has a body", path)
		}
		if again := r.get(target, token, "If-None-Match", h.Get("ETag")); again.Code != 304 || again.Body.Len() > 0 || again.Header().Get("ETag") != h.Get("ETag") {
			t.Errorf("%s again: %d", path, again.Code)
		}
		if date := h.Get("Last-Modified"); date != "" {
			at, err := http.ParseTime(date)
			if err != nil || r.get(target, token, "If-Modified-Since", date).Code != 304 || r.get(target, token, "If-Modified-Since", at.Add(-time.Second).Format(http.TimeFormat)).Code != 200 ||
				r.get(target, token, "If-Modified-Since", date, "If-None-Match", `"other"`).Code != 200 {
				t.Errorf("%s: If-Modified-Since: %v", path, err)
			}
		}
		digest := md5.Sum(w.Body.Bytes())
		if c := r.get("/feeds/"+path+".md5?tier=observe", token); c.Code != 200 || c.Body.String() != hex.EncodeToString(digest[:])+"\n" {
			t.Errorf("%s.md5: %d %q", path, c.Code, c.Body)
		}
		if stranger := r.send(r.door.Remote(), request{method: "GET", target: target}); stranger.Code != 401 || stranger.Header().Get("ETag") != "" {
			t.Errorf("%s without a token: %d", path, stranger.Code)
		}
	}
}

// TestBundle: the objects as they were signed, marked and with their authors, in a
// bundle that is STIX.
func TestBundle(t *testing.T) {
	r := member(t)
	type stixBundle struct {
		Type    string           `json:"type"`
		ID      string           `json:"id"`
		Objects []jsontext.Value `json:"objects"`
	}
	token := r.token(Reader, protocol.Green)
	read := func() (b stixBundle) {
		t.Helper()
		w := r.get("/feeds/stix.json?tier=observe", token)
		if err := json.Unmarshal(w.Body.Bytes(), &b); w.Code != 200 || err != nil || b.Type != "bundle" || !stix.IsID(b.ID) || w.Header().Get("Content-Type") != typeSTIX {
			t.Fatalf("%d %v %s", w.Code, err, w.Body)
		}
		return b
	}
	if b := read(); b.Objects != nil {
		t.Errorf("an empty one has objects: %s", b.Objects)
	}
	r.say(protocol.Clear, "203.0.113.7")
	r.say(protocol.Green, "evil.example", "203.0.113.7")
	first := read()
	kinds := map[string]int{}
	for _, raw := range first.Objects {
		o, err := stix.Parse(raw)
		if err != nil {
			t.Fatalf("%s: %v", raw, err)
		}
		if kinds[o.Type]++; o.Type == "indicator" && (len(o.MarkingRefs) != 1 || !strings.HasPrefix(o.CreatedByRef, "identity--") || kinds["identity"] != 1) {
			t.Errorf("%s", raw)
		}
	}
	if kinds["indicator"] != 3 || kinds["marking-definition"] != 2 || kinds["identity"] != 1 {
		t.Errorf("%v", kinds)
	}
	if again := read(); again.ID != first.ID {
		t.Error("the same objects have another id")
	}
	r.say(protocol.Green, "203.0.113.8")
	if other := read(); other.ID == first.ID {
		t.Error("other objects have the same id")
	}
}

// TestCodings: an answer is compressed where that is asked for, under a tag of its
// own that confirms a copy in any coding.
func TestCodings(t *testing.T) {
	r := member(t)
	token := r.token(Reader, protocol.Green)
	var values []string
	for i := range 200 {
		values = append(values, fmt.Sprintf("203.0.113.%d", i))
	}
	r.say(protocol.Green, values...)
	const target = "/feeds/ip?tier=observe"
	plain := r.get(target, token)
	tags := map[string]bool{plain.Header().Get("ETag"): true}
	for asked, want := range map[string]string{
		"gzip": "gzip", "gzip, deflate": "gzip", "zstd": "zstd", "gzip, zstd": "zstd", "gzip;q=1, zstd;q=0.5": "gzip", "*": "gzip", "gzip;q=0": "", "identity": "", "br": "", "": "",
		"GZIP": "gzip", "gzip;q=nonsense": "", "gzip;q=2": "", "zstd;q=0, gzip;q=0.001": "gzip", ",;,": "",
	} {
		w := r.get(target, token, "Accept-Encoding", asked)
		got, tag := w.Header().Get("Content-Encoding"), w.Header().Get("ETag")
		if w.Code != 200 || got != want || w.Header().Get("Vary") != "Accept-Encoding" || (tag == plain.Header().Get("ETag")) != (want == "") {
			t.Errorf("%q: %d %q %v", asked, w.Code, got, w.Header())
		}
		tags[tag] = true
		if text := decoded(t, got, w.Body.Bytes()); text != plain.Body.String() {
			t.Errorf("%q: other text", asked)
		}
		if length := w.Header().Get("Content-Length"); length != fmt.Sprint(w.Body.Len()) || want != "" && w.Body.Len() >= plain.Body.Len() {
			t.Errorf("%q: %s of %d bytes", asked, length, w.Body.Len())
		}
	}
	if len(tags) != 3 {
		t.Errorf("tags: %v", tags)
	}
	for tag := range tags {
		for _, asked := range []string{"", "gzip", "zstd"} {
			if w := r.get(target, token, "If-None-Match", tag, "Accept-Encoding", asked); w.Code != 304 {
				t.Errorf("%s asked for in %q: %d", tag, asked, w.Code)
			}
		}
	}
}

func decoded(t *testing.T, coding string, body []byte) string {
	t.Helper()
	var in io.Reader = bytes.NewReader(body)
	switch coding {
	case "gzip":
		z, err := gzip.NewReader(in)
		if err != nil {
			t.Fatal(err)
		}
		in = z
	case "zstd":
		z, err := zstd.NewReader(in)
		if err != nil {
			t.Fatal(err)
		}
		defer z.Close()
		in = z
	}
	text, err := io.ReadAll(in)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestNarrowing: parameters leave values out, and never let any in.
func TestNarrowing(t *testing.T) {
	r := member(t)
	_, err := r.CreateCommunity(t.Context(), "second")
	r.check(err)
	in := func(community string, label protocol.TLP, values ...string) {
		_, err := r.Submit(t.Context(), SubmitRequest{TLP: label, Values: values, Community: community})
		r.check(err)
	}
	in("isac", protocol.Clear, "203.0.113.1", "evil.example")
	in("isac", protocol.Green, "203.0.113.2", "2001:db8::2")
	in("second", protocol.Green, "203.0.113.3")
	in("second", protocol.Clear, "203.0.113.2")
	green, clear := r.token(Reader, protocol.Green), r.token(Reader, protocol.Clear)
	for _, row := range []struct{ token, target, want string }{
		{green, "ip?", "203.0.113.1 203.0.113.2 203.0.113.3 2001:db8::2"},
		{green, "ip?types=ipv4-addr", "203.0.113.1 203.0.113.2 203.0.113.3"},
		{green, "ip?types=ipv6", "2001:db8::2"},
		{green, "ip?types=domain,ipv6", "2001:db8::2"},
		{green, "ip?labels=clear", "203.0.113.1"},
		{green, "ip?labels=clear,green", "203.0.113.1 203.0.113.2 203.0.113.3 2001:db8::2"},
		{green, "ip?communities=second", "203.0.113.2 203.0.113.3"},
		{green, "ip?communities=second,isac", "203.0.113.1 203.0.113.2 203.0.113.3 2001:db8::2"},
		{green, "ip?communities=isac&types=ipv6", "2001:db8::2"},
		{clear, "ip?", "203.0.113.1 203.0.113.2"},
		{clear, "ip?labels=green", "203.0.113.1 203.0.113.2"},
		{clear, "ip?labels=amber%2Bstrict", "203.0.113.1 203.0.113.2"},
		{clear, "ip?communities=isac", "203.0.113.1"},
		{green, "ip?types=domain", "400"}, {green, "ip?types=nonsense", "400"}, {green, "ip?labels=red", "400"}, {green, "ip?labels=pink", "400"}, {green, "ip?communities=nonsense", "404"},
		{green, "ip?types=ipv4&types=ipv6", "400"}, {green, "nonsense?labels=clear", "404"},
	} {
		w := r.get("/feeds/"+strings.Replace(row.target, "?", "?tier=observe&", 1), row.token)
		got := strings.Join(strings.Fields(w.Body.String()), " ")
		if w.Code != 200 {
			got = fmt.Sprint(w.Code)
		}
		if got != row.want {
			t.Errorf("%s: %q, want %q", row.target, got, row.want)
		}
	}
}

// TestRenderingsAreBounded: what is kept goes by the size of what is kept.
func TestRenderingsAreBounded(t *testing.T) {
	s := newRenderings()
	make := func(n int) rendering { return rendering{bytes: make([]byte, n)} }
	for i := range 100 {
		s.keep(i, "then", make(maxKept))
		if s.size > maxKeptAll {
			t.Fatalf("%d bytes are kept", s.size)
		}
	}
	if _, ok := s.find(99, "then"); !ok {
		t.Error("the last one is gone")
	}
	if _, ok := s.find(0, "then"); ok || len(s.byKey) != s.order.Len() || len(s.byKey) > maxKeptAll/maxKept {
		t.Errorf("%d are kept", len(s.byKey))
	}
	if _, ok := s.find(99, "now"); ok {
		t.Error("an old rendering is found")
	}
	s.keep(99, "now", make(10))
	if r, ok := s.find(99, "now"); !ok || len(r.bytes) != 10 {
		t.Error("the new one is not")
	}
}

// TestLargeRendering: what is too much to keep is measured once and written anew.
func TestLargeRendering(t *testing.T) {
	r := member(t)
	line := []byte(strings.Repeat("0123456789abcde\n", 1<<12))
	wrote := 0
	write := func(w io.Writer) error {
		wrote++
		for range maxKept/len(line) + 2 {
			if _, err := w.Write(line); err != nil {
				return err
			}
		}
		return nil
	}
	for range 2 {
		made, err := r.door.made(t.Context(), "large", "now", func() rendering { return rendering{media: plainText, write: write} })
		r.check(err)
		if made.bytes != nil || made.size != int64((maxKept/len(line)+2)*len(line)) || wrote != 1 {
			t.Fatalf("%d bytes of %d, written %d times", len(made.bytes), made.size, wrote)
		}
		for _, coding := range []string{"", "zstd", "gzip"} {
			req := httptest.NewRequest("GET", "http://localhost/", http.NoBody)
			req.Header.Set("Accept-Encoding", coding)
			rec := httptest.NewRecorder()
			w := &answerWriter{ResponseWriter: rec, control: http.NewResponseController(rec)}
			r.check(r.door.serveRendering(w, req, &made))
			if text := decoded(t, rec.Header().Get("Content-Encoding"), rec.Body.Bytes()); int64(len(text)) != made.size || rec.Header().Get("Content-Encoding") != coding {
				t.Errorf("%q: %d bytes", coding, len(text))
			}
		}
		wrote = 1
	}
}
