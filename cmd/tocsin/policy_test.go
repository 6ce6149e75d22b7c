package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tocsin-exchange/tocsin/node"
	"github.com/tocsin-exchange/tocsin/node/api"
	"github.com/tocsin-exchange/tocsin/node/nodetest"
	"github.com/tocsin-exchange/tocsin/protocol"
	"github.com/tocsin-exchange/tocsin/protocol/stix"
	"github.com/tocsin-exchange/tocsin/trust/policy"
)

// TestExamplePolicy: the example has no fault, and every case of its table passes.
func TestExamplePolicy(t *testing.T) {
	dir := newDirectory(t, nil)
	const base = "../../examples/policy/"
	code, stdout, stderr := play(t, env{}, "policy", "check", base+"policy.toml", "--dir", string(dir))
	if code != exitDone || stdout != "ok "+base+"policy.toml\n" || !strings.Contains(stderr, "no daemon runs") {
		t.Errorf("check: exit %d, %q, %q", code, stdout, stderr)
	}
	code, stdout, stderr = play(t, env{}, "policy", "test", base+"decisions.txt", "--policy", base+"policy.toml", "--dir", string(dir))
	if code != exitDone || stdout != "passed 28 of 28\n" || stderr != "" {
		t.Errorf("test: exit %d, %q, %q", code, stdout, stderr)
	}
	set, err := directory(base).readRules()
	if err != nil {
		t.Fatal(err)
	}
	for value, never := range map[string]bool{"www.clearing.example": true, "mail.bank.example": true, "198.51.100.7": true, "evil.example": false} {
		o, err := stix.Detect(value)
		if err != nil {
			t.Fatal(err)
		}
		if hit, is := set.rules.Floor.Check(o); is != never {
			t.Errorf("%s: never %t, %+v", value, is, hit)
		}
	}
}

// save writes files into a directory, by their names in it.
func (d directory) save(t testing.TB, files map[string]string) {
	t.Helper()
	for name, content := range files {
		path := filepath.Join(string(d), filepath.FromSlash(name))
		if err := firstError(os.MkdirAll(filepath.Dir(path), 0o700), replace(path, []byte(content))); err != nil {
			t.Fatal(err)
		}
	}
}

const listOfOne = `{"name": "%s", "type": "hostname", "matching_attributes": ["domain"], "list": ["%s"]}`

