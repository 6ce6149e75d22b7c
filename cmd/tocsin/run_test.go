package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tocsin-exchange/tocsin/node"
	"github.com/tocsin-exchange/tocsin/protocol"
)

// play runs one command line and returns what it printed.
func play(t testing.TB, e env, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	e.args, e.stdout, e.stderr = args, &out, &errs
	if e.stdin == nil {
		e.stdin = strings.NewReader("")
	}
	code = run(t.Context(), e)
	return code, out.String(), errs.String()
}

// up starts the daemon of a directory and returns its ready line, and how to
// end it: that returns the exit code and what it logged.
func up(t testing.TB, dir directory, args ...string) (ready string, down func() (int, string)) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	r, w := io.Pipe()
	var log bytes.Buffer
	code := make(chan int, 1)
	go func() {
		code <- run(ctx, env{args: append([]string{"run", "--dir", string(dir)}, args...), stdin: strings.NewReader(""), stdout: w, stderr: &log})
		w.Close()
	}()
	ready, err := bufio.NewReader(r).ReadString('\n')
	down = func() (int, string) {
		cancel()
		c := <-code
		code <- c
		return c, log.String()
	}
	t.Cleanup(func() { down() })
	if err != nil {
		c, text := down()
		t.Fatalf("not ready, exit %d: %s", c, text)
	}
	return strings.TrimSuffix(ready, "\n"), down
}

func TestRun(t *testing.T) {
	dir := newDirectory(t, nil)
	ready, down := up(t, dir)
	id, err := dir.offlineIdentity()
	if err != nil {
		t.Fatal(err)
	}
	want := "ready org=bank node=" + id.Node + " http=127.0.0.1:"
	if !strings.HasPrefix(ready, want) || !strings.Contains(ready, " p2p=/ip4/127.0.0.1/tcp/") || !strings.HasSuffix(ready, "/p2p/"+id.Node) {
		t.Errorf("ready line %q, want %s...", ready, want)
	}
	if info, err := os.Lstat(dir.socket()); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("socket: %v, %v", info, err)
	}
	if code, _, stderr := play(t, env{}, "run", "--dir", string(dir)); code != exitFailed || !strings.Contains(stderr, "another tocsin is at work") {
		t.Errorf("a second daemon: exit %d, %s", code, stderr)
	}
	if code, _, stderr := play(t, env{}, "store", "rebuild", "--dir", string(dir)); code != exitFailed || !strings.Contains(stderr, "another tocsin is at work") {
		t.Errorf("rebuild under a daemon: exit %d, %s", code, stderr)
	}
	if code, log := down(); code != exitDone || !strings.Contains(log, "stopping") {
		t.Errorf("exit %d: %s", code, log)
	}
	if _, err := os.Lstat(dir.socket()); err == nil {
		t.Error("the socket is left over")
	}
	if code, stdout, stderr := play(t, env{}, "store", "rebuild", "--dir", string(dir)); code != exitDone || stdout != "rebuilt 0 objects in 0 bulletins\n" {
		t.Errorf("rebuild: exit %d, %q, %s", code, stdout, stderr)
	}
}

func TestRunAnswersItsSocket(t *testing.T) {
	dir := newDirectory(t, nil)
	ready, _ := up(t, dir)
	code, stdout, stderr := play(t, env{getenv: func(name string) string {
		return map[string]string{"TOCSIN_DIR": string(dir)}[name]
	}}, "id")
	if code != exitDone || !strings.Contains(ready, strings.TrimPrefix(lastLine(stdout), "addr: ")) {
		t.Errorf("exit %d: %s%s, want the address of %q", code, stdout, stderr, ready)
	}
	if code, _, stderr := play(t, env{}, "community", "create", "isac", "--dir", string(dir)); code != exitDone {
		t.Errorf("exit %d: %s", code, stderr)
	}
}

