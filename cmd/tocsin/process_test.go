package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tocsin-exchange/tocsin/node"
	"github.com/tocsin-exchange/tocsin/node/api"
)

const (
	startWithin  = 30 * time.Second
	arriveWithin = 30 * time.Second
	askEvery     = 50 * time.Millisecond
)

// buildBinary builds the command as it is shipped.
func buildBinary(t testing.TB) string {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "tocsin")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", binary, ".").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return binary
}

// A process is one node of its own: binary, directory, process.
type process struct {
	t      testing.TB
	binary string
	dir    directory
	cmd    *exec.Cmd     // nil: not running
	log    *bytes.Buffer // read once ended is closed
	ended  chan struct{}
	ready  string
}

// newProcess sets a node up and starts it. Transport is tcp or quic.
func newProcess(t testing.TB, binary, org, transport string, flags ...string) *process {
	t.Helper()
	p := &process{t: t, binary: binary, dir: directory(filepath.Join(t.TempDir(), org))}
	p.must(append([]string{"init", "--org", org, "--listen", freeAddr(t, transport), "--http", "127.0.0.1:" + freePort(t, "tcp")}, flags...)...)
	p.start()
	return p
}

// freeAddr returns a multiaddr that nobody listens on.
func freeAddr(t testing.TB, transport string) string {
	if transport == "quic" {
		return "/ip4/127.0.0.1/udp/" + freePort(t, "udp") + "/quic-v1"
	}
	return "/ip4/127.0.0.1/tcp/" + freePort(t, "tcp")
}

func freePort(t testing.TB, network string) string {
	t.Helper()
	var addr net.Addr
	if network == "udp" {
		c, err := net.ListenPacket("udp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		addr = c.LocalAddr()
	} else {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		addr = l.Addr()
	}
	_, port, err := net.SplitHostPort(addr.String())
	if err != nil {
		t.Fatal(err)
	}
	return port
}

// start runs the daemon and waits for its ready line.
func (p *process) start() {
	p.t.Helper()
	cmd := exec.Command(p.binary, "run", "--dir", string(p.dir))
	out, err := cmd.StdoutPipe()
	if err != nil {
		p.t.Fatal(err)
	}
	p.log, p.ended = new(bytes.Buffer), make(chan struct{})
	cmd.Stderr = p.log
	if err := cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	p.cmd = cmd
	p.t.Cleanup(func() { p.end(cmd) })
	first, ended := make(chan string, 1), p.ended
	go func() {
		defer close(ended)
		lines := bufio.NewScanner(out)
		for lines.Scan() {
			select {
			case first <- lines.Text():
			default:
			}
		}
		cmd.Wait()
	}()
	select {
	case p.ready = <-first:
	case <-ended:
		p.t.Fatalf("%s ended before it was ready: %s\n%s", p.dir, cmd.ProcessState, p.log)
	case <-time.After(startWithin):
		p.t.Fatalf("%s is not ready after %s", p.dir, startWithin)
	}
	if !strings.HasPrefix(p.ready, "ready org=") {
		p.t.Fatalf("%s: first line %q", p.dir, p.ready)
	}
}

// end kills what a failed test left running.
func (p *process) end(cmd *exec.Cmd) {
	if p.cmd != cmd {
		return
	}
	cmd.Process.Kill()
	<-p.ended
	p.cmd = nil
	if p.t.Failed() {
		p.t.Logf("%s logged:\n%s", p.dir, p.log)
	}
}

// terminate ends the daemon in good order and returns the processor time it took.
func (p *process) terminate() (cpu time.Duration) {
	p.t.Helper()
	began := time.Now()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		p.t.Fatal(err)
	}
	select {
	case <-p.ended:
	case <-time.After(stopWithin + 2*time.Second):
		p.t.Fatalf("%s still runs %s after SIGTERM", p.dir, stopWithin)
	}
	state := p.cmd.ProcessState
	if code := state.ExitCode(); code != exitDone {
		p.t.Errorf("%s ended with %d after %s:\n%s", p.dir, code, time.Since(began), p.log)
	}
	p.cmd = nil
	return state.UserTime() + state.SystemTime()
}

