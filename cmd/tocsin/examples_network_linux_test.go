package main

import (
	"context"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestNetworkExamples plays the README of each example as it stands, in a network of
// its own, against a daemon: what it says to type is typed, and what it says comes
// is waited for.
func TestNetworkExamples(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the command and runs other programs")
	}
	binary := buildBinary(t)
	for name, programs := range map[string][]string{
		"unbound-rpz":    {"unbound", "unbound-control", "unbound-checkconf", "dig", "dnsmasq"},
		"bind-rpz":       {"named", "named-checkconf", "named-checkzone", "rndc", "rndc-confgen", "dig", "dnsmasq", "curl"},
		"firewall-lists": {"nft", "ipset", "curl"},
		"haproxy":        {"haproxy", "curl"},
		"suricata":       {"suricata-update", "curl"},
		"zeek":           {"sagan", "curl"},
		"crowdsec":       {"crowdsec-firewall-bouncer", "nft", "curl"},
	} {
		t.Run(name, func(t *testing.T) {
			needs(t, append(programs, "ip", "bash")...)
			w := newWalk(t, binary, name)
			w.play()
			w.outage()
		})
	}
}

// A walk is an example's README being played.
//
//	bank$ COMMAND    is typed on the node; the token it makes is TOKEN from then on
//	$ COMMAND        is typed in a copy of the example's directory
//	$ COMMAND &      runs until the end
//
// A command with lines below it prints just these, if need be only when it is asked
// again; one without has to succeed.
type walk struct {
	t        *testing.T
	net      netns
	node     *process
	programs string // where the command is
	dir      string // the copy
	page     string
	token    string
}

// Addresses of the network that examples are played in: one that gets listed, one
// that does not, and what stands for the resolver of a provider.
const (
	listedAddress   = "203.0.113.7"
	unlistedAddress = "192.0.2.9"
	providerAddress = "192.0.2.53"
)