func TestRunWithPassphrase(t *testing.T) {
	dir := newDirectory(t, []byte("correct horse"))
	secret := filepath.Join(t.TempDir(), "pass")
	if err := os.WriteFile(secret, []byte("correct horse\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	ready, down := up(t, dir, "--passphrase-file", secret)
	if !strings.HasPrefix(ready, "ready ") {
		t.Error(ready)
	}
	if code, log := down(); code != exitDone || strings.Contains(log, "horse") {
		t.Errorf("exit %d: %s", code, log)
	}
	credentials := t.TempDir()
	if err := os.WriteFile(filepath.Join(credentials, credential), []byte("battery staple"), 0o640); err != nil {
		t.Fatal(err)
	}
	systemd := func(name string) string { return map[string]string{"CREDENTIALS_DIRECTORY": credentials}[name] }
	for _, row := range []struct {
		name string
		env  env
		want string
	}{
		{"nobody to ask", env{}, "there is no terminal to ask"},
		{"wrong credential", env{getenv: systemd}, "wrong passphrase"},
		{"wrong answer", env{prompt: func(string) ([]byte, error) { return []byte("battery staple"), nil }}, "wrong passphrase"},
		{"no answer", env{prompt: func(string) ([]byte, error) { return nil, io.EOF }}, "EOF"},
	} {
		if code, _, stderr := play(t, row.env, "run", "--dir", string(dir)); code != exitFailed || !strings.Contains(stderr, row.want) {
			t.Errorf("%s: exit %d, %s", row.name, code, stderr)
		}
	}
	if err := os.Chmod(secret, 0o644); err != nil {
		t.Fatal(err)
	}
	if code, _, stderr := play(t, env{}, "run", "--dir", string(dir), "--passphrase-file", secret); code != exitFailed || !strings.Contains(stderr, "open to others") {
		t.Errorf("a passphrase others may read: exit %d, %s", code, stderr)
	}
}

// TestRunRefuses: each fault is named, nothing starts, and the exit code is 1.
func TestRunRefuses(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	_, port, err := net.SplitHostPort(taken.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct {
		name string
		do   func(d directory) error
		want string
	}{
		{"no directory", func(d directory) error { return os.RemoveAll(string(d)) }, "no node lives in"},
		{"a file", func(d directory) error {
			return firstError(os.RemoveAll(string(d)), os.WriteFile(string(d), nil, 0o600))
		}, "is not a directory"},
		{"never set up", func(d directory) error { return os.Remove(d.config()) }, "no node lives in"},
		{"open directory", func(d directory) error { return os.Chmod(string(d), 0o755) }, "is open to others (mode 0755)"},
		{"open key", func(d directory) error { return os.Chmod(d.nodeKey(), 0o644) }, "is open to others (mode 0644)"},
		{"unknown key", func(d directory) error { return appendTo(d.config(), "\nca = 1\n") }, "unknown key tls.ca"},
		{"not TOML", func(d directory) error { return appendTo(d.config(), "\n===\n") }, "line "},
		{"endless configuration", func(d directory) error { return appendTo(d.config(), strings.Repeat("#", maxConfig)) }, "longer than"},
		{"port taken", func(d directory) error {
			return setConfig(d, func(c *config) { c.Listen = []string{"/ip4/127.0.0.1/tcp/" + port} })
		}, "address already in use"},
		{"HTTP port taken", func(d directory) error { return setConfig(d, func(c *config) { c.HTTP = "127.0.0.1:" + port }) }, "address already in use"},
		{"HTTP for all", func(d directory) error {
			return setConfig(d, func(c *config) { c.HTTP = "0.0.0.0:7801" })
		}, "not a loopback address"},
		{"no TLS file", func(d directory) error {
			return setConfig(d, func(c *config) { c.TLS = tlsFiles{"http.pem", "http.key"} })
		}, "http.key: no such file"},
		{"open TLS key", func(d directory) error {
			return firstError(setConfig(d, func(c *config) { c.TLS = tlsFiles{"http.pem", "http.key"} }), os.WriteFile(d.within("http.key"), nil, 0o644))
		}, "open to others"},
		{"no socket", func(d directory) error { return os.WriteFile(d.socket(), nil, 0o600) }, "is not a socket"},
		{"ended certificate", func(d directory) error { return endCertificate(d) }, "the certificate of this node ended on"},
		{"store gone", func(d directory) error {
			return firstError(os.RemoveAll(d.store()), os.WriteFile(d.store(), nil, 0o600))
		}, "open the store in"},
	} {
		t.Run(row.name, func(t *testing.T) {
			dir := newDirectory(t, nil)
			if err := row.do(dir); err != nil {
				t.Fatal(err)
			}
			code, stdout, stderr := play(t, env{}, "run", "--dir", string(dir))
			if code != exitFailed || stdout != "" || !strings.Contains(stderr, "tocsin: run: ") || !strings.Contains(stderr, row.want) {
				t.Errorf("exit %d, printed %q, said %q, want %q", code, stdout, stderr, row.want)
			}
			if lock, err := dir.acquire(); err == nil {
				lock.Close()
			} else if !os.IsNotExist(err) && row.name != "a file" {
				t.Errorf("the lock is still held: %v", err)
			}
		})
	}
}

func TestStaleSocketIsTakenAway(t *testing.T) {
	dir := newDirectory(t, nil)
	l, err := net.Listen("unix", dir.socket())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := dir.listen(); err == nil || !strings.Contains(err.Error(), "another daemon answers") {
		t.Errorf("while somebody answers: %v", err)
	}
	l.(*net.UnixListener).SetUnlinkOnClose(false)
	l.Close()
	again, err := dir.listen()
	if err != nil {
		t.Fatal(err)
	}
	again.Close()
	long := directory(filepath.Join(t.TempDir(), strings.Repeat("x", 120)))
	if _, err := long.listen(); err == nil || !strings.Contains(err.Error(), "too long for a socket") {
		t.Errorf("long path: %v", err)
	}
}

func TestRunBehindTLS(t *testing.T) {
	dir := newDirectory(t, nil)
	if err := firstError(setConfig(dir, func(c *config) { c.TLS = tlsFiles{"http.pem", "http.key"} }), writeTLS(dir)); err != nil {
		t.Fatal(err)
	}
	ready, _ := up(t, dir)
	_, address, _ := strings.Cut(ready, " http=")
	address, _, _ = strings.Cut(address, " ")
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprint(conn, "GET /healthz HTTP/1.0\r\n\r\n")
	answer, _ := io.ReadAll(conn)
	if !bytes.Contains(answer, []byte("HTTP request to an HTTPS server")) {
		t.Errorf("plain HTTP got %q", answer)
	}
}

func lastLine(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return lines[len(lines)-1]
}

func firstError(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func appendTo(path, text string) error {
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	return firstError(err, f.Close())
}

func setConfig(d directory, change func(*config)) error {
	text, err := os.ReadFile(d.config())
	if err != nil {
		return err
	}
	c, err := parseConfig(text)
	if err != nil {
		return err
	}
	change(&c)
	if text, err = c.text(); err != nil {
		return err
	}
	return os.WriteFile(d.config(), text, 0o600)
}

// endCertificate leaves a node whose certificate ended and whose
// organisation's key is elsewhere.
func endCertificate(d directory) error {
	k, err := d.readKeys(nil)
	if err != nil {
		return err
	}
	cert := protocol.Certify(k.org, k.cert.Node, time.Now().Add(-48*time.Hour), time.Now().Add(-24*time.Hour))
	return firstError(os.Remove(d.orgKey()), os.Remove(d.cert()), writeNew(d.cert(), encodeCertificate(cert)))
}

func writeTLS(d directory) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), DNSNames: []string{"localhost"}}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	return firstError(
		writeNew(d.within("http.pem"), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert})),
		writeNew(d.within("http.key"), pem.EncodeToMemory(&pem.Block{Type: pemPlain, Bytes: der})))
}

