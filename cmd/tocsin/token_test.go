package main

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

// TestCommandsAsAToken: with TOCSIN_TOKEN the command line may do and see what
// the token may, and with one that is not in force nothing; without, all.
func TestCommandsAsAToken(t *testing.T) {
	dir := newDirectory(t, nil)
	up(t, dir)
	as := func(token string) func(args string) (int, string, string) {
		return func(args string) (int, string, string) {
			t.Helper()
			return play(t, env{getenv: func(name string) string {
				return map[string]string{"TOCSIN_DIR": string(dir), "TOCSIN_TOKEN": token}[name]
			}}, strings.Fields(args)...)
		}
	}
	operator := as("")
	must := func(args string) string {
		t.Helper()
		code, stdout, stderr := operator(args)
		if code != exitDone {
			t.Fatalf("%s: exit %d, %s", args, code, stderr)
		}
		return lastLine(stdout)
	}
	must("community create isac")
	must("submit --tlp clear 203.0.113.7")
	must("submit --tlp green evil.example")
	must("submit --tlp clear --pap red www.example")
	reader := as(must("token create --role reader --clearance clear"))
	alice := as(must("token create --role analyst --clearance red --person alice --pap red --name desk"))
	for _, row := range []struct {
		who       string
		as        func(string) (int, string, string)
		args      string
		code      int
		out, said string
	}{
		{"reader", reader, "lookup 203.0.113.7", exitDone, "203.0.113.7", ""},
		{"reader", reader, "lookup evil.example", exitNotFound, "", ""},
		{"reader", reader, "lookup www.example", exitNotFound, "", ""},
		{"reader", reader, "submit --tlp clear 203.0.113.8", exitFailed, "", "role reader may not do this"},
		{"reader", reader, "status", exitFailed, "", "above this token's clearance"},
		{"reader", reader, "token list", exitFailed, "", "role reader may not do this"},
		{"alice", alice, "lookup evil.example", exitDone, "evil.example", ""},
		{"alice", alice, "lookup www.example", exitDone, "www.example", ""},
		{"alice", alice, "submit --tlp clear 203.0.113.8", exitDone, "203.0.113.8", ""},
		{"alice", alice, "status", exitDone, "claims: 4", ""},
		{"nobody", as("tocsin_AAAA"), "lookup 203.0.113.7", exitFailed, "", "hint: unset TOCSIN_TOKEN"},
		{"operator", operator, "token list", exitDone, "analyst clearance:red pap:red created:", ""},
		{"operator", operator, "token list", exitDone, " person:alice desk\n", ""},
	} {
		code, stdout, stderr := row.as(row.args)
		if code != row.code || !strings.Contains(stdout, row.out) || row.out == "" && stdout != "" && row.code != exitNotFound || !strings.Contains(stderr, row.said) {
			t.Errorf("%s: %s: exit %d, %q, %s", row.who, row.args, code, stdout, stderr)
		}
	}
	if _, _, stderr := operator("token create --role reader --clearance red"); !strings.Contains(stderr, "without --person it shows nothing under TLP:RED") {
		t.Errorf("a token for nobody's RED: %s", stderr)
	}
}

// TestFeedsWithoutHeaders: programs that can send no header get feeds by a token in
// the path, or from this host up to the label of the configuration.
func TestFeedsWithoutHeaders(t *testing.T) {
	dir := directory(t.TempDir() + "/n")
	c := defaultConfig()
	c.Org, c.Listen, c.HTTP, c.LoopbackFeeds = "bank", []string{"/ip4/127.0.0.1/tcp/0"}, "127.0.0.1:0", "clear"
	if _, err := dir.create(c, nil, time.Now()); err != nil {
		t.Fatal(err)
	}
	ready, _ := up(t, dir)
	must := func(args string) string {
		t.Helper()
		code, stdout, stderr := play(t, env{}, append(strings.Fields(args), "--dir", string(dir))...)
		if code != exitDone {
			t.Fatalf("%s: exit %d, %s", args, code, stderr)
		}
		return lastLine(stdout)
	}
	must("community create isac")
	must("submit --tlp clear 203.0.113.7")
	must("submit --tlp green 203.0.113.8")
	path := must("token create --role reader --clearance green --path --name resolver")
	if list := must("token list"); !strings.HasSuffix(list, " path resolver") {
		t.Errorf("listed as %q", list)
	}
	_, address, _ := strings.Cut(ready, " http=")
	address, _, _ = strings.Cut(address, " ")
	for target, want := range map[string]string{
		"/feeds/ip?tier=observe":                    "200 203.0.113.7\n",
		"/feeds/key/" + path + "/ip?tier=observe":   "200 203.0.113.7\n203.0.113.8\n",
		"/feeds/key/nonsense/ip?tier=observe":       "401",
		"/v1/lookup?value=203.0.113.7":              "401",
		"/feeds/hosts?tier=observe&types=ipv4-addr": "400",
	} {
		resp, err := http.Get("http://" + address + target)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		got := resp.Status[:3]
		if resp.StatusCode == http.StatusOK {
			got += " " + string(body)
		}
		if err != nil || got != want {
			t.Errorf("%s: %q, %v, want %q", strings.ReplaceAll(target, path, "TOKEN"), got, err, want)
		}
	}
}