// play runs one command of this node's directory in a process of its own.
func (p *process) play(args ...string) (code int, stdout, stderr string) {
	p.t.Helper()
	return p.playAs("", args...)
}

// playAs is play with a token in the environment.
func (p *process) playAs(token string, args ...string) (code int, stdout, stderr string) {
	p.t.Helper()
	var out, errs bytes.Buffer
	cmd := exec.CommandContext(p.t.Context(), p.binary, append(args, "--dir", string(p.dir))...)
	cmd.Stdout, cmd.Stderr = &out, &errs
	cmd.Env = append(os.Environ(), "TOCSIN_TOKEN="+token)
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		p.t.Fatalf("%v: %v", args, err)
	}
	return cmd.ProcessState.ExitCode(), out.String(), errs.String()
}

// must runs a command that has to succeed and returns what a script captures.
func (p *process) must(args ...string) string {
	p.t.Helper()
	code, stdout, stderr := p.play(args...)
	if code != exitDone {
		p.t.Fatalf("%s: %v: exit %d: %s", p.dir, args, code, stderr)
	}
	return lastLine(stdout)
}

func (p *process) status() (s node.Status) {
	p.t.Helper()
	if err := json.Unmarshal([]byte(p.must("status", "--json")), &s); err != nil {
		p.t.Fatal(err)
	}
	return s
}

// prints runs a command that has to succeed and print just these lines.
func (p *process) prints(want string, args ...string) {
	p.t.Helper()
	if code, stdout, stderr := p.play(args...); code != exitDone || stdout != want {
		p.t.Errorf("%s: %v: exit %d, %swant:\n%sgot:\n%s", p.dir, args, code, stderr, want, stdout)
	}
}

// ignores has the node know nothing of a value.
func (p *process) ignores(value string) {
	p.t.Helper()
	if code, stdout, stderr := p.play("lookup", value); code != exitNotFound {
		p.t.Errorf("%s knows %s: exit %d, %s%s", p.dir, value, code, stdout, stderr)
	}
}

// signed waits until so many nodes have signed for what this one said of a
// value; returns what status says then.
func (p *process) signed(value string, receipts string) (said string) {
	p.t.Helper()
	eventually(p.t, fmt.Sprintf("%s has receipts of %s for %s", p.dir, receipts, value), func() (bool, string) {
		_, stdout, stderr := p.play("status", value)
		said = stdout
		return strings.Contains(stdout, "\nreceipts: "+receipts), stdout + stderr
	})
	return said
}

// learns waits until the node knows who says a value.
func (p *process) learns(value, org string) {
	p.t.Helper()
	eventually(p.t, fmt.Sprintf("%s knows %s", p.dir, value), func() (bool, string) {
		code, stdout, stderr := p.play("lookup", value)
		return code == exitDone && strings.HasPrefix(stdout, value+" ") && strings.Contains(stdout, " "+org), stdout + stderr
	})
}

// meets waits until the node is connected with every one of so many peers.
func (p *process) meets(peers int) {
	p.t.Helper()
	eventually(p.t, fmt.Sprintf("%s has %d peers connected", p.dir, peers), func() (bool, string) {
		connected, s := 0, p.status()
		for _, peer := range s.Peers {
			if peer.Connected {
				connected++
			}
		}
		return connected == peers, fmt.Sprintf("%+v", s.Peers)
	})
}

// joins lets the node into the community of another.
func (p *process) joins(inviter *process) {
	p.t.Helper()
	token := inviter.must("invite", "--community", "isac")
	if got := p.must("join", token); got != "joined isac" {
		p.t.Fatalf("join printed %q", got)
	}
}

// url is where the node's HTTP door is.
func (p *process) url() string {
	_, address, _ := strings.Cut(p.ready, " http=")
	address, _, _ = strings.Cut(address, " ")
	return "http://" + address
}