func TestOfflineIdentity(t *testing.T) {
	dir := newDirectory(t, nil)
	code, stdout, stderr := play(t, env{}, "id", "--dir", string(dir))
	k, err := dir.readKeys(nil)
	if err != nil {
		t.Fatal(err)
	}
	peer := node.PeerID(k.cert.Node).String()
	want := fmt.Sprintf("org: bank\nfingerprint: %s\nnode: %s\ncertificate: until %s\naddr: /ip4/127.0.0.1/tcp/0/p2p/%s\n",
		k.cert.Org.Fingerprint(), peer, protocol.Time(k.cert.NotAfter).Format(time.DateOnly), peer)
	if code != exitDone || stdout != want {
		t.Errorf("exit %d: %s%s, want %s", code, stdout, stderr, want)
	}
}

// TestRunEndsWhenTheDiskFails: nothing is acknowledged, and the daemon says why
// it ends.
func TestRunEndsWhenTheDiskFails(t *testing.T) {
	if _, err := os.Stat("/dev/full"); err != nil {
		t.Skip("no /dev/full to stand for a full disk")
	}
	dir := newDirectory(t, nil)
	head := filepath.Join(dir.store(), "store.head")
	if err := firstError(os.Remove(head), os.Symlink("/dev/full", head)); err != nil {
		t.Fatal(err)
	}
	_, down := up(t, dir)
	code, stdout, stderr := play(t, env{}, "community", "create", "isac", "--dir", string(dir))
	if code != exitFailed || stdout != "" || !strings.HasPrefix(stderr, "tocsin: community create: ") {
		t.Errorf("exit %d, %q, %q", code, stdout, stderr)
	}
	code, log := down()
	if code != exitFailed || !strings.Contains(log, "tocsin: run: ") || !strings.Contains(log, "no space left on device") {
		t.Errorf("exit %d: %s", code, log)
	}
}

