package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/tocsin-exchange/tocsin/node/api"
	"github.com/tocsin-exchange/tocsin/node/nodetest"
)

// TestReplay: an answer that was changed is told apart from one that was not,
// value by value, and what is no answer is no file to replay.
func TestReplay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fed := nodetest.New(t, "bank -- vendor")
		fed.Submit("bank", "203.0.113.7", 2)
		fed.Settle()
		file := filepath.Join(t.TempDir(), "why.json")
		asked := env{dial: func(string) *api.Client { return fed.Client("vendor") }, unhoused: true}
		replay := func(text string) (int, string, string) {
			if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			return play(t, env{}, "why", "--replay", file)
		}
		code, whole, stderr := play(t, asked, "why", "--json", "203.0.113.7", "8.8.8.8")
		if code != exitDone || strings.Count(whole, "\n") != 2 {
			t.Fatalf("exit %d, %q, %s", code, whole, stderr)
		}
		for _, row := range []struct {
			was, is, want string
			code          int
		}{
			{"", "", "same: 203.0.113.7 is in ", exitDone},
			{"", "", "same: 8.8.8.8 is never acted on: ", exitDone},
			{`"score":25`, `"score":99`, "differs: 203.0.113.7 score: was 99, is 25", exitFailed},
			{`"floor":"`, `"floor":"not `, "differs: 8.8.8.8 conclusion: ", exitFailed},
			{`"role":"chosen"`, `"role":"anchor"`, "differs: 203.0.113.7 tier block: ", exitFailed},
		} {
			if !strings.Contains(whole, row.was) {
				t.Fatalf("%s is not in %s", row.was, whole)
			}
			code, stdout, stderr := replay(strings.Replace(whole, row.was, row.is, 1))
			if code != row.code || !strings.Contains(stdout, row.want) {
				t.Errorf("%s: exit %d, %q, %s", row.is, code, stdout, stderr)
			}
		}
		for text, want := range map[string]string{
			"": "no answer of", "{": "no answer of", `{"colour":"red"}`: "no answer of", "{}": "not a case that can be judged",
			strings.Replace(whole, `"half_life":`, `"half_life":-`, 1): "not a case that can be judged",
		} {
			if code, stdout, stderr := replay(text); code != exitFailed || !strings.Contains(stderr, want) {
				t.Errorf("%.40q: exit %d, %q, %s", text, code, stdout, stderr)
			}
		}
		if code, _, stderr := play(t, env{}, "why", "--replay", file, "203.0.113.7"); code != exitUsage {
			t.Errorf("exit %d, %s", code, stderr)
		}
		if code, _, stderr := play(t, env{}, "why"); code != exitUsage || !strings.Contains(stderr, "VALUE is missing") {
			t.Errorf("exit %d, %s", code, stderr)
		}
	})
}
