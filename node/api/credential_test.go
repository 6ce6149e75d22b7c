package api

import (
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/tocsin-exchange/tocsin/protocol"
	"github.com/tocsin-exchange/tocsin/storage/journal"
)

func basic(user, password string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+password))
}

// TestCredentials: every way to show a token that real clients have, and no other.
func TestCredentials(t *testing.T) {
	r := member(t)
	token, path := r.token(Reader, protocol.Green), r.pathToken(protocol.Green)
	for _, row := range []struct {
		header, value string
		want          int
	}{
		{"Authorization", "Bearer " + token, 200}, {"Authorization", "bearer " + token, 200}, {"Authorization", "Token " + token, 200},
		{"Authorization", basic("tocsin", token), 200}, {"Authorization", basic("", token), 200}, {"Authorization", basic("any:thing", token), 401},
		{"X-Api-Key", token, 200}, {"x-api-key", token, 200}, {"X-Api-Key", "Bearer " + token, 401}, {"X-Api-Key", "", 401},
		{"Authorization", basic(token, ""), 401}, {"Authorization", "Basic " + token, 401}, {"Authorization", token, 401}, {"Authorization", "Digest " + token, 401},
		{"Authorization", "Bearer  " + token, 401}, {"Cookie", "token=" + token, 401}, {"X-Auth-Token", token, 401},
		{"Authorization", "Bearer " + path, 401}, {"X-Api-Key", path, 401}, {"Authorization", basic("u", path), 401},
	} {
		for _, target := range []string{"/v1/identity", "/feeds/ip", "/feeds/"} {
			w := r.send(r.door.Remote(), request{method: "GET", target: target, header: map[string]string{row.header: row.value}})
			if w.Code != row.want {
				t.Errorf("%s: %s: %.20s: %d, want %d", target, row.header, row.value, w.Code, row.want)
			}
			if challenged := strings.Join(w.Header().Values("WWW-Authenticate"), ", "); w.Code == 401 && (!strings.Contains(challenged, "Bearer ") || !strings.Contains(challenged, "Basic ")) {
				t.Errorf("%s: challenged with %q", target, challenged)
			}
		}
	}
	both := request{method: "GET", target: "/v1/identity", header: map[string]string{"Authorization": "Bearer nonsense", "X-Api-Key": token}}
	if w := r.send(r.door.Remote(), both); w.Code != 401 {
		t.Errorf("Authorization decides: %d", w.Code)
	}
	for _, header := range []string{"Authorization", "X-Api-Key"} {
		if w := r.send(r.door.Local(), request{method: "GET", target: "/v1/status", header: map[string]string{header: "nonsense"}}); w.Code != 401 {
			t.Errorf("at the socket with a bad %s: %d", header, w.Code)
		}
	}
	if w := r.send(r.door.Local(), request{method: "GET", target: "/v1/tokens", header: map[string]string{"X-Api-Key": token}}); w.Code != 403 {
		t.Errorf("a reader at the socket: %d", w.Code)
	}
}

// pathToken makes a token for paths.
func (r *rig) pathToken(clearance protocol.TLP) string {
	r.t.Helper()
	answer, err := r.CreateToken(r.t.Context(), TokenRequest{Role: Reader, Clearance: clearance, Path: true})
	r.check(err)
	return answer.Secret
}

// TestSecretPaths: a token for paths fetches feeds up to its clearance and does
// nothing else, and stands in no record, metric or log.
func TestSecretPaths(t *testing.T) {
	r := member(t)
	r.say(protocol.Clear, "203.0.113.7")
	r.say(protocol.Green, "203.0.113.8")
	path, header := r.pathToken(protocol.Clear), r.token(Operator, protocol.Green)
	for target, want := range map[string]string{
		"/feeds/key/" + path + "/ip?tier=observe":     "200 203.0.113.7\n",
		"/feeds/key/" + path + "/ipv6?tier=observe":   "200 ",
		"/feeds/key/" + path + "/nonsense":            "404",
		"/feeds/key/" + header + "/ip?tier=observe":   "401",
		"/feeds/key/" + path + "A/ip?tier=observe":    "401",
		"/feeds/key/nonsense/ip":                      "401",
		"/feeds/key/" + path:                          "404",
		"/feeds/key/" + path + "/ip/../../v1/changes": "404",
		"/v1/decisions/stream?token=" + path:          "403",
	} {
		w := r.send(r.door.Remote(), request{method: "GET", target: target})
		got := w.Result().Status[:3]
		if w.Code == 200 {
			got += " " + w.Body.String()
		}
		if got != want {
			t.Errorf("%s: %q, want %q", strings.ReplaceAll(target, path, "TOKEN"), got, want)
		}
		if strings.Contains(w.Body.String(), path[10:]) {
			t.Errorf("an answer shows the token: %s", w.Body)
		}
	}
	index := r.send(r.door.Remote(), request{method: "GET", target: "/feeds/key/" + path + "/"})
	if index.Code != 200 || !strings.Contains(index.Body.String(), `"feed":"ip"`) {
		t.Errorf("index: %d %s", index.Code, index.Body)
	}
	for _, bad := range []TokenRequest{{Role: Operator, Path: true}, {Role: Analyst, Path: true}, {Role: Reader, Clearance: protocol.Red, Path: true}} {
		if _, err := r.CreateToken(t.Context(), bad); err == nil {
			t.Errorf("%+v was made", bad)
		}
	}
	metrics := r.send(r.door.Local(), request{method: "GET", target: "/metrics"}).Body.String()
	if !strings.Contains(metrics, `route="/feeds/key/{token}/{name...}"`) {
		t.Error("the route is not counted")
	}
	var records strings.Builder
	r.check(r.door.journal.Open.Export(&records, journal.Query{}))
	if !strings.Contains(records.String(), "feed ip observe") {
		t.Errorf("the fetch is not on record: %s", records.String())
	}
	for what, text := range map[string]string{"metrics": metrics, "log": r.log.String(), "journal": records.String()} {
		if strings.Contains(text, path[len(tokenPrefix):]) || strings.Contains(text, header[len(tokenPrefix):]) {
			t.Errorf("the %s tells a token", what)
		}
	}
}

