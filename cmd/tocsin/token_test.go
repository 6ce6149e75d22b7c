package main

import (
	"strings"
	"testing"
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