func newWalk(t *testing.T, binary, example string) *walk {
	t.Helper()
	w := &walk{t: t, net: newNetns(t), programs: filepath.Dir(binary), dir: openDir(t)}
	for _, address := range []string{listedAddress, unlistedAddress, providerAddress} {
		w.net.run("ip", "address", "add", address+"/32", "dev", "lo")
	}
	if err := os.CopyFS(w.dir, os.DirFS(filepath.Join("..", "..", "examples", example))); err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile(filepath.Join(w.dir, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	w.page = string(page)
	w.node = newProcess(t, w.net.binary(binary), "bank", "tcp", "--http", "127.0.0.1:7801")
	w.node.must("community", "create", "isac")
	if strings.Contains(w.page, providerAddress) {
		w.net.start("dnsmasq", "--keep-in-foreground", "--user=root", "--no-resolv", "--no-hosts", "--conf-file=/dev/null", "--pid-file", "--bind-interfaces",
			"--listen-address="+providerAddress, "--address=/example/192.0.2.80", "--address=/mirror.example/"+listedAddress)
	}
	return w
}

// openDir is a directory that a program may read after it gave up being root.
func openDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "tocsin-example-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

// A step is a command of a README and what it says comes of it.
type step struct {
	onNode bool
	text   string
	prints string
}

// steps reads the commands of a README.
func steps(page string) (list []step) {
	below := false
	for line := range strings.Lines(page) {
		line, indented := strings.CutPrefix(strings.TrimRight(line, "\n"), "    ")
		node, onNode := strings.CutPrefix(line, "bank$ ")
		tool, onTool := strings.CutPrefix(line, "$ ")
		switch {
		case !indented:
			below = false
		case onNode:
			list, below = append(list, step{onNode: true, text: node}), true
		case onTool:
			list, below = append(list, step{text: tool}), true
		case below:
			list[len(list)-1].prints += line + "\n"
		}
	}
	return list
}

func (w *walk) play() {
	w.t.Helper()
	list := steps(w.page)
	revoked, shown := false, false
	for _, s := range list {
		revoked = revoked || strings.HasPrefix(s.text, "tocsin revoke ")
		shown = shown || revoked && s.prints != ""
		if running, ok := strings.CutSuffix(s.text, " &"); ok {
			w.start(running)
			continue
		}
		w.step(s)
	}
	if w.token == "" || !shown {
		w.t.Errorf("a page of %d commands that makes no token, or does not show what a revocation does", len(list))
	}
}

// command runs in the example's directory.
func (w *walk) command(ctx context.Context, text string) *exec.Cmd {
	cmd := w.net.command(ctx, "bash", "-ec", text)
	cmd.Dir = w.dir
	cmd.Env = append(os.Environ(), "PATH="+w.programs+":"+os.Getenv("PATH"), "TOCSIN_DIR="+string(w.node.dir), "HOME="+w.dir, "TOKEN="+w.token)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 5 * time.Second // then it is killed
	return cmd
}

// run runs a command to its end.
func (w *walk) run(text string) (stdout, stderr string, err error) {
	ctx, stop := context.WithTimeout(w.t.Context(), arriveWithin)
	defer stop()
	var out, said strings.Builder
	cmd := w.command(ctx, text)
	cmd.Stdout, cmd.Stderr = &out, &said
	err = cmd.Run()
	return out.String(), said.String(), err
}

func (w *walk) step(s step) {
	w.t.Helper()
	if s.prints == "" {
		stdout, stderr, err := w.run(s.text)
		if err != nil {
			w.t.Fatalf("%s: %v\n%s%s", s.text, err, stdout, stderr)
		}
		if s.onNode && strings.HasPrefix(s.text, "tocsin token create ") {
			w.token = lastLine(stdout)
		}
		return
	}
	began := time.Now()
	eventually(w.t, s.text, func() (bool, string) {
		stdout, stderr, _ := w.run(s.text) // what it prints says how it ended
		return stdout+stderr == s.prints, stdout + stderr
	})
	if took := time.Since(began); took > time.Second {
		w.t.Logf("%s after %s: %s", strings.TrimSpace(s.prints), took.Round(time.Millisecond), s.text)
	}
}

// start runs a program until the test ends, and shows what it said if that failed.
func (w *walk) start(text string) {
	w.t.Helper()
	said := &strings.Builder{}
	cmd := w.command(w.t.Context(), "exec "+text)
	cmd.Stdout, cmd.Stderr = said, said
	if err := cmd.Start(); err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { // the test's context has ended
		cmd.Wait()
		if w.t.Failed() {
			w.t.Logf("%s said:\n%s", text, said)
		}
	})
}

// outage has the example's script, where there is one, find no node, and a node that does
// not let it in: it fails, and what was fetched before stays.
func (w *walk) outage() {
	w.t.Helper()
	if _, err := os.Stat(filepath.Join(w.dir, "refresh")); err != nil {
		return
	}
	before := w.files()
	for _, text := range []string{"NODE=http://127.0.0.1:9 ./refresh nftables", "echo 'Authorization: Bearer none' > token.header && ./refresh nftables"} {
		if stdout, stderr, err := w.run(text); err == nil || !strings.Contains(stderr, "curl: ") {
			w.t.Errorf("%s: %v\n%s%s", text, err, stdout, stderr)
		}
	}
	if after := w.files(); !maps.Equal(before, after) {
		w.t.Errorf("after an outage there are\n%q, before it\n%q", after, before)
	}
}

// files are those that were fetched, and by what tag they are known.
func (w *walk) files() map[string]string {
	w.t.Helper()
	content := map[string]string{}
	tags, err := filepath.Glob(filepath.Join(w.dir, "*.etag"))
	if err != nil || len(tags) == 0 {
		w.t.Fatalf("nothing was fetched: %v", err)
	}
	for _, tag := range tags {
		file := strings.TrimSuffix(tag, ".etag")
		for _, name := range []string{tag, file} {
			text, err := os.ReadFile(name)
			if err != nil {
				w.t.Fatal(err)
			}
			content[name] = string(text)
		}
	}
	return content
}

// TestCrowdSecExample: the files of the example are those that the tests of CrowdSec's
// own programs run with.
func TestCrowdSecExample(t *testing.T) {
	const node = "http://127.0.0.1:7801"
	for file, want := range map[string]string{
		"bouncer.yaml":  fmt.Sprintf(bouncerConfig, ".", node, "TOKEN"),
		"http.yaml":     fmt.Sprintf(crowdsecNotification, node, "TOKEN"),
		"profiles.yaml": crowdsecProfile,
	} {
		text, err := os.ReadFile(filepath.Join("..", "..", "examples", "crowdsec", file))
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		for line := range strings.Lines(string(text)) {
			if !strings.HasPrefix(line, "#") {
				got += line
			}
		}
		if got != want {
			t.Errorf("%s says\n%s\nthe tests run with\n%s", file, got, want)
		}
	}
}