// TestLoopbackProfile: who comes from this host and shows nothing gets feeds up to
// the label of the configuration, and nothing else; nobody does without one.
func TestLoopbackProfile(t *testing.T) {
	r := member(t)
	r.say(protocol.Clear, "203.0.113.7")
	r.say(protocol.Green, "203.0.113.8")
	ask := func(target, from string, header ...string) *httptest.ResponseRecorder {
		req := httptest.NewRequest("GET", "http://localhost"+target, http.NoBody)
		req.RemoteAddr = from
		for i := 0; i < len(header); i += 2 {
			req.Header.Set(header[i], header[i+1])
		}
		w := httptest.NewRecorder()
		r.door.Remote().ServeHTTP(w, req)
		return w
	}
	const list, here = "/feeds/ip?tier=observe", "127.0.0.1:40000"
	if w := ask(list, here); w.Code != 401 {
		t.Errorf("without a configuration: %d", w.Code)
	}
	r.door.loopback = protocol.Clear
	for _, from := range []string{here, "[::1]:40000", "127.5.5.5:1", "[::ffff:127.0.0.1]:1"} {
		if w := ask(list, from); w.Code != 200 || w.Body.String() != "203.0.113.7\n" {
			t.Errorf("from %s: %d %q", from, w.Code, w.Body)
		}
	}
	for _, row := range [][]string{
		{list, "203.0.113.9:40000"}, {list, "10.0.0.1:1"}, {list, ""}, {list, "@"}, {"/v1/identity", here}, {"/v1/lookup?value=203.0.113.7", here}, {"/metrics", here}, {"/v1/changes", here},
		{"/v1/feeds", here}, {list, here, "Authorization", "Bearer nonsense"}, {list, here, "X-Api-Key", "nonsense"}, {list, here, "X-Forwarded-For", "203.0.113.9"},
		{list, here, "Forwarded", "for=203.0.113.9"}, {list, here, "X-Real-Ip", "203.0.113.9"}, {list, here, "Via", "1.1 proxy"}, {list, here, "Sec-Fetch-Site", "cross-site"},
	} {
		if w := ask(row[0], row[1], row[2:]...); w.Code != 401 {
			t.Errorf("%q: %d", row, w.Code)
		}
	}
	token := r.token(Reader, protocol.Green)
	if w := ask(list, here, "Authorization", "Bearer "+token); w.Body.String() != "203.0.113.7\n203.0.113.8\n" {
		t.Errorf("with a token it is the token's: %q", w.Body)
	}
}

// FuzzCredentials: no header is too much, and a token is found only where it is
// shown.
func FuzzCredentials(f *testing.F) {
	for _, seed := range []string{"Bearer tocsin_A", "Basic dTp0b2NzaW5fQQ==", "Token tocsin_A", "Basic \xff", " ", "Bearer", "basic dTp0b2NzaW5fQQ"} {
		f.Add(seed, "tocsin_A")
	}
	f.Fuzz(func(t *testing.T, authorization, key string) {
		req := &http.Request{Header: http.Header{"Authorization": {authorization}, "X-Api-Key": {key}}}
		secret := shownSecret(req)
		decoded, _ := base64.StdEncoding.DecodeString(authorization[strings.LastIndexByte(authorization, ' ')+1:])
		if !strings.Contains(authorization, secret) && !strings.Contains(string(decoded), secret) {
			t.Fatalf("%q shows %q", authorization, secret)
		}
		delete(req.Header, "Authorization")
		if shownSecret(req) != key {
			t.Fatalf("X-Api-Key %q is read as %q", key, shownSecret(req))
		}
	})
}

// FuzzAcceptEncoding: what is chosen was asked for.
func FuzzAcceptEncoding(f *testing.F) {
	for _, seed := range []string{"gzip, zstd;q=0.5", "*", "*;q=0", "gzip;q=NaN", ";;,,q=1", "zstd;q=1e9"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, field string) {
		r := rendering{media: plainText, size: smallAnswer}
		c := codingFor(&http.Request{Header: http.Header{"Accept-Encoding": {field}}}, &r)
		if c != plainly && !strings.Contains(strings.ToLower(field), string(c)) && !strings.Contains(field, "*") {
			t.Fatalf("%q gets %q", field, c)
		}
	})
}