// TestPolicyRefused: what cannot be in force is told, all of it, with the place.
func TestPolicyRefused(t *testing.T) {
	outside := filepath.Join(t.TempDir(), "outside.json")
	if err := os.WriteFile(outside, fmt.Appendf(nil, listOfOne, "outside", "evil.example"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, row := range map[string]struct {
		files map[string]string
		link  bool
		want  []string
	}{
		"two faults": {files: map[string]string{"policy.toml": "nope = 1\n[trust]\ndefault = 500\n"},
			want: []string{"policy.toml:1:1: nope: there is no such key", "policy.toml:3:11: trust.default: 500 is out of range (0 to 100)"}},
		"no such list": {files: map[string]string{"policy.toml": `never-block.lists = ["lists"]`},
			want: []string{`policy.toml: never-block.lists: "lists": there is no such file`}},
		"a list that is none": {files: map[string]string{"policy.toml": `never-block.lists = ["lists"]`, "lists/a.json": "[]", "lists/README.md": "no list"},
			want: []string{"lists/a.json: is no JSON of a MISP warninglist"}},
		"two lists of one name": {files: map[string]string{"policy.toml": `never-block.lists = ["a.json", "b.json"]`, "a.json": fmt.Sprintf(listOfOne, "x", "a.example"), "b.json": fmt.Sprintf(listOfOne, "x", "b.example")},
			want: []string{`policy.toml: not a never-block list: two lists are called "x"`}},
		"a list that leads out": {files: map[string]string{"policy.toml": `never-block.lists = ["out.json"]`}, link: true,
			want: []string{`policy.toml: never-block.lists: "out.json": path escapes from parent`}},
		"a directory with a list that leads out": {files: map[string]string{"policy.toml": `never-block.lists = ["lists"]`, "lists/a.json": fmt.Sprintf(listOfOne, "x", "a.example")}, link: true,
			want: []string{"lists/out.json: path escapes from parent"}},
		"a directory in its place": {files: map[string]string{"policy.toml/x": ""}, want: []string{"policy.toml: it is no file"}},
		"too long":                 {files: map[string]string{"policy.toml": strings.Repeat("#", policy.MaxText+9)}, want: []string{"policy.toml:1:1: "}},
	} {
		t.Run(name, func(t *testing.T) {
			dir := newDirectory(t, nil)
			dir.save(t, row.files)
			if row.link {
				at := filepath.Join(string(dir), "out.json")
				if row.files["lists/a.json"] != "" {
					at = filepath.Join(string(dir), "lists", "out.json")
				}
				if err := os.Symlink(outside, at); err != nil {
					t.Fatal(err)
				}
			}
			_, err := dir.readRules()
			var faults api.PolicyFaults
			if !errors.As(err, &faults) || len(faults) != len(row.want) {
				t.Fatalf("%v, want %d faults", err, len(row.want))
			}
			for i, f := range faults {
				if !strings.HasPrefix(f.String(), row.want[i]) {
					t.Errorf("%s\nwant %s", f, row.want[i])
				}
			}
			code, _, stderr := play(t, env{}, "run", "--dir", string(dir))
			for _, want := range row.want {
				if code != exitFailed || !strings.Contains(stderr, want) {
					t.Errorf("run: exit %d, %s, want %s", code, stderr, want)
				}
			}
		})
	}
}

// TestPolicyAsSaved: what is saved is in force once it is whole, whichever of the
// files it was, and a fault leaves in force what was.
func TestPolicyAsSaved(t *testing.T) {
	dir := newDirectory(t, nil)
	book, rules, err := openRulebook(dir, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	book.enforce = func(r *node.Rules) policy.Faults { rules = r; return nil }
	level := func(want int, what string) {
		t.Helper()
		if got := rules.Policy.Trust.Default; got != want {
			t.Errorf("%s: the level is %d, want %d", what, got, want)
		}
	}
	lists := func() int { return len(rules.Floor.Lists()) }
	looks := func(n int) {
		for range n {
			book.look()
		}
	}
	none := lists()
	dir.save(t, map[string]string{"policy.toml": "trust.default = 60"})
	looks(1)
	level(50, "it may be half written")
	dir.save(t, map[string]string{"policy.toml": "trust.default = 61"})
	looks(1)
	level(50, "it was written to again")
	looks(1)
	level(61, "it was the same twice")

	dir.save(t, map[string]string{"policy.toml": "trust.default = 62\nnever-block.lists = [\"lists\"]"})
	looks(5)
	level(61, "the list is missing")
	if refused := book.files().Refused(); len(refused) != 1 {
		t.Errorf("refused: %v", refused)
	}
	dir.save(t, map[string]string{"lists/one.json": fmt.Sprintf(listOfOne, "one", "one.example")})
	looks(2)
	level(62, "the list has come")
	if refused := book.files().Refused(); refused != nil || lists() != none+1 {
		t.Errorf("refused: %v, %d lists", refused, lists())
	}
	dir.save(t, map[string]string{"lists/two.json": fmt.Sprintf(listOfOne, "two", "two.example")})
	looks(2)
	if lists() != none+2 {
		t.Errorf("%d lists after another came, want %d", lists(), none+2)
	}
	if err := os.Remove(filepath.Join(string(dir), "policy.toml")); err != nil {
		t.Fatal(err)
	}
	looks(2)
	level(50, "the file is gone")
}

// TestReloadUnderLoad: whoever asks while the policy changes a hundred times gets
// one policy or the other, never a part of each, and every submission goes through.
func TestReloadUnderLoad(t *testing.T) {
	dir := newDirectory(t, nil)
	texts := []string{"clients = [\"hospital\"]\ntrust.default = 61\ntrust.newcomer = 11\n", "trust.default = 62\ntrust.newcomer = 12\n"}
	dir.save(t, map[string]string{"policy.toml": texts[1]})
	synctest.Test(t, func(t *testing.T) {
		fed := nodetest.New(t, "bank -- hospital")
		bank := fed.Node("bank")
		book, rules, err := openRulebook(dir, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		book.enforce = bank.SetRules
		bank.SetRules(rules)
		ctx, stop := context.WithCancel(t.Context())
		var load sync.WaitGroup
		load.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				r := api.SubmitRequest{TLP: protocol.Green, Values: []string{fmt.Sprintf("203.0.113.%d", i%250)}}
				if _, err := fed.Client("bank").Submit(t.Context(), r); err != nil {
					t.Error(err)
				}
				time.Sleep(10 * time.Millisecond)
			}
		})
		load.Go(func() {
			for ctx.Err() == nil {
				rules, _ := bank.Rules()
				if p := rules.Policy.Trust; p.Default-p.Newcomer != 50 {
					t.Errorf("a part of each: default %d, newcomer %d", p.Default, p.Newcomer)
				}
				bank.Trust(fed.Org("hospital"), "")
				time.Sleep(time.Millisecond)
			}
		})
		for i := range 100 {
			dir.save(t, map[string]string{"policy.toml": texts[i%2]})
			if _, err := book.reload(t.Context()); err != nil {
				t.Error(err)
			}
			if declared := bank.IsClient(fed.Org("hospital")); declared != (i%2 == 0) {
				t.Fatalf("reload %d: the hospital is a client: %t", i, declared)
			}
			time.Sleep(7 * time.Millisecond)
		}
		stop()
		load.Wait()
	})
}