// door returns a client of the node's HTTP door with a new token.
func (p *process) door(role string) *api.Client {
	p.t.Helper()
	transport := &http.Transport{}
	p.t.Cleanup(transport.CloseIdleConnections)
	return &api.Client{URL: p.url(), HTTP: &http.Client{Transport: transport}, Token: p.must("token", "create", "--role", role)}
}

// eventually asks until the answer is yes.
func eventually(t testing.TB, what string, ask func() (ok bool, said string)) {
	t.Helper()
	ticker := time.NewTicker(askEvery)
	defer ticker.Stop()
	late := time.After(arriveWithin)
	for {
		ok, said := ask()
		if ok {
			return
		}
		select {
		case <-ticker.C:
		case <-late:
			t.Fatalf("not within %s: %s; last: %s", arriveWithin, what, said)
		}
	}
}

func TestThreeProcessesTCP(t *testing.T)  { threeProcesses(t, "tcp", "/tcp/") }
func TestThreeProcessesQUIC(t *testing.T) { threeProcesses(t, "quic", "/quic-v1") }

// threeProcesses is the first hour of a community: three organisations, the
// third let in by the second, and one that was away for a while.
func threeProcesses(t *testing.T, transport, listens string) {
	if testing.Short() {
		t.Skip("builds the command and runs three processes")
	}
	binary := buildBinary(t)
	bank, hospital, vendor := newProcess(t, binary, "bank", transport), newProcess(t, binary, "hospital", transport), newProcess(t, binary, "vendor", transport)
	if !strings.Contains(bank.ready, listens) {
		t.Errorf("ready line %q, want %s", bank.ready, listens)
	}
	bank.must("community", "create", "isac")
	hospital.joins(bank)
	vendor.joins(hospital)
	for _, p := range []*process{bank, hospital, vendor} {
		p.meets(2)
	}

	if code, stdout, _ := bank.play("lookup", "203.0.113.7"); code != exitNotFound {
		t.Errorf("before it is said: exit %d, %s", code, stdout)
	}
	vendor.must("submit", "--tlp", "green", "--confidence", "80", "203.0.113.7")
	bank.learns("203.0.113.7", "vendor")
	hospital.learns("203.0.113.7", "vendor")
	checkDoor(t, bank, "203.0.113.7", "vendor")

	hospital.terminate()
	vendor.must("submit", "--tlp", "green", "evil.example")
	bank.must("submit", "--tlp", "green", "198.51.100.9")
	hospital.start()
	hospital.learns("evil.example", "vendor")
	hospital.learns("198.51.100.9", "bank")
	hospital.learns("203.0.113.7", "vendor")
	for _, p := range []*process{bank, hospital, vendor} {
		p.meets(2)
	}
	for _, p := range []*process{bank, hospital, vendor} {
		p.terminate()
	}
}

// checkDoor asks over HTTP: a reader may look up and found nothing, and nobody is
// let in without a token.
func checkDoor(t *testing.T, p *process, value, org string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), arriveWithin)
	defer cancel()
	reader := p.door("reader")
	answers, err := reader.Lookup(ctx, api.LookupRequest{Values: []string{value}})
	if err != nil || len(answers) != 1 || len(answers[0].Claims) != 1 || !strings.HasPrefix(answers[0].Claims[0].Org, org) {
		t.Errorf("lookup over HTTP: %+v, %v", answers, err)
	}
	var problem *api.Problem
	if _, err := reader.CreateCommunity(ctx, "other"); !errors.As(err, &problem) || problem.Status != http.StatusForbidden {
		t.Errorf("a reader founds a community: %v", err)
	}
	stranger := &api.Client{URL: reader.URL, HTTP: reader.HTTP}
	if _, err := stranger.Lookup(ctx, api.LookupRequest{Values: []string{value}}); !errors.As(err, &problem) || problem.Status != http.StatusUnauthorized {
		t.Errorf("without a token: %v", err)
	}
}