// TestDoctor: every line is one of the two kinds, and what is wrong makes the
// exit code 1.
func TestDoctor(t *testing.T) {
	dir := newDirectory(t, nil)
	up(t, dir)
	code, stdout, stderr := play(t, env{}, "doctor", "--dir", string(dir))
	wrong := false
	for line := range strings.Lines(stdout) {
		wrong = wrong || strings.HasPrefix(line, "wrong ")
		if !strings.HasPrefix(line, "ok ") && !strings.HasPrefix(line, "wrong ") && !strings.HasPrefix(line, "  hint: ") {
			t.Errorf("line %q", line)
		}
	}
	if !strings.Contains(stdout, "wrong community: ") || !wrong || code != exitFailed || stderr != "" {
		t.Errorf("a node in no community: exit %d, %s%s", code, stdout, stderr)
	}
	if code, stdout, _ := play(t, env{}, "doctor", "--json", "--dir", string(dir)); code != exitFailed || !strings.Contains(stdout, `"ok":false`) {
		t.Errorf("exit %d, %s", code, stdout)
	}
}

func TestWatch(t *testing.T) {
	dir := newDirectory(t, nil)
	up(t, dir)
	for _, args := range [][]string{{"community", "create", "isac"}, {"submit", "--tlp", "green", "203.0.113.7", "evil.example"}} {
		if code, _, stderr := play(t, env{}, append(args, "--dir", string(dir))...); code != exitDone {
			t.Fatalf("%v: exit %d, %s", args, code, stderr)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	r, w := io.Pipe()
	var errs bytes.Buffer
	code := make(chan int, 1)
	go func() {
		code <- run(ctx, env{args: []string{"watch", "--after", "start", "--dir", string(dir)}, stdin: strings.NewReader(""), stdout: w, stderr: &errs})
		w.Close()
	}()
	lines := bufio.NewScanner(r)
	for _, want := range []string{"add 203.0.113.7 ipv4-addr bank tlp:green ", "add evil.example domain-name bank tlp:green "} {
		if !lines.Scan() || !strings.HasPrefix(lines.Text(), want) {
			t.Errorf("got %q, want %s...", lines.Text(), want)
		}
	}
	cancel()
	if c := <-code; c != exitDone {
		t.Errorf("interrupted: exit %d, %s", c, &errs)
	}
	if code, _, stderr := play(t, env{}, "watch", "--after", "elsewhere", "--dir", string(dir)); code == exitDone {
		t.Errorf("a cursor of nowhere: exit %d, %s", code, stderr)
	}
}

// TestTokens: what a script captures is the last line, and it opens the door.
func TestTokens(t *testing.T) {
	dir := newDirectory(t, nil)
	ready, _ := up(t, dir)
	code, stdout, stderr := play(t, env{}, "token", "create", "--role", "reader", "--name", "two words", "--dir", string(dir))
	if code != exitDone || strings.Count(stdout, "\n") != 1 {
		t.Fatalf("exit %d, %q, %s", code, stdout, stderr)
	}
	_, address, _ := strings.Cut(ready, " http=")
	address, _, _ = strings.Cut(address, " ")
	get := func() string {
		req, err := http.NewRequestWithContext(t.Context(), "GET", "http://"+address+"/v1/communities", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+lastLine(stdout))
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		return resp.Status
	}
	if got := get(); got != "200 OK" {
		t.Error(got)
	}
	code, list, stderr := play(t, env{}, "token", "list", "--dir", string(dir))
	id, rest, _ := strings.Cut(list, " ")
	if code != exitDone || !strings.HasPrefix(rest, "reader clearance:green pap:amber created:") || !strings.HasSuffix(rest, ` "two words"`+"\n") || strings.Contains(list, lastLine(stdout)) {
		t.Errorf("exit %d, %q, %s", code, list, stderr)
	}
	if code, stdout, stderr := play(t, env{}, "token", "delete", id, "--dir", string(dir)); code != exitDone || stdout != "deleted "+id+"\n" {
		t.Errorf("exit %d, %q, %s", code, stdout, stderr)
	}
	if got := get(); got != "401 Unauthorized" {
		t.Errorf("with a token that was deleted: %s", got)
	}
}
