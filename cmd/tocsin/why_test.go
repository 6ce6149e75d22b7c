package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-json-experiment/json"

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

// TestReplayFromTheJournal: without a node the exported journal and the store of
// a directory tell how a value was judged; an export that was changed, or cut
// short, tells nothing.
func TestReplayFromTheJournal(t *testing.T) {
	if testing.Short() {
		t.Skip("starts processes")
	}
	bank := newProcess(t, buildBinary(t), "bank", "tcp")
	bank.must("community", "create", "isac")
	bank.must("submit", "--tlp", "green", "--confidence", "80", "203.0.113.7")
	var answer api.Why
	if err := json.Unmarshal([]byte(bank.must("why", "--json", "203.0.113.7")), &answer); err != nil || answer.Tier != "block" {
		t.Fatalf("%+v, %v", answer, err)
	}
	then := answer.Judged.Format(time.RFC3339Nano)
	bank.dir.save(t, map[string]string{"policy.toml": "tiers.block.score = 90\n"})
	bank.must("policy", "reload")
	eventually(t, "the new policy counts", func() (bool, string) {
		_, stdout, stderr := bank.play("why", "203.0.113.7")
		return strings.Contains(stdout, "is in alert, not in block"), stdout + stderr
	})
	file := filepath.Join(t.TempDir(), "audit.jsonl")
	_, text, _ := bank.play("audit", "export")
	save := func(text string) {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	save(text)
	if code, _, stderr := bank.play("why", "203.0.113.7", "--replay", file); code != exitFailed || !strings.Contains(stderr, "stop the daemon first") {
		t.Errorf("beside the daemon: exit %d, %s", code, stderr)
	}
	bank.terminate()
	for at, want := range map[string]string{then: "why: 203.0.113.7 is in block: ", "": "why: 203.0.113.7 is in alert, not in block: "} {
		if code, stdout, stderr := bank.play("why", "203.0.113.7", "--replay", file, "--at", at); code != exitDone || !strings.HasPrefix(stdout, want) {
			t.Errorf("at %q: exit %d, %s%s", at, code, stdout, stderr)
		}
	}
	for what, text := range map[string]string{
		"changed": strings.Replace(text, `"act":"submit"`, `"act":"admit"`, 1), "cut short": text[:len(text)-100], "empty": "", "no journal": "{}\n",
	} {
		save(text)
		if code, stdout, stderr := bank.play("why", "203.0.113.7", "--replay", file); code != exitFailed || stdout != "" || !strings.Contains(stderr, "tocsin audit export") {
			t.Errorf("%s: exit %d, %q, %s", what, code, stdout, stderr)
		}
	}
}
