package feed

import (
	"bytes"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

const (
	engineWithin = 20 * time.Second
	engineEvery  = 50 * time.Millisecond
)

// takenBack is what the second column of the verdicts is without.
var takenBack = []string{"ipv4-addr 203.0.113.7\n", "domain-name evil.example\n"}

// A verdict on a value: whether a tool that loaded the sample must act on it, and
// whether it still must when some was taken back.
type engineVerdict struct {
	value         string
	listed, still bool
}

// at is the verdict after one of the [engineDocuments] was loaded.
func (v *engineVerdict) at(step int) bool { return step == 0 && v.listed || step == 1 && v.still }

// engineVerdicts reads the table that every engine is held to.
func engineVerdicts(t *testing.T, address bool) (verdicts []engineVerdict) {
	t.Helper()
	table, err := os.ReadFile(filepath.Join("testdata", "formats", "verdicts.txt"))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(table)) {
		f := strings.Fields(line)
		if f[0] == "#" {
			continue
		}
		if _, err := netip.ParseAddr(f[2]); (err == nil) == address {
			verdicts = append(verdicts, engineVerdict{f[2], f[0] == "yes", f[1] == "yes"})
		}
	}
	return verdicts
}

// engineDocuments are the sample, the sample after some was taken back, and
// nothing.
func engineDocuments(t *testing.T) []*Document {
	rest := gatewaySample
	for _, line := range takenBack {
		rest = strings.Replace(rest, line, "", 1)
	}
	documents := []*Document{documentOf(t, gatewaySample), documentOf(t, rest), documentOf(t, "")}
	for i, d := range documents {
		d.Changed = d.Changed.Add(time.Duration(i) * time.Minute)
	}
	return documents
}

// program finds a program, and skips where there is none, or where only what
// happens in this process is of interest.
func program(t *testing.T, name string) string {
	t.Helper()
	if testing.Short() {
		t.Skipf("starts %s", name)
	}
	path, err := exec.LookPath(name)
	if err != nil {
		path, err = exec.LookPath("/usr/sbin/" + name)
	}
	if err != nil {
		t.Skipf("%s is not installed", name)
	}
	return path
}

// engineDir is a directory that a program may read after it gave up being root.
func engineDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "tocsin-engine-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	return dir
}

func writeFile(t *testing.T, dir, name, text string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// writeFormat writes the files of a format into a directory; a format of one
// file under its own name.
func writeFormat(t *testing.T, dir, format string, d *Document) {
	t.Helper()
	for _, f := range gatewayFormats() {
		if f.Name != format {
			continue
		}
		for name, text := range filesOf(t, &f, d) {
			if name == "" {
				name = f.Name
			}
			writeFile(t, dir, name, text)
		}
		return
	}
	t.Fatalf("no format %s", format)
}

// run runs a program to its end.
func run(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

// A running is a program in the background and what it says.
type running struct {
	cmd   *exec.Cmd
	ended chan struct{}
	mu    sync.Mutex
	said  bytes.Buffer
}

func (r *running) Write(b []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.said.Write(b)
}

func (r *running) log() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.said.String()
}

// background starts a program that ends with the test.
func background(t *testing.T, name string, args ...string) *running {
	t.Helper()
	r := &running{cmd: exec.Command(name, args...), ended: make(chan struct{})}
	r.cmd.Stdout, r.cmd.Stderr = r, r
	r.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := r.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { r.cmd.Wait(); close(r.ended) }()
	t.Cleanup(func() {
		r.cmd.Process.Signal(syscall.SIGTERM)
		select {
		case <-r.ended:
		case <-time.After(3 * time.Second):
			r.cmd.Process.Kill()
			<-r.ended
		}
		if t.Failed() {
			t.Logf("%s said:\n%s", name, r.log())
		}
	})
	return r
}

// eventually waits for something, as long as a program that does it runs.
func (r *running) eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	tick, end := time.NewTicker(engineEvery), time.After(engineWithin)
	defer tick.Stop()
	for !is() {
		select {
		case <-tick.C:
		case <-r.ended:
			t.Fatalf("%s ended before %s", r.cmd.Path, what)
		case <-end:
			t.Fatalf("%s: not %s within %s", r.cmd.Path, what, engineWithin)
		}
	}
}

// freePort returns a port that nobody listens on, of TCP and UDP.
func freePort(t *testing.T) string {
	t.Helper()
	for range 10 {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		if c, err := net.ListenPacket("udp", l.Addr().String()); err == nil {
			c.Close()
			_, port, _ := net.SplitHostPort(l.Addr().String())
			return port
		}
	}
	t.Fatal("no free port")
	return ""
}

// ask sends one request and returns its status and header; 0 where nobody answers.
func ask(t *testing.T, client *http.Client, url, host string, header ...string) (int, http.Header) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	if host != "" {
		r.Host = host
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	response, err := client.Do(r)
	if err != nil {
		return 0, nil
	}
	response.Body.Close()
	return response.StatusCode, response.Header
}
