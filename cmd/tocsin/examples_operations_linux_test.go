package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// TestExamplesOperations does what the examples for operations, SIEM and SOAR say: it
// types the commands of each README, with its files, against a real node.
func TestExamplesOperations(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the command and runs nodes")
	}
	binary := buildBinary(t)
	for name, play := range map[string]func(t *testing.T, e *example){
		"prometheus": examplePrometheus, "systemd": exampleSystemd, "soar-webhook": exampleWebhook, "ticketing": exampleTicketing,
		"splunk": exampleSplunk, "sentinel": exampleSentinel, "elastic": exampleElastic, "opencti": exampleOpenCTI, "misp": exampleMISP,
	} {
		t.Run(name, func(t *testing.T) {
			e := newExample(t, binary, name)
			play(t, e)
			e.allTyped()
		})
	}
}

// An example is a copy of a directory of examples, and a terminal in it.
type example struct {
	t        *testing.T
	name     string
	dir      string
	binary   string
	node     *process
	commands []string // of the README
	typed    map[string]bool
	token    string // what a reader has in TOKEN
}

var readmeCommand = regexp.MustCompile(`(?m)^ {4,}(?:bank)?\$ (.+)$`)

func newExample(t *testing.T, binary, name string) *example {
	t.Helper()
	e := &example{t: t, name: name, dir: filepath.Join(t.TempDir(), name), binary: binary, typed: map[string]bool{}}
	if err := os.CopyFS(e.dir, os.DirFS(filepath.Join("..", "..", "examples", name))); err != nil {
		t.Fatal(err)
	}
	for _, m := range readmeCommand.FindAllStringSubmatch(e.read("README.md"), -1) {
		e.commands = append(e.commands, m[1])
	}
	return e
}

// start runs the node that the README speaks of, in one community.
func (e *example) start() *process {
	e.t.Helper()
	e.node = newProcess(e.t, e.binary, "bank", "tcp")
	e.node.must("community", "create", "isac")
	return e.node
}

func (e *example) file(name string) string { return filepath.Join(e.dir, name) }

func (e *example) read(name string) string {
	e.t.Helper()
	text, err := os.ReadFile(e.file(name))
	if err != nil {
		e.t.Fatal(err)
	}
	return string(text)
}

func (e *example) write(name, text string) {
	e.t.Helper()
	if err := os.WriteFile(e.file(name), []byte(text), 0o600); err != nil {
		e.t.Fatal(err)
	}
}

// edit puts into a file what a reader is told to.
func (e *example) edit(name string, pairs ...string) {
	e.t.Helper()
	e.write(name, e.filled(e.read(name), pairs...))
}

func (e *example) filled(text string, pairs ...string) string {
	e.t.Helper()
	for i := 0; i < len(pairs); i += 2 {
		if !strings.Contains(text, pairs[i]) {
			e.t.Fatalf("%s has no %q to put %q in its place:\n%s", e.name, pairs[i], pairs[i+1], text)
		}
	}
	return strings.NewReplacer(pairs...).Replace(text)
}

// command finds the command of the README that begins so, and what runs it.
func (e *example) command(ctx context.Context, prefix string, pairs ...string) *exec.Cmd {
	e.t.Helper()
	for _, c := range e.commands {
		if !strings.HasPrefix(c, prefix) {
			continue
		}
		e.typed[c] = true
		text, dir := e.filled(c, pairs...), e.dir
		if e.node != nil {
			text = strings.ReplaceAll(text, "http://127.0.0.1:7801", e.node.url())
		}
		if strings.HasPrefix(c, "go build -o ") {
			text, dir = strings.Replace(text, "-o ", "-o "+e.dir+"/", 1), filepath.Join("..", "..")
		}
		cmd := exec.CommandContext(ctx, "sh", "-c", text)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "PATH="+filepath.Dir(e.binary)+":"+os.Getenv("PATH"), "TOKEN="+e.token)
		if e.node != nil {
			cmd.Env = append(cmd.Env, "TOCSIN_DIR="+string(e.node.dir))
		}
		return cmd
	}
	e.t.Fatalf("the README of %s has no command %q", e.name, prefix)
	return nil
}

// types runs a command of the README that has to succeed, with words in the place
// of others; returns what it printed.
func (e *example) types(prefix string, pairs ...string) string {
	e.t.Helper()
	ctx, cancel := context.WithTimeout(e.t.Context(), arriveWithin)
	defer cancel()
	var out, errs bytes.Buffer
	cmd := e.command(ctx, prefix, pairs...)
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		e.t.Fatalf("%v: %v\n%s%s", cmd.Args, err, &out, &errs)
	}
	return out.String()
}

// makesToken types the command that makes a token, and keeps it.
func (e *example) makesToken(file string) {
	e.t.Helper()
	e.types("tocsin token create")
	e.token = strings.TrimSpace(e.read(file))
}

// runs starts a command of the README until the test ends or stop is called.
func (e *example) runs(prefix string, pairs ...string) (stop func()) {
	e.t.Helper()
	var out bytes.Buffer
	cmd := e.command(context.Background(), prefix, pairs...)
	cmd.Args[2] = "exec " + cmd.Args[2]
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		e.t.Fatal(err)
	}
	stopped := false
	stop = func() {
		if stopped {
			return
		}
		stopped = true
		cmd.Process.Signal(os.Interrupt)
		late := time.AfterFunc(stopWithin, func() { cmd.Process.Kill() })
		cmd.Wait()
		late.Stop()
	}
	e.t.Cleanup(func() {
		stop()
		if e.t.Failed() {
			e.t.Logf("%v said:\n%s", cmd.Args, &out)
		}
	})
	return stop
}

// allTyped fails where the README has a command that the test did not try.
func (e *example) allTyped() {
	e.t.Helper()
	for _, c := range e.commands {
		if !e.typed[c] && !e.t.Skipped() {
			e.t.Errorf("the README of %s has a command that is not tried: %s", e.name, c)
		}
	}
}

// hasPrograms skips where one is not installed.
func (e *example) hasPrograms(names ...string) {
	e.t.Helper()
	for _, name := range names {
		if _, err := exec.LookPath(name); err != nil {
			e.t.Skipf("%s is not installed: %v", name, err)
		}
	}
}

// get asks as another program would; header are pairs.
func (e *example) get(target string, header ...string) (*http.Response, string) {
	e.t.Helper()
	ctx, cancel := context.WithTimeout(e.t.Context(), arriveWithin)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, "GET", target, nil)
	if err != nil {
		e.t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		e.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, 16<<20))
	if err != nil {
		e.t.Fatal(err)
	}
	return resp, string(text)
}

// json asks for what has to be there, and reads it.
func (e *example) json(target string, into any, header ...string) http.Header {
	e.t.Helper()
	resp, text := e.get(target, header...)
	if resp.StatusCode != http.StatusOK {
		e.t.Fatalf("%s: %s: %s", target, resp.Status, text)
	}
	if err := json.Unmarshal([]byte(text), into); err != nil {
		e.t.Fatalf("%s: %v: %s", target, err, text)
	}
	return resp.Header
}
